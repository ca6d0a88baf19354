//! What a change to a repository does to the observation of it.

use super::Observed;
use crate::forge::{ForgeChange, ForgeDone};

pub(super) fn absorb(_observed: &mut Observed, _change: &ForgeChange, _done: &ForgeDone) {
    todo!()
}
