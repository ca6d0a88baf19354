//! Gates of a release: checks, reviews, freeze windows, the order of environments, and who may approve.

use std::time::Duration;

use forkable_sandbox::{Latencies, Options, Settings, WebhookTarget};
use forkable_tests::{World, eventually, reference_fork, reference_secret};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::rollout::{current, message, promoting, promoting_in, push, reaches, release, serves};

/// GitHub Actions, whose checks a person of the sandbox reports.
const ACTIONS: &str = "appId: 15368";

async fn report(world: &World, commit: &str, name: &str, conclusion: &str) {
    let run = json!({ "name": name, "head_sha": commit, "conclusion": conclusion, "details_url": "https://ci.test/1" });
    world.person("github", reqwest::Method::POST, "/repos/acme-inc/acme/check-runs", Some(run)).await;
}

/// Runs until a person is needed, and answers the release.
async fn stops(world: &World, commit: &str) -> Value {
    let output = world.up_once().await;
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    release(world, commit).await
}

async fn builds(world: &World, commit: &str) -> usize {
    let calls = world.calls().await;
    let is_build = |call: &&forkable_tests::Call| {
        call.operation == "POST /v13/deployments" && call.body["gitSource"]["sha"] == commit
    };
    calls.iter().filter(is_build).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_the_right_app_opens_the_gate_and_a_failed_or_unknown_one_is_named() {
    let gates = format!("    gates: {{ checks: [{{ name: build, {ACTIONS} }}] }}\n");
    let world = promoting(&gates).await;
    let before = current(&world).await;
    let head = push(&world, "checked").await;
    report(&world, &head, "biuld", "success").await;
    let status = stops(&world, &head).await;
    assert_eq!(status["phase"], "Gated", "{status:#}");
    let said = message(&status, "Ready");
    assert!(said.contains("check build of the App 15368") && said.contains("there are biuld"), "{said}");
    assert_eq!(builds(&world, &head).await, 0, "nothing is built before");
    let why = world.run(&["why", "acme"]).await;
    assert!(why.stdout.contains("there are biuld"), "{}", why.stdout);
    report(&world, &head, "build", "failure").await;
    let said = message(&stops(&world, &head).await, "Ready");
    assert!(said.contains("the check build of the App 15368 failed (https://ci.test/1)"), "{said}");
    assert!(serves(&world, &before).await);
    report(&world, &head, "build", "skipped").await;
    world.forget_calls().await;
    world.converge().await;
    assert!(serves(&world, &head).await);
    let looks = world.calls().await.iter().filter(|call| call.operation == "graphql query CommitGates").count();
    assert!((1..=3).contains(&looks), "{looks} looks at the commit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_of_a_check_wakes_the_release() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = free.expect("a free port").port();
    let receiver = format!("http://127.0.0.1:{port}/webhooks");
    let webhooks = WebhookTarget {
        github_url: format!("{receiver}/github"),
        vercel_url: format!("{receiver}/vercel"),
        secret: "a secret".into(),
    };
    let latencies = Latencies { build_ms: 0, generate_ms: 0, request_ms: 0, ..Latencies::default() };
    let settings = Settings { limits: false, auto_dns: true, latencies, ..Settings::default() };
    let mut world = World::on(Options { settings, webhooks: Some(webhooks), ..Options::default() }).await;
    world.arguments = vec![format!("--listen=127.0.0.1:{port}")];
    world.environment.insert("FORKABLE_WEBHOOK_SECRET".into(), "a secret".into());
    world.write("acme.yaml", &reference_fork());
    world.write("secret.yaml", &reference_secret());
    let gates = format!("    gates: {{ checks: [{{ name: build, {ACTIONS} }}] }}\n");
    let world = promoting_in(world, &gates).await;
    let head = push(&world, "late").await;
    // Somebody reports something, so that without a webhook the commit is looked at once a minute.
    report(&world, &head, "lint", "success").await;
    let running = world.up();
    let gated = async || {
        let status = release(&world, &head).await;
        message(&status, "Ready").contains("there are lint").then_some(())
    };
    eventually("the check is missed", Duration::from_mins(2), gated).await;
    report(&world, &head, "build", "success").await;
    let reported = Timestamp::now();
    let status = reaches(&world, &head, "Healthy").await;
    running.kill().await;
    let waited = since(&status, "GatesOpen").duration_since(reported).as_secs();
    assert!(waited <= 20, "the gates opened {waited} s after the check");
}

/// When a condition became what it is.
fn since(status: &Value, type_: &str) -> Timestamp {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    let condition = conditions.find(|condition| condition["type"] == type_).expect("a condition");
    condition["lastTransitionTime"].as_str().expect("a time").parse().expect("a time")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_reviewed_goes_live_and_its_author_cannot_approve_it_alone() {
    let world =
        promoting("    gates: { approval: Required, separationOfDuties: true, reviews: { minimum: 1 } }\n").await;
    let direct = push(&world, "direct").await;
    let said = message(&stops(&world, &direct).await, "Ready");
    assert!(said.contains("came in without a pull request") && said.contains("forkable abort acme"), "{said}");
    assert_eq!(world.run(&["abort", "acme"]).await.code, Some(0));
    world.up_once().await;
    let github = async |method, path: &str, body| {
        world.person("github", method, &format!("/repos/acme-inc/acme{path}"), Some(body)).await
    };
    let post = reqwest::Method::POST;
    github(post.clone(), "/git/refs", json!({ "ref": "refs/heads/topic", "sha": direct })).await;
    let file = json!({ "message": "Topic", "content": "dG9waWM=", "branch": "topic" });
    github(reqwest::Method::PUT, "/contents/topic.md", file).await;
    github(post.clone(), "/pulls", json!({ "title": "Topic", "head": "topic", "base": "main" })).await;
    let merged = github(reqwest::Method::PUT, "/pulls/1/merge", json!({})).await;
    let head = merged["sha"].as_str().expect("a commit").to_owned();
    let said = message(&stops(&world, &head).await, "Ready");
    assert!(said.contains("pull request #1 has 0 of 1 approving reviews"), "{said}");
    review(&world, "octo-reviewer").await;
    let status = stops(&world, &head).await;
    assert_eq!(status["phase"], "AwaitingApproval", "{status:#}");
    let said = message(&status, "Ready");
    assert!(said.contains("/compare/") && said.contains(&head), "the proposal has a link to what changes: {said}");
    approve(&world, "octo-founder").await;
    world.converge().await;
    assert!(serves(&world, &head).await, "octo-reviewer looked at it too");
    assert_eq!(release(&world, &head).await["approval"]["by"], "octo-founder");
    let journal = world.journal().await;
    assert!(journal.iter().any(|(step, _)| step.contains("was approved by octo-founder")), "{journal:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_who_approves_alone_is_refused() {
    let world = promoting("    gates: { approval: Required, separationOfDuties: true }\n").await;
    let before = current(&world).await;
    let head = push(&world, "own").await;
    stops(&world, &head).await;
    approve(&world, "octo-founder").await;
    let said = message(&stops(&world, &head).await, "Ready");
    assert!(said.contains("octo-founder wrote the commit and cannot be the only one"), "{said}");
    assert!(serves(&world, &before).await);
    approve(&world, "ada").await;
    world.converge().await;
    assert!(serves(&world, &head).await);
}

async fn approve(world: &World, who: &str) {
    let mut command = world.command(&["approve", "acme"]);
    command.env("USER", who);
    let output = forkable_tests::Running::start(command).finish(Duration::from_mins(1)).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
}

/// Somebody else approves the first pull request.
async fn review(world: &World, login: &str) {
    let token = json!({ "provider": "github", "token": "reviewer", "login": login, "scopes": ["repo"] });
    world.add_token(token).await;
    let url = format!("{}/github/repos/acme-inc/acme/pulls/1/reviews", world.sandbox.url());
    let request = reqwest::Client::new().post(url).bearer_auth("reviewer").header("user-agent", "a-person");
    let answer = request.json(&json!({ "event": "APPROVE" })).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
}

fn frozen(from: Timestamp, to: Timestamp) -> String {
    format!("    gates: {{ freezeWindows: [{{ name: fair, from: \"{from}\", to: \"{to}\" }}] }}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_promoted_in_a_freeze_unless_a_person_says_why() {
    let (now, day) = (Timestamp::now(), SignedDuration::from_hours(24));
    let world = promoting(&frozen(now - day, now + day)).await;
    let before = current(&world).await;
    let head = push(&world, "frozen").await;
    let status = stops(&world, &head).await;
    assert_eq!(status["phase"], "AwaitingApproval", "it is built and judged: {status:#}");
    let said = message(&status, "Ready");
    assert!(said.contains("freeze window fair") && said.contains("--override-freeze REASON"), "{said}");
    assert!(serves(&world, &before).await);
    let empty = world.run(&["approve", "acme", "--override-freeze", " "]).await;
    assert!(empty.code == Some(1) && empty.stderr.contains("needs a reason"), "{}", empty.stderr);
    assert_eq!(world.run(&["approve", "acme", "--override-freeze", "INC-17"]).await.code, Some(0));
    world.converge().await;
    assert!(serves(&world, &head).await);
    let freeze = release(&world, &head).await["freezeOverride"].clone();
    assert_eq!(freeze["windows"], json!(["fair"]));
    assert!(freeze["reason"].as_str().is_some_and(|reason| reason.ends_with(": INC-17")), "{freeze}");
    let why = world.run(&["why", &format!("deployment/acme-{}", &head[..7])]).await;
    assert!(why.stdout.contains("freeze window fair was overridden"), "{}", why.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_live_when_the_freeze_is_over() {
    let now = Timestamp::now();
    let end = now + SignedDuration::from_secs(45);
    let end = Timestamp::from_second(end.as_second()).expect("a time");
    let world = promoting(&frozen(now - SignedDuration::from_hours(1), end)).await;
    let head = push(&world, "later").await;
    let running = world.up();
    let status = reaches(&world, &head, "Healthy").await;
    running.kill().await;
    let late = since(&status, "Approved").duration_since(end).as_secs();
    assert!((0..=10).contains(&late), "promoted {late} s after the freeze");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_environment_is_healthy_first() {
    let world = promoting("    gates: { after: [{ environment: Preview }] }\n").await;
    let head = push(&world, "in-order").await;
    let said = message(&stops(&world, &head).await, "Ready");
    assert!(said.contains("Preview comes first") && said.contains("environment: Preview"), "{said}");
    world.write(
        "preview.yaml",
        &format!(
            "apiVersion: forkable.dev/v1alpha1\nkind: Deployment\nmetadata: {{ name: acme-preview }}\nspec:\n  forkRef: \
             {{ name: acme }}\n  source: {{ commit: \"{head}\" }}\n  environment: Preview\n"
        ),
    );
    world.converge().await;
    assert!(serves(&world, &head).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn gates_that_could_never_open_are_refused_before_anything_is_changed() {
    let cases = [
        ("freezeWindows: [{ name: always, start: \"08:00\", end: \"08:00\" }]", "leave no minute of the week open"),
        (
            "freezeWindows: [{ name: nights, timeZone: Europe/Atlantis, start: \"18:00\", end: \"08:00\" }]",
            "write one such as Europe/Berlin",
        ),
        ("after: [{ environment: staging }]", "there is no environment staging"),
    ];
    for (gates, expected) in cases {
        let world = World::with_reference_fork().await;
        let release = format!("  release:\n    strategy: {{ type: BlueGreen }}\n    gates: {{ {gates} }}\n");
        world.edit("acme.yaml", "  release:\n", &release);
        let output = world.up_once().await;
        assert_eq!(output.code, Some(1), "{}", output.stdout);
        let (_, _, said) = world.condition("acme", "Ready").await.expect("a condition");
        assert!(said.contains("spec.release.gates.") && said.contains(expected), "{said}");
        assert_eq!(world.writes().await.len(), 0, "nothing was changed outside");
    }
}
