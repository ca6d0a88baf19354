//! Every call meets every fault: it converges once the fault ends, never in a hot loop, and says what it was.
//!
//! The calls are those of the request log of an undisturbed run, and the answers those that the providers give. Both
//! clocks run [`SCALE`] times as fast, so that back-offs and time-outs are waited for as they are.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use forkable_tests::{Call, Counts, World, within};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

const SCALE: u32 = 60;
/// A lasting fault may be met so often at once, and from then on as often as the shortest `retry-after` allows.
const HOT: usize = 4;
const RETRY_AFTER: Duration = Duration::from_secs(3);
/// Looks of the sandbox's and the program's own making that have no business in these runs.
const NO_SWEEPS: &str = "--resync=24h";
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone)]
struct Fault {
    name: &'static str,
    effect: Value,
    /// Reason of the condition while it lasts.
    reason: &'static str,
    /// The change is made, so that for the Fork it is over with the next look: only the journal is sure to name it.
    lets_through: bool,
    /// Only other credentials, or a new start, end the wait before its hourly recheck.
    needs_person: bool,
}

fn status(status: u16, headers: &Value, body: &Value) -> Value {
    json!({ "status": status, "headers": headers, "body": body })
}

/// Every fault that a call can meet, with the bodies of its provider.
fn faults(call: &Call) -> Vec<Fault> {
    let graphql = call.operation.starts_with("graphql");
    let github = is_github(call);
    let said = |message: &str, code: &str| match github {
        true => json!({ "message": message, "documentation_url": "https://docs.github.com/rest", "status": code }),
        false => json!({ "error": { "code": code, "message": message } }),
    };
    let limited = |after: Option<u64>| match (github, after) {
        (true, after) => status(
            429,
            &after.map_or_else(|| json!({}), |after| json!({ "retry-after": after.to_string() })),
            &said("You have exceeded a rate limit.", "429"),
        ),
        (false, Some(after)) => json!({ "rateLimited": "vercel", "retryAfter": after }),
        (false, None) => status(429, &json!({}), &said("Rate limit exceeded.", "rate_limited")),
    };
    let unavailable = "ProviderUnavailable";
    let fault = |name, effect, reason| Fault { name, effect, reason, lets_through: false, needs_person: false };
    let late = |name, effect| Fault { lets_through: call.write, ..fault(name, effect, unavailable) };
    let mut faults = vec![
        fault("500", status(500, &json!({}), &said("Server Error", "500")), unavailable),
        fault("503 without a body", json!({ "status": 503 }), unavailable),
        fault("429 with retry-after", limited(Some(RETRY_AFTER.as_secs())), "RateLimited"),
        fault("429 without retry-after", limited(None), "RateLimited"),
        fault("time-out", json!({ "hang": true }), unavailable),
        fault("cut before", json!({ "cut": "before" }), unavailable),
        late("cut after", json!({ "cut": "after" })),
        late("truncated", json!({ "truncate": true })),
        late("malformed JSON", json!({ "malformed": true })),
    ];
    if github {
        faults.push(fault(
            "secondary limit",
            json!({ "rateLimited": "secondary", "retryAfter": RETRY_AFTER.as_secs() }),
            "RateLimited",
        ));
        faults.push(fault(
            "primary limit",
            json!({ "rateLimited": "primary", "retryAfter": RETRY_AFTER.as_secs() }),
            "RateLimited",
        ));
    }
    let unauthorized = match github {
        true => status(401, &json!({}), &said("Bad credentials", "401")),
        false => status(
            403,
            &json!({}),
            &json!({ "error": { "code": "forbidden", "message": "Not authorized", "invalidToken": true } }),
        ),
    };
    let unauthorized = fault("401 mid-flight", unauthorized, "Unauthorized");
    faults.push(Fault { needs_person: true, ..unauthorized });
    let gone = if graphql {
        let message = "Could not resolve to a Repository with the name 'acme-inc/acme'.";
        let errors = json!([{ "type": "NOT_FOUND", "path": ["createCommitOnBranch"], "message": message }]);
        status(200, &json!({}), &json!({ "data": { "createCommitOnBranch": null }, "errors": errors }))
    } else {
        status(404, &json!({}), &said("Not Found", if github { "404" } else { "not_found" }))
    };
    // To these, "there is none" is no fault: it is what they ask, or there is an older one to ask.
    if !["graphql query ForkFleet", "GET /v9/projects/{idOrName}", "GET /v7/deployments"]
        .contains(&call.operation.as_str())
    {
        let is_poll = call.operation == "GET /v13/deployments/{idOrUrl}";
        faults.push(fault("404 of the parent", gone, if is_poll { "DeploymentDeleted" } else { "NotFound" }));
    }
    faults
}

fn is_github(call: &Call) -> bool {
    let path = call.operation.split_once(' ').map_or("", |(_, path)| path);
    call.operation.starts_with("graphql") || path.starts_with("/repo") || path.starts_with("/orgs")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scenario {
    Create,
    Update,
}

impl Scenario {
    /// A world in which the next `up` has just this scenario to do.
    async fn prepare(self) -> World {
        let mut world = World::with_reference_fork().await;
        // A build is looked at while it runs.
        world.settings(json!({ "latencies": { "buildMs": 3000 } })).await;
        world.speed(SCALE).await;
        world.arguments.extend([format!("--time-scale={SCALE}"), NO_SWEEPS.into()]);
        if self == Self::Update {
            world.converge().await;
            world.edit("acme.yaml", "value: large", "value: small");
            world.edit("acme.yaml", "  env:\n", "    - name: app.acme.example.com\n  env:\n");
            world.edit("acme.yaml", "linearHistory: true", "linearHistory: false");
            world.edit("acme.yaml", "nodeVersion: \"22\"", "nodeVersion: \"24\"");
            world.forget_calls().await;
        }
        world
    }
}

/// What an undisturbed run comes to.
struct Expected {
    counts: Counts,
    summary: Value,
}

/// Whether a condition of the Fork gives this reason and names this provider.
async fn is_said(world: &World, reason: &str, provider: &str) -> bool {
    let stored = world.stored().await;
    let fork = stored.iter().find(|object| object.kind == "Fork");
    let fits = |condition: &Value| {
        let text = condition["message"].as_str().unwrap_or_default();
        condition["reason"] == reason && text.contains(provider)
    };
    fork.and_then(|fork| fork.status["conditions"].as_array()).is_some_and(|all| all.iter().any(fits))
}

/// Whether the Fork is ready with the manifest as it is now.
async fn is_ready(world: &World) -> bool {
    world.stored().await.iter().any(|object| object.kind == "Fork" && object.is_ready())
}

async fn says(world: &World) -> String {
    let stored = world.stored().await;
    let lines = stored.iter().flat_map(|object| {
        let conditions = object.status["conditions"].as_array().into_iter().flatten();
        conditions.map(move |condition| {
            let text = |field: &str| condition[field].as_str().unwrap_or_default();
            let (kind, name) = (&object.kind, &object.name);
            format!("  {kind}/{name} {}={} {}: {}", text("type"), text("status"), text("reason"), text("message"))
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn count(calls: &[Call]) -> Counts {
    let mut counts = Counts::new();
    for call in calls {
        *counts.entry(call.operation.clone()).or_default() += 1;
    }
    counts
}

async fn meets(scenario: Scenario, call: &Call, fault: &Fault, expected: &Expected) -> Result<(), String> {
    let world = scenario.prepare().await;
    let lasting = json!({ "match": { "operation": call.operation }, "times": null, "effect": fault.effect });
    let id = world.fault(lasting).await;
    let began = Instant::now();
    let running = world.up();
    if !within(PATIENCE, async || world.fault_hits(id).await > 0).await {
        return Err(format!("is never met\n{}", says(&world).await));
    }
    let provider = if is_github(call) { "GitHub" } else { "Vercel" };
    let is_named = async || match fault.lets_through {
        true => {
            let outcomes = world.journal().await;
            outcomes.iter().any(|(_, text)| text.contains(&format!("{provider} is unavailable")))
        }
        false => is_said(&world, fault.reason, provider).await,
    };
    if !within(PATIENCE, is_named).await {
        return Err(format!("no condition says {} of {provider}\n{}", fault.reason, says(&world).await));
    }
    // Half a minute of its time.
    tokio::time::sleep(Duration::from_secs(30) / SCALE).await;
    let counts = count(&world.calls().await);
    let tries = HOT + usize::try_from((began.elapsed() * SCALE).as_secs() / RETRY_AFTER.as_secs()).expect("a few");
    let is_hot = |(operation, count): &(&String, &usize)| {
        **count > expected.counts.get(*operation).copied().unwrap_or_default() + tries
    };
    if let Some((operation, count)) = counts.iter().find(is_hot) {
        return Err(format!("a hot loop of {count} × {operation}\n{}", says(&world).await));
    }
    world.remove_faults().await;
    if fault.needs_person {
        running.kill().await;
        let output = world.up_once().await;
        if output.code != Some(0) {
            return Err(format!("a new start does not help\n{}\n{}", output.stdout, output.stderr));
        }
    } else if !within(PATIENCE, async || is_ready(&world).await).await {
        return Err(format!("does not converge\n{}", says(&world).await));
    } else {
        running.kill().await;
    }
    let summary = world.summary().await;
    if summary != expected.summary {
        return Err(format!("comes to {summary:#}\ninstead of {:#}", expected.summary));
    }
    Ok(())
}

async fn matrix(scenario: Scenario, concerns: impl Fn(&Call) -> bool) {
    let undisturbed = scenario.prepare().await;
    undisturbed.converge().await;
    let calls = undisturbed.calls().await;
    let expected = Expected { counts: count(&calls), summary: undisturbed.summary().await };
    // The same call twice is the same cell.
    let mut seen = BTreeSet::new();
    let calls = calls.into_iter().filter(|call| seen.insert(call.operation.clone()) && concerns(call));
    let cells: Vec<_> =
        calls.flat_map(|call| faults(&call).into_iter().map(move |fault| (call.clone(), fault))).collect();
    let total = cells.len();
    assert!(total > 0, "{scenario:?} calls");
    let failures: Vec<String> = stream::iter(cells)
        .map(async |(call, fault)| {
            let failed = meets(scenario, &call, &fault, &expected).await.err()?;
            Some(format!("{} meets {}: {failed}", call.operation, fault.name))
        })
        .buffer_unordered(8)
        .filter_map(async |failure| failure)
        .collect()
        .await;
    let failed = failures.len();
    assert!(failures.is_empty(), "{failed} of {total} cells of {scenario:?} failed:\n{}", failures.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_a_create_meets_every_fault() {
    matrix(Scenario::Create, |_| true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_of_an_update_meets_every_fault() {
    matrix(Scenario::Update, |call| call.write).await;
}
