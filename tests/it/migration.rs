//! Releases whose data is changed before they go live: run once, canceled, failed, and frozen where nothing leads back.

use forkable_tests::{
    World, eventually,
    releases::{MIGRATE, MIGRATE_PATH},
};
use serde_json::json;

use crate::rollout::{DISPATCH, PATIENCE, current, message, promoting, push, reaches, release, runs, serves};

/// The reference fork with a migration, whose runs take so long.
async fn migrating(reversible: bool, run_ms: u64) -> World {
    let world = promoting(&format!("    migration: {{ workflow: migrate.yml, reversible: {reversible} }}\n")).await;
    world.push_file("acme-inc/acme", MIGRATE_PATH, MIGRATE).await;
    world.settings(json!({ "latencies": { "runMs": run_ms } })).await;
    world.forget_calls().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_is_changed_once_before_a_release_goes_live() {
    let world = migrating(false, 3_600_000).await;
    let before = current(&world).await;
    let head = push(&world, "migrated").await;
    let running = world.up();
    let status = reaches(&world, &head, "Migrating").await;
    assert!(serves(&world, &before).await, "what served goes on serving");
    let said = eventually("it says where it runs", PATIENCE, || async {
        let said = message(&release(&world, &head).await, "Ready");
        said.contains("/actions/runs/").then_some(said)
    })
    .await;
    assert!(said.contains("no automatic way back"), "{said}");
    assert!(status["migration"]["intendedAt"].is_string());
    world.settings(json!({ "latencies": { "runMs": 0 } })).await;
    world.advance(7200).await;
    let status = reaches(&world, &head, "Healthy").await;
    assert_eq!(status["migration"]["conclusion"], "success");
    let all = runs(&world).await;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0]["inputs"]["commit"], head.as_str());
    let calls = world.calls().await;
    let at = |part: &str| calls.iter().position(|call| call.write && call.operation.contains(part));
    assert!(at("/dispatches") < at("/promote/"), "first the data, then the domains");
    let unsure = world.run(&["rollback", "acme"]).await;
    assert!(unsure.code != Some(0) && unsure.stderr.contains("--yes"), "{}", unsure.stderr);
    assert_eq!(world.run(&["rollback", "acme", "--yes"]).await.code, Some(0));
    reaches(&world, &head, "RolledBack").await;
    assert!(serves(&world, &before).await);
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_whose_migration_fails_never_goes_live() {
    let world = migrating(true, 0).await;
    let before = current(&world).await;
    let head = world.push_file("acme-inc/acme", "forkable-sandbox.fail-run", "yes\n").await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &head).await;
    assert_eq!(status["phase"], "Failed", "{status:#}");
    let said = message(&status, "Ready");
    assert!(said.contains("ended with failure at https://github.com/acme-inc/acme/actions/runs/"), "{said}");
    assert!(serves(&world, &before).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_cannot_run_is_told_before_anything_is_built() {
    let world = promoting("    migration: { workflow: migrate.yml, reversible: true }\n").await;
    let head = push(&world, "without a workflow").await;
    world.forget_calls().await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &head).await;
    let said = message(&status, "Ready");
    assert!(said.contains("there is no workflow") && said.contains(MIGRATE_PATH), "{said}");
    assert_eq!(status["phase"], "Pending", "{status:#}");
    assert!(!world.writes().await.iter().any(|call| call.operation == "POST /v13/deployments"), "nothing is built");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_can_run_no_more_is_told_by_what_github_says() {
    let gates = "    gates: { approval: Required }\n    migration: { workflow: migrate.yml, reversible: true }\n";
    let world = promoting(gates).await;
    let head = world.push_file("acme-inc/acme", MIGRATE_PATH, MIGRATE).await;
    let running = world.up();
    reaches(&world, &head, "AwaitingApproval").await;
    world.push_file("acme-inc/acme", MIGRATE_PATH, "on: push\n").await;
    assert_eq!(world.run(&["approve", "acme"]).await.code, Some(0));
    let status = reaches(&world, &head, "Failed").await;
    running.kill().await;
    let said = message(&status, "Ready");
    assert!(said.contains("cannot be run") && said.contains("workflow_dispatch"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_cancels_the_run() {
    let world = migrating(false, 3_600_000).await;
    let head = push(&world, "aborted").await;
    let running = world.up();
    reaches(&world, &head, "Migrating").await;
    eventually("the run is on record", PATIENCE, || async {
        release(&world, &head).await["migration"]["id"].as_i64().map(drop)
    })
    .await;
    assert_eq!(world.run(&["abort", "acme", "--yes"]).await.code, Some(0));
    let status = reaches(&world, &head, "Aborted").await;
    running.kill().await;
    let calls = world.calls().await;
    assert!(calls.iter().any(|call| call.operation.ends_with("/cancel") && call.path.contains("/actions/runs/")));
    assert!(message(&status, "Aborted").contains("look at what it has done"), "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_bad_after_an_irreversible_migration_freezes_releases_until_a_person_decides() {
    let world = migrating(false, 0).await;
    let head = push(&world, "rotten").await;
    world.degrade(&head, json!({ "status": 503, "liveOnly": true })).await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &head).await;
    assert_eq!(status["phase"], "Frozen", "{status:#}");
    assert_eq!(current(&world).await, head, "it is not rolled back by itself");
    let said = message(&status, "Ready");
    assert!(said.contains("forkable resume acme") && said.contains("forkable rollback acme --yes"), "{said}");
    let why = world.run(&["why", "acme"]).await.stdout;
    assert!(why.contains("Frozen") && why.contains("a person, as the message says"), "{why}");
    let next = push(&world, "fixed").await;
    assert_eq!(world.up_once().await.code, Some(1), "it waits for a person");
    assert_eq!(release(&world, &next).await["phase"], "Pending");
    let output = world.run(&["resume", "acme"]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    world.converge().await;
    assert!(serves(&world, &next).await, "newer releases go on");
    assert_eq!(release(&world, &head).await["phase"], "Failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_is_killed_around_its_dispatch_runs_once() {
    for hold in ["before", "after"] {
        let world = migrating(false, 0).await;
        let head = push(&world, "killed").await;
        world.killed_at(json!({ "operation": DISPATCH }), hold).await;
        let running = world.up();
        reaches(&world, &head, "Healthy").await;
        running.kill().await;
        assert_eq!(runs(&world).await.len(), 1, "{hold}");
    }
}
