//! What is written down about a repository.

use forkable_crds::ForkStatus;
use jiff::Timestamp;

use crate::{
    forge::{ForgeChange, ForgeDone},
    fork::{Desired, Input, Observed},
};

pub(super) fn begin(_status: &mut ForkStatus, _desired: &Desired, _now: Timestamp) {
    todo!()
}

pub(super) fn done(
    _status: &mut ForkStatus,
    _desired: &Desired,
    _observed: &Observed,
    _change: &ForgeChange,
    _done: &ForgeDone,
) {
    todo!()
}

pub(super) fn seen(_status: &mut ForkStatus, _input: Input<'_>) {
    todo!()
}
