//! The controller with the rights that the chart gives it: a manifest becomes a product, and what that costs the
//! apiserver.

use forkable_tests::{Namespace, eventually, fleet_fork, reference_fork, reference_secret};
use serde_json::json;

use crate::installed::{Installed, PATIENCE};

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_becomes_a_product_in_six_writes() {
    let installed = Installed::new("product").await;
    let controller = installed.working().await;
    installed.space.apply(&reference_secret()).await;
    eventually("the key of all digests is made", PATIENCE, || async { installed.writes().pop() }).await;
    let before = installed.writes().len();
    installed.space.apply(&reference_fork()).await;
    installed.wait_ready("acme").await;
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
    installed.wait_ready("acme").await;
    drop(controller.kill().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_from_a_killed_leader_without_a_duplicate() {
    let soon = json!({ "leaderElection": { "leaseDuration": "3s", "renewDeadline": "2s", "retryPeriod": "500ms" } });
    let installed = Installed::with("failover", soon).await;
    let world = &installed.space.world;
    installed.space.apply(&reference_secret()).await;
    let leader = installed.working().await;
    let standby = installed.controller().await;
    // Carried out and never answered: the leader dies without knowing.
    let fault =
        world.fault(json!({ "match": { "operation": "POST /v13/deployments" }, "effect": { "hold": "after" } })).await;
    installed.space.apply(&reference_fork()).await;
    eventually("the build is asked for", PATIENCE, || async { (world.held(fault).await > 0).then_some(()) }).await;
    drop(leader.kill().await);
    world.remove_faults().await;
    standby.says("leading").await;
    installed.wait_ready("acme").await;
    let builds = world.calls().await.into_iter().filter(|call| call.operation == "POST /v13/deployments");
    assert_eq!(builds.count(), 1, "the one build was found again");
    let creates = world.calls().await.into_iter().filter(|call| call.operation.contains("generate"));
    assert_eq!(creates.count(), 1);
    drop(standby.kill().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_panics_begins_anew_and_still_leads() {
    let panic = json!([{ "name": "FORKABLE_PANIC_ON", "value": "fork/f1@1" }]);
    let installed = Installed::with("panic", json!({ "extraEnv": panic })).await;
    let space = &installed.space;
    let leader = installed.working().await;
    let standby = installed.controller().await;
    let lease = async || space.get("leases", "forkable").await["spec"].clone();
    let before = lease().await;
    space.apply(&fleet_fork(1)).await;
    leader.says("the process began anew").await;
    space.apply(&fleet_fork(2)).await;
    installed.wait_ready("f2").await;
    let events = ["get", "events", "--field-selector=reason=Panicked", "-o=jsonpath={.items[*].involvedObject.name}"];
    eventually("it is told", PATIENCE, || async { (space.kubectl(&events).await == "f1").then_some(()) }).await;
    let after = lease().await;
    for field in ["holderIdentity", "leaseTransitions", "acquireTime"] {
        assert_eq!(after[field], before[field], "{field}: it is still the same one");
    }
    let change = r#"[{"op":"replace","path":"/spec/env/0/value","value":"one"}]"#;
    space.kubectl(&["patch", "forks.forkable.dev/f1", "--type=json", "--patch", change]).await;
    installed.wait_ready("f1").await;
    drop((leader.kill().await, standby.kill().await));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_deletion_policy_lets_go() {
    let installed = Installed::new("deletion").await;
    installed.space.apply(&reference_secret()).await;
    let controller = installed.working().await;
    for policy in ["Retain", "Delete"] {
        let fork = reference_fork().replace("  release:\n", &format!("  deletionPolicy: {policy}\n  release:\n"));
        // What the first one kept is taken over by the second.
        let fork =
            fork.replace("  name: acme\nspec:", "  name: acme\n  annotations: { forkable.dev/adopt: \"true\" }\nspec:");
        installed.space.apply(&fork).await;
        installed.wait_ready("acme").await;
        installed.space.kubectl(&["delete", "forks.forkable.dev/acme", "--timeout=60s"]).await;
        let inventory = installed.space.world.inventory().await;
        let repositories = inventory["github"]["repos"].as_array().expect("repositories");
        let is_there = repositories.iter().any(|repository| repository["full_name"] == "acme-inc/acme");
        assert_eq!(is_there, policy == "Retain", "{policy}");
    }
    drop(controller.kill().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_for_one_namespace_reaches_no_other() {
    let installed = Installed::new("namespaced").await;
    let elsewhere = installed.space.cluster.namespace("elsewhere").await;
    for space in [&installed.space, &elsewhere] {
        space.apply(&reference_secret()).await;
        space.apply(&reference_fork()).await;
    }
    let controller = installed.working().await;
    installed.wait_ready("acme").await;
    let theirs = elsewhere.get("forks", "acme").await;
    assert!(theirs["status"].is_null() && theirs["metadata"]["finalizers"].is_null(), "{theirs:#}");
    for (verb, resource) in [("list", "secrets"), ("get", "secrets"), ("list", "forks"), ("patch", "forks")] {
        let may = async |space: &Namespace<'_>| {
            let user = installed.user();
            space.try_kubectl(&["auth", "can-i", verb, resource, "--as", &user]).await.stdout.trim().to_owned()
        };
        assert_eq!(
            (may(&installed.space).await, may(&elsewhere).await),
            ("yes".into(), "no".into()),
            "{verb} {resource}"
        );
    }
    let beyond: Vec<_> = installed.calls().into_iter().filter(|call| call.namespace != installed.space.name).collect();
    assert!(beyond.is_empty(), "{beyond:#?}");
    controller.stop().await;
}
