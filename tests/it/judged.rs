//! Releases that others judge: a workflow, AlertRules, the reviewers of a GitHub environment; and steps that wait.

use forkable_tests::{
    World, eventually,
    releases::{canary, judged, promoted_fork},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rollout::{DISPATCH, PATIENCE, current, message, promoting, push, reaches, release, runs, serves};

const JOB: &str = "\
name: E2E
run-name: Judge ${{ inputs.release }}
on:
  workflow_dispatch:
    inputs:
      release: { required: true, type: string }
      commit: { required: true, type: string }
      url: { required: true, type: string }
jobs:
  e2e:
    runs-on: ubuntu-latest
    steps: [{ run: npm run e2e }]
";

/// What a Fork says of releases that a job judges.
fn by_job(more: &str) -> String {
    promoted_fork(&format!(
        "    analysis:\n      intervalSeconds: 1\n      count: 1\n      inconclusiveLimit: 0\n      http: [{{ path: / }}]\n      \
         job: {{ workflow: e2e.yml, inputs: {{ url: '{{{{ url }}}}', commit: '{{{{ commit }}}}' }}{more} }}\n"
    ))
}

/// The reference fork, whose next releases are judged by a job that takes so long.
async fn judging(more: &str, run_ms: u64) -> World {
    let world = promoting("").await;
    world.push_file("acme-inc/acme", ".github/workflows/e2e.yml", JOB).await;
    world.converge().await;
    world.write("acme.yaml", &by_job(more));
    world.settings(json!({ "latencies": { "runMs": run_ms } })).await;
    world.forget_calls().await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_is_judged_by_one_run_of_a_workflow() {
    let world = judging("", 3_600_000).await;
    let before = current(&world).await;
    let head = push(&world, "judged").await;
    let running = world.up();
    let said = eventually("it says where the job runs", PATIENCE, || async {
        let said = message(&release(&world, &head).await, "Ready");
        said.contains("e2e.yml runs at https://github.com/acme-inc/acme/actions/runs/").then_some(said)
    })
    .await;
    assert!(said.contains("is judged at https://"), "{said}");
    assert!(serves(&world, &before).await, "what served goes on serving");
    world.settings(json!({ "latencies": { "runMs": 0 } })).await;
    world.advance(7200).await;
    let status = reaches(&world, &head, "Healthy").await;
    running.kill().await;
    let all = runs(&world).await;
    assert_eq!(all.len(), 1, "{all:#?}");
    let inputs = &all[0]["inputs"];
    assert_eq!((&inputs["commit"], &inputs["url"]), (&json!(head), &status["url"]));
    let run = &status["analysisRuns"][0];
    assert_eq!((&run["job"]["conclusion"], &run["jobsEnded"]), (&json!("success"), &json!(1)), "{run:#}");
    let why = world.run(&["why", &format!("deployment/acme-{}", &head[..7])]).await;
    assert!(why.stdout.contains("e2e.yml ended with success: https://github.com/"), "{}", why.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_fails_or_is_canceled_keeps_the_candidate_from_going_live() {
    let world = judging("", 0).await;
    let before = current(&world).await;
    let bad = world.push_file("acme-inc/acme", "forkable-sandbox.fail-run", "yes\n").await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &bad).await;
    assert_eq!(status["phase"], "Failed", "{status:#}");
    assert!(message(&status, "Ready").contains("e2e.yml ended with failure"), "{status:#}");
    assert_eq!(status["analysisRuns"][0]["failures"], 1);
    world.settings(json!({ "latencies": { "runMs": 3_600_000 } })).await;
    let head = push(&world, "canceled").await;
    let running = world.up();
    let id = eventually("the run is there", PATIENCE, || async {
        release(&world, &head).await["analysisRuns"][0]["job"]["id"].as_i64()
    })
    .await;
    world.person("github", Method::POST, &format!("/repos/acme-inc/acme/actions/runs/{id}/cancel"), None).await;
    let status = reaches(&world, &head, "Failed").await;
    running.kill().await;
    let run = &status["analysisRuns"][0];
    assert_eq!((&run["failures"], &run["inconclusive"]), (&json!(0), &json!(1)), "neither good nor bad: {run:#}");
    assert!(serves(&world, &before).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_that_cannot_be_run_is_told_before_anything_is_built() {
    let world = promoting("").await;
    world.write("acme.yaml", &by_job(""));
    for (workflow, expected) in [
        (None, "there is no workflow .github/workflows/e2e.yml on the default branch"),
        (Some("on: push\n"), "does not have the trigger workflow_dispatch"),
        (
            Some("on:\n  workflow_dispatch:\n    inputs:\n      release: {}\n      url: {}\n"),
            "does not declare the input commit",
        ),
        (Some(&*JOB.replace("Judge ${{ inputs.release }}", "Judge")), "needs run-name"),
    ] {
        let head = match workflow {
            None => push(&world, "without").await,
            Some(text) => world.push_file("acme-inc/acme", ".github/workflows/e2e.yml", text).await,
        };
        world.forget_calls().await;
        assert_eq!(world.up_once().await.code, Some(1));
        let status = release(&world, &head).await;
        let said = message(&status, "Ready");
        assert!(said.contains(expected), "{said}");
        assert_eq!(status["phase"], "Pending", "{status:#}");
        let built = world.writes().await.into_iter().any(|call| call.operation == "POST /v13/deployments");
        assert!(!built, "nothing is built");
        assert_eq!(world.run(&["abort", "acme"]).await.code, Some(0));
        world.up_once().await;
    }
    let output = {
        let wrong = by_job("").replace("{{ url }}", "{{ adress }}");
        world.write("acme.yaml", &wrong);
        world.run(&["plan"]).await
    };
    assert!(format!("{output:?}").contains("spec.release.analysis.job.inputs.url"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_killed_around_its_dispatch_runs_once() {
    for hold in ["before", "after"] {
        let world = judging("", 0).await;
        let head = push(&world, "killed").await;
        world.killed_at(json!({ "operation": DISPATCH }), hold).await;
        let running = world.up();
        reaches(&world, &head, "Healthy").await;
        running.kill().await;
        assert_eq!(runs(&world).await.len(), 1, "{hold}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_cancels_the_job() {
    let world = judging("", 3_600_000).await;
    let head = push(&world, "aborted").await;
    let running = world.up();
    eventually("the run is on record", PATIENCE, || async {
        release(&world, &head).await["analysisRuns"][0]["job"]["id"].as_i64().map(drop)
    })
    .await;
    assert_eq!(world.run(&["abort", "acme"]).await.code, Some(0));
    reaches(&world, &head, "Aborted").await;
    eventually("the run is canceled", PATIENCE, || async {
        runs(&world).await.iter().all(|run| run["conclusion"] == "cancelled").then_some(())
    })
    .await;
    running.kill().await;
}

/// A rule of this name; `spec` is indented by two.
fn rule(name: &str, spec: &str) -> String {
    format!("apiVersion: forkable.dev/v1alpha1\nkind: AlertRule\nmetadata: {{ name: {name} }}\nspec:\n{spec}")
}

/// The reference fork, whose next releases are judged by these rules on the live site.
async fn ruled(rules: &str, limit: u32) -> World {
    let world = promoting("").await;
    let analysis = format!(
        "    analysis: {{ intervalSeconds: 1, inconclusiveLimit: {limit}, alertRules: [{rules}] }}\n    bake: {{ durationSeconds: 3600 }}\n"
    );
    let monitoring = "spec:\n  monitoring:\n    probes: [{ name: home, intervalSeconds: 5, http: { path: / } }]\n";
    world.write("acme.yaml", &promoted_fork(&analysis).replacen("spec:\n", monitoring, 1));
    let down = "  signal: { probe: { metric: Up } }\n  condition: { operator: LessThan, threshold: 1 }\n";
    world.write("rule.yaml", &rule("down", down));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_fires_in_the_bake_leads_back() {
    let world = ruled("down", 100).await;
    let before = current(&world).await;
    let head = push(&world, "rots").await;
    let running = world.up();
    eventually("the rule was evaluated", PATIENCE, || async {
        let runs = release(&world, &head).await["analysisRuns"].clone();
        (runs[0]["stage"] == "Live" && runs[0]["successes"].as_i64() >= Some(1)).then_some(())
    })
    .await;
    world.degrade(&head, json!({ "status": 503, "liveOnly": true })).await;
    let status = reaches(&world, &head, "RolledBack").await;
    running.kill().await;
    assert!(message(&status, "RollingBack").contains("AlertRule down fires"), "{status:#}");
    assert!(serves(&world, &before).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_not_there_is_no_data_and_is_named() {
    let world = ruled("dwon", 1).await;
    let head = push(&world, "unknown").await;
    let running = world.up();
    let status = reaches(&world, &head, "RolledBack").await;
    running.kill().await;
    let said = message(&status, "RollingBack");
    assert!(said.contains("there is no AlertRule dwon in the namespace default, which has down"), "{said}");
    assert_eq!(status["analysisRuns"][0]["inconclusive"], 2, "{status:#}");
    let why = world.run(&["why", &format!("deployment/acme-{}", &head[..7])]).await;
    assert!(why.stdout.contains("UnknownAlertRule"), "{}", why.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_canary_waits_while_releases_are_frozen() {
    let mut world = World::with_reference_fork().await;
    world.arguments.push("--resync=1s".into());
    let fork = canary(&promoted_fork(&judged(5, 0)), "{ weight: 25, pauseSeconds: 20 }");
    world.write("acme.yaml", &fork);
    world.converge().await;
    let head = push(&world, "frozen").await;
    let running = world.up();
    reaches(&world, &head, "Shifting").await;
    let well = "  signal: { release: { metric: Failed } }\n  condition: { operator: LessThan, threshold: 1 }\n";
    world.write("rule.yaml", &rule("frozen", &format!("{well}  actions: [{{ type: FreezeReleases }}]\n")));
    eventually("the step says what it waits for", PATIENCE, || async {
        let said = message(&release(&world, &head).await, "Ready");
        said.contains("waits: nothing is promoted while the AlertRule frozen fires").then_some(())
    })
    .await;
    assert_eq!(release(&world, &head).await["canary"]["weight"], 25);
    std::fs::remove_file(world.path("rule.yaml")).expect("the rule is there");
    reaches(&world, &head, "Healthy").await;
    running.kill().await;
}

const ASKING: &str = "\
name: Approve
run-name: Approve ${{ inputs.release }}
on:
  workflow_dispatch:
    inputs:
      release: { required: true, type: string }
      commit: { required: true, type: string }
      url: { required: true, type: string }
jobs:
  approve:
    runs-on: ubuntu-latest
    environment: production
    steps: [{ run: echo approved }]
";

/// The reference fork, whose next releases wait for the reviewers of an environment.
async fn asking() -> World {
    let world = promoting("").await;
    world.push_file("acme-inc/acme", ".github/workflows/approve.yml", ASKING).await;
    world.converge().await;
    let gates = "    gates: { approval: Required, approvalEnvironment: { name: production, workflow: approve.yml } }\n";
    let environments =
        "  repository:\n    environments: [{ name: production, reviewers: [{ user: octo-reviewer }] }]\n";
    let fork = promoted_fork(&format!("{}{gates}", judged(5, 0))).replacen("  repository:\n", environments, 1);
    world.write("acme.yaml", &fork);
    world.converge().await;
    let token = json!({ "provider": "github", "token": "reviewer", "login": "octo-reviewer", "scopes": ["repo"] });
    world.add_token(token).await;
    world
}

/// The reviewer approves or rejects the run that waits.
async fn review(world: &World, head: &str, state: &str) {
    let id =
        eventually("the run waits", PATIENCE, || async { release(world, head).await["approvalRun"]["id"].as_i64() })
            .await;
    let url = format!("{}/github/repos/acme-inc/acme/actions/runs/{id}/pending_deployments", world.sandbox.url());
    let client = reqwest::Client::new();
    let send =
        |request: reqwest::RequestBuilder| request.bearer_auth("reviewer").header("user-agent", "a-person").send();
    let pending: Value = send(client.get(&url)).await.expect("an answer").json().await.expect("JSON");
    let ids = [&pending[0]["environment"]["id"]];
    let body = json!({ "environment_ids": ids, "state": state, "comment": "seen it" });
    let answer = send(client.post(&url).json(&body)).await.expect("an answer");
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reviewer_of_a_github_environment_approves_or_rejects_a_release() {
    let world = asking().await;
    let good = push(&world, "good").await;
    let running = world.up();
    let said = eventually("it says where to review", PATIENCE, || async {
        let said = message(&release(&world, &good).await, "Ready");
        said.contains("or a review at https://github.com/acme-inc/acme/actions/runs/").then_some(said)
    })
    .await;
    assert!(said.contains("forkable approve acme"), "{said}");
    review(&world, &good, "approved").await;
    let status = reaches(&world, &good, "Healthy").await;
    let approval = &status["approval"];
    assert_eq!((&approval["by"], &approval["environment"]), (&json!("octo-reviewer"), &json!("production")));
    let journal = world.journal().await;
    let told = "was approved by octo-reviewer in the GitHub environment production: seen it";
    assert!(journal.iter().any(|(step, _)| step.contains(told)), "{journal:#?}");

    let bad = push(&world, "bad").await;
    review(&world, &bad, "rejected").await;
    let status = reaches(&world, &bad, "Aborted").await;
    running.kill().await;
    let said = message(&status, "Aborted");
    assert!(said.contains("rejected by octo-reviewer in the GitHub environment production: seen it"), "{said}");
    assert!(serves(&world, &good).await);
    assert_eq!(runs(&world).await.len(), 2, "one for each candidate");
    let history = world.run(&["history", "acme"]).await;
    assert!(history.stdout.contains("octo-reviewer (GitHub)"), "{}", history.stdout);
}
