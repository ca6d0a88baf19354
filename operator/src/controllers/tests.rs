//! Whole passes on the local host with both providers in memory: what is called, what is stored, what is survived.

mod world;

use std::{sync::atomic::Ordering, time::Duration};

use forkable_core::{
    PortError, condition,
    error::Provider,
    hosting::{BuildState, HostingChange},
    store::{Kind as _, Store},
};
use forkable_crds::{Deployment, Fork};

use world::World;

#[tokio::test]
async fn a_manifest_becomes_a_product_and_then_rests() {
    let world = World::with_quickstart();
    let running = world.run().await;
    let fork = running.ready("acme").await;
    let status = fork.status.as_ref().expect("a status");
    assert_eq!(status.url.as_deref(), Some("https://acme.example.com"), "{status:#?}");
    assert_eq!(status.observed_generation, fork.metadata.generation);
    let releases = running.store.list::<Deployment>().await.expect("releases");
    assert_eq!(releases.len(), 1);
    let (forge, hosting) = world.changes();
    assert_eq!(forge.len(), 3, "create, commit, ruleset: {forge:#?}");
    assert_eq!(world.looks(), (2, 1), "absent and ready; absent");
    let builds = hosting.iter().filter(|change| matches!(change, HostingChange::CreateDeployment(_))).count();
    assert_eq!(builds, 1);
    let writes = running.store.status_writes();
    running.touch("acme").await;
    assert_eq!(world.looks(), (2, 1), "nothing is looked at again");
    assert_eq!(world.changes(), (forge, hosting), "nothing is changed again");
    assert_eq!(running.store.status_writes(), writes, "no status is written");
    running.stop().await;
}

#[tokio::test]
async fn a_restart_finds_everything_as_it_was() {
    let world = World::with_quickstart();
    let running = world.run().await;
    running.ready("acme").await;
    running.stop().await;
    let before = world.changes();
    let running = world.run().await;
    running.ready("acme").await;
    assert_eq!(world.changes(), before);
    assert_eq!(running.store.status_writes(), 0);
    running.stop().await;
}

#[tokio::test]
async fn a_lasting_error_is_named_and_not_hammered() {
    let world = World::with_quickstart();
    let down = PortError::Unavailable { provider: Provider::Vercel, message: "502 Bad Gateway".into() };
    world.hosting.world().failures.extend(std::iter::repeat_n(down, 3));
    let running = world.run().await;
    let fork = running.until("acme", |fork| reason(fork, "ProjectReady") == Some("ProviderUnavailable")).await;
    let conditions = &fork.status.as_ref().expect("a status").conditions;
    assert!(condition::is_true(conditions, "Reconciling") && !condition::is_true(conditions, "Stalled"));
    running.ready("acme").await;
    let (_, hosting) = world.changes();
    let tries = hosting.iter().filter(|change| matches!(change, HostingChange::CreateProject(_))).count();
    assert_eq!(tries, 4, "three failures and a success");
    running.stop().await;
}

#[tokio::test]
async fn a_panic_shows_no_secret_and_the_next_process_goes_on() {
    let (heard, mut told) = tokio::sync::mpsc::unbounded_channel();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        drop(heard.send(panic.to_string()));
        before(panic);
    }));
    let world = World::with_quickstart();
    world.hosting.panics.store(true, Ordering::Relaxed);
    let running = world.run().await;
    let told = told.recv().await.expect("it panics");
    assert!(told.contains("a bug in") && told.contains("STRIPE_KEY"), "it panicked with all it knew: {told}");
    assert!(!told.contains("sk_test_not_a_real_key"), "{told}");
    running.stop().await;
    let running = world.run().await;
    running.ready("acme").await;
    running.stop().await;
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_again() {
    let world = World::with_quickstart();
    let refused = PortError::Rejected { provider: Provider::Vercel, code: "bad_request".into(), message: "no".into() };
    world.hosting.world().failures.push_back(refused);
    let running = world.run().await;
    let stalled = |fork: &Fork| reason(fork, "Stalled") == Some("Rejected");
    running.until("acme", stalled).await;
    let before = world.changes();
    running.touch("acme").await;
    assert_eq!(world.changes(), before, "another event does not mend it");
    world.edit("acme.yaml", "displayName: Acme AI", "displayName: Acme");
    running.ready("acme").await;
    running.stop().await;
}

#[tokio::test]
async fn a_build_is_waited_for_without_blocking() {
    let world = World::with_quickstart();
    world.build(BuildState::Building);
    let running = world.run().await;
    let building = |fork: &Fork| reason(fork, "EnvSynced") == Some("Synced") && reason(fork, "Reconciling").is_some();
    running.until("acme", building).await;
    world.build(BuildState::Ready);
    running.ready("acme").await;
    running.stop().await;
}

#[tokio::test]
async fn two_forks_with_one_claim_the_older_wins_and_gives_way() {
    let world = World::with_quickstart();
    let running = world.run().await;
    running.ready("acme").await;
    let before = world.changes();
    let thief = world.read("acme.yaml").replacen("  name: acme\n", "  name: thief\n", 1);
    world.write("thief.yaml", &thief);
    running.until("thief", |fork| reason(fork, "Ready") == Some("Conflict")).await;
    assert_eq!(world.changes(), before, "it touches nothing");
    running.stop().await;
}

#[tokio::test]
async fn deletion_follows_the_policy() {
    let world = World::with_quickstart();
    world.edit("acme.yaml", "  release:\n", "  deletionPolicy: Delete\n  release:\n");
    let running = world.run().await;
    let fork = running.ready("acme").await;
    running.store.delete(&fork).await.expect("deletion is asked for");
    world.remove("acme.yaml");
    running.gone("acme").await;
    assert!(world.hosting.world().projects.is_empty());
    assert!(world.forge.world().named("acme-inc/acme").is_none());
    assert!(running.store.list::<Deployment>().await.expect("releases").is_empty(), "releases go with their Fork");
    running.stop().await;
}

#[tokio::test]
async fn a_fork_that_cannot_be_cleaned_up_goes_in_the_end_and_says_what_it_leaves() {
    let world = World::with_quickstart();
    world.edit("acme.yaml", "  release:\n", "  deletionPolicy: Delete\n  release:\n");
    let running = world.run().await;
    let fork = running.ready("acme").await;
    let refused = PortError::Unauthorized { provider: Provider::Vercel, message: "401".into() };
    world.hosting.world().failures.extend(std::iter::repeat_n(refused, 100));
    running.store.delete(&fork).await.expect("deletion is asked for");
    world.remove("acme.yaml");
    running.until("acme", |fork| reason(fork, "Stalled") == Some("Unauthorized")).await;
    running.gone("acme").await;
    assert!(world.hosting.world().named("acme").is_some(), "it is left as it is");
    let events = running.store.reader().events(&fork.reference()).await.expect("the store works");
    let abandoned = events.iter().find(|event| event.reason == "Abandoned").expect("people are told");
    for left in ["repository acme-inc/acme", "project acme", "401"] {
        assert!(abandoned.message.contains(left), "{}", abandoned.message);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_person_lets_a_fork_go_at_once() {
    let world = World::with_quickstart();
    world.edit("acme.yaml", "  release:\n", "  deletionPolicy: Delete\n  release:\n");
    world.edit("acme.yaml", "  name: acme\n", "  name: acme\n  annotations: { forkable.dev/abandon: \"true\" }\n");
    let running = world.run().await;
    let fork = running.ready("acme").await;
    // The brake, for example, would hold it for ever.
    while running.context.brake.admit(running.context.clock.now()) {}
    running.store.delete(&fork).await.expect("deletion is asked for");
    world.remove("acme.yaml");
    running.gone("acme").await;
    assert!(world.forge.world().named("acme-inc/acme").is_some(), "it is left as it is");
    running.stop().await;
}

#[tokio::test]
async fn only_a_policy_that_has_something_to_do_holds_a_fork_back() {
    let world = World::with_quickstart();
    let running = world.run().await;
    assert_eq!(running.ready("acme").await.metadata.finalizers, None, "it goes at once");
    world.edit("acme.yaml", "  release:\n", "  deletionPolicy: Archive\n  release:\n");
    running.until("acme", |fork| fork.metadata.finalizers.is_some()).await;
    world.edit("acme.yaml", "deletionPolicy: Archive", "deletionPolicy: Retain");
    running.until("acme", |fork| fork.metadata.finalizers.is_none()).await;
    running.stop().await;
}

#[tokio::test]
async fn the_brake_stops_a_flood_of_destruction() {
    let world = World::with_quickstart();
    let running = world.run().await;
    running.ready("acme").await;
    for _ in 0..crate::brake::LIMIT {
        assert!(running.context.brake.admit(running.context.clock.now()));
    }
    world.edit("acme.yaml", "    - name: MODEL\n      value: large\n", "");
    running.until("acme", |fork| reason(fork, "EnvSynced") == Some(crate::brake::BLOCKED)).await;
    running.context.brake.release();
    running.touch("acme").await;
    running.ready("acme").await;
    running.stop().await;
}

#[tokio::test]
async fn a_suspended_fork_is_told_about_and_left_alone() {
    let world = World::with_quickstart();
    world.edit("acme.yaml", "  release:\n", "  suspend: { reason: audit }\n  release:\n");
    let running = world.run().await;
    running.until("acme", |fork| reason(fork, "Ready") == Some("Suspended")).await;
    assert_eq!(world.changes(), (Vec::new(), Vec::new()));
    world.edit("acme.yaml", "  suspend: { reason: audit }\n", "");
    running.ready("acme").await;
    running.stop().await;
}

#[tokio::test]
async fn a_sweep_sees_what_was_broken_outside() {
    let world = World::with_quickstart();
    let running = world.run().await;
    running.ready("acme").await;
    let removed = world.hosting.world().named("acme").expect("the project").facts.env.pop();
    let key = removed.expect("a variable").key;
    let mut sweeper = crate::observe::Sweeper::new(running.context.clone(), None);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let is_back = || {
        let mut hosting = world.hosting.world();
        hosting.named("acme").is_some_and(|project| project.facts.env.iter().any(|row| row.key == key))
    };
    while !is_back() {
        assert!(tokio::time::Instant::now() < deadline, "waited in vain for {key}");
        // A Fork that is in a pass just now is left to the next sweep.
        sweeper.sweep().await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    running.ready("acme").await;
    running.stop().await;
}

fn reason<'a>(fork: &'a Fork, type_: &str) -> Option<&'a str> {
    let conditions = &fork.status.as_ref()?.conditions;
    conditions.iter().find(|condition| condition.type_ == type_).map(|condition| condition.reason.as_str())
}

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);
