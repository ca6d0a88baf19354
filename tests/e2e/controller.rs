//! The controller with the rights that the chart gives it: a manifest becomes a product, and what that costs the
//! apiserver.

use std::time::Duration;

use forkable_tests::{Audited, Cluster, Namespace, Running, binary, eventually, reference_fork, reference_secret};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_mins(1);
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/forkable");
/// The release of the chart, and with it the ServiceAccount.
const NAME: &str = "forkable";

/// The chart installed in a namespace that it alone serves, and the controller as its pod would run.
struct Installed<'a> {
    space: Namespace<'a>,
    kubeconfig: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl<'a> Installed<'a> {
    async fn new(hint: &str) -> Self {
        let cluster: &'a Cluster = Cluster::shared().await;
        let space = cluster.namespace(hint).await;
        let watch = format!("watchNamespaces={{{}}}", space.name);
        let values = ["--set", "crds.install=false,credentials.optional=true,rbac.aggregate=false", "--set", &watch];
        cluster.helm(&[&["install", NAME, CHART, "--namespace", &space.name][..], &values].concat()).await;
        let token = cluster.token(&space.name, NAME).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, cluster.kubeconfig_for(&token, &space.name)).expect("the folder can be written");
        Self { space, kubeconfig, _folder: folder }
    }

    fn controller(&self, more: &[&str]) -> Running {
        let mut command = Command::new(binary());
        command.args(["controller", "--listen=127.0.0.1:0", "--watch-namespace", &self.space.name]);
        command.args(["--lease-duration=3s", "--renew-deadline=2s", "--retry-period=500ms"]).args(more);
        command.envs(&self.space.world.environment).env("KUBECONFIG", &self.kubeconfig).env_remove("RUST_LOG");
        Running::start(command)
    }

    async fn wait_ready(&self) {
        self.space.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", "forks.forkable.dev/acme"]).await;
    }

    /// What the controller wrote here, renewals of its Lease aside: `patch forks/status acme`.
    fn writes(&self) -> Vec<String> {
        let writes = self.space.writes_of(&format!("system:serviceaccount:{}:{NAME}", self.space.name));
        let told = |call: Audited| format!("{} {}", call.verb, call.resource);
        writes.into_iter().filter(|call| call.resource != "leases").map(told).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_becomes_a_product_in_six_writes() {
    let installed = Installed::new("product").await;
    let controller = installed.controller(&[]);
    installed.space.apply(&reference_secret()).await;
    controller.says("leading", PATIENCE).await;
    eventually("the key of all digests is made", PATIENCE, || async { installed.writes().pop() }).await;
    let before = installed.writes().len();
    installed.space.apply(&reference_fork()).await;
    installed.wait_ready().await;
    let (status, page) = installed.space.world.page("acme.example.com").await;
    assert!(status == 200 && page.contains("acme"), "{status}: {page}");
    eventually("the event is written", PATIENCE, || async {
        installed.writes().iter().any(|write| write == "create events").then_some(())
    })
    .await;
    let writes = installed.writes().split_off(before);
    println!("apiserver writes of one create: {writes:#?}");
    // The generated value is a Secret of its own, made once.
    let of_the_create: Vec<_> = writes.iter().filter(|write| *write != "create secrets").collect();
    assert!(of_the_create.len() <= 6, "{writes:#?}");

    installed
        .space
        .kubectl(&[
            "patch",
            "forks.forkable.dev/acme",
            "--type=json",
            "--patch",
            r#"[{"op":"replace","path":"/spec/env/2/value","value":"small"}]"#,
        ])
        .await;
    eventually("the change is made outside", PATIENCE, || async {
        let fork = installed.space.get("forks", "acme").await;
        (fork["status"]["observedGeneration"] == fork["metadata"]["generation"]).then_some(())
    })
    .await;
    installed.wait_ready().await;
    drop(controller.kill().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_from_a_killed_leader_without_a_duplicate() {
    let installed = Installed::new("failover").await;
    let world = &installed.space.world;
    installed.space.apply(&reference_secret()).await;
    let leader = installed.controller(&[]);
    leader.says("leading", PATIENCE).await;
    let standby = installed.controller(&[]);
    // Carried out and never answered: the leader dies without knowing.
    let fault = world
        .fault(serde_json::json!({ "match": { "operation": "POST /v13/deployments" }, "effect": { "hold": "after" } }))
        .await;
    installed.space.apply(&reference_fork()).await;
    eventually("the build is asked for", PATIENCE, || async { (world.held(fault).await > 0).then_some(()) }).await;
    drop(leader.kill().await);
    world.remove_faults().await;
    standby.says("leading", PATIENCE).await;
    installed.wait_ready().await;
    let builds = world.calls().await.into_iter().filter(|call| call.operation == "POST /v13/deployments");
    assert_eq!(builds.count(), 1, "the one build was found again");
    let creates = world.calls().await.into_iter().filter(|call| call.operation.contains("generate"));
    assert_eq!(creates.count(), 1);
    drop(standby.kill().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_deletion_policy_lets_go() {
    let installed = Installed::new("deletion").await;
    installed.space.apply(&reference_secret()).await;
    let controller = installed.controller(&[]);
    for policy in ["Retain", "Delete"] {
        let fork = reference_fork().replace("  release:\n", &format!("  deletionPolicy: {policy}\n  release:\n"));
        // What the first one kept is taken over by the second.
        let fork =
            fork.replace("  name: acme\nspec:", "  name: acme\n  annotations: { forkable.dev/adopt: \"true\" }\nspec:");
        installed.space.apply(&fork).await;
        installed.wait_ready().await;
        installed.space.kubectl(&["delete", "forks.forkable.dev/acme", "--timeout=60s"]).await;
        let inventory = installed.space.world.inventory().await;
        let repositories = inventory["github"]["repos"].as_array().expect("repositories");
        let is_there = repositories.iter().any(|repository| repository["full_name"] == "acme-inc/acme");
        assert_eq!(is_there, policy == "Retain", "{policy}");
    }
    drop(controller.kill().await);
}
