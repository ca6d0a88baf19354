//! What may be changed, what may be deleted, and what may be taken over.

use forkable_tests::{World, reference_fork, reference_secret};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn observe_only_tells_and_touches_nothing() {
    let world = World::with_reference_fork().await;
    world.edit("acme.yaml", "  release:\n", "  managementPolicy: ObserveOnly\n  release:\n");
    assert_eq!(world.up_once().await.code, Some(1));
    assert_eq!(world.writes().await.len(), 0);
    let (status, reason, message) = world.condition("acme", "Ready").await.expect("a condition");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "Drifted"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_fork_waits_until_its_time() {
    let world = World::with_reference_fork().await;
    world.edit("acme.yaml", "  release:\n", "  suspend: { reason: freeze for the audit }\n  release:\n");
    world.up_once().await;
    assert_eq!(world.writes().await.len(), 0);
    let (_, reason, message) = world.condition("acme", "Ready").await.expect("a condition");
    assert_eq!(reason, "Suspended");
    assert!(message.contains("freeze for the audit"), "{message}");
    world.edit("acme.yaml", "audit }", "audit, until: \"2020-01-01T00:00:00Z\" }");
    world.converge().await;
}

/// A second fork keeps the folder from being empty, which would be the brake's business.
const OTHER: &str = "other.yaml";

async fn with_two_forks(policy: &str) -> World {
    let world = World::with_reference_fork().await;
    world.edit("acme.yaml", "  release:\n", &format!("  deletionPolicy: {policy}\n  release:\n"));
    let other =
        reference_fork().replace("acme.example.com", "other.example.com").replace("name: acme\n", "name: other\n");
    world.write(OTHER, &other);
    world.converge().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_manifest_retains_by_default() {
    let world = with_two_forks("Retain").await;
    world.forget_calls().await;
    std::fs::remove_file(world.path("acme.yaml")).expect("it is there");
    world.converge().await;
    assert_eq!(world.writes().await.len(), 0);
    assert_eq!(world.run(&["get", "fork", "acme"]).await.code, Some(1), "it is forgotten");
    assert_eq!(world.page("acme.example.com").await.0, 200, "and goes on serving");
}

#[tokio::test(flavor = "multi_thread")]
async fn deletion_deletes_what_is_ours_and_nothing_else() {
    let world = with_two_forks("Delete").await;
    std::fs::remove_file(world.path("acme.yaml")).expect("it is there");
    world.converge().await;
    let inventory = world.inventory().await;
    assert_eq!(inventory["github"]["deleted"].as_array().map(Vec::len), Some(1));
    assert!(world.find_repository("acme-inc/acme").await.is_none());
    assert!(world.find_project("acme").await.is_none());
    assert!(world.find_repository("acme-inc/other").await.is_some());
    assert!(world.find_project("other").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_archives_and_pauses() {
    let world = with_two_forks("Archive").await;
    std::fs::remove_file(world.path("acme.yaml")).expect("it is there");
    world.converge().await;
    assert_eq!(world.repository("acme-inc/acme").await["archived"], true);
    assert_eq!(world.project("acme").await["paused"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_of_others_is_taken_only_when_a_person_says_so() {
    let world = World::with_reference_fork().await;
    let body = json!({ "name": "acme", "private": true, "auto_init": true });
    world.person("github", Method::POST, "/orgs/acme-inc/repos", Some(body)).await;
    world.forget_calls().await;
    assert_eq!(world.up_once().await.code, Some(1));
    let (_, reason, message) = world.condition("acme", "Ready").await.expect("a condition");
    assert_eq!(reason, "NameConflict", "{message}");
    assert!(message.contains("forkable.dev/adopt"), "{message}");
    assert_eq!(world.writes().await.len(), 0);
    world.edit("acme.yaml", "metadata:\n", "metadata:\n  annotations: { forkable.dev/adopt: \"true\" }\n");
    world.converge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_forks_that_claim_one_repository_the_older_wins() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    world.forget_calls().await;
    world.write("thief.yaml", &reference_fork().replacen("  name: acme\n", "  name: thief\n", 1));
    assert_eq!(world.up_once().await.code, Some(1));
    let (_, reason, message) = world.condition("thief", "Ready").await.expect("a condition");
    assert_eq!(reason, "Conflict", "{message}");
    assert!(message.contains("acme"), "{message}");
    assert_eq!(world.writes().await.len(), 0);
    assert_eq!(world.condition("acme", "Ready").await.expect("a condition").0, "True");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_names_its_own_credentials() {
    let mut world = World::with_reference_fork().await;
    world.environment.insert("GITHUB_TOKEN".into(), "wrong".into());
    world.environment.insert("VERCEL_TOKEN".into(), "wrong".into());
    world.edit("acme.yaml", "  release:\n", "  credentialsRef: { name: outside }\n  release:\n");
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: { name: outside }\nstringData: { githubToken: sandbox-github-token, vercelToken: sandbox-vercel-token, vercelTeamId: team_acme }\n";
    world.write("secret.yaml", &(reference_secret() + secret));
    world.converge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named_with_what_fails_for_it() {
    let mut world = World::with_reference_fork().await;
    world.add_token(json!({ "provider": "github", "token": "narrow", "kind": "classic", "login": "octo-founder", "scopes": ["public_repo"] })).await;
    world.environment.insert("GITHUB_TOKEN".into(), "narrow".into());
    assert_eq!(world.up_once().await.code, Some(1));
    let (status, _, message) = world.condition("acme", "CredentialsValid").await.expect("a condition");
    assert_eq!(status, "False");
    assert!(message.contains("repo"), "{message}");
}
