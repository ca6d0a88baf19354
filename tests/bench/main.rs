//! Figures of time beside their goals, for `make bench`; of some only with `make bench ONLY=releases`, `alerts`,
//! `fleets`, `messages` or `probes`. Nothing here passes or fails.

mod alerts;
mod blackbox;
mod cluster;
mod messages;
mod probes;
mod releases;
mod webhooks;

use std::time::{Duration, Instant};

use forkable_sandbox::{Latencies, Options, Settings, WebhookTarget};
use forkable_tests::{Running, World, install_crypto, reference_fork, reference_secret};
use futures::future::{FutureExt as _, LocalBoxFuture};

/// That of the program.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ROUNDS: usize = 11;
const SECRET: &str = "bench-webhook-secret";
/// Calls that wait for each other on the way to a live product: look, generate, look, commit, create the project,
/// set the rest of it, variables, deployment, and the look that finds it live.
const CALLS_IN_A_ROW: u64 = 9;

fn latencies() -> Latencies {
    Latencies { request_ms: 20, generate_ms: 500, build_ms: 2_000, ..Latencies::default() }
}

fn main() {
    install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let run = |bench| runtime.block_on(until_stopped(bench));
    match std::env::args().nth(1).as_deref() {
        Some(probes::SITES) => runtime.block_on(probes::sites()),
        Some("probes") => probes::probes(),
        Some("alerts") => run(alerts::evaluated().boxed_local()),
        Some("messages") => run(messages::told().boxed_local()),
        Some("releases") => run(releases().boxed_local()),
        Some("fleets") => run(cluster::fleets().boxed_local()),
        _ => {
            run(all().boxed_local());
            probes::probes();
        }
    }
}

/// Ends with Ctrl-C too, and with it what was started: controllers whose clock is fast would ask without end.
async fn until_stopped(bench: LocalBoxFuture<'_, ()>) {
    tokio::select! {
        () = bench => {}
        _ = tokio::signal::ctrl_c() => std::process::exit(130),
    }
}

async fn releases() {
    releases::deployed().await;
    releases::rolled_back().await;
}

async fn all() {
    let Latencies { request_ms, generate_ms, build_ms, .. } = latencies();
    let critical = Duration::from_millis(CALLS_IN_A_ROW * request_ms + generate_ms + build_ms);
    println!("manifest written → Ready, {ROUNDS} rounds; the sandbox's own critical path is {critical:?}");
    let local = median("one machine", manifest_to_ready).await;
    println!("  over the critical path at p50: {:.0?}   goal: ≤ 100ms", local.saturating_sub(critical));
    webhooks::answers().await;
    alerts::evaluated().await;
    messages::told().await;
    releases().await;
    let remote = median("cluster", cluster::manifest_to_ready).await;
    println!("  over one machine at p50: {:.0?}   goal: ≤ 100ms", remote.saturating_sub(local));
    cluster::fleets().await;
}

async fn median(of: &str, round: impl AsyncFn() -> Duration) -> Duration {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(round().await);
    }
    rounds.sort();
    let (first, median, last) = (rounds[0], rounds[ROUNDS / 2], rounds[ROUNDS - 1]);
    println!("  {of}: min {first:.2?}   p50 {median:.2?}   max {last:.2?}");
    median
}

/// A sandbox with latencies that sends webhooks to a port.
async fn world_with_webhooks() -> (World, u16) {
    let port = free_port();
    let receiver = format!("http://127.0.0.1:{port}/webhooks");
    let settings = Settings { limits: false, auto_dns: true, latencies: latencies(), ..Settings::default() };
    let webhooks = WebhookTarget {
        github_url: format!("{receiver}/github"),
        vercel_url: format!("{receiver}/vercel"),
        secret: SECRET.into(),
    };
    let mut world = World::on(Options { settings, webhooks: Some(webhooks), ..Options::default() }).await;
    world.arguments = vec![format!("--listen=127.0.0.1:{port}")];
    world.environment.insert("FORKABLE_WEBHOOK_SECRET".into(), SECRET.into());
    (world, port)
}

/// A process that watches an empty folder gets the reference fork.
async fn manifest_to_ready() -> Duration {
    let (world, _) = world_with_webhooks().await;
    world.write("secret.yaml", &reference_secret());
    let running: Running = world.up();
    running.says("http://127.0.0.1", Duration::from_secs(30)).await;
    let written = Instant::now();
    world.write("acme.yaml", &reference_fork());
    running.says("ready in", Duration::from_mins(1)).await;
    let took = written.elapsed();
    running.kill().await;
    took
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
