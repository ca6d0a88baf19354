//! Releases that are promoted: judged before and after, approved, aborted, rolled back, and killed in every phase.

use std::time::Duration;

pub(crate) use forkable_tests::releases::{push, status as release};
use forkable_tests::{
    World, eventually,
    releases::{excess, judged, promoted_fork},
};
use serde_json::{Value, json};

pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// How a run of a workflow is begun.
pub(crate) const DISPATCH: &str = "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches";

/// All runs of workflows that there are.
pub(crate) async fn runs(world: &World) -> Vec<Value> {
    world.repository("acme-inc/acme").await["runs"].as_array().cloned().unwrap_or_default()
}

/// The reference fork, whose releases are promoted; `more` goes under `release`. Its first release is live.
pub(super) async fn promoting(more: &str) -> World {
    promoting_in(World::with_reference_fork().await, more).await
}

pub(super) async fn promoting_in(mut world: World, more: &str) -> World {
    world.arguments.push("--resync=1s".into());
    world.write("acme.yaml", &promoted_fork(&judged(5, 0)));
    world.converge().await;
    world.write("acme.yaml", &promoted_fork(&format!("{}{more}", judged(5, 0))));
    world
}

pub(super) async fn reaches(world: &World, commit: &str, phase: &str) -> Value {
    eventually(&format!("{commit} is {phase}"), PATIENCE, || async {
        let status = release(world, commit).await;
        (status["phase"] == phase).then_some(status)
    })
    .await
}

pub(super) fn message(status: &Value, type_: &str) -> String {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let found = conditions.find(|condition| condition["type"] == type_);
    found.map_or_else(String::new, |found| found["message"].as_str().unwrap_or_default().to_owned())
}

pub(super) async fn serves(world: &World, commit: &str) -> bool {
    let (status, page) = world.page("acme.example.com").await;
    status == 200 && page.contains(&commit[..7])
}

pub(super) async fn current(world: &World) -> String {
    let commit = world.fork("acme").await["status"]["currentRelease"]["commit"].clone();
    commit.as_str().expect("something serves").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_release_is_judged_promoted_and_baked() {
    let world = promoting("").await;
    let before = current(&world).await;
    let project = world.person("vercel", reqwest::Method::GET, "/v9/projects/acme?teamId=team_acme", None).await;
    assert_eq!(project["autoAssignCustomDomains"], false, "a push does not go live by itself");
    let head = push(&world, "good").await;
    world.forget_calls().await;
    let running = world.up();
    reaches(&world, &head, "Verifying").await;
    assert!(serves(&world, &before).await, "what served goes on serving while the candidate is judged");
    let status = reaches(&world, &head, "Healthy").await;
    assert!(serves(&world, &head).await);
    let metrics = running.metrics(PATIENCE).await;
    for line in [
        r#"forkable_releases_total{result="live"} 1"#,
        r#"forkable_release_duration_seconds_count{stage="build"} 1"#,
        r#"forkable_release_duration_seconds_count{stage="live"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    running.kill().await;
    world.converge().await;
    assert_eq!(current(&world).await, head);
    let project = world.person("vercel", reqwest::Method::GET, "/v9/projects/acme?teamId=team_acme", None).await;
    assert_eq!(project["autoAssignCustomDomains"], false, "the promotion switched it on, and it was put back");
    assert_eq!(excess(&world.calls().await), Vec::<String>::new());
    assert!(message(&status, "Ready").contains("undo with: forkable rollback acme"), "{status:#}");
    let output = world.run(&["history", "acme"]).await;
    assert!(output.stdout.contains(&head[..7]) && output.stdout.contains("bake"), "{}", output.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_takes_four_calls() {
    let mut world = promoting("    gates: { approval: Required }\n").await;
    // Nobody else looks at anything meanwhile.
    world.arguments.retain(|argument| !argument.starts_with("--resync"));
    let head = push(&world, "few calls").await;
    let running = world.up();
    reaches(&world, &head, "AwaitingApproval").await;
    running.says("waits for approval", PATIENCE).await;
    world.forget_calls().await;
    assert_eq!(world.run(&["approve", "acme"]).await.code, Some(0));
    reaches(&world, &head, "Healthy").await;
    running.kill().await;
    let calls: Vec<_> = world.calls().await.into_iter().map(|call| call.operation).collect();
    let restored = calls.iter().position(|call| call == "PATCH /v9/projects/{idOrName}").expect("it is restored");
    let expected = [
        "GET /v9/projects/{idOrName}",
        "POST /v10/projects/{idOrName}/promote/{deploymentId}",
        "GET /v9/projects/{idOrName}",
        "PATCH /v9/projects/{idOrName}",
    ];
    assert_eq!(calls[..=restored], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_is_bad_never_goes_live() {
    let world = promoting("").await;
    let before = current(&world).await;
    let head = push(&world, "bad").await;
    world.degrade(&head, json!({ "status": 500 })).await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &head).await;
    assert_eq!(status["phase"], "Failed");
    assert!(message(&status, "Verified").contains("answered 500 instead of 200"), "{status:#}");
    assert!(serves(&world, &before).await);
    assert!(
        !world.calls().await.iter().any(|call| call.path.contains(&format!("/promote/{}", status["deploymentId"])))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_turns_out_bad_is_rolled_back_at_once_and_stays_away() {
    let world = promoting("").await;
    let before = current(&world).await;
    let head = push(&world, "rotten").await;
    world.degrade(&head, json!({ "status": 503, "liveOnly": true })).await;
    let output = world.up_once().await;
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    let status = release(&world, &head).await;
    assert_eq!(status["phase"], "RolledBack", "{status:#}");
    assert!(serves(&world, &before).await, "what served before serves again");
    assert_eq!(current(&world).await, before);
    let said = message(&status, "Ready");
    assert!(said.contains("answered 503 instead of 200") && said.contains("not released again"), "{said}");
    world.forget_calls().await;
    world.up_once().await;
    assert_eq!(world.writes().await.len(), 0, "the commit is not tried again");
    let next = push(&world, "better").await;
    world.converge().await;
    assert!(serves(&world, &next).await, "the next commit is");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_live_before_a_person_approves_the_very_candidate() {
    let world = promoting("    gates: { approval: Required }\n").await;
    let before = current(&world).await;
    let head = push(&world, "wait").await;
    assert_eq!(world.up_once().await.code, Some(1), "it waits for a person");
    let status = release(&world, &head).await;
    assert_eq!(status["phase"], "AwaitingApproval");
    let said = message(&status, "Approved");
    assert!(said.contains(&head[..7]) && said.contains("forkable approve acme"), "{said}");
    assert!(serves(&world, &before).await);
    let stale = world.run(&["approve", "acme", "--candidate", "000000000000"]).await;
    assert_eq!(stale.code, Some(1));
    assert!(stale.stderr.contains("not 000000000000"), "{}", stale.stderr);
    let output = world.run(&["approve", "acme"]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    world.converge().await;
    assert!(serves(&world, &head).await);
    assert!(!release(&world, &head).await["approval"]["by"].is_null());
    let again = world.run(&["approve", "acme"]).await;
    assert_eq!(again.code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_rolls_back_and_aborts() {
    let world = promoting("").await;
    let first = current(&world).await;
    let refused = world.run(&["rollback", "acme"]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("nothing served before"), "{}", refused.stderr);
    let second = push(&world, "second").await;
    world.converge().await;
    let unknown = world.run(&["rollback", "acme", "--to", "acme-nothing"]).await;
    assert!(
        unknown.code == Some(1) && unknown.stderr.contains("there is no release acme-nothing"),
        "{}",
        unknown.stderr
    );
    assert_eq!(world.run(&["rollback", "acme"]).await.code, Some(0));
    let running = world.up();
    reaches(&world, &second, "RolledBack").await;
    assert!(serves(&world, &first).await);
    // What is in the bake is aborted: what served before serves again.
    world.edit("acme.yaml", "durationSeconds: 5", "durationSeconds: 3600");
    let third = push(&world, "third").await;
    reaches(&world, &third, "Baking").await;
    assert!(serves(&world, &third).await);
    assert_eq!(world.run(&["abort", "acme", "--reason", "a mistake"]).await.code, Some(0));
    let status = reaches(&world, &third, "RolledBack").await;
    assert!(message(&status, "RolledBack").contains("a mistake"), "{status:#}");
    assert!(serves(&world, &first).await);
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_at_the_provider_is_nothing_to_go_back_to() {
    let world = promoting("").await;
    let first = current(&world).await;
    let id = release(&world, &first).await["deploymentId"].as_str().expect("it was built").to_owned();
    let second = push(&world, "second").await;
    world.converge().await;
    let gone = format!("/v13/deployments/{id}?teamId=team_acme");
    world.person("vercel", reqwest::Method::DELETE, &gone, None).await;
    world.forget_calls().await;
    assert_eq!(world.run(&["rollback", "acme"]).await.code, Some(0));
    let running = world.up();
    let is_told = || async {
        let said = message(&release(&world, &second).await, "Ready");
        said.contains(&format!("its deployment {id} is gone at Vercel")).then_some(())
    };
    eventually("it is told", PATIENCE, is_told).await;
    running.kill().await;
    assert!(serves(&world, &second).await);
    assert_eq!(world.writes().await.len(), 0, "nothing is tried that cannot come true");
}

/// Where a process is killed: when it has asked for a change, or just before.
#[derive(Clone, Copy, Debug)]
enum Point {
    Before,
    After,
}

/// Kills the process at every change of a release, whether it turns out good or bad.
async fn killed_everywhere(is_good: bool) {
    let prepared = promoting("").await;
    let before = current(&prepared).await;
    let head = push(&prepared, "killed").await;
    if !is_good {
        prepared.degrade(&head, json!({ "status": 500, "liveOnly": true })).await;
    }
    prepared.forget_calls().await;
    let undisturbed = prepared.copy().await;
    undisturbed.up_once().await;
    let mut cells = Vec::new();
    let mut nth = std::collections::BTreeMap::<String, u64>::new();
    for call in undisturbed.calls().await {
        let nth = nth.entry(call.operation.clone()).and_modify(|nth| *nth += 1).or_insert(1);
        if call.write || (call.operation == "GET /v9/projects/{idOrName}" && *nth <= 2) {
            cells.extend([Point::Before, Point::After].map(|point| (call.operation.clone(), *nth, point)));
        }
    }
    println!("{} cells", cells.len());
    assert!(cells.len() >= 6, "{cells:?}");
    for (operation, nth, point) in cells {
        let world = prepared.copy().await;
        let hold = if matches!(point, Point::Before) { "before" } else { "after" };
        world.killed_at(json!({ "operation": operation, "nth": nth }), hold).await;
        world.up_once().await;
        let cell = format!("{operation} {nth} {point:?}");
        let expected = if is_good { "Healthy" } else { "RolledBack" };
        let status = release(&world, &head).await;
        assert_eq!(status["phase"], expected, "{cell}: {status:#}");
        assert!(serves(&world, if is_good { &head } else { &before }).await, "{cell}");
        assert_eq!(excess(&world.calls().await), Vec::<String>::new(), "{cell}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_release_survives_kill_9_everywhere() {
    killed_everywhere(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_release_survives_kill_9_everywhere() {
    killed_everywhere(false).await;
}
