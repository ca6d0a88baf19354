//! Keeps an observation true after our own change, from the answer to it, so that nothing has to be read again.

use super::Observed;
use crate::plan::{Change, Done};

/// After this, planning no longer wants `change`.
pub fn absorb(_observed: &mut Observed, _change: &Change, _done: &Done) {
    todo!()
}
