//! A release that is rolled back is taken back in Git as well, by one pull request; a rollback that fails is not repeated.

use forkable_tests::{World, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rollout::{PATIENCE, current, message, promoting, push, reaches, release, serves};

const PULLS: &str = "/repos/acme-inc/acme/pulls";

async fn reverting() -> World {
    promoting("    rollback: { revertPullRequest: true }\n").await
}

/// A commit that turns out bad on the live site.
async fn rotten(world: &World) -> String {
    let head = push(world, "rotten").await;
    world.degrade(&head, json!({ "status": 503, "liveOnly": true })).await;
    head
}

async fn pulls(world: &World) -> Vec<Value> {
    let pulls = world.person("github", Method::GET, &format!("{PULLS}?state=all"), None).await;
    pulls.as_array().cloned().expect("a list")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rolled_back_is_taken_back_by_one_pull_request() {
    let world = reverting().await;
    let before = current(&world).await;
    let head = rotten(&world).await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &head).await;
    assert_eq!(status["phase"], "RolledBack", "{status:#}");
    assert_eq!(status["revert"]["number"], 1, "{status:#}");
    for command in [["why", "acme"], ["history", "acme"]] {
        let said = world.run(&command).await.stdout;
        assert!(said.contains("https://github.com/acme-inc/acme/pull/1"), "{said}");
    }
    world.forget_calls().await;
    world.up_once().await;
    assert_eq!(world.writes().await.len(), 0, "neither released nor reverted again");
    let [pull] = pulls(&world).await.try_into().expect("one pull request");
    assert_eq!(pull["head"]["ref"], format!("forkable/revert-{}", &head[..7]));
    // A person merges it: Git is as it was before, and that is released.
    let merged = world.person("github", Method::PUT, &format!("{PULLS}/1/merge"), Some(json!({}))).await;
    world.converge().await;
    let serving = current(&world).await;
    assert_eq!(json!(serving), merged["sha"], "the merge is released like any other commit");
    let compared = format!("/repos/acme-inc/acme/compare/{before}...{serving}");
    let compared = world.person("github", Method::GET, &compared, None).await;
    assert_eq!(compared["files"], json!([]), "the files are those of before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_opens_no_second_pull_request() {
    let prepared = reverting().await;
    rotten(&prepared).await;
    for operation in ["POST /repos/{owner}/{repo}/git/refs", "POST /repos/{owner}/{repo}/pulls"] {
        for hold in ["before", "after"] {
            let world = prepared.copy().await;
            world.killed_at(json!({ "operation": operation }), hold).await;
            world.up_once().await;
            assert_eq!(pulls(&world).await.len(), 1, "{operation} {hold}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_with_others_on_top_is_left_to_people() {
    let world = reverting().await;
    let bad = push(&world, "bad").await;
    world.converge().await;
    let running = world.up();
    world.settings(json!({ "latencies": { "buildMs": 3_600_000 } })).await;
    push(&world, "on top").await;
    assert_eq!(world.run(&["rollback", "acme"]).await.code, Some(0));
    let status = reaches(&world, &bad, "RolledBack").await;
    let status = eventually("it is told in Git", PATIENCE, || async {
        let status = if status["revert"].is_null() { release(&world, &bad).await } else { status.clone() };
        (!status["revert"].is_null()).then_some(status)
    })
    .await;
    running.kill().await;
    assert!(status["revert"]["reason"].as_str().is_some_and(|why| why.contains("other commits on top")), "{status:#}");
    assert_eq!(pulls(&world).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_fails_pages_and_stops() {
    let world = reverting().await;
    let head = rotten(&world).await;
    let operation = "POST /v1/projects/{idOrName}/rollback/{deploymentId}";
    let body = json!({ "error": { "code": "bad_request", "message": "this cannot be rolled back" } });
    let fault =
        json!({ "match": { "operation": operation }, "times": null, "effect": { "status": 400, "body": body } });
    world.fault(fault).await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &head).await;
    assert_eq!(status["phase"], "Failed", "{status:#}");
    assert!(message(&status, "Ready").contains("a person must act there now"), "{status:#}");
    assert_eq!(world.page("acme.example.com").await.0, 503, "it goes on serving, bad as it is");
    let tries = async || world.calls().await.iter().filter(|call| call.operation == operation).count();
    assert_eq!(tries().await, 1);
    world.up_once().await;
    assert_eq!(tries().await, 1, "it is not tried again");
    assert_eq!(pulls(&world).await.len(), 0, "what serves is not taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_commit_stays_away_until_a_person_says_so() {
    let world = reverting().await;
    let head = rotten(&world).await;
    world.up_once().await;
    let why = world.run(&["why", "acme"]).await.stdout;
    let command = format!("forkable release acme --commit {head}");
    assert!(why.contains(&command), "{why}");
    // The branch goes on, and comes back to it.
    let next = push(&world, "better").await;
    world.converge().await;
    assert!(serves(&world, &next).await);
    let reference = "/repos/acme-inc/acme/git/refs/heads/main";
    let back = json!({ "sha": head, "force": true });
    world.person("github", Method::PATCH, reference, Some(back)).await;
    assert_eq!(world.up_once().await.code, Some(1), "it waits for a person");
    assert!(serves(&world, &next).await);
    assert!(world.run(&["why", "acme"]).await.stdout.contains(&command));
    world.mend(&head).await;
    let bad = world.run(&["release", "acme", "--commit", "abc"]).await;
    assert!(bad.code == Some(1) && bad.stderr.contains("40 hex digits"), "{}", bad.stderr);
    let output = world.run(&["release", "acme", "--commit", &head]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    world.up_once().await;
    assert!(serves(&world, &head).await, "a person said so");
}
