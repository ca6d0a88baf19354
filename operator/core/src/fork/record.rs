//! What must be written down for the next pass: ids, digests, intents.

mod forge;
mod hosting;

pub(super) use forge::{branches_digest, is_value};
use forkable_crds::{ForkStatus, fork::PendingCreate};
use jiff::Timestamp;

use super::{Desired, Input, Observed};
use crate::{
    PortError,
    plan::{Change, Done, Step},
};

/// Notes that a creation begins; must be stored before it is tried. Answers what was on record before,
/// for [`failed`].
#[must_use]
pub fn begin(status: &mut ForkStatus, desired: &Desired, step: &Step, now: Timestamp) -> Vec<PendingCreate> {
    let before = status.pending.clone();
    if let (true, Change::Forge(change)) = (step.needs_intent(), &step.change) {
        forge::begin(status, desired, change, now);
    }
    before
}

/// Notes what a change came to; clears the intent once it is no longer needed. `observed` has absorbed the change.
pub fn done(status: &mut ForkStatus, desired: &Desired, observed: &Observed, change: &Change, done: &Done) {
    match (change, done) {
        (Change::Forge(change), Done::Forge(done)) => forge::done(status, desired, observed, change, done),
        (Change::Hosting(change), Done::Hosting(done)) => hosting::done(status, desired, observed, change, done),
        (Change::Store(_), _) | (_, Done::Forge(_) | Done::Hosting(_) | Done::Store) => {}
    }
}

/// Takes an intent back when the error proves that nothing was made by this try. `before` is the answer of [`begin`].
pub fn failed(status: &mut ForkStatus, before: Vec<PendingCreate>, error: &PortError) {
    if !matches!(error, PortError::Unavailable { .. } | PortError::Stale { .. }) {
        status.pending = before;
    }
}

/// Notes what an error tells: that the account's plan lacks what a step needs, though there is another way to what the
/// manifest asks for; what a batch that was half done may have made. `observed` is as it was before the step.
/// Answers whether there is another way: then the step has not failed, and the next plan does not want it.
pub fn adapted(
    status: &mut ForkStatus,
    desired: &Desired,
    observed: &Observed,
    step: &Step,
    error: &PortError,
) -> bool {
    match &step.change {
        Change::Hosting(change) => hosting::adapted(status, desired, observed, change, error),
        Change::Forge(_) | Change::Store(_) => false,
    }
}

/// Notes what an observation tells about what is ours: ids of what an earlier, interrupted pass has made or a person
/// has allowed to take over, names after renames, the provider's times of our own writes. For the report.
pub fn seen(status: &mut ForkStatus, input: Input<'_>) {
    forge::seen(status, input);
    hosting::seen(status, input);
}
