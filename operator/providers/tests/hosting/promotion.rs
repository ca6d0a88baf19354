//! Builds that stay away from production's domains, promotion and rollback.

use forkable_core::{
    PortError,
    hosting::{DeploymentFacts, DeploymentRequest, HostingChange, HostingDone, ProjectTarget},
};

use super::{
    Outcome,
    contract::{build, look, request},
    worlds::{Repository, World},
};

/// A build for production that is done, and does not go live by itself.
async fn candidate(
    world: &dyn World,
    target: &ProjectTarget,
    repository: &Repository,
    name: &str,
) -> Outcome<DeploymentFacts> {
    let wanted =
        DeploymentRequest { request: name.into(), force: true, goes_live: false, ..request(repository, "Production") };
    let made = build(world.hosting(), target, wanted).await?;
    world.finish_builds();
    Ok(world.hosting().deployment(target, &made.id).await?.ok_or("it is gone")?)
}

pub(super) async fn what_is_promoted_serves_and_can_be_rolled_back(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (target, made, repository) = world.project("acme").await?;
    assert_eq!(made.assigns_domains, Some(true));
    hosting.apply(&target, &HostingChange::AssignDomains(false)).await?;
    assert_eq!(look(hosting, &target).await?.assigns_domains, Some(false));
    let first = candidate(world, &target, &repository, "uid-1").await?;
    assert_eq!(look(hosting, &target).await?.production_deployment, None, "it stays away from the domains");

    let refused = hosting.apply(&target, &HostingChange::RollBack { id: first.id.clone() }).await;
    assert!(matches!(refused, Err(PortError::Rejected { .. })), "it has never served: {refused:?}");
    let promote = HostingChange::Promote { id: first.id.clone() };
    assert_eq!(hosting.apply(&target, &promote).await?, HostingDone::Nothing);
    world.finish_builds();
    let seen = look(hosting, &target).await?;
    assert_eq!(seen.production_deployment.as_ref(), Some(&first.id));
    assert_eq!(seen.assigns_domains, Some(true), "a promotion switches it on");
    let moved = seen.moved.ok_or("the promotion is not told")?;
    assert_eq!((moved.to.as_str(), moved.is_rollback, moved.succeeded), (first.id.as_str(), false, Some(true)));
    assert_eq!(hosting.apply(&target, &promote).await?, HostingDone::Nothing, "what serves already is no error");

    hosting.apply(&target, &HostingChange::AssignDomains(false)).await?;
    let second = candidate(world, &target, &repository, "uid-2").await?;
    assert_eq!(look(hosting, &target).await?.production_deployment.as_ref(), Some(&first.id));
    hosting.apply(&target, &HostingChange::Promote { id: second.id.clone() }).await?;
    world.finish_builds();
    assert_eq!(look(hosting, &target).await?.production_deployment.as_ref(), Some(&second.id));
    hosting.apply(&target, &HostingChange::RollBack { id: first.id.clone() }).await?;
    world.finish_builds();
    let seen = look(hosting, &target).await?;
    assert_eq!(seen.production_deployment, Some(first.id));
    assert_eq!(seen.assigns_domains, Some(false), "a rollback switches it off");
    assert!(seen.moved.is_some_and(|moved| moved.is_rollback));
    Ok(())
}

pub(super) async fn a_deleted_build_is_gone(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (target, _, repository) = world.project("acme").await?;
    let first = candidate(world, &target, &repository, "uid-1").await?;
    let wanted = DeploymentRequest { request: "uid-2".into(), force: true, ..request(&repository, "Preview") };
    let under_way = build(hosting, &target, wanted).await?;
    for id in [&under_way.id, &under_way.id] {
        let done = hosting.apply(&target, &HostingChange::DeleteDeployment { id: id.clone() }).await?;
        assert_eq!(done, HostingDone::Nothing, "also if it is gone already");
    }
    assert_eq!(hosting.deployment(&target, &under_way.id).await?, None);
    let left: Vec<_> = hosting.deployments(&target, None).await?.into_iter().map(|facts| facts.id).collect();
    assert_eq!(left, [first.id]);
    Ok(())
}
