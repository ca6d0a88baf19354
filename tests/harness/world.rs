//! One sandbox and one folder of manifests, with the binary run on both.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use forkable_sandbox::{Options, Server, Settings};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{Output, Running, binary, install_crypto};

/// How long a whole run may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_mins(1);

/// A sandbox and a folder.
pub struct World {
    pub sandbox: Server,
    folder: TempDir,
    client: reqwest::Client,
    /// Arguments of every `up`.
    pub arguments: Vec<String>,
    /// Environment of every process.
    pub environment: BTreeMap<String, String>,
    /// Where the sandbox of a copy keeps itself.
    snapshot: Option<TempDir>,
}

/// See [`World::lock_store`]. Dropping the connection rolls its transaction back.
pub struct StoreLock(#[expect(dead_code, reason = "held for what its drop does")] SqliteConnection);

/// An object as the store has it.
#[derive(Debug, PartialEq)]
pub struct Stored {
    pub kind: String,
    pub name: String,
    pub generation: i64,
    /// Different after every write.
    pub version: i64,
    pub status: Value,
}

/// One line of the sandbox's request log.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    pub seq: u64,
    pub operation: String,
    pub write: bool,
    pub status: Option<u16>,
    pub path: String,
    pub committed: bool,
    /// The fault that hit it.
    pub fault: Option<u64>,
    #[serde(default)]
    pub body: Value,
}

impl Call {
    /// Whether it looks at the progress of builds.
    pub fn is_poll(&self) -> bool {
        ["GET /v7/deployments", "GET /v13/deployments/{idOrUrl}"].contains(&self.operation.as_str())
    }
}

impl Stored {
    /// Whether its status says that it is as its spec wants it.
    pub fn is_ready(&self) -> bool {
        let mut conditions = self.status["conditions"].as_array().into_iter().flatten();
        let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
        self.status["observedGeneration"] == self.generation && conditions.any(is_ready)
    }
}

/// How often each operation was called.
pub type Counts = BTreeMap<String, usize>;

impl World {
    /// A fresh sandbox without latencies, rate limits off, where every domain resolves at once.
    pub async fn start() -> Self {
        let instant = json!({
            "limits": false,
            "autoDns": true,
            "latencies": { "requestMs": 0, "generateMs": 0, "forkMs": 0, "buildMs": 0, "promoteMs": 0, "dnsMs": 0, "certMs": 0 },
        });
        Self::with(instant).await
    }

    /// A fresh sandbox with these settings over its defaults.
    pub async fn with(settings: Value) -> Self {
        let settings = Settings::default().merged(&settings).expect("settings that the sandbox knows");
        Self::on(Options { settings, ..Options::default() }).await
    }

    /// A fresh sandbox with these options.
    pub async fn on(options: Options) -> Self {
        install_crypto();
        let sandbox = forkable_sandbox::start(options).await.expect("a sandbox starts");
        let environment = BTreeMap::from([
            ("GITHUB_API_URL".into(), sandbox.github_url()),
            ("GITHUB_TOKEN".into(), "sandbox-github-token".into()),
            ("VERCEL_API_URL".into(), sandbox.vercel_url()),
            ("FORKABLE_SITES_URL".into(), format!("{}/_sites", sandbox.url())),
            ("FORKABLE_SLACK_API_URL".into(), format!("{}/slack/api", sandbox.url())),
            ("FORKABLE_PAGERDUTY_URL".into(), format!("{}/pagerduty", sandbox.url())),
            ("FORKABLE_GITHUB_STATUS_URL".into(), format!("{}/statuspage/github", sandbox.url())),
            ("FORKABLE_VERCEL_STATUS_URL".into(), format!("{}/statuspage/vercel", sandbox.url())),
            ("FORKABLE_SENTRY_URL".into(), format!("{}/sentry", sandbox.url())),
            ("VERCEL_TOKEN".into(), "sandbox-vercel-token".into()),
            ("VERCEL_TEAM_ID".into(), "team_acme".into()),
        ]);
        Self {
            sandbox,
            folder: tempfile::tempdir().expect("a temporary folder"),
            client: reqwest::Client::new(),
            arguments: vec!["--listen=127.0.0.1:0".into()],
            environment,
            snapshot: None,
        }
    }

    /// Another world that stands where this one does; no process may be at work on this one.
    pub async fn copy(&self) -> Self {
        let kept = tempfile::tempdir().expect("a temporary folder");
        let path = kept.path().join("sandbox.json");
        let (world, settings) = self
            .sandbox
            .sandbox()
            .read(|world, _| (serde_json::to_vec(world).expect("a world is JSON"), world.settings.clone()));
        std::fs::write(&path, world).expect("the folder can be written");
        let mut copy = Self::on(Options { settings, snapshot: Some(path), ..Options::default() }).await;
        copy_folder(self.folder(), copy.folder()).expect("a folder can be copied");
        copy.arguments.clone_from(&self.arguments);
        copy.snapshot = Some(kept);
        copy
    }

    /// A fresh world with the reference fork in its folder.
    pub async fn with_reference_fork() -> Self {
        let world = Self::start().await;
        world.write("acme.yaml", &reference_fork());
        world.write("secret.yaml", &reference_secret());
        world
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a manifest in one step, as editors and Git do.
    pub fn write(&self, name: &str, text: &str) {
        let hidden = self.path(&format!(".{name}.tmp"));
        std::fs::write(&hidden, text).expect("the folder can be written");
        std::fs::rename(hidden, self.path(name)).expect("the folder can be written");
    }

    /// Replaces text in a manifest; the text must be there.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).expect("the manifest is there");
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, &text.replacen(from, to, 1));
    }

    /// The binary with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).envs(&self.environment).env_remove("RUST_LOG").current_dir(self.folder());
        command
    }

    /// Runs the binary to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        Running::start(self.command(arguments)).finish(PATIENCE).await
    }

    /// `forkable up`, going on until killed.
    pub fn up(&self) -> Running {
        Running::start(self.up_command(&[]))
    }

    /// `forkable up --once`, to its end.
    pub async fn up_once(&self) -> Output {
        Running::start(self.up_command(&["--once"])).finish(PATIENCE).await
    }

    /// `forkable up --once`, which must end with everything ready.
    pub async fn converge(&self) -> Output {
        let output = self.up_once().await;
        assert_eq!(output.code, Some(0), "not everything is ready:\n{}\n{}", output.stdout, output.stderr);
        output
    }

    pub fn up_command(&self, more: &[&str]) -> Command {
        let mut command = self.command(&["up", "."]);
        command.args(&self.arguments).args(more);
        command
    }

    /// One Fork as `get -o json` tells it.
    pub async fn fork(&self, name: &str) -> Value {
        let output = self.run(&["get", "fork", name, "-o", "json"]).await;
        serde_json::from_str(&output.stdout)
            .unwrap_or_else(|error| panic!("get said no JSON ({error}):\n{}\n{}", output.stdout, output.stderr))
    }

    /// A condition of a Fork, as `(status, reason, message)`.
    pub async fn condition(&self, fork: &str, condition: &str) -> Option<(String, String, String)> {
        let fork = self.fork(fork).await;
        let conditions = fork["status"]["conditions"].as_array()?.clone();
        let found = conditions.into_iter().find(|found| found["type"] == condition)?;
        let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
        Some((text("status"), text("reason"), text("message")))
    }

    /// One Fork's status while a process may be writing it; `Null` if there is none yet.
    pub async fn any_status(&self, fork: &str) -> Value {
        let output = self.run(&["get", "fork", fork, "-o", "json"]).await;
        serde_json::from_str::<Value>(&output.stdout).map_or(Value::Null, |fork| fork["status"].clone())
    }

    /// Every stored object that has a status; cheap, and while a process writes them.
    pub async fn stored(&self) -> Vec<Stored> {
        let file = self.path(".forkable/state.db");
        let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(PATIENCE);
        let Ok(mut connection) = options.connect().await else { return Vec::new() };
        let rows: Vec<(String, String, i64, i64, String)> = sqlx::query_as(
            "SELECT kind, name, generation, resource_version, status FROM objects WHERE status NOT NULL",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap_or_default();
        let read = |(kind, name, generation, version, status): (_, _, _, _, String)| {
            let status = serde_json::from_str(&status).expect("a status is JSON");
            Stored { kind, name, generation, version, status }
        };
        rows.into_iter().map(read).collect()
    }

    /// Every step that was tried and what became of it, oldest first.
    pub async fn journal(&self) -> Vec<(String, String)> {
        let options = SqliteConnectOptions::new().filename(self.path(".forkable/journal.db"));
        let Ok(mut connection) = options.read_only(true).busy_timeout(PATIENCE).connect().await else {
            return Vec::new();
        };
        sqlx::query_as("SELECT step, outcome FROM entries ORDER BY id")
            .fetch_all(&mut connection)
            .await
            .unwrap_or_default()
    }

    /// The sandbox's clock runs so many times as fast as real time from now on.
    pub async fn speed(&self, speed: u32) {
        self.admin(reqwest::Method::PUT, "clock", Some(json!({ "speed": speed }))).await;
    }

    /// The sandbox's time.
    pub fn now(&self) -> jiff::Timestamp {
        self.sandbox.sandbox().read(|_, now| now)
    }

    /// Keeps every other process from writing to the store, until it is dropped.
    pub async fn lock_store(&self) -> StoreLock {
        let options = SqliteConnectOptions::new().filename(self.path(".forkable/state.db"));
        let mut connection = options.connect().await.expect("the store can be opened");
        connection.execute("BEGIN IMMEDIATE").await.expect("the store can be locked");
        StoreLock(connection)
    }

    // ---- the sandbox's admin API ----

    async fn admin(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/_sandbox/{path}", self.sandbox.url());
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the sandbox answers");
        let status = response.status();
        let text = response.text().await.expect("the sandbox answers");
        assert!(status.is_success(), "the sandbox's {path} says {status}: {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("the sandbox says JSON") }
    }

    /// Every call since the log was last cleared.
    pub async fn calls(&self) -> Vec<Call> {
        serde_json::from_value(self.admin(reqwest::Method::GET, "requests", None).await).expect("a request log")
    }

    pub async fn forget_calls(&self) {
        self.admin(reqwest::Method::DELETE, "requests", None).await;
    }

    /// How often each operation was called, reads of a build's progress aside.
    pub async fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        for call in self.calls().await {
            if !call.is_poll() {
                *counts.entry(call.operation).or_default() += 1;
            }
        }
        counts
    }

    /// The calls that ask for a change.
    pub async fn writes(&self) -> Vec<Call> {
        self.calls().await.into_iter().filter(|call| call.write).collect()
    }

    /// Adds a fault and tells its id.
    pub async fn fault(&self, fault: Value) -> u64 {
        let answer = self.admin(reqwest::Method::POST, "faults", Some(fault)).await;
        answer["id"].as_u64().expect("a fault has an id")
    }

    pub async fn fault_hits(&self, id: u64) -> u64 {
        self.admin(reqwest::Method::GET, &format!("faults/{id}"), None).await["hits"].as_u64().unwrap_or_default()
    }

    /// Calls that the fault holds right now.
    pub async fn held(&self, id: u64) -> u64 {
        self.admin(reqwest::Method::GET, &format!("faults/{id}"), None).await["held"].as_u64().unwrap_or_default()
    }

    /// Runs until it calls what `matched` says, kills it there, `before` the call is carried out or `after` it, and
    /// waits until the sandbox has dropped the call.
    pub async fn killed_at(&self, matched: Value, hold: &str) {
        let fault = self.fault(json!({ "match": matched, "effect": { "hold": hold } })).await;
        let running = self.up();
        let is_held = || async { (self.held(fault).await > 0).then_some(()) };
        crate::eventually(&format!("{matched} is held {hold}"), Duration::from_mins(2), is_held).await;
        running.kill().await;
        let is_dropped = || async { (self.held(fault).await == 0).then_some(()) };
        crate::eventually("the call is dropped", Duration::from_mins(2), is_dropped).await;
        self.remove_faults().await;
    }

    pub async fn release(&self, id: u64) {
        self.admin(reqwest::Method::POST, &format!("faults/{id}/release"), None).await;
    }

    pub async fn remove_faults(&self) {
        self.admin(reqwest::Method::DELETE, "faults", None).await;
    }

    pub async fn settings(&self, settings: Value) {
        self.admin(reqwest::Method::PUT, "settings", Some(settings)).await;
    }

    pub async fn advance(&self, seconds: u64) {
        self.admin(reqwest::Method::PUT, "clock", Some(json!({ "advanceSeconds": seconds }))).await;
    }

    pub async fn add_token(&self, token: Value) {
        self.admin(reqwest::Method::POST, "tokens", Some(token)).await;
    }

    /// From now on the sites of a commit answer badly.
    pub async fn degrade(&self, commit: &str, how: Value) {
        self.admin(reqwest::Method::PUT, &format!("degraded/{commit}"), Some(how)).await;
    }

    /// They answer well again.
    pub async fn mend(&self, commit: &str) {
        self.admin(reqwest::Method::DELETE, &format!("degraded/{commit}"), None).await;
    }

    /// A status page tells of an incident.
    pub async fn begin_incident(&self, page: &str, id: &str, incident: Value) {
        self.admin(reqwest::Method::PUT, &format!("incidents/{page}/{id}"), Some(incident)).await;
    }

    /// It is over.
    pub async fn end_incident(&self, page: &str, id: &str) {
        self.admin(reqwest::Method::DELETE, &format!("incidents/{page}/{id}"), None).await;
    }

    /// Errors reach Sentry.
    pub async fn sentry(&self, project: &str, happened: Value) {
        self.admin(reqwest::Method::POST, &format!("sentry/{project}"), Some(happened)).await;
    }

    pub async fn publish_dns(&self, name: &str, records: Value) {
        self.admin(reqwest::Method::PUT, &format!("dns/{name}"), Some(json!({ "records": records }))).await;
    }

    pub async fn inventory(&self) -> Value {
        self.admin(reqwest::Method::GET, "inventory", None).await
    }

    /// A call to one of the two APIs as a person with all rights makes it.
    pub async fn person(&self, provider: &str, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let token = if provider == "github" { "sandbox-github-token" } else { "sandbox-vercel-token" };
        let url = format!("{}/{provider}{path}", self.sandbox.url());
        let mut request = self.client.request(method, url).bearer_auth(token).header("user-agent", "a-person");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("the sandbox answers");
        let status = response.status();
        let text = response.text().await.expect("the sandbox answers");
        assert!(status.is_success(), "{path} says {status}: {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// The deployed page of a host name.
    pub async fn page(&self, host: &str) -> (u16, String) {
        let url = format!("{}/_sites/{host}/", self.sandbox.url());
        let response = self.client.get(url).send().await.expect("the sandbox answers");
        (response.status().as_u16(), response.text().await.expect("a page"))
    }
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            std::fs::create_dir(&to)?;
            copy_folder(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// The fork that all figures are about: 2 domains, 8 variables of which 2 secret, a ruleset, 3 files.
pub fn reference_fork() -> String {
    include_str!("../../deploy/examples/quickstart/acme.yaml").into()
}

/// The manifest with a change for most facets.
pub fn updated_fork(mut fork: String) -> String {
    for (from, to) in [
        ("value: large", "value: small"),
        ("name: FEATURE_CHAT\n      value: \"true\"", "name: FEATURE_MAIL\n      value: \"true\""),
        ("name: www.acme.example.com\n      redirectTo: acme.example.com", "name: app.acme.example.com"),
        ("linearHistory: true", "linearHistory: false"),
        ("nodeVersion: \"22\"", "nodeVersion: \"24\""),
        ("made from the framework", "made with the framework"),
        ("* @octo-founder", "* @octo-founder # and nobody else"),
    ] {
        assert!(fork.contains(from), "the manifest has no {from:?}");
        fork = fork.replacen(from, to, 1);
    }
    fork
}

/// One of many small forks: what it costs to keep is the same as for a large one.
pub fn fleet_fork(n: usize) -> String {
    let fork = reference_fork();
    let head = fork.split("  repository:").next().expect("a head").replace("name: acme", &format!("name: f{n}"));
    format!(
        "{head}  repository: {{ owner: acme-inc, name: f{n} }}\n  project: {{ name: f{n} }}\n  env: [{{ name: A, value: \"{n}\" }}]\n  domains: [{{ name: f{n}.example.com }}]\n"
    )
}

/// The Secret that it refers to.
pub fn reference_secret() -> String {
    include_str!("../../deploy/examples/quickstart/secret.yaml").into()
}
