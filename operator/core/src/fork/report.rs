//! The status of a Fork, from everything that one pass learnt.

use std::{collections::BTreeMap, time::Duration};

use forkable_crds::ForkStatus;

use super::Input;
use crate::plan::{Facet, Outcome, Plan};

/// The new status: facts from the observation, conditions from verdicts and outcomes.
/// Equal inputs give equal statuses; nothing in it moves with time alone.
pub fn status(_input: Input<'_>, _plan: &Plan, _outcomes: &BTreeMap<Facet, Outcome>, _generation: i64) -> ForkStatus {
    todo!()
}

/// When to look again without being told to, if ever: the soonest wish of a facet or error.
/// `failures` is how many passes in a row have failed, for the exponential back-off (jitter is the caller's).
pub fn recheck(
    _input: Input<'_>,
    _plan: &Plan,
    _outcomes: &BTreeMap<Facet, Outcome>,
    _failures: u32,
) -> Option<Duration> {
    todo!()
}
