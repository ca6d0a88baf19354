// The providers' own clients talk to the sandbox as they would to the real thing.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Vercel } from "@vercel/sdk";
import { Octokit } from "octokit";
import { problemsOf as githubProblems } from "./github.mjs";
import { startWorld } from "./world.mjs";

let world, octokit, vercel;
before(async () => {
  world = await startWorld();
  octokit = new Octokit({ auth: "sandbox-github-token", baseUrl: world.github, throttle: { enabled: false }, retry: { enabled: false } });
  vercel = new Vercel({ bearerToken: "sandbox-vercel-token", serverURL: world.vercel });
});
after(() => world?.stop());

const owner = "acme-inc";
const teamId = "team_acme";

test("octokit makes a repository from a template, commits to it, protects it and finds it by pages", async () => {
  const { data: made } = await octokit.rest.repos.createUsingTemplate({
    template_owner: "forkable-ai", template_repo: "framework", owner, name: "by-octokit", private: true,
  });
  assert.equal(made.full_name, "acme-inc/by-octokit");
  const { repository } = await octokit.graphql(
    `query ($owner: String!, $name: String!) { repository(owner: $owner, name: $name) { id defaultBranchRef { name target { oid } } } }`,
    { owner, name: "by-octokit" },
  );
  const head = repository.defaultBranchRef.target.oid;
  const { createCommitOnBranch } = await octokit.graphql(
    `mutation ($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }`,
    { input: {
      branch: { repositoryNameWithOwner: "acme-inc/by-octokit", branchName: "main" }, expectedHeadOid: head,
      message: { headline: "Add a file" }, fileChanges: { additions: [{ path: "a.txt", contents: btoa("a") }] },
    } },
  );
  assert.match(createCommitOnBranch.commit.oid, /^[0-9a-f]{40}$/);
  const { data: ruleset } = await octokit.rest.repos.createRepoRuleset({
    owner, repo: "by-octokit", name: "main", target: "branch", enforcement: "active",
    conditions: { ref_name: { include: ["~DEFAULT_BRANCH"], exclude: [] } }, rules: [{ type: "non_fast_forward" }],
  });
  assert.ok(ruleset.id > 0);
  const { data: file } = await octokit.rest.repos.getContent({ owner, repo: "by-octokit", path: "a.txt" });
  assert.equal(atob(file.content), "a");
  const pages = await octokit.paginate("GET /repos/{owner}/{repo}/commits", { owner, repo: "by-octokit", per_page: 1 });
  assert.equal(pages.length, 2);
  await octokit.rest.repos.update({ owner, repo: "by-octokit", name: "renamed-by-octokit" });
  const { data: followed } = await octokit.rest.repos.get({ owner, repo: "by-octokit" });
  assert.equal(followed.name, "renamed-by-octokit");
  await octokit.rest.repos.delete({ owner, repo: "renamed-by-octokit" });
  await assert.rejects(octokit.rest.repos.get({ owner, repo: "renamed-by-octokit" }), { status: 404 });
});

test("octokit is refused as by GitHub", async () => {
  await assert.rejects(octokit.rest.repos.createUsingTemplate({ template_owner: "forkable-ai", template_repo: "nowhere", owner, name: "x" }), { status: 404 });
  const stranger = new Octokit({ auth: "nobody", baseUrl: world.github, throttle: { enabled: false }, retry: { enabled: false } });
  await assert.rejects(stranger.rest.users.getAuthenticated(), { status: 401, message: /Bad credentials/ });
});

test("every answer to octokit is as described", async () => {
  const calls = (await world.calls()).filter((call) => call.provider === "github");
  const problems = calls.flatMap((call) => githubProblems(call).map((problem) => `${call.method} ${call.path} → ${call.status}: ${problem}`));
  assert.deepEqual(problems, []);
});

test("the Vercel SDK makes a project with variables and a domain, builds it, and lists it", async () => {
  const { data: repository } = await octokit.rest.repos.createUsingTemplate({
    template_owner: "forkable-ai", template_repo: "framework", owner, name: "by-sdk", private: true,
  });
  const project = await vercel.projects.createProject({
    teamId, requestBody: { name: "by-sdk", framework: "nextjs", gitRepository: { type: "github", repo: "acme-inc/by-sdk" } },
  });
  assert.equal(project.name, "by-sdk");
  const made = await vercel.projects.createProjectEnv({
    idOrName: project.id, teamId, upsert: "true",
    requestBody: [{ key: "A", value: "1", type: "encrypted", target: ["production"] }],
  });
  assert.equal(made.failed.length, 0);
  const domain = await vercel.projects.addProjectDomain({ idOrName: project.id, teamId, requestBody: { name: "sdk.example.com" } });
  assert.equal(domain.verified, true);
  const deployment = await vercel.deployments.createDeployment({
    teamId, forceNew: "1",
    requestBody: { name: "by-sdk", project: project.id, target: "production", gitSource: { type: "github", repoId: repository.id, ref: "main" } },
  });
  const seen = await vercel.deployments.getDeployment({ idOrUrl: deployment.id, teamId });
  assert.equal(seen.readyState, "READY");
  const { projects } = await vercel.projects.getProjects({ teamId, limit: "100" });
  assert.ok(projects.some((found) => found.id === project.id));
  await vercel.projects.deleteProject({ idOrName: project.id, teamId });
  await assert.rejects(vercel.projects.getProjectDomains({ idOrName: project.id, teamId }), { statusCode: 404 });
});
