//! Which repository and project a change goes to.

use super::Input;
use crate::{forge::RepositoryTarget, hosting::ProjectTarget};

/// The repository in force, or the one to create.
pub fn repository(input: Input<'_>) -> RepositoryTarget {
    let Input { desired, observed, record, .. } = input;
    let facts = observed.repository.as_ref();
    let full_name = facts.map(|facts| facts.full_name.as_str());
    let (owner, name) = full_name
        .and_then(|full_name| full_name.split_once('/'))
        .unwrap_or((&desired.repository.owner, &desired.repository.name));
    RepositoryTarget {
        id: facts.map(|facts| facts.id).or(record.repository.as_ref().map(|repository| repository.id)),
        node_id: facts
            .map(|facts| facts.node_id.clone())
            .or(record.repository.as_ref().map(|repository| repository.node_id.clone())),
        owner: owner.into(),
        name: name.into(),
        head: facts.and_then(|facts| facts.head.as_ref()).map(|head| head.oid.clone()),
    }
}

/// The project in force, or the one to create.
pub fn project(input: Input<'_>) -> ProjectTarget {
    let Input { desired, observed, record, .. } = input;
    ProjectTarget {
        team: desired.project.team.clone(),
        id: observed
            .project
            .as_ref()
            .map(|project| project.id.clone())
            .or(record.project.as_ref().map(|project| project.id.clone())),
        name: desired.project.name.clone(),
        repository: observed.repository.as_ref().map(|repository| (repository.full_name.clone(), repository.id)),
    }
}
