//! What people type and see.

use forkable_tests::World;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn plan_prints_every_change_and_makes_none() {
    let world = World::with_reference_fork().await;
    let output = world.run(&["plan", "-f", "acme.yaml", "-f", "secret.yaml"]).await;
    assert_eq!(output.code, Some(2), "{}\n{}", output.stdout, output.stderr);
    for expected in [
        "+ repository",
        "forkable-ai/framework",
        "+ content",
        "README.md",
        "+ protection",
        "+ project",
        "STRIPE_KEY",
        "www.acme.example.com → acme.example.com",
        "+ release",
        "0 to destroy",
    ] {
        assert!(output.stdout.contains(expected), "{expected:?} is not in:\n{}", output.stdout);
    }
    assert!(!output.stdout.contains("sk_test"), "{}", output.stdout);
    assert_eq!(world.writes().await.len(), 0);
    assert!(!world.path(".forkable").exists(), "nothing was written here either");
    world.converge().await;
    world.forget_calls().await;
    let output = world.run(&["plan", "-f", ".", "--dir", "."]).await;
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert_eq!(world.writes().await.len(), 0);
    world.edit("acme.yaml", "  release:\n", "  envPolicy: Exclusive\n  release:\n");
    world.edit("acme.yaml", "    - name: MODEL\n      value: large\n", "");
    let output = world.run(&["plan", "-f", ".", "--dir", "."]).await;
    assert_eq!(output.code, Some(2), "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("- env") && output.stdout.contains("MODEL"), "{}", output.stdout);
    assert_eq!(world.writes().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn get_and_why_tell_people_and_machines() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    let output = world.run(&["get"]).await;
    let mut lines = output.stdout.lines();
    let head: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(head, ["NAME", "READY", "URL", "REPOSITORY", "RELEASE", "AGE"], "{}", output.stdout);
    let row: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(row[..4], ["acme", "True", "https://acme.example.com", "acme-inc/acme"], "{}", output.stdout);
    let output = world.run(&["why", "acme"]).await;
    assert_eq!(output.code, Some(0));
    assert!(output.stdout.contains("https://acme.example.com"), "{}", output.stdout);
    let output = world.run(&["why", "nobody"]).await;
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("nobody"), "{}", output.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_it_says_what_to_set() {
    let mut world = World::with_reference_fork().await;
    for name in ["GITHUB_TOKEN", "VERCEL_TOKEN"] {
        world.environment.remove(name);
    }
    let output = world.up_once().await;
    assert_eq!(output.code, Some(1));
    for expected in ["GITHUB_TOKEN", "GITHUB_APP_ID", "VERCEL_TOKEN", "--sandbox"] {
        assert!(output.stderr.contains(expected), "{expected} is not in:\n{}", output.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_get_lines_of_json() {
    let world = World::with_reference_fork().await;
    let output = world.run(&["up", ".", "--once", "--listen=127.0.0.1:0", "--output=json"]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let lines: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(!lines.is_empty());
    let output = world.run(&["plan", "-f", ".", "--dir", ".", "--output=json"]).await;
    assert_eq!(output.code, Some(0));
    let plan: Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert!(plan.is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_works_with_its_own_sandbox() {
    let mut world = World::with_reference_fork().await;
    world.environment.clear();
    let output = world.run(&["up", ".", "--sandbox", "--once", "--listen=127.0.0.1:0"]).await;
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("/_sites/acme.example.com/"), "{}", output.stdout);
    let again = world.run(&["up", ".", "--sandbox", "--once", "--listen=127.0.0.1:0"]).await;
    assert_eq!(again.code, Some(0), "the sandbox remembers: {}\n{}", again.stdout, again.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_folder_are_refused() {
    let world = World::with_reference_fork().await;
    let running = world.up();
    running.says("ready", std::time::Duration::from_secs(30)).await;
    let output = world.up_once().await;
    assert_eq!(output.code, Some(1));
    assert!(output.stderr.contains("another"), "{}", output.stderr);
    running.kill().await;
    world.converge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suspend_and_resume_edit_the_manifest_and_nothing_else_in_it() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    let manifest = || std::fs::read_to_string(world.path("acme.yaml")).expect("a manifest");
    let before = manifest();
    let output = world.run(&["suspend", "acme", "--reason", "moving: soon", "--for", "2h"]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let output = world.run(&["plan"]).await;
    assert!(output.stdout.contains("suspended until") && output.stdout.contains("moving: soon"), "{}", output.stdout);
    assert_eq!(world.run(&["resume", "acme"]).await.code, Some(0));
    assert_eq!(manifest(), before, "comments and all");
    // Lines cannot be put into this one.
    let output = world.run(&["get", "fork", "acme", "-o", "json"]).await;
    let mut fork: Value = serde_json::from_str(&output.stdout).expect("JSON");
    fork["metadata"] = serde_json::json!({ "name": "acme" });
    fork.as_object_mut().expect("an object").remove("status");
    world.write("acme.yaml", &fork.to_string());
    let before = manifest();
    let output = world.run(&["suspend", "acme", "--reason", "by hand"]).await;
    assert_eq!(output.code, Some(1), "a person has to do it");
    assert!(output.stdout.contains("write under spec\n  suspend:\n    reason: \"by hand\""), "{}", output.stdout);
    assert_eq!(manifest(), before);
}
