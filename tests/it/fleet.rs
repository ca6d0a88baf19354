//! A fleet that is at rest costs next to nothing.

use std::time::Duration;

use forkable_tests::{World, eventually, reference_fork};

const FORKS: usize = 1_000;
/// An hour is half a minute.
const SCALE: u32 = 120;
/// While the fleet is made: GitHub lets a credential create some 500 things an hour.
const MAKING: u32 = 3_600;
const HOUR: Duration = Duration::from_hours(1);

/// A small fork: what it costs to keep is the same as for a large one.
fn small(n: usize) -> String {
    let fork = reference_fork();
    let head = fork.split("  repository:").next().expect("a head").replace("name: acme", &format!("name: f{n}"));
    format!(
        "{head}  repository: {{ owner: acme-inc, name: f{n} }}\n  project: {{ name: f{n} }}\n  env: [{{ name: A, value: \"{n}\" }}]\n  domains: [{{ name: f{n}.example.com }}]\n"
    )
}

/// A fleet of which everything is made and known.
async fn made() -> World {
    let mut world = World::start().await;
    for n in 0..FORKS {
        world.write(&format!("f{n}.yaml"), &small(n));
    }
    world.speed(MAKING).await;
    world.arguments.push(format!("--time-scale={MAKING}"));
    let running = world.up();
    eventually("every fork is ready", Duration::from_mins(4), || async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let stored = world.stored().await;
        let ready = stored.iter().filter(|object| object.kind == "Fork" && object.is_ready()).count();
        (ready == FORKS).then_some(())
    })
    .await;
    running.kill().await;
    world.speed(SCALE).await;
    *world.arguments.last_mut().expect("it was pushed") = format!("--time-scale={SCALE}");
    // Takes note of what showed up last, such as certificates.
    world.converge().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: `make fleet`"]
async fn a_thousand_idle_forks_cost_at_most_150_calls_an_hour() {
    let world = made().await;
    let before = world.stored().await;
    world.forget_calls().await;
    // One hour from a cold start, which is a full sweep.
    let running = world.up();
    tokio::time::sleep(HOUR / SCALE).await;
    let counts = world.counts().await;
    let calls = world.calls().await;
    running.kill().await;
    println!("{} calls of {FORKS} forks in an hour: {counts:#?}", calls.len());
    let looks = FORKS.div_ceil(50);
    assert!(counts.get("graphql query ForkFleet").is_some_and(|count| *count >= looks), "it did look: {counts:#?}");
    assert!(counts.get("GET /v10/projects").is_some_and(|count| *count >= FORKS / 100), "at both: {counts:#?}");
    assert_eq!(calls.iter().filter(|call| call.write).count(), 0, "{counts:#?}");
    assert!(calls.len() <= 150, "{} calls: {counts:#?}", calls.len());
    assert!(world.stored().await == before, "a status was written");
}
