//! Which repository and project are looked at, and which a change goes to.

use forkable_crds::{Fork, ForkStatus, fork::PendingCreate};

use super::Input;
use crate::{
    forge::{RepositoryAsk, RepositoryTarget},
    hosting::ProjectTarget,
};

/// What is on record of a creation that was begun, such as `repository`.
pub(super) fn pending<'a>(record: &'a ForkStatus, what: &str) -> Option<&'a PendingCreate> {
    record.pending.iter().find(|pending| pending.what == what)
}

/// What to look at for a Fork: by id once it is on record, by the name that a creation was begun under as long as its
/// fate is unknown, else by the name in the manifest. Needs no valid manifest. An observation is only good for the
/// `paths` it was asked with: look again when they change.
pub fn repository_ask(fork: &Fork, deep: bool) -> RepositoryAsk {
    let spec = &fork.spec.repository;
    let record = fork.status.as_ref();
    let pending = record.and_then(|record| pending(record, "repository")?.name.split_once('/'));
    let (owner, name) = pending.unwrap_or((&spec.owner, &spec.name));
    let mut paths: Vec<_> = spec.files.iter().map(|file| file.path.clone()).collect();
    paths.push(super::MARKER.into());
    paths.sort_unstable();
    paths.dedup();
    RepositoryAsk {
        node_id: record.and_then(|record| Some(record.repository.as_ref()?.node_id.clone())),
        owner: owner.into(),
        name: name.into(),
        template: Some((fork.spec.template.owner.clone(), fork.spec.template.repo.clone())),
        paths,
        deep,
        pull_requests: fork.spec.release.previews.is_some(),
    }
}

/// The repository in force, or the one to create.
pub fn repository(input: Input<'_>) -> RepositoryTarget {
    let Input { desired, observed, record, .. } = input;
    let facts = observed.repository.as_ref();
    let recorded = record.repository.as_ref();
    let full_name = facts.and_then(|facts| facts.full_name.split_once('/'));
    let (owner, name) = full_name.unwrap_or((&desired.repository.owner, &desired.repository.name));
    RepositoryTarget {
        id: facts.map(|facts| facts.id).or(recorded.map(|repository| repository.id)),
        node_id: facts
            .map(|facts| facts.node_id.clone())
            .or_else(|| recorded.map(|repository| repository.node_id.clone())),
        owner: owner.into(),
        name: name.into(),
        head: facts.and_then(|facts| facts.head.as_ref()).map(|head| head.oid.clone()),
    }
}

/// The project in force, or the one to create.
pub fn project(input: Input<'_>) -> ProjectTarget {
    let Input { desired, observed, record, .. } = input;
    let facts = observed.project.as_ref().map(|project| project.id.clone());
    ProjectTarget {
        team: desired.project.team.clone(),
        id: facts.or_else(|| record.project.as_ref().map(|project| project.id.clone())),
        name: desired.project.name.clone(),
        repository: observed.repository.as_ref().map(|repository| (repository.full_name.clone(), repository.id)),
    }
}
