//! Releases: one for each new commit of the production branch.

use forkable_tests::World;

async fn unprotected() -> World {
    let world = World::with_reference_fork().await;
    // Without a required review a person may push directly.
    world.edit("acme.yaml", "      requiredReviews: 1\n      requiredChecks:\n        - context: build\n          appId: 15368 # GitHub Actions\n", "");
    world.converge().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_commit_becomes_a_release_and_is_built_once() {
    let world = unprotected().await;
    let head = world.push_file("acme-inc/acme", "app/page.tsx", "export default () => 'new'\n").await;
    world.converge().await;
    let fork = world.fork("acme").await;
    assert_eq!(fork["status"]["currentRelease"]["commit"], head);
    let (_, page) = world.page("acme.example.com").await;
    assert!(page.contains(&head[..7]), "the page is not of {head}");
    let project = world.project("acme").await;
    let of_head: Vec<_> = project["deployments"]
        .as_array()
        .expect("deployments")
        .iter()
        .filter(|deployment| deployment["sha"] == head.as_str())
        .collect();
    assert_eq!(of_head.len(), 1, "Vercel's own build of the push is adopted: {of_head:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_build_shows_the_tail_of_its_log_and_keeps_the_old_release() {
    let world = unprotected().await;
    let before = world.fork("acme").await["status"]["currentRelease"]["commit"].clone();
    let head = world
        .push_file(
            "acme-inc/acme",
            "forkable-sandbox.fail-build",
            "error: the widget is upside down\nsk_test_not_a_real_key\n",
        )
        .await;
    assert_eq!(world.up_once().await.code, Some(1));
    let (status, reason, message) = world.condition("acme", "Released").await.expect("a condition");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "BuildFailed"), "{message}");
    assert!(message.contains("the widget is upside down\n[redacted]"), "{message}");
    let output = world.run(&["why", "acme"]).await;
    assert!(output.stdout.contains("the widget is upside down"), "{}", output.stdout);
    let (status, page) = world.page("acme.example.com").await;
    assert_eq!(status, 200);
    assert!(page.contains(&before.as_str().expect("a commit")[..7]) && !page.contains(&head[..7]));
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_kept_to_its_limit() {
    let world = unprotected().await;
    world.edit("acme.yaml", "  release:\n", "  release:\n    revisionHistoryLimit: 2\n");
    for n in 0..4 {
        world.push_file("acme-inc/acme", "app/page.tsx", &format!("export default () => {n}\n")).await;
        world.converge().await;
    }
    let output = world.run(&["get", "deployment", "-o", "json"]).await;
    let releases: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(releases["items"].as_array().map(Vec::len), Some(3), "the current one and two before: {releases:#}");
}
