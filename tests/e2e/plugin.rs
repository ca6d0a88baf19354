//! `kubectl forkable`: the binary as kubectl finds and runs it, with the rights of whoever calls it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use forkable_tests::{Cluster, Namespace, Output, Running, binary, reference_fork, reference_secret, tool};
use serde_json::{Value, json};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_mins(2);

struct Plugin<'a> {
    namespace: Namespace<'a>,
    /// On the PATH, with the binary under the name that kubectl looks for.
    folder: tempfile::TempDir,
}

impl Plugin<'_> {
    async fn new(hint: &str) -> Self {
        Self { namespace: Cluster::shared().await.namespace(hint).await, folder: folder() }
    }

    /// A reference Fork with its Secret, and what a controller would have said of it.
    async fn with_fork(hint: &str, status: Option<Value>) -> Self {
        let plugin = Self::new(hint).await;
        plugin.namespace.apply(&reference_secret()).await;
        plugin.namespace.apply(&reference_fork()).await;
        if let Some(status) = status {
            let patch = json!({ "status": status }).to_string();
            let arguments = ["patch", "forks.forkable.dev", "acme", "--subresource=status", "--type=merge", "-p"];
            plugin.namespace.kubectl(&[&arguments[..], &[&patch]].concat()).await;
        }
        plugin
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        self.run_as(&self.namespace.cluster.kubeconfig(), arguments).await
    }

    async fn run_as(&self, kubeconfig: &Path, arguments: &[&str]) -> Output {
        run(&self.namespace, self.folder.path(), kubeconfig, arguments).await
    }

    async fn fork(&self) -> Value {
        self.namespace.get("forks", "acme").await
    }
}

/// One with the binary under the name that kubectl looks for.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::os::unix::fs::symlink(binary(), folder.path().join("kubectl-forkable")).expect("a link");
    folder
}

async fn run(namespace: &Namespace<'_>, folder: &Path, kubeconfig: &Path, arguments: &[&str]) -> Output {
    let mut environment = namespace.world.environment.clone();
    environment.extend(namespace.cluster.environment());
    let path = format!("{}:{}", folder.display(), environment["PATH"]);
    let mut command = Command::new(tool("kubectl"));
    command.args(["forkable", "--namespace", &namespace.name]).args(arguments);
    command.env_clear().envs(environment).env("PATH", path).env("KUBECONFIG", kubeconfig);
    Running::start(command).finish(PATIENCE).await
}

/// Runs `kubectl forkable` as the administrator of the cluster.
pub(crate) async fn kubectl_forkable(namespace: &Namespace<'_>, arguments: &[&str]) -> Output {
    run(namespace, folder().path(), &namespace.cluster.kubeconfig(), arguments).await
}

/// The output, which must end with this code.
fn ends(code: i32, output: &Output) -> String {
    assert_eq!(output.code, Some(code), "{}\n{}", output.stdout, output.stderr);
    format!("{}{}", output.stdout, output.stderr)
}

fn condition(type_: &str, status: &str, reason: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": reason, "message": "the provider says so",
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn get_and_why_tell_what_the_cluster_says() {
    let conditions = [condition("Ready", "False", "Unauthorized"), condition("ProjectReady", "False", "Unauthorized")];
    let status = json!({ "observedGeneration": 1, "url": "https://acme.example.com", "conditions": conditions });
    let plugin = Plugin::with_fork("why", Some(status)).await;
    let table = ends(0, &plugin.run(&["get"]).await);
    let row: Vec<_> = table.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    assert_eq!(row[..3], ["acme", "False", "https://acme.example.com"], "{table}");
    assert_eq!(ends(0, &plugin.run(&["get", "fork", "-o", "name"]).await), "fork.forkable.dev/acme\n");
    let whole: Value =
        serde_json::from_str(&plugin.run(&["get", "fork/acme", "-o", "json"]).await.stdout).expect("JSON");
    assert_eq!((&whole["metadata"]["name"], &whole["metadata"]["managedFields"]), (&json!("acme"), &Value::Null));
    let told = ends(0, &plugin.run(&["why", "acme"]).await);
    for expected in
        ["is not ready: Unauthorized", "whoever gave the credentials", "✗ ProjectReady", "last error:   Pro"]
    {
        assert!(told.contains(expected), "{expected:?} is not in:\n{told}");
    }
    let told = ends(1, &plugin.run(&["why", "nobody"]).await);
    assert!(told.contains("no fork, deployment or alertrule nobody in namespace"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn suspend_and_resume_change_the_manifest_in_their_own_name() {
    let plugin = Plugin::with_fork("suspend", None).await;
    ends(0, &plugin.run(&["suspend", "acme", "--reason", "incident 42", "--for", "2h"]).await);
    let fork = plugin.fork().await;
    assert_eq!(fork["spec"]["suspend"]["reason"], "incident 42");
    assert!(fork["spec"]["suspend"]["until"].is_string(), "{}", fork["spec"]["suspend"]);
    let managers = fork["metadata"]["managedFields"].as_array().into_iter().flatten();
    assert!(managers.clone().any(|entry| entry["manager"] == "kubectl-forkable"), "{managers:?}");
    let told = ends(0, &plugin.run(&["why", "acme"]).await);
    assert!(told.contains("! suspended until") && told.contains("incident 42"), "{told}");
    ends(0, &plugin.run(&["resume", "acme"]).await);
    let fork = plugin.fork().await;
    assert_eq!(fork["spec"]["suspend"], Value::Null, "and nothing else is changed");
    assert!(fork["spec"]["env"].as_array().is_some_and(|env| !env.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_and_adopt_look_and_write_nothing_without_a_yes() {
    let plugin = Plugin::with_fork("plan", None).await;
    let before = plugin.namespace.writes_of("admin").len();
    let plan = ends(2, &plugin.run(&["plan", "acme"]).await);
    assert!(plan.contains("+ repository") && plan.contains("STRIPE_KEY") && !plan.contains("sk_test"), "{plan}");
    let file = plugin.folder.path().join("acme.yaml");
    std::fs::write(&file, reference_fork().replace("name: MODEL", "name: MODEL_NAME")).expect("a file");
    let plan = ends(2, &plugin.run(&["plan", "-f", &file.display().to_string()]).await);
    assert!(plan.contains("MODEL_NAME"), "{plan}");
    std::fs::write(&file, reference_fork().replace("repo: framework", "repo: other")).expect("a file");
    let refused = ends(1, &plugin.run(&["plan", "-f", &file.display().to_string()]).await);
    assert!(refused.contains("template.owner and template.repo are immutable"), "{refused}");
    let world = &plugin.namespace.world;
    assert_eq!(world.writes().await.len(), 0, "nothing was changed outside");

    // Somebody made a repository of that name by hand.
    let made = json!({ "owner": "acme-inc", "name": "acme", "private": true });
    world.person("github", reqwest::Method::POST, "/repos/forkable-ai/framework/generate", Some(made)).await;
    let told = ends(1, &plugin.run(&["adopt", "acme"]).await);
    assert!(told.contains("acme-inc/acme (id ") && told.contains("add --yes"), "{told}");
    assert_eq!(plugin.namespace.writes_of("admin").len(), before, "nothing was changed in the cluster");
    ends(0, &plugin.run(&["adopt", "acme", "--yes"]).await);
    assert_eq!(plugin.fork().await["metadata"]["annotations"]["forkable.dev/adopt"], "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_tells_what_becomes_of_everything_and_asks() {
    let project = json!({ "id": "prj_1", "name": "acme", "owned": true });
    let plugin = Plugin::with_fork("delete", Some(json!({ "project": project }))).await;
    let told = ends(1, &plugin.run(&["delete", "acme"]).await);
    assert!(told.contains("project acme stay"), "{told}");
    assert!(told.contains("add --yes"), "{told}");
    assert_eq!(plugin.fork().await["metadata"]["deletionTimestamp"], Value::Null);
    ends(0, &plugin.run(&["delete", "acme", "--yes"]).await);
    assert_eq!(plugin.fork().await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_brake_is_released_on_the_lease_of_the_controller() {
    let plugin = Plugin::new("brake").await;
    let told = ends(1, &plugin.run(&["resume"]).await);
    assert!(told.contains("there is no controller in namespace"), "{told}");
    for name in ["forkable", "forkable-shard-1-of-2"] {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": { "name": name, "labels": { "app.kubernetes.io/name": "forkable" } },
        });
        plugin.namespace.apply(&lease.to_string()).await;
    }
    ends(0, &plugin.run(&["resume"]).await);
    let path = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", plugin.namespace.name);
    for lease in plugin.namespace.cluster.get(&path).await["items"].as_array().expect("a list") {
        let at = &lease["metadata"]["annotations"]["forkable.dev/resume-requested-at"];
        let at: jiff::Timestamp = at.as_str().expect("an annotation").parse().expect("RFC 3339");
        assert!(jiff::Timestamp::now().duration_since(at).as_secs() < 300, "{at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_is_told_which_right_is_lacking() {
    let plugin = Plugin::with_fork("rights", None).await;
    let Namespace { cluster, name, .. } = &plugin.namespace;
    let kubeconfig = plugin.folder.path().join("reader");
    let token = cluster.token(name, "default").await;
    std::fs::write(&kubeconfig, cluster.kubeconfig_for(&token, name)).expect("a file");
    let told = ends(1, &plugin.run_as(&kubeconfig, &["get"]).await);
    assert!(told.contains("cannot list resource \"forks\"") && told.contains("Have it granted"), "{told}");
    let rule =
        ["create", "role", "reader", "--verb=get,list,watch", "--resource=forks.forkable.dev,deployments.forkable.dev"];
    plugin.namespace.kubectl(&rule).await;
    let account = format!("--serviceaccount={name}:default");
    plugin.namespace.kubectl(&["create", "rolebinding", "reader", "--role=reader", &account]).await;
    forkable_tests::eventually("the right is in force", PATIENCE, async || {
        (plugin.run_as(&kubeconfig, &["why", "acme"]).await.code == Some(0)).then_some(())
    })
    .await;
    let told = ends(1, &plugin.run_as(&kubeconfig, &["suspend", "acme", "--reason", "x"]).await);
    assert!(told.contains("cannot patch resource \"forks\""), "{told}");
    let told = ends(1, &plugin.run_as(&kubeconfig, &["plan", "acme"]).await);
    assert!(told.contains("cannot get resource \"secrets\""), "the manifest refers to one: {told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_completes_commands_and_names() {
    let plugin = Plugin::with_fork("complete", None).await;
    let script = ends(0, &plugin.run(&["completions", "kubectl"]).await);
    assert!(script.starts_with("#!/bin/sh\nexec kubectl-forkable __complete"), "{script}");
    let lines = async |words: &[&str]| {
        let output = plugin.run(&[&["__complete", "--"], words].concat()).await;
        ends(0, &output).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&["su"]).await, ["suspend", ":4"]);
    assert_eq!(lines(&["why", "-n", &plugin.namespace.name, "ac"]).await, ["acme", ":4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_looks_as_the_controller_does_if_that_is_asked_for() {
    let mut plugin = Plugin::with_fork("account", None).await;
    // The person has nothing of the kind in the environment.
    let own = |name: &String, _: &mut String| name.starts_with("GITHUB_") || name.starts_with("VERCEL_");
    let account: BTreeMap<_, _> = plugin.namespace.world.environment.extract_if(.., own).collect();
    let refused = ends(1, &plugin.run(&["plan", "acme"]).await);
    assert!(refused.contains("--credentials-from-cluster"), "{refused}");
    let Namespace { cluster, name, .. } = &plugin.namespace;
    let data = json!({ "githubToken": account["GITHUB_TOKEN"], "vercelToken": account["VERCEL_TOKEN"] });
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "account" }, "stringData": data });
    plugin.namespace.apply(&secret.to_string()).await;
    let values = format!(
        "crds.install=false,rbac.aggregate=false,watchNamespaces={{{name}}},credentials.existingSecret=account,\
         providers.githubApiUrl={},providers.vercelApiUrl={}",
        account["GITHUB_API_URL"], account["VERCEL_API_URL"]
    );
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/forkable");
    cluster.helm(&["install", "forkable", chart, "--namespace", name, "--set", &values]).await;
    let asked = ["plan", "acme", "--credentials-from-cluster", "--controller-namespace", name];
    let plan = ends(2, &plugin.run(&asked).await);
    assert!(plan.contains("+ repository") && plan.contains("STRIPE_KEY") && !plan.contains("sk_test"), "{plan}");
}
