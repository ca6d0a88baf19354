//! A Deployment: one release of one commit, from its spec and what is observed to the next change.

use std::time::Duration;

use forkable_crds::{Deployment, DeploymentStatus, Fork};
use jiff::Timestamp;

use crate::{
    PortError,
    hosting::{DeploymentFacts, DeploymentRequest},
};

/// All that a release is planned from, beside what was seen of its build.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub release: &'a Deployment,
    /// `None`: it does not exist.
    pub fork: Option<&'a Fork>,
    /// All Deployments of the Fork, newest first.
    pub siblings: &'a [Deployment],
    pub now: Timestamp,
}

/// What was seen of a release's build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The newest commit of the Fork's default branch, for the message and author of a commit.
    pub head: Option<crate::forge::Head>,
    /// The deployment with the recorded id, or the one that [`find`] chose.
    pub deployment: Option<DeploymentFacts>,
    /// Last lines of the log of a failed build; `None`: not read yet.
    pub log: Option<Vec<String>>,
}

/// What to look up before planning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    Nothing,
    /// Read the deployment with this id.
    Deployment(String),
    /// An earlier try may have been answered without our noticing, or Vercel's Git integration may have built it:
    /// list deployments (of the commit, if it is known) and let [`find`] choose.
    Find {
        commit: Option<String>,
    },
}

/// What happens next with a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Store [`begin`]'s status, then begin the build.
    Create(DeploymentRequest),
    /// Ask for the log of the failed build, then plan again.
    ReadLog(String),
    /// Nothing to do; look again after the time, if there is one.
    Wait(Option<Duration>),
}

/// What to look up for this release, given what is on record.
pub fn look(_input: Input<'_>) -> Look {
    todo!()
}

/// The deployment, among those found, that is this release's: made by our request, or by Vercel's Git integration for
/// the same commit and target, with the same variables.
pub fn find(_input: Input<'_>, _found: Vec<DeploymentFacts>) -> Option<DeploymentFacts> {
    todo!()
}

/// The next change.
pub fn plan(_input: Input<'_>, _observed: &Observed) -> Next {
    todo!()
}

/// The status to store before a build is begun, so that it is found again if its answer is lost.
pub fn begin(_input: Input<'_>) -> DeploymentStatus {
    todo!()
}

/// The status after a pass.
pub fn status(_input: Input<'_>, _observed: &Observed, _error: Option<&PortError>) -> DeploymentStatus {
    todo!()
}
