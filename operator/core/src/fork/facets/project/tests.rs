use forkable_crds::{
    ForkStatus,
    fork::{NodeVersion, PauseStatus, ProjectEnvironmentStatus},
};

use super::*;
use crate::{
    fork::{
        Desired, Observed,
        desired::{Challenge, Pause},
        fixtures::{desired, hosted, hosted_record, input, message, observed, printed, reason, record},
    },
    hosting::CustomEnvironment,
};

struct World {
    desired: Desired,
    observed: Observed,
    record: ForkStatus,
}

/// There is a repository and no project.
fn absent() -> World {
    World { desired: desired(), observed: observed(), record: record() }
}

/// All is done.
fn done() -> World {
    World { desired: desired(), observed: hosted(), record: hosted_record() }
}

fn facts(world: &mut World) -> &mut ProjectFacts {
    world.observed.project.as_mut().expect("a project")
}

fn plan_of(world: &World) -> FacetPlan {
    plan(input(&world.desired, &world.observed, &world.record))
}

fn staging(world: &mut World) {
    world.desired.project.environments = vec![("staging".into(), "next".into())];
}

fn challenge(until: &str) -> Option<Challenge> {
    Challenge::parse(&format!("the AlertRule attack until {until}"))
}

fn pause(at: &str) -> Option<Pause> {
    Pause::parse(&format!("the AlertRule down at {at}"))
}

type Case = (&'static str, fn() -> World, fn(&mut World), &'static [&'static str], &'static str);

#[test]
fn what_is_missing_is_planned() {
    let cases: [Case; 26] = [
        ("nothing differs", done, |_| {}, &[], "Synced"),
        ("there is none", absent, |_| {}, &["create project, linked to the repository"], "Synced"),
        (
            "there is none, and a setting that creation does not take",
            absent,
            |world| world.desired.project.settings.node_version = Some(NodeVersion::V22),
            &["create project, linked to the repository", "set Node.js 22"],
            "Synced",
        ),
        (
            "it was deleted: it holds nothing that cannot be made again",
            done,
            |world| world.observed.project = None,
            &["create project, linked to the repository"],
            "Synced",
        ),
        (
            "the manifest names another team than it is in",
            done,
            |world| world.desired.project.team = Some("team_2".into()),
            &[],
            "ProjectInOtherTeam",
        ),
        (
            "somebody else's has the name",
            done,
            |world| {
                world.record = record();
                facts(world).repository_id = Some(1);
            },
            &[],
            "NameConflict",
        ),
        (
            "somebody else's has the name, and it is linked to nothing",
            done,
            |world| {
                world.record = record();
                facts(world).repository_id = None;
            },
            &[],
            "NameConflict",
        ),
        (
            "a pass was interrupted before it could note the id: the link proves it",
            done,
            |world| world.record.project = None,
            &[],
            "Synced",
        ),
        (
            "a person lets us take it over",
            done,
            |world| {
                world.record.project = None;
                world.desired.adopt = true;
                facts(world).repository_id = Some(1);
            },
            &["link the repository"],
            "Synced",
        ),
        ("somebody unlinked it", done, |world| facts(world).repository_id = None, &["link the repository"], "Synced"),
        (
            "somebody made another branch production",
            done,
            |world| facts(world).production_branch = Some("dev".into()),
            &["set production branch main"],
            "Synced",
        ),
        (
            "the manifest renames it",
            done,
            |world| world.desired.project.name = "acme-2".into(),
            &["set name acme-2"],
            "Synced",
        ),
        (
            "name and settings differ: one call",
            done,
            |world| {
                world.desired.project.name = "acme-2".into();
                world.desired.project.settings.build_command = Some("make".into());
                facts(world).settings.framework = Some("nextjs".into());
            },
            &["set name acme-2, no framework, build command \"make\""],
            "Synced",
        ),
        (
            "regions in another order are the same",
            done,
            |world| {
                world.desired.project.settings.regions = Some(vec!["fra1".into(), "iad1".into()]);
                facts(world).settings.regions = Some(vec!["iad1".into(), "fra1".into()]);
            },
            &[],
            "Synced",
        ),
        (
            "what the manifest leaves alone may be anything",
            done,
            |world| {
                facts(world).settings.node_version = Some(NodeVersion::V20);
                facts(world).settings.fluid = Some(true);
            },
            &[],
            "Synced",
        ),
        ("somebody paused it", done, |world| facts(world).paused = true, &[], "Paused"),
        (
            "a rule wants it paused",
            done,
            |world| world.desired.project.pause = pause("1970-01-01T00:00:00Z"),
            &["pause the project"],
            "Paused",
        ),
        (
            "a rule wanted it paused long ago, and nothing says that it was done",
            done,
            |world| world.desired.project.pause = pause("1969-12-31T22:00:00Z"),
            &[],
            "Synced",
        ),
        (
            "a rule wanted it paused, and a person resumed it",
            done,
            |world| {
                world.desired.project.pause = pause("1970-01-01T00:00:00Z");
                let pause = PauseStatus { wish: "the AlertRule down at 1970-01-01T00:00:00Z".into(), resumed: true };
                world.record.project.as_mut().expect("a record").pause = Some(pause.into());
            },
            &[],
            "Synced",
        ),
        (
            "a rule wants it paused, and only the link says that it is ours: it comes on record first",
            done,
            |world| {
                world.desired.project.pause = pause("1970-01-01T00:00:00Z");
                world.record.project = None;
            },
            &[],
            "Synced",
        ),
        (
            "a rule wants visitors challenged",
            done,
            |world| world.desired.project.challenge = challenge("2026-12-01T10:00:00Z"),
            &["challenge visitors until 2026-12-01T10:00:00Z"],
            "Synced",
        ),
        (
            "a rule wanted visitors challenged until now",
            done,
            |world| world.desired.project.challenge = challenge("1970-01-01T00:00:00Z"),
            &[],
            "Synced",
        ),
        (
            "a person has them challenged without an end, which is not shortened",
            done,
            |world| {
                world.desired.project.challenge = challenge("2026-12-01T10:00:00Z");
                facts(world).challenged_until = Some(i64::MAX);
            },
            &[],
            "Synced",
        ),
        ("a custom environment is missing", done, staging, &["create environment staging, branch next"], "Synced"),
        (
            "a custom environment tracks another branch",
            done,
            |world| {
                staging(world);
                facts(world).environments =
                    vec![CustomEnvironment { id: "env_1".into(), slug: "staging".into(), branch: None }];
            },
            &["set environment to branch next"],
            "Synced",
        ),
        (
            "only the custom environment that is ours is deleted",
            done,
            |world| {
                facts(world).environments = vec![
                    CustomEnvironment { id: "env_1".into(), slug: "staging".into(), branch: None },
                    CustomEnvironment { id: "env_2".into(), slug: "theirs".into(), branch: None },
                ];
                let project = world.record.project.as_mut().expect("a record");
                project.environments = vec![ProjectEnvironmentStatus { name: "staging".into(), id: "env_1".into() }];
            },
            &["delete environment env_1"],
            "Synced",
        ),
    ];
    for (why, begin, change, steps, verdict) in cases {
        let mut world = begin();
        change(&mut world);
        let plan = plan_of(&world);
        assert_eq!(printed(&plan), steps, "{why}");
        assert_eq!(reason(&plan.verdict), verdict, "{why}");
    }
}

#[test]
fn what_paused_a_project_is_told_until_a_person_resumed_it() {
    let mut world = done();
    world.desired.project.pause = pause("1970-01-01T00:00:00Z");
    facts(&mut world).paused = true;
    for (resumed, told) in [
        (false, "acme is paused by the AlertRule down at 1970-01-01T00:00:00Z: resume"),
        (true, "acme is paused: resume"),
    ] {
        let pause = PauseStatus { wish: "the AlertRule down at 1970-01-01T00:00:00Z".into(), resumed };
        world.record.project.as_mut().expect("a record").pause = Some(pause.into());
        let plan = plan_of(&world);
        assert!(plan.steps.is_empty() && message(&plan.verdict).contains(told), "{plan:?}");
    }
}

#[test]
fn a_plan_without_custom_environments_is_remembered_until_the_manifest_changes() {
    let mut world = done();
    staging(&mut world);
    world.record.project.as_mut().expect("a record").no_custom_environments = Some(1);
    let plan = plan_of(&world);
    assert!(plan.steps.is_empty(), "it is not tried again: {plan:?}");
    assert!(message(&plan.verdict).contains("previews of branches stand in for them: next for staging"));
    facts(&mut world).environments =
        vec![CustomEnvironment { id: "env_1".into(), slug: "staging".into(), branch: Some("next".into()) }];
    world.desired.project.environments.push(("qa".into(), "dev".into()));
    let plan = plan_of(&world);
    assert!(plan.steps.is_empty() && message(&plan.verdict).ends_with("stand in for them: dev for qa"), "{plan:?}");
    facts(&mut world).environments.clear();
    world.desired.project.environments.truncate(1);
    world.desired.generation = 2;
    assert_eq!(printed(&plan_of(&world)), ["create environment staging, branch next"], "another manifest, another try");
}

#[test]
fn nothing_is_planned_before_the_repository_is_sorted_out() {
    let mut world = absent();
    world.record = ForkStatus::default();
    world.observed.repository.as_mut().expect("a repository").template_id = Some(1);
    let plan = plan_of(&world);
    assert!(plan.steps.is_empty());
    assert_eq!(reason(&plan.verdict), "RepositoryNotReady");
}
