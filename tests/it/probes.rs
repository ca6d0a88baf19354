//! Probes through the whole binary: a product goes down and comes back, over restarts, and in maintenance.

use std::time::Duration;

use forkable_tests::{World, eventually, reference_fork};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(40);

/// The reference fork with this under `monitoring`, live.
async fn monitored(monitoring: &str) -> World {
    let world = World::with_reference_fork().await;
    world.write("acme.yaml", &format!("{}  monitoring:\n    {monitoring}\n", reference_fork()));
    world.converge().await;
    world
}

/// Status and message of the condition that says whether the product works; empty if there is none.
async fn available(world: &World) -> (String, String) {
    let status = world.any_status("acme").await;
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let found = conditions.find(|condition| condition["type"] == "Available");
    let text = |field: &str| found.map_or("", |found| found[field].as_str().unwrap_or_default()).to_owned();
    (text("status"), text("message"))
}

async fn is(world: &World, status: &str, says: &str) {
    eventually(&format!("Available is {status}: {says}"), PATIENCE, || async {
        let (found, message) = available(world).await;
        (found == status && message.contains(says)).then_some(())
    })
    .await;
}

/// How often people were told so.
async fn told(world: &World, reason: &str) -> i64 {
    world.events("acme").await.into_iter().filter(|(of, _)| of == reason).map(|(_, count)| count).sum()
}

async fn commit(world: &World) -> String {
    let status = world.any_status("acme").await;
    status["currentRelease"]["commit"].as_str().expect("something serves").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_is_down_is_told_of_once_over_restarts_until_it_works_again() {
    let world = monitored("probes: [{ name: home, intervalSeconds: 5, http: {} }]").await;
    let commit = commit(&world).await;
    let running = world.up();
    eventually("it was probed", PATIENCE, || async { (world.recorded("acme", "home").await > 0).then_some(()) }).await;
    assert_eq!(available(&world).await.0, "", "nothing is said while it works");
    world.degrade(&commit, json!({ "status": 500 })).await;
    is(&world, "False", "home: answered 500 instead of 200-299").await;
    assert_eq!(told(&world, "ProductDown").await, 1);
    let why = world.run(&["why", "acme"]).await;
    assert!(why.stdout.contains("Available: ProbeFailed"), "{}", why.stdout);
    running.kill().await;

    let before = world.recorded("acme", "home").await;
    let running = world.up();
    let more = || async { (world.recorded("acme", "home").await > before).then_some(()) };
    eventually("it is probed on", PATIENCE, more).await;
    is(&world, "False", "answered 500").await;
    assert_eq!(told(&world, "ProductDown").await, 1, "a restart tells nobody again");
    world.mend(&commit).await;
    is(&world, "True", "").await;
    eventually("it is told", PATIENCE, || async { (told(&world, "ProductUp").await == 1).then_some(()) }).await;
    running.kill().await;
    assert_eq!(told(&world, "ProductDown").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_asks_with_a_secret_and_judges_the_answer() {
    let header = "{ name: x-key, valueFrom: { secretKeyRef: { name: acme, key: nothing } } }";
    let world = World::with_reference_fork().await;
    let probe = |http: &str| format!("probes: [{{ name: home, intervalSeconds: 5, http: {{ {http} }} }}]");
    let write = |monitoring: &str| {
        world.write("acme.yaml", &format!("{}  monitoring:\n    {monitoring}\n", reference_fork()));
    };
    write(&probe(&format!("requestHeaders: [{header}]")));
    let output = world.up_once().await;
    let (_, reason, message) = world.condition("acme", "Valid").await.expect("it is refused");
    assert_eq!(reason, "SecretKeyNotFound", "{message}\n{}", output.stdout);
    assert!(message.contains("spec.monitoring.probes[0].http.requestHeaders[0].valueFrom.secretKeyRef"), "{message}");
    write(&probe("bodyMatches: '('"));
    world.up_once().await;
    let (_, reason, message) = world.condition("acme", "Valid").await.expect("it is refused");
    assert_eq!(
        (reason.as_str(), message.contains("probes[0].http.bodyMatches")),
        ("InvalidMonitoring", true),
        "{message}"
    );
    write(&probe("bodyContains: no such words"));
    world.converge().await;
    let running = world.up();
    is(&world, "False", "home: answered without \"no such words\"").await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_in_maintenance() {
    let window = "maintenance: [{ name: always, from: 2020-01-01T00:00:00Z, to: 2099-01-01T00:00:00Z }]";
    let world = monitored(&format!("{window}\n    probes: [{{ name: home, intervalSeconds: 5, http: {{}} }}]")).await;
    world.degrade(&commit(&world).await, json!({ "status": 500 })).await;
    let running = world.up();
    eventually("it was probed", PATIENCE, || async { (world.recorded("acme", "home").await > 8).then_some(()) }).await;
    running.kill().await;
    assert_eq!((told(&world, "ProductDown").await, available(&world).await.0), (0, String::new()));
    let status: Value = world.any_status("acme").await;
    assert_eq!(status["currentRelease"]["commit"], commit(&world).await, "and nothing else is different");
}
