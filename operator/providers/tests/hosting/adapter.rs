//! What only the adapter can get wrong: how many calls it makes, which, and what it makes of bad answers.

use forkable_core::{
    PortError, Secret,
    hosting::{
        DeploymentRequest, DomainItem, EnvItem, Hosting as _, HostingChange, ProjectAsk, ProjectSettingsPatch,
        ProjectTarget,
    },
};
use forkable_crds::fork::NodeVersion;
use serde_json::json;

use super::{
    Outcome,
    contract::{ask, look},
    env::item,
    worlds::{Sandbox, World as _, adapter},
};

async fn operations(sandbox: &Sandbox) -> Outcome<Vec<String>> {
    let calls = sandbox.calls().await?;
    Ok(calls.iter().filter_map(|call| call["operation"].as_str().map(str::to_owned)).collect())
}

fn domain(name: &str) -> HostingChange {
    HostingChange::AddDomain(DomainItem { name: name.into(), ..DomainItem::default() })
}

#[tokio::test]
async fn a_whole_fork_takes_nine_calls_that_all_name_the_team() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let hosting = &sandbox.vercel;
    let repository = sandbox.repository("acme").await?;
    let absent = super::worlds::target("acme", &repository);
    assert_eq!(hosting.observe(&[ask(&absent)]).await?, [None]);
    let (target, _) = sandbox.project_of("acme", &repository).await?;
    let patch = ProjectSettingsPatch { node_version: Some(NodeVersion::V22), ..ProjectSettingsPatch::default() };
    hosting.apply(&target, &HostingChange::UpdateProject { name: None, settings: patch }).await?;
    let items = (0..8).map(|at| item(&format!("KEY_{at}"), "v", &["Preview", "Production"])).collect();
    hosting.apply(&target, &HostingChange::UpsertEnv(items)).await?;
    for name in ["acme.com", "www.acme.com"] {
        hosting.apply(&target, &domain(name)).await?;
        hosting.domain_configuration(&target, name).await?;
    }
    let build = DeploymentRequest {
        request: "uid".into(),
        commit: Some(repository.commit),
        branch: "main".into(),
        repository_id: repository.id,
        environment: "Production".into(),
        force: false,
        goes_live: true,
    };
    hosting.apply(&target, &HostingChange::CreateDeployment(build)).await?;
    let expected = [
        "GET /v9/projects/{idOrName}",
        "POST /v11/projects",
        "PATCH /v9/projects/{idOrName}",
        "POST /v10/projects/{idOrName}/env",
        "POST /v10/projects/{idOrName}/domains",
        "GET /v6/domains/{domain}/config",
        "POST /v10/projects/{idOrName}/domains",
        "GET /v6/domains/{domain}/config",
        "POST /v13/deployments",
    ];
    assert_eq!(operations(&sandbox).await?, expected);
    for call in sandbox.calls().await? {
        assert!(call["query"].as_str().is_some_and(|query| query.contains("teamId=team_acme")), "{call}");
    }
    Ok(())
}

#[tokio::test]
async fn a_sweep_reads_pages_and_ends_with_the_last_ask() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let hosting = &sandbox.vercel;
    let mut asks = Vec::new();
    sandbox.server.sandbox().write(|world, now| {
        for at in 0..150 {
            let project = world.vercel.new_project("team_acme", &format!("p{at}"), now.as_millisecond());
            asks.push(ProjectAsk { name: project.name.clone(), ..ProjectAsk::default() });
            world.vercel.projects.insert(project.id.clone(), project);
        }
    });
    let newest = &asks[100..];
    assert!(hosting.observe(newest).await?.iter().all(Option::is_some));
    assert_eq!(operations(&sandbox).await?, ["GET /v10/projects"], "all of them are on the first page");
    sandbox.forget_calls().await?;
    let seen = hosting.observe(&asks).await?;
    assert_eq!(operations(&sandbox).await?, ["GET /v10/projects"; 2]);
    let names = seen.into_iter().map(|facts| facts.map(|facts| facts.name));
    assert!(names.eq(asks.iter().map(|ask| Some(ask.name.clone()))), "in the order of the asks");
    sandbox.forget_calls().await?;
    let with_absent = [asks[0].clone(), ProjectAsk { name: "nobody".into(), ..ProjectAsk::default() }];
    assert_eq!(hosting.observe(&with_absent).await?[1], None);
    let confirmed = ["GET /v10/projects", "GET /v10/projects", "GET /v9/projects/{idOrName}"];
    assert_eq!(operations(&sandbox).await?, confirmed, "what no page told is absent only once a GET says so");
    Ok(())
}

#[tokio::test]
async fn environments_are_read_again_only_after_a_change() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let hosting = &sandbox.vercel;
    let (first, ..) = sandbox.project("first").await?;
    let (second, ..) = sandbox.project("second").await?;
    let create = HostingChange::CreateEnvironment { slug: "staging".into(), branch: "staging".into() };
    hosting.apply(&first, &create).await?;
    let asks = [ask(&first), ProjectAsk { environments: false, ..ask(&second) }];
    let page = "GET /v10/projects";
    let environments = "GET /v9/projects/{idOrName}/custom-environments";
    for expected in [vec![page, environments], vec![page]] {
        sandbox.forget_calls().await?;
        let seen = hosting.observe(&asks).await?;
        assert_eq!(seen[0].as_ref().map(|facts| facts.environments.len()), Some(1));
        assert_eq!(operations(&sandbox).await?, expected);
    }
    let upsert = HostingChange::UpsertEnv(vec![item("BRAND", "Acme", &["Production"])]);
    hosting.apply(&first, &upsert).await?;
    sandbox.forget_calls().await?;
    hosting.observe(&asks).await?;
    assert_eq!(operations(&sandbox).await?, [page, environments]);
    Ok(())
}

#[tokio::test]
async fn lists_may_leave_out_variables_and_go_round_in_circles() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let hosting = &sandbox.vercel;
    let (target, ..) = sandbox.project("acme").await?;
    hosting.apply(&target, &HostingChange::UpsertEnv(vec![item("BRAND", "Acme", &["Production"])])).await?;
    let whole = look(hosting, &target).await?;
    let trimmed = json!({ "id": whole.id, "name": "acme", "accountId": "team_acme" });
    let page = json!({ "projects": [trimmed], "pagination": { "count": 1, "next": "MFRGG", "prev": null } });
    let pages = json!({ "operation": "GET /v10/projects" });
    let body = json!({ "match": pages, "times": 2, "effect": { "status": 200, "body": page } });
    sandbox.add_fault(body).await?;
    sandbox.forget_calls().await?;
    let asks = [ask(&target), ProjectAsk { name: "nobody".into(), ..ProjectAsk::default() }];
    let seen = hosting.observe(&asks).await?;
    assert_eq!(seen[0].as_ref().map(|facts| &facts.env), Some(&whole.env));
    let calls = sandbox.calls().await?;
    let (pages, others): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call["operation"] == "GET /v10/projects");
    assert_eq!(pages.len(), 2, "the same cursor again ends the pages");
    assert_eq!(pages[1]["query"], "teamId=team_acme&limit=100&from=MFRGG", "opaque cursors are passed on");
    let mut others: Vec<&str> = others.iter().filter_map(|call| call["operation"].as_str()).collect();
    others.sort_unstable();
    let read = [
        "GET /v10/projects/{idOrName}/env",
        "GET /v9/projects/{idOrName}",
        "GET /v9/projects/{idOrName}/custom-environments",
    ];
    assert_eq!(others, read);
    Ok(())
}

#[tokio::test]
async fn bad_answers_are_never_absence() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let hosting = &sandbox.vercel;
    let (target, ..) = sandbox.project("acme").await?;
    let effects = [
        json!({ "status": 500 }),
        json!({ "malformed": true }),
        json!({ "truncate": true }),
        json!({ "cut": "before" }),
        json!({ "status": 200, "body": {} }),
    ];
    for effect in effects {
        for asks in [vec![ask(&target)], vec![ask(&target), ask(&target)]] {
            sandbox.fault(json!({ "method": "GET" }), effect.clone()).await?;
            let seen = hosting.observe(&asks).await;
            assert!(matches!(seen, Err(PortError::Unavailable { .. })), "{effect}: {seen:?}");
        }
    }
    assert!(look(hosting, &target).await.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_found_by_looking() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let repository = sandbox.repository("acme").await?;
    sandbox.fault(json!({ "operation": "POST /v11/projects" }), json!({ "cut": "after" })).await?;
    assert!(sandbox.project_of("acme", &repository).await.is_err());
    let wanted = super::worlds::target("acme", &repository);
    assert_eq!(look(&sandbox.vercel, &wanted).await?.repository_id, Some(repository.id));
    Ok(())
}

#[tokio::test]
async fn credentials_and_limits_are_told_apart() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let asks = [ProjectAsk { name: "acme".into(), ..ProjectAsk::default() }];
    let stranger = adapter(&sandbox.server, "nobody's-token")?.observe(&asks).await;
    assert!(matches!(stranger, Err(PortError::Unauthorized { .. })), "{stranger:?}");
    let elsewhere = [ProjectAsk { team: Some("team_other".into()), ..asks[0].clone() }];
    let foreign = sandbox.vercel.observe(&elsewhere).await;
    assert!(matches!(foreign, Err(PortError::Forbidden { .. })), "{foreign:?}");
    let limit = json!({ "rateLimited": "vercel", "retryAfter": 39 });
    sandbox.fault(json!({ "method": "GET" }), limit).await?;
    sandbox.forget_calls().await?;
    for _ in 0..2 {
        let limited = sandbox.vercel.observe(&asks).await;
        assert!(matches!(limited, Err(PortError::RateLimited { .. })), "{limited:?}");
    }
    assert_eq!(sandbox.calls().await?.len(), 1, "nothing is sent until the limit ends");
    Ok(())
}

#[tokio::test]
async fn many_variables_go_in_batches_and_no_error_tells_a_value() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (target, ..) = sandbox.project("acme").await?;
    sandbox.forget_calls().await?;
    let many: Vec<EnvItem> = (0..101).map(|at| item(&format!("KEY_{at}"), "v", &["Production"])).collect();
    sandbox.vercel.apply(&target, &HostingChange::UpsertEnv(many)).await?;
    assert_eq!(operations(&sandbox).await?, ["POST /v10/projects/{idOrName}/env"; 2]);
    let canary = "canary-3f9a";
    let secret = EnvItem { value: Secret::new(canary), ..item("VERCEL_URL", "", &["Production"]) };
    let refused = sandbox.vercel.apply(&target, &HostingChange::UpsertEnv(vec![secret])).await;
    let error = refused.expect_err("the name is reserved");
    assert!(!format!("{error} {error:?}").contains(canary), "{error}");
    let echo = json!({ "code": "BAD", "message": format!("the value {canary} is bad"), "envVarKey": "KEY" });
    let failed = json!([{ "error": echo }]);
    let echoes = [
        json!({ "status": 400, "body": { "error": echo } }),
        json!({ "status": 201, "body": { "created": [], "failed": failed } }),
        json!({ "status": 400, "body": { "error": echo, "failed": failed } }),
    ];
    for effect in echoes {
        sandbox.fault(json!({ "method": "POST" }), effect.clone()).await?;
        let secret = EnvItem { value: Secret::new(canary), ..item("KEY", "", &["Production"]) };
        let refused = sandbox.vercel.apply(&target, &HostingChange::UpsertEnv(vec![secret])).await;
        let error = refused.expect_err("it is refused").to_string();
        assert!(error.contains("the value [redacted] is bad"), "{effect}: {error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_domain_waits_for_a_good_build() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let repository = sandbox.broken_repository("acme").await?;
    let (target, _) = sandbox.project_of("acme", &repository).await?;
    let build = DeploymentRequest {
        request: "uid".into(),
        commit: None,
        branch: "main".into(),
        repository_id: repository.id,
        environment: "Production".into(),
        force: true,
        goes_live: true,
    };
    sandbox.vercel.apply(&target, &HostingChange::CreateDeployment(build)).await?;
    sandbox.finish_builds();
    let refused = sandbox.vercel.apply(&target, &domain("acme.com")).await;
    assert!(matches!(refused, Err(PortError::Stale { .. })), "it can be added once a build is good: {refused:?}");
    Ok(())
}

#[tokio::test]
async fn the_apex_is_asked_for_once_if_no_answer_told_it() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (target, ..) = sandbox.project("acme").await?;
    sandbox.vercel.apply(&target, &domain("shop.acme.co.uk")).await?;
    let restarted = adapter(&sandbox.server, "sandbox-vercel-token")?;
    sandbox.forget_calls().await?;
    for _ in 0..2 {
        let open = restarted.domain_configuration(&target, "shop.acme.co.uk").await?;
        assert_eq!((open.records[0].record_type.as_str(), open.records.len()), ("CNAME", 1));
    }
    let config = "GET /v6/domains/{domain}/config";
    let expected = [config, "GET /v9/projects/{idOrName}/domains/{domain}", config];
    assert_eq!(operations(&sandbox).await?, expected);
    Ok(())
}

#[tokio::test]
async fn certificates_tell_names_and_end() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (target, ..) = sandbox.project("acme").await?;
    assert_eq!(sandbox.vercel.certificates(None).await?, []);
    sandbox.vercel.apply(&target, &domain("acme.com")).await?;
    let open = sandbox.vercel.domain_configuration(&target, "acme.com").await?;
    sandbox.lead("acme.com", &open.records);
    let certificates = sandbox.vercel.certificates(None).await?;
    let [(names, end)] = &certificates[..] else { return Err(format!("{certificates:?}").into()) };
    assert_eq!(names, &["acme.com"]);
    assert!(*end > jiff::Timestamp::now());
    Ok(())
}

#[tokio::test]
async fn a_change_needs_its_project() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let target = ProjectTarget { name: "acme".into(), ..ProjectTarget::default() };
    let early = sandbox.vercel.apply(&target, &HostingChange::PauseProject).await;
    assert!(matches!(early, Err(PortError::Stale { .. })), "{early:?}");
    assert!(sandbox.calls().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn calls_name_the_tokens_default_team_when_nobody_names_one() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let vercel = sandbox.without_team()?;
    for _ in 0..2 {
        vercel.certificates(None).await?;
    }
    vercel.certificates(Some("team_acme")).await?;
    let calls = sandbox.calls().await?;
    let told: Vec<_> = calls.iter().map(|call| (call["operation"].as_str(), call["query"].as_str())).collect();
    let list = (Some("GET /v8/certs"), Some("teamId=team_acme&limit=100"));
    assert_eq!(told, [(Some("GET /v2/user"), Some("")), list, list, list]);
    Ok(())
}

#[tokio::test]
async fn an_api_without_the_newer_list_of_builds_has_the_older_one() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (target, ..) = sandbox.project("acme").await?;
    let missing = json!({ "error": { "code": "not_found", "message": "The requested API endpoint does not exist." } });
    sandbox.fault(json!({ "operation": "GET /v7/deployments" }), json!({ "status": 404, "body": missing })).await?;
    sandbox.forget_calls().await?;
    assert_eq!(sandbox.vercel.deployments(&target, None).await?, []);
    assert_eq!(operations(&sandbox).await?, ["GET /v7/deployments", "GET /v6/deployments"]);
    Ok(())
}
