//! One manifest becomes a running product, in exactly these calls, and stays as it is for none.

use forkable_tests::{Counts, World, reference_fork};

/// Every call of a full create, builds' own polling aside. 14 is the goal.
fn full_create() -> Counts {
    [
        ("graphql query ForkFleet", 2),
        ("POST /repos/{owner}/{repo}/generate", 1),
        ("graphql mutation CommitFiles", 1),
        ("POST /repos/{owner}/{repo}/rulesets", 1),
        ("GET /v9/projects/{idOrName}", 1),
        ("POST /v11/projects", 1),
        ("PATCH /v9/projects/{idOrName}", 1),
        ("POST /v10/projects/{idOrName}/env", 1),
        ("POST /v10/projects/{idOrName}/domains", 2),
        ("GET /v6/domains/{domain}/config", 2),
        ("POST /v13/deployments", 1),
    ]
    .into_iter()
    .map(|(operation, times)| (operation.to_owned(), times))
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_create_takes_fourteen_calls() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    let counts = world.counts().await;
    assert_eq!(counts, full_create());
    assert!(counts.values().sum::<usize>() <= 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_product_is_there_and_can_be_opened() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    let (status, page) = world.page("acme.example.com").await;
    assert_eq!(status, 200, "{page}");
    for expected in ["acme-inc/acme", "NEXT_PUBLIC_BRAND", "SESSION_SECRET"] {
        assert!(page.contains(expected), "the page says nothing of {expected}: {page}");
    }
    let fork = world.fork("acme").await;
    assert_eq!(fork["status"]["url"], "https://acme.example.com");
    assert_eq!(fork["status"]["repository"]["fullName"], "acme-inc/acme");
    assert_eq!(fork["status"]["observedGeneration"], fork["metadata"]["generation"]);
    let types: Vec<_> = fork["status"]["conditions"]
        .as_array()
        .expect("conditions")
        .iter()
        .map(|condition| {
            (condition["type"].as_str().unwrap_or_default(), condition["status"].as_str().unwrap_or_default())
        })
        .collect();
    assert!(types.contains(&("Ready", "True")), "{types:?}");
    assert!(!types.iter().any(|(kind, _)| ["Reconciling", "Stalled"].contains(kind)), "{types:?}");
    let readme = &world.repository("acme-inc/acme").await["files"]["README.md"];
    assert_eq!(readme, "# Acme AI\n\nMade from forkable-ai/framework, live at https://acme.example.com.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_changes_nothing() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    let before = world.fork("acme").await;
    world.forget_calls().await;
    world.converge().await;
    assert_eq!(world.writes().await.len(), 0, "{:#?}", world.writes().await);
    assert_eq!(world.fork("acme").await, before, "not even the status was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_changed_variable_is_at_most_two_writes() {
    let world = World::with_reference_fork().await;
    world.edit("acme.yaml", "onEnvChange: Redeploy", "onEnvChange: Wait");
    world.converge().await;
    world.forget_calls().await;
    world.edit("acme.yaml", "value: large", "value: small");
    world.converge().await;
    let writes = world.writes().await;
    assert_eq!(writes.len(), 1, "{writes:#?}");
    let (_, _, message) = world.condition("acme", "EnvSynced").await.expect("a condition");
    assert!(message.contains("next release"), "{message}");
    assert_eq!(world.variable("acme", "MODEL").await["value"], "small");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_variable_makes_a_release_when_asked_to() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    world.forget_calls().await;
    world.edit("acme.yaml", "value: large", "value: small");
    world.converge().await;
    let operations: Vec<_> = world.writes().await.into_iter().map(|call| call.operation).collect();
    assert_eq!(operations, ["POST /v10/projects/{idOrName}/env", "POST /v13/deployments"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_added_domain_is_at_most_two_writes() {
    let world = World::with_reference_fork().await;
    world.converge().await;
    world.forget_calls().await;
    world.edit("acme.yaml", "  env:\n", "    - name: app.acme.example.com\n  env:\n");
    world.converge().await;
    let operations: Vec<_> = world.writes().await.into_iter().map(|call| call.operation).collect();
    assert_eq!(operations, ["POST /v10/projects/{idOrName}/domains"]);
    assert_eq!(world.page("app.acme.example.com").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_and_a_fork_of_the_template_work_too() {
    for mode in ["Copy", "Fork"] {
        let world = World::with_reference_fork().await;
        world.edit("acme.yaml", "repo: framework\n", &format!("repo: framework\n    mode: {mode}\n"));
        if mode == "Fork" {
            world.edit(
                "acme.yaml",
                "name: acme\n    description",
                "name: acme\n    visibility: Public\n    description",
            );
        }
        world.converge().await;
        let repository = world.repository("acme-inc/acme").await;
        assert!(repository["files"]["package.json"].is_string(), "{mode}: the template's files are there");
        assert!(repository["files"]["config/brand.json"].is_string(), "{mode}: ours are too");
        world.forget_calls().await;
        world.converge().await;
        assert_eq!(world.writes().await.len(), 0, "{mode}: nothing is left to do");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_that_cannot_be_used_are_named() {
    for (repo, reason) in [("storefront", "NotATemplate"), ("empty", "TemplateEmpty"), ("nowhere", "TemplateNotFound")]
    {
        let world = World::start().await;
        world.write("acme.yaml", &reference_fork().replacen("repo: framework", &format!("repo: {repo}"), 1));
        world.write("secret.yaml", &forkable_tests::reference_secret());
        assert_eq!(world.up_once().await.code, Some(1));
        let (status, found, message) = world.condition("acme", "Ready").await.expect("a condition");
        assert_eq!((status.as_str(), found.as_str()), ("False", reason), "{message}");
        assert!(message.contains(repo), "{message}");
        assert_eq!(world.writes().await.len(), 0);
    }
}
