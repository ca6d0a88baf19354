//! A release that something happens to, in each phase of the table and on either host: it comes to the end that the
//! table says, production is served all the while, and nothing is built or promoted twice.

use std::{collections::BTreeMap, time::Duration};

use forkable_core::release::machine::{Event, Phase, next};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{Call, Output, Running, World, eventually, reference_fork};

/// How long anything may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(2);
/// What a push may not be held up by here.
const RULES: &str = "      requiredReviews: 1\n      requiredChecks:\n        - context: build\n          appId: 15368 # GitHub Actions\n";
const REPOSITORY: &str = "acme-inc/acme";
/// A workflow that changes the data for a release.
pub const MIGRATE: &str = "\
name: Migrate
run-name: Migrate for ${{ inputs.release }}
on:
  workflow_dispatch:
    inputs:
      commit: { required: true, type: string }
      release: { required: true, type: string }
jobs:
  migrate:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: { ref: \"${{ inputs.commit }}\" }
      - run: npm run migrate
";
/// Where it is.
pub const MIGRATE_PATH: &str = ".github/workflows/migrate.yml";

/// The reference fork, whose releases are promoted; `more` goes under `release`.
pub fn promoted_fork(more: &str) -> String {
    let node = "    nodeVersion: \"22\"\n";
    let mut fork = reference_fork();
    for (from, to) in [
        (RULES, String::new()),
        // Anybody may see the candidate.
        (node, format!("{node}    protection: {{ login: \"Off\" }}\n")),
        ("  release:\n", format!("  release:\n    strategy: {{ type: BlueGreen }}\n{more}")),
    ] {
        assert!(fork.contains(from), "the manifest has no {from:?}");
        fork = fork.replacen(from, &to, 1);
    }
    fork
}

/// The same, with releases that get visitors in these steps.
pub fn canary(fork: &str, steps: &str) -> String {
    let (from, to) = ("{ type: BlueGreen }", format!("{{ type: Canary, steps: [{steps}] }}"));
    assert!(fork.contains(from), "releases of the manifest are not promoted");
    fork.replace(from, &to)
}

/// Two good answers at the candidate's address, then a bake.
pub fn judged(bake_seconds: u32, failure_limit: u32) -> String {
    format!(
        "    analysis:\n      intervalSeconds: 1\n      count: 2\n      failureLimit: {failure_limit}\n      \
         http: [{{ path: / }}]\n    bake: {{ durationSeconds: {bake_seconds} }}\n"
    )
}

/// Where a Fork lives, and what works on it.
pub trait Host: Sync {
    fn world(&self) -> &World;
    /// Declares the Fork `acme`.
    fn declare(&self, manifest: &str) -> impl Future<Output = ()> + Send;
    fn start(&self) -> Running;
    /// A command of the binary for this host, to its end.
    fn run(&self, arguments: &[&str]) -> impl Future<Output = Output> + Send;
    /// Name and status of all its Deployments.
    fn releases(&self) -> impl Future<Output = Vec<(String, Value)>> + Send;
}

impl Host for World {
    fn world(&self) -> &World {
        self
    }

    async fn declare(&self, manifest: &str) {
        self.write("acme.yaml", manifest);
    }

    fn start(&self) -> Running {
        self.up()
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        Self::run(self, arguments).await
    }

    async fn releases(&self) -> Vec<(String, Value)> {
        let stored = self.stored().await.into_iter().filter(|stored| stored.kind == "Deployment");
        stored.map(|stored| (stored.name, stored.status)).collect()
    }
}

/// What happens to a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blow {
    Kill,
    Abort,
    /// A person aborts while nobody is at work.
    AbortWhileDown,
}

/// One cell of the matrix.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub phase: Phase,
    pub blow: Blow,
}

impl Cell {
    /// Each blow in each phase that is not the end.
    pub fn all() -> Vec<Self> {
        let phases = Phase::ALL.into_iter().filter(|phase| !phase.is_over());
        phases
            .flat_map(|phase| [Blow::Kill, Blow::Abort, Blow::AbortWhileDown].map(|blow| Self { phase, blow }))
            .collect()
    }

    /// Where the table leads to, if nothing else happens.
    fn end(self) -> Phase {
        let aborted = (self.blow != Blow::Kill).then(|| next(self.phase, Event::Abort)).flatten();
        match aborted.map_or(self.phase, |row| row.to) {
            Phase::RollingBack => Phase::RolledBack,
            // A person lets newer releases go on.
            Phase::Frozen => Phase::Failed,
            end if end.is_over() => end,
            _ => Phase::Healthy,
        }
    }

    fn manifest(self) -> String {
        let more = match self.phase {
            Phase::Pending | Phase::AwaitingApproval => "    gates: { approval: Required }\n",
            Phase::Gated => "    gates: { checks: [{ name: licence }] }\n",
            Phase::Migrating | Phase::Frozen => "    migration: { workflow: migrate.yml, reversible: false }\n",
            _ => "",
        };
        // What holds it in a phase is a site that is bad, and put up with.
        let failure_limit = if self.phase == Phase::Frozen { 0 } else { 100 };
        let fork = promoted_fork(&format!("{}{more}", judged(5, failure_limit)));
        let step = |approval: &str| format!("{{ weight: 25, pauseSeconds: 5, approval: {approval} }}");
        match self.phase {
            Phase::Shifting => canary(&fork, &step("Required")),
            Phase::Advancing => canary(&fork, &format!("{}, {{ weight: 50, pauseSeconds: 5 }}", step("NotRequired"))),
            _ => fork,
        }
    }

    /// Before the commit is pushed.
    async fn prepare(self, world: &World) {
        match self.phase {
            Phase::Building => world.settings(json!({ "latencies": { "buildMs": 3_600_000 } })).await,
            Phase::Migrating | Phase::Frozen => {
                world.push_file(REPOSITORY, MIGRATE_PATH, MIGRATE).await;
                let run_ms = if self.phase == Phase::Migrating { 3_600_000 } else { 0 };
                world.settings(json!({ "latencies": { "runMs": run_ms } })).await;
            }
            Phase::Promoting => world.settings(json!({ "latencies": { "promoteMs": 3_600_000 } })).await,
            Phase::Advancing => {
                let operation = "POST /v1/projects/{idOrName}/rolling-release/approve-stage";
                world.fault(json!({ "match": { "operation": operation }, "effect": { "status": 503 } })).await;
            }
            _ => {}
        }
    }

    /// After it is pushed, and before anybody is at work.
    async fn hold(self, world: &World, head: &str) {
        match self.phase {
            Phase::Verifying => world.degrade(head, json!({ "status": 500 })).await,
            Phase::Baking | Phase::Frozen | Phase::RollingBack => {
                world.degrade(head, json!({ "status": 500, "liveOnly": true })).await;
            }
            _ => {}
        }
    }

    /// Lets it go on.
    async fn let_go(self, host: &impl Host, commits: &[String]) {
        let world = host.world();
        match self.phase {
            Phase::Building | Phase::Migrating | Phase::Promoting | Phase::RollingBack => {
                let latencies = json!({ "buildMs": 0, "runMs": 0, "promoteMs": 0 });
                world.settings(json!({ "latencies": latencies })).await;
                world.advance(7200).await;
            }
            Phase::Gated => {
                let path = format!("/repos/{REPOSITORY}/statuses/{}", commits.last().expect("a commit"));
                let passed = json!({ "state": "success", "context": "licence" });
                world.person("github", reqwest::Method::POST, &path, Some(passed)).await;
            }
            Phase::Frozen if self.blow == Blow::Kill => {
                let output = host.run(&["resume", "acme"]).await;
                assert_eq!(output.code, Some(0), "{}", output.stderr);
            }
            Phase::Advancing => world.remove_faults().await,
            Phase::Shifting if self.blow == Blow::Kill => {
                let approved = async || (host.run(&["approve", "acme"]).await.code == Some(0)).then_some(());
                eventually("its step is approved", PATIENCE, approved).await;
            }
            Phase::Verifying | Phase::Baking => world.mend(commits.last().expect("a commit")).await,
            Phase::Pending | Phase::AwaitingApproval => {
                // What is aborted may look as if it waited for a moment more.
                let waiting = if self.blow == Blow::Kill { commits } else { &commits[..commits.len() - 1] };
                for commit in waiting {
                    let waits = async || {
                        let phase = status(host, commit).await["phase"].as_str().unwrap_or_default().to_owned();
                        (phase == "AwaitingApproval").then_some(())
                    };
                    eventually("it waits for approval", PATIENCE, waits).await;
                    let output = host.run(&["approve", "acme"]).await;
                    assert_eq!(output.code, Some(0), "{}", output.stderr);
                }
            }
            _ => {}
        }
    }

    /// Lives through the cell; the error says what is wrong.
    pub async fn survives(self, host: &impl Host) -> Result<(), String> {
        let world = host.world();
        host.declare(&promoted_fork("")).await;
        let first = host.start();
        let before = eventually("the first release is live", PATIENCE, || async {
            let releases = host.releases().await;
            let healthy = releases.iter().find(|(_, status)| status["phase"] == "Healthy")?;
            healthy.1["commit"]["sha"].as_str().map(str::to_owned)
        })
        .await;
        first.kill().await;
        host.declare(&self.manifest()).await;
        world.forget_calls().await;
        let watch = Watch::begin(world);
        self.prepare(world).await;
        let (commits, running) = self.reach(host).await?;
        let head = commits.last().expect("a commit");
        let abort = async || {
            let (name, _) = release(host, head).await;
            let output = host.run(&["abort", "acme", "--release", &name, "--yes", "--reason", "a mistake"]).await;
            if output.code == Some(0) { Ok(()) } else { Err(format!("cannot be aborted: {}", output.stderr)) }
        };
        let running = match self.blow {
            Blow::Kill => {
                running.kill().await;
                host.start()
            }
            Blow::Abort => {
                abort().await?;
                running
            }
            Blow::AbortWhileDown => {
                running.kill().await;
                abort().await?;
                host.start()
            }
        };
        self.let_go(host, &commits).await;
        let end = self.end();
        reaches(host, head, end).await?;
        if self.phase == Phase::Frozen {
            world.mend(head).await;
        }
        let expected = match end {
            // What failed in Frozen goes on serving.
            Phase::Healthy | Phase::Failed => head,
            // The one that it waited for went live.
            _ => commits.iter().rev().nth(1).unwrap_or(&before),
        };
        let serves = async || {
            let (_, page) = world.page("acme.example.com").await;
            page.contains(&expected[..7]) && status(host, head).await["phase"] == end.name()
        };
        let served = crate::within(PATIENCE, serves).await;
        running.kill().await;
        if !served {
            return Err(format!("{expected} does not serve:\n{}", world.page("acme.example.com").await.1));
        }
        watch.end()?;
        let excess = excess(&world.calls().await);
        if excess.is_empty() { Ok(()) } else { Err(excess.join(", ")) }
    }

    /// Pushes, and waits until the release is in the phase. Answers all commits, the newest last.
    async fn reach(self, host: &impl Host) -> Result<(Vec<String>, Running), String> {
        let world = host.world();
        let mut commits = Vec::new();
        if self.phase == Phase::Pending {
            commits.push(push(world, "older").await);
        }
        let running = if let Some(older) = commits.first() {
            let running = host.start();
            reaches(host, older, Phase::AwaitingApproval).await?;
            running.kill().await;
            commits.push(push(world, "held").await);
            host.start()
        } else {
            commits.push(push(world, "held").await);
            self.hold(world, &commits[0]).await;
            host.start()
        };
        let head = commits.last().expect("a commit");
        if self.phase == Phase::RollingBack {
            reaches(host, head, Phase::Baking).await?;
            world.settings(json!({ "latencies": { "promoteMs": 3_600_000 } })).await;
            let output = host.run(&["rollback", "acme"]).await;
            assert_eq!(output.code, Some(0), "{}", output.stderr);
        }
        reaches(host, head, self.phase).await?;
        Ok((commits, running))
    }
}

/// Pushes a commit with this text to the repository of `acme`.
pub async fn push(world: &World, text: &str) -> String {
    world.push_file(REPOSITORY, "app/page.tsx", &format!("export default () => '{text}'\n")).await
}

/// Name and status of the release of a commit, if there is one yet.
async fn release(host: &impl Host, commit: &str) -> (String, Value) {
    let releases = host.releases().await;
    releases.into_iter().find(|(_, status)| status["commit"]["sha"] == commit).unwrap_or_default()
}

/// The status of the release of a commit; `Null` if there is none yet.
pub async fn status(host: &impl Host, commit: &str) -> Value {
    release(host, commit).await.1
}

async fn reaches(host: &impl Host, commit: &str, phase: Phase) -> Result<(), String> {
    let is_there = async || status(host, commit).await["phase"] == phase.name();
    if crate::within(PATIENCE, is_there).await {
        return Ok(());
    }
    Err(format!("does not become {}: {:#}", phase.name(), status(host, commit).await))
}

/// What was built, promoted or led to a step more than once.
pub fn excess(calls: &[Call]) -> Vec<String> {
    let mut seen = BTreeMap::<String, u32>::new();
    for call in calls.iter().filter(|call| call.committed) {
        if call.operation == "POST /v13/deployments" {
            *seen.entry(format!("build of {}", call.body["gitSource"]["sha"])).or_default() += 1;
        } else if call.operation.contains("/promote/") {
            *seen.entry(format!("promotion {}", call.path)).or_default() += 1;
        } else if call.operation.starts_with("POST") && call.operation.contains("/rolling-release/") {
            *seen.entry(format!("{} {}", call.operation, call.body)).or_default() += 1;
        } else if call.operation.ends_with("/dispatches") {
            *seen.entry(format!("run for {}", call.body["inputs"]["release"])).or_default() += 1;
        }
    }
    seen.into_iter().filter(|(_, count)| *count > 1).map(|(what, count)| format!("{what}: {count} times")).collect()
}

/// Somebody who visits the live site all the time.
struct Watch(JoinHandle<()>, std::sync::Arc<std::sync::Mutex<Option<String>>>);

impl Watch {
    fn begin(world: &World) -> Self {
        let url = format!("{}/_sites/acme.example.com/", world.sandbox.url());
        let unserved = std::sync::Arc::<std::sync::Mutex<Option<String>>>::default();
        let note = unserved.clone();
        let visits = tokio::spawn(async move {
            loop {
                // A release that is bad answers, too.
                if let Ok(response) = reqwest::get(&url).await
                    && ![200, 500].contains(&response.status().as_u16())
                {
                    *note.lock().expect("nobody panics") = Some(format!("a visitor got {}", response.status()));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Self(visits, unserved)
    }

    fn end(self) -> Result<(), String> {
        self.0.abort();
        self.1.lock().expect("nobody panics").clone().map_or(Ok(()), Err)
    }
}
