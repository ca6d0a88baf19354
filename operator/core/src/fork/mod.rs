//! A Fork: from its manifest and what is observed to the changes that are missing.

pub mod absorb;
pub mod blob;
pub mod claims;
pub mod deletion;
pub mod desired;
pub mod facets;
#[cfg(test)]
pub(crate) mod fixtures;
mod ownership;
pub mod placeholders;
mod previews;
mod project;
#[cfg(test)]
mod properties;
pub mod record;
pub mod report;
mod revision;
pub mod targets;
pub mod validate;

use std::sync::Arc;

use forkable_crds::{Deployment, ForkStatus};
use jiff::Timestamp;

use crate::{
    forge::{RepositoryFacts, TemplateFacts},
    hosting::ProjectFacts,
    plan::Plan,
};
pub use desired::Desired;

/// File that says which Fork a repository belongs to; part of the first commit to it.
pub const MARKER: &str = ".forkable.yaml";

/// What was seen outside for one Fork, and the Deployments that were made for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// `None`: missing, or not to be seen with the credentials.
    pub template: Option<Box<TemplateFacts>>,
    pub repository: Option<RepositoryFacts>,
    pub project: Option<ProjectFacts>,
    /// Names and end of the team's certificates; empty until they were looked at.
    pub certificates: Vec<(Vec<String>, Timestamp)>,
    /// Deployment objects of the Fork, newest first.
    pub releases: Vec<Arc<Deployment>>,
}

/// All that planning may look at.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub desired: &'a Desired,
    pub observed: &'a Observed,
    /// What earlier passes wrote down: ids, digests, intents.
    pub record: &'a ForkStatus,
    pub now: Timestamp,
}

/// Every change that is missing. Planning again after all of them were applied gives none.
pub fn plan(input: Input<'_>) -> Plan {
    Plan { facets: facets::plan(input) }
}
