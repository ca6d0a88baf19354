use std::fs;

use forkable_core::store::{Kind as _, Store as _};
use forkable_crds::Fork;

use super::{World, manifest, named, secret, shown};

#[tokio::test]
async fn subfolders_json_and_lists_are_read_and_hidden_files_are_not() {
    let json = r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "j"}, "stringData": {"token": "yes"}}"#;
    let list = format!("apiVersion: v1\nkind: List\nitems:\n- {}", manifest("c").trim_end().replace('\n', "\n  "));
    let world = World::new(&[
        ("a.yaml", manifest("a")),
        ("sub/deep/b.yml", manifest("b")),
        ("c.yaml", list),
        ("s.json", json.to_owned()),
        (".hidden.yaml", "not: [yaml".to_owned()),
        (".git/x.yaml", manifest("git")),
        (".forkable/x.yaml", manifest("own")),
        ("readme.txt", "not: [yaml".to_owned()),
    ])
    .await;
    assert_eq!(world.forks().await, ["a", "b", "c"]);
    assert!(world.store().secret("default", "j").await.expect("read").is_some());
}

#[tokio::test]
async fn a_half_written_file_keeps_what_it_declared() {
    let two = format!("{}---\n{}", manifest("a"), manifest("b"));
    let mut world = World::new(&[("two.yaml", two.clone()), ("c.yaml", manifest("c"))]).await;
    let before = world.fork("a").await;
    for half in [&two[..two.len() - 10], "spec: {a", "", "\n# nothing\n", "{"] {
        world.write("two.yaml", half);
        let problems = world.load().await;
        assert_eq!(world.forks().await, ["a", "b", "c"], "{half:?}");
        assert_eq!(world.fork("a").await, before, "{half:?}");
        assert_eq!(problems.len(), 1, "{half:?}: {problems:?}");
        assert_eq!(problems[0].file.as_deref(), Some("two.yaml"));
    }
    world.write("two.yaml", &two);
    assert!(world.load().await.is_empty());
    assert_eq!(world.fork("a").await, before);
}

#[tokio::test]
async fn a_file_that_is_half_written_at_the_start_keeps_what_it_declared_before() {
    let mut world = World::new(&[("a.yaml", manifest("a")), ("b.yaml", manifest("b"))]).await;
    world.write("a.yaml", "apiVersion: forkable.dev/v1alpha1\nkind: Fo");
    world.restart().await;
    assert_eq!(shown(&world.load().await).len(), 1);
    assert_eq!(world.forks().await, ["a", "b"]);
    assert!(!world.fork("a").await.is_deleting());
}

#[tokio::test]
async fn syntax_errors_name_file_line_and_column() {
    let mut world = World::new(&[("b.yaml", manifest("b"))]).await;
    world.write("sub/a.yaml", "kind: Fork\nmetadata:\n  name: a\n  name: b\n");
    world.write("c.json", "{\"kind\":\n  oops}");
    assert_eq!(
        shown(&world.load().await),
        ["UnreadableFile c.json:2:3: expected value", "UnreadableFile sub/a.yaml:4:3: key \"name\" already set in map",]
    );
    assert_eq!(world.forks().await, ["b"]);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_keeps_what_it_declared() {
    let mut world = World::new(&[("a.yaml", manifest("a")), ("b.yaml", manifest("b"))]).await;
    fs::write(world.path().join("a.yaml"), [0xff, 0xfe, 0]).expect("writable");
    let problems = world.load().await;
    assert_eq!((problems.len(), problems[0].reason), (1, "UnreadableFile"), "{problems:?}");
    world.remove("a.yaml");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere.txt", world.path().join("a.yaml")).expect("a link");
        assert_eq!(world.load().await.len(), 1);
    }
    #[cfg(unix)]
    assert_eq!(world.forks().await, ["a", "b"]);
}

#[tokio::test]
async fn an_invalid_edit_leaves_the_accepted_spec_in_force() {
    let mut world = World::new(&[("a.yaml", manifest("a")), ("b.yaml", manifest("b"))]).await;
    let before = world.fork("a").await;
    world.write("a.yaml", &(named("a", "Changed") + "  nope: 1\n  env:\n  - {name: A}\n"));
    assert_eq!(
        shown(&world.load().await),
        ["InvalidManifest a.yaml:9:3: strict decoding error: unknown field \"spec.nope\""]
    );
    world.write("a.yaml", &(named("a", "Changed") + "  env:\n  - {name: A}\n"));
    let message =
        "The Fork \"a\" is invalid: spec.env[0]: Invalid value: exactly one of value and valueFrom must be set";
    assert_eq!(shown(&world.load().await), [format!("InvalidManifest a.yaml:10:5: {message}")]);
    world.write("a.yaml", &manifest("a").replace("repo: framework", "repo: other"));
    let problems = world.load().await;
    assert!(problems[0].to_string().contains("template.owner and template.repo are immutable"), "{problems:?}");
    assert_eq!(world.fork("a").await, before);
    let events = world.store().reader().events(&before.reference()).await.expect("read");
    assert_eq!(events.len(), 3, "each problem was told once: {events:?}");

    world.write("a.yaml", &named("a", "Changed"));
    assert!(world.load().await.is_empty());
    assert_eq!(world.fork("a").await.spec.display_name.as_deref(), Some("Changed"));
}

#[tokio::test]
async fn a_manifest_that_lost_its_name_kind_or_namespace_deletes_nothing() {
    let mut world = World::new(&[("a.yaml", manifest("a")), ("b.yaml", manifest("b"))]).await;
    for wrong in [
        manifest("a").replace("{name: a}\nspec", "{}\nspec"),
        manifest("a").replace("kind: Fork", "kind: Frok"),
        manifest("a").replace("v1alpha1", "v1alpha2"),
        manifest("a").replace("{name: a}\nspec", "{name: no}\nspec"),
        manifest("a").replace("{name: a}\nspec", "{name: a, namespace: 5}\nspec"),
        manifest("a").replace("{name: a}\nspec", "{name: A}\nspec"),
        "hello".to_owned(),
        "[a]".to_owned(),
    ] {
        world.write("a.yaml", &wrong);
        let problems = world.load().await;
        assert_eq!((problems.len(), problems[0].reason), (1, "InvalidManifest"), "{wrong}: {problems:?}");
        assert_eq!(world.forks().await, ["a", "b"], "{wrong}");
        assert!(!world.fork("a").await.is_deleting(), "{wrong}");
    }
}

#[tokio::test]
async fn of_two_manifests_of_one_object_the_accepted_one_counts() {
    let mut world = World::new(&[("m.yaml", named("acme", "First"))]).await;
    world.write("a.yaml", &named("acme", "Second"));
    world.write("z.yaml", &named("acme", "Third"));
    assert_eq!(
        shown(&world.load().await),
        [
            "DuplicateManifest a.yaml:1:1: fork/acme is declared in m.yaml:1 too, and that one counts",
            "DuplicateManifest z.yaml:1:1: fork/acme is declared in m.yaml:1 too, and that one counts",
        ]
    );
    assert_eq!(world.fork("acme").await.spec.display_name.as_deref(), Some("First"));
    world.restart().await;
    assert_eq!(world.load().await.len(), 2);
    assert_eq!(world.fork("acme").await.spec.display_name.as_deref(), Some("First"), "a restart changes nothing");

    world.remove("m.yaml");
    assert_eq!(
        shown(&world.load().await),
        ["DuplicateManifest z.yaml:1:1: fork/acme is declared in a.yaml:1 too, and that one counts",]
    );
    assert_eq!(world.fork("acme").await.spec.display_name.as_deref(), Some("Second"));
}

#[tokio::test]
async fn two_manifests_of_one_object_in_one_file() {
    let mut world = World::new(&[]).await;
    world.write("a.yaml", &format!("{}---\n{}", named("acme", "First"), named("acme", "Second")));
    assert_eq!(
        shown(&world.load().await),
        ["DuplicateManifest a.yaml:10:1: fork/acme is declared in a.yaml:1 too, and that one counts",]
    );
    assert_eq!(world.fork("acme").await.spec.display_name.as_deref(), Some("First"));
}

#[tokio::test]
async fn a_manifest_that_moves_to_another_file_stays_the_same_object() {
    let mut world = World::new(&[("a.yaml", manifest("a")), ("b.yaml", manifest("b"))]).await;
    let before = world.fork("a").await;
    world.remove("a.yaml");
    world.write("sub/new.yaml", &manifest("a"));
    assert!(world.load().await.is_empty());
    let after = world.fork("a").await;
    assert_eq!((&after.metadata.uid, after.metadata.generation), (&before.metadata.uid, Some(1)));
}

#[tokio::test]
async fn one_bad_manifest_does_not_hold_its_neighbours() {
    let mut world = World::new(&[("two.yaml", format!("{}---\n{}", manifest("a"), manifest("b")))]).await;
    let text = format!("{}  nope: 1\n---\n{}", manifest("a"), named("b", "Changed"));
    world.write("two.yaml", &text);
    assert_eq!(world.load().await.len(), 1);
    assert_eq!(world.fork("b").await.spec.display_name.as_deref(), Some("Changed"));
    assert_eq!(world.fork("a").await.spec.display_name.as_deref(), Some("Acme"));
}

#[tokio::test]
async fn namespaces_keep_objects_apart() {
    let other = manifest("a").replace("{name: a}\nspec", "{name: a, namespace: team}\nspec");
    let world = World::new(&[("a.yaml", manifest("a")), ("b.yaml", other), ("s.yaml", secret("s", "v"))]).await;
    let forks = world.store().list::<Fork>().await.expect("listed");
    let names: Vec<_> = forks.iter().map(|fork| fork.reference().to_string()).collect();
    assert_eq!(names, ["fork/a", "team/fork/a"]);
    assert_eq!(world.store().secret("team", "s").await.expect("read"), None);
}
