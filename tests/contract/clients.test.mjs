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

test("octokit walks through the neighbours of a repository", async () => {
  const { rest } = octokit;
  const repo = "neighbours";
  const at = { owner, repo };
  const { data: made } = await rest.repos.createInOrg({ org: owner, name: repo, private: true, auto_init: true });
  assert.equal(made.private, true);
  const head = (await rest.git.getRef({ ...at, ref: "heads/main" })).data.object.sha;
  const { data: blob } = await rest.git.createBlob({ ...at, content: btoa("b"), encoding: "base64" });
  assert.equal(atob((await rest.git.getBlob({ ...at, file_sha: blob.sha })).data.content.trim()), "b");
  const { data: tree } = await rest.git.createTree({ ...at, base_tree: head, tree: [{ path: "b.txt", mode: "100644", type: "blob", sha: blob.sha }] });
  const { data: commit } = await rest.git.createCommit({ ...at, message: "Add b", tree: tree.sha, parents: [head] });
  await rest.git.createRef({ ...at, ref: "refs/heads/next", sha: head });
  await rest.git.updateRef({ ...at, ref: "heads/next", sha: commit.sha });
  assert.equal((await rest.git.getTree({ ...at, tree_sha: "next", recursive: "1" })).data.tree.length, 2);
  assert.equal((await rest.repos.compareCommitsWithBasehead({ ...at, basehead: "main...next" })).data.ahead_by, 1);
  assert.equal((await rest.repos.listBranches(at)).data.length, 2);
  await rest.repos.renameBranch({ ...at, branch: "next", new_name: "later" });
  assert.equal((await rest.repos.getBranch({ ...at, branch: "later" })).data.commit.sha, commit.sha);
  await rest.git.deleteRef({ ...at, ref: "heads/later" });

  const { data: put } = await rest.repos.createOrUpdateFileContents({ ...at, path: "c.txt", message: "Add c", content: btoa("c") });
  await rest.repos.deleteFile({ ...at, path: "c.txt", message: "Remove c", sha: put.content.sha });
  await assert.rejects(rest.repos.getContent({ ...at, path: "c.txt" }), { status: 404 });
  const now = (await rest.repos.getCommit({ ...at, ref: "main" })).data.sha;
  await rest.repos.createCommitStatus({ ...at, sha: now, state: "success", context: "ci" });
  assert.equal((await rest.repos.getCombinedStatusForRef({ ...at, ref: now })).data.state, "success");
  assert.equal((await rest.checks.listForRef({ ...at, ref: now })).data.total_count, 0);

  await rest.repos.replaceAllTopics({ ...at, names: ["ai"] });
  assert.deepEqual((await rest.repos.getAllTopics(at)).data.names, ["ai"]);
  const { data: ruleset } = await rest.repos.createRepoRuleset({ ...at, name: "r", enforcement: "active", target: "branch", rules: [{ type: "deletion" }] });
  await rest.repos.updateRepoRuleset({ ...at, ruleset_id: ruleset.id, enforcement: "disabled" });
  assert.equal((await rest.repos.getRepoRuleset({ ...at, ruleset_id: ruleset.id })).data.enforcement, "disabled");
  assert.equal((await rest.repos.getRepoRulesets(at)).data.length, 1);
  await rest.repos.deleteRepoRuleset({ ...at, ruleset_id: ruleset.id });

  const { data: team } = await rest.teams.getByName({ org: owner, team_slug: "platform" });
  const of = { ...at, environment_name: "production" };
  await rest.repos.createOrUpdateEnvironment({
    ...of, wait_timer: 1, reviewers: [{ type: "Team", id: team.id }], deployment_branch_policy: { protected_branches: false, custom_branch_policies: true },
  });
  const { data: policy } = await rest.repos.createDeploymentBranchPolicy({ ...of, name: "main" });
  assert.equal((await rest.repos.listDeploymentBranchPolicies(of)).data.total_count, 1);
  await rest.repos.deleteDeploymentBranchPolicy({ ...of, branch_policy_id: policy.id });
  const { data: environment } = await rest.repos.getEnvironment(of);
  assert.deepEqual(environment.protection_rules.map((rule) => rule.type).sort(), ["branch_policy", "required_reviewers", "wait_timer"]);
  await rest.repos.getAllEnvironments(at);
  await rest.actions.createEnvironmentVariable({ ...of, name: "A", value: "1" });
  await rest.actions.updateEnvironmentVariable({ ...of, name: "A", value: "2" });
  assert.equal((await rest.actions.listEnvironmentVariables(of)).data.variables[0].value, "2");
  await rest.actions.getEnvironmentPublicKey(of);
  await rest.repos.deleteAnEnvironment(of);
  await rest.actions.createRepoVariable({ ...at, name: "A", value: "1" });
  await assert.rejects(rest.actions.createRepoVariable({ ...at, name: "A", value: "1" }), { status: 409 });
  await rest.actions.deleteRepoVariable({ ...at, name: "A" });
  assert.equal((await rest.actions.listRepoSecrets(at)).data.total_count, 0);
  await rest.actions.getRepoPublicKey(at);

  await rest.repos.enableVulnerabilityAlerts(at);
  await rest.repos.enableAutomatedSecurityFixes(at);
  assert.equal((await rest.repos.checkAutomatedSecurityFixes(at)).data.enabled, true);
  const { data: hook } = await rest.repos.createWebhook({ ...at, config: { url: "https://example.com/hook", content_type: "json" }, events: ["push"] });
  assert.equal((await rest.repos.listWebhooks(at)).data[0].id, hook.id);
  await rest.repos.deleteWebhook({ ...at, hook_id: hook.id });

  await rest.rateLimit.get();
  await rest.users.getAuthenticated();
  await rest.users.getByUsername({ username: owner });
  await rest.orgs.get({ org: owner });
  assert.equal((await rest.teams.list({ org: owner })).data.length, 1);
  assert.ok((await rest.repos.listForOrg({ org: owner })).data.some((found) => found.id === made.id));
  await rest.repos.createFork({ owner: "forkable-ai", repo: "framework", organization: owner, name: "forked-by-octokit" });
  await rest.repos.update({ ...at, archived: true });
  await assert.rejects(rest.repos.replaceAllTopics({ ...at, names: [] }), { status: 403 });
});

test("every answer to octokit is as described", async () => {
  const calls = (await world.calls()).filter((call) => call.provider === "github" && !isRedirect(call));
  const problems = calls.flatMap((call) => githubProblems(call).map((problem) => `${call.method} ${call.path} → ${call.status}: ${problem}`));
  assert.deepEqual(problems, []);
});

// Where octokit is sent when a repository was renamed; no description lists it.
const isRedirect = (call) => call.method === "GET" && /^\/repositories\/\d+$/.test(call.path);

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

test("the Vercel SDK walks through the neighbours of a project", async () => {
  const { data: repository } = await octokit.rest.repos.createUsingTemplate({
    template_owner: "forkable-ai", template_repo: "framework", owner, name: "around-sdk", private: true,
  });
  const { projects, domains, deployments, environment: environments, aliases, teams, user, webhooks } = vercel;
  const project = await projects.createProject({
    teamId, requestBody: { name: "around-sdk", gitRepository: { type: "github", repo: "acme-inc/around-sdk" } },
  });
  const idOrName = project.id;
  const at = { idOrName, teamId };
  const changed = await projects.updateProject({ ...at, requestBody: { nodeVersion: "22.x", buildCommand: "npm run build" } });
  assert.equal(changed.nodeVersion, "22.x");

  const staging = await environments.createCustomEnvironment({ ...at, requestBody: { slug: "staging", branchMatcher: { type: "equals", pattern: "staging" } } });
  assert.equal((await environments.getProjectsByIdOrNameCustomEnvironments({ ...at })).environments.length, 1);
  const { created } = await projects.createProjectEnv({
    ...at, upsert: "true",
    requestBody: [
      { key: "A", value: "1", type: "encrypted", target: ["production", "preview"] },
      { key: "B", value: "2", type: "sensitive", customEnvironmentIds: [staging.id] },
    ],
  });
  assert.equal(created.length, 2);
  const { envs } = await projects.filterProjectEnvs(at);
  assert.equal(envs.length, 2);
  await projects.editProjectEnv({ ...at, id: envs.find((row) => row.key === "A").id, requestBody: { value: "3" } });
  await projects.batchRemoveProjectEnv({ ...at, requestBody: { ids: [envs.find((row) => row.key === "B").id] } });
  await assert.rejects(projects.createProjectEnv({ ...at, requestBody: { key: "A", value: "1", type: "plain", target: ["preview"] } }), { statusCode: 400 });

  await projects.addProjectDomain({ ...at, requestBody: { name: "around.example.com" } });
  await projects.addProjectDomain({ ...at, requestBody: { name: "www.around.example.com", redirect: "around.example.com", redirectStatusCode: 308 } });
  const www = { ...at, domain: "www.around.example.com" };
  assert.equal((await projects.updateProjectDomain({ ...www, requestBody: { redirectStatusCode: 307, redirect: "around.example.com" } })).redirectStatusCode, 307);
  assert.equal((await projects.getProjectDomain(www)).redirect, "around.example.com");
  assert.ok((await projects.getProjectDomains(at)).domains.length >= 2);
  assert.equal((await projects.verifyProjectDomain({ ...at, domain: "around.example.com" })).verified, true);
  assert.equal((await domains.getDomainConfig({ domain: "around.example.com", teamId, projectIdOrName: idOrName })).misconfigured, false);
  await projects.removeProjectDomain(www);

  const built = async (target) => (await deployments.createDeployment({
    teamId, forceNew: "1",
    requestBody: { name: "around-sdk", project: project.id, target, gitSource: { type: "github", repoId: repository.id, ref: "main" } },
  })).id;
  const first = await built("production");
  const second = await built("production");
  const { deployments: all } = await deployments.getDeployments({ teamId, projectId: project.id });
  assert.equal(all.length, 2);
  await deployments.getDeploymentEvents({ idOrUrl: second, teamId });
  await projects.requestPromote({ projectId: project.id, deploymentId: first, teamId });
  const promoted = async () => (await projects.getProject(at)).lastAliasRequest?.jobStatus === "succeeded";
  while (!(await promoted())) await new Promise((later) => setTimeout(later, 20));
  assert.ok((await aliases.listDeploymentAliases({ id: first, teamId })).aliases.some(({ alias }) => alias === "around.example.com"));
  // The SDK takes the log for one row, which is told when the log has ended.
  const log = vercel.logs.getRuntimeLogs({ projectId: project.id, deploymentId: first, teamId });
  while (!(await world.admin("GET", "inventory")).runtimeLogFollowers) await new Promise((later) => setTimeout(later, 20));
  await fetch(`${world.url}/_sites/around.example.com/`);
  await world.admin("PUT", "clock", { advanceSeconds: 301 });
  const { requestPath, responseStatusCode, domain } = await log;
  assert.deepEqual({ requestPath, responseStatusCode, domain }, { requestPath: "/", responseStatusCode: 200, domain: "around.example.com" });
  await assert.rejects(deployments.cancelDeployment({ id: second, teamId }), { statusCode: 400 });
  await deployments.deleteDeployment({ id: second, teamId });

  await projects.pauseProject({ projectId: project.id, teamId });
  await projects.unpauseProject({ projectId: project.id, teamId });
  const hook = await webhooks.createWebhook({ teamId, requestBody: { url: "https://example.com/hook", events: ["deployment.succeeded"] } });
  await webhooks.deleteWebhook({ id: hook.id, teamId });
  assert.ok((await teams.getTeams({})).teams.length >= 1);
  assert.equal((await user.getAuthUser()).user.defaultTeamId, teamId);
  await environments.removeCustomEnvironment({ ...at, environmentSlugOrId: staging.id, requestBody: { deleteUnassignedEnvironmentVariables: true } });
  await projects.deleteProject(at);
});
