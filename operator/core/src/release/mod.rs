//! A Deployment: one release of one commit, from its spec and what is observed to the next change.

pub mod analysis;
pub mod machine;
pub mod reason;
mod request;
pub mod rollout;
mod spec;
mod status;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use forkable_crds::{Deployment, DeploymentStatus, Fork};
use jiff::Timestamp;

use crate::{
    condition,
    hosting::{BuildState, DeploymentFacts, DeploymentRequest},
};
pub use spec::{immediate, production};
pub use status::status;
pub(crate) use status::whole_seconds;

/// Whether a condition of a release is `True`.
pub fn is_true(release: &Deployment, type_: &str) -> bool {
    release.status.as_ref().is_some_and(|status| condition::is_true(&status.conditions, type_))
}

/// Whether a release came to its end, well or not.
pub fn is_finished(release: &Deployment) -> bool {
    release.status.as_ref().is_some_and(|status| status.finished_at.is_some())
}

/// All that a release is planned from, beside what was seen of its build.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    pub release: &'a Deployment,
    /// `None`: it does not exist.
    pub fork: Option<&'a Fork>,
    /// All Deployments of the Fork, newest first.
    pub siblings: &'a [Arc<Deployment>],
    pub now: Timestamp,
}

impl<'a> Input<'a> {
    /// What is on record; nothing for a release that was not worked on yet.
    fn record(&self) -> DeploymentStatus {
        self.release.status.clone().unwrap_or_default()
    }

    fn is_finished(&self) -> bool {
        is_finished(self.release)
    }

    fn is_production(&self) -> bool {
        self.release.spec.environment == "Production"
    }

    fn position(&self) -> Option<usize> {
        self.siblings.iter().position(|sibling| sibling.metadata.name == self.release.metadata.name)
    }

    /// Releases made before this one.
    fn older(&self) -> &'a [Arc<Deployment>] {
        self.position().map_or(&[], |position| &self.siblings[position + 1..])
    }

    /// Releases made after this one.
    fn newer(&self) -> &'a [Arc<Deployment>] {
        self.position().map_or(&[], |position| &self.siblings[..position])
    }

    /// Whether the other one goes where this one does: one of them serves there at a time.
    fn is_beside(&self, other: &Deployment) -> bool {
        let place = |release: &'_ Deployment| {
            let pull_request = release.spec.pull_request.as_ref().map(|pull_request| pull_request.number);
            (release.spec.environment.clone(), pull_request)
        };
        place(self.release) == place(other)
    }

    /// Whether a newer one goes where this one does.
    fn is_followed(&self) -> bool {
        self.newer().iter().any(|newer| self.is_beside(newer))
    }

    /// Whether its commit was released before: then only a build of our own has the present variables.
    fn is_again(&self) -> bool {
        let spec = &self.release.spec;
        let is_same =
            |older: &Arc<Deployment>| older.spec.source == spec.source && older.spec.environment == spec.environment;
        self.older().iter().any(is_same)
    }
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
    /// Begin the build. It carries the uid of the object, by which it is found again if its answer is lost.
    Create(DeploymentRequest),
    /// Ask for the log of the failed build, then plan again.
    ReadLog(String),
    /// Nothing to do; look again after the time, if there is one.
    Wait(Option<Duration>),
}

/// What to look up for this release, given what is on record. `is_untried` says that nobody can have asked for its
/// build yet: this process made the object, and has not done it.
pub fn look(input: Input<'_>, is_untried: bool) -> Look {
    if input.is_finished() || input.fork.is_none() {
        return Look::Nothing;
    }
    let record = input.record();
    let commit = input.release.spec.source.commit.clone();
    if let Some(id) = record.deployment_id {
        return Look::Deployment(id);
    }
    // Vercel builds what is pushed to a linked repository; at the first release there was nothing linked yet.
    let may_be_built = commit.is_some() && !input.older().is_empty() && !input.is_again();
    if is_untried && !may_be_built { Look::Nothing } else { Look::Find { commit } }
}

/// The deployment, among those found, that is this release's: made by our request, or by Vercel's Git integration for
/// the same commit and target, with the same variables.
pub fn find(input: Input<'_>, found: Vec<DeploymentFacts>) -> Option<DeploymentFacts> {
    let uid = input.release.metadata.uid.as_deref();
    let is_ours = |facts: &DeploymentFacts| facts.request.is_some() && facts.request.as_deref() == uid;
    // Times of Vercel's own clock on both sides.
    let written = input.fork.and_then(|fork| fork.status.as_ref()?.env.iter().map(|row| row.updated_at).max());
    let is_as_good = |facts: &DeploymentFacts| {
        facts.request.is_none()
            && facts.commit.is_some()
            && facts.commit == input.release.spec.source.commit
            && (facts.target.as_deref() == Some("production"))
            && !matches!(facts.state, BuildState::Failed | BuildState::Canceled | BuildState::Blocked)
            && written.is_none_or(|written| facts.created_at >= written)
    };
    let adopts = input.is_production() && !input.is_again();
    let index =
        found.iter().position(is_ours).or_else(|| if adopts { found.iter().position(is_as_good) } else { None })?;
    found.into_iter().nth(index)
}

/// The next change.
pub fn plan(input: Input<'_>, observed: &Observed) -> Next {
    if input.is_finished() {
        return Next::Wait(None);
    }
    let Some(facts) = &observed.deployment else {
        if input.record().deployment_id.is_some() {
            // Deleted at Vercel, or its project may not be seen at the moment: only the latter comes back.
            return Next::Wait((!input.is_followed()).then_some(GONE));
        }
        return request::request(input).map_or_else(|unready| Next::Wait(unready.recheck()), Next::Create);
    };
    match facts.state {
        BuildState::Failed if observed.log.is_none() => Next::ReadLog(facts.id.clone()),
        BuildState::Failed | BuildState::Canceled => Next::Wait(None),
        BuildState::Ready if facts.aliases_assigned => Next::Wait(None),
        BuildState::Blocked => Next::Wait(Some(PERSON)),
        BuildState::Ready if facts.alias_error.is_some() => Next::Wait(Some(PERSON)),
        BuildState::Queued | BuildState::Building | BuildState::Ready => Next::Wait(Some(poll(input, facts))),
    }
}

/// How often a build is looked at that only a person can set right.
const PERSON: Duration = Duration::from_mins(1);

/// How often a deployment is looked for that is not there any more.
const GONE: Duration = Duration::from_mins(5);

/// Time until the next look at a build: often at first, more seldom as it takes longer.
fn poll(input: Input<'_>, facts: &DeploymentFacts) -> Duration {
    let created = Timestamp::from_millisecond(facts.created_at).unwrap_or(input.now);
    let since = input.record().requested_at.map_or(created, |requested| requested.0);
    pause(input.now.duration_since(since).as_secs())
}

/// Time until the next look at what has gone on for so many seconds.
fn pause(age: i64) -> Duration {
    Duration::from_secs(match age {
        ..2 => 1,
        2..60 => 5,
        60..300 => 15,
        _ => 30,
    })
}
