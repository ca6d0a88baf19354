//! What was changed outside is brought back; what a person may change is left alone.

use std::time::Duration;

use forkable_tests::{World, eventually, fleet_fork};
use reqwest::Method;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_broken_outside_is_healed() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    let id = world.variable("acme", "MODEL").await["id"].as_str().expect("an id").to_owned();
    world.person("vercel", Method::DELETE, &format!("/v9/projects/acme/env/{id}?teamId=team_acme"), None).await;
    world
        .person("vercel", Method::DELETE, "/v9/projects/acme/domains/www.acme.example.com?teamId=team_acme", None)
        .await;
    let ruleset = world.repository("acme-inc/acme").await["rulesets"][0]["id"].as_u64().expect("a ruleset");
    world.person("github", Method::DELETE, &format!("/repos/acme-inc/acme/rulesets/{ruleset}"), None).await;
    world.person("github", Method::PATCH, "/repos/acme-inc/acme", Some(json!({ "description": "defaced" }))).await;
    world.converge().await;
    assert_eq!(world.variable("acme", "MODEL").await["value"], "large");
    let repository = world.repository("acme-inc/acme").await;
    assert_eq!(repository["description"], "Acme AI, made from the framework");
    assert_eq!(repository["rulesets"].as_array().map(Vec::len), Some(1));
    assert!(world.domain_names("acme").await.contains(&"www.acme.example.com".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn healing_happens_while_it_runs() {
    let mut world = World::with_reference_fork().await;
    world.arguments.push("--resync=200ms".into());
    let running = world.up();
    running.says("ready", Duration::from_secs(30)).await;
    let id = world.variable("acme", "MODEL").await["id"].as_str().expect("an id").to_owned();
    world.person("vercel", Method::DELETE, &format!("/v9/projects/acme/env/{id}?teamId=team_acme"), None).await;
    eventually("the variable is back", Duration::from_secs(30), || async {
        world.find_variable("acme", "MODEL").await
    })
    .await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_manifest_is_applied_while_it_runs() {
    let world = World::with_reference_fork().await;
    let running = world.up();
    running.says("ready", Duration::from_secs(30)).await;
    world.edit("acme.yaml", "value: large", "value: small");
    eventually("the new value", Duration::from_secs(30), || async {
        world.find_variable("acme", "MODEL").await.filter(|row| row["value"] == "small")
    })
    .await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_person_changed_is_left_alone_unless_overwrite_is_always() {
    let world = World::with_reference_fork().await;
    // Without the ruleset a person may push directly.
    world.edit("acme.yaml", "      requiredReviews: 1\n", "");
    world.converge().await;
    world.push_file("acme-inc/acme", "README.md", "# Mine\n").await;
    world.converge().await;
    assert_eq!(world.repository("acme-inc/acme").await["files"]["README.md"], "# Mine\n");
    let (status, _, message) = world.condition("acme", "ContentSynced").await.expect("a condition");
    assert_eq!(status, "True");
    assert!(message.contains("README.md") && message.contains("overwrite: Always"), "{message}");
    world.edit("acme.yaml", "- path: README.md\n", "- path: README.md\n        overwrite: Always\n");
    world.converge().await;
    let readme = &world.repository("acme-inc/acme").await["files"]["README.md"];
    assert!(readme.as_str().is_some_and(|text| text.starts_with("# Acme AI")), "{readme}");
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_others_are_left_alone_unless_the_policy_is_exclusive() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    let foreign = json!({ "key": "THEIRS", "value": "x", "type": "encrypted", "target": ["production"] });
    world.person("vercel", Method::POST, "/v10/projects/acme/env?teamId=team_acme", Some(foreign)).await;
    world.converge().await;
    assert!(world.find_variable("acme", "THEIRS").await.is_some());
    world.edit("acme.yaml", "  release:\n", "  envPolicy: Exclusive\n  release:\n");
    world.converge().await;
    assert!(world.find_variable("acme", "THEIRS").await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_outside_is_followed_by_id() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    let before = world.repository("acme-inc/acme").await["id"].clone();
    world.person("github", Method::PATCH, "/repos/acme-inc/acme", Some(json!({ "name": "acme-renamed" }))).await;
    world.converge().await;
    let repository = world.repository("acme-inc/acme").await;
    assert_eq!(repository["id"], before, "renamed back, not made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_without_dns_says_which_records_are_missing() {
    let world = World::with_reference_fork().await;
    world.settings(json!({ "autoDns": false })).await;
    let output = world.run(&["up", ".", "--listen=127.0.0.1:0", "--once"]).await;
    assert_eq!(output.code, Some(1), "{}", output.stdout);
    let (status, reason, message) = world.condition("acme", "DomainsReady").await.expect("a condition");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "DNSRecordsMissing"), "{message}");
    let fork = world.fork("acme").await;
    let records = &fork["status"]["domains"][0]["records"];
    assert!(records.as_array().is_some_and(|records| !records.is_empty()), "{fork:#}");
    let record = &records[0];
    let value = record["value"].as_str().expect("a value");
    assert!(message.contains(value), "{message} does not name {value}");
    for domain in fork["status"]["domains"].as_array().expect("domains") {
        let name = domain["name"].as_str().expect("a name");
        let wanted: Vec<_> = domain["records"]
            .as_array()
            .expect("records")
            .iter()
            .map(|record| json!({ "type": record["type"], "value": record["value"] }))
            .collect();
        world.publish_dns(name, json!(wanted)).await;
    }
    world.converge().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_of_another_team_is_never_taken() {
    let world = World::with_reference_fork().await;
    world.edit("acme.yaml", "  env:\n", "    - name: taken.example.com\n  env:\n");
    assert_eq!(world.up_once().await.code, Some(1));
    let (status, reason, message) = world.condition("acme", "DomainsReady").await.expect("a condition");
    assert_eq!(status, "False", "{reason}: {message}");
    assert!(message.contains("taken.example.com"), "{message}");
    let inventory = world.inventory().await;
    let other = inventory["vercel"]["projects"]
        .as_array()
        .and_then(|projects| projects.iter().find(|project| project["name"] == "other-site"))
        .expect("the other project");
    assert!(other["domains"].to_string().contains("taken.example.com"), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_used_up_at_a_start_costs_no_call_for_each_fork_and_says_nothing_of_them() {
    // One more than are looked at one by one when the process starts.
    const FORKS: usize = 21;
    // GitHub lets things be made at a pace that is long for a test.
    const MAKING: u32 = 60;
    const PATIENCE: Duration = Duration::from_mins(2);
    let mut world = World::start().await;
    for n in 0..FORKS {
        world.write(&format!("f{n}.yaml"), &fleet_fork(n));
    }
    world.speed(MAKING).await;
    world.arguments.push(format!("--time-scale={MAKING}"));
    world.converge().await;
    world.arguments.pop();
    world.speed(1).await;
    let before = world.stored().await;
    let limited = json!({ "rateLimited": "primary", "retryAfter": 600 });
    world.fault(json!({ "match": { "provider": "github" }, "times": null, "effect": limited })).await;
    world.forget_calls().await;
    let running = world.up();
    eventually("as many passes as there are Forks were limited", PATIENCE, || async {
        let text = running.metrics(PATIENCE).await;
        let of_forks = |line: &&str| {
            line.starts_with("controller_runtime_reconcile_errors_total{controller=\"fork\",reason=\"RateLimited\"}")
        };
        let limited: usize = text.lines().find(of_forks)?.rsplit_once(' ')?.1.parse().ok()?;
        (limited >= FORKS).then_some(())
    })
    .await;
    let calls = world.counts().await;
    let said = running.kill().await.stdout;
    assert!(said.contains("RateLimited: GitHub"), "a person sees what is waited for: {said}");
    assert_eq!(calls.get("graphql query ForkFleet"), Some(&1), "{calls:#?}");
    // One page of projects, domains of three Forks as in every sweep, the certificates.
    let of_vercel = calls.iter().filter(|(call, _)| call.contains(" /v")).map(|(_, times)| times).sum::<usize>();
    assert!((2..=5).contains(&of_vercel), "{calls:#?}");
    assert_eq!(world.stored().await, before, "a status was written");
}
