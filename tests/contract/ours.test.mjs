// Every request that the program sends, and every answer that the sandbox gives it, against the descriptions.
import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { problemsOf as githubProblems } from "./github.mjs";
import { problemsOf as vercelProblems } from "./vercel.mjs";
import { edit, folderOf, here, startWorld } from "./world.mjs";

let world, folder;
before(async () => {
  world = await startWorld();
  folder = await folderOf(here("everything"));
});
after(async () => {
  world?.stop();
  await folder?.remove();
});

async function converge() {
  const { code, said } = await world.run(["up", ".", "--once", "--listen=127.0.0.1:0"], folder.folder);
  assert.equal(code, 0, said);
}

async function assertDescribed() {
  const calls = await world.calls();
  assert.ok(calls.length > 0, "something was called");
  const problems = [];
  for (const call of calls) {
    const found = call.provider === "github" ? githubProblems(call) : await vercelProblems(call);
    if (found.length) problems.push(`${call.method} ${call.path} → ${call.status}:\n    ${found.join("\n    ")}`);
  }
  assert.equal(problems.length, 0, `${problems.length} of ${calls.length} calls:\n${problems.join("\n")}`);
  await world.admin("DELETE", "requests");
}

test("creating a fork with every field", async () => {
  await converge();
  await assertDescribed();
});

test("changing most of it", async () => {
  const manifest = join(folder.folder, "fork.yaml");
  await edit(manifest, "value: large", "value: small");
  await edit(manifest, "linearHistory: true", "linearHistory: false");
  await edit(manifest, 'nodeVersion: "22"', 'nodeVersion: "24"');
  await edit(manifest, "topics: [ai]", "topics: [ai, product]");
  await edit(manifest, "waitMinutes: 5", "waitMinutes: 10");
  await edit(manifest, "REGION, value: eu", "REGION, value: us");
  await edit(manifest, "redirectStatus: 308", "redirectStatus: 307");
  await edit(manifest, "branch: staging", "branch: main");
  await converge();
  await assertDescribed();
});

test("deleting it", async () => {
  await rm(join(folder.folder, "fork.yaml"));
  await converge();
  await assertDescribed();
});
