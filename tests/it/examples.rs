//! Every folder of `deploy/examples` does in the sandbox what its comments say.

use std::{path::Path, time::Duration};

use forkable_tests::{
    World, eventually,
    examples::{self, Promise},
};
use reqwest::Method;
use serde_json::{Value, json};

async fn hold(example: &Path) {
    let name = example.file_name().expect("a folder has a name").to_string_lossy().into_owned();
    let world = World::start().await;
    if name == "adopt" {
        let body = json!({ "name": name, "private": true, "auto_init": true });
        world.person("github", Method::POST, "/orgs/acme-inc/repos", Some(body)).await;
    }
    let manifests = examples::manifests(example);
    let promises: Vec<_> = manifests.iter().flat_map(|(_, text)| examples::promises(text)).collect();
    assert!(!promises.is_empty(), "{name} shows no Fork");
    for (file, text) in &manifests {
        world.write(file, text);
    }
    let output = world.up_once().await;
    let printed = format!("{}\n{}", output.stdout, output.stderr);
    let all_ready = promises.iter().all(|promise| promise.becomes == "Ready");
    assert_eq!(output.code, Some(i32::from(!all_ready)), "{name}:\n{printed}");
    for Promise { fork, becomes } in &promises {
        let (status, reason, message) = world.condition(fork, "Ready").await.expect("a Fork has conditions");
        let (expected, because) = becomes.strip_prefix("not Ready, ").map_or(("True", None), |r| ("False", Some(r)));
        assert_eq!(status, expected, "{name}: {fork} is {reason}: {message}\n{printed}");
        assert_eq!(because.unwrap_or(&reason), reason, "{name}: {fork}: {message}");
    }
    // `--once` waits for Forks; a release that no Fork made may still be under way.
    let going_on = world.up();
    eventually(&format!("{name}: every release is ready"), Duration::from_mins(1), || async {
        let stored = world.stored().await;
        stored.iter().all(|o| o.kind != "Deployment" || o.is_ready() || !all_ready).then_some(())
    })
    .await;
    going_on.kill().await;
    if name == "adopt" {
        let status = world.fork("adopt").await["status"].clone();
        assert_eq!(status["repository"]["owned"], Value::Bool(true), "what was there is taken over: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_becomes_what_it_says() {
    let examples = examples::folders();
    assert!(examples.len() > 10, "there are {} examples", examples.len());
    // Side by side: each of them waits most of the time.
    futures::future::join_all(examples.iter().map(|example| hold(example))).await;
}
