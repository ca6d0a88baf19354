//! What holds for environment variables.

use forkable_core::{
    PortError, Secret,
    hosting::{EnvItem, EnvRow, HostingChange, HostingDone, ProjectTarget},
};

use super::{Outcome, contract::look, worlds::World};

pub(super) fn item(key: &str, value: &str, environments: &[&str]) -> EnvItem {
    EnvItem {
        key: key.into(),
        value: Secret::new(value),
        environments: environments.iter().map(|name| (*name).to_owned()).collect(),
        custom_environment_ids: Vec::new(),
        branch: None,
        sensitive: false,
    }
}

async fn upsert(world: &dyn World, target: &ProjectTarget, items: Vec<EnvItem>) -> Outcome<Vec<EnvRow>> {
    match world.hosting().apply(target, &HostingChange::UpsertEnv(items)).await? {
        HostingDone::Env(rows) => Ok(rows),
        other => Err(format!("rows were expected: {other:?}").into()),
    }
}

pub(super) async fn a_variable_keeps_its_row_through_changes(world: &dyn World) -> Outcome {
    let (target, ..) = world.project("acme").await?;
    let brand = item("BRAND", "Acme", &["Preview", "Production"]);
    let key = EnvItem { sensitive: true, ..item("STRIPE_KEY", "sk", &["Production"]) };
    let made = upsert(world, &target, vec![brand.clone(), key]).await?;
    let mut seen = look(world.hosting(), &target).await?.env;
    assert_eq!(seen, made, "the answer to a write is what is seen afterwards");
    assert_eq!((made[0].key.as_str(), made[0].sensitive, made[0].integration), ("BRAND", false, false));
    assert_eq!(made[0].targets, ["preview", "production"]);
    assert!(made[1].sensitive && made[1].updated_at > 0);
    let changed = upsert(world, &target, vec![EnvItem { value: Secret::new("Acme 2"), ..brand }]).await?;
    assert_eq!(changed[0].id, made[0].id);
    assert!(changed[0].updated_at >= made[0].updated_at);
    let rows = vec![(made[0].id.clone(), "BRAND".to_owned())];
    for _ in 0..2 {
        world.hosting().apply(&target, &HostingChange::DeleteEnv { rows: rows.clone() }).await?;
    }
    seen.retain(|row| row.key != "BRAND");
    assert_eq!(look(world.hosting(), &target).await?.env, seen);
    Ok(())
}

pub(super) async fn variables_are_told_apart_by_environment_and_branch(world: &dyn World) -> Outcome {
    let (target, ..) = world.project("acme").await?;
    let branch = EnvItem { branch: Some("staging".into()), ..item("BRAND", "Staging", &["Preview"]) };
    let three = vec![item("BRAND", "Live", &["Production"]), item("BRAND", "Else", &["Preview"]), branch];
    let made = upsert(world, &target, three).await?;
    assert_eq!(made.len(), 3);
    let branches: Vec<_> = made.iter().map(|row| row.branch.as_deref()).collect();
    assert_eq!(branches, [None, None, Some("staging")]);
    // A row for both environments would take the place of two.
    let both = HostingChange::UpsertEnv(vec![item("BRAND", "Both", &["Preview", "Production"])]);
    let refused = world.hosting().apply(&target, &both).await;
    assert!(matches!(&refused, Err(PortError::Rejected { message, .. }) if message.contains("BRAND")), "{refused:?}");
    assert_eq!(look(world.hosting(), &target).await?.env.len(), 3);
    Ok(())
}

pub(super) async fn variables_of_custom_environments_name_them_by_id(world: &dyn World) -> Outcome {
    let (target, ..) = world.project("acme").await?;
    let early = HostingChange::UpsertEnv(vec![item("BRAND", "Acme", &["Production", "staging"])]);
    let stale = world.hosting().apply(&target, &early).await;
    assert!(matches!(stale, Err(PortError::Stale { .. })), "{stale:?}");
    let create = HostingChange::CreateEnvironment { slug: "staging".into(), branch: "staging".into() };
    let HostingDone::Environment(staging) = world.hosting().apply(&target, &create).await? else {
        return Err("an environment was expected".into());
    };
    let both = EnvItem {
        custom_environment_ids: vec![staging.id.clone()],
        ..item("BRAND", "Acme", &["Production", "staging"])
    };
    let made = upsert(world, &target, vec![both]).await?;
    assert_eq!(
        (&made[0].targets[..], &made[0].custom_environment_ids),
        (&["production".to_owned()][..], &vec![staging.id])
    );
    assert_eq!(look(world.hosting(), &target).await?.env, made);
    Ok(())
}

pub(super) async fn a_refused_variable_is_named_and_the_others_are_written(world: &dyn World) -> Outcome {
    let (target, ..) = world.project("acme").await?;
    let batch = vec![item("GOOD", "1", &["Production"]), item("VERCEL_URL", "2", &["Production"])];
    let refused = world.hosting().apply(&target, &HostingChange::UpsertEnv(batch)).await;
    let Err(PortError::Rejected { message, .. }) = refused else { return Err(format!("{refused:?}").into()) };
    assert!(message.contains("VERCEL_URL") && message.contains("reserved"), "{message}");
    let keys: Vec<String> = look(world.hosting(), &target).await?.env.into_iter().map(|row| row.key).collect();
    assert_eq!(keys, ["GOOD"]);
    let alone = HostingChange::UpsertEnv(vec![item("VERCEL_URL", "2", &["Production"])]);
    let refused = world.hosting().apply(&target, &alone).await;
    assert!(
        matches!(&refused, Err(PortError::Rejected { message, .. }) if message.contains("VERCEL_URL")),
        "{refused:?}"
    );
    Ok(())
}
