//! What is left to do outside for a Fork that is being deleted.

use forkable_crds::Fork;

use super::Observed;
use crate::plan::Plan;

/// The steps of the Fork's deletion policy, on what is provably of this Fork; none when all is done.
/// Works on the record alone, so that an invalid spec or a missing Secret cannot keep a Fork from going.
pub fn plan(_fork: &Fork, _observed: &Observed) -> Plan {
    todo!()
}
