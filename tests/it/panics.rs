//! A panic is a defect of the program: the process begins anew in its own place, and leaves alone whose pass it was.

use std::{net::TcpListener, time::Duration};

use forkable_tests::{World, eventually, fleet_fork, within};
use serde_json::json;

const BUILD: &str = "POST /v13/deployments";
const PATIENCE: Duration = Duration::from_mins(1);

/// Where nobody listens now.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

async fn ready(world: &World, fork: &str) {
    eventually(&format!("{fork} is ready"), PATIENCE, || async {
        world.stored().await.iter().any(|stored| stored.name == fork && stored.is_ready()).then_some(())
    })
    .await;
}

async fn panicked(world: &World, fork: &str) {
    eventually(&format!("it is told that {fork} panicked"), PATIENCE, || async {
        world.events(fork).await.contains(&("Panicked".into(), 1)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_goes_on_with_the_others_and_with_what_is_changed() {
    let mut world = World::start().await;
    let address = free_address();
    world.arguments = vec![format!("--listen={address}")];
    world.write("f1.yaml", &fleet_fork(1));
    world.write("f2.yaml", &fleet_fork(2));
    world.environment.insert("FORKABLE_PANIC_ON".into(), "fork/f1@1 fork/f2@2".into());
    let running = world.up();
    ready(&world, "f2").await;
    panicked(&world, "f1").await;

    let why = world.run(&["why", "f1"]).await;
    assert!(why.stdout.contains("Panicked") && why.stdout.contains("src/panics.rs:"), "{}", why.stdout);
    let metrics = reqwest::get(format!("http://{address}/metrics")).await.expect("it listens where it did");
    let metrics = metrics.text().await.expect("metrics");
    assert!(metrics.contains("controller_runtime_reconcile_panics_total{controller=\"fork\"} 1\n"), "{metrics}");
    assert!(world.find_repository("acme-inc/f1").await.is_none(), "it is left alone");

    // Its rest is a minute, which is not waited for.
    let edited = std::time::Instant::now();
    world.edit("f1.yaml", "value: \"1\"", "value: \"one\"");
    ready(&world, "f1").await;
    assert!(edited.elapsed() < Duration::from_secs(50), "what is changed is tried at once");

    world.edit("f2.yaml", "value: \"2\"", "value: \"two\"");
    panicked(&world, "f2").await;
    assert!(world.events("f1").await.contains(&("Panicked".into(), 1)), "it is told once of each panic");
    let metrics = reqwest::get(format!("http://{address}/metrics")).await.expect("it listens where it did");
    let metrics = metrics.text().await.expect("metrics");
    assert!(metrics.contains("controller_runtime_reconcile_panics_total{controller=\"fork\"} 2\n"), "{metrics}");
    let output = running.kill().await;
    assert_eq!(output.stderr.matches("panicked at").count(), 2, "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_another_that_is_under_way_may_end_first() {
    let mut world = World::start().await;
    world.environment.insert("FORKABLE_PANIC_ON".into(), "fork/f1@2".into());
    world.environment.insert("RUST_BACKTRACE".into(), "0".into());
    world.write("f1.yaml", &fleet_fork(1));
    let running = world.up();
    ready(&world, "f1").await;
    world.forget_calls().await;

    let fault = world.fault(json!({ "match": { "operation": BUILD }, "effect": { "hold": "before" } })).await;
    world.write("f2.yaml", &fleet_fork(2));
    eventually("a build is asked for", PATIENCE, || async { (world.held(fault).await > 0).then_some(()) }).await;
    world.edit("f1.yaml", "value: \"1\"", "value: \"one\"");
    running.says("panicked at", PATIENCE).await;
    let is_dropped = async || world.held(fault).await == 0;
    assert!(!within(Duration::from_millis(1500), is_dropped).await, "the process ended, with a build under way");
    // A second one would be held, too.
    world.release(fault).await;
    ready(&world, "f2").await;
    let builds = world.calls().await.into_iter().filter(|call| call.operation == BUILD);
    assert_eq!(builds.count(), 1, "what begins anew finds the build that was under way");
    running.kill().await;
}
