//! Keeps an observation true after our own change, from the answer to it, so that nothing has to be read again.

mod forge;
mod hosting;

use super::Observed;
use crate::plan::{Change, Done};

/// After this, planning no longer wants `change`. Call it before [`super::record::done`].
///
/// An answer that does not go with the change tells nothing and is ignored: the next look will tell.
pub fn absorb(observed: &mut Observed, change: &Change, done: &Done) {
    match (change, done) {
        (Change::Forge(change), Done::Forge(done)) => forge::absorb(observed, change, done),
        (Change::Hosting(change), Done::Hosting(done)) => hosting::absorb(observed, change, done),
        (Change::Store(change), Done::Store) => hosting::absorb_store(observed, change),
        _ => {}
    }
}
