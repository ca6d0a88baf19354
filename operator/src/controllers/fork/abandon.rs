//! A Fork that is being deleted always goes: when its deletion policy cannot be applied for long, or a person says so,
//! it is let go, and what is left outside is told.

use std::time::Duration;

use forkable_core::{
    PortError,
    journal::Entry,
    plan::Outcome,
    store::{EventType, Kind, Store},
};
use forkable_crds::{ABANDON_ANNOTATION, Fork, ForkStatus};

use crate::{brake, clock::until, context::Context};

/// How long a Fork is kept whose deletion policy cannot be applied, unless told otherwise.
pub const PATIENCE: Duration = Duration::from_mins(10);

/// Facet that the entry in the journal is under.
const DELETION: &str = "deletion";

/// Why a Fork is let go although its policy could not be applied; else, how long it is still tried, if that has an end.
pub(super) fn why<S>(fork: &Fork, outcome: &Outcome, context: &Context<S>) -> Result<String, Option<Duration>> {
    let annotations = fork.metadata.annotations.as_ref();
    if annotations.and_then(|all| all.get(ABANDON_ANNOTATION)).is_some_and(|value| value == "true") {
        return Ok(format!("the annotation {ABANDON_ANNOTATION} says so"));
    }
    let waits = match outcome {
        // A person has to say that so much destruction is meant.
        Outcome::Withheld { reason, .. } => *reason == brake::BLOCKED,
        // The provider is there, and says when to come back.
        Outcome::Failed { error, .. } => matches!(error, PortError::RateLimited { .. }),
        Outcome::Applied | Outcome::Blocked { .. } => true,
    };
    let Some(since) = fork.metadata.deletion_timestamp.as_ref().filter(|_| !waits) else { return Err(None) };
    let (now, since) = (context.clock.now(), context.clock.at(since.0));
    match context.abandon_after.checked_sub(until(since, now)).filter(|left| !left.is_zero()) {
        Some(left) => Err(Some(left)),
        None => Ok(format!("it could not be applied for {:?}", context.abandon_after)),
    }
}

/// Tells people, the log and the journal what is left.
pub(super) async fn tell<S: Store>(context: &Context<S>, fork: &Fork, outcome: &Outcome, why: &str) {
    let object = fork.reference();
    let left = fork.status.as_ref().map(left).unwrap_or_default().join(", ");
    let blocked = match outcome {
        Outcome::Failed { step, error } => format!("{}: {error}", step.trim()),
        Outcome::Withheld { message, .. } => message.clone(),
        Outcome::Applied | Outcome::Blocked { .. } => String::new(),
    };
    let policy = fork.spec.deletion_policy;
    let message =
        format!("the Fork goes, and what may be left outside is not as deletionPolicy {policy:?} says: {left}");
    tracing::warn!(%object, left, why, blocked, "abandoned");
    let note = format!("{message}; {why}; {blocked}");
    context.store.event(&object, EventType::Warning, "Abandoned", &note).await;
    context
        .record(Entry {
            at: context.clock.now(),
            object,
            facet: DELETION,
            step: format!("abandon {left}"),
            outcome: format!("{why}; {blocked}"),
            duration_ms: 0,
        })
        .await;
}

/// What the record says there is.
fn left(status: &ForkStatus) -> Vec<String> {
    let repository = status.repository.as_ref().map(|repository| format!("repository {}", repository.full_name));
    let project = status.project.as_ref().map(|project| format!("project {} ({})", project.name, project.id));
    let pending = status.pending.iter().map(|pending| format!("perhaps the {} {}", pending.what, pending.name));
    repository.into_iter().chain(project).chain(pending).collect()
}
