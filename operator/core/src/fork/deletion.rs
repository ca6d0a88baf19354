//! What is left to do outside for a Fork that is being deleted.

use std::collections::BTreeMap;

use forkable_crds::{Fork, fork::DeletionPolicy};

use super::{Observed, ownership};
use crate::{
    forge::{ForgeChange, RepositoryFacts},
    hosting::{HostingChange, ProjectFacts},
    plan::{Change, Facet, FacetPlan, Plan, Step, Verdict},
};

/// The steps of the Fork's deletion policy, on what is provably of this Fork; none when all is done.
/// Works on the record alone, so that an invalid spec or a missing Secret cannot keep a Fork from going.
///
/// The project goes before the repository it is linked to: run the facets in reverse.
pub fn plan(fork: &Fork, observed: &Observed) -> Plan {
    let policy = fork.spec.deletion_policy;
    if policy == DeletionPolicy::Retain {
        return Plan::default();
    }
    let repository = observed.repository.as_ref();
    let project = observed.project.as_ref();
    let is_ours = owns_repository(fork, observed);
    let projects = project.map(|project| {
        let change = match policy {
            DeletionPolicy::Delete => Some(HostingChange::DeleteProject),
            DeletionPolicy::Archive if !project.paused => Some(HostingChange::PauseProject),
            DeletionPolicy::Archive | DeletionPolicy::Retain => None,
        };
        let is_ours = owns_project(fork, project, repository.filter(|_| is_ours));
        (Facet::Project, facet(Facet::Project, &project.name, is_ours, change.map(Change::Hosting)))
    });
    let repositories = repository.map(|repository| {
        let change = match policy {
            DeletionPolicy::Delete => Some(ForgeChange::Delete),
            DeletionPolicy::Archive if !repository.archived => Some(ForgeChange::Archive),
            DeletionPolicy::Archive | DeletionPolicy::Retain => None,
        };
        (Facet::Repository, facet(Facet::Repository, &repository.full_name, is_ours, change.map(Change::Forge)))
    });
    Plan { facets: projects.into_iter().chain(repositories).collect::<BTreeMap<_, _>>() }
}

fn facet(facet: Facet, name: &str, is_ours: bool, change: Option<Change>) -> FacetPlan {
    if is_ours {
        let steps = change.into_iter().map(|change| Step { facet, change }).collect();
        FacetPlan { steps, verdict: Verdict::synced(format!("{name} is dealt with as deletionPolicy says")) }
    } else {
        let message = format!("{name} is left as it is: nothing proves that it is of this Fork");
        FacetPlan { steps: Vec::new(), verdict: Verdict::synced(message) }
    }
}

/// Made or adopted by this Fork as its record says, or made by a pass that was interrupted before it could record it.
fn owns_repository(fork: &Fork, observed: &Observed) -> bool {
    let Some(record) = &fork.status else { return false };
    let is_owned = record.repository.as_ref().is_none_or(|repository| repository.owned);
    is_owned && ownership::is_proven(fork.spec.template.mode, observed, record)
}

fn owns_project(fork: &Fork, project: &ProjectFacts, repository: Option<&RepositoryFacts>) -> bool {
    let recorded = fork.status.as_ref().and_then(|status| status.project.as_ref());
    recorded.map_or_else(
        || repository.is_some_and(|repository| project.repository_id == Some(repository.id)),
        |recorded| recorded.owned && recorded.id == project.id,
    )
}

#[cfg(test)]
mod tests;
