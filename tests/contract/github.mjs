// GitHub's published descriptions, and whether a call of the log follows them.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { schema as published } from "@octokit/graphql-schema";
import Ajv from "ajv";
import formats from "ajv-formats";
import { buildSchema, parse, validate } from "graphql";

const require = createRequire(import.meta.url);
const openapi = JSON.parse(readFileSync(require.resolve("@octokit/openapi/generated/api.github.com.deref.json"), "utf8"));
// GitHub publishes two fields of one enterprise type twice, which graphql-js refuses unless told not to look.
const graphql = buildSchema(published.idl, { assumeValid: true, assumeValidSDL: true });

const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: true });
formats(ajv);
const compiled = new Map();

// Paths with fixed words come before those with parameters: /user/repos before /user/{x}.
const routes = Object.entries(openapi.paths)
  .map(([template, methods]) => ({
    template,
    methods,
    pattern: new RegExp(`^${template.replace(/\{[^}]+\}/g, (p) => (p === "{path}" || p === "{ref}" ? "(.+)" : "([^/]+)"))}$`),
    parameters: (template.match(/\{/g) ?? []).length,
  }))
  .sort((a, b) => a.parameters - b.parameters);

/** What is wrong with a call to GitHub, request and answer; an empty list if nothing is. */
export function problemsOf(call) {
  return call.path === "/graphql" ? graphqlProblems(call) : restProblems(call);
}

function graphqlProblems(call) {
  const problems = validate(graphql, parse(call.body.query)).map((error) => `query: ${error.message}`);
  if (call.response && !("data" in call.response)) problems.push("answer: no data");
  return problems;
}

function restProblems(call) {
  // GitHub redirects renamed repositories to /repositories/{id}, which the description does not list.
  const path = call.path.replace(/^\/repositories\/\d+/, "/repos/owner/name");
  const route = routes.find((route) => route.pattern.test(path) && route.methods[call.method.toLowerCase()]);
  if (!route) return [`${call.method} ${call.path} is in no description`];
  const operation = route.methods[call.method.toLowerCase()];
  return [...queryProblems(call, operation), ...bodyProblems(call, operation), ...answerProblems(call, operation)];
}

function queryProblems(call, operation) {
  const known = new Set((operation.parameters ?? []).filter((p) => p.in === "query").map((p) => p.name));
  return [...new URLSearchParams(call.query ?? "").keys()].filter((key) => !known.has(key)).map((key) => `unknown query parameter ${key}`);
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
