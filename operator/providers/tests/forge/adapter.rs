//! What only the adapter can get wrong: how many calls it makes, which, and as whom.

use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair, KeySize},
    signature::KeyPair as _,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use forkable_core::{
    Secret,
    forge::{BranchRules, Forge as _, ForgeChange, RepositoryPatch, Ruleset},
};
use forkable_crds::fork::Visibility;
use forkable_providers::github::{Credentials, CredentialsError};
use serde_json::{Value, json};

use super::{
    Outcome,
    contract::{apply, commit, repository},
    worlds::{Sandbox, World, adapter, ask, ask_of, generate, look, target, target_of, template},
};

#[tokio::test]
async fn a_whole_fork_takes_five_calls() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let github = &sandbox.github;
    let shallow = |mut ask: forkable_core::forge::RepositoryAsk| {
        ask.deep = false;
        ask
    };
    github.observe(&[shallow(ask("acme-inc", "acme"))]).await?;
    let made = repository(apply(github, &target("acme-inc", "acme"), generate()).await?)?;
    sandbox.ripen();
    let facts = look(github, &shallow(ask_of(&made))).await?;
    apply(github, &target_of(&facts), commit("main", &[("a", "1"), ("b", "2"), ("c", "3")])).await?;
    let rules = BranchRules { required_reviews: Some(1), ..BranchRules::default() };
    apply(github, &target_of(&facts), ForgeChange::CreateRuleset(Ruleset { name: "forkable".into(), rules })).await?;
    let expected = [
        "graphql query ForkFleet",
        "POST /repos/{owner}/{repo}/generate",
        "graphql query ForkFleet",
        "graphql mutation CommitFiles",
        "POST /repos/{owner}/{repo}/rulesets",
    ];
    assert_eq!(sandbox.operations().await?, expected);
    for call in sandbox.calls().await? {
        assert_eq!(call["headers"]["x-github-api-version"], "2022-11-28", "{call}");
        assert!(call["headers"]["user-agent"].as_str().is_some_and(|agent| agent.starts_with("forkable/")), "{call}");
    }
    Ok(())
}

#[tokio::test]
async fn a_fleet_is_looked_at_fifty_at_a_time_for_few_points() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (_, facts) = sandbox.repository("acme").await?;
    let mut asks: Vec<_> = (0..60).map(|i| ask("acme-inc", &format!("absent-{i}"))).collect();
    for ask in &mut asks {
        ask.deep = false;
    }
    asks[57].node_id = Some(facts.node_id.clone());
    sandbox.forget_calls().await?;
    let views = sandbox.github.observe(&asks).await?;
    let seen: Vec<_> = (0..60).filter(|&i| views[i].repository.is_some()).collect();
    assert_eq!((views.len(), seen), (60, vec![57]));
    assert_eq!(sandbox.operations().await?, ["graphql query ForkFleet"; 2]);
    let limits = sandbox.person("GET /rate_limit", Value::Null).await?;
    let used = limits["resources"]["graphql"]["used"].as_u64().ok_or("no count")?;
    assert!(used <= 25, "{used} points for two looks at few and one at sixty");
    Ok(())
}

#[tokio::test]
async fn a_repository_with_many_environments_is_asked_for_again() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (_, facts) = sandbox.repository("acme").await?;
    let (_, small) = sandbox.repository("small").await?;
    for i in 0..7 {
        sandbox.person(&format!("PUT /repos/acme-inc/acme/environments/stage-{i}"), json!({})).await?;
    }
    sandbox.forget_calls().await?;
    let shallow = |facts| forkable_core::forge::RepositoryAsk { deep: false, ..ask_of(facts) };
    let views = sandbox.github.observe(&[shallow(&small), shallow(&facts)]).await?;
    let environments = |i: usize| views[i].repository.as_ref().map(|facts| facts.environments.len());
    assert_eq!((environments(0), environments(1)), (Some(0), Some(7)));
    assert_eq!(sandbox.operations().await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn internal_repositories_are_generated_by_graphql() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let internal = ForgeChange::CreateFromTemplate {
        template: template(),
        visibility: Visibility::Internal,
        description: Some("Inside".into()),
    };
    let made = repository(apply(&sandbox.github, &target("acme-inc", "inside"), internal.clone()).await?)?;
    assert_eq!((made.visibility, made.description.as_deref()), (Visibility::Internal, Some("Inside")));
    let again = apply(&sandbox.github, &target("acme-inc", "inside"), internal.clone()).await;
    assert_eq!(again.expect_err("taken").reason(), "NameConflict");
    let nowhere = apply(&sandbox.github, &target("nobody", "inside"), internal).await;
    assert_eq!(nowhere.expect_err("no such owner").reason(), "NotFound");
    Ok(())
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
}

#[tokio::test]
async fn an_app_gets_one_token_for_many_calls_and_another_when_it_is_refused() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (made, facts) = sandbox.repository("acme").await?;
    let pair = KeyPair::generate(KeySize::Rsa2048)?;
    let private = pem("PRIVATE KEY", AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair)?.as_ref());
    let public = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key())?;
    let body = json!({ "publicKeyPem": pem("PUBLIC KEY", public.as_ref()) });
    sandbox.admin("PUT /_sandbox/github-app", body).await?;
    let credentials =
        Credentials::App { id: "4242".into(), installation: "777".into(), private_key: Secret::new(private) };
    let app = adapter(&sandbox.server, &credentials)?;
    assert_eq!(app.permissions().granted, None);
    sandbox.forget_calls().await?;
    let asks = [ask_of(&facts)];
    let (one, two, three) = futures::join!(app.observe(&asks), app.observe(&asks), app.observe(&asks));
    one.and(two).and(three)?;
    let issued = |operations: Vec<String>| operations.iter().filter(|name| name.ends_with("access_tokens")).count();
    assert_eq!(issued(sandbox.operations().await?), 1, "three calls at once ask once");
    let granted = app.permissions().granted.ok_or("an App's token tells")?;
    assert!(granted.contains(&"administration:write".to_owned()), "{granted:?}");
    // Its own rules do not bind it.
    let rules = BranchRules { required_reviews: Some(1), ..BranchRules::default() };
    apply(&app, &made, ForgeChange::CreateRuleset(Ruleset { name: "forkable".into(), rules })).await?;
    apply(&app, &made, commit("main", &[("README.md", "by the App\n")])).await?;
    // The token ends while this machine's clock stands still.
    sandbox.ripen();
    let patch = || ForgeChange::UpdateRepository(RepositoryPatch { wiki: Some(false), ..RepositoryPatch::default() });
    assert_eq!(apply(&app, &made, patch()).await.expect_err("it ended").reason(), "Stale");
    sandbox.forget_calls().await?;
    let next = apply(&app, &made, patch()).await;
    assert_eq!(issued(sandbox.operations().await?), 1, "the next try asks for another: {next:?}");
    Ok(())
}

#[test]
fn credentials_of_a_wrong_form_are_refused_without_telling_them() -> Outcome {
    let app = |id: &str, key: &str| Credentials::App {
        id: id.into(),
        installation: "777".into(),
        private_key: Secret::new(key),
    };
    let cases = [
        (app("4242", "hunter2"), "key"),
        (app("me", "hunter2"), "id"),
        (Credentials::Token(Secret::new("a\nb")), "token"),
    ];
    let network = forkable_providers::transport::Network::new(
        &prometheus::Registry::new(),
        forkable_providers::transport::Timeouts::default(),
        std::sync::Arc::new(forkable_providers::transport::SystemClock),
    )?;
    for (credentials, what) in cases {
        let transport = network.transport(forkable_providers::github::limits());
        let url: url::Url = "http://127.0.0.1:1".parse()?;
        let made = forkable_providers::github::GitHub::new(transport, url.clone(), url, &credentials);
        let error: CredentialsError = made.err().ok_or("it was taken")?;
        assert!(error.to_string().contains(what) && !error.to_string().contains("hunter2"), "{error}");
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
    Ok(())
}
