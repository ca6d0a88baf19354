use forkable_crds::{ForkStatus, fork::EnvironmentStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::{
    forge::EnvironmentFacts,
    fork::{
        Observed,
        desired::{Actions, Desired},
        fixtures::{at, desired, input, observed, printed, record as recorded_repository, value},
    },
};

struct World {
    desired: Desired,
    observed: Observed,
    record: ForkStatus,
}

fn repository(world: &mut World) -> &mut RepositoryFacts {
    world.observed.repository.as_mut().expect("a repository")
}

fn deep(world: &mut World) -> &mut DeepFacts {
    repository(world).deep.as_mut().expect("a deep look")
}

fn status(value: &ActionsValue, second: Option<i64>) -> SecretStatus {
    SecretStatus {
        name: value.name.clone(),
        environment: value.environment.clone(),
        digest: value.digest.clone(),
        updated_at: second.map(|second| Time(at(second))),
    }
}

fn stored(value: &ActionsValue, is_secret: bool) -> StoredValue {
    StoredValue {
        name: value.name.clone(),
        environment: value.environment.clone(),
        value: (!is_secret).then(|| value.value.expose().into()),
        updated_at: Some(at(500)),
    }
}

/// One environment, two secrets (one of it), one variable, all done; looked at deeply if asked for.
fn done(is_deep: bool) -> World {
    let environment = Environment {
        name: "production".into(),
        reviewers: vec!["user:ada".into()],
        branches: Branches::Patterns(vec!["main".into(), "v*".into()]),
        ..Environment::default()
    };
    let secrets = vec![value("TOKEN", None, "t"), value("KEY", Some("production"), "k")];
    let variables = vec![value("BRAND", None, "Acme")];
    let mut desired = desired();
    let mut observed = observed();
    let mut record = recorded_repository();
    record.secrets = secrets.iter().map(|secret| status(secret, Some(500))).collect();
    record.variables = variables.iter().map(|variable| status(variable, Some(500))).collect();
    record.environments = vec![EnvironmentStatus {
        name: "production".into(),
        branches_digest: record::branches_digest(&environment.branches),
    }];
    let facts = observed.repository.as_mut().expect("a repository");
    facts.environments = vec![EnvironmentFacts {
        name: "Production".into(),
        reviewers: vec!["user:Ada".into()],
        ..EnvironmentFacts::default()
    }];
    facts.deep = is_deep.then(|| {
        Box::new(DeepFacts {
            secrets: secrets.iter().map(|secret| stored(secret, true)).collect(),
            variables: variables.iter().map(|variable| stored(variable, false)).collect(),
            branch_patterns: [("Production".into(), vec!["v*".into(), "main".into()])].into(),
            ..DeepFacts::default()
        })
    });
    desired.actions = Actions { environments: vec![environment], secrets, variables };
    World { desired, observed, record }
}

#[test]
fn what_differs_is_written() {
    const ENVIRONMENT: &str = "set environment production, reviewers user:ada, branches main, v*";
    const KEY: &str = "set secret KEY of environment production";
    type Case = (&'static str, World, fn(&mut World), &'static [&'static str]);
    let cases: Vec<Case> = vec![
        ("nothing differs, as far as the record tells", done(false), |_| {}, &[]),
        ("nothing differs in a deep look; names compare without case", done(true), |_| {}, &[]),
        (
            "a new repository gets all, environments first",
            done(false),
            |world| {
                world.observed.repository = None;
                world.record = ForkStatus::default();
            },
            &[ENVIRONMENT, "set secret TOKEN", KEY, "set variable BRAND"],
        ),
        (
            "a changed value is known by its digest",
            done(false),
            |world| world.desired.actions.secrets[0] = value("TOKEN", None, "t2"),
            &["set secret TOKEN"],
        ),
        (
            "a secret that is gone is written again",
            done(true),
            |world| drop(deep(world).secrets.remove(0)),
            &["set secret TOKEN"],
        ),
        (
            "so is one that somebody wrote since",
            done(true),
            |world| deep(world).secrets[0].updated_at = Some(at(501)),
            &["set secret TOKEN"],
        ),
        (
            "a write of ours whose time is not on record yet is trusted",
            done(true),
            |world| world.record.secrets[0].updated_at = None,
            &[],
        ),
        (
            "a variable is compared by value when it is seen",
            done(true),
            |world| deep(world).variables[0].value = Some("theirs".into()),
            &["set variable BRAND"],
        ),
        (
            "a variable that is right is not written for want of a record",
            done(true),
            |world| world.record.variables.clear(),
            &[],
        ),
        (
            "what the manifest dropped and we wrote is deleted",
            done(true),
            |world| {
                world.desired.actions.secrets.truncate(1);
                world.desired.actions.variables.clear();
            },
            &["delete secret KEY of environment production", "delete variable BRAND"],
        ),
        (
            "what somebody else wrote is left alone",
            done(true),
            |world| deep(world).secrets.push(stored(&value("THEIRS", None, "x"), true)),
            &[],
        ),
        (
            "what is gone already is not deleted",
            done(false),
            |world| {
                world.desired.actions = Actions::default();
                repository(world).environments.clear();
            },
            &["delete secret TOKEN", "delete variable BRAND"],
        ),
        (
            "an environment that is made again gets its values again",
            done(false),
            |world| repository(world).environments.clear(),
            &[ENVIRONMENT, KEY],
        ),
        (
            "reviewers that differ",
            done(false),
            |world| repository(world).environments[0].reviewers.clear(),
            &[ENVIRONMENT, KEY],
        ),
        (
            "a branch policy of the manifest that was not written yet",
            done(false),
            |world| world.record.environments.clear(),
            &[ENVIRONMENT, KEY],
        ),
        (
            "a branch policy that somebody changed",
            done(true),
            |world| deep(world).branch_patterns.clear(),
            &[ENVIRONMENT, KEY],
        ),
        (
            "nothing on what is not ours",
            done(true),
            |world| {
                world.record.repository = None;
                repository(world).environments.clear();
            },
            &[],
        ),
    ];
    for (why, mut world, change, expected) in cases {
        change(&mut world);
        let plan = plan(input(&world.desired, &world.observed, &world.record)).expect(why);
        assert_eq!(printed(&plan), expected, "{why}");
    }
}

#[test]
fn a_manifest_without_actions_has_no_such_facet() {
    let (desired, observed, record) = (desired(), observed(), recorded_repository());
    assert_eq!(plan(input(&desired, &observed, &record)), None);
}

#[test]
fn a_variable_that_is_there_is_changed_rather_than_made() {
    let mut world = done(false);
    world.desired.actions.variables = vec![value("BRAND", None, "New"), value("OTHER", None, "x")];
    let plan = plan(input(&world.desired, &world.observed, &world.record)).expect("a plan");
    let exists: Vec<_> = crate::fork::fixtures::forge_changes(&plan)
        .into_iter()
        .filter_map(|change| match change {
            ForgeChange::PutVariable { name, exists, .. } => Some((name.as_str(), *exists)),
            _ => None,
        })
        .collect();
    assert_eq!(exists, [("BRAND", true), ("OTHER", false)]);
}
