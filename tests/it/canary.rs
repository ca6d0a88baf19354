//! Releases that get production's visitors step by step, and are killed in each step.

use std::{collections::BTreeMap, time::Duration};

use forkable_tests::{
    World, eventually,
    releases::{canary, excess, promoted_fork},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rollout::{current, message, push, reaches, release, serves};

const PATIENCE: Duration = Duration::from_mins(2);
const TEAM: &str = "teamId=team_acme";

/// What a Fork says of its releases.
fn fork(steps: &str) -> String {
    let analysis = "    analysis:\n      intervalSeconds: 1\n      count: 1\n      http: [{ path: / }]\n";
    canary(&promoted_fork(analysis), steps)
}

const STEPS: &str = "{ weight: 25, pauseSeconds: 5 }, { weight: 50, pauseSeconds: 5 }";
/// Whoever visits the live site gets it.
const ALMOST_ALL: &str = "{ weight: 99, pauseSeconds: 5 }";

/// The reference fork, whose first release is live and whose next ones are canaries.
async fn prepared(steps: &str) -> World {
    let mut world = World::with_reference_fork().await;
    world.arguments.push("--resync=1s".into());
    world.write("acme.yaml", &fork(steps));
    world.converge().await;
    world
}

async fn rolling(world: &World, what: &str) -> Value {
    let path = format!("/v1/projects/acme/rolling-release{what}?{TEAM}");
    world.person("vercel", Method::GET, &path, None).await["rollingRelease"].clone()
}

/// How many of 100 visitors get the commit.
async fn visitors(world: &World, commit: &str) -> usize {
    let url = format!("{}/_sites/acme.example.com/", world.sandbox.url());
    let client = reqwest::Client::new();
    let mut count = 0;
    for bucket in 0..100 {
        let visit = client.get(&url).header("cookie", format!("_vcrr_sandbox={bucket}"));
        let page = visit.send().await.expect("the site answers").text().await.expect("a page");
        count += usize::from(page.contains(&commit[..7]));
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_get_a_good_release_step_by_step() {
    let world = prepared("{ weight: 25, pauseSeconds: 8 }, { weight: 50, approval: Required, pauseSeconds: 5 }").await;
    let head = push(&world, "good").await;
    world.forget_calls().await;
    let running = world.up();
    let status = reaches(&world, &head, "Shifting").await;
    assert_eq!(status["canary"]["weight"], 25, "{status:#}");
    assert!(message(&status, "Promoted").contains("canary 25 % (step 1 of 2), watched until"), "{status:#}");
    assert_eq!(visitors(&world, &head).await, 25);
    let told = world.run(&["why", "acme"]).await;
    assert!(told.stdout.contains("canary 25 % (step 1 of 2)"), "{}", told.stdout);
    let status = eventually("the second step waits for a person", PATIENCE, || async {
        let status = release(&world, &head).await;
        message(&status, "Promoted").contains("waits for approval").then_some(status)
    })
    .await;
    assert!(message(&status, "Promoted").contains("canary 50 % (step 2 of 2)"), "{status:#}");
    assert_eq!(visitors(&world, &head).await, 50);
    let output = world.run(&["approve", "acme"]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let status = reaches(&world, &head, "Healthy").await;
    assert!(!status["approval"]["by"].is_null(), "{status:#}");
    assert_eq!(visitors(&world, &head).await, 100);
    assert_eq!(rolling(&world, "/config").await, Value::Null, "the steps are removed");
    let project = world.person("vercel", Method::GET, &format!("/v9/projects/acme?{TEAM}"), None).await;
    assert_eq!(project["autoAssignCustomDomains"], false, "a push does not go live by itself");
    assert_eq!(excess(&world.calls().await), Vec::<String>::new());
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_is_bad_in_a_step_goes_back_at_once() {
    let world = prepared(ALMOST_ALL).await;
    let before = current(&world).await;
    let head = push(&world, "rotten").await;
    world.degrade(&head, json!({ "status": 503, "liveOnly": true })).await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &head).await;
    assert_eq!(status["phase"], "RolledBack", "{status:#}");
    assert!(message(&status, "RollingBack").contains("is bad at"), "{status:#}");
    assert_eq!(visitors(&world, &before).await, 100);
    assert_eq!(rolling(&world, "").await["state"], "ABORTED");
    assert_eq!(rolling(&world, "/config").await, Value::Null, "the steps are removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_stops_a_canary() {
    let world = prepared("{ weight: 25, pauseSeconds: 3600 }").await;
    let before = current(&world).await;
    let head = push(&world, "stopped").await;
    let running = world.up();
    reaches(&world, &head, "Shifting").await;
    assert_eq!(world.run(&["abort", "acme", "--reason", "a mistake"]).await.code, Some(0));
    reaches(&world, &head, "RolledBack").await;
    assert_eq!(visitors(&world, &before).await, 100);
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_plan_has_not_is_refused_before_anything_is_built() {
    let world = prepared(STEPS).await;
    let before = current(&world).await;
    world.settings(json!({ "vercelPlan": "hobby" })).await;
    let head = push(&world, "refused").await;
    world.forget_calls().await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &head).await;
    assert_eq!(status["phase"], "Gated", "{status:#}");
    assert!(message(&status, "Stalled").contains("Canary needs rolling releases"), "{status:#}");
    assert!(!world.writes().await.iter().any(|call| call.operation == "POST /v13/deployments"), "nothing is built");
    assert!(serves(&world, &before).await);
    // The manifest does not ask for them any more.
    let changed = world.copy().await;
    changed.write("acme.yaml", &promoted_fork(""));
    changed.converge().await;
    assert!(serves(&changed, &head).await);
    let releases: Vec<_> = changed.stored().await.into_iter().filter(|it| it.status["commit"]["sha"] == head).collect();
    let phases: Vec<_> = releases.iter().map(|release| release.status["phase"].as_str().unwrap_or_default()).collect();
    assert!(phases.len() == 2 && phases.contains(&"Aborted") && phases.contains(&"Healthy"), "{releases:#?}");
    // The plan has them again, and a new process asks.
    world.settings(json!({ "vercelPlan": "pro" })).await;
    world.converge().await;
    assert_eq!(current(&world).await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_somebody_else_are_left_as_they_are() {
    let world = prepared(STEPS).await;
    let stages = json!([{ "targetPercentage": 5 }, { "targetPercentage": 100 }]);
    let theirs = json!({ "enabled": true, "advancementType": "manual-approval", "stages": stages });
    let path = format!("/v1/projects/acme/rolling-release/config?{TEAM}");
    world.person("vercel", Method::PATCH, &path, Some(theirs)).await;
    let head = push(&world, "refused").await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &head).await;
    assert!(message(&status, "Stalled").contains("(5 %) that this release did not make"), "{status:#}");
    assert_eq!(rolling(&world, "/config").await["stages"], stages);
}

/// Kills the process before and after every change of a release.
async fn killed_everywhere(is_good: bool) {
    let prepared = prepared(if is_good { STEPS } else { ALMOST_ALL }).await;
    let before = current(&prepared).await;
    let head = push(&prepared, "killed").await;
    if !is_good {
        prepared.degrade(&head, json!({ "status": 500, "liveOnly": true })).await;
    }
    prepared.forget_calls().await;
    let undisturbed = prepared.copy().await;
    undisturbed.up_once().await;
    let mut nth = BTreeMap::<String, u64>::new();
    let mut cells = Vec::new();
    for call in undisturbed.calls().await.into_iter().filter(|call| call.write) {
        let nth = *nth.entry(call.operation.clone()).and_modify(|nth| *nth += 1).or_insert(1);
        cells.extend(["before", "after"].map(|hold| (call.operation.clone(), nth, hold)));
    }
    assert!(cells.len() >= if is_good { 12 } else { 8 }, "{cells:?}");
    let (prepared, before, head) = (&prepared, &before, &head);
    let survive = |(operation, nth, hold): (String, u64, &'static str)| async move {
        let world = prepared.copy().await;
        let cell = format!("{operation} {nth} {hold}");
        world.killed_at(json!({ "operation": operation, "nth": nth }), hold).await;
        world.up_once().await;
        let status = release(&world, head).await;
        assert_eq!(status["phase"], if is_good { "Healthy" } else { "RolledBack" }, "{cell}: {status:#}");
        assert!(serves(&world, if is_good { head } else { before }).await, "{cell}");
        assert_eq!(excess(&world.calls().await), Vec::<String>::new(), "{cell}");
        assert_eq!(rolling(&world, "/config").await, Value::Null, "{cell}: the steps are removed");
    };
    futures::future::join_all(cells.into_iter().map(survive)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_canary_survives_kill_9_in_every_step() {
    killed_everywhere(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_canary_survives_kill_9_in_every_step() {
    killed_everywhere(false).await;
}
