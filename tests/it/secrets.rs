//! A canary in every secret field is seen nowhere but where it belongs.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use forkable_tests::{Running, World, reference_fork};
use serde_json::json;

const CANARY: &str = "canary-7f3a9c-do-not-print";
const ACTIONS: &str = "    environments: [{ name: production }]
    secrets:
      - { name: DEPLOY_KEY, secretKeyRef: { name: acme, key: deploy } }
      - { name: DEPLOY_KEY, secretKeyRef: { name: acme, key: deploy }, environment: production }
    protection:
";

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_seen_nowhere() {
    let mut world = World::start().await;
    let github_token = format!("{CANARY}-github");
    let vercel_token = format!("{CANARY}-vercel");
    world.add_token(json!({ "provider": "github", "token": github_token, "kind": "classic", "login": "octo-founder", "scopes": ["repo", "workflow", "delete_repo", "admin:org"] })).await;
    world.add_token(json!({ "provider": "vercel", "token": vercel_token, "teams": ["team_acme"] })).await;
    world.environment.insert("GITHUB_TOKEN".into(), github_token.clone());
    world.environment.insert("VERCEL_TOKEN".into(), vercel_token.clone());
    world.environment.insert("FORKABLE_WEBHOOK_SECRET".into(), format!("{CANARY}-webhook"));
    world.environment.insert("RUST_LOG".into(), "trace".into());
    world.write(
        "acme.yaml",
        &reference_fork()
            .replacen("    protection:\n", ACTIONS, 1)
            .replacen("  env:\n", "  envFrom: [{ secretRef: { name: bulk }, prefix: BULK_ }]\n  env:\n", 1)
            .replacen("  release:\n", "  credentialsRef: { name: outside }\n  release:\n", 1),
    );
    let secret = |name: &str, data: &str| {
        format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: {name} }}\nstringData: {{ {data} }}\n")
    };
    let secrets = [
        secret("acme", &format!("stripe: {CANARY}-stripe, deploy: {CANARY}-deploy")),
        secret("bulk", &format!("A: {CANARY}-bulk")),
        secret("outside", &format!("githubToken: {github_token}, vercelToken: {vercel_token}")),
    ];
    world.write("secret.yaml", &secrets.concat());
    // Failed calls in the middle, so that errors are looked at too, one of which repeats what it was sent.
    let upsert = json!({ "operation": "POST /v10/projects/{idOrName}/env" });
    let echo = json!({ "error": { "code": "internal", "message": format!("cannot store {CANARY}-stripe") } });
    world.fault(json!({ "match": upsert, "effect": { "status": 500, "body": echo } })).await;
    let mut command = world.up_command(&["--once"]);
    command.env("RUST_LOG", "trace");
    let output = Running::start(command).finish(Duration::from_mins(1)).await;
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    assert!(output.stderr.len() > 10_000, "trace level really was on");
    let running = world.up();
    let metrics = running.metrics(Duration::from_secs(30)).await;
    assert!(metrics.contains("forkable_"), "{metrics}");
    let killed = running.kill().await;
    let fork = world.fork("acme").await.to_string();
    let why = world.run(&["why", "acme"]).await;
    let plan = world.run(&["plan", "-f", "."]).await;
    let seen = [
        ("output", output.stdout),
        ("log", output.stderr),
        ("output of the second run", killed.stdout),
        ("log of the second run", killed.stderr),
        ("metrics", metrics),
        ("status", fork),
        ("why", why.stdout + &why.stderr),
        ("plan", plan.stdout + &plan.stderr),
    ];
    let encoded = BASE64_STANDARD.encode(CANARY);
    // The first characters of an encoded value do not depend on what follows.
    let encoded = &encoded[..encoded.len() / 4 * 3];
    for (place, text) in seen {
        assert!(!text.contains(CANARY) && !text.contains(encoded), "the canary is in the {place}");
    }
    for entry in std::fs::read_dir(world.path(".forkable")).expect("a state folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!found, "the canary is in {}", path.display());
    }
    let generated = world.variable("acme", "SESSION_SECRET").await["value"].as_str().expect("a value").to_owned();
    assert_eq!(generated.len(), 48);
    for entry in std::fs::read_dir(world.path(".forkable")).expect("a state folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(
            !bytes.windows(generated.len()).any(|window| window == generated.as_bytes()),
            "a generated value lies in clear"
        );
    }
    let stored = world.repository("acme-inc/acme").await["settings"]["secrets"].to_string();
    assert!(stored.contains(&format!("{CANARY}-deploy")), "it did arrive where it belongs: {stored}");
}
