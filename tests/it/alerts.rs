//! AlertRules through the whole binary: what fires, what survives a restart, what is refused, what is done.

use forkable_tests::{World, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use super::rollout::{PATIENCE, current, message, promoting, push, reaches, release, serves};

/// A rule of this name; `spec` is indented by two.
pub(super) fn rule(name: &str, spec: &str) -> String {
    format!("apiVersion: forkable.dev/v1alpha1\nkind: AlertRule\nmetadata: {{ name: {name} }}\nspec:\n{spec}")
}

/// The status of a rule; `Null` before it has one.
pub(super) async fn status(world: &World, name: &str) -> Value {
    let stored = world.stored().await;
    stored.into_iter().find(|it| it.kind == "AlertRule" && it.name == name).map_or(Value::Null, |it| it.status)
}

pub(super) async fn becomes(world: &World, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{name} {what}"), PATIENCE, || async {
        let status = status(world, name).await;
        is(&status).then_some(status)
    })
    .await
}

/// Fires as long as the newest release did not fail.
pub(super) const WELL: &str =
    "  signal: { release: { metric: Failed } }\n  condition: { operator: LessThan, threshold: 1 }\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_survives_a_restart_and_ends() {
    let world = promoting("").await;
    let spec = "  signal: { release: { metric: Failed } }\n  condition: { operator: GreaterThan, threshold: 0 }\n";
    world.write("rule.yaml", &rule("failed", spec));
    world.converge().await;
    let head = world.push_file("acme-inc/acme", "forkable-sandbox.fail-build", "error: upside down\n").await;
    let running = world.up();
    let fires = becomes(&world, "failed", "fires", |status| status["alerts"][0]["notified"] == true).await;
    let alert = &fires["alerts"][0];
    assert_eq!((&alert["fork"], &fires["firing"]), (&json!("acme"), &json!(1)), "{fires:#}");
    assert!(alert["value"].as_str().is_some_and(|value| value.contains(&head[..7])), "{alert}");
    running.kill().await;
    let why = world.run(&["why", "acme"]).await;
    assert!(why.stdout.contains("failed fires since"), "{}", why.stdout);
    let table = world.run(&["get", "alertrule"]).await;
    assert!(table.stdout.contains("1 (acme)"), "{}", table.stdout);

    let running = world.up();
    // It goes on as it was: the status is written again only when it is over.
    let written = async || world.stored().await.into_iter().find(|it| it.kind == "AlertRule").map(|it| it.version);
    let before = written().await;
    eventually("the Fork is looked at", PATIENCE, || async {
        let ready = world.condition("acme", "Released").await;
        ready.is_some_and(|(_, reason, _)| reason == "BuildFailed" || reason == "Failed").then_some(())
    })
    .await;
    assert_eq!((status(&world, "failed").await, written().await), (fires, before));
    let path = "/repos/acme-inc/acme/contents/forkable-sandbox.fail-build";
    let file = world.person("github", Method::GET, path, None).await;
    let gone = json!({ "message": "Turn it around", "sha": file["sha"] });
    world.person("github", Method::DELETE, path, Some(gone)).await;
    becomes(&world, "failed", "is over", |status| status["firing"] == 0 && status["alerts"].is_null()).await;
    let events = world.run(&["why", "acme"]).await;
    assert!(events.stdout.contains("AlertResolved"), "{}", events.stdout);
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_wrong_says_where_and_holds_up_no_other() {
    let world = World::with_reference_fork().await;
    let condition = |threshold: f64| format!("  condition: {{ operator: GreaterThan, threshold: {threshold} }}\n");
    let ratio = "  signal: { probe: { metric: FailureRatio } }\n";
    let query = "  signal: { prometheus: { query: up } }\n";
    world.write("well.yaml", &rule("well", WELL));
    let text = "  annotations: { summary: \"{{ frok }}\" }\n";
    world.write("text.yaml", &rule("text", &format!("{ratio}{}{text}", condition(0.5))));
    world.write("unit.yaml", &rule("unit", &format!("{ratio}{}", condition(5.0))));
    let gold = "  selector: { matchLabels: { tier: gold } }\n";
    world.write("gold.yaml", &rule("gold", &format!("{ratio}{}{gold}", condition(0.5))));
    world.write("server.yaml", &rule("server", &format!("{query}{}", condition(0.5))));
    let both = "  slo: { objectivePercent: 99 }\n";
    world.write("both.yaml", &rule("both", &format!("{query}{}{both}", condition(0.5))));
    let running = world.up();
    becomes(&world, "well", "fires", |status| status["firing"] == 1).await;
    for (name, condition, expected) in [
        ("text", "Ready", "annotations.summary: {{ frok }} names no field that is set (nearest: fork"),
        ("unit", "Ready", "condition.threshold: FailureRatio is a share from 0 to 1 (5 % is 0.05)"),
        ("gold", "SelectsForks", "none of the 1 Forks of the namespace default fits the selector: they have no labels"),
        ("server", "Ready", "signal.prometheus: the query names no address, and Forkable was started without"),
    ] {
        let status = becomes(&world, name, "says so", |status| message(status, condition).contains(expected)).await;
        assert_eq!(status["firing"], 0, "{status:#}");
    }
    let output = running.kill().await;
    assert!(output.stdout.contains("exactly one of condition and slo must be set"), "{}", output.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_promoted_while_a_rule_that_freezes_fires() {
    let world = promoting("").await;
    let before = current(&world).await;
    world.write("rule.yaml", &rule("frozen", &format!("{WELL}  actions: [{{ type: FreezeReleases }}]\n")));
    let running = world.up();
    becomes(&world, "frozen", "fires", |status| status["firing"] == 1).await;
    let head = push(&world, "waits").await;
    eventually("the release says what it waits for", PATIENCE, || async {
        let status = release(&world, &head).await;
        message(&status, "Ready").contains("while the AlertRule frozen fires").then_some(())
    })
    .await;
    assert!(serves(&world, &before).await);
    std::fs::remove_file(world.path("rule.yaml")).expect("the rule is there");
    reaches(&world, &head, "Healthy").await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_that_breaks_after_its_bake_is_rolled_back_by_a_rule() {
    let world = promoting("").await;
    let before = current(&world).await;
    world.edit(
        "acme.yaml",
        "spec:\n",
        "spec:\n  monitoring:\n    probes: [{ name: home, intervalSeconds: 5, http: { path: / } }]\n",
    );
    let spec = "  signal: { probe: { metric: Up } }\n  condition: { operator: LessThan, threshold: 1 }\n  actions: [{ type: Rollback }]\n";
    world.write("rule.yaml", &rule("down", spec));
    let running = world.up();
    let head = push(&world, "rots later").await;
    reaches(&world, &head, "Healthy").await;
    world.degrade(&head, json!({ "status": 500, "liveOnly": true })).await;
    let fires = becomes(&world, "down", "fires", |status| status["alerts"][0]["notified"] == true).await;
    let done = fires["alerts"][0]["actions"][0].as_str().unwrap_or_default();
    assert!(done.contains("is being rolled back to"), "{fires:#}");
    reaches(&world, &head, "RolledBack").await;
    assert!(serves(&world, &before).await);
    becomes(&world, "down", "is over", |status| status["firing"] == 0).await;
    running.kill().await;
}
