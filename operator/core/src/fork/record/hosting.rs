//! What is written down about a project.

use forkable_crds::ForkStatus;

use crate::{
    fork::{Desired, Input, Observed},
    hosting::{HostingChange, HostingDone},
};

pub(super) fn done(
    _status: &mut ForkStatus,
    _desired: &Desired,
    _observed: &Observed,
    _change: &HostingChange,
    _done: &HostingDone,
) {
    todo!()
}

pub(super) fn seen(_status: &mut ForkStatus, _input: Input<'_>) {
    todo!()
}
