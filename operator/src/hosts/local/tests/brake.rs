use std::fs;

use forkable_core::store::Store as _;

use super::{World, manifest, secret, shown};
use crate::hosts::local::{RequestError, request_delete};

async fn world_of(names: &[&str]) -> World {
    let files: Vec<_> = names.iter().map(|name| (format!("{name}.yaml"), manifest(name))).collect();
    let files: Vec<_> = files.iter().map(|(file, text)| (file.as_str(), text.clone())).collect();
    World::new(&files).await
}

fn of(name: &str) -> (String, String) {
    ("default".into(), name.into())
}

#[tokio::test]
async fn one_deleted_manifest_deletes_one_object() {
    let mut world = world_of(&["a", "b", "c"]).await;
    world.remove("b.yaml");
    assert!(world.load().await.is_empty());
    assert_eq!(world.forks().await, ["a", "c"]);
}

#[tokio::test]
async fn a_manifest_that_is_away_for_a_moment_deletes_nothing() {
    let mut world = world_of(&["a", "b"]).await;
    let before = world.fork("a").await;
    world.remove("a.yaml");
    let host = world.host.as_mut().expect("started");
    let synced = host.look(true).await.expect("the store works");
    assert!(synced.again_in.is_some(), "it has to stay away");
    world.write("a.yaml", &manifest("a"));
    assert!(world.load().await.is_empty());
    assert_eq!(world.fork("a").await, before);
}

#[tokio::test]
async fn an_emptied_folder_deletes_nothing() {
    let mut world = world_of(&["a"]).await;
    world.remove("a.yaml");
    for _ in 0..2 {
        let problems = world.load().await;
        let root = world.path().display().to_string();
        let message = format!(
            "MassChangeBlocked {root} is empty, so nothing was deleted (fork/a). Put the manifests back, or run: \
             forkable delete a --dir {root}"
        );
        assert_eq!(shown(&problems), [message]);
        assert_eq!(world.forks().await, ["a"]);
        world.restart().await;
    }
    world.write("a.yaml", &manifest("a"));
    assert!(world.load().await.is_empty());
    assert_eq!(world.forks().await, ["a"]);
}

#[tokio::test]
async fn a_folder_that_is_gone_or_no_folder_deletes_nothing() {
    let mut world = world_of(&["a", "b"]).await;
    let (here, away) = (world.path().to_owned(), world.path().with_extension("away"));
    fs::rename(&here, &away).expect("renamed");
    let problems = world.load().await;
    assert_eq!((problems.len(), problems[0].reason), (1, "UnreadableFolder"), "{problems:?}");
    fs::write(&here, "a file").expect("written");
    assert_eq!(world.load().await[0].reason, "UnreadableFolder");
    fs::remove_file(&here).expect("removed");
    // What is mounted over is an empty folder.
    fs::create_dir(&here).expect("made");
    assert_eq!(world.load().await[0].reason, "MassChangeBlocked");
    fs::remove_dir(&here).expect("empty");
    fs::rename(&away, &here).expect("renamed");
    assert!(world.load().await.is_empty());
    assert_eq!(world.forks().await, ["a", "b"]);
}

#[tokio::test]
async fn too_many_at_once_are_not_deleted() {
    let mut world = world_of(&["a", "b", "c", "d"]).await;
    world.remove("a.yaml");
    world.remove("b.yaml");
    let problems = world.load().await;
    assert_eq!(problems[0].reason, "MassChangeBlocked");
    assert!(problems[0].message.starts_with("2 of 4 Forks are gone from "), "{problems:?}");
    assert!(problems[0].message.contains("forkable delete a b --dir "), "{problems:?}");
    assert_eq!(world.forks().await, ["a", "b", "c", "d"]);
    let events = world.store().reader().events(&problem_object("a")).await.expect("read");
    assert_eq!(events.first().map(|event| event.reason.as_str()), Some("MassChangeBlocked"));

    world.write("b.yaml", &manifest("b"));
    assert!(world.load().await.is_empty());
    assert_eq!(world.forks().await, ["b", "c", "d"], "one may go");
}

fn problem_object(name: &str) -> forkable_core::store::ObjectRef {
    forkable_core::store::ObjectRef::new("Fork", "default", name)
}

#[tokio::test]
async fn three_of_ten_may_go_and_four_may_not() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let mut world = world_of(&names).await;
    for name in &names[..4] {
        world.remove(&format!("{name}.yaml"));
    }
    assert_eq!(world.load().await.len(), 1);
    assert_eq!(world.forks().await.len(), 10);
    world.write("a.yaml", &manifest("a"));
    assert!(world.load().await.is_empty());
    assert_eq!(world.forks().await.len(), 7);
}

#[tokio::test]
async fn a_person_may_delete_past_the_brake() {
    let mut world = world_of(&["a", "b", "c"]).await;
    let declared = request_delete(world.path(), &[of("a")]).await.expect_err("its manifest is there");
    assert!(matches!(declared, RequestError::StillDeclared { .. }), "{declared}");
    let unknown = request_delete(world.path(), &[of("x")]).await.expect_err("no such Fork");
    assert_eq!(unknown.to_string(), "fork/x does not exist");
    for name in ["a", "b", "c"] {
        world.remove(&format!("{name}.yaml"));
    }
    assert_eq!(world.load().await[0].reason, "MassChangeBlocked");
    request_delete(world.path(), &[of("a"), of("b")]).await.expect("asked while the host works");
    assert_eq!(world.load().await[0].reason, "MassChangeBlocked", "c is still blocked: the folder is empty");
    assert_eq!(world.forks().await, ["c"]);
    request_delete(world.path(), &[of("c")]).await.expect("asked");
    assert!(world.load().await.is_empty());
    assert!(world.forks().await.is_empty());
}

#[tokio::test]
async fn a_request_does_not_outlive_a_manifest_that_came_back() {
    let mut world = world_of(&["a", "b", "c"]).await;
    for name in ["a", "b", "c"] {
        world.remove(&format!("{name}.yaml"));
    }
    world.load().await;
    request_delete(world.path(), &[of("a")]).await.expect("asked");
    for name in ["a", "b", "c"] {
        world.write(&format!("{name}.yaml"), &manifest(name));
    }
    let problems = world.load().await;
    assert_eq!(
        shown(&problems),
        ["StillDeclared fork/a was not deleted, since a.yaml still declares it: delete that first"]
    );
    for name in ["a", "b", "c"] {
        world.remove(&format!("{name}.yaml"));
    }
    assert_eq!(world.load().await[0].reason, "MassChangeBlocked");
    assert_eq!(world.forks().await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_folder_that_keeps_only_its_secrets_still_brakes() {
    let mut world = World::new(&[
        ("a.yaml", manifest("a")),
        ("b.yaml", manifest("b")),
        ("c.yaml", manifest("c")),
        ("s.yaml", secret("s", "v")),
    ])
    .await;
    for name in ["a", "b", "c"] {
        world.remove(&format!("{name}.yaml"));
    }
    assert_eq!(world.load().await[0].reason, "MassChangeBlocked");
    assert_eq!(world.forks().await.len(), 3);
    assert!(world.store().secret("default", "s").await.expect("read").is_some());
}

#[tokio::test]
async fn a_subfolder_is_one_of_the_places_that_may_be_away() {
    let mut world = World::new(&[("a.yaml", manifest("a")), ("sub/b.yaml", manifest("b"))]).await;
    fs::rename(world.path().join("sub"), world.path().join(".sub")).expect("renamed");
    world.load().await;
    assert_eq!(world.forks().await, ["a"], "a hidden folder is none of ours");
}
