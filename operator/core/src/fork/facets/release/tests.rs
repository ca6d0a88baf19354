use forkable_crds::{ForkStatus, fork::OnEnvChange};

use super::*;
use crate::fork::{
    Desired, Observed,
    fixtures::{desired, hosted, hosted_record, input, message, observed, printed, reason, record, release, variable},
};

struct World {
    desired: Desired,
    observed: Observed,
    record: ForkStatus,
}

/// The head is released and live.
fn done() -> World {
    let mut world = World { desired: desired(), observed: hosted(), record: hosted_record() };
    let current = current(&world);
    world.observed.releases = vec![release("acme-acme-he", "acme-head", &current, "Live").into()];
    world
}

fn current(world: &World) -> String {
    revision::current(&world.desired, world.observed.project.as_ref().expect("a project"))
}

fn plan_of(world: &World) -> FacetPlan {
    plan(input(&world.desired, &world.observed, &world.record))
}

fn change_env(world: &mut World) {
    world.desired.env = vec![variable("A", "2", &["Production"])];
}

/// A release of the head that may not be given its steps.
fn refused(world: &World) -> Deployment {
    let mut refused = release("acme-acme-he", "acme-head", &current(world), "Failed");
    let strategy = serde_json::json!({ "type": "Canary", "steps": [{ "weight": 10 }] });
    refused.spec.strategy = serde_json::from_value(strategy).expect("a strategy");
    let status = refused.status.as_mut().expect("a status");
    status.finished_at = None;
    status.conditions[1].reason = "PlanUnsupported".into();
    let admitted = status.conditions[1].clone();
    status.conditions.push(forkable_crds::condition::Condition { type_: "Admitted".into(), ..admitted });
    refused
}

fn set_head(world: &mut World, oid: &str) {
    let repository = world.observed.repository.as_mut().expect("a repository");
    repository.head.as_mut().expect("a head").oid = oid.into();
}

type Case = (&'static str, fn(&mut World), &'static [&'static str], &'static str);

#[test]
fn releases_follow_the_head() {
    let cases: [Case; 15] = [
        ("the head is live", |_| {}, &[], "Synced"),
        (
            "nothing exists yet",
            |world| {
                world.observed = Observed { repository: None, ..observed() };
                world.record = ForkStatus::default();
            },
            &["build and deploy the first commit with env"],
            "Building",
        ),
        (
            "the first release",
            |world| world.observed.releases.clear(),
            &["build and deploy commit acme-he with env"],
            "Building",
        ),
        (
            "a new commit",
            |world| set_head(world, "bbbbbbbbbb"),
            &["build and deploy commit bbbbbbb with env"],
            "Building",
        ),
        ("other variables wait for the next release", change_env, &[], "Synced"),
        (
            "other variables make a release if the manifest says so",
            |world| {
                change_env(world);
                world.desired.on_env_change = OnEnvChange::Redeploy;
            },
            &["build and deploy commit acme-he with env"],
            "Building",
        ),
        (
            "what could not be built is not built again by itself",
            |world| {
                let current = current(world);
                world.observed.releases = vec![release("acme-acme-he", "acme-head", &current, "Failed").into()];
            },
            &[],
            "BuildFailed",
        ),
        (
            "what could not be built is built again with other variables",
            |world| {
                let current = current(world);
                world.observed.releases = vec![release("acme-acme-he", "acme-head", &current, "Failed").into()];
                change_env(world);
            },
            &["build and deploy commit acme-he with env"],
            "Building",
        ),
        (
            "what the plan does not allow is released in another way",
            |world| world.observed.releases = vec![refused(world).into()],
            &["build and deploy commit acme-he with env"],
            "Building",
        ),
        (
            "what the plan does not allow waits while the manifest asks for it",
            |world| {
                let refused = refused(world);
                world.desired.strategy = refused.spec.strategy.clone();
                world.observed.releases = vec![refused.into()];
            },
            &[],
            "PlanUnsupported",
        ),
        (
            "the project was made anew, and has nothing",
            |world| world.observed.project.as_mut().expect("a project").id = "prj_2".into(),
            &["build and deploy commit acme-he with env"],
            "Building",
        ),
        (
            "it is being built",
            |world| {
                let current = current(world);
                world.observed.releases = vec![release("acme-acme-he", "acme-head", &current, "Building").into()];
            },
            &[],
            "Building",
        ),
        (
            "a person's own release of an older commit is let be",
            |world| {
                world.observed.releases.insert(0, release("rollback", "old", "", "Live").into());
                let mine = &mut world.observed.releases[1];
                *mine =
                    release("acme-acme-he", "acme-head", mine.spec.env_revision.as_deref().expect("one"), "Superseded")
                        .into();
            },
            &[],
            "Synced",
        ),
        (
            "a release of a preview does not count",
            |world| {
                let mut preview = release("preview", "other", "a.b", "Live");
                preview.spec.environment = "Preview".into();
                world.observed.releases.insert(0, preview.into());
            },
            &[],
            "Synced",
        ),
        (
            "the project is somebody else's",
            |world| {
                world.record = record();
                world.observed.project.as_mut().expect("a project").repository_id = Some(1);
            },
            &[],
            "ProjectNotReady",
        ),
    ];
    for (why, change, steps, verdict) in cases {
        let mut world = done();
        change(&mut world);
        let plan = plan_of(&world);
        let printed = printed(&plan);
        assert_eq!(printed.len(), steps.len(), "{why}: {printed:?}");
        for (printed, step) in printed.iter().zip(steps) {
            assert!(printed.starts_with(step), "{why}: {printed}");
        }
        assert_eq!(reason(&plan.verdict), verdict, "{why}");
    }
}

fn names(plan: &FacetPlan) -> Vec<String> {
    let names = plan.steps.iter().map(|step| match &step.change {
        Change::Store(StoreChange::CreateRelease { name, .. } | StoreChange::DeleteRelease { name }) => name.clone(),
        other => panic!("not a change to releases: {other:?}"),
    });
    names.collect()
}

#[test]
fn names_are_never_used_twice() {
    let mut world = done();
    world.desired.on_env_change = OnEnvChange::Redeploy;
    change_env(&mut world);
    let again = names(&plan_of(&world)).remove(0);
    assert!(again.starts_with("acme-acme-he-") && again.len() == "acme-acme-he-123456".len(), "{again}");
    let outdated = world.observed.releases[0].spec.env_revision.clone().expect("a revision");
    world.observed.releases.insert(0, release(&again, "acme-head", &outdated, "Live").into());
    assert_eq!(names(&plan_of(&world)), [format!("{again}-2")], "the same variables once more");
}

#[test]
fn history_keeps_the_limit_beside_what_serves() {
    let mut world = done();
    world.desired.revision_history_limit = 1;
    let revision = current(&world);
    let old = ["d", "c", "b", "a"].map(|name| release(name, name, &revision, "Superseded").into());
    world.observed.releases.extend(old);
    world.observed.releases.push(release("by-hand", "z", "", "Superseded").into());
    assert_eq!(names(&plan_of(&world)), ["a", "b", "c"], "the oldest first, and not what a person made");
    world.observed.releases[0] = release("acme-acme-he", "acme-head", &revision, "Building").into();
    world.observed.releases[1] = release("d", "d", &revision, "Live").into();
    assert_eq!(names(&plan_of(&world)), ["a", "b"], "neither the newest nor what serves counts");
}

#[test]
fn a_failed_release_says_what_still_serves() {
    let mut world = done();
    let revision = current(&world);
    world.observed.releases.insert(0, release("acme-bbb", "acme-head", &revision, "Failed").into());
    assert_eq!(message(&plan_of(&world).verdict), "acme-acme-he goes on serving; acme-bbb: it is said why");
}

#[test]
fn what_was_live_in_a_project_that_is_gone_serves_nothing() {
    let mut world = done();
    world.observed.project.as_mut().expect("a project").id = "prj_2".into();
    let revision = current(&world);
    world.observed.releases.insert(0, release("acme-bbb", "acme-head", &revision, "Failed").into());
    assert_eq!(message(&plan_of(&world).verdict), "acme-bbb: it is said why");
}
