//! What holds for projects, links, environments and builds.

use forkable_core::{
    PortError,
    hosting::{
        BuildState, DeploymentFacts, DeploymentRequest, Hosting, HostingChange, HostingDone, LogLine, ProjectAsk,
        ProjectFacts, ProjectSettings, ProjectSettingsPatch, ProjectTarget,
    },
};
use forkable_crds::fork::{FunctionMemory, LoginProtection, NodeVersion};
use futures::StreamExt as _;
use jiff::{SignedDuration, Timestamp};

use super::{
    Outcome,
    worlds::{Repository, World, target},
};

pub(super) fn ask(target: &ProjectTarget) -> ProjectAsk {
    ProjectAsk { id: target.id.clone(), name: target.name.clone(), team: None, environments: true }
}

pub(super) async fn look(hosting: &dyn Hosting, target: &ProjectTarget) -> Outcome<ProjectFacts> {
    let mut seen = hosting.observe(&[ask(target)]).await?;
    Ok(seen.pop().flatten().ok_or("the project is not there")?)
}

pub(super) fn request(repository: &Repository, environment: &str) -> DeploymentRequest {
    DeploymentRequest {
        request: "uid-1".into(),
        commit: Some(repository.commit.clone()),
        branch: "main".into(),
        repository_id: repository.id,
        environment: environment.into(),
        force: false,
        goes_live: true,
    }
}

pub(super) async fn build(
    hosting: &dyn Hosting,
    target: &ProjectTarget,
    request: DeploymentRequest,
) -> Outcome<DeploymentFacts> {
    match hosting.apply(target, &HostingChange::CreateDeployment(request)).await? {
        HostingDone::Deployment(facts) => Ok(facts),
        other => Err(format!("a deployment was expected: {other:?}").into()),
    }
}

pub(super) async fn a_project_is_absent_until_it_is_made(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let repository = world.repository("acme").await?;
    let wanted = target("acme", &repository);
    assert_eq!(hosting.observe(&[ask(&wanted)]).await?, [None]);
    let settings = ProjectSettings {
        framework: Some("nextjs".into()),
        root_directory: Some("apps/web".into()),
        install_command: Some("npm ci".into()),
        build_command: Some("npm run build".into()),
        output_directory: Some("out".into()),
        node_version: Some(NodeVersion::V22),
        regions: Some(vec!["fra1".into()]),
        memory: Some(FunctionMemory::Performance),
        max_duration_seconds: Some(30),
        fluid: Some(false),
        login: Some(LoginProtection::Preview),
    };
    let done = hosting.apply(&wanted, &HostingChange::CreateProject(settings.clone())).await?;
    let HostingDone::Project(made) = done else { return Err("a project was expected".into()) };
    assert_eq!((made.name.as_str(), made.team.as_str()), ("acme", "team_acme"));
    assert_eq!((made.repository_id, made.production_branch.as_deref()), (Some(repository.id), Some("main")));
    assert_eq!((&made.env, &made.environments, &made.domains), (&vec![], &vec![], &Some(vec![])));
    // The version of Node.js cannot be given with the creation; everything else was.
    assert_eq!(made.settings, ProjectSettings { node_version: Some(NodeVersion::V24), ..settings });
    let made_target = ProjectTarget { id: Some(made.id.clone()), ..wanted.clone() };
    let seen = look(hosting, &made_target).await?;
    assert_eq!(seen, ProjectFacts { domains: None, ..(*made).clone() });
    assert_eq!(look(hosting, &wanted).await?, seen, "by name as by id");
    Ok(())
}

pub(super) async fn a_taken_name_is_a_conflict(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (target, ..) = world.project("acme").await?;
    let again = hosting.apply(&target, &HostingChange::CreateProject(ProjectSettings::default())).await;
    assert!(matches!(again, Err(PortError::Conflict { .. })), "{again:?}");
    let (other, ..) = world.project("other").await?;
    let rename = HostingChange::UpdateProject { name: Some("acme".into()), settings: ProjectSettingsPatch::default() };
    let renamed = hosting.apply(&other, &rename).await;
    assert!(matches!(renamed, Err(PortError::Conflict { .. })), "{renamed:?}");
    Ok(())
}

pub(super) async fn a_repository_that_cannot_be_seen_is_refused(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let repository = world.repository("acme").await?;
    let link = Some((world.unseen_repository().to_owned(), 1));
    let unseen = ProjectTarget { repository: link, ..target("acme", &repository) };
    let made = hosting.apply(&unseen, &HostingChange::CreateProject(ProjectSettings::default())).await;
    assert!(matches!(made, Err(PortError::Rejected { .. })), "{made:?}");
    assert_eq!(hosting.observe(&[ask(&unseen)]).await?, [None], "nothing is made");
    Ok(())
}

pub(super) async fn settings_are_changed_and_cleared_one_by_one(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (target, made, _) = world.project("acme").await?;
    let set = ProjectSettingsPatch {
        framework: Some(Some("vite".into())),
        build_command: Some(Some("make".into())),
        node_version: Some(NodeVersion::V20),
        login: Some(LoginProtection::Off),
        ..ProjectSettingsPatch::default()
    };
    let change = HostingChange::UpdateProject { name: Some("renamed".into()), settings: set };
    let HostingDone::Project(changed) = hosting.apply(&target, &change).await? else { return Err("a project".into()) };
    let expected = ProjectSettings {
        framework: Some("vite".into()),
        build_command: Some("make".into()),
        node_version: Some(NodeVersion::V20),
        login: Some(LoginProtection::Off),
        ..made.settings
    };
    assert_eq!((changed.name.as_str(), &changed.settings), ("renamed", &expected));
    let clear = ProjectSettingsPatch {
        framework: Some(None),
        max_duration_seconds: Some(60),
        memory: Some(FunctionMemory::Standard),
        ..ProjectSettingsPatch::default()
    };
    hosting.apply(&target, &HostingChange::UpdateProject { name: None, settings: clear }).await?;
    let seen = look(hosting, &target).await?;
    let expected = ProjectSettings {
        framework: None,
        max_duration_seconds: Some(60),
        memory: Some(FunctionMemory::Standard),
        ..expected
    };
    assert_eq!((seen.name.as_str(), &seen.settings), ("renamed", &expected));
    Ok(())
}

pub(super) async fn many_are_looked_at_in_the_order_of_the_asks(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (first, ..) = world.project("first").await?;
    let (second, ..) = world.project("second").await?;
    let (third, ..) = world.project("third").await?;
    let environment = HostingChange::CreateEnvironment { slug: "staging".into(), branch: "staging".into() };
    hosting.apply(&third, &environment).await?;
    let by_name = |name: &str| ProjectAsk { name: name.into(), ..ProjectAsk::default() };
    let plain = ProjectAsk { environments: false, ..ask(&third) };
    let asks = [ask(&third), by_name("nobody"), by_name("first"), ask(&second), plain];
    let seen = hosting.observe(&asks).await?;
    let names: Vec<Option<&str>> = seen.iter().map(|facts| facts.as_ref().map(|facts| facts.name.as_str())).collect();
    assert_eq!(names, [Some("third"), None, Some("first"), Some("second"), Some("third")]);
    assert_eq!(seen[2], Some(look(hosting, &first).await?), "a list tells what a single look tells");
    assert_eq!(seen[0], Some(look(hosting, &third).await?), "with environments for the ask that wants them");
    let gone = ProjectAsk { id: Some("prj_gone".into()), ..by_name("first") };
    assert_eq!(hosting.observe(&[gone, by_name("second")]).await?[0], None, "an id does not fall back to the name");
    Ok(())
}

pub(super) async fn the_link_and_its_branch_are_replaced(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (target, ..) = world.project("acme").await?;
    let other = world.repository("other").await?;
    hosting.apply(&target, &HostingChange::SetProductionBranch("staging".into())).await?;
    assert_eq!(look(hosting, &target).await?.production_branch.as_deref(), Some("staging"));
    let target = ProjectTarget { repository: Some((other.full_name.clone(), other.id)), ..target };
    let HostingDone::Project(linked) = hosting.apply(&target, &HostingChange::LinkRepository).await? else {
        return Err("a project was expected".into());
    };
    assert_eq!((linked.repository_id, linked.production_branch.as_deref()), (Some(other.id), Some("main")));
    assert_eq!(look(hosting, &target).await?, *linked);
    Ok(())
}

pub(super) async fn custom_environments_are_made_once(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (target, ..) = world.project("acme").await?;
    let create =
        |slug: &str, branch: &str| HostingChange::CreateEnvironment { slug: slug.into(), branch: branch.into() };
    let HostingDone::Environment(made) = hosting.apply(&target, &create("staging", "staging")).await? else {
        return Err("an environment was expected".into());
    };
    assert_eq!((made.slug.as_str(), made.branch.as_deref()), ("staging", Some("staging")));
    let again = hosting.apply(&target, &create("staging", "next")).await?;
    let HostingDone::Environment(again) = again else { return Err("an environment was expected".into()) };
    assert_eq!((&again.id, again.branch.as_deref()), (&made.id, Some("next")), "the same one, with the new branch");
    let back = HostingChange::UpdateEnvironment { id: made.id.clone(), branch: "staging".into() };
    hosting.apply(&target, &back).await?;
    assert_eq!(look(hosting, &target).await?.environments, std::slice::from_ref(&made));
    world.set_environment_limit_to_one();
    let beyond = hosting.apply(&target, &create("second", "second")).await;
    assert!(matches!(beyond, Err(PortError::PlanUnsupported { .. })), "{beyond:?}");
    for _ in 0..2 {
        hosting.apply(&target, &HostingChange::DeleteEnvironment { id: made.id.clone() }).await?;
    }
    assert_eq!(look(hosting, &target).await?.environments, []);
    Ok(())
}

pub(super) async fn a_build_is_found_again_by_its_request(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (target, _, repository) = world.project("acme").await?;
    assert_eq!(hosting.deployments(&target, Some(&repository.commit)).await?, []);
    let made = build(hosting, &target, request(&repository, "Production")).await?;
    assert!(matches!(made.state, BuildState::Queued | BuildState::Building), "{made:?}");
    assert_eq!((made.request.as_deref(), made.commit.as_ref()), (Some("uid-1"), Some(&repository.commit)));
    assert!(!made.aliases_assigned && !made.url.is_empty());
    let same = build(hosting, &target, request(&repository, "Production")).await?;
    assert_eq!(same.id, made.id, "the same commit is not built twice");
    let forced = DeploymentRequest { request: "uid-2".into(), force: true, ..request(&repository, "Production") };
    let forced = build(hosting, &target, forced).await?;
    assert_ne!(forced.id, made.id, "unless it is forced");
    let found = hosting.deployments(&target, Some(&repository.commit)).await?;
    let requests: Vec<_> = found.iter().map(|facts| facts.request.as_deref()).collect();
    assert_eq!(requests, [Some("uid-2"), Some("uid-1")], "newest first");
    assert_eq!(hosting.deployments(&target, None).await?.len(), 2);
    assert_eq!(hosting.deployments(&target, Some(&"0".repeat(40))).await?, []);
    let under_way = |builds: Vec<DeploymentFacts>| builds.into_iter().map(|facts| facts.id).collect::<Vec<_>>();
    assert_eq!(under_way(hosting.builds(target.team.as_deref()).await?), [&*forced.id, &*made.id], "of the team");
    world.finish_builds();
    assert_eq!(hosting.builds(target.team.as_deref()).await?, []);
    let built = hosting.deployment(&target, &forced.id).await?.ok_or("it is gone")?;
    assert_eq!((built.state, built.target.as_deref()), (BuildState::Ready, Some("production")));
    assert!(built.aliases_assigned && built.alias_error.is_none() && built.error.is_none(), "{built:?}");
    assert!(built.aliases.contains(&"acme.vercel.app".into()), "{built:?}");
    assert_eq!(look(hosting, &target).await?.production_deployment, Some(forced.id));
    assert_eq!(hosting.deployment(&target, "dpl_gone").await?, None);
    Ok(())
}

pub(super) async fn a_failed_build_says_why(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let repository = world.broken_repository("acme").await?;
    let (target, _) = world.project_of("acme", &repository).await?;
    let made = build(hosting, &target, request(&repository, "Production")).await?;
    world.finish_builds();
    let failed = hosting.deployment(&target, &made.id).await?.ok_or("it is gone")?;
    assert_eq!(failed.state, BuildState::Failed);
    assert!(failed.error.as_ref().is_some_and(|error| error.contains("exited with 1")), "{failed:?}");
    assert!(!failed.aliases_assigned);
    let log = hosting.build_log(&target, &made.id).await?;
    assert!((1..=20).contains(&log.len()) && log.iter().all(|line| !line.trim().is_empty()), "{log:?}");
    assert_eq!(look(hosting, &target).await?.production_deployment, None);
    Ok(())
}

pub(super) async fn a_cancelled_build_stays_cancelled(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (target, _, repository) = world.project("acme").await?;
    let made = build(hosting, &target, request(&repository, "Production")).await?;
    for _ in 0..2 {
        let done = hosting.apply(&target, &HostingChange::CancelDeployment { id: made.id.clone() }).await?;
        let HostingDone::Deployment(facts) = done else { return Err("a deployment was expected".into()) };
        assert_eq!(facts.state, BuildState::Canceled);
    }
    Ok(())
}

pub(super) async fn visitors_are_challenged_for_a_while(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (target, made, _) = world.project("acme").await?;
    assert_eq!(made.challenged_until, None);
    let until = (Timestamp::now() + SignedDuration::from_hours(1)).as_millisecond();
    // Once more is no error.
    for _ in 0..2 {
        hosting.apply(&target, &HostingChange::ChallengeVisitors { until }).await?;
        assert_eq!(look(hosting, &target).await?.challenged_until, Some(until));
    }
    let gone = ProjectTarget { id: Some("prj_gone".into()), ..target };
    let refused = hosting.apply(&gone, &HostingChange::ChallengeVisitors { until }).await;
    assert!(matches!(refused, Err(PortError::NotFound { .. })), "{refused:?}");
    Ok(())
}

pub(super) async fn a_deleted_project_is_gone_and_can_be_deleted_again(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (target, made, _) = world.project("acme").await?;
    assert!(!made.paused);
    hosting.apply(&target, &HostingChange::PauseProject).await?;
    assert!(look(hosting, &target).await?.paused);
    for _ in 0..2 {
        hosting.apply(&target, &HostingChange::DeleteProject).await?;
    }
    assert_eq!(hosting.observe(&[ask(&target)]).await?, [None]);
    let update = HostingChange::UpdateProject { name: None, settings: ProjectSettingsPatch::default() };
    let updated = hosting.apply(&target, &update).await;
    assert!(matches!(updated, Err(PortError::NotFound { .. })), "{updated:?}");
    Ok(())
}

pub(super) async fn what_a_deployment_logs_is_followed(world: &dyn World) -> Outcome {
    let hosting = world.hosting();
    let (target, _, repository) = world.project("acme").await?;
    let made = build(hosting, &target, request(&repository, "Production")).await?;
    world.finish_builds();
    let absent = hosting.runtime_log(&target, "dpl_gone").await.err().ok_or("there is none")?;
    assert!(matches!(absent, PortError::NotFound { .. }), "{absent}");
    let mut log = hosting.runtime_log(&target, &made.id).await?;
    let built = hosting.deployment(&target, &made.id).await?.ok_or("it is gone")?;
    world.visit(&built, 200).await?;
    world.visit(&built, 500).await?;
    let fine = LogLine { is_error: false, status: Some(200) };
    let failed = LogLine { is_error: true, status: Some(500) };
    assert_eq!([log.next().await.transpose()?, log.next().await.transpose()?], [Some(fine), Some(failed)]);
    world.end_logs();
    assert!(log.next().await.is_none());
    Ok(())
}
