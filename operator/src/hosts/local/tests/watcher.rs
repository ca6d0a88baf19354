use std::{fs, future::Future, sync::Arc, time::Duration};

use forkable_core::store::{Kind as _, Store as _};
use forkable_crds::{Fork, ForkStatus};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{World, manifest, named};
use crate::hosts::local::{LocalHost, LocalStore};

async fn eventually<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !look().await {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn names(store: &LocalStore) -> Vec<String> {
    store.list::<Fork>().await.expect("listed").iter().map(|fork| fork.name().to_owned()).collect()
}

#[tokio::test]
async fn the_store_follows_the_folder_until_it_is_stopped() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // A poll that never comes in this test: what is seen was told by the system.
    let settle = Duration::from_millis(100);
    let host = LocalHost::with_times(dir.path(), settle, Duration::from_hours(1)).await.expect("opened");
    let (store, problems, stop) = (host.store(), host.problems(), CancellationToken::new());
    let running = tokio::spawn(host.run(stop.clone()));

    fs::create_dir(dir.path().join("sub")).expect("made");
    fs::write(dir.path().join("a.yaml"), manifest("a")).expect("written");
    fs::write(dir.path().join("sub/b.yaml"), manifest("b")).expect("written");
    eventually("both Forks", || async { names(&store).await == ["a", "b"] }).await;

    fs::write(dir.path().join(".draft"), named("a", "Changed")).expect("written");
    fs::rename(dir.path().join(".draft"), dir.path().join("a.yaml")).expect("replaced");
    eventually("the change", || async {
        let fork: Arc<Fork> = store.get("default", "a").await.expect("read").expect("there");
        fork.spec.display_name.as_deref() == Some("Changed")
    })
    .await;

    fs::write(dir.path().join("a.yaml"), "oops: [").expect("written");
    eventually("the problem", || async { problems.borrow().len() == 1 }).await;
    fs::remove_file(dir.path().join("a.yaml")).expect("removed");
    eventually("the deletion", || async { names(&store).await == ["b"] && problems.borrow().is_empty() }).await;

    stop.cancel();
    running.await.expect("it ends by itself");
}

#[tokio::test]
async fn polling_alone_sees_a_folder_that_was_replaced() {
    let parent = tempfile::tempdir().expect("a temporary folder");
    let root = parent.path().join("forks");
    fs::create_dir(&root).expect("made");
    fs::write(root.join("a.yaml"), manifest("a")).expect("written");
    let poll = Duration::from_millis(20);
    let host = LocalHost::with_times(&root, poll, poll).await.expect("opened");
    let (store, stop) = (host.store(), CancellationToken::new());
    let running = tokio::spawn(host.run(stop.clone()));
    eventually("the Fork", || async { names(&store).await == ["a"] }).await;

    let copy = parent.path().join("copy");
    fs::create_dir(&copy).expect("made");
    fs::write(copy.join("a.yaml"), named("a", "Replaced")).expect("written");
    fs::rename(&root, parent.path().join("old")).expect("renamed");
    fs::rename(&copy, &root).expect("renamed");
    let display_name = || async {
        let fork: Option<Arc<Fork>> = store.get("default", "a").await.expect("read");
        fork.and_then(|fork| fork.spec.display_name.clone())
    };
    eventually("the replaced folder", || async { display_name().await.as_deref() == Some("Replaced") }).await;
    fs::write(root.join("a.yaml"), named("a", "Edited")).expect("written");
    eventually("the edit in the new folder", || async { display_name().await.as_deref() == Some("Edited") }).await;
    stop.cancel();
    running.await.expect("it ends by itself");
}

#[tokio::test]
async fn an_idle_folder_is_left_alone() {
    let mut world = World::new(&[("a.yaml", manifest("a"))]).await;
    let fork = world.fork("a").await;
    let host = world.host.as_mut().expect("started");
    for _ in 0..3 {
        let synced = host.look(false).await.expect("the store works");
        assert!(synced.problems.is_empty() && synced.again_in.is_none());
    }
    assert_eq!(world.fork("a").await, fork, "no look writes");
    // A status write is no reason to look, and a look keeps it.
    world
        .store()
        .write_status(&fork, ForkStatus { url: Some("x".into()), ..ForkStatus::default() })
        .await
        .expect("current");
    assert!(world.load().await.is_empty());
    assert_eq!(world.fork("a").await.status.clone().and_then(|status| status.url).as_deref(), Some("x"));
}
