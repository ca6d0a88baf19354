//! The two worlds that the contract runs in.

use std::collections::BTreeSet;

use async_trait::async_trait;
use forkable_core::{
    Secret,
    fakes::hosting::FakeHosting,
    hosting::{
        BuildState, DeploymentFacts, Hosting, HostingChange, HostingDone, LogLine, ProjectFacts, ProjectSettings,
        ProjectTarget,
    },
};
use forkable_providers::{
    transport::{Network, SystemClock, Timeouts},
    vercel::{self, Vercel},
};
use forkable_sandbox::{Degraded, DnsRecord, Latencies, Options, Server, Settings, VercelPlan};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::Outcome;

/// A repository with the branches `main` and `staging`.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    pub(super) full_name: String,
    pub(super) id: i64,
    pub(super) commit: String,
}

/// What a test does beside the port.
#[async_trait]
pub(super) trait World: Send + Sync {
    fn hosting(&self) -> &dyn Hosting;
    async fn repository(&self, name: &str) -> Outcome<Repository>;
    /// A repository whose builds fail.
    async fn broken_repository(&self, name: &str) -> Outcome<Repository>;
    /// Full name of a repository that exists and that Vercel is not let to see.
    fn unseen_repository(&self) -> &'static str;
    /// Every build ends: well, unless it is of a broken repository. So does every promotion.
    fn finish_builds(&self);
    /// Somebody visits a deployment, which answers with this status.
    async fn visit(&self, deployment: &DeploymentFacts, status: u16) -> Outcome;
    /// The provider ends what follows logs.
    fn end_logs(&self);
    /// A person makes the records that lead the name to Vercel.
    fn lead(&self, name: &str, records: &[forkable_crds::fork::DnsRecord]);
    /// A person makes the TXT record that proves ownership.
    fn prove(&self, name: &str, record: &forkable_crds::fork::DnsRecord);
    fn set_environment_limit_to_one(&self);
    fn set_plan_without_steps(&self);

    /// A project for a new repository of the same name.
    async fn project(&self, name: &str) -> Outcome<(ProjectTarget, Box<ProjectFacts>, Repository)> {
        let repository = self.repository(name).await?;
        let (target, facts) = self.project_of(name, &repository).await?;
        Ok((target, facts, repository))
    }

    async fn project_of(&self, name: &str, repository: &Repository) -> Outcome<(ProjectTarget, Box<ProjectFacts>)> {
        let target = target(name, repository);
        let create = HostingChange::CreateProject(ProjectSettings::default());
        let HostingDone::Project(facts) = self.hosting().apply(&target, &create).await? else {
            return Err("a project was expected".into());
        };
        Ok((ProjectTarget { id: Some(facts.id.clone()), ..target }, facts))
    }
}

/// A project that is not made yet.
pub(super) fn target(name: &str, repository: &Repository) -> ProjectTarget {
    let link = (repository.full_name.clone(), repository.id);
    ProjectTarget { team: None, id: None, name: name.to_owned(), repository: Some(link) }
}

/// The in-memory fake.
#[derive(Default)]
pub(super) struct Fake {
    hosting: FakeHosting,
    broken: std::sync::Mutex<BTreeSet<String>>,
}

#[async_trait]
impl World for Fake {
    fn hosting(&self) -> &dyn Hosting {
        let mut world = self.hosting.world();
        world.hidden_repositories.insert(self.unseen_repository().to_owned());
        world.owned_elsewhere.insert("shop.taken.example.com".to_owned());
        world.log = (1..=30).map(|line| format!("line {line}")).collect();
        drop(world);
        &self.hosting
    }

    async fn repository(&self, name: &str) -> Outcome<Repository> {
        let id = i64::try_from(name.bytes().map(usize::from).sum::<usize>())?;
        Ok(Repository { full_name: format!("acme-inc/{name}"), id, commit: format!("{id:040x}") })
    }

    async fn broken_repository(&self, name: &str) -> Outcome<Repository> {
        self.broken.lock().map_err(|_| "poisoned")?.insert(name.to_owned());
        self.repository(name).await
    }

    fn unseen_repository(&self) -> &'static str {
        "octo-founder/hidden"
    }

    fn finish_builds(&self) {
        let broken = self.broken.lock().is_ok_and(|broken| !broken.is_empty());
        self.hosting.world().finish_builds(if broken { BuildState::Failed } else { BuildState::Ready });
        self.hosting.world().finish_moves();
    }

    async fn visit(&self, deployment: &DeploymentFacts, status: u16) -> Outcome {
        let line = LogLine { is_error: status >= 500, status: Some(status) };
        let world = self.hosting.world();
        let mut following = world.followers.iter().filter(|(id, _)| *id == deployment.id);
        Ok(following.try_for_each(|(_, lines)| lines.unbounded_send(line))?)
    }

    fn end_logs(&self) {
        self.hosting.world().followers.clear();
    }

    fn lead(&self, name: &str, _records: &[forkable_crds::fork::DnsRecord]) {
        self.hosting.world().dns.insert(name.to_owned());
    }

    fn prove(&self, name: &str, _record: &forkable_crds::fork::DnsRecord) {
        self.hosting.world().proofs.insert(name.to_owned());
    }

    fn set_plan_without_steps(&self) {
        self.hosting.world().no_steps = true;
    }

    fn set_environment_limit_to_one(&self) {
        self.hosting.world().environment_limit = 1;
    }
}

/// The adapter on a sandbox of its own.
pub(super) struct Sandbox {
    pub(super) server: Server,
    pub(super) vercel: Vercel,
    http: reqwest::Client,
}

impl Sandbox {
    pub(super) async fn start() -> Outcome<Self> {
        let settings = Settings {
            limits: false,
            latencies: Latencies { build_ms: 3_600_000, ..Latencies::default() },
            vercel_plan: VercelPlan::Enterprise,
            ..Settings::default()
        };
        Self::with(settings).await
    }

    pub(super) async fn with(settings: Settings) -> Outcome<Self> {
        // Another test of this process may have done it.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let server = forkable_sandbox::start(Options { settings, ..Options::default() }).await?;
        let vercel = adapter(&server, "sandbox-vercel-token")?;
        let http = reqwest::Client::builder().user_agent("adapter-tests").build()?;
        Ok(Self { server, vercel, http })
    }

    /// Operations that arrived at Vercel's half, oldest first.
    pub(super) async fn calls(&self) -> Outcome<Vec<Value>> {
        let log: Value = self.http.get(format!("{}/_sandbox/requests", self.server.url())).send().await?.json().await?;
        let vercel = log.as_array().into_iter().flatten().filter(|entry| entry["provider"] == "vercel");
        Ok(vercel.cloned().collect())
    }

    pub(super) async fn forget_calls(&self) -> Outcome {
        self.http.delete(format!("{}/_sandbox/requests", self.server.url())).send().await?.error_for_status()?;
        Ok(())
    }

    /// Hits the next call that matches.
    pub(super) async fn fault(&self, matching: Value, effect: Value) -> Outcome {
        self.add_fault(json!({ "match": matching, "effect": effect })).await
    }

    pub(super) async fn add_fault(&self, body: Value) -> Outcome {
        let url = format!("{}/_sandbox/faults", self.server.url());
        self.http.post(url).json(&body).send().await?.error_for_status()?;
        Ok(())
    }

    /// An adapter that is told of no team.
    pub(super) fn without_team(&self) -> Outcome<Vercel> {
        adapter_for(&self.server, "sandbox-vercel-token", None)
    }

    async fn github(&self, call: &str, body: Value) -> Outcome<Value> {
        let (method, path) = call.split_once(' ').ok_or("METHOD /path")?;
        let request = self.http.request(method.parse::<Method>()?, format!("{}{path}", self.server.github_url()));
        let request = request.bearer_auth("sandbox-github-token");
        let request = if body.is_null() { request } else { request.json(&body) };
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    fn publish(&self, name: &str, records: Vec<DnsRecord>) {
        self.server.sandbox().write(|world, now| world.dns.insert(name.to_owned(), (now, records)));
    }
}

/// An adapter with a token of the sandbox.
pub(super) fn adapter(server: &Server, token: &str) -> Outcome<Vercel> {
    adapter_for(server, token, Some("team_acme"))
}

fn adapter_for(server: &Server, token: &str, team: Option<&str>) -> Outcome<Vercel> {
    let network = Network::new(&prometheus::Registry::new(), Timeouts::default(), std::sync::Arc::new(SystemClock))?;
    let transport = network.transport(vercel::limits());
    Ok(Vercel::new(transport, server.vercel_url().parse()?, Secret::new(token), team.map(str::to_owned)))
}

#[async_trait]
impl World for Sandbox {
    fn hosting(&self) -> &dyn Hosting {
        &self.vercel
    }

    async fn repository(&self, name: &str) -> Outcome<Repository> {
        let body = json!({ "owner": "acme-inc", "name": name, "private": true });
        let made = self.github("POST /repos/forkable-ai/framework/generate", body).await?;
        let head = self.github(&format!("GET /repos/acme-inc/{name}/git/ref/heads/main"), Value::Null).await?;
        let commit = head["object"]["sha"].as_str().ok_or("no head")?.to_owned();
        let branch = json!({ "ref": "refs/heads/staging", "sha": commit });
        self.github(&format!("POST /repos/acme-inc/{name}/git/refs"), branch).await?;
        let id = made["id"].as_i64().ok_or("no id")?;
        Ok(Repository { full_name: format!("acme-inc/{name}"), id, commit })
    }

    async fn broken_repository(&self, name: &str) -> Outcome<Repository> {
        let repository = self.repository(name).await?;
        let body = json!({ "message": "Break it", "content": "Ym9vbQ==" });
        let path = format!("PUT /repos/acme-inc/{name}/contents/forkable-sandbox.fail-build");
        let made = self.github(&path, body).await?;
        let commit = made["commit"]["sha"].as_str().ok_or("no commit")?.to_owned();
        Ok(Repository { commit, ..repository })
    }

    fn unseen_repository(&self) -> &'static str {
        "forkable-ai/storefront"
    }

    fn finish_builds(&self) {
        // The first step lets the builds begin, the second one lets them end.
        for _ in 0..2 {
            self.server.sandbox().write(|world, _| world.clock.advance(SignedDuration::from_hours(2)));
        }
        self.server.sandbox().write(|_, _| {});
    }

    async fn visit(&self, deployment: &DeploymentFacts, status: u16) -> Outcome {
        let commit = deployment.commit.clone().ok_or("no commit")?;
        self.server.sandbox().write(|world, _| {
            world.degraded.clear();
            if status != 200 {
                world.degraded.insert(commit, Degraded { status, live_only: false });
            }
        });
        // The project's own name is the shortest; the others ask for a login.
        let host = deployment.aliases.iter().min_by_key(|host| host.len()).ok_or("it serves nothing")?;
        let visit = self.http.get(format!("{}/_sites/{host}/", self.server.url())).send().await?;
        assert_eq!(visit.status(), status);
        Ok(())
    }

    fn end_logs(&self) {
        self.server.sandbox().write(|world, _| world.clock.advance(SignedDuration::from_mins(5)));
    }

    fn lead(&self, name: &str, records: &[forkable_crds::fork::DnsRecord]) {
        let published = |record: &forkable_crds::fork::DnsRecord| DnsRecord {
            kind: record.record_type.clone(),
            value: record.value.clone(),
        };
        let zone = records.first().map_or(name, |record| record.name.as_str());
        self.publish(zone, records.iter().map(published).collect());
    }

    fn prove(&self, _name: &str, record: &forkable_crds::fork::DnsRecord) {
        self.publish(&record.name, vec![DnsRecord { kind: "TXT".into(), value: record.value.clone() }]);
    }

    fn set_plan_without_steps(&self) {
        self.server.sandbox().write(|world, _| world.settings.vercel_plan = VercelPlan::Hobby);
    }

    fn set_environment_limit_to_one(&self) {
        self.server.sandbox().write(|world, _| world.settings.vercel_plan = VercelPlan::Pro);
    }
}
