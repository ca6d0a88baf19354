//! kill -9 at every point of every call: no duplicate, no orphan, nobody needed.
//!
//! The points are not written by hand: a scenario is run once undisturbed, and the request log of that run says
//! which calls there are. Then, for each call, the process is killed before the call is sent on, after it was
//! committed but not answered, and after it was answered but before anything about it could be stored.

use std::{sync::Arc, time::Duration};

use forkable_tests::{Call, World, eventually};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    /// The call arrived and is not carried out.
    Before,
    /// It was carried out, and the answer never arrives.
    Committed,
    /// It was answered while the store takes no writes.
    Answered,
}

/// What is done to a world that has converged; `None` begins with nothing at all.
#[derive(Clone, Copy, Debug)]
enum Scenario {
    Create,
    Update,
    Delete,
}

impl Scenario {
    /// A world in which the next `up` has just this scenario to do.
    async fn prepare(self) -> World {
        let world = World::with_reference_fork().await;
        world.edit("acme.yaml", "  release:\n", "  deletionPolicy: Delete\n  release:\n");
        match self {
            Self::Create => {}
            Self::Update => {
                world.converge().await;
                world.edit("acme.yaml", "value: large", "value: small");
                world.edit("acme.yaml", "  env:\n", "    - name: app.acme.example.com\n  env:\n");
                world.edit("acme.yaml", "linearHistory: true", "linearHistory: false");
                world.edit("acme.yaml", "nodeVersion: \"22\"", "nodeVersion: \"24\"");
            }
            Self::Delete => {
                world.converge().await;
                std::fs::remove_file(world.path("acme.yaml")).expect("it is there");
                let output = world.run(&["delete", "acme", "--dir", "."]).await;
                assert_eq!(output.code, Some(0), "{}", output.stderr);
            }
        }
        world.forget_calls().await;
        world
    }
}

async fn killed_at(scenario: Scenario, nth: usize, call: &Call, point: Point) -> Result<Value, String> {
    let world = scenario.prepare().await;
    let hold = if point == Point::Before { "before" } else { "after" };
    let fault = world.fault(json!({ "match": { "nth": nth }, "effect": { "hold": hold } })).await;
    let running = world.up();
    eventually(&format!("{scenario:?}: call {nth} ({})", call.operation), Duration::from_secs(30), || async {
        (world.fault_hits(fault).await > 0).then_some(())
    })
    .await;
    if point == Point::Answered {
        let _lock = world.lock_store().await;
        let before = world.calls().await.len();
        world.release(fault).await;
        world.answered(nth).await;
        // Either it goes on to the next call, or it stands at the locked store.
        let next = async {
            while world.calls().await.len() <= before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(200), next).await;
        running.kill().await;
    } else {
        running.kill().await;
        world.remove_faults().await;
    }
    world.remove_faults().await;
    let output = world.up_once().await;
    if output.code != Some(0) {
        return Err(format!("exit {:?}\n{}\n{}", output.code, output.stdout, output.stderr));
    }
    world.forget_calls().await;
    world.up_once().await;
    let writes = world.writes().await;
    if !writes.is_empty() {
        return Err(format!("not done after converging: {writes:#?}"));
    }
    Ok(world.summary().await)
}

async fn matrix(scenario: Scenario) {
    let undisturbed = scenario.prepare().await;
    undisturbed.converge().await;
    let calls = undisturbed.calls().await;
    let expected = Arc::new(undisturbed.summary().await);
    assert!(calls.iter().any(|call| call.write), "{scenario:?} does something");
    let cells = calls.into_iter().enumerate().flat_map(|(index, call)| {
        [Point::Before, Point::Committed, Point::Answered].map(move |point| (index + 1, call.clone(), point))
    });
    let failures: Vec<String> = stream::iter(cells)
        .map(|(nth, call, point)| {
            let expected = expected.clone();
            async move {
                let found = killed_at(scenario, nth, &call, point).await;
                match found {
                    Ok(found) if found == *expected => None,
                    Ok(found) => Some(format!("{} at {point:?}: {found:#}\ninstead of {expected:#}", call.operation)),
                    Err(error) => Some(format!("{} at {point:?}: {error}", call.operation)),
                }
            }
        })
        .buffer_unordered(4)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    assert!(failures.is_empty(), "{} of the cells of {scenario:?} failed:\n{}", failures.len(), failures.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn create_survives_kill_9_everywhere() {
    matrix(Scenario::Create).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn update_survives_kill_9_everywhere() {
    matrix(Scenario::Update).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_survives_kill_9_everywhere() {
    matrix(Scenario::Delete).await;
}
