// GitHub's published descriptions, and whether a call of the log follows them.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { schema as published } from "@octokit/graphql-schema";
import Ajv from "ajv";
import formats from "ajv-formats";
import { buildSchema, execute, getOperationAST, parse, validate } from "graphql";
import { getVariableValues } from "graphql/execution/values.js";

const require = createRequire(import.meta.url);
const openapi = JSON.parse(readFileSync(require.resolve("@octokit/openapi/generated/api.github.com.deref.json"), "utf8"));
// GitHub publishes two fields of one enterprise type twice, which graphql-js refuses unless told not to look.
const graphql = buildSchema(published.idl, { assumeValid: true, assumeValidSDL: true });

const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true });
formats(ajv);
const compiled = new Map();

// What GitHub answers and does not describe.
const UNDESCRIBED = [
  // A variable that is there already: https://docs.github.com/en/rest/actions/variables
  [/\/variables$/, "POST", 409],
  // A repository that is archived.
  [/\/topics$/, "PUT", 403],
  // A template that is not there, or cannot be seen.
  [/\/generate$/, "POST", 404],
];

// Paths with fixed words come before those with parameters: /user/repos before /user/{x}, /commits/{ref}/status before
// /commits/{ref}.
const routes = Object.entries(openapi.paths)
  .map(([template, methods]) => ({
    template,
    methods,
    pattern: new RegExp(`^${template.replace(/\{[^}]+\}/g, (p) => (p === "{path}" || p === "{ref}" ? "(.+)" : "([^/]+)"))}$`),
    parameters: (template.match(/\{/g) ?? []).length,
  }))
  .sort((a, b) => a.parameters - b.parameters || b.template.length - a.template.length);

/** What is wrong with a call to GitHub, request and answer; an empty list if nothing is. */
export function problemsOf(call) {
  return call.path === "/graphql" ? graphqlProblems(call) : restProblems(call);
}

function graphqlProblems(call) {
  const document = parse(call.body.query);
  const problems = validate(graphql, document).map((error) => `query: ${error.message}`);
  if (problems.length) return problems;
  const { variableDefinitions } = getOperationAST(document, call.body.operationName);
  const { errors = [] } = getVariableValues(graphql, variableDefinitions ?? [], call.body.variables ?? {});
  problems.push(...errors.map((error) => `variables: ${error.message}`));
  if (!call.response || problems.length) return problems;
  if (!("data" in call.response)) return ["answer: no data"];
  return call.response.data === null ? [] : dataProblems(document, call);
}

/** Executes the document on its own answer: each value that its type does not allow is an error. */
function dataProblems(document, call) {
  const excused = (call.response.errors ?? []).map((error) => (error.path ?? []).join("."));
  const { errors = [] } = execute({
    schema: graphql,
    document,
    operationName: call.body.operationName,
    variableValues: call.body.variables,
    rootValue: call.response.data,
    fieldResolver: (source, _args, _context, info) => source[info.path.key],
    typeResolver: typeOf,
  });
  return errors
    .filter((error) => !excused.some((path) => (error.path ?? []).join(".").startsWith(path)))
    .map((error) => `answer: ${(error.path ?? []).join(".")}: ${error.message}`);
}

/** The type of a value of an interface or a union, which an answer need not name: the one that the document asks about. */
function typeOf(value, _context, info, type) {
  const possible = new Set(graphql.getPossibleTypes(type).map((type) => type.name));
  if (value.__typename) return value.__typename;
  const asked = info.fieldNodes
    .flatMap((node) => node.selectionSet.selections)
    .map((selection) => (selection.kind === "FragmentSpread" ? info.fragments[selection.name.value] : selection).typeCondition?.name.value)
    .filter((name) => possible.has(name));
  // Nothing of what was asked about: any other type.
  if (!asked.length) return [...possible][0];
  return Object.keys(value).length ? asked[0] : [...possible].find((name) => !asked.includes(name));
}

function restProblems(call) {
  const route = routes.find((route) => route.pattern.test(call.path) && route.methods[call.method.toLowerCase()]);
  if (!route) return [`${call.method} ${call.path} is in no description`];
  const operation = route.methods[call.method.toLowerCase()];
  return [...queryProblems(call, operation), ...bodyProblems(call, operation), ...answerProblems(call, operation)];
}

function queryProblems(call, operation) {
  const known = new Map((operation.parameters ?? []).filter((p) => p.in === "query").map((p) => [p.name, p.schema]));
  const sent = new URLSearchParams(call.query ?? "");
  const missing = (operation.parameters ?? []).filter((p) => p.in === "query" && p.required && !sent.has(p.name));
  return [
    ...missing.map((p) => `no query parameter ${p.name}`),
    ...[...sent].flatMap(([key, value]) => {
      if (!known.has(key)) return [`unknown query parameter ${key}`];
      const number = ["integer", "number"].includes(known.get(key).type);
      return errorsOf(known.get(key), number ? Number(value) : value, `query parameter ${key}`);
    }),
  ];
}

function bodyProblems(call, operation) {
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  if (!schema) return call.body ? ["a body where none is described"] : [];
  if (!call.body) return operation.requestBody.required ? ["no body"] : [];
  const known = new Set(propertiesOf(schema));
  const unknown = Object.keys(call.body).filter((key) => known.size && !known.has(key));
  return [...unknown.map((key) => `unknown field ${key}`), ...errorsOf(schema, call.body, "request")];
}

function answerProblems(call, operation) {
  const described = operation.responses[call.status] ?? operation.responses[`${Math.floor(call.status / 100)}XX`];
  if (!described && UNDESCRIBED.some(([path, method, status]) => path.test(call.path) && method === call.method && status === call.status)) return [];
  if (!described) return call.status >= 500 ? [] : [`status ${call.status} is not described`];
  const schema = described.content?.["application/json"]?.schema;
  return schema && call.response ? errorsOf(schema, call.response, "answer") : [];
}

function propertiesOf(schema) {
  const parts = [schema, ...(schema.oneOf ?? []), ...(schema.anyOf ?? []), ...(schema.allOf ?? [])];
  return parts.flatMap((part) => Object.keys(part.properties ?? {}));
}

function errorsOf(schema, value, what) {
  if (!compiled.has(schema)) compiled.set(schema, ajv.compile(jsonSchema(schema)));
  const check = compiled.get(schema);
  if (check(value)) return [];
  return check.errors.slice(0, 5).map((error) => `${what}: ${error.instancePath || "/"} ${error.message} ${JSON.stringify(error.params)}`);
}

/** OpenAPI 3.0's `nullable`, which may stand where JSON Schema has no place for it, in JSON Schema's own words. */
function jsonSchema(value) {
  if (Array.isArray(value)) return value.map(jsonSchema);
  if (value === null || typeof value !== "object") return value;
  const { nullable, ...rest } = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, jsonSchema(inner)]));
  // A property that is called "nullable" holds a schema, not a switch.
  if (typeof nullable === "object") return { ...rest, nullable };
  return nullable ? { anyOf: [rest, { type: "null" }] } : rest;
}
