//! One file per facet: what it wants, from desired and observed. Facets never import each other.

mod actions;
mod content;
mod domains;
mod env;
mod project;
mod protection;
mod release;
mod repository;
mod security;

use std::collections::BTreeMap;

use super::Input;
use crate::plan::{Facet, FacetPlan};

/// The plan of every facet that the manifest speaks of.
pub(super) fn plan(input: Input<'_>) -> BTreeMap<Facet, FacetPlan> {
    Facet::ALL
        .into_iter()
        .filter_map(|facet| {
            let plan = match facet {
                Facet::Repository => Some(repository::plan(input)),
                Facet::Content => content::plan(input),
                Facet::Actions => actions::plan(input),
                Facet::Security => security::plan(input),
                Facet::Protection => protection::plan(input),
                Facet::Project => Some(project::plan(input)),
                Facet::Env => env::plan(input),
                Facet::Domains => domains::plan(input),
                Facet::Release => Some(release::plan(input)),
            };
            plan.map(|plan| (facet, plan))
        })
        .collect()
}
