//! A fleet in a real apiserver: what the controller weighs, and how soon it knows everything again.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use forkable_tests::{
    Cluster, Namespace, Running, binary, eventually, fleet_fork, is_ready, is_write, reference_fork, reference_secret,
};
use tokio::process::Command;

/// Forks, and the most memory that the controller may take with them in MiB.
const FLEETS: [(usize, u64); 2] = [(1_000, 40), (10_000, 160)];
/// While the fleet is made, so that the quotas of one real account are waited for quickly.
const MAKING: u32 = 3_600;
const PATIENCE: Duration = Duration::from_mins(90);
/// Time between looks at how far a controller is.
const GLANCE: Duration = Duration::from_millis(500);
/// How long a controller is left alone before it is weighed.
const REST: Duration = Duration::from_secs(20);
/// One for all looks: to make a client is to read all root certificates, for which the controller would wait here.
static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);

/// Prints memory and times of a restart with growing fleets.
pub(super) async fn fleets() {
    let cluster = Cluster::shared().await;
    let space = cluster.namespace("fleet").await;
    let mut made = 0;
    for (forks, goal) in FLEETS {
        make(&space, made..forks).await;
        made = forks;
        // The first takes note of what showed up last, such as certificates.
        let _noted = restart(&space, forks, goal).await;
        // To look at 10,000 takes most of what GitHub allows in an hour: the next one has another hour.
        space.world.speed(MAKING).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        space.world.speed(1).await;
        println!("{}", restart(&space, forks, goal).await);
    }
}

fn controller(space: &Namespace<'_>, port: u16, more: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(["controller", "--leader-elect=false", "--watch-namespace", &space.name, "--namespace", &space.name]);
    command.arg(format!("--listen=127.0.0.1:{port}")).args(more);
    command.envs(&space.world.environment).envs(space.cluster.environment()).env_remove("RUST_LOG");
    command
}

/// Lets a controller make what is missing of a fleet.
async fn make(space: &Namespace<'_>, numbers: std::ops::Range<usize>) {
    let began = Instant::now();
    let numbers: Vec<_> = numbers.collect();
    for some in numbers.chunks(500) {
        space.apply(&some.iter().map(|n| fleet_fork(*n) + "---\n").collect::<String>()).await;
    }
    let applied = began.elapsed();
    space.world.speed(MAKING).await;
    let port = super::free_port();
    let mut making = controller(space, port, &[&format!("--time-scale={MAKING}"), "--resync=2400h"]);
    // Probes wait here for an answer: as fast as time goes, they would take all that the processor has.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    making.env("FORKABLE_SITES_URL", format!("http://{}", silent.local_addr().expect("an address")));
    let running = Running::start(making);
    let forks = numbers.last().map_or(0, |last| last + 1);
    eventually("every fork is ready", PATIENCE, || async {
        tokio::time::sleep(GLANCE).await;
        (ready(port).await == Some(forks)).then_some(())
    })
    .await;
    running.kill().await;
    space.world.speed(1).await;
    println!("{} forks made in {:.0?}, {applied:.0?} of which kubectl took", numbers.len(), began.elapsed());
}

/// Starts a controller for a fleet that is in order, and tells what that took.
async fn restart(space: &Namespace<'_>, forks: usize, goal: u64) -> String {
    space.world.forget_calls().await;
    let writes =
        || space.cluster.audit().iter().filter(|call| call.namespace == space.name && is_write(&call.verb)).count();
    let before = writes();
    let port = super::free_port();
    let began = Instant::now();
    let running = Running::start(controller(space, port, &[]));
    is_listed(port).await;
    let listed = began.elapsed();
    // Every fork is looked at in pages of both providers, and then compared with its spec.
    eventually("every fork is verified", PATIENCE, || async {
        // The log of all calls is much to read: whoever looks all the time measures himself.
        tokio::time::sleep(GLANCE).await;
        let counts = space.world.counts().await;
        let looked = |call: &str, page: usize| counts.get(call).is_some_and(|count| *count >= forks.div_ceil(page));
        let looked = looked("graphql query ForkFleet", 50) && looked("GET /v10/projects", 100);
        (looked && passes(port).await? >= forks).then_some(())
    })
    .await;
    let verified = began.elapsed();
    tokio::time::sleep(REST).await;
    let (resident, highest) = (running.memory("VmRSS"), running.memory("VmHWM"));
    running.kill().await;
    let outside = space.world.writes().await.len();
    format!(
        "restart with {forks} forks
  ready {listed:.1?}   goal: ≤ 3s
  all verified {verified:.1?}   goal: ≤ 30s
  resident {resident} MiB, at most {highest} MiB   goal: ≤ {goal} MiB
  {outside} writes outside, {} to the apiserver   goal: 0",
        writes() - before
    )
}

async fn is_listed(port: u16) {
    let url = format!("http://127.0.0.1:{port}/readyz");
    eventually("it is ready", PATIENCE, || async {
        (CLIENT.get(&url).send().await.ok()?.status() == 200).then_some(())
    })
    .await;
}

/// The sum of the samples of `/metrics` that begin so.
async fn sample(port: u16, begins: &str) -> Option<usize> {
    let text = CLIENT.get(format!("http://127.0.0.1:{port}/metrics")).send().await.ok()?.text().await.ok()?;
    let values = text.lines().filter(|line| line.starts_with(begins)).filter_map(|line| line.rsplit(' ').next());
    values.map(|value| value.parse::<usize>().ok()).sum()
}

async fn ready(port: u16) -> Option<usize> {
    sample(port, "forkable_objects{kind=\"Fork\",ready=\"True\"}").await
}

async fn passes(port: u16) -> Option<usize> {
    sample(port, "controller_runtime_reconcile_total{controller=\"fork\"").await
}

/// From the end of `kubectl apply` to Ready, with the sandbox as it is given.
pub(super) async fn manifest_to_ready() -> Duration {
    let cluster = Cluster::shared().await;
    let mut space = cluster.namespace("ready").await;
    let port;
    (space.world, port) = super::world_with_webhooks().await;
    let running = Running::start(controller(&space, port, &[]));
    space.apply(&reference_secret()).await;
    is_listed(port).await;
    space.apply(&reference_fork()).await;
    let written = Instant::now();
    eventually("the fork is ready", PATIENCE, || async { is_ready(&space.get("forks", "acme").await).then_some(()) })
        .await;
    let took = written.elapsed();
    running.kill().await;
    took
}
