//! Previews of pull requests: which of them have one, which Deployments those are, and what a comment says of them.

use std::{collections::BTreeSet, sync::Arc};

use forkable_crds::{
    Deployment,
    rollout::{PreviewComment, PreviewStatus},
};

use super::{Input, Observed, blob};
use crate::{
    forge::{self, PullRequest, PullRequests},
    release::{is_finished, is_true},
};

/// Most pull requests in the status.
const MAX_STATUS: usize = 200;

/// How a pull request stands with the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand<'a> {
    /// It is to have a preview.
    Chosen(&'a PullRequest),
    /// It is open, and as many as may have a preview were opened before it.
    Waiting,
    /// It is open, and its branch is in another repository.
    CrossRepository,
    /// It was closed or merged.
    Closed,
    /// The manifest asks for no previews.
    Off,
    /// It cannot be told now, so that everything is left as it is.
    Unknown,
}

/// The open pull requests, as far as the manifest asks for previews and they can be seen.
pub(super) fn seen(input: Input<'_>) -> Option<&PullRequests> {
    input.desired.previews.as_ref()?;
    let seen = input.observed.repository.as_ref()?.pull_requests.as_ref()?;
    Some(seen).filter(|seen| !seen.is_hidden)
}

/// Those that may have a preview, the ones that were opened first in front.
pub(super) fn eligible(input: Input<'_>) -> Vec<&PullRequest> {
    let (Some(seen), Some(wanted)) = (seen(input), &input.desired.previews) else { return Vec::new() };
    seen.open.iter().filter(|open| wanted.cross_repository || !open.is_cross_repository).collect()
}

pub(super) fn stand(input: Input<'_>, number: i64) -> Stand<'_> {
    let Some(wanted) = &input.desired.previews else { return Stand::Off };
    let Some(seen) = seen(input) else { return Stand::Unknown };
    let limit = usize::try_from(wanted.limit).unwrap_or_default();
    match eligible(input).into_iter().enumerate().find(|(_, open)| open.number == number) {
        Some((at, open)) if at < limit => Stand::Chosen(open),
        Some(_) => Stand::Waiting,
        None if seen.open.iter().any(|open| open.number == number) => Stand::CrossRepository,
        None if seen.is_closed(number) => Stand::Closed,
        None => Stand::Unknown,
    }
}

/// The pull requests that the Fork made previews of or commented on.
pub(super) fn known(input: Input<'_>) -> BTreeSet<i64> {
    let made = input.observed.releases.iter().filter_map(|release| number_of(release));
    made.chain(input.record.previews.iter().map(|recorded| recorded.pull_request)).collect()
}

/// The Deployments that the Fork made for a pull request, newest first.
pub(super) fn of(observed: &Observed, number: i64) -> Vec<&Deployment> {
    observed.releases.iter().map(Arc::as_ref).filter(|release| number_of(release) == Some(number)).collect()
}

/// People make Deployments without a revision: those are theirs to take away.
fn number_of(release: &Deployment) -> Option<i64> {
    release.spec.env_revision.as_ref()?;
    Some(release.spec.pull_request.as_ref()?.number)
}

/// Whether it can be looked at.
pub(super) fn is_live(release: &Deployment) -> bool {
    is_finished(release) && is_true(release, "Ready")
}

/// Whether it came to an end without being built.
pub(super) fn has_failed(release: &Deployment) -> bool {
    (is_finished(release) && !is_true(release, "Ready")) || is_true(release, "Stalled")
}

/// Line of a comment that nobody sees, by which it is found again.
pub(super) fn marker(input: Input<'_>) -> String {
    format!("<!-- forkable.dev/preview {} -->", input.desired.name)
}

/// Tells texts of comments apart.
pub(super) fn digest(text: &str) -> String {
    blob::id(text.as_bytes())
}

/// What the comment on a pull request has to say; `None`: it is left as it is.
///
/// While a newer commit is being built it goes on telling of the one that can be looked at. It never tells what a build
/// has printed: more people read comments than logs.
pub(super) fn text(input: Input<'_>, number: i64) -> Option<String> {
    let text = match stand(input, number) {
        Stand::Unknown => return None,
        Stand::Off => "**No preview.** Previews of pull requests are switched off for this repository.".into(),
        Stand::Closed => "**The preview is gone**, since the pull request is closed.".into(),
        Stand::CrossRepository => {
            "**No preview.** Pull requests from other repositories have none here: a build would show them the \
             variables of this one."
                .into()
        }
        Stand::Waiting => {
            let limit = input.desired.previews.as_ref().map_or(0, |wanted| wanted.limit);
            format!(
                "**No preview yet.** Pull requests that were opened before this one have the {limit} previews there \
                 are. It gets one when one of them is closed."
            )
        }
        Stand::Chosen(_) => {
            let all = of(input.observed, number);
            let newest = all.first()?;
            let live = all.iter().find(|release| is_live(release)).and_then(|live| address(live));
            match (has_failed(newest), live) {
                (true, None) => format!(
                    "**The preview of {} could not be built.** The log is at Vercel; `forkable why {}` tells its end.",
                    short(newest),
                    input.desired.name
                ),
                (true, Some((url, commit))) => {
                    format!("**Preview:** {url}\n\nThis is {commit}; {} could not be built.", short(newest))
                }
                (false, Some((url, commit))) => format!("**Preview:** {url}\n\nThis is {commit}."),
                (false, None) => format!("**The preview of {} is being built.**", short(newest)),
            }
        }
    };
    Some(text)
}

fn address(live: &Deployment) -> Option<(&str, String)> {
    Some((live.status.as_ref()?.url.as_deref()?, short(live)))
}

fn short(release: &Deployment) -> String {
    let commit = release.spec.source.commit.as_deref().unwrap_or_default();
    format!("commit {}", forge::short(commit))
}

/// What is on record after a pass. A pull request that is over is forgotten once its comment says so.
pub(super) fn status(input: Input<'_>) -> Vec<PreviewStatus> {
    let entry = |number: i64| {
        let recorded = input.record.previews.iter().find(|recorded| recorded.pull_request == number);
        let comment = recorded.and_then(|recorded| recorded.comment.clone());
        let all = of(input.observed, number);
        let is_over = matches!(stand(input, number), Stand::Closed | Stand::Off);
        let is_told = comment.as_ref().is_none_or(|comment| is_over && says(input, number, comment));
        if all.is_empty() && is_told {
            return None;
        }
        let live = all.iter().find(|release| is_live(release));
        Some(PreviewStatus {
            pull_request: number,
            commit: live.and_then(|live| live.spec.source.commit.clone()),
            url: live.and_then(|live| live.status.as_ref()?.url.clone()),
            comment,
        })
    };
    known(input).into_iter().filter_map(entry).take(MAX_STATUS).collect()
}

/// Whether a comment says what it has to say.
pub(super) fn says(input: Input<'_>, number: i64, comment: &PreviewComment) -> bool {
    text(input, number).is_none_or(|text| comment.digest.as_ref() == Some(&digest(&text)))
}
