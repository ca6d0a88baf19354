//! A fleet that is at rest costs next to nothing.

use std::time::Duration;

use forkable_tests::{World, eventually, reference_fork};

const FORKS: usize = 1_000;
const SCALE: u64 = 120;

/// A small fork: what it costs to keep is the same as for a large one.
fn small(n: usize) -> String {
    let fork = reference_fork();
    let head = fork.split("  repository:").next().expect("a head").replace("name: acme", &format!("name: f{n}"));
    format!(
        "{head}  repository: {{ owner: acme-inc, name: f{n} }}\n  project: {{ name: f{n} }}\n  env: [{{ name: A, value: \"{n}\" }}]\n  domains: [{{ name: f{n}.example.com }}]\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_forks_cost_at_most_150_calls_an_hour() {
    let mut world = World::start().await;
    world.arguments.push(format!("--time-scale={SCALE}"));
    for n in 0..FORKS {
        world.write(&format!("f{n}.yaml"), &small(n));
    }
    let running = world.up();
    eventually("every fork is ready", Duration::from_secs(300), || async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let inventory = world.inventory().await;
        let projects = inventory["vercel"]["projects"].as_array().map_or(0, Vec::len);
        (projects >= FORKS).then_some(())
    })
    .await;
    running.kill().await;
    world.converge().await;
    // One hour from a cold start, the first full sweep included.
    let running = world.up();
    running.says("watching", Duration::from_secs(60)).await;
    // The first look of a process may bring news, such as certificates that were issued meanwhile.
    let before = world.run(&["get", "fork", "-o", "json"]).await.stdout;
    world.forget_calls().await;
    tokio::time::sleep(Duration::from_secs(3600 / SCALE)).await;
    let calls = world.calls().await;
    running.kill().await;
    assert!(calls.iter().any(|call| call.operation == "graphql query ForkFleet"), "it did look");
    assert_eq!(calls.iter().filter(|call| call.write).count(), 0);
    assert!(calls.len() <= 150, "{} calls: {:?}", calls.len(), world.counts().await);
    let after = world.run(&["get", "fork", "-o", "json"]).await.stdout;
    assert!(before == after, "a status was written");
}
