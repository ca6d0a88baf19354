//! What people do to a fleet that runs: they rotate Secrets, edit while the controller writes, delete namespaces.

use forkable_tests::{Audited, Namespace, eventually, is_ready};
use serde_json::{Value, json};

use crate::installed::{Installed, PATIENCE, until};

/// Fork, repository and project of the example that is worked on.
const ACME: &str = "acme";

async fn fork(installed: &Installed<'_>) -> Value {
    installed.space.cluster.get("/apis/forkable.dev/v1alpha1/namespaces/default/forks/acme").await
}

async fn edit(installed: &Installed<'_>, patch: &Value) {
    let patch = patch.to_string();
    let arguments = ["patch", "forks.forkable.dev/acme", "--type=json", "--patch", &patch];
    installed.space.cluster.kubectl(&arguments).await;
}

/// Waits until the Fork is Ready as it is now, and its project has the value.
async fn arrives(installed: &Installed<'_>, key: &str, value: &str) {
    until(&format!("{key}={value} is outside"), async || {
        let variable = installed.space.world.find_variable(ACME, key).await;
        is_ready(&fork(installed).await) && variable.is_some_and(|variable| variable["value"] == value)
    })
    .await;
}

fn model(value: &str) -> Value {
    json!([{ "op": "replace", "path": "/spec/env/2/value", "value": value }])
}

/// A Secret that is rotated reaches the project and is released, without anybody touching the Fork.
pub(crate) async fn a_rotated_secret_is_picked_up(installed: &Installed<'_>) {
    let release = async || fork(installed).await["status"]["currentRelease"]["name"].clone();
    let before = release().await;
    let patch = r#"{"stringData": {"stripe": "sk_test_rotated"}}"#;
    installed.space.cluster.kubectl(&["patch", "secret", ACME, "--type=merge", "--patch", patch]).await;
    arrives(installed, "STRIPE_KEY", "sk_test_rotated").await;
    until("what was rotated is released", async || release().await != before && is_ready(&fork(installed).await)).await;
    let fork = fork(installed).await.to_string();
    assert!(!fork.contains("sk_test"), "no Secret is in a status: {fork}");
}

/// A person edits Fork and Deployment while passes are at work on them: nobody's change is lost, and the passes go on
/// from what there is now.
pub(crate) async fn edits_meet_a_controller_that_writes(installed: &Installed<'_>) {
    let world = &installed.space.world;
    let refused = |resource: &str| {
        let refused = |call: &Audited| call.code == 409 && call.resource == resource && call.namespace == "default";
        installed.calls().iter().filter(|call| refused(call)).count()
    };
    let hold = async |operation: &str| {
        let fault = json!({ "match": { "operation": operation }, "effect": { "hold": "before" } });
        world.fault(fault).await
    };
    let held = async |id: u64| {
        eventually("the pass is at work", PATIENCE, || async { (world.held(id).await > 0).then_some(()) }).await;
    };
    let before = refused("forks/status");
    let fault = hold("POST /v10/projects/{idOrName}/env").await;
    edit(installed, &model("medium")).await;
    held(fault).await;
    edit(installed, &json!([{ "op": "replace", "path": "/spec/env/5/value", "value": "false" }])).await;
    world.remove_faults().await;
    arrives(installed, "FEATURE_CHAT", "false").await;
    arrives(installed, "MODEL", "medium").await;
    assert!(refused("forks/status") > before, "the pass wrote upon what it had seen, and was told of the edit");

    let before = refused("deployments/status");
    let fault = hold("GET /v13/deployments/{idOrUrl}").await;
    edit(installed, &model("huge")).await;
    held(fault).await;
    annotate_releases(installed).await;
    world.remove_faults().await;
    arrives(installed, "MODEL", "huge").await;
    assert!(refused("deployments/status") > before, "the pass of the release was told of the annotation");
}

/// At once: a provider's answer is not waited for long.
async fn annotate_releases(installed: &Installed<'_>) {
    let cluster = installed.space.cluster;
    let path = "/apis/forkable.dev/v1alpha1/namespaces/default/deployments";
    let releases = cluster.get(path).await;
    for release in releases["items"].as_array().expect("a list") {
        let name = release["metadata"]["name"].as_str().expect("a name");
        let metadata = json!({ "name": name, "namespace": "default", "annotations": { "example.com/note": "seen" } });
        let manifest = json!({ "apiVersion": "forkable.dev/v1alpha1", "kind": "Deployment", "metadata": metadata });
        let path = format!("{path}/{name}?fieldManager=people");
        cluster.send(reqwest::Method::PATCH, &path, Some(manifest.to_string())).await;
    }
}

/// A second value is generated beside the first one, which stays as it is; old releases are forgotten.
pub(crate) async fn secrets_grow_and_history_is_cut(installed: &Installed<'_>) {
    let cluster = installed.space.cluster;
    let generated = async || cluster.get("/api/v1/namespaces/default/secrets/acme-generated").await["data"].clone();
    let before = generated().await;
    let more = json!({ "name": "SECOND_SECRET", "valueFrom": { "generate": { "length": 48 } }, "sensitive": true });
    edit(
        installed,
        &json!([
            { "op": "add", "path": "/spec/env/-", "value": more },
            { "op": "add", "path": "/spec/release/revisionHistoryLimit", "value": 1 },
        ]),
    )
    .await;
    until("the second value is outside", async || {
        is_ready(&fork(installed).await) && world_has(&installed.space, "SECOND_SECRET").await
    })
    .await;
    let after = generated().await;
    assert!(
        before.as_object().is_some_and(|keys| keys.len() == 1) && after.as_object().is_some_and(|keys| keys.len() == 2)
    );
    assert_eq!(after["SESSION_SECRET"], before["SESSION_SECRET"], "what was generated once stays");
    until("old releases are forgotten", async || {
        let releases = cluster.kubectl(&["get", "fdep", "--output", "name"]).await;
        releases.lines().filter(|name| name.contains("/acme-")).count() <= 2
    })
    .await;
}

async fn world_has(space: &Namespace<'_>, key: &str) -> bool {
    space.world.find_variable(ACME, key).await.is_some()
}

/// `kubectl delete namespace` ends, and what is outside is as each Fork's policy says.
pub(crate) async fn a_namespace_goes_with_forks_of_each_policy(installed: &Installed<'_>) {
    let Namespace { cluster, world, .. } = &installed.space;
    let namespace = "doomed";
    cluster.kubectl(&["create", "namespace", namespace]).await;
    let fork = |policy: &str| {
        let name = format!("doomed-{}", policy.to_lowercase());
        json!({
            "apiVersion": "forkable.dev/v1alpha1", "kind": "Fork",
            "metadata": { "name": name, "namespace": namespace },
            "spec": {
                // Goes with the namespace, perhaps before the Fork.
                "credentialsRef": { "name": "accounts" },
                "deletionPolicy": policy,
                "template": { "owner": "forkable-ai", "repo": "framework" },
                "repository": { "owner": "acme-inc", "name": name },
                "project": { "name": name },
            },
        })
    };
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "accounts", "namespace": namespace },
        "stringData": { "githubToken": "sandbox-github-token", "vercelToken": "sandbox-vercel-token" },
    });
    let list = json!({
        "apiVersion": "v1", "kind": "List",
        "items": [secret, fork("Retain"), fork("Archive"), fork("Delete")],
    });
    cluster.apply(&list.to_string(), &[]).await;
    let all =
        ["wait", "--for=condition=Ready", "--timeout=120s", "forks.forkable.dev", "--all", "--namespace", namespace];
    cluster.kubectl(&all).await;
    cluster.kubectl(&["delete", "namespace", namespace, "--timeout=120s"]).await;
    let kept = world.repository("acme-inc/doomed-retain").await;
    assert_eq!(kept["archived"], false, "{kept:#}");
    assert_eq!(world.project("doomed-retain").await["paused"], false);
    let archived = world.repository("acme-inc/doomed-archive").await;
    assert_eq!(archived["archived"], true, "{archived:#}");
    assert_eq!(world.project("doomed-archive").await["paused"], true);
    assert_eq!(world.find_repository("acme-inc/doomed-delete").await, None);
    assert_eq!(world.find_project("doomed-delete").await, None);
}
