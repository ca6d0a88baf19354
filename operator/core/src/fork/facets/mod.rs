//! One file per facet: what it wants, from desired and observed. Facets never import each other.

mod actions;
mod content;
mod domains;
mod env;
mod previews;
mod project;
mod protection;
mod release;
mod repository;
mod security;

use std::{collections::BTreeMap, time::Duration};

use super::{Input, ownership};
use crate::{
    forge::ForgeChange,
    hosting::HostingChange,
    plan::{Change, Facet, FacetPlan, Step, Verdict},
};

/// The plan of every facet that the manifest speaks of.
pub(super) fn plan(input: Input<'_>) -> BTreeMap<Facet, FacetPlan> {
    Facet::ALL.into_iter().filter_map(|facet| Some((facet, plan_of(facet, input)?))).collect()
}

/// The plan of one facet; `None` if the manifest does not speak of it and nothing of it is left to take away.
pub(super) fn plan_of(facet: Facet, input: Input<'_>) -> Option<FacetPlan> {
    match facet {
        Facet::Repository => Some(repository::plan(input)),
        Facet::Content => Some(content::plan(input)),
        Facet::Actions => actions::plan(input),
        Facet::Security => security::plan(input),
        Facet::Protection => protection::plan(input),
        Facet::Project => Some(project::plan(input)),
        Facet::Env => env::plan(input),
        Facet::Domains => domains::plan(input),
        Facet::Release => Some(release::plan(input)),
        Facet::Previews => previews::plan(input),
    }
}

/// The plan of a facet that cannot say anything before the repository is sorted out, which its own facet reports.
fn without_repository() -> FacetPlan {
    FacetPlan {
        steps: Vec::new(),
        verdict: Verdict::Waiting {
            reason: "RepositoryNotReady",
            message: "waits for the repository".into(),
            recheck: Duration::from_hours(1),
        },
    }
}

/// The same for the project.
fn without_project() -> FacetPlan {
    FacetPlan {
        steps: Vec::new(),
        verdict: Verdict::Waiting {
            reason: "ProjectNotReady",
            message: "waits for the project".into(),
            recheck: Duration::from_hours(1),
        },
    }
}

/// Steps of one facet on the repository.
fn forge_steps(facet: Facet, changes: impl IntoIterator<Item = ForgeChange>) -> Vec<Step> {
    changes.into_iter().map(|change| Step { facet, change: Change::Forge(change) }).collect()
}

/// Steps of one facet on the project.
fn hosting_steps(facet: Facet, changes: impl IntoIterator<Item = HostingChange>) -> Vec<Step> {
    changes.into_iter().map(|change| Step { facet, change: Change::Hosting(change) }).collect()
}

/// `3 files`.
fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
