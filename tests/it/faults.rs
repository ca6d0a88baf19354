//! Every call meets every fault: it converges once the fault ends, never in a hot loop, and says what it was.

use std::time::Duration;

use forkable_tests::{Call, World};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

/// Name, effect, and what the condition must say while it lasts.
fn faults() -> Vec<(&'static str, Value, &'static [&'static str])> {
    vec![
        ("500", json!({ "status": 500 }), &["ProviderUnavailable"]),
        ("503", json!({ "status": 503 }), &["ProviderUnavailable"]),
        ("429 with retry-after", json!({ "status": 429, "headers": { "retry-after": "3" } }), &["RateLimited"]),
        ("429 without retry-after", json!({ "status": 429 }), &["RateLimited"]),
        ("secondary limit", json!({ "rateLimited": "secondary", "retryAfter": 3 }), &["RateLimited"]),
        ("time-out", json!({ "hang": true }), &["ProviderUnavailable"]),
        ("cut before", json!({ "cut": "before" }), &["ProviderUnavailable"]),
        ("cut after", json!({ "cut": "after" }), &["ProviderUnavailable"]),
        ("truncated", json!({ "truncate": true }), &["ProviderUnavailable"]),
        ("malformed JSON", json!({ "malformed": true }), &["ProviderUnavailable"]),
        ("401 mid-flight", json!({ "status": 401, "body": { "message": "Bad credentials" } }), &["Unauthorized"]),
        (
            "404 of the parent",
            json!({ "status": 404, "body": { "message": "Not Found" } }),
            &["NotFound", "DeploymentDeleted"],
        ),
    ]
}

/// Calls that a lasting fault may cause: with a back-off of 1, 2, 4 … s there is no more than a handful.
const HOT: u64 = 12;

/// An error instead of a panic, so that one cell that fails does not hide the others.
async fn within(otherwise: &str, what: impl Future<Output = ()>) -> Result<(), String> {
    tokio::time::timeout(Duration::from_secs(30), what).await.map_err(|_| otherwise.to_owned())
}

/// What makes no sense for a call: GitHub's own limit at Vercel, and what leaves a 404 where it is
/// the answer to "is it there?".
fn is_a_fault(operation: &str, name: &str) -> bool {
    let is_vercel = operation.split_once(" /v").is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()));
    let asks_whether = operation == "GET /v9/projects/{idOrName}";
    !(is_vercel && name == "secondary limit")
        && !(asks_whether && ["404 of the parent", "malformed JSON", "truncated"].contains(&name))
}

async fn meets(call: &Call, name: &str, effect: &Value, reasons: &[&str]) -> Result<(), String> {
    let mut world = World::with_reference_fork().await;
    // Ten times as fast: back-offs and time-outs are in seconds.
    world.arguments.push("--time-scale=10".into());
    let operation = call.operation.clone();
    let fault = world.fault(json!({ "match": { "operation": operation }, "times": null, "effect": effect })).await;
    let running = world.up();
    let context = format!("{operation} meets {name}");
    within(&format!("{context}: the fault is not met"), async {
        while world.fault_hits(fault).await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await?;
    within(&format!("{context}: no condition names it"), async {
        loop {
            // What mends itself within a moment is only told by an event.
            let text = world.any_status("acme").await.to_string() + &world.run(&["why", "acme"]).await.stdout;
            if reasons.iter().any(|reason| text.contains(reason)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await?;
    let hits = world.fault_hits(fault).await;
    running.kill().await;
    if hits > HOT {
        return Err(format!("{context}: a hot loop of {hits} calls"));
    }
    world.remove_faults().await;
    let output = world.up_once().await;
    if output.code != Some(0) {
        return Err(format!("{context}: does not converge afterwards\n{}\n{}", output.stdout, output.stderr));
    }
    let deployments = world.project("acme").await["deployments"].as_array().map_or(0, Vec::len);
    if deployments != 1 {
        return Err(format!("{context}: {deployments} deployments"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_meets_every_fault() {
    let undisturbed = World::with_reference_fork().await;
    undisturbed.converge().await;
    let mut calls = undisturbed.calls().await;
    // The same call twice is the same cell.
    let mut seen = std::collections::BTreeSet::new();
    calls.retain(|call| seen.insert(call.operation.clone()));
    let cells: Vec<_> =
        calls.iter().flat_map(|call| faults().into_iter().map(move |fault| (call.clone(), fault))).collect();
    let cells = cells.into_iter().filter(|(call, (name, ..))| is_a_fault(&call.operation, name));
    let failures: Vec<String> = stream::iter(cells)
        .map(|(call, (name, effect, reasons))| async move { meets(&call, name, &effect, reasons).await.err() })
        .buffer_unordered(6)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    assert!(failures.is_empty(), "{} cells failed:\n{}", failures.len(), failures.join("\n\n"));
}
