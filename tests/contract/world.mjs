// A sandbox of our own, the binary run against it, and the log of what was said.
import { spawn } from "node:child_process";
import { mkdtemp, cp, rm, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../../..");
const binary = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "debug/forkable");

/** Starts `forkable sandbox`; resolves once it has said where it listens. */
export async function startWorld() {
  const child = spawn(binary, ["sandbox", "--listen=127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise((found, failed) => {
    let said = "";
    child.stdout.on("data", (data) => {
      said += data;
      const address = said.match(/http:\/\/127\.0\.0\.1:\d+/);
      if (address) found(address[0]);
    });
    child.on("error", failed);
    child.on("exit", (code) => failed(new Error(`the sandbox ended with ${code}: ${said}`)));
  });
  const world = new World(url, child);
  await world.admin("PUT", "settings", {
    limits: false,
    autoDns: true,
    recordResponses: true,
    latencies: { requestMs: 0, generateMs: 0, forkMs: 0, buildMs: 0, promoteMs: 0, dnsMs: 0, certMs: 0 },
  });
  return world;
}

class World {
  constructor(url, child) {
    this.url = url;
    this.github = `${url}/github`;
    this.vercel = `${url}/vercel`;
    this.child = child;
  }

  async admin(method, path, body) {
    const response = await fetch(`${this.url}/_sandbox/${path}`, { method, body: body && JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : undefined;
  }

  calls() {
    return this.admin("GET", "requests");
  }

  /** Runs `forkable` to its end and tells what it printed. */
  run(args, cwd) {
    const env = {
      ...process.env,
      GITHUB_API_URL: this.github,
      GITHUB_TOKEN: "sandbox-github-token",
      VERCEL_API_URL: this.vercel,
      VERCEL_TOKEN: "sandbox-vercel-token",
      VERCEL_TEAM_ID: "team_acme",
    };
    return new Promise((found, failed) => {
      const child = spawn(binary, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
      let said = "";
      child.stdout.on("data", (data) => (said += data));
      child.stderr.on("data", (data) => (said += data));
      child.on("error", failed);
      child.on("exit", (code) => found({ code, said }));
    });
  }

  stop() {
    this.child.removeAllListeners("exit");
    this.child.kill();
  }
}

/** A folder with the manifests of `from`, removed by the function it comes with. */
export async function folderOf(from) {
  const folder = await mkdtemp(join(tmpdir(), "forkable-contract-"));
  await cp(from.startsWith("/") ? from : join(root, from), folder, { recursive: true });
  return { folder, remove: () => rm(folder, { recursive: true }) };
}

/** Replaces text in a file; the text must be there. */
export async function edit(path, from, to) {
  const text = await readFile(path, "utf8");
  if (!text.includes(from)) throw new Error(`${path} has no ${from}`);
  await writeFile(path, text.replace(from, to));
}

export const here = (name) => join(root, "tests/contract", name);
