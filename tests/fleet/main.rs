//! A fleet that is at rest costs next to nothing.

use std::time::Duration;

use forkable_tests::{Running, World, eventually, fleet_fork};

const FORKS: usize = 1_000;
/// An hour is fifteen seconds.
const SCALE: u32 = 240;
/// While the fleet is made: GitHub lets a credential create some 500 things an hour.
const MAKING: u32 = 3_600;
const HOUR: Duration = Duration::from_hours(1);
/// For what takes as long as the machine takes.
const PATIENCE: Duration = Duration::from_mins(10);

/// A fleet of which everything is made and known.
async fn made() -> World {
    let mut world = World::start().await;
    for n in 0..FORKS {
        world.write(&format!("f{n}.yaml"), &fleet_fork(n));
    }
    let before = world.arguments.clone();
    world.speed(MAKING).await;
    // Without sweeps, which would run all the time at this speed.
    world.arguments.extend([format!("--time-scale={MAKING}"), "--resync=2400h".into()]);
    let running = world.up();
    eventually("every fork is ready", PATIENCE, || async {
        // Reading the statuses of a thousand is work that the making would wait for.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let stored = world.stored().await;
        let ready = stored.iter().filter(|object| object.kind == "Fork" && object.is_ready()).count();
        (ready == FORKS).then_some(())
    })
    .await;
    running.kill().await;
    world.speed(SCALE).await;
    world.arguments = before;
    world.arguments.push(format!("--time-scale={SCALE}"));
    // Takes note of what showed up last, such as certificates.
    let noted = Running::start(world.up_command(&["--once"])).finish(PATIENCE).await;
    assert_eq!(noted.code, Some(0), "not everything is ready:\n{}\n{}", noted.stdout, noted.stderr);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_forks_cost_at_most_150_calls_an_hour() {
    let world = made().await;
    let before = world.stored().await;
    world.forget_calls().await;
    // From a cold start, which is a full sweep. The hour is the sandbox's own, and begins with the first call: a slow
    // machine may do less in it, and never more.
    let running = world.up();
    let began =
        eventually("the first call", PATIENCE, || async { (!world.calls().await.is_empty()).then(|| world.now()) })
            .await;
    eventually("an hour has passed", PATIENCE, || async { (world.now() >= began + HOUR).then_some(()) }).await;
    let calls = world.calls().await;
    let in_an_hour = world.counts().await;
    println!("{} calls of {FORKS} forks in an hour: {in_an_hour:#?}", calls.len());
    assert!(calls.len() <= 150, "{} calls: {in_an_hour:#?}", calls.len());
    let looks = [("graphql query ForkFleet", FORKS / 50), ("GET /v10/projects", FORKS / 100), ("GET /v8/certs", 1)];
    eventually("a whole sweep at both providers", PATIENCE, || async {
        let counts = world.counts().await;
        looks.iter().all(|(call, times)| counts.get(*call).is_some_and(|count| count >= times)).then_some(())
    })
    .await;
    running.kill().await;
    assert_eq!(world.writes().await.len(), 0, "{:#?}", world.counts().await);
    assert!(world.stored().await == before, "a status was written");
}
