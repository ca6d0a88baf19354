//! A fleet that is at rest costs the apiserver nothing but the renewals of one Lease.

use std::{collections::BTreeMap, time::Duration};

use forkable_tests::{Audited, eventually, is_ready, is_write};
use serde_json::{Value, json};

use crate::installed::{Installed, PATIENCE, until};

const FORKS: usize = 200;
/// Time runs so fast while the fleet is made, which GitHub's limits would hold up for half an hour,
const MAKING: u32 = 600;
/// and so fast while it rests: an hour is fifteen seconds.
const RESTING: u32 = 240;
const HOUR: Duration = Duration::from_hours(1);

fn fleet() -> Value {
    let fork = |n: usize| {
        let name = format!("f{n}");
        json!({
            "apiVersion": "forkable.dev/v1alpha1", "kind": "Fork", "metadata": { "name": name },
            "spec": {
                "template": { "owner": "forkable-ai", "repo": "framework" },
                "repository": { "owner": "acme-inc", "name": name },
                "project": { "name": name },
                "env": [{ "name": "A", "value": n.to_string() }],
                "domains": [{ "name": format!("{name}.example.com") }],
            },
        })
    };
    json!({ "apiVersion": "v1", "kind": "List", "items": (0..FORKS).map(fork).collect::<Vec<_>>() })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_fleet_costs_renewals_of_the_lease_alone() {
    let fast = |scale: u32, resync: &str| json!({ "extraArgs": [format!("--time-scale={scale}")], "controller": { "resync": resync } });
    // While it is made, looks would go on all the time.
    let installed = Installed::with("idle", fast(MAKING, "2400h")).await;
    let (space, world) = (&installed.space, &installed.space.world);
    world.speed(MAKING).await;
    space.apply(&fleet().to_string()).await;
    let making = installed.working().await;
    let list = format!("/apis/forkable.dev/v1alpha1/namespaces/{}/forks", space.name);
    eventually("every Fork is Ready", 2 * PATIENCE, || async {
        // Reading two hundred of them is work that the making would wait for.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let forks = space.cluster.get(&list).await;
        (forks["items"].as_array().is_some_and(|forks| forks.iter().filter(|fork| is_ready(fork)).count() == FORKS))
            .then_some(())
    })
    .await;
    making.stop().await;
    world.speed(RESTING).await;
    installed.upgrade(fast(RESTING, "30s")).await;
    let resting = installed.working().await;
    // What showed up last, such as certificates, is noted with the first sweep.
    world.forget_calls().await;
    until("a sweep is over", async || world.counts().await.contains_key("GET /v8/certs")).await;
    let writes = || -> BTreeMap<String, usize> {
        let mut writes = BTreeMap::new();
        for Audited { verb, resource, .. } in installed.calls().into_iter().filter(|call| is_write(&call.verb)) {
            *writes.entry(format!("{verb} {resource}")).or_default() += 1;
        }
        writes
    };
    until("what the first sweep found is written down", async || {
        let before = writes();
        tokio::time::sleep(Duration::from_secs(1)).await;
        writes().iter().all(|(write, count)| write == "update leases" || before.get(write) == Some(count))
    })
    .await;
    let (before, began) = (writes(), world.now());
    world.forget_calls().await;
    eventually("an hour has passed", PATIENCE, || async { (world.now() >= began + HOUR).then_some(()) }).await;
    let mut after = writes();
    let looks = world.counts().await.values().sum::<usize>();
    assert!(looks > 0, "it looks at what is outside");
    for (write, count) in before {
        *after.entry(write).or_default() -= count;
    }
    after.retain(|_, count| *count > 0);
    println!("an idle hour of {FORKS} Forks: {looks} calls outside, and to the apiserver {after:?}");
    after.remove("update leases");
    assert!(after.is_empty(), "written to the apiserver: {after:#?}");
    assert!(world.writes().await.is_empty(), "{:#?}", world.counts().await);
    resting.stop().await;
}
