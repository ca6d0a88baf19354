//! Releases: one Deployment object for each new commit of the default branch, and no more of them than are wanted.

#[cfg(test)]
mod tests;

use std::time::Duration;

use forkable_crds::{Deployment, condition::ConditionStatus};

use super::{Input, ownership, without_project};
use crate::{
    condition,
    fork::{ownership::Stand, project, revision},
    plan::{Change, Facet, FacetPlan, Step, StoreChange, UNKNOWN_COMMIT, Verdict},
    release::{is_finished, reason},
    store::Kind,
};

/// Deployments tell by themselves when they get on; this is in case one does not.
const SAFETY: Duration = Duration::from_mins(5);

pub(super) fn plan(input: Input<'_>) -> FacetPlan {
    let Input { desired, observed, .. } = input;
    let Some(project) = project::foreseen(input) else { return without_project() };
    let current = revision::current(desired, project);
    let newest = revision::newest(observed);
    let head = match ownership::repository(input) {
        Stand::Ours(facts) => facts.head.as_ref(),
        _ => None,
    };
    let commit = head.map_or(UNKNOWN_COMMIT, |head| head.oid.as_str());
    let mut changes = Vec::new();
    let is_newer = newest.is_some_and(|newest| !revision::is_of(newest, commit));
    let rejected = revision::rejected(observed, commit).filter(|_| is_newer);
    let by_hand = revision::by_hand(observed, commit);
    let is_due = rejected.is_none() && by_hand.is_none() && revision::is_due(desired, newest, commit, &current);
    if is_due {
        changes.push(StoreChange::CreateRelease {
            name: name(input, commit, &current),
            commit: commit.into(),
            env_revision: Some(current),
        });
    }
    changes.extend(history(input).map(|release| StoreChange::DeleteRelease { name: release.name().to_owned() }));
    let verdict = match by_hand.or(newest) {
        Some(_) if let Some(rejected) = rejected => quarantined(input, rejected, commit),
        Some(newest) if !is_due => verdict(input, newest),
        _ => building("the newest commit is about to be built".into()),
    };
    let steps = changes.into_iter().map(|change| Step { facet: Facet::Release, change: Change::Store(change) });
    FacetPlan { steps: steps.collect(), verdict }
}

/// The head of the branch is a commit that was rolled back before.
fn quarantined(input: Input<'_>, rejected: &Deployment, commit: &str) -> Verdict {
    let serving = revision::serving(input.desired, input.observed).map(Kind::name);
    let serves = serving.map_or_else(String::new, |serving| format!("{serving} goes on serving; "));
    let (by, fork) = (rejected.name(), &input.desired.name);
    Verdict::Refused {
        reason: reason::known("RolledBack"),
        message: format!(
            "{serves}the newest commit was rolled back in {by}, and is not released again until a person says so: \
             forkable release {fork} --commit {commit}"
        ),
    }
}

/// As the newest release stands.
fn verdict(input: Input<'_>, newest: &Deployment) -> Verdict {
    let name = newest.name();
    let serving = revision::serving(input.desired, input.observed).map(Kind::name);
    let condition = |type_: &str| condition::find(&newest.status.as_ref()?.conditions, type_);
    let is_true = |type_| condition(type_).filter(|condition| condition.status == ConditionStatus::True);
    if let Some(stalled) = is_true("Stalled") {
        let serves = serving.map_or_else(String::new, |serving| format!("{serving} goes on serving; "));
        return Verdict::Refused {
            reason: reason::known(&stalled.reason),
            message: format!("{serves}{name}: {}", stalled.message),
        };
    }
    if is_true("Ready").is_some() {
        return Verdict::synced(format!("{} is live", serving.unwrap_or(name)));
    }
    match condition("Ready") {
        Some(ready) if reason::needs_person(&ready.reason) => Verdict::PersonNeeded {
            reason: reason::known(&ready.reason),
            message: format!("{name}: {}", ready.message),
            recheck: SAFETY,
        },
        Some(ready) => Verdict::Waiting {
            reason: reason::under_way(&ready.reason),
            message: format!("{name}: {}", ready.message),
            recheck: SAFETY,
        },
        None => building(format!("{name}: is about to be built")),
    }
}

fn building(message: String) -> Verdict {
    Verdict::Waiting { reason: reason::BUILDING, message, recheck: SAFETY }
}

/// `acme-1a2b3c4`, with a part for the revision if the commit was released before.
fn name(input: Input<'_>, commit: &str, revision: &str) -> String {
    let Input { desired, observed, .. } = input;
    let is_free = |name: &str| observed.releases.iter().all(|release| release.metadata.name.as_deref() != Some(name));
    let short = format!("{}-{}", desired.name, commit.get(..7).unwrap_or("next"));
    let part = desired.digest_key.digest("revision", revision);
    let again = format!("{short}-{}", &part[..6]);
    let numbered = (2..).map(|number| format!("{again}-{number}"));
    [short, again.clone()].into_iter().chain(numbered).find(|name| is_free(name)).unwrap_or(again)
}

/// Finished releases beyond the limit, oldest first; never the newest nor the one that serves.
fn history(input: Input<'_>) -> impl Iterator<Item = &Deployment> {
    let serving = revision::serving(input.desired, input.observed).map(|serving| &serving.metadata.name);
    let finished: Vec<_> = revision::made(input.observed)
        .skip(1)
        .filter(|release| is_finished(release))
        .filter(|release| Some(&release.metadata.name) != serving)
        .skip(input.desired.revision_history_limit)
        .collect();
    finished.into_iter().rev()
}
