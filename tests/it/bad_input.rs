//! Bad input gets one clear error and changes nothing.

use std::time::Duration;

use forkable_tests::{World, reference_fork, reference_secret};

async fn refused(name: &str, manifest: &str, expected: &[&str]) {
    let world = World::start().await;
    world.write("secret.yaml", &reference_secret());
    world.write("acme.yaml", manifest);
    let output = world.up_once().await;
    assert_eq!(output.code, Some(1), "{name}: {}", output.stdout);
    let said = output.stdout + &output.stderr;
    for expected in expected {
        assert!(said.contains(expected), "{name}: {expected:?} is not in:\n{said}");
    }
    assert_eq!(world.calls().await.len(), 0, "{name}: something was called");
    let output = world.run(&["plan", "-f", "acme.yaml"]).await;
    assert_eq!(output.code, Some(1), "{name}: plan says the same");
    let said = output.stdout + &output.stderr;
    assert!(said.contains(expected[expected.len() - 1]), "{name}: plan says:\n{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_manifests_are_refused_before_anything_is_called() {
    let good = reference_fork();
    let cases: &[(&str, String, &[&str])] = &[
        ("broken YAML", good.replacen("  displayName: Acme AI", "  displayName: [Acme", 1), &["acme.yaml:10:11"]),
        ("unknown field", good.replacen("displayName", "displayNam", 1), &["unknown field \"spec.displayNam\""]),
        (
            "bad enum",
            good.replacen("repo: framework", "repo: framework\n    mode: Clone", 1),
            &["spec.template.mode: Unsupported value: \"Clone\"", "\"Template\", \"Fork\", \"Copy\""],
        ),
        (
            "YAML 1.1 boolean",
            good.replacen("displayName: Acme AI", "displayName: on", 1),
            &["spec.displayName", "boolean"],
        ),
        (
            "two sources of one variable",
            good.replacen("value: large", "value: large\n      valueFrom: { generate: {} }", 1),
            &["exactly one of value and valueFrom must be set"],
        ),
        (
            "redirect to nowhere",
            good.replacen("redirectTo: acme.example.com", "redirectTo: nowhere.example.com", 1),
            &["redirectTo must name another entry of domains"],
        ),
    ];
    for (name, manifest, expected) in cases {
        refused(name, manifest, expected).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_field_keeps_what_is_in_force() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    world.forget_calls().await;
    world.edit("acme.yaml", "repo: framework", "repo: storefront");
    let output = world.up_once().await;
    assert_eq!(output.code, Some(1));
    let said = output.stdout + &output.stderr;
    assert!(said.contains("immutable"), "{said}");
    assert_eq!(world.writes().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_manifests_with_one_name_are_told_apart() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    world.forget_calls().await;
    world.write("again.yaml", &reference_fork().replace("value: large", "value: other"));
    let output = world.up_once().await;
    let said = output.stdout + &output.stderr;
    assert!(said.contains("again.yaml") && said.contains("acme.yaml"), "{said}");
    assert_eq!(world.writes().await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_named_and_picked_up_when_it_comes() {
    let world = World::start().await;
    world.write("acme.yaml", &reference_fork());
    assert_eq!(world.up_once().await.code, Some(1));
    let (_, reason, message) = world.condition("acme", "Ready").await.expect("a condition");
    assert_eq!(reason, "SecretNotFound", "{message}");
    assert!(message.contains("acme") && message.contains("spec.env"), "{message}");
    assert_eq!(world.writes().await.len(), 0);
    let running = world.up();
    running.says("SecretNotFound", Duration::from_secs(30)).await;
    world.write("secret.yaml", &reference_secret());
    running.says("ready", Duration::from_secs(30)).await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_or_half_written_folder_is_never_seen_as_deletion() {
    let world = World::with_reference_fork().await;
    world.edit("acme.yaml", "  release:\n", "  deletionPolicy: Delete\n  release:\n");
    world.converge().await;
    let whole = std::fs::read_to_string(world.path("acme.yaml")).expect("it is there");
    world.forget_calls().await;
    world.write("acme.yaml", &whole[..whole.len() / 2]);
    world.up_once().await;
    world.write("acme.yaml", "");
    world.up_once().await;
    std::fs::remove_file(world.path("acme.yaml")).expect("it is there");
    std::fs::remove_file(world.path("secret.yaml")).expect("it is there");
    let output = world.up_once().await;
    let said = output.stdout + &output.stderr;
    assert!(said.contains("MassChangeBlocked"), "{said}");
    assert!(said.contains("forkable delete"), "the remedy is named: {said}");
    assert_eq!(world.writes().await.len(), 0, "{:#?}", world.writes().await);
    let output = world.run(&["delete", "acme", "--dir", "."]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    world.converge().await;
    assert!(world.find_repository("acme-inc/acme").await.is_none(), "a person said so");
}
