//! Whether the repository that is seen is this Fork's, which decides what may be changed at all.

use std::{sync::LazyLock, time::Duration};

use forkable_crds::{ForkStatus, fork::TemplateMode};
use jiff::{SignedDuration, Timestamp};

use super::{Desired, Input, Observed, targets};
use crate::forge::{INITIAL_COMMIT, RepositoryFacts};

/// How long a repository whose creation GitHub has confirmed may stay invisible.
const SETTLING: SignedDuration = SignedDuration::from_mins(10);
/// Difference of two clocks that is put up with.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(5);

static NOTHING: LazyLock<RepositoryFacts> = LazyLock::new(RepositoryFacts::default);

/// How the repository stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand<'a> {
    /// There is none.
    Absent,
    /// It was on record, and is gone.
    Gone,
    /// There is one under the name, and nothing proves that it is of this Fork.
    Foreign(&'a RepositoryFacts),
    /// Ours; GitHub has not brought its content yet.
    Pending {
        since: Timestamp,
    },
    /// Ours; a copy of the template was begun and not finished.
    Unfinished,
    /// Ours, without a commit on its default branch, and nothing is on the way.
    Empty(&'a RepositoryFacts),
    /// Ours; we have given it another default branch and not looked at that yet.
    Switched(&'a RepositoryFacts),
    Ours(&'a RepositoryFacts),
}

impl<'a> Stand<'a> {
    /// What is there to compare with, which is nothing for a repository that is being made;
    /// `None`: its facet must be sorted out first, which a plan cannot look beyond.
    pub(super) fn foreseen(self) -> Option<&'a RepositoryFacts> {
        match self {
            Self::Ours(facts) => Some(facts),
            Self::Absent | Self::Pending { .. } | Self::Unfinished => Some(&NOTHING),
            Self::Gone | Self::Foreign(_) | Self::Empty(_) | Self::Switched(_) => None,
        }
    }
}

pub(super) fn repository(input: Input<'_>) -> Stand<'_> {
    let Input { desired, observed, record, now } = input;
    let begun = targets::pending(record, "repository");
    let Some(facts) = &observed.repository else {
        return match (&record.repository, begun) {
            (None, _) => Stand::Absent,
            (Some(_), Some(begun)) if now.duration_since(begun.since.0) < SETTLING => {
                Stand::Pending { since: begun.since.0 }
            }
            (Some(_), _) => Stand::Gone,
        };
    };
    if !is_ours(desired, observed, record) {
        return Stand::Foreign(facts);
    }
    let interrupted = begun.is_some() || (desired.adopt && record.repository.is_none());
    match (&facts.head, begun) {
        (None, _) if interrupted && desired.template.mode == TemplateMode::Copy => Stand::Unfinished,
        (None, Some(begun)) => Stand::Pending { since: begun.since.0 },
        (None, None) if facts.default_branch.is_some() => Stand::Switched(facts),
        (None, None) => Stand::Empty(facts),
        (Some(head), Some(_)) if desired.template.mode == TemplateMode::Copy && head.message == INITIAL_COMMIT => {
            Stand::Unfinished
        }
        (Some(_), _) => Stand::Ours(facts),
    }
}

/// Whether the repository is on record, provably made by an interrupted pass, or one that a person let us take over.
pub(super) fn is_ours(desired: &Desired, observed: &Observed, record: &ForkStatus) -> bool {
    desired.adopt || is_proven(desired.template.mode, observed, record)
}

/// The same without a person's word.
pub(super) fn is_proven(mode: TemplateMode, observed: &Observed, record: &ForkStatus) -> bool {
    let Some(facts) = &observed.repository else { return false };
    if record.repository.as_ref().is_some_and(|repository| repository.id == facts.id) {
        return true;
    }
    let Some(begun) = targets::pending(record, "repository") else { return false };
    let template = observed.template.as_ref().map(|template| template.id);
    begun.name.eq_ignore_ascii_case(&facts.full_name)
        && match mode {
            TemplateMode::Template => template.is_some() && facts.template_id == template,
            TemplateMode::Fork => template.is_some() && facts.parent_id == template,
            TemplateMode::Copy => facts.created_at.is_some_and(|created| created >= begun.since.0 - CLOCK_SKEW),
        }
}

/// Commit of the template that the repository was made from, or would be now; `None` if it cannot be told,
/// as for what was adopted.
pub(super) fn template_commit(desired: &Desired, observed: &Observed, record: &ForkStatus) -> Option<String> {
    if let Some(repository) = &record.repository {
        return repository.template_sha.clone();
    }
    if observed.repository.is_some() && !is_proven(desired.template.mode, observed, record) {
        return None;
    }
    let template = observed.template.as_ref()?;
    match &desired.template.git_ref {
        Some(git_ref)
            if desired.template.mode == TemplateMode::Copy && template.default_branch.as_ref() != Some(git_ref) =>
        {
            let is_commit = git_ref.len() == 40 && git_ref.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_commit.then(|| git_ref.clone())
        }
        _ => Some(template.head.as_ref()?.oid.clone()),
    }
}

/// When to look again at what GitHub is still making: 250 ms at first, doubling with its age up to 5 s.
pub(super) fn recheck(since: Timestamp, now: Timestamp) -> Duration {
    let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    age.clamp(Duration::from_millis(250), Duration::from_secs(5))
}
