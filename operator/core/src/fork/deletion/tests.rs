use forkable_crds::{
    ForkStatus,
    fork::{ProjectStatus, RepositoryStatus},
};

use super::*;
use crate::fork::fixtures::{begun, fork, observed, record};

/// A Fork of which all is done, and what is seen of it.
fn world(policy: DeletionPolicy) -> (Fork, Observed) {
    let (mut fork, mut seen) = (fork(), observed());
    fork.spec.deletion_policy = policy;
    fork.status = Some(ForkStatus {
        project: Some(ProjectStatus {
            id: "prj_1".into(),
            name: "acme".into(),
            owned: true,
            ..ProjectStatus::default()
        }),
        ..record()
    });
    seen.project = Some(ProjectFacts {
        id: "prj_1".into(),
        name: "acme".into(),
        repository_id: Some(42),
        ..ProjectFacts::default()
    });
    (fork, seen)
}

fn status(fork: &mut Fork) -> &mut ForkStatus {
    fork.status.as_mut().expect("a status")
}

fn repository(fork: &mut Fork) -> &mut RepositoryStatus {
    status(fork).repository.as_mut().expect("a repository on record")
}

const DELETE_PROJECT: &str = "- project     DELETE the project with its deployments and variables";
const DELETE_REPOSITORY: &str = "- repository  DELETE the repository";

#[test]
fn the_policy_is_followed_on_what_is_provably_ours() {
    use DeletionPolicy::{Archive, Delete, Retain};
    type Case = (&'static str, DeletionPolicy, fn(&mut Fork, &mut Observed), &'static [&'static str]);
    let cases: [Case; 11] = [
        ("retain does nothing", Retain, |_, _| {}, &[]),
        ("archive", Archive, |_, _| {}, &["~ project     pause the project", "- repository  archive the repository"]),
        (
            "archived already",
            Archive,
            |_, seen| {
                seen.project.as_mut().expect("a project").paused = true;
                seen.repository.as_mut().expect("a repository").archived = true;
            },
            &[],
        ),
        ("delete", Delete, |_, _| {}, &[DELETE_PROJECT, DELETE_REPOSITORY]),
        (
            "deleted already",
            Delete,
            |_, seen| {
                seen.project = None;
                seen.repository = None;
            },
            &[],
        ),
        (
            "another repository has the name by now",
            Delete,
            |_, seen| seen.repository.as_mut().expect("a repository").id = 43,
            &[DELETE_PROJECT],
        ),
        ("not made by us", Delete, |fork, _| repository(fork).owned = false, &[DELETE_PROJECT]),
        (
            "another project has the name by now",
            Delete,
            |_, seen| seen.project.as_mut().expect("a project").id = "prj_2".into(),
            &[DELETE_REPOSITORY],
        ),
        ("nothing was ever on record", Delete, |fork, _| fork.status = None, &[]),
        (
            "made by a pass that could not note it",
            Delete,
            |fork, _| {
                *status(fork) = ForkStatus { pending: begun("acme-inc/acme", 1000), ..ForkStatus::default() };
            },
            &[DELETE_PROJECT, DELETE_REPOSITORY],
        ),
        (
            "a person's word is no proof",
            Delete,
            |fork, _| {
                fork.metadata.annotations = Some([("forkable.dev/adopt".into(), "true".into())].into());
                fork.status = Some(ForkStatus::default());
            },
            &[],
        ),
    ];
    for (why, policy, change, expected) in cases {
        let (mut fork, mut seen) = world(policy);
        change(&mut fork, &mut seen);
        let plan = plan(&fork, &seen);
        // Facets run in reverse: the project goes before its repository.
        let steps: Vec<_> =
            plan.facets.values().rev().flat_map(|facet| &facet.steps).map(ToString::to_string).collect();
        assert_eq!(steps, expected, "{why}");
    }
}

#[test]
fn what_is_left_is_said() {
    let (mut fork, seen) = world(DeletionPolicy::Delete);
    repository(&mut fork).id = 43;
    let plan = plan(&fork, &seen);
    let Verdict::Synced { message } = &plan.facets[&Facet::Repository].verdict else { panic!("{plan:?}") };
    assert_eq!(message, "acme-inc/acme is left as it is: nothing proves that it is of this Fork");
}
