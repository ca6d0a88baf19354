// Every request that the program sends, and every answer that the sandbox gives it, against the descriptions.
import assert from "node:assert/strict";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { problemsOf as githubProblems } from "./github.mjs";
import { problemsOf as vercelProblems } from "./vercel.mjs";
import { edit, folderOf, here, startWorld } from "./world.mjs";

let world, everything;
const folders = [];
before(async () => {
  world = await startWorld();
  everything = await open(() => {});
});
after(async () => {
  world?.stop();
  await Promise.all(folders.map((folder) => folder.remove()));
});

/** A folder of its own with the fork that uses every field, changed by `change`. */
async function open(change) {
  const folder = await folderOf(here("everything"));
  folders.push(folder);
  const manifest = join(folder.folder, "fork.yaml");
  const text = await readFile(manifest, "utf8");
  await writeFile(manifest, change(text) ?? text);
  return { folder: folder.folder, manifest };
}

/** `up --once`, which must end well; every call of it is held against the descriptions. Tells the operations. */
async function converge({ folder }) {
  await world.admin("DELETE", "requests");
  const { code, said } = await world.run(["up", ".", "--once", "--listen=127.0.0.1:0"], folder);
  assert.equal(code, 0, said);
  const calls = await world.calls();
  const problems = [];
  for (const call of calls) {
    const judged = call.provider === "github" ? githubProblems(call) : await vercelProblems(call);
    const found = [...headerProblems(call), ...judged];
    if (found.length) problems.push(`${call.method} ${call.path} → ${call.status}:\n    ${found.join("\n    ")}`);
  }
  assert.equal(problems.length, 0, `${problems.length} of ${calls.length} calls:\n${problems.join("\n")}`);
  return calls.map((call) => call.operation);
}

// https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api#headers. Vercel takes a call without a
// team for one to the token's default team.
function headerProblems({ provider, headers, query, body }) {
  const expected = { "user-agent": /^forkable\//, accept: /json$/, ...(body && { "content-type": /^application\/json$/ }) };
  if (provider === "github") Object.assign(expected, { accept: /^application\/vnd\.github\+json$/, "x-github-api-version": /^2022-11-28$/ });
  const wrong = Object.entries(expected).filter(([name, form]) => !form.test(headers[name] ?? ""));
  const problems = wrong.map(([name]) => `header ${name} is ${headers[name]}`);
  if (provider === "vercel" && !new URLSearchParams(query).get("teamId")) problems.push("no teamId");
  return problems;
}

const other = (name) => (text) => text.replaceAll("everything", name).replaceAll(`name: ${name}, key`, "name: everything, key")
  .replace(`configMapRef: { name: ${name} }`, "configMapRef: { name: everything }");

test("creating a fork with every field", async () => {
  const operations = await converge(everything);
  assert.ok(operations.includes("POST /repos/{owner}/{repo}/generate"), `${operations}`);
});

test("changing most of it", async () => {
  const { manifest } = everything;
  await edit(manifest, "value: large", "value: small");
  await edit(manifest, "linearHistory: true", "linearHistory: false");
  await edit(manifest, 'nodeVersion: "22"', 'nodeVersion: "24"');
  await edit(manifest, "topics: [ai]", "topics: [ai, product]");
  await edit(manifest, "waitMinutes: 5", "waitMinutes: 10");
  await edit(manifest, "REGION, value: eu", "REGION, value: us");
  await edit(manifest, "redirectStatus: 308", "redirectStatus: 307");
  await edit(manifest, "branch: staging", "branch: main");
  await edit(manifest, "dependabotFixes: true", "dependabotFixes: false");
  await edit(manifest, "discussions: true", "discussions: false");
  await edit(manifest, "login: Preview", 'login: "Off"');
  await edit(manifest, "{ user: octo-founder }", "{ team: platform }");
  await converge(everything);
});

test("renaming it and taking things out of it", async () => {
  const { manifest } = everything;
  await edit(manifest, "    name: everything\n    visibility", "    name: anything\n    visibility");
  await edit(manifest, "      - { name: TIER, value: gold, environment: production }\n", "");
  await edit(manifest, "      - { name: DEPLOY_KEY, secretKeyRef: { name: everything, key: deploy } }\n", "");
  await edit(manifest, "      linearHistory: false\n", "");
  await edit(manifest, "    - { name: staging.everything.example.com, environment: staging }\n", "");
  await edit(manifest, "    - { name: STAGE, value: staging, environments: [staging] }\n", "");
  await edit(manifest, "    environments: [{ name: staging, branch: main }]\n", "");
  const operations = await converge(everything);
  const gone = "DELETE /v9/projects/{idOrName}/custom-environments/{environmentSlugOrId}";
  assert.ok(operations.includes(gone), `${operations}`);
});

test("having its visitors challenged", async () => {
  await edit(everything.manifest, "metadata:\n", 'metadata:\n  annotations: { forkable.dev/challenge: "a person until 2999-01-01T00:00:00Z" }\n');
  const operations = await converge(everything);
  assert.ok(operations.includes("POST /v1/security/attack-mode"), `${operations}`);
});

test("deleting it", async () => {
  await rm(everything.manifest);
  const operations = await converge(everything);
  assert.ok(operations.includes("DELETE /repos/{owner}/{repo}"), `${operations}`);
  assert.ok(operations.includes("DELETE /v9/projects/{idOrName}"), `${operations}`);
});

test("a copy of the template, archived in the end", async () => {
  const copy = await open((text) => other("copied")(text).replace("mode: Template", "mode: Copy").replace("deletionPolicy: Delete", "deletionPolicy: Archive"));
  const made = await converge(copy);
  assert.ok(made.includes("POST /repos/{owner}/{repo}/git/trees"), `${made}`);
  await rm(copy.manifest);
  const operations = await converge(copy);
  assert.ok(operations.includes("POST /v1/projects/{idOrName}/pause"), `${operations}`);
});

test("a fork of the template, left alone in the end and adopted again", async () => {
  const as = (text) => other("forked")(text).replace("mode: Template", "mode: Fork").replace("visibility: Private", "visibility: Public")
    .replace("deletionPolicy: Delete", "deletionPolicy: Retain").replace("discussions: true, ", "");
  const fork = await open(as);
  const made = await converge(fork);
  assert.ok(made.includes("POST /repos/{owner}/{repo}/forks"), `${made}`);
  const heir = await open((text) => as(text).replace("metadata:\n", 'metadata:\n  annotations: { forkable.dev/adopt: "true" }\n'));
  const operations = await converge(heir);
  assert.ok(!operations.includes("POST /repos/{owner}/{repo}/forks"), `${operations}`);
  assert.ok(!operations.includes("POST /v11/projects"), `${operations}`);
});
