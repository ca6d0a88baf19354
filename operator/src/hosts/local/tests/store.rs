use std::{collections::BTreeMap, fs, sync::Arc};

use forkable_core::store::{EventType, Kind as _, Store as _, StoreError};
use forkable_crds::{Deployment, Fork, ForkStatus};
use futures::StreamExt as _;

use super::{World, manifest, named, release, secret};
use crate::hosts::local::{KeyError, LocalStore, OpenError, Reader};

fn status(url: &str) -> ForkStatus {
    ForkStatus { url: Some(url.to_owned()), ..ForkStatus::default() }
}

#[tokio::test]
async fn the_generation_counts_changes_of_the_spec_only() {
    let mut world = World::new(&[("acme.yaml", manifest("acme"))]).await;
    let first = world.fork("acme").await;
    assert_eq!((first.generation(), first.spec.deletion_policy), (1, forkable_crds::fork::DeletionPolicy::Retain));
    let written = world.store().write_status(&first, status("https://a.example.com")).await.expect("written");
    assert_eq!(written.generation(), 1);
    assert_ne!(written.metadata.resource_version, first.metadata.resource_version);

    world.write(
        "acme.yaml",
        &manifest("acme").replace("{name: acme}\nspec", "{name: acme, labels: {tier: gold}}\nspec"),
    );
    world.load().await;
    let labelled = world.fork("acme").await;
    assert_eq!((labelled.generation(), labelled.metadata.labels.as_ref().map(BTreeMap::len)), (1, Some(1)));

    world.write("acme.yaml", &named("acme", "Other"));
    world.load().await;
    let changed = world.fork("acme").await;
    assert_eq!(changed.generation(), 2);
    assert_eq!(changed.metadata.uid, first.metadata.uid);
    assert_eq!(changed.status, Some(status("https://a.example.com")), "a manifest leaves the status alone");
}

#[tokio::test]
async fn a_stale_status_write_is_refused_and_every_write_counts() {
    let world = World::new(&[("acme.yaml", manifest("acme"))]).await;
    let store = world.store();
    assert_eq!(store.status_writes(), 0);
    let old = world.fork("acme").await;
    let new = store.write_status(&old, status("a")).await.expect("current");
    let stale = store.write_status(&old, status("b")).await;
    assert!(matches!(stale, Err(StoreError::Conflict(_))), "{stale:?}");
    let same = store.write_status(&new, status("a")).await.expect("current");
    assert_eq!(same, new, "writing what is there changes nothing");
    assert_eq!(store.status_writes(), 3);
    assert_eq!(world.fork("acme").await.status, Some(status("a")));
}

#[tokio::test]
async fn finalizers_hold_an_object_and_its_releases_go_with_it() {
    let mut world = World::new(&[("acme.yaml", manifest("acme")), ("keep.yaml", manifest("keep"))]).await;
    let store = world.store();
    let fork = store.set_finalizer(&world.fork("acme").await, true).await.expect("current");
    assert_eq!(store.set_finalizer(&fork, true).await.expect("current"), fork, "it is there already");
    store.create(release(&fork, "acme-1")).await.expect("a free name");
    let other = release(&*world.fork("keep").await, "keep-1");
    store.create(other).await.expect("a free name");

    world.remove("acme.yaml");
    world.load().await;
    let deleting = world.fork("acme").await;
    assert!(deleting.is_deleting());
    assert_eq!(store.list::<Deployment>().await.expect("listed").len(), 2);

    store.set_finalizer(&deleting, false).await.expect("current");
    assert_eq!(world.forks().await, ["keep"]);
    let left = store.list::<Deployment>().await.expect("listed");
    assert_eq!(left.iter().map(|d| d.name()).collect::<Vec<_>>(), ["keep-1"]);
}

#[tokio::test]
async fn a_deleted_object_that_is_declared_again_is_made_anew() {
    let mut world = World::new(&[("acme.yaml", manifest("acme")), ("keep.yaml", manifest("keep"))]).await;
    let first = world.store().set_finalizer(&world.fork("acme").await, true).await.expect("current");
    world.remove("acme.yaml");
    world.load().await;
    world.write("acme.yaml", &manifest("acme"));
    world.load().await;
    let deleting = world.fork("acme").await;
    assert!(deleting.is_deleting(), "nothing undoes a deletion");
    world.store().set_finalizer(&deleting, false).await.expect("current");
    world.load().await;
    let second = world.fork("acme").await;
    assert!(!second.is_deleting());
    assert_ne!(second.metadata.uid, first.metadata.uid);
}

#[tokio::test]
async fn creating_validates_and_refuses_a_taken_name() {
    let world = World::new(&[("acme.yaml", manifest("acme"))]).await;
    let fork = world.fork("acme").await;
    let made = world.store().create(release(&fork, "acme-1")).await.expect("a free name");
    assert_eq!(made.generation(), 1);
    let taken = world.store().create(release(&fork, "acme-1")).await;
    assert!(matches!(taken, Err(StoreError::AlreadyExists(_))), "{taken:?}");
    let mut wrong = release(&fork, "acme-2");
    wrong.spec.source.commit = Some("main".into());
    let refused = world.store().create(wrong).await.expect_err("two sources").to_string();
    assert!(
        refused.contains("exactly one of commit and ref must be set") || refused.contains("should match"),
        "{refused}"
    );
    world.store().delete(&made).await.expect("deleted");
    world.store().delete(&made).await.expect("deleting what is gone is no error");
    assert_eq!(world.store().get::<Deployment>("default", "acme-1").await.expect("read"), None);
}

#[tokio::test]
async fn everything_but_secrets_survives_a_restart() {
    let mut world = World::new(&[("acme.yaml", manifest("acme")), ("s.yaml", secret("acme", "v"))]).await;
    let written = world.store().write_status(&world.fork("acme").await, status("a")).await.expect("current");
    let digest = world.store().digest_key().await.expect("a key").digest("c", "v");
    world.restart().await;
    assert_eq!(world.fork("acme").await, written);
    assert_eq!(world.store().secret("default", "acme").await.expect("read"), None, "not before the folder was read");
    assert!(world.load().await.is_empty());
    assert_eq!(world.fork("acme").await, written, "an unchanged folder writes nothing");
    assert_eq!(world.store().digest_key().await.expect("a key").digest("c", "v"), digest);
    let data = world.store().secret("default", "acme").await.expect("read").expect("there");
    assert_eq!(data["token"].expose(), "v");
}

#[tokio::test]
async fn releases_of_a_fork_that_is_gone_are_collected_at_the_start() {
    let mut world = World::new(&[("acme.yaml", manifest("acme"))]).await;
    let mut fork = Arc::unwrap_or_clone(world.fork("acme").await);
    fork.metadata.uid = Some("of another life".into());
    world.store().create(release(&fork, "acme-1")).await.expect("a free name");
    world.restart().await;
    assert_eq!(world.store().list::<Deployment>().await.expect("listed"), []);
}

#[tokio::test]
async fn one_process_works_on_a_folder_and_others_may_look() {
    let mut world = World::new(&[("acme.yaml", manifest("acme"))]).await;
    let refused = LocalStore::open(world.path()).await.err().expect("locked");
    assert!(matches!(refused, OpenError::Locked(_)), "{refused}");
    assert!(refused.to_string().starts_with("another forkable works on "), "{refused}");
    let reader = Reader::open(world.path()).await.expect("readable");
    assert_eq!(reader.list::<Fork>().await.expect("listed").len(), 1);
    world.host = None;
    LocalStore::open(world.path()).await.expect("free again");

    let fresh = tempfile::tempdir().expect("a temporary folder");
    let unknown = Reader::open(fresh.path()).await.expect_err("nobody worked there");
    assert!(matches!(unknown, OpenError::NoState(_)), "{unknown}");
    let missing = LocalStore::open(&fresh.path().join("x")).await.err().expect("no folder");
    assert!(matches!(missing, OpenError::Folder { .. }), "{missing}");
}

#[tokio::test]
async fn generated_values_are_made_once_and_lie_encrypted() {
    let canary = "canary-5f0c1e";
    let mut world = World::new(&[("acme.yaml", manifest("acme")), ("s.yaml", secret("acme", canary))]).await;
    assert_eq!(world.generated("TOKEN", canary).await, canary);
    world.restart().await;
    world.load().await;
    assert_eq!(world.generated("TOKEN", "another").await, canary, "kept over a restart");
    assert_eq!(world.generated("OTHER", "another").await, "another");

    let mut files = 0;
    for entry in fs::read_dir(world.path().join(".forkable")).expect("the state is there") {
        let path = entry.expect("readable").path();
        let bytes = fs::read(&path).expect("readable");
        assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()), "{}", path.display());
        files += 1;
    }
    assert!(files >= 4, "database, key, lock and .gitignore");
}

#[tokio::test]
async fn a_lost_key_is_not_replaced_while_values_depend_on_it() {
    let mut world = World::new(&[("acme.yaml", manifest("acme"))]).await;
    let key = world.path().join(".forkable/key");
    world.host = None;
    fs::remove_file(&key).expect("there");
    world.restart().await;
    world.generated("TOKEN", "v").await;
    world.host = None;
    fs::remove_file(&key).expect("made again");
    let refused = LocalStore::open(world.path()).await.err().expect("the key is lost");
    assert!(matches!(refused, OpenError::Key(KeyError::Lost { .. })), "{refused}");
}

#[tokio::test]
async fn watchers_see_changes_and_the_forks_of_changed_secrets() {
    let uses = manifest("acme") + "  env: [{name: A, valueFrom: {secretKeyRef: {name: shared, key: token}}}]\n";
    let files = [("acme.yaml", uses), ("other.yaml", manifest("other")), ("s.yaml", secret("shared", "1"))];
    let mut world = World::new(&files).await;
    let mut changes = world.store().watch();
    world.write("s.yaml", &secret("shared", "2"));
    world.load().await;
    assert_eq!(changes.next().await.expect("a change").to_string(), "fork/acme");
    world.write("other.yaml", &named("other", "Changed"));
    world.load().await;
    assert_eq!(changes.next().await.expect("a change").to_string(), "fork/other");
    world.remove("s.yaml");
    world.load().await;
    assert_eq!(changes.next().await.expect("a change").to_string(), "fork/acme");
    assert_eq!(world.store().secret("default", "shared").await.expect("read"), None);
}

#[tokio::test]
async fn a_watcher_that_fell_behind_is_told_everything() {
    let world = World::new(&[("acme.yaml", manifest("acme")), ("other.yaml", manifest("other"))]).await;
    let mut changes = world.store().watch();
    let acme = world.fork("acme").await.reference();
    for _ in 0..5000 {
        world.store().changed([acme.clone()]);
    }
    let seen: Vec<_> = changes.by_ref().take(2).map(|reference| reference.to_string()).collect().await;
    assert_eq!(seen, ["fork/acme", "fork/other"]);
}

#[tokio::test]
async fn repeated_events_are_merged() {
    let world = World::new(&[("acme.yaml", manifest("acme"))]).await;
    let about = world.fork("acme").await.reference();
    for message in ["built", "built", "live"] {
        world.store().event(&about, EventType::Normal, "Released", message).await;
    }
    for i in 0..70 {
        world.store().event(&about, EventType::Warning, "Noise", &format!("{i}")).await;
    }
    let events = world.store().reader().events(&about).await.expect("read");
    assert_eq!(events.len(), 64, "old ones are dropped");
    assert_eq!(events.last().map(|e| (e.type_.as_str(), e.message.as_str(), e.count)), Some(("Warning", "69", 1)));
    world.store().event(&about, EventType::Normal, "Released", "live").await;
    world.store().event(&about, EventType::Normal, "Released", "live").await;
    let events = world.store().reader().events(&about).await.expect("read");
    let live = events.iter().find(|event| event.message == "live").expect("there");
    assert_eq!(live.count, 2);
}

#[tokio::test]
async fn config_maps_are_plain() {
    let map =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: \"1\"}\nbinaryData: {b: Yg==, c: /w==}\n";
    let world = World::new(&[("c.yml", map.to_owned())]).await;
    let data = world.store().config_map("default", "c").await.expect("read").expect("there");
    let expected = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "b".to_owned())]);
    assert_eq!(data, expected, "what is not text is left out");
    assert_eq!(world.store().secret("default", "c").await.expect("read"), None);
}
