use forkable_crds::{ForkStatus, fork::EnvStatus};

use super::*;
use crate::{
    PortError,
    error::Provider,
    fork::{
        Desired, Observed,
        fixtures::{desired, hosted, hosted_record, input, message, observed, printed, reason, release, variable},
        record,
    },
    hosting::CustomEnvironment,
};

struct World {
    desired: Desired,
    observed: Observed,
    record: ForkStatus,
}

/// `A` is wanted for production and preview, and written.
fn done() -> World {
    let mut world = World { desired: desired(), observed: hosted(), record: hosted_record() };
    world.desired.env = vec![variable("A", "1", &["Preview", "Production"])];
    rows(&mut world).push(row("row_1", "A", &["preview", "production"]));
    world.record.env = vec![written("row_1", "A", "1", &["Preview", "Production"])];
    world
}

fn rows(world: &mut World) -> &mut Vec<EnvRow> {
    &mut world.observed.project.as_mut().expect("a project").env
}

fn row(id: &str, key: &str, targets: &[&str]) -> EnvRow {
    EnvRow {
        id: id.into(),
        key: key.into(),
        targets: targets.iter().map(|&target| target.into()).collect(),
        updated_at: 100,
        ..EnvRow::default()
    }
}

fn written(id: &str, key: &str, value: &str, environments: &[&str]) -> EnvStatus {
    EnvStatus {
        name: key.into(),
        environments: environments.iter().map(|&environment| environment.into()).collect(),
        branch: None,
        id: id.into(),
        digest: variable(key, value, &[]).digest,
        sensitive: false,
        updated_at: 100,
    }
}

fn plan_of(world: &World) -> FacetPlan {
    plan(input(&world.desired, &world.observed, &world.record)).expect("a plan")
}

type Case = (&'static str, fn(&mut World), &'static [&'static str], &'static str);

#[test]
fn what_differs_is_written_in_one_call_and_what_is_ours_is_deleted_in_one() {
    let cases: [Case; 21] = [
        ("nothing differs", |_| {}, &[], "Synced"),
        (
            "all variables of a new project go in one call",
            |world| {
                world.observed = observed();
                world.record.env.clear();
                world.desired.env.push(variable("B", "2", &["Production"]));
            },
            &["set 2 variables: A, B"],
            "Synced",
        ),
        (
            "another value",
            |world| world.desired.env = vec![variable("A", "2", &["Preview", "Production"])],
            &["set 1 variable: A"],
            "Synced",
        ),
        ("somebody changed it", |world| rows(world)[0].updated_at = 200, &["set 1 variable: A"], "Synced"),
        ("somebody deleted it", |world| rows(world).clear(), &["set 1 variable: A"], "Synced"),
        (
            "a crash came before the record: what is exactly ours is written again, as its value cannot be read",
            |world| world.record.env.clear(),
            &["set 1 variable: A"],
            "Synced",
        ),
        ("it becomes sensitive", |world| world.desired.env[0].sensitive = true, &["set 1 variable: A"], "Synced"),
        (
            "the team makes everything sensitive: written once, not for ever",
            |world| rows(world)[0].sensitive = true,
            &[],
            "Synced",
        ),
        ("it leaves the manifest", |world| world.desired.env.clear(), &["delete 1 variable: A"], "Synced"),
        (
            "it moves to another environment",
            |world| world.desired.env = vec![variable("A", "1", &["Development"])],
            &["delete 1 variable: A", "set 1 variable: A"],
            "Synced",
        ),
        (
            "it leaves one of two environments: Vercel writes over the row",
            |world| world.desired.env = vec![variable("A", "1", &["Production"])],
            &["set 1 variable: A"],
            "Synced",
        ),
        (
            "one variable becomes two",
            |world| {
                world.desired.env = vec![variable("A", "1", &["Preview"]), variable("A", "1", &["Production"])];
            },
            &["set 2 variables: A, A"],
            "Synced",
        ),
        (
            "two variables become one: the second row would be in the way",
            |world| {
                *rows(world) = vec![row("row_1", "A", &["preview"]), row("row_2", "A", &["production"])];
                world.record.env =
                    vec![written("row_1", "A", "1", &["Preview"]), written("row_2", "A", "1", &["Production"])];
            },
            &["delete 1 variable: A", "set 1 variable: A"],
            "Synced",
        ),
        (
            "a variable of others is left alone",
            |world| rows(world).push(row("row_9", "B", &["production"])),
            &[],
            "Synced",
        ),
        (
            "with envPolicy: Exclusive it is deleted, but not what an integration owns",
            |world| {
                world.desired.env_policy = EnvPolicy::Exclusive;
                rows(world).push(row("row_8", "B", &["production"]));
                rows(world).push(EnvRow { integration: true, ..row("row_9", "C", &["production"]) });
            },
            &["delete 1 variable: B"],
            "Synced",
        ),
        (
            "a variable of others is partly in the way",
            |world| {
                world.desired.env.push(variable("B", "2", &["Preview", "Production"]));
                rows(world).push(row("row_9", "B", &["production"]));
            },
            &[],
            "EnvConflict",
        ),
        (
            "a variable of others that is the very one is taken over",
            |world| {
                world.desired.env.push(variable("B", "2", &["Production"]));
                rows(world).push(row("row_9", "B", &["production"]));
            },
            &["set 1 variable: B"],
            "Synced",
        ),
        (
            "an integration's variable is never taken over",
            |world| {
                world.desired.env.push(variable("B", "2", &["Production"]));
                world.desired.env_policy = EnvPolicy::Exclusive;
                rows(world).push(EnvRow { integration: true, ..row("row_9", "B", &["production"]) });
            },
            &[],
            "EnvConflict",
        ),
        (
            "a person lets us take over a project: what is in the way goes",
            |world| {
                world.desired.env = vec![variable("B", "2", &["Preview", "Production"])];
                world.desired.adopt = true;
                world.record.env.clear();
                *rows(world) = vec![
                    row("row_7", "B", &["preview"]),
                    row("row_8", "B", &["production"]),
                    row("row_9", "C", &["production"]),
                ];
            },
            &["delete 1 variable: B", "set 1 variable: B"],
            "Synced",
        ),
        (
            "a batch that failed had made it after all, and it left the manifest meanwhile",
            |world| {
                world.desired.env.clear();
                let attempted = EnvStatus { id: String::new(), ..world.record.env.remove(0) };
                world.record.env = vec![attempted];
            },
            &["delete 1 variable: A"],
            "Synced",
        ),
        (
            "the project is somebody else's",
            |world| {
                world.record = ForkStatus { project: None, ..hosted_record() };
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
        assert_eq!(printed(&plan), steps, "{why}");
        assert_eq!(reason(&plan.verdict), verdict, "{why}");
    }
}

#[test]
fn a_manifest_that_does_not_speak_of_variables_has_no_such_facet() {
    assert_eq!(plan(input(&desired(), &hosted(), &hosted_record())), None);
}

#[test]
fn custom_environments_are_written_by_id() {
    let mut world = done();
    world.desired.project.environments = vec![("staging".into(), "next".into())];
    world.desired.env = vec![variable("A", "1", &["Production", "staging"])];
    let project = world.observed.project.as_mut().expect("a project");
    project.environments =
        vec![CustomEnvironment { id: "env_1".into(), slug: "staging".into(), branch: Some("next".into()) }];
    project.env[0] = EnvRow { custom_environment_ids: vec!["env_1".into()], ..row("row_1", "A", &["production"]) };
    assert!(plan_of(&world).steps.is_empty(), "the row is that of the variable");
}

#[test]
fn previews_of_a_branch_stand_in_for_a_custom_environment() {
    let mut world = done();
    world.desired.project.environments = vec![("staging".into(), "next".into())];
    world.desired.env = vec![variable("A", "1", &["Production", "staging"])];
    world.record.project.as_mut().expect("a record").no_custom_environments = Some(1);
    let items = items(input(&world.desired, &world.observed, &world.record), &hosted().project.expect("a project"));
    let rows: Vec<_> = items.iter().map(|item| (item.environments.join(","), item.branch.as_deref())).collect();
    assert_eq!(rows, [("Production".into(), None), ("Preview".into(), Some("next"))]);
}

#[test]
fn a_change_that_waits_for_the_next_release_says_so() {
    let mut world = done();
    let current = revision::current(&world.desired, world.observed.project.as_ref().expect("a project"));
    world.observed.releases = vec![release("acme-1", "acme-head", &current, "Live").into()];
    assert_eq!(message(&plan_of(&world).verdict), "1 variable");
    world.desired.env = vec![variable("A", "2", &["Preview", "Production"])];
    assert_eq!(message(&plan_of(&world).verdict), "1 variable; what changed takes effect with the next release");
    world.desired.on_env_change = OnEnvChange::Redeploy;
    assert_eq!(message(&plan_of(&world).verdict), "1 variable", "a release is made for it");
}

#[test]
fn what_a_failed_batch_may_have_made_stays_on_record_until_it_is_known() {
    let mut world = done();
    world.record.env.clear();
    rows(&mut world).clear();
    let step = plan_of(&world).steps.remove(0);
    let refused = PortError::Rejected { provider: Provider::Vercel, code: "c".into(), message: "m".into() };
    let World { desired, observed, record } = &mut world;
    assert!(!record::adapted(record, desired, observed, &step, &refused), "there is no other way");
    let seen = |desired: &Desired, observed: &Observed, status: &ForkStatus| {
        let mut status = status.clone();
        let before = status.clone();
        record::seen(&mut status, input(desired, observed, &before));
        status.env.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(seen(desired, observed, record), [""], "it is wanted and not seen yet");
    desired.env.clear();
    assert!(seen(desired, observed, record).is_empty(), "it was never made, and is not wanted any more");
    observed.project.as_mut().expect("a project").env = vec![row("row_1", "A", &["preview", "production"])];
    assert_eq!(seen(desired, observed, record), ["row_1"], "it was made");
}
