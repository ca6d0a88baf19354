//! What a change to a project, or to the Deployments of a Fork, does to the observation of it.

use super::Observed;
use crate::{
    hosting::{HostingChange, HostingDone},
    plan::StoreChange,
};

pub(super) fn absorb(_observed: &mut Observed, _change: &HostingChange, _done: &HostingDone) {
    todo!()
}

pub(super) fn absorb_store(_observed: &mut Observed, _change: &StoreChange) {
    todo!()
}
