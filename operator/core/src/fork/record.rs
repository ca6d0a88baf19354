//! What must be written down about a change for the next pass: ids, digests, intents.

use forkable_crds::ForkStatus;
use jiff::Timestamp;

use super::Desired;
use crate::plan::{Change, Done, Step};

/// Notes that a creation begins; must be stored before it is tried.
pub fn begin(_status: &mut ForkStatus, _desired: &Desired, _step: &Step, _now: Timestamp) {
    todo!()
}

/// Notes what a change came to; clears the intent.
pub fn done(_status: &mut ForkStatus, _desired: &Desired, _change: &Change, _done: &Done) {
    todo!()
}
