//! What holds for environments, secrets, variables and security features.

use forkable_core::{
    PortError, Secret,
    forge::{
        Branches, DeepFacts, Environment, EnvironmentFacts, ForgeChange, RepositoryPatch, RepositoryTarget, StoredValue,
    },
};

use super::{
    Outcome,
    contract::apply,
    worlds::{World, ask_of, look},
};

fn environment(branches: Branches) -> Environment {
    Environment {
        name: "production".into(),
        reviewers: vec!["user:octo-founder".into()],
        prevent_self_review: true,
        wait_minutes: 5,
        branches,
    }
}

pub(super) async fn environments_are_written_whole(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, facts) = world.repository("acme").await?;
    let patterns = |patterns: &[&str]| Branches::Patterns(patterns.iter().map(|&pattern| pattern.into()).collect());
    let put = |branches: Branches| apply(forge, &target, ForgeChange::PutEnvironment(environment(branches)));
    put(patterns(&["main", "release/*"])).await?;
    let seen = look(forge, &ask_of(&facts)).await?;
    let expected = EnvironmentFacts {
        name: "production".into(),
        reviewers: vec!["user:octo-founder".into()],
        prevent_self_review: true,
        wait_minutes: 5,
    };
    assert_eq!(seen.environments, [expected]);
    let deep = seen.deep.ok_or("deep was asked for")?;
    assert_eq!(deep.branch_patterns["production"], ["main", "release/*"]);
    put(patterns(&["hotfix/*", "main"])).await?;
    let deep = look(forge, &ask_of(&facts)).await?.deep.ok_or("deep was asked for")?;
    assert_eq!(deep.branch_patterns["production"], ["hotfix/*", "main"]);
    put(Branches::Protected).await?;
    let deep = look(forge, &ask_of(&facts)).await?.deep.ok_or("deep was asked for")?;
    assert_eq!((deep.branch_patterns.len(), deep.protected_only), (0, vec!["production".to_owned()]));
    let bare = Environment { name: "production".into(), ..Environment::default() };
    apply(forge, &target, ForgeChange::PutEnvironment(bare)).await?;
    let seen = look(forge, &ask_of(&facts)).await?;
    let plain = EnvironmentFacts { name: "production".into(), ..EnvironmentFacts::default() };
    assert_eq!(seen.environments, [plain], "what is left out is taken away");
    assert_eq!(seen.deep.ok_or("deep was asked for")?.protected_only, Vec::<String>::new());
    world.drop_plan();
    let refused = put(Branches::All).await;
    assert!(matches!(refused, Err(PortError::PlanUnsupported { .. })), "{refused:?}");
    Ok(())
}

/// Names and values by place, without times.
fn told(values: &[StoredValue]) -> Vec<(Option<&str>, &str, Option<&str>)> {
    values.iter().map(|stored| (stored.environment.as_deref(), stored.name.as_str(), stored.value.as_deref())).collect()
}

pub(super) async fn secrets_and_variables_live_in_their_places(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, facts) = world.repository("acme").await?;
    let plain = Environment { name: "production".into(), ..Environment::default() };
    let secret = |environment: Option<&str>, value: &str| ForgeChange::PutSecret {
        environment: environment.map(Into::into),
        name: "TOKEN".into(),
        value: Secret::new(value),
    };
    let variable = |environment: Option<&str>, value: &str, exists: bool| ForgeChange::PutVariable {
        environment: environment.map(Into::into),
        name: "REGION".into(),
        value: value.into(),
        exists,
    };
    let early = apply(forge, &target, secret(Some("production"), "early")).await;
    assert!(matches!(early, Err(PortError::NotFound { .. })), "the environment comes first: {early:?}");
    let changes = [
        ForgeChange::PutEnvironment(plain),
        secret(None, "one"),
        secret(None, "two"),
        secret(Some("production"), "three"),
        variable(None, "fra1", false),
        // Wrong guesses are mended.
        variable(None, "iad1", false),
        variable(Some("production"), "cdg1", true),
    ];
    for change in changes {
        apply(forge, &target, change).await?;
    }
    assert_eq!(world.secret("acme-inc/acme", None, "TOKEN").await?.as_deref(), Some("two"));
    assert_eq!(world.secret("acme-inc/acme", Some("production"), "TOKEN").await?.as_deref(), Some("three"));
    let deep = look(forge, &ask_of(&facts)).await?.deep.ok_or("deep was asked for")?;
    assert_eq!(told(&deep.secrets), [(None, "TOKEN", None), (Some("production"), "TOKEN", None)]);
    let variables = [(None, "REGION", Some("iad1")), (Some("production"), "REGION", Some("cdg1"))];
    assert_eq!(told(&deep.variables), variables);
    assert!(deep.secrets.iter().all(|secret| secret.updated_at.is_some()));
    for environment in [None, Some("production".to_owned())] {
        for _ in 0..2 {
            let (secret, variable) = ("TOKEN".into(), "REGION".into());
            let delete = ForgeChange::DeleteSecret { environment: environment.clone(), name: secret };
            apply(forge, &target, delete).await?;
            let delete = ForgeChange::DeleteVariable { environment: environment.clone(), name: variable };
            apply(forge, &target, delete).await?;
        }
    }
    let deep = look(forge, &ask_of(&facts)).await?.deep.ok_or("deep was asked for")?;
    assert_eq!((deep.secrets, deep.variables), (vec![], vec![]));
    Ok(())
}

pub(super) async fn security_features_are_switched(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, facts) = world.repository("acme").await?;
    let early = apply(forge, &target, ForgeChange::SetDependabotFixes(true)).await;
    assert!(matches!(early, Err(PortError::Rejected { .. })), "fixes need alerts: {early:?}");
    let patch =
        RepositoryPatch { secret_scanning: Some(true), push_protection: Some(true), ..RepositoryPatch::default() };
    let changes = [
        ForgeChange::SetDependabotAlerts(true),
        ForgeChange::SetDependabotFixes(true),
        ForgeChange::UpdateRepository(patch),
    ];
    for change in changes {
        apply(forge, &target, change).await?;
    }
    let seen = look(forge, &ask_of(&facts)).await?;
    let on = DeepFacts {
        secret_scanning: Some(true),
        push_protection: Some(true),
        dependabot_fixes: Some(true),
        ..DeepFacts::default()
    };
    assert_eq!((seen.dependabot_alerts, seen.deep), (Some(true), Some(on.into())));
    apply(forge, &target, ForgeChange::SetDependabotAlerts(false)).await?;
    let seen = look(forge, &ask_of(&facts)).await?;
    let fixes = seen.deep.and_then(|deep| deep.dependabot_fixes);
    assert_eq!((seen.dependabot_alerts, fixes), (Some(false), Some(false)), "they go off together");
    let nobody = RepositoryTarget { id: None, ..target };
    let unmade = apply(forge, &nobody, ForgeChange::SetTopics(vec![])).await;
    assert!(unmade.is_err(), "a repository that is not made has no settings");
    Ok(())
}
