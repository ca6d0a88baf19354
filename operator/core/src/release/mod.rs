//! A Deployment: one release of one commit, from its spec and what is observed to the next change.

use std::time::Duration;

use forkable_crds::{Deployment, DeploymentStatus, Fork};
use jiff::Timestamp;

use crate::{
    PortError,
    hosting::{DeploymentFacts, DeploymentRequest},
};

/// What was seen of a release's build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// The newest commit of the Fork's production branch or of `source.ref`, if it had to be looked up.
    pub head: Option<crate::forge::Head>,
    /// The deployment with the recorded id, or the one found by our request mark or commit.
    pub deployment: Option<DeploymentFacts>,
    /// Last lines of the log of a failed build.
    pub log: Vec<String>,
}

/// What to look up before planning. At most one of them is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Read the deployment with this id.
    pub deployment: Option<String>,
    /// An earlier try may have been answered without our noticing (or Vercel's Git integration may have built it):
    /// list deployments of this commit and take ours, or one for the same commit and target.
    pub find: Option<String>,
}

/// What happens next with a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Store the status (with `requested_at`), then begin the build.
    Create(DeploymentRequest),
    /// Ask for the log of the failed build, then plan again.
    ReadLog(String),
    /// Nothing to do; look again after the time, if there is one.
    Wait(Option<Duration>),
}

/// What to look up for this release, given what is on record.
pub fn look(_release: &Deployment, _now: Timestamp) -> Look {
    todo!()
}

/// The next change.
pub fn plan(_release: &Deployment, _fork: &Fork, _observed: &Observed, _now: Timestamp) -> Next {
    todo!()
}

/// The status after a pass.
pub fn status(
    _release: &Deployment,
    _fork: Option<&Fork>,
    _observed: &Observed,
    _error: Option<&PortError>,
    _now: Timestamp,
) -> DeploymentStatus {
    todo!()
}
