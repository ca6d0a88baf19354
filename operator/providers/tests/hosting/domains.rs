//! What holds for domains.

use forkable_core::{
    PortError,
    hosting::{DomainFacts, DomainItem, HostingChange, HostingDone, ProjectTarget},
};

use super::{Outcome, worlds::World};

fn item(name: &str) -> DomainItem {
    DomainItem { name: name.into(), ..DomainItem::default() }
}

async fn apply(world: &dyn World, target: &ProjectTarget, change: HostingChange) -> Outcome<DomainFacts> {
    match world.hosting().apply(target, &change).await? {
        HostingDone::Domain(facts) => Ok(facts),
        other => Err(format!("a domain was expected: {other:?}").into()),
    }
}

async fn names(world: &dyn World, target: &ProjectTarget) -> Outcome<Vec<String>> {
    let domains = world.hosting().domains(target, &[]).await?;
    Ok(domains.into_iter().map(|domain| domain.name).collect())
}

pub(super) async fn a_domain_is_added_once_and_led_by_records(world: &dyn World) -> Outcome {
    let (target, ..) = world.project("acme").await?;
    let hosting = world.hosting();
    let cases =
        [("acme.com", "A", "acme.com"), ("www.acme.com", "CNAME", "www.acme.com"), ("*.acme.net", "NS", "acme.net")];
    for (name, kind, at) in cases {
        let made = apply(world, &target, HostingChange::AddDomain(item(name))).await?;
        assert_eq!((made.name.as_str(), made.verified, &made.configuration), (name, true, &None));
        assert_eq!(
            apply(world, &target, HostingChange::AddDomain(item(name))).await?,
            made,
            "adding again is no error"
        );
        let open = hosting.domain_configuration(&target, name).await?;
        assert!(!open.configured && !open.records.is_empty(), "{open:?}");
        assert!(open.records.iter().all(|record| record.record_type == kind && record.name == at), "{open:?}");
        world.lead(name, &open.records);
        let led = hosting.domain_configuration(&target, name).await?;
        assert!(led.configured && led.records.is_empty(), "{led:?}");
    }
    let listed = hosting.domains(&target, &["acme.com".into()]).await?;
    let looked_at: Vec<_> =
        listed.iter().map(|domain| (domain.name.as_str(), domain.configuration.is_some())).collect();
    let expected = [("*.acme.net", false), ("acme.com", true), ("acme.vercel.app", false), ("www.acme.com", false)];
    assert_eq!(looked_at, expected);
    for _ in 0..2 {
        hosting.apply(&target, &HostingChange::RemoveDomain { name: "www.acme.com".into() }).await?;
    }
    assert_eq!(names(world, &target).await?, ["*.acme.net", "acme.com", "acme.vercel.app"]);
    Ok(())
}

pub(super) async fn a_redirect_needs_its_target(world: &dyn World) -> Outcome {
    let (target, ..) = world.project("acme").await?;
    let redirect = DomainItem { redirect: Some("acme.com".into()), redirect_status: Some(301), ..item("www.acme.com") };
    let early = world.hosting().apply(&target, &HostingChange::AddDomain(redirect.clone())).await;
    assert!(matches!(early, Err(PortError::Rejected { .. })), "{early:?}");
    apply(world, &target, HostingChange::AddDomain(item("acme.com"))).await?;
    let made = apply(world, &target, HostingChange::AddDomain(redirect)).await?;
    assert_eq!((made.redirect.as_deref(), made.redirect_status), (Some("acme.com"), Some(301)));
    let removed = world.hosting().apply(&target, &HostingChange::RemoveDomain { name: "acme.com".into() }).await;
    assert!(matches!(removed, Err(PortError::Conflict { .. })), "{removed:?}");
    // A status that is not said is 308; no redirect at all clears it.
    let permanent = DomainItem { redirect: Some("acme.com".into()), ..item("www.acme.com") };
    let changed = apply(world, &target, HostingChange::UpdateDomain(permanent)).await?;
    assert_eq!(changed.redirect_status, Some(308));
    let cleared = apply(world, &target, HostingChange::AddDomain(item("www.acme.com"))).await?;
    assert_eq!((cleared.redirect, cleared.redirect_status), (None, None), "adding what is there sets it as wanted");
    Ok(())
}

pub(super) async fn a_domain_of_another_project_is_a_conflict(world: &dyn World) -> Outcome {
    let (holder, made, _) = world.project("holder").await?;
    let (target, ..) = world.project("acme").await?;
    apply(world, &holder, HostingChange::AddDomain(item("acme.com"))).await?;
    let taken = world.hosting().apply(&target, &HostingChange::AddDomain(item("acme.com"))).await;
    let Err(PortError::Conflict { message, .. }) = taken else { return Err(format!("{taken:?}").into()) };
    assert!(message.contains(&made.id), "it says who has it: {message}");
    assert_eq!(names(world, &target).await?, ["acme.vercel.app"]);
    Ok(())
}

pub(super) async fn a_domain_of_another_team_has_to_be_proved(world: &dyn World) -> Outcome {
    let (target, ..) = world.project("acme").await?;
    let name = "shop.taken.example.com";
    let made = apply(world, &target, HostingChange::AddDomain(item(name))).await?;
    assert!(!made.verified);
    let [proof] = &made.verification[..] else { return Err(format!("{made:?}").into()) };
    assert_eq!((proof.record_type.as_str(), proof.name.as_str()), ("TXT", "_vercel.example.com"));
    let verify = HostingChange::VerifyDomain { name: name.into() };
    let early = world.hosting().apply(&target, &verify).await?;
    assert_eq!(early, HostingDone::Nothing, "not yet is no error");
    world.prove(name, proof);
    let verified = apply(world, &target, verify).await?;
    assert!(verified.verified && verified.verification.is_empty(), "{verified:?}");
    Ok(())
}

pub(super) async fn a_domain_moves_to_an_environment_and_back(world: &dyn World) -> Outcome {
    let (target, ..) = world.project("acme").await?;
    let create = HostingChange::CreateEnvironment { slug: "staging".into(), branch: "staging".into() };
    let HostingDone::Environment(staging) = world.hosting().apply(&target, &create).await? else {
        return Err("an environment was expected".into());
    };
    apply(world, &target, HostingChange::AddDomain(item("staging.acme.com"))).await?;
    let there = DomainItem {
        environment: Some("staging".into()),
        custom_environment_id: Some(staging.id.clone()),
        ..item("staging.acme.com")
    };
    let moved = apply(world, &target, HostingChange::UpdateDomain(there)).await?;
    assert_eq!(moved.custom_environment_id, Some(staging.id));
    let branch = DomainItem { branch: Some("staging".into()), ..item("staging.acme.com") };
    let back = apply(world, &target, HostingChange::UpdateDomain(branch)).await?;
    assert_eq!((back.custom_environment_id, back.branch.as_deref()), (None, Some("staging")));
    Ok(())
}
