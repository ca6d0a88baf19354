//! What is written down about a project.

use forkable_crds::ForkStatus;

use crate::{
    PortError,
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

pub(super) fn adapted(status: &mut ForkStatus, desired: &Desired, change: &HostingChange, error: &PortError) -> bool {
    let has_none =
        matches!((change, error), (HostingChange::CreateEnvironment { .. }, PortError::PlanUnsupported { .. }));
    match &mut status.project {
        Some(project) if has_none => {
            project.no_custom_environments = Some(desired.generation);
            true
        }
        _ => false,
    }
}

pub(super) fn seen(_status: &mut ForkStatus, _input: Input<'_>) {
    todo!()
}
