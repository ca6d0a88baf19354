//! What becomes of a chart over time: a release that is upgraded, rolled back and uninstalled, also with CRDs that are
//! older, and what that leaves alone.

use forkable_tests::{Cluster, condition, reference_fork, reference_secret};
use serde_json::{Value, json};

use crate::installed::{Installed, NAME, until, wait_ready};

/// CRDs of before, as they were stored.
const PREVIOUS: &str = include_str!("previous-crds.yaml");
const CRDS: [&str; 3] = ["crd/forks.forkable.dev", "crd/deployments.forkable.dev", "crd/alertrules.forkable.dev"];

async fn revision(installed: &Installed<'_>) -> Value {
    let output = installed
        .space
        .cluster
        .helm(&["history", NAME, "--namespace", &installed.space.name, "--output", "json"])
        .await;
    let history: Vec<Value> = serde_json::from_str(&output).expect("helm says JSON");
    history.last().expect("a release has a history").clone()
}

async fn controllers(installed: &Installed<'_>) -> String {
    installed.space.kubectl(&["get", "deployments.apps", "--output", "name"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_is_upgraded_rolled_back_and_uninstalled_and_products_stay() {
    let cluster = Cluster::start().await;
    let installed = Installed::over(&cluster, PREVIOUS).await;
    let people = cluster.namespace("people").await;
    people.apply(&reference_secret()).await;
    people.apply(&reference_fork()).await;
    let controller = installed.working().await;
    wait_ready(&people, "acme").await;
    let (world, objects) = (&installed.space.world, async || {
        let fork = people.get("forks", "acme").await;
        let release = people.kubectl(&["get", "fdep", "--output", "jsonpath={.items[*].metadata.uid}"]).await;
        (fork["metadata"]["uid"].clone(), fork["spec"].clone(), fork["status"]["currentRelease"].clone(), release)
    });
    let (before, outside) = (objects().await, world.summary().await);
    let undisturbed = async |what: &str| {
        assert_eq!(objects().await, before, "{what}");
        assert_eq!(world.summary().await, outside, "{what}");
        let fork = people.get("forks", "acme").await;
        assert_eq!(condition(&fork, "Ready")["status"], "True", "{what}");
    };
    for crd in CRDS {
        let crd = cluster.kubectl(&["get", crd, "--output", "json"]).await;
        let crd: Value = serde_json::from_str(&crd).expect("kubectl says JSON");
        assert_eq!(crd["status"]["storedVersions"], json!(["v1alpha1"]));
        assert_eq!(crd["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
    world.forget_calls().await;

    controller.stop().await;
    installed.upgrade(json!({ "shards": 2, "controller": { "logLevel": "debug" } })).await;
    assert_eq!(revision(&installed).await["revision"], 2);
    assert_eq!(controllers(&installed).await, "deployment.apps/forkable-shard-1\ndeployment.apps/forkable-shard-2\n");
    let shards =
        [installed.run("forkable-shard-1", None, &[]).await, installed.run("forkable-shard-2", None, &[]).await];
    until("a shard has taken the Fork over", async || {
        people.get("forks", "acme").await["metadata"]["labels"]["forkable.dev/shard"].is_string()
    })
    .await;
    undisturbed("upgraded").await;

    cluster.helm(&["rollback", NAME, "1", "--namespace", &installed.space.name]).await;
    let rolled_back = revision(&installed).await;
    assert_eq!((&rolled_back["revision"], &rolled_back["status"]), (&json!(3), &json!("deployed")));
    assert_eq!(controllers(&installed).await, "deployment.apps/forkable\n");
    let controller = installed.controller().await;
    for shard in shards {
        shard.stop().await;
    }
    until("the Fork is back with the one controller", async || {
        people.get("forks", "acme").await["metadata"]["labels"]["forkable.dev/shard"].is_null()
    })
    .await;
    undisturbed("rolled back").await;

    controller.stop().await;
    cluster.helm(&["uninstall", NAME, "--namespace", &installed.space.name, "--wait"]).await;
    assert_eq!(controllers(&installed).await, "");
    let roles = cluster
        .kubectl(&["get", "clusterroles", "--selector", "app.kubernetes.io/part-of=forkable", "--output", "name"])
        .await;
    assert_eq!(roles, "", "nothing of the chart is left but the CRDs");
    cluster.kubectl(&[&["get"], &CRDS[..]].concat()).await;
    undisturbed("uninstalled").await;
    let writes = world.writes().await;
    assert!(writes.is_empty(), "nothing was written outside all the time: {writes:#?}");

    installed.helm("install").await;
    let shards =
        [installed.run("forkable-shard-1", None, &[]).await, installed.run("forkable-shard-2", None, &[]).await];
    people.apply(&reference_fork().replace("value: large", "value: small")).await;
    wait_ready(&people, "acme").await;
    assert_eq!(world.variable("acme", "MODEL").await["value"], "small", "who installs it again finds everything");
    assert_eq!(objects().await.0, before.0);
    for shard in shards {
        shard.stop().await;
    }
}
