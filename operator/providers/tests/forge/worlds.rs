//! The two worlds that the contract runs in.

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use forkable_core::{
    Secret,
    fakes::forge::FakeForge,
    forge::{Forge, ForgeChange, ForgeDone, RepositoryAsk, RepositoryFacts, RepositoryTarget},
    workflows::{RunReview, RunState},
};
use forkable_crds::fork::Visibility;
use forkable_providers::{
    github::{self, Credentials, GitHub},
    transport::{Network, SystemClock, Timeouts},
};
use forkable_sandbox::{GithubPlan, Latencies, Options, Server, Settings};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::Outcome;

/// The template that both worlds have, with a README.
pub(super) fn template() -> (String, String) {
    ("forkable-ai".into(), "framework".into())
}

/// What a test does beside the port.
#[async_trait]
pub(super) trait World: Send + Sync {
    fn forge(&self) -> &dyn Forge;
    /// Generated content arrives, and runs of workflows end well.
    fn ripen(&self);
    /// A person writes a file on the default branch.
    async fn write(&self, full_name: &str, path: &str, content: &str) -> Outcome;
    /// A person makes another branch where the default branch is.
    async fn branch(&self, full_name: &str, branch: &str) -> Outcome;
    /// A person opens a pull request for a new branch with a commit; tells its number.
    async fn open(&self, full_name: &str, branch: &str) -> Outcome<i64>;
    /// A person makes another commit on a branch.
    async fn push(&self, full_name: &str, branch: &str) -> Outcome;
    async fn close(&self, full_name: &str, pull_request: i64) -> Outcome;
    /// A reviewer of the environment `production` approves or rejects a run that waits for one.
    async fn review_run(&self, full_name: &str, run: i64, approves: bool, comment: &str) -> Outcome;
    /// What the comments on a pull request say, oldest first.
    async fn said(&self, full_name: &str, pull_request: i64) -> Outcome<Vec<String>>;
    async fn read(&self, full_name: &str, path: &str) -> Outcome<Option<String>>;
    /// The value of a secret, which no port tells.
    async fn secret(&self, full_name: &str, environment: Option<&str>, name: &str) -> Outcome<Option<String>>;
    /// A person renames a repository.
    async fn rename(&self, full_name: &str, name: &str) -> Outcome;
    fn drop_plan(&self);

    /// A private repository from the template, with its content.
    async fn repository(&self, name: &str) -> Outcome<(RepositoryTarget, RepositoryFacts)> {
        let absent = target("acme-inc", name);
        let done = self.forge().apply(&absent, &generate()).await?;
        let ForgeDone::Repository(made) = done else { return Err("a repository was expected".into()) };
        self.ripen();
        let facts = look(self.forge(), &ask_of(&made)).await?;
        Ok((target_of(&facts), facts))
    }
}

pub(super) fn generate() -> ForgeChange {
    ForgeChange::CreateFromTemplate {
        template: template(),
        visibility: Visibility::Private,
        description: Some("A shop".into()),
    }
}

/// A repository that is not made yet.
pub(super) fn target(owner: &str, name: &str) -> RepositoryTarget {
    RepositoryTarget { owner: owner.into(), name: name.into(), ..RepositoryTarget::default() }
}

pub(super) fn target_of(facts: &RepositoryFacts) -> RepositoryTarget {
    let (owner, name) = facts.full_name.split_once('/').unwrap_or_default();
    RepositoryTarget {
        id: Some(facts.id),
        node_id: Some(facts.node_id.clone()),
        head: facts.head.as_ref().map(|head| head.oid.clone()),
        ..target(owner, name)
    }
}

pub(super) fn ask(owner: &str, name: &str) -> RepositoryAsk {
    RepositoryAsk {
        node_id: None,
        owner: owner.into(),
        name: name.into(),
        template: Some(template()),
        paths: vec!["README.md".into(), "docs/new.md".into()],
        deep: true,
        pull_requests: true,
    }
}

pub(super) fn ask_of(facts: &RepositoryFacts) -> RepositoryAsk {
    let (owner, name) = facts.full_name.split_once('/').unwrap_or_default();
    RepositoryAsk { node_id: Some(facts.node_id.clone()), ..ask(owner, name) }
}

pub(super) async fn look(forge: &dyn Forge, ask: &RepositoryAsk) -> Outcome<RepositoryFacts> {
    let mut seen = forge.observe(std::slice::from_ref(ask)).await?;
    Ok(seen.pop().and_then(|view| view.repository).ok_or("the repository is not there")?)
}

/// The in-memory fake.
pub(super) struct Fake(pub(super) FakeForge);

impl Default for Fake {
    fn default() -> Self {
        let forge = FakeForge::default();
        let mut world = forge.world();
        world.add_template("forkable-ai", "framework", &[("README.md", "# framework\n"), ("app/page.tsx", "page\n")]);
        world.add("forkable-ai", "storefront", &[("README.md", "# storefront\n")]);
        world.add_template("forkable-ai", "empty", &[]);
        drop(world);
        Self(forge)
    }
}

#[async_trait]
impl World for Fake {
    fn forge(&self) -> &dyn Forge {
        &self.0
    }

    fn ripen(&self) {
        let names: Vec<_> = self.0.world().repositories.values().map(|one| one.facts.full_name.clone()).collect();
        for repository in self.0.world().repositories.values_mut() {
            for run in repository.runs.iter_mut().filter(|run| run.state == RunState::Running) {
                (run.state, run.conclusion) = (RunState::Succeeded, Some("success".into()));
            }
        }
        for name in names {
            let (owner, repo) = name.split_once('/').unwrap_or_default();
            for _ in 0..3 {
                drop(futures::executor::block_on(self.0.observe(&[ask(owner, repo)])));
            }
        }
    }

    async fn write(&self, full_name: &str, path: &str, content: &str) -> Outcome {
        self.0.world().named(full_name).ok_or("no such repository")?.write(path, content);
        Ok(())
    }

    async fn branch(&self, full_name: &str, branch: &str) -> Outcome {
        let mut world = self.0.world();
        let repository = world.named(full_name).ok_or("no such repository")?;
        let tree = repository.trees.values().next().cloned().ok_or("no branch")?;
        repository.commit(branch, "Branch off", tree);
        Ok(())
    }

    async fn open(&self, full_name: &str, branch: &str) -> Outcome<i64> {
        self.branch(full_name, branch).await?;
        let mut world = self.0.world();
        let repository = world.named(full_name).ok_or("no such repository")?;
        let number = repository.comments.keys().max().map_or(1, |last| last + 1);
        repository.open(number, branch);
        Ok(number)
    }

    async fn push(&self, full_name: &str, branch: &str) -> Outcome {
        let mut world = self.0.world();
        let repository = world.named(full_name).ok_or("no such repository")?;
        let tree = repository.trees.get(branch).cloned().ok_or("no branch")?;
        repository.commit(branch, "Go on", tree);
        let open: Vec<_> = repository.pull_requests.values().filter(|open| open.branch == branch).cloned().collect();
        for open in &open {
            repository.open(open.number, branch);
        }
        Ok(())
    }

    async fn close(&self, full_name: &str, pull_request: i64) -> Outcome {
        let mut world = self.0.world();
        world.named(full_name).ok_or("no such repository")?.pull_requests.remove(&pull_request);
        Ok(())
    }

    async fn review_run(&self, full_name: &str, run: i64, approves: bool, comment: &str) -> Outcome {
        let mut world = self.0.world();
        let repository = world.named(full_name).ok_or("no such repository")?;
        let environments = vec!["production".into()];
        let review = RunReview { approves, by: "octo-founder".into(), comment: comment.into(), environments };
        repository.run_reviews.entry(run).or_default().push(review);
        Ok(())
    }

    async fn said(&self, full_name: &str, pull_request: i64) -> Outcome<Vec<String>> {
        let mut world = self.0.world();
        let said = world.named(full_name).ok_or("no such repository")?.comments.get(&pull_request).cloned();
        Ok(said.unwrap_or_default().into_iter().map(|(_, body)| body).collect())
    }

    async fn read(&self, full_name: &str, path: &str) -> Outcome<Option<String>> {
        let mut world = self.0.world();
        Ok(world.named(full_name).ok_or("no such repository")?.read(path).map(str::to_owned))
    }

    async fn secret(&self, full_name: &str, environment: Option<&str>, name: &str) -> Outcome<Option<String>> {
        let mut world = self.0.world();
        let secrets = &world.named(full_name).ok_or("no such repository")?.secrets;
        let found = secrets.get(&(environment.map(str::to_owned), name.to_owned()));
        Ok(found.map(|secret| secret.expose().to_owned()))
    }

    async fn rename(&self, full_name: &str, name: &str) -> Outcome {
        let mut world = self.0.world();
        let repository = world.named(full_name).ok_or("no such repository")?;
        let owner = full_name.split('/').next().unwrap_or_default();
        repository.facts.full_name = format!("{owner}/{name}");
        Ok(())
    }

    fn drop_plan(&self) {
        let mut world = self.0.world();
        world.plan.private_rulesets = false;
        world.plan.private_reviewers = false;
        world.plan.secret_protection = false;
    }
}

/// The adapter on a sandbox of its own.
pub(super) struct Sandbox {
    pub(super) server: Server,
    pub(super) github: GitHub,
    http: reqwest::Client,
}

impl Sandbox {
    pub(super) async fn start() -> Outcome<Self> {
        let latencies =
            Latencies { generate_ms: 3_600_000, fork_ms: 3_600_000, run_ms: 3_600_000, ..Latencies::default() };
        Self::with(Settings { limits: false, latencies, ..Settings::default() }).await
    }

    pub(super) async fn with(settings: Settings) -> Outcome<Self> {
        // Another test of this process may have done it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = forkable_sandbox::start(Options { settings, ..Options::default() }).await?;
        let github = adapter(&server, &Credentials::Token(Secret::new("sandbox-github-token")))?;
        let http = reqwest::Client::builder().user_agent("adapter-tests").build()?;
        Ok(Self { server, github, http })
    }

    /// Calls that arrived at GitHub's half, oldest first.
    pub(super) async fn calls(&self) -> Outcome<Vec<Value>> {
        let log: Value = self.http.get(format!("{}/_sandbox/requests", self.server.url())).send().await?.json().await?;
        let github = log.as_array().into_iter().flatten().filter(|entry| entry["provider"] == "github");
        Ok(github.cloned().collect())
    }

    /// Names of these calls, tests' own left out.
    pub(super) async fn operations(&self) -> Outcome<Vec<String>> {
        let ours =
            |call: &&Value| call["headers"]["user-agent"].as_str().is_some_and(|agent| agent.starts_with("forkable/"));
        let calls = self.calls().await?;
        Ok(calls.iter().filter(ours).filter_map(|call| call["operation"].as_str().map(str::to_owned)).collect())
    }

    pub(super) async fn forget_calls(&self) -> Outcome {
        self.http.delete(format!("{}/_sandbox/requests", self.server.url())).send().await?.error_for_status()?;
        Ok(())
    }

    /// Hits the next call that matches.
    pub(super) async fn fault(&self, matching: Value, effect: Value) -> Outcome {
        self.admin("POST /_sandbox/faults", json!({ "match": matching, "effect": effect })).await
    }

    pub(super) async fn admin(&self, call: &str, body: Value) -> Outcome {
        let (method, path) = call.split_once(' ').ok_or("METHOD /path")?;
        let request = self.http.request(method.parse::<Method>()?, format!("{}{path}", self.server.url()));
        let answer = request.json(&body).send().await?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(format!("{call}: {} {}", answer.status(), answer.text().await?).into())
    }

    /// Calls GitHub's half as a person does.
    pub(super) async fn person(&self, call: &str, body: Value) -> Outcome<Value> {
        self.person_with("sandbox-github-token", call, body).await
    }

    /// As somebody else.
    pub(super) async fn person_with(&self, token: &str, call: &str, body: Value) -> Outcome<Value> {
        let (method, path) = call.split_once(' ').ok_or("METHOD /path")?;
        let request = self.http.request(method.parse::<Method>()?, format!("{}{path}", self.server.github_url()));
        let request = request.bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await?;
        if !answer.status().is_success() {
            return Err(format!("{call}: {} {}", answer.status(), answer.text().await?).into());
        }
        Ok(serde_json::from_slice(&answer.bytes().await?).unwrap_or_default())
    }

    pub(super) async fn inventory(&self, full_name: &str) -> Outcome<Value> {
        let url = format!("{}/_sandbox/inventory", self.server.url());
        let all: Value = self.http.get(url).send().await?.json().await?;
        let mut repos = all["github"]["repos"].as_array().into_iter().flatten();
        Ok(repos.find(|repo| repo["full_name"] == full_name).ok_or("no such repository")?.clone())
    }
}

/// An adapter with other credentials of the sandbox.
pub(super) fn adapter(server: &Server, credentials: &Credentials) -> Outcome<GitHub> {
    let network = Network::new(&prometheus::Registry::new(), Timeouts::default(), std::sync::Arc::new(SystemClock))?;
    let graphql = format!("{}/graphql", server.github_url()).parse()?;
    let transport = network.transport(github::limits());
    Ok(GitHub::new(transport, server.github_url().parse()?, graphql, credentials)?)
}

#[async_trait]
impl World for Sandbox {
    fn forge(&self) -> &dyn Forge {
        &self.github
    }

    fn ripen(&self) {
        self.server.sandbox().write(|world, _| world.clock.advance(SignedDuration::from_hours(2)));
        self.server.sandbox().write(|_, _| {});
    }

    async fn write(&self, full_name: &str, path: &str, content: &str) -> Outcome {
        let mut body = json!({ "message": format!("Change {path}"), "content": BASE64_STANDARD.encode(content) });
        let path = format!("/repos/{full_name}/contents/{path}");
        if let Ok(there) = self.person(&format!("GET {path}"), Value::Null).await {
            body["sha"] = there["sha"].clone();
        }
        self.person(&format!("PUT {path}"), body).await.map(drop)
    }

    async fn branch(&self, full_name: &str, branch: &str) -> Outcome {
        let repository = self.person(&format!("GET /repos/{full_name}"), Value::Null).await?;
        let default = repository["default_branch"].as_str().ok_or("no default branch")?.to_owned();
        let head = self.person(&format!("GET /repos/{full_name}/git/ref/heads/{default}"), Value::Null).await?;
        let body = json!({ "ref": format!("refs/heads/{branch}"), "sha": head["object"]["sha"] });
        self.person(&format!("POST /repos/{full_name}/git/refs"), body).await.map(drop)
    }

    async fn open(&self, full_name: &str, branch: &str) -> Outcome<i64> {
        self.branch(full_name, branch).await?;
        self.push(full_name, branch).await?;
        let body = json!({ "title": branch, "head": branch, "base": "main" });
        let made = self.person(&format!("POST /repos/{full_name}/pulls"), body).await?;
        Ok(made["number"].as_i64().ok_or("a number")?)
    }

    async fn push(&self, full_name: &str, branch: &str) -> Outcome {
        let path = format!("/repos/{full_name}/contents/{branch}.txt");
        let there = self.person(&format!("GET {path}?ref={branch}"), Value::Null).await.unwrap_or_default();
        let content = format!("{}\n", there["sha"]);
        let mut body = json!({ "message": "Go on", "content": BASE64_STANDARD.encode(content), "branch": branch });
        if !there["sha"].is_null() {
            body["sha"] = there["sha"].clone();
        }
        self.person(&format!("PUT {path}"), body).await.map(drop)
    }

    async fn close(&self, full_name: &str, pull_request: i64) -> Outcome {
        let path = format!("PATCH /repos/{full_name}/pulls/{pull_request}");
        self.person(&path, json!({ "state": "closed" })).await.map(drop)
    }

    async fn review_run(&self, full_name: &str, run: i64, approves: bool, comment: &str) -> Outcome {
        let path = format!("/repos/{full_name}/actions/runs/{run}/pending_deployments");
        let pending = self.person(&format!("GET {path}"), Value::Null).await?;
        let state = if approves { "approved" } else { "rejected" };
        let ids = [&pending[0]["environment"]["id"]];
        let body = json!({ "environment_ids": ids, "state": state, "comment": comment });
        self.person(&format!("POST {path}"), body).await.map(drop)
    }

    async fn said(&self, full_name: &str, pull_request: i64) -> Outcome<Vec<String>> {
        let path = format!("GET /repos/{full_name}/issues/{pull_request}/comments");
        let said = self.person(&path, Value::Null).await?;
        let bodies = said.as_array().into_iter().flatten().filter_map(|comment| comment["body"].as_str());
        Ok(bodies.map(str::to_owned).collect())
    }

    async fn read(&self, full_name: &str, path: &str) -> Outcome<Option<String>> {
        Ok(self.inventory(full_name).await?["files"][path].as_str().map(str::to_owned))
    }

    async fn secret(&self, full_name: &str, environment: Option<&str>, name: &str) -> Outcome<Option<String>> {
        let repository = self.inventory(full_name).await?;
        let settings = match environment {
            None => &repository["settings"],
            Some(environment) => {
                let mut all = repository["environments"].as_array().into_iter().flatten();
                &all.find(|one| one["name"] == environment).ok_or("no such environment")?["settings"]
            }
        };
        Ok(settings["secrets"][name]["value"].as_str().map(str::to_owned))
    }

    async fn rename(&self, full_name: &str, name: &str) -> Outcome {
        self.person(&format!("PATCH /repos/{full_name}"), json!({ "name": name })).await.map(drop)
    }

    fn drop_plan(&self) {
        self.server.sandbox().write(|world, _| world.settings.github_plan = GithubPlan::Free);
    }
}
