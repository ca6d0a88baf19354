//! What rules watch beside probes and releases, and what they do outside.

use forkable_tests::{World, eventually};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    alerts::{WELL, becomes, rule, status},
    rollout::PATIENCE,
};

const PAUSE: &str = "POST /v1/projects/{idOrName}/pause";
const ATTACK_MODE: &str = "POST /v1/security/attack-mode";

/// The reference fork, done; passes come every second.
async fn done() -> World {
    let mut world = World::with_reference_fork().await;
    world.arguments.push("--resync=1s".into());
    world.converge().await;
    world
}

async fn calls_of(world: &World, operation: &str) -> usize {
    world.counts().await.get(operation).copied().unwrap_or_default()
}

fn first_action(status: &Value) -> &str {
    status["alerts"][0]["actions"][0].as_str().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_paused_once_and_stays_as_a_person_leaves_it() {
    let world = done().await;
    world.forget_calls().await;
    world.write("rule.yaml", &rule("broken", &format!("{WELL}  actions: [{{ type: PauseProject }}]\n")));
    // Vercel did it, and nobody wrote that down.
    world.killed_at(json!({ "operation": PAUSE }), "after").await;
    assert_eq!(world.project("acme").await["paused"], true);
    let running = world.up();
    let told = eventually("the Fork says what paused it", PATIENCE, || async {
        let (_, reason, message) = world.condition("acme", "ProjectReady").await?;
        (reason == "Paused").then_some(message)
    })
    .await;
    assert!(
        told.contains("is paused by the AlertRule broken (") && told.contains("resume it in its settings"),
        "{told}"
    );
    let fires = becomes(&world, "broken", "tells", |status| status["alerts"][0]["notified"] == true).await;
    assert!(first_action(&fires).contains("paused"), "{fires:#}");
    let why = world.run(&["why", "acme"]).await;
    assert!(why.stdout.contains("is paused by the AlertRule broken"), "{}", why.stdout);
    // A person thinks otherwise, while the rule fires still.
    world.person("vercel", Method::POST, "/v1/projects/acme/unpause?teamId=team_acme", None).await;
    eventually("the Fork is ready again", PATIENCE, || async {
        let (status, ..) = world.condition("acme", "Ready").await?;
        (status == "True").then_some(())
    })
    .await;
    assert_eq!(status(&world, "broken").await["firing"], 1);
    running.kill().await;
    // Nor does another process pause it again.
    world.converge().await;
    assert_eq!(world.project("acme").await["paused"], false);
    assert_eq!(calls_of(&world, PAUSE).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_are_challenged_for_a_while_and_probes_say_nothing_of_it() {
    let world = done().await;
    let probes = "spec:\n  monitoring:\n    probes: [{ name: home, intervalSeconds: 5, http: { path: / } }]\n";
    world.edit("acme.yaml", "spec:\n", probes);
    world.forget_calls().await;
    let actions = "  actions: [{ type: AttackChallenge, durationSeconds: 600 }]\n";
    world.write("rule.yaml", &rule("attack", &format!("{WELL}{actions}")));
    world.killed_at(json!({ "operation": ATTACK_MODE }), "after").await;
    let dry = "  actions: [{ type: PauseProject, dryRun: true }]\n";
    world.write("dry.yaml", &rule("dry", &format!("{WELL}{dry}")));
    let both = "  actions: [{ type: Rollback, durationSeconds: 600 }]\n";
    world.write("wrong.yaml", &rule("wrong", &format!("{WELL}{both}")));
    let down = "  signal: { probe: { metric: Up } }\n  condition: { operator: LessThan, threshold: 1 }\n";
    world.write("down.yaml", &rule("down", down));
    let running = world.up();
    let fires = becomes(&world, "attack", "tells", |status| status["alerts"][0]["notified"] == true).await;
    assert!(first_action(&fires).contains("challenged"), "{fires:#}");
    let until = world.project("acme").await["attackMode"]["activeUntil"].as_i64().expect("it has an end");
    let left = until - Timestamp::now().as_millisecond();
    assert!((300_000..=600_000).contains(&left), "{left} ms");
    let said = becomes(&world, "dry", "says so", |status| status["firing"] == 1).await;
    assert_eq!(first_action(&said), "PauseProject would be done now (dryRun)");
    becomes(&world, "down", "knows nothing", |status| format!("{status}").contains("prove that they are browsers"))
        .await;
    let output = running.kill().await;
    assert!(output.stdout.contains("durationSeconds is for AttackChallenge"), "{}", output.stdout);
    assert_eq!(calls_of(&world, ATTACK_MODE).await, 1);
    assert_eq!(calls_of(&world, PAUSE).await, 0);
}
