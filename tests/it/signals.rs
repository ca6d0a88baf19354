//! What rules watch beside probes and releases, and what they do outside.

use std::time::Instant;

use forkable_tests::{World, eventually};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    alerts::{WELL, becomes, rule, status},
    rollout::{PATIENCE, message},
};

const PAUSE: &str = "POST /v1/projects/{idOrName}/pause";
const STATUS: &str = "GET /{page}/api/v2/incidents/unresolved.json";
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
        told.contains("is paused by the AlertRule broken at 2") && told.contains("resume it in its settings"),
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

/// The sandbox's PagerDuty, where messages can be read.
const PAGER: &str = "  notify: [{ name: pager, pagerduty: { routingKeySecretRef: { name: pager, key: key } } }]\n";

fn secret(name: &str, key: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{ name: {name} }}\nstringData: {{ {key}: \"{value}\" }}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_of_a_provider_is_one_question_and_the_cause_that_is_told() {
    let world = done().await;
    world.write("globex.yaml", &forkable_tests::fleet_fork(2));
    world.converge().await;
    world.write("pager.yaml", &secret("pager", "key", "sandbox0pagerduty0integration0ke"));
    let condition = "  condition: { operator: GreaterThanOrEqual, threshold: 2 }\n";
    let of = |more: &str| format!("  signal: {{ incident: {{ provider: Vercel{more} }} }}\n{condition}");
    world.write("major.yaml", &rule("major", &of("")));
    world.write("edge.yaml", &rule("edge", &of(", components: [Edge Network]")));
    world.write("dns.yaml", &rule("dns", &of(", components: [DNS]")));
    world.write(
        "never.yaml",
        &rule("never", "  signal: { incident: {} }\n  condition: { operator: GreaterThan, threshold: 3 }\n"),
    );
    let incident = json!({ "name": "Elevated errors", "impact": "major", "components": ["Edge Network"] });
    world.begin_incident("vercel", "abc123", incident).await;
    world.forget_calls().await;
    let began = Instant::now();
    let running = world.up();
    let fires = becomes(&world, "major", "fires for both", |status| status["firing"] == 2).await;
    let value = fires["alerts"][0]["value"].as_str().unwrap_or_default();
    assert!(value.starts_with("Vercel: Elevated errors, impact major, investigating, since "), "{value}");
    becomes(&world, "edge", "fires for both", |status| status["firing"] == 2).await;
    becomes(&world, "never", "is refused", |status| message(status, "Ready").contains("1 (minor), 2 (major)")).await;
    assert_eq!(status(&world, "dns").await["firing"], 0);
    // What fails now has a cause.
    world.write("well.yaml", &rule("well", &format!("{WELL}{PAGER}")));
    let told = eventually("people are told", PATIENCE, || async {
        let text = world.inventory().await["pagerduty"].to_string();
        text.contains("well").then_some(text)
    })
    .await;
    let cause = "an incident of the provider, for all 2: Vercel: Elevated errors (https://stspg.io/abc123)";
    assert!(told.contains(cause), "{told}");
    running.kill().await;
    let (asked, minutes) = (calls_of(&world, STATUS).await, began.elapsed().as_secs() / 60);
    assert!((1..=1 + minutes).contains(&(asked as u64)), "rules and Forks share the answer: {asked} in {minutes} min");
    // A page that says nothing does not say that all is well.
    world.end_incident("vercel", "abc123").await;
    let fault = json!({ "match": { "operation": STATUS }, "times": null, "effect": { "status": 503 } });
    world.fault(fault).await;
    let running = world.up();
    becomes(&world, "major", "knows nothing", |status| {
        message(status, "Ready").contains("the status page of Vercel answered 503") && status["firing"] == 2
    })
    .await;
    running.kill().await;
    world.remove_faults().await;
    let running = world.up();
    becomes(&world, "major", "is over", |status| status["firing"] == 0).await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_and_new_issues_come_from_sentry_which_is_left_alone_when_it_asks() {
    let world = done().await;
    let commit = world.fork("acme").await["status"]["currentRelease"]["commit"].clone();
    world.sentry("acme", json!([{ "title": "TypeError: x", "errors": 50, "release": commit }])).await;
    world.sentry("acme", json!([{ "title": "Old", "errors": 500, "release": "old" }])).await;
    world.write("sentry.yaml", &secret("sentry", "token", "sandbox-sentry-token"));
    world.write("bad.yaml", &secret("bad", "token", "canary-value-of-a-token"));
    let of = |secret: &str, more: &str| {
        format!(
            "  signal:\n    sentry: {{ organization: acme-inc, tokenSecretRef: {{ name: {secret}, key: token }}, {more} }}\n  \
             condition: {{ operator: GreaterThanOrEqual, threshold: 2 }}\n"
        )
    };
    let errors = "metric: ErrorsPerMinute, query: \"release:{{ commit }}\"";
    world.write("a.yaml", &rule("errors", &of("sentry", errors)));
    world.write("b.yaml", &rule("issues", &of("sentry", "metric: NewIssues")));
    world.write("c.yaml", &rule("token", &of("bad", "metric: NewIssues")));
    world.write("d.yaml", &rule("nowhere", &of("sentry", "metric: NewIssues, project: gone")));
    world.write("e.yaml", &rule("secret", &of("absent", "metric: NewIssues")));
    world.write("f.yaml", &rule("elsewhere", &of("sentry", errors).replace("acme-inc", "globex-inc")));
    let running = world.up();
    let fires = becomes(&world, "errors", "fires", |status| status["firing"] == 1).await;
    assert_eq!(fires["alerts"][0]["value"], "50 errors in 5 min, 10.0 a minute", "of the release that serves");
    let fires = becomes(&world, "issues", "fires", |status| status["firing"] == 1).await;
    let value = fires["alerts"][0]["value"].as_str().unwrap_or_default();
    assert!(value.starts_with("2 new issues in 5 min: ") && value.contains("https://acme-inc.sentry.io/"), "{value}");
    for (name, expected) in [
        ("token", "signal.sentry: Sentry answered 401: Invalid token"),
        ("nowhere", "signal.sentry: Sentry answered 400: Invalid query. Project(s) gone do not exist"),
        ("secret", "signal.sentry.tokenSecretRef: there is no key token in a Secret absent of default"),
        ("elsewhere", "signal.sentry: Sentry answered 404: The requested resource does not exist"),
    ] {
        let status = becomes(&world, name, "says so", |status| message(status, "Ready").contains(expected)).await;
        let (firing, text) = (&status["firing"], status.to_string());
        assert!(*firing == 0 && text.contains("QueryFailed") && !text.contains("canary-value"), "{status:#}");
    }
    let output = running.kill().await;
    assert!(!format!("{}{}", output.stdout, output.stderr).contains("canary-value"));
    // It wants to be left alone: nothing is known meanwhile, and nothing is asked.
    for name in ["b", "c", "d", "e", "f"] {
        std::fs::remove_file(world.path(&format!("{name}.yaml"))).expect("the rule is there");
    }
    let limited = json!({ "status": 429, "headers": { "retry-after": "3000" }, "body": { "detail": "slow down" } });
    world.fault(json!({ "match": { "provider": "sentry" }, "effect": limited })).await;
    world.forget_calls().await;
    let running = world.up();
    becomes(&world, "errors", "waits", |status| {
        message(status, "Ready").contains("Sentry allows no more requests until") && status["firing"] == 1
    })
    .await;
    world.write("b.yaml", &rule("issues", &of("sentry", "metric: NewIssues")));
    becomes(&world, "issues", "waits too", |status| message(status, "Ready").contains("no more requests until")).await;
    running.kill().await;
    let asked = world.calls().await.into_iter().filter(|call| call.path.starts_with("/api/0/")).count();
    assert_eq!(asked, 1, "the organization's limit is one for all rules");
}

#[tokio::test(flavor = "multi_thread")]
async fn error_budgets_are_measured_and_go_with_the_fork_or_the_rule() {
    let world = done().await;
    let probes = "spec:\n  monitoring:\n    probes: [{ name: home, intervalSeconds: 5, http: { path: / } }]\n";
    let slo = "  signal: { probe: { metric: Up } }\n  slo: { objectivePercent: 99.5, windowDays: 7 }\n";
    world.write("rule.yaml", &rule("available", slo));
    let running = world.up();
    let measured = async |wanted: &'static str| {
        eventually(&format!("{wanted} is served"), PATIENCE, || async {
            running.metrics(PATIENCE).await.lines().any(|line| line == wanted).then_some(())
        })
        .await;
    };
    measured(r#"forkable_slo_objective_ratio{name="acme",namespace="default",rule="available"} 0.995"#).await;
    // It was judged before there was anything to be seen.
    world.edit("acme.yaml", "spec:\n", probes);
    measured(r#"forkable_slo_error_budget_remaining_ratio{name="acme",namespace="default",rule="available"} 1"#).await;
    measured(r#"forkable_slo_burn_rate{name="acme",namespace="default",rule="available",window="5m"} 0"#).await;
    let commit = world.fork("acme").await["status"]["currentRelease"]["commit"].clone();
    world.degrade(commit.as_str().expect("it serves"), json!({ "status": 500 })).await;
    eventually("the budget burns", PATIENCE, || async {
        let text = running.metrics(PATIENCE).await;
        let burn = text.lines().find(|line| line.starts_with("forkable_slo_burn_rate{") && line.contains("\"5m\""))?;
        let rate: f64 = burn.rsplit_once(' ')?.1.parse().ok()?;
        (rate > 1.0).then_some(())
    })
    .await;
    std::fs::remove_file(world.path("rule.yaml")).expect("the rule is there");
    eventually("nothing is told of a rule that is gone", PATIENCE, || async {
        (!running.metrics(PATIENCE).await.contains("forkable_slo_objective_ratio{")).then_some(())
    })
    .await;
    running.kill().await;
}
