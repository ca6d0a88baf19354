//! The apiserver is gone for a while, and what happened before is not known any more when it comes back.

use forkable_tests::{Cluster, eventually, is_ready, reference_fork, reference_secret};
use serde_json::json;

use crate::installed::{Installed, PATIENCE, until, wait_ready};

#[tokio::test(flavor = "multi_thread")]
async fn watches_recover_from_a_restart_and_from_history_that_is_gone() {
    let cluster = Cluster::start().await;
    let installed = Installed::everywhere(&cluster).await;
    // Whoever cannot renew its Lease stops; here it is alone, and stays.
    installed.upgrade(json!({ "leaderElection": { "enabled": false } })).await;
    let people = cluster.namespace("people").await;
    people.apply(&reference_secret()).await;
    people.apply(&reference_fork()).await;
    let controller = installed.run("forkable", None, &[]).await;
    wait_ready(&people, "acme").await;
    installed.space.world.forget_calls().await;
    let before = people.get("forks", "acme").await;

    cluster.kill_apiserver();
    controller.says("trying again").await;
    cluster.start_apiserver().await;
    // Another apiserver, whose memory begins here: what the watches saw last is forgotten.
    people.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: noise}, data: {a: b}}").await;
    cluster.compact().await;
    cluster.kill_apiserver();
    cluster.start_apiserver().await;
    people.apply(&reference_fork().replace("value: large", "value: small")).await;
    wait_ready(&people, "acme").await;
    assert_eq!(installed.space.world.variable("acme", "MODEL").await["value"], "small");
    let after = people.get("forks", "acme").await;
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    let writes = installed.space.world.writes().await;
    let asked = |operation: &str| writes.iter().filter(|call| call.operation == operation).count();
    let env = writes.iter().filter(|call| call.operation.contains("/env")).count();
    assert_eq!((env, asked("POST /v13/deployments")), (1, 1), "the edit alone is made outside: {writes:#?}");
    assert_eq!(writes.len(), 2, "{writes:#?}");
    controller.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_answered_410_lists_anew_and_writes_nothing() {
    let installed = Installed::new("gone").await;
    let space = &installed.space;
    let proxy = space.cluster.proxy().await;
    space.apply(&reference_secret()).await;
    space.apply(&reference_fork()).await;
    let controller = installed.run("forkable", Some(&proxy), &[]).await;
    installed.wait_ready("acme").await;
    let statuses = space.get("forks", "acme").await;
    space.world.forget_calls().await;
    proxy.forget_calls();
    // Connections that are cut make the watches come again, of which one is told that it is too late.
    proxy.fault(Some("watch forks"), 1, forkable_tests::Effect::Answer(410));
    proxy.cut_all();
    eventually("a watch is answered 410", PATIENCE, || async { proxy.was_hit().then_some(()) }).await;
    eventually("the Forks are listed anew", PATIENCE, || async {
        proxy.calls().iter().any(|call| call.operation == "list forks" && call.status == Some(200)).then_some(())
    })
    .await;
    proxy.release();
    until("every watch goes on", async || {
        let calls = proxy.calls();
        let goes_on = |operation: &str, count: usize| {
            calls.iter().filter(|call| call.operation == operation && call.status == Some(200)).count() >= count
        };
        goes_on("watch forks", 2) && goes_on("watch deployments", 2) && goes_on("watch secrets", 1)
    })
    .await;
    assert_eq!(space.get("forks", "acme").await, statuses, "nothing was written");
    assert!(space.world.writes().await.is_empty(), "{:#?}", space.world.writes().await);
    space.apply(&reference_fork().replace("value: large", "value: small")).await;
    until("an edit is seen again", async || {
        is_ready(&space.get("forks", "acme").await) && space.world.variable("acme", "MODEL").await["value"] == "small"
    })
    .await;
    controller.stop().await;
}
