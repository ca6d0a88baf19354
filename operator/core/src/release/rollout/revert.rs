//! The pull request that takes a commit back whose release was rolled back, so that Git and production agree.

use forkable_crds::{DeploymentStatus, rollout::RevertStatus};

use super::{
    super::{Input, machine::Phase},
    marks,
};
use crate::{
    condition::{Report, State},
    forge::{Revert, short},
    store::Kind as _,
};

/// Longest reason that is kept, in characters.
const MAX_REASON: usize = 512;

/// What is to be done about a rollback in Git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    Open(Revert),
    /// Nothing can be opened; why.
    Impossible(String),
}

/// What is yet to be done about a rollback in Git; `None`: nothing.
pub fn due(input: Input<'_>) -> Option<Due> {
    let record = input.record();
    if !is_wanted(input, marks(&record).phase()) || record.revert.is_some() {
        return None;
    }
    let status = input.fork?.status.as_ref()?;
    let base = status.repository.as_ref()?.default_branch.clone()?;
    let to = record.rollback_to?;
    let is_target = |release: &&std::sync::Arc<forkable_crds::Deployment>| release.metadata.name == to.release;
    let target = input.siblings.iter().find(is_target).filter(|_| to.release.is_some());
    let commit = |status: &DeploymentStatus| status.commit.as_ref().map(|commit| commit.sha.clone());
    let good = target.and_then(|target| target.status.as_ref()).and_then(commit);
    let (Some(bad), Some(good)) = (record.commit.clone(), good) else {
        return Some(Due::Impossible("it is not known which commit serves".into()));
    };
    if bad.sha == good {
        return Some(Due::Impossible("what serves is an earlier release of the same commit".into()));
    }
    let subject = bad.message.unwrap_or_else(|| short(&bad.sha).to_owned());
    let because = record.conditions.iter().find(|condition| condition.type_ == "RolledBack");
    Some(Due::Open(Revert {
        branch: format!("forkable/revert-{}", short(&bad.sha)),
        title: format!("Revert \"{subject}\""),
        body: format!(
            "The release {} of {} was rolled back, and {} serves again.\n\n{}\n\nMerging this makes Git say so, too; \
             the merge is released like any other commit.",
            input.release.name(),
            bad.sha,
            good,
            because.map_or("", |because| because.message.as_str())
        ),
        base,
        bad: bad.sha,
        good,
    }))
}

/// The record with the pull request, or with why there is none.
pub fn reverted(input: Input<'_>, outcome: Result<(i64, String), String>) -> DeploymentStatus {
    let mut record = input.record();
    let (number, url, reason) = match outcome {
        Ok((number, url)) => (Some(number), Some(url), None),
        Err(reason) => (None, None, Some(reason.chars().take(MAX_REASON).collect())),
    };
    record.revert = Some(RevertStatus { number, url, reason }.into());
    record
}

fn is_wanted(input: Input<'_>, phase: Phase) -> bool {
    let rollback = input.release.spec.rollback.as_ref();
    phase == Phase::RolledBack && rollback.is_some_and(|rollback| rollback.revert_pull_request)
}

/// How Git stands after a rollback, if a pull request was asked for.
pub(super) fn report(input: Input<'_>, status: &DeploymentStatus, phase: Phase) -> Option<Report> {
    if !is_wanted(input, phase) {
        return None;
    }
    let report =
        |state, reason: &str, message| Report { condition: "RevertProposed", state, reason: reason.into(), message };
    Some(match status.revert.as_deref().cloned() {
        None => report(State::Progressing, "Progressing", "a pull request is about to be opened".into()),
        Some(RevertStatus { url: Some(url), .. }) => {
            report(State::Ready, "PullRequestOpened", format!("merge {url} to take the commit back in Git, too"))
        }
        Some(RevertStatus { reason, .. }) => {
            let reason = reason.unwrap_or_default();
            report(State::Stalled, "NotRevertible", format!("no pull request takes the commit back in Git: {reason}"))
        }
    })
}
