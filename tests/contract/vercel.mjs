// Vercel's official SDK as a judge: a call of the log is made again through it, with the logged answer for an answer.
// It must send what was sent (so nothing of ours is unknown to it) and accept what was answered.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { VercelCore } from "@vercel/sdk/core.js";
import { HTTPClient } from "@vercel/sdk/lib/http.js";

const functions = join(dirname(fileURLToPath(import.meta.resolve("@vercel/sdk/core.js"))), "funcs");

const routes = readdirSync(functions)
  .filter((file) => file.endsWith(".js"))
  .flatMap((file) => {
    const text = readFileSync(join(functions, file), "utf8");
    const template = text.match(/pathToFunc\("([^"]+)"\)/)?.[1];
    const method = text.match(/method: "([A-Z]+)"/)?.[1];
    if (!template || !method) return [];
    const names = [...template.matchAll(/\{([^}]+)\}/g)].map((match) => match[1]);
    const pattern = new RegExp(`^${template.replace(/\{[^}]+\}/g, "([^/]+)")}$`);
    return [{ file, name: file.replace(".js", ""), method, pattern, names }];
  })
  .sort((a, b) => a.names.length - b.names.length);

// Calls that Vercel's own clients make and its description leaves out: the link of a project to a repository, by its CLI,
// and the branch that is production, by its Terraform provider.
const UNPUBLISHED = [
  ["POST", /^\/v9\/projects\/[^/]+\/link$/],
  ["DELETE", /^\/v9\/projects\/[^/]+\/link$/],
  ["PATCH", /^\/v9\/projects\/[^/]+\/branch$/],
];

/** What is wrong with a call to Vercel, request and answer; an empty list if nothing is. */
export async function problemsOf(call) {
  if (UNPUBLISHED.some(([method, path]) => method === call.method && path.test(call.path))) return [];
  const route = routes.find((route) => route.method === call.method && route.pattern.test(call.path));
  if (!route) return [`${call.method} ${call.path} is not in the SDK`];
  const { [route.name]: operation } = await import(`@vercel/sdk/funcs/${route.file}`);
  const sent = {};
  const client = new VercelCore({ bearerToken: "x", serverURL: "http://sdk.invalid", httpClient: answering(call, sent) });
  const values = route.pattern.exec(call.path).slice(1).map(decodeURIComponent);
  const parameters = Object.fromEntries(route.names.map((name, index) => [name, values[index]]));
  const query = Object.fromEntries(new URLSearchParams(call.query ?? ""));
  const arguments_ = { ...parameters, ...query, ...(call.body && { requestBody: call.body }) };
  let result = await operation(client, arguments_);
  if (!sent.url) {
    // The SDK takes numbers for numbers; the log has text.
    const wanted = (result.error?.cause?.issues ?? []).filter((issue) => issue.expected === "number").map((issue) => issue.path[0]);
    result = await operation(client, { ...arguments_, ...Object.fromEntries(wanted.map((key) => [key, Number(query[key])])) });
  }
  const problems = [];
  if (!sent.url) return [`the SDK would not send it: ${describe(result.error)}`];
  const unknown = Object.keys(query).filter((key) => !new URL(sent.url).searchParams.has(key));
  problems.push(...unknown.map((key) => `the SDK knows no query parameter ${key}`));
  if (call.body && !isDeepStrictEqual(sent.body, call.body)) {
    problems.push(`the SDK would send ${JSON.stringify(sent.body)} instead of ${JSON.stringify(call.body)}`);
  }
  if (!result.ok && call.status < 400) problems.push(`the SDK does not accept the answer: ${describe(result.error)}`);
  return problems;
}

function answering(call, sent) {
  return new HTTPClient({
    fetcher: async (request) => {
      sent.url = request.url;
      const text = await request.clone().text();
      sent.body = text ? JSON.parse(text) : undefined;
      const body = call.status === 204 ? null : JSON.stringify(call.response ?? {});
      return new Response(body, { status: call.status, headers: { "content-type": "application/json" } });
    },
  });
}

function describe(error) {
  return String(error?.pretty?.() ?? error?.cause?.message ?? error?.message ?? error).slice(0, 1500);
}
