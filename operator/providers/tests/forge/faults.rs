//! What the adapter makes of bad answers.

use forkable_core::{
    PortError, Secret,
    forge::{Forge as _, ForgeChange, RepositoryPatch, RepositoryTarget},
};
use forkable_providers::github::Credentials;
use serde_json::{Value, json};

use super::{
    Outcome,
    contract::{apply, commit},
    worlds::{Sandbox, World as _, adapter, ask, ask_of, generate, target},
};

fn wiki() -> ForgeChange {
    ForgeChange::UpdateRepository(RepositoryPatch { wiki: Some(false), ..RepositoryPatch::default() })
}

#[tokio::test]
async fn every_bad_answer_to_every_kind_of_call_is_told_apart() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (made, facts) = sandbox.repository("acme").await?;
    let effects = [
        (json!({ "status": 500 }), "ProviderUnavailable"),
        (json!({ "status": 502, "body": "<html>" }), "ProviderUnavailable"),
        (json!({ "status": 401, "body": { "message": "Bad credentials" } }), "Unauthorized"),
        (json!({ "status": 404, "body": { "message": "Not Found" } }), "NotFound"),
        (json!({ "status": 307, "body": { "message": "Temporary Redirect" } }), "Stale"),
        (json!({ "cut": "before" }), "ProviderUnavailable"),
        (json!({ "cut": "after" }), "ProviderUnavailable"),
        (json!({ "truncate": true }), "ProviderUnavailable"),
        (json!({ "malformed": true }), "ProviderUnavailable"),
    ];
    for (effect, reason) in effects {
        let matching = json!({ "provider": "github", "operation": "graphql query ForkFleet" });
        sandbox.fault(matching, effect.clone()).await?;
        let looked = sandbox.github.observe(&[ask_of(&facts)]).await;
        assert_eq!(looked.expect_err("a fault").reason(), reason, "looking: {effect}");
        let matching = json!({ "provider": "github", "method": "PATCH" });
        sandbox.fault(matching, effect.clone()).await?;
        let changed = apply(&sandbox.github, &made, wiki()).await;
        assert_eq!(changed.expect_err("a fault").reason(), reason, "changing: {effect}");
        apply(&sandbox.github, &made, wiki()).await?;
    }
    Ok(())
}

#[tokio::test]
async fn errors_of_graphql_never_pass_for_absence() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (_, facts) = sandbox.repository("acme").await?;
    let null = json!({ "r0": null, "t0": null });
    let error = |kind: Value, path: Value| json!({ "type": kind, "path": path, "message": "Something" });
    let cases = [
        (json!({ "data": null, "errors": [error(json!("SERVICE_UNAVAILABLE"), json!([]))] }), "ProviderUnavailable"),
        (json!({ "data": null, "errors": [{ "message": "Something went wrong" }] }), "ProviderUnavailable"),
        (json!({ "data": null }), "ProviderUnavailable"),
        (json!({ "data": null_with(&null) }), "ProviderUnavailable"),
        (json!({ "data": null, "errors": [error(json!("FORBIDDEN"), json!(["r0"]))] }), "MissingPermission"),
        (json!({ "data": null, "errors": [error(json!("RATE_LIMITED"), json!([]))] }), "RateLimited"),
    ];
    for (body, reason) in cases {
        let matching = json!({ "operation": "graphql query ForkFleet" });
        sandbox.fault(matching, json!({ "status": 200, "body": body })).await?;
        let looked = sandbox.github.observe(&[ask_of(&facts)]).await;
        assert_eq!(looked.expect_err("an error").reason(), reason, "{body}");
    }
    Ok(())
}

fn null_with(data: &Value) -> Value {
    data.clone()
}

#[tokio::test]
async fn limits_are_waited_out_and_not_asked_again() -> Outcome {
    for (limited, effect) in [
        ("primary", json!({ "rateLimited": "primary", "retryAfter": 90 })),
        ("secondary", json!({ "rateLimited": "secondary", "retryAfter": 90 })),
    ] {
        let sandbox = Sandbox::start().await?;
        let (made, _) = sandbox.repository("acme").await?;
        sandbox.fault(json!({ "method": "PATCH" }), effect).await?;
        sandbox.forget_calls().await?;
        for _ in 0..3 {
            let changed = apply(&sandbox.github, &made, wiki()).await;
            assert!(matches!(changed, Err(PortError::RateLimited { .. })), "{limited}: {changed:?}");
        }
        assert_eq!(sandbox.operations().await?.len(), 1, "{limited}: only the first was sent");
    }
    Ok(())
}

#[tokio::test]
async fn credentials_that_lack_something_are_told_what() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (made, facts) = sandbox.repository("acme").await?;
    let token = json!({
        "provider": "github", "token": "github_pat_narrow", "kind": "fine-grained", "owners": ["acme-inc"],
        "permissions": { "metadata": "read", "contents": "write", "actions": "read" },
    });
    sandbox.admin("POST /_sandbox/tokens", token).await?;
    let narrow = adapter(&sandbox.server, &Credentials::Token(Secret::new("github_pat_narrow")))?;
    let changed = apply(&narrow, &made, wiki()).await;
    let Err(PortError::Forbidden { missing, .. }) = changed else { return Err(format!("{changed:?}").into()) };
    assert_eq!(missing.as_deref(), Some("administration=write"));
    assert_eq!(narrow.permissions().granted, None, "fine-grained tokens do not tell");
    let workflow = commit("main", &[(".github/workflows/deploy.yml", "on: push\n")]);
    let changed = apply(&narrow, &made, workflow).await;
    let Err(PortError::Forbidden { missing, .. }) = changed else { return Err(format!("{changed:?}").into()) };
    assert_eq!(missing.as_deref(), Some("workflow (workflows:write)"));
    let nobody = adapter(&sandbox.server, &Credentials::Token(Secret::new("wrong")))?;
    let looked = nobody.observe(&[ask_of(&facts)]).await;
    assert!(matches!(looked, Err(PortError::Unauthorized { .. })), "{looked:?}");
    let token = json!({
        "provider": "github", "token": "ghp_small", "kind": "classic", "scopes": ["repo"],
    });
    sandbox.admin("POST /_sandbox/tokens", token).await?;
    let small = adapter(&sandbox.server, &Credentials::Token(Secret::new("ghp_small")))?;
    small.observe(&[ask_of(&facts)]).await?;
    assert_eq!(small.permissions().granted, Some(vec!["repo".to_owned()]));
    let deleted = apply(&small, &made, ForgeChange::Delete).await;
    assert!(matches!(deleted, Err(PortError::Forbidden { .. })), "{deleted:?}");
    Ok(())
}

#[tokio::test]
async fn a_rule_that_binds_the_program_says_how_to_lift_it() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (made, _) = sandbox.repository("acme").await?;
    let ruleset = json!({
        "name": "strict", "enforcement": "active", "target": "branch",
        "conditions": { "ref_name": { "include": ["~ALL"], "exclude": [] } },
        "rules": [{ "type": "pull_request", "parameters": {
            "required_approving_review_count": 1, "dismiss_stale_reviews_on_push": true,
            "require_code_owner_review": false, "require_last_push_approval": false,
            "required_review_thread_resolution": false,
        } }],
    });
    sandbox.person("POST /repos/acme-inc/acme/rulesets", ruleset).await?;
    let refused = apply(&sandbox.github, &made, commit("main", &[("README.md", "x\n")])).await;
    let Err(PortError::Rejected { message, .. }) = refused else { return Err(format!("{refused:?}").into()) };
    assert!(message.contains("Changes must be made through a pull request"), "{message}");
    assert!(message.contains("bypass"), "{message}");
    let seen = super::worlds::look(&sandbox.github, &ask("acme-inc", "acme")).await?;
    assert_eq!(seen.rulesets[0].rules, None, "rules that are never written");
    Ok(())
}

#[tokio::test]
async fn what_became_of_a_cut_write_is_found_out_by_looking() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let absent: RepositoryTarget = target("acme-inc", "acme");
    let matching = json!({ "operation": "POST /repos/{owner}/{repo}/generate" });
    sandbox.fault(matching, json!({ "cut": "after" })).await?;
    let cut = apply(&sandbox.github, &absent, generate()).await;
    assert_eq!(cut.expect_err("a cut").reason(), "ProviderUnavailable");
    let view = sandbox.github.observe(&[ask("acme-inc", "acme")]).await?.remove(0);
    let template = view.template.map(|template| template.id);
    assert_eq!(view.repository.map(|facts| facts.template_id), Some(template));
    Ok(())
}
