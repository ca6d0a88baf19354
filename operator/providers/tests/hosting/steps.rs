//! Releases that get a project's visitors step by step.

use forkable_core::{
    PortError,
    hosting::{DeploymentRequest, HostingChange, HostingDone, ProjectTarget, SplitState},
};

use super::{
    Outcome,
    contract::{build, look, request},
    worlds::{Repository, World},
};

/// A build for production that is done, and does not go live by itself.
async fn candidate(world: &dyn World, target: &ProjectTarget, repository: &Repository, name: &str) -> Outcome<String> {
    let wanted =
        DeploymentRequest { request: name.into(), force: true, goes_live: false, ..request(repository, "Production") };
    let made = build(world.hosting(), target, wanted).await?;
    world.finish_builds();
    Ok(made.id)
}

async fn state(world: &dyn World, target: &ProjectTarget) -> Outcome<SplitState> {
    Ok(world.hosting().split(target).await?.ok_or("nothing is released step by step")?.state)
}

pub(super) async fn visitors_are_led_to_a_canary_step_by_step(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (target, _, repository) = world.project("acme").await?;
    let apply = async |change: HostingChange| hosting.apply(&target, &change).await;
    apply(HostingChange::AssignDomains(false)).await?;
    let first = candidate(world, &target, &repository, "uid-1").await?;
    apply(HostingChange::Promote { id: first.clone() }).await?;
    world.finish_builds();
    let second = candidate(world, &target, &repository, "uid-2").await?;
    let start = HostingChange::StartSteps { id: second.clone() };
    let next = |stage| HostingChange::NextStep { id: second.clone(), stage };

    hosting.allows_steps(&target).await?;
    assert_eq!(hosting.steps(&target).await?, None);
    assert!(hosting.split(&target).await?.is_none());
    let refused = apply(start.clone()).await;
    assert!(matches!(refused, Err(PortError::Rejected { .. })), "there are no steps: {refused:?}");
    let refused = apply(HostingChange::SetSteps(Some(vec![50, 10]))).await;
    assert!(matches!(refused, Err(PortError::Rejected { .. })), "steps ascend: {refused:?}");
    apply(HostingChange::SetSteps(Some(vec![10, 50]))).await?;
    assert_eq!(hosting.steps(&target).await?, Some(vec![10, 50]));

    assert_eq!(apply(start.clone()).await?, HostingDone::Nothing);
    let split = hosting.split(&target).await?.ok_or("it has begun")?;
    assert_eq!((split.canary.as_str(), split.base.as_deref()), (second.as_str(), Some(first.as_str())));
    assert_eq!(split.state, SplitState::Active { stage: 0 });
    assert_eq!(look(hosting, &target).await?.production_deployment.as_ref(), Some(&first), "most get the old one");
    assert_eq!(apply(start).await?, HostingDone::Nothing, "once more is no error");
    for wrong in [0, 2] {
        let refused = apply(next(wrong)).await;
        assert!(matches!(refused, Err(PortError::Rejected { .. })), "it is not the next step: {refused:?}");
    }
    apply(next(1)).await?;
    assert_eq!(state(world, &target).await?, SplitState::Active { stage: 1 });
    assert!(apply(next(1)).await.is_err(), "no step is gone through twice");

    // Back: what served goes on serving, and it was over at once.
    apply(HostingChange::RollBack { id: first.clone() }).await?;
    world.finish_builds();
    assert_eq!(state(world, &target).await?, SplitState::Aborted);
    assert_eq!(look(hosting, &target).await?.production_deployment.as_ref(), Some(&first));
    assert!(apply(next(1)).await.is_err(), "it is over");

    let third = candidate(world, &target, &repository, "uid-3").await?;
    apply(HostingChange::StartSteps { id: third.clone() }).await?;
    apply(HostingChange::CompleteSteps { id: third.clone() }).await?;
    assert_eq!(state(world, &target).await?, SplitState::Complete);
    assert_eq!(look(hosting, &target).await?.production_deployment, Some(third));
    apply(HostingChange::SetSteps(None)).await?;
    assert_eq!(hosting.steps(&target).await?, None);
    Ok(())
}

pub(super) async fn a_plan_without_steps_says_so(world: &dyn World) -> Outcome {
    let (target, _, _) = world.project("acme").await?;
    world.set_plan_without_steps();
    let refused = world.hosting().allows_steps(&target).await;
    assert!(matches!(refused, Err(PortError::PlanUnsupported { .. })), "{refused:?}");
    let refused = world.hosting().apply(&target, &HostingChange::SetSteps(Some(vec![10]))).await;
    assert!(matches!(refused, Err(PortError::PlanUnsupported { .. })), "{refused:?}");
    Ok(())
}
