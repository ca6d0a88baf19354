//! The chart, installed by helm, and its controller run as a kubelet would run it: with the arguments, the environment
//! and the token that its Deployment says.

use std::{collections::BTreeMap, path::Path, sync::Mutex, time::Duration};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use forkable_tests::{Audited, Cluster, Namespace, Output, Proxy, Running, binary, eventually, is_ready};
use serde_json::{Value, json};
use tokio::process::Command;

/// How long anything may take on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// The release of the chart, and with it the ServiceAccount and the Deployment.
pub(crate) const NAME: &str = "forkable";
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/forkable");
const CREDENTIALS: &str = "forkable-credentials";

/// A release of the chart.
pub(crate) struct Installed<'a> {
    /// Where the controller is, and the sandbox that it works on.
    pub(crate) space: Namespace<'a>,
    values: Mutex<Value>,
    /// The shard of each process that ran, by the credential that the apiserver's audit log knows it by.
    shards: Mutex<BTreeMap<String, String>>,
    folder: tempfile::TempDir,
}

/// The process of a pod. What it said last is shown if the test fails.
pub(crate) struct Controller(Option<Running>);

impl Installed<'static> {
    /// In a namespace of the cluster of all tests, that it alone serves.
    pub(crate) async fn new(hint: &str) -> Self {
        Self::with(hint, json!({})).await
    }

    /// The same with more values; those that are not null count instead of ours.
    pub(crate) async fn with(hint: &str, values: Value) -> Self {
        let space = Cluster::shared().await.namespace(hint).await;
        let alone = json!({
            "watchNamespaces": [space.name],
            "crds": { "install": false },
            "rbac": { "aggregate": false },
        });
        Self::install(space, merged(alone, values)).await
    }
}

impl<'a> Installed<'a> {
    /// With the CRDs, for all namespaces of a cluster of its own.
    pub(crate) async fn everywhere(cluster: &'a Cluster) -> Self {
        let space = cluster.namespace("forkable-system").await;
        // GitHub lets a credential make so many things in a minute, which is waited for in a quarter of the time.
        space.world.speed(4).await;
        let more = json!({ "extraArgs": ["--time-scale=4"], "controller": { "abandonAfter": "2h" } });
        Self::install(space, more).await
    }

    /// The same where CRDs are that somebody applied before.
    pub(crate) async fn over(cluster: &'a Cluster, crds: &str) -> Self {
        cluster.apply(crds, &["--server-side"]).await;
        Self::everywhere(cluster).await
    }

    async fn install(space: Namespace<'a>, more: Value) -> Self {
        let environment = &space.world.environment;
        let values = json!({
            "credentials": { "existingSecret": CREDENTIALS },
            "providers": {
                "githubApiUrl": environment["GITHUB_API_URL"],
                "vercelApiUrl": environment["VERCEL_API_URL"],
            },
            // Releases are judged at the sites that the sandbox serves.
            "extraEnv": [{ "name": "FORKABLE_SITES_URL", "value": environment["FORKABLE_SITES_URL"] }],
        });
        let from = |key: &str, variable: &str| format!("--from-literal={key}={}", environment[variable]);
        let keys =
            [("githubToken", "GITHUB_TOKEN"), ("vercelToken", "VERCEL_TOKEN"), ("vercelTeamId", "VERCEL_TEAM_ID")];
        let keys = keys.map(|(key, variable)| from(key, variable));
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        space.kubectl(&[&["create", "secret", "generic", CREDENTIALS], &keys[..]].concat()).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let installed = Self { space, values: Mutex::new(merged(values, more)), shards: Mutex::default(), folder };
        installed.helm("install").await;
        installed
    }

    /// Upgrades the release with these values beside those that it has.
    pub(crate) async fn upgrade(&self, more: Value) {
        {
            let mut values = self.values.lock().expect("nothing panics while it holds them");
            *values = merged(values.take(), more);
        }
        self.helm("upgrade").await;
    }

    /// Makes it serve these namespaces beside its own.
    pub(crate) async fn serves(&self, spaces: &[&Namespace<'_>]) {
        let names = spaces.iter().map(|space| &space.name).chain([&self.space.name]);
        self.upgrade(json!({ "watchNamespaces": names.collect::<Vec<_>>() })).await;
    }

    /// `helm install` or `helm upgrade`, which must succeed.
    pub(crate) async fn helm(&self, command: &str) {
        // The CRDs may be there, by whomever.
        let theirs = ["--take-ownership", "--force-conflicts"];
        let arguments = [command, NAME, CHART, "--namespace", &self.space.name, "--values", "-"];
        let values = self.values.lock().expect("nothing panics while it holds them").to_string();
        let output = self.space.cluster.run("helm", &[&arguments[..], &theirs].concat(), &values).await;
        assert_eq!(output.code, Some(0), "helm {command} says:\n{}{}", output.stdout, output.stderr);
    }

    // ---- its processes ----

    /// A process for one namespace with a sandbox of its own, without leader election. The folder has its kubeconfig.
    pub(crate) fn start_for(&self, space: &Namespace<'_>, folder: &Path, resync: &str) -> Running {
        let mut command = Command::new(binary());
        command.args(["controller", "--listen=127.0.0.1:0", "--leader-elect=false", "--resync", resync]);
        command.args(["--watch-namespace", &space.name, "--namespace", &self.space.name]);
        command.arg("--journal").arg(folder.join("journal.db"));
        command.envs(&space.world.environment).env("KUBECONFIG", folder.join("kubeconfig"));
        Running::start(command)
    }

    /// The controller, at work.
    pub(crate) async fn working(&self) -> Controller {
        let controller = self.controller().await;
        controller.says("leading").await;
        controller
    }

    /// The controller, which may have to stand by.
    pub(crate) async fn controller(&self) -> Controller {
        self.run(NAME, None, &[]).await
    }

    /// The controller of one of the Deployments, with more arguments, perhaps through a proxy.
    pub(crate) async fn run(&self, deployment: &str, proxy: Option<&Proxy>, more: &[&str]) -> Controller {
        let Namespace { cluster, name: namespace, .. } = &self.space;
        let deployment = cluster.get(&format!("/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}")).await;
        let pod = &deployment["spec"]["template"]["spec"];
        let account = pod["serviceAccountName"].as_str().expect("a pod has a ServiceAccount");
        let token = cluster.token(namespace, account).await;
        let kubeconfig = match proxy {
            Some(proxy) => proxy.kubeconfig_for(&token, namespace),
            None => cluster.kubeconfig_for(&token, namespace),
        };
        let folder = tempfile::tempdir_in(&self.folder).expect("a temporary folder").keep();
        let file = folder.join("kubeconfig");
        std::fs::write(&file, kubeconfig).expect("the folder can be written");
        let container = &pod["containers"][0];
        let mut command = Command::new(binary());
        for argument in container["args"].as_array().expect("a container has arguments") {
            let argument = argument.as_str().expect("an argument is text");
            if let Some(shard) = argument.strip_prefix("--shard=") {
                let mut shards = self.shards.lock().expect("nothing panics while it holds them");
                shards.insert(credential_of(&token), shard.to_owned());
            }
            // What is different on one machine: a port that is free, a folder of its own.
            match argument.split_once('=') {
                Some(("--listen", _)) => command.arg("--listen=127.0.0.1:0"),
                Some(("--journal", _)) => command.arg(format!("--journal={}", folder.join("journal.db").display())),
                _ => command.arg(argument),
            };
        }
        command.args(more).env_clear().env("KUBECONFIG", file);
        for variable in container["env"].as_array().into_iter().flatten() {
            if let Some(value) = self.value(variable).await {
                command.env(variable["name"].as_str().expect("a variable has a name"), value);
            }
        }
        Running::start(command).into()
    }

    /// The shard that used a credential; the credential itself where there were no shards.
    pub(crate) fn shard_of(&self, credential: &str) -> String {
        let shards = self.shards.lock().expect("nothing panics while it holds them");
        shards.get(credential).map_or(credential, String::as_str).to_owned()
    }

    /// What a kubelet would set; `None` where it would set nothing.
    async fn value(&self, variable: &Value) -> Option<String> {
        let Namespace { cluster, name: namespace, .. } = &self.space;
        let from = &variable["valueFrom"];
        if let Some(field) = from["fieldRef"]["fieldPath"].as_str() {
            return Some(match field {
                "metadata.namespace" => namespace.clone(),
                "metadata.name" => format!("{NAME}-0"),
                other => panic!("a pod of one machine has no {other}"),
            });
        }
        let Some(name) = from["secretKeyRef"]["name"].as_str() else {
            return Some(variable["value"].as_str().unwrap_or_default().to_owned());
        };
        let key = from["secretKeyRef"]["key"].as_str().expect("a key is named");
        let arguments = ["get", "secret", name, "--namespace", namespace, "--output"];
        let template = format!("go-template={{{{ index .data \"{key}\" | base64decode }}}}");
        let output = cluster.try_kubectl(&[&arguments[..], &[&template]].concat()).await;
        (output.code == Some(0)).then_some(output.stdout).filter(|value| !value.is_empty())
    }

    // ---- what it did ----

    /// The identity of its controllers.
    pub(crate) fn user(&self) -> String {
        format!("system:serviceaccount:{}:{NAME}", self.space.name)
    }

    /// What its controllers asked of the apiserver.
    pub(crate) fn calls(&self) -> Vec<Audited> {
        let user = self.user();
        let mut calls = self.space.cluster.audit();
        calls.retain(|call| call.user == user);
        calls
    }

    /// What its controllers wrote, renewals of Leases aside: `patch forks/status`.
    pub(crate) fn writes(&self) -> Vec<String> {
        let mut calls = self.calls();
        calls.retain(|call| forkable_tests::is_write(&call.verb) && call.resource != "leases");
        calls.into_iter().map(|call| format!("{} {}", call.verb, call.resource)).collect()
    }

    pub(crate) async fn wait_ready(&self, fork: &str) {
        wait_ready(&self.space, fork).await;
    }
}

/// Waits until a Fork of a namespace is Ready as it is now.
pub(crate) async fn wait_ready(space: &Namespace<'_>, fork: &str) {
    let mut last = Value::Null;
    let ready = async {
        loop {
            last = space.get("forks", fork).await;
            if is_ready(&last) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, ready).await;
    assert!(waited.is_ok(), "{fork} is not ready: {:#}", last["status"]["conditions"]);
}

impl From<Running> for Controller {
    fn from(running: Running) -> Self {
        Self(Some(running))
    }
}

impl Controller {
    fn running(&self) -> &Running {
        self.0.as_ref().expect("it runs until it is ended")
    }

    pub(crate) async fn says(&self, text: &str) {
        self.running().says(text, PATIENCE).await;
    }

    /// `kill -9`.
    pub(crate) async fn kill(mut self) -> Output {
        self.0.take().expect("it runs until it is ended").kill().await
    }

    /// As a kubelet ends a pod: with time to finish. It must end well.
    pub(crate) async fn stop(mut self) {
        let running = self.0.take().expect("it runs until it is ended");
        running.terminate();
        let output = running.finish(PATIENCE).await;
        assert_eq!(output.code, Some(0), "{}", output.stderr);
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if let (true, Some(running)) = (std::thread::panicking(), &self.0) {
            let log = running.stderr();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("--- the controller ---\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

/// The id of a ServiceAccount's token, as the audit log writes it.
fn credential_of(token: &str) -> String {
    let claims = token.split('.').nth(1).expect("a token has claims");
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("claims are base64");
    let claims: Value = serde_json::from_slice(&claims).expect("claims are JSON");
    format!("JTI={}", claims["jti"].as_str().expect("a token has an id"))
}

/// Values over values: maps are merged, all else is replaced.
fn merged(mut under: Value, over: Value) -> Value {
    match (&mut under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                let below = under.remove(&key).unwrap_or_default();
                under.insert(key, merged(below, value));
            }
        }
        (under, over) => *under = over,
    }
    under
}

/// Waits until something is true of the world.
pub(crate) async fn until(what: &str, look: impl AsyncFn() -> bool) {
    eventually(what, PATIENCE, || async { look().await.then_some(()) }).await;
}
