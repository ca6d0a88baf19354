//! How soon a bad release is off the live site, and how soon a good one is on it.

use std::time::{Duration, Instant};

use forkable_sandbox::Latencies;
use forkable_tests::{Running, World, eventually, reference_secret, releases::promoted_fork};
use futures::future::join_all;
use serde_json::json;

/// Worlds that run side by side, each waiting most of the time.
const ROUNDS: u32 = 20;
const PROBE_SECONDS: u32 = 5;
const BUILD: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_mins(3);

fn fork(interval: u32, bake: u32) -> String {
    promoted_fork(&format!(
        "    analysis:\n      intervalSeconds: {interval}\n      count: 1\n      http: [{{ path: / }}]\n    bake: {{ durationSeconds: {bake} }}\n"
    ))
}

async fn push(world: &World) -> String {
    world.push_file("acme-inc/acme", "app/page.tsx", "export default () => 'new'\n").await
}

async fn serves(world: &World, commit: &str) -> bool {
    let (status, page) = world.page("acme.example.com").await;
    status == 200 && page.contains(&commit[..7])
}

/// Prints how long after it turned bad the rollback is asked for, and the site is good again.
pub(super) async fn rolled_back() {
    let rounds = join_all((0..ROUNDS).map(rotten)).await;
    let row = |what: &str, goal: u32, of: fn(&(Duration, Duration)) -> Duration| {
        let mut times: Vec<_> = rounds.iter().map(of).collect();
        times.sort();
        let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
        println!("  {what}: p50 {median:.2?}   p99 {last:.2?}   goal: p99 ≤ {goal}s");
    };
    println!("live site answers 500 → previous release, probes every {PROBE_SECONDS} s, {ROUNDS} rounds");
    row("rollback sent", 10, |(sent, _)| *sent);
    row("site good again", 15, |(_, good)| *good);
}

async fn rotten(round: u32) -> (Duration, Duration) {
    let mut world = World::with_reference_fork().await;
    world.arguments.push("--resync=1s".into());
    world.write("acme.yaml", &fork(1, 5));
    world.converge().await;
    let before = world.fork("acme").await["status"]["currentRelease"]["commit"].as_str().expect("a commit").to_owned();
    world.write("acme.yaml", &fork(PROBE_SECONDS, 3600));
    let head = push(&world).await;
    let running: Running = world.up();
    eventually("the release is live", PATIENCE, || async { serves(&world, &head).await.then_some(()) }).await;
    // Anywhere between two probes.
    tokio::time::sleep(Duration::from_millis(u64::from(PROBE_SECONDS * 1000 / ROUNDS * round))).await;
    world.degrade(&head, json!({ "status": 500, "liveOnly": true })).await;
    let began = Instant::now();
    let is_sent = |call: &forkable_tests::Call| call.operation.contains("/rollback/");
    eventually("a rollback is sent", PATIENCE, || async { world.calls().await.iter().any(is_sent).then_some(()) })
        .await;
    let sent = began.elapsed();
    eventually("it is good again", PATIENCE, || async { serves(&world, &before).await.then_some(()) }).await;
    let good = began.elapsed();
    running.kill().await;
    (sent, good)
}

/// Prints how long a release takes from the push, with which Vercel's build of it begins, until it is promoted, without
/// webhooks.
pub(super) async fn deployed() {
    let latencies = Latencies { build_ms: 0, ..super::latencies() };
    let settings = forkable_sandbox::Settings { limits: false, auto_dns: true, latencies, ..Default::default() };
    let mut world = World::on(forkable_sandbox::Options { settings, ..Default::default() }).await;
    world.arguments.push("--resync=1s".into());
    world.write("secret.yaml", &reference_secret());
    world.write("acme.yaml", &promoted_fork(""));
    world.converge().await;
    world.settings(json!({ "latencies": { "buildMs": 30_000 } })).await;
    let running: Running = world.up();
    running.says("http://127.0.0.1", PATIENCE).await;
    let head = push(&world).await;
    let pushed = Instant::now();
    eventually("it is ready", PATIENCE, || async {
        let current = world.any_status("acme").await["currentRelease"]["commit"].clone();
        (current == head.as_str()).then_some(())
    })
    .await;
    let took = pushed.elapsed();
    running.kill().await;
    println!(
        "pushed, and built for {BUILD:?} → release ready, without webhooks: {took:.2?}   goal: ≤ {:?}",
        BUILD + Duration::from_secs(3)
    );
}
