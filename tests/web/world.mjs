// A folder of products, `forkable up` on it with a sandbox, and the address of its page.
import { execFileSync, spawn } from "node:child_process";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../../..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const binary = join(target, "debug/forkable");
// As it was before a browser has put its own libraries there.
const env = { ...process.env };

/** Where pictures are kept. */
export const output = join(target, "web");

/** A copy of a folder of this one, or an empty one. */
export async function folderOf(name) {
  const folder = await mkdtemp(join(tmpdir(), "forkable-web-"));
  if (name) await cp(join(root, "tests/web", name), folder, { recursive: true });
  return folder;
}

/** Writes 90 days of history of a probe into a folder that nothing works on yet. */
export function remember(folder, fork, probe, kind) {
  execFileSync(join(target, "debug/history"), [folder, fork, probe, kind], { env, stdio: "inherit" });
}

/** Starts `forkable up`; resolves once it has said where its page is. */
export async function up(folder, { token } = {}) {
  const variables = { ...env, FORKABLE_WEB_TOKEN: token ?? "" };
  const args = ["up", folder, "--sandbox", "--listen", "127.0.0.1:0", "--no-limits", "--request-ms", "0", "--build-ms", "100"];
  const child = spawn(binary, args, { env: variables, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  const url = await new Promise((found, failed) => {
    const hear = (data) => {
      said += data;
      const address = said.match(/web page at (http:\/\/127\.0\.0\.1:\d+)\//);
      if (address) found(address[1]);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("error", failed);
    child.on("exit", (code) => failed(new Error(`it ended with ${code}: ${said}`)));
  });
  let stopped = false;
  const stop = async () => {
    if (stopped) return 0;
    stopped = true;
    const ended = new Promise((done) => child.on("exit", done));
    child.kill("SIGTERM");
    const began = Date.now();
    await ended;
    await rm(folder, { recursive: true, force: true });
    return Date.now() - began;
  };
  const admin = async (method, path, body) => {
    const sandbox = said.match(/sandbox of GitHub and Vercel at (http:\/\/127\.0\.0\.1:\d+)/)[1];
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${sandbox}/_sandbox/${path}`, { method, headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  };
  return { url, folder, stop, admin };
}

/** Waits until it is so, and says what it waited for when it never came. */
export async function eventually(what, look, seconds = 60) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain for: ${what}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
