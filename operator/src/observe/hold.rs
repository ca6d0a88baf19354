//! What failed for a Fork, and until when it is left alone.
//!
//! A failed facet does not stop the others, and an event that has nothing to do with the failure does not shorten the
//! wait. What passes by itself is tried again within 5 minutes. What only a person can mend (`Stalled`: credentials,
//! permissions, the plan, a taken name) is tried again every hour, when the process starts, and at once when anything
//! changed that may let it succeed: spec, annotations, values, credentials.

use std::{collections::BTreeMap, time::Duration};

use forkable_core::{Facet, PortError, Retry, plan::Outcome};
use jiff::Timestamp;
use litemap::LiteMap;
use rand::Rng;

use crate::clock::after;

/// The longest wait of an error that may pass by itself.
const LONGEST: Duration = Duration::from_mins(5);
/// How often something is tried again that only another spec, credential or plan can mend.
const STALLED: Duration = Duration::from_hours(1);

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Observation,
    Steps(Facet),
}

#[derive(Clone, Debug)]
struct Hold {
    until: Timestamp,
    failures: u32,
    outcome: Outcome,
}

/// Waits after errors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds {
    /// Digest of what may let a failed step succeed.
    fingerprint: u64,
    waits: LiteMap<What, Hold>,
}

impl Holds {
    /// Ends every wait if something changed that may matter. Answers whether it did.
    pub(crate) fn begin(&mut self, fingerprint: u64) -> bool {
        let changed = self.fingerprint != fingerprint;
        if changed {
            *self = Self { fingerprint, waits: LiteMap::new() };
        }
        changed
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// The outcome to stay with, while it is waited.
    pub(crate) fn outcome(&self, what: What, now: Timestamp) -> Option<&Outcome> {
        self.waits.get(&what).filter(|hold| hold.until > now).map(|hold| &hold.outcome)
    }

    /// Facets that are waited with, and the outcome to stay with.
    pub(crate) fn outcomes(&self, now: Timestamp) -> BTreeMap<Facet, Outcome> {
        let facets = Facet::ALL.into_iter();
        facets.filter_map(|facet| Some((facet, self.outcome(What::Steps(facet), now)?.clone()))).collect()
    }

    /// Notes what became of a try.
    pub(crate) fn note(&mut self, what: What, outcome: &Outcome, now: Timestamp) {
        let Outcome::Failed { error, .. } = outcome else {
            self.waits.remove(&what);
            return;
        };
        if self.outcome(what, now).is_some() {
            return; // It was not tried.
        }
        let failures = self.waits.get(&what).map_or(0, |hold| hold.failures);
        let until = after(now, jittered(delay(error, failures, now)));
        self.waits.insert(what, Hold { until, failures: failures.saturating_add(1), outcome: outcome.clone() });
    }

    /// When the first wait ends.
    pub(crate) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        self.waits.values().map(|hold| hold.until).filter(|until| *until > now).min()
    }
}

fn delay(error: &PortError, failures: u32, now: Timestamp) -> Duration {
    match error.retry(now) {
        Retry::Never => STALLED,
        Retry::After(delay) => delay,
        Retry::Backoff => Duration::from_secs(1).saturating_mul(1 << failures.min(16)).min(LONGEST),
    }
}

/// Up to a fifth later, so that Forks that failed together do not come back together.
fn jittered(delay: Duration) -> Duration {
    delay.mul_f64(rand::rng().random_range(1.0..1.2))
}

#[cfg(test)]
mod tests {
    use forkable_core::error::Provider;

    use super::*;

    const WHAT: What = What::Steps(Facet::Env);

    fn failed(error: PortError) -> Outcome {
        Outcome::Failed { step: "a step".into(), error }
    }

    fn unavailable() -> Outcome {
        failed(PortError::Unavailable { provider: Provider::Vercel, message: "502".into() })
    }

    #[test]
    fn waits_grow_and_are_not_shortened_by_looking() {
        let mut holds = Holds::default();
        let mut now = Timestamp::UNIX_EPOCH;
        let mut last = Duration::ZERO;
        for _ in 0..6 {
            holds.note(WHAT, &unavailable(), now);
            let until = holds.until(now).expect("it waits");
            let wait = crate::clock::until(now, until);
            assert!(wait > last, "{wait:?} after {last:?}");
            holds.note(WHAT, &unavailable(), now);
            assert_eq!(holds.until(now), Some(until), "the outcome that is stayed with is no new failure");
            assert_eq!(holds.outcomes(now).len(), 1);
            (now, last) = (until, wait);
            assert!(holds.outcomes(now).is_empty(), "now it is tried again");
        }
        holds.note(WHAT, &Outcome::Applied, now);
        assert_eq!(holds.until(now), None);
    }

    #[test]
    fn what_may_help_ends_the_wait() {
        let mut holds = Holds::default();
        let now = Timestamp::UNIX_EPOCH;
        holds.begin(1);
        let refused = failed(PortError::PlanUnsupported { provider: Provider::GitHub, message: "no rulesets".into() });
        holds.note(WHAT, &refused, now);
        holds.begin(1);
        assert!(
            holds.outcome(WHAT, after(now, Duration::from_mins(59))).is_some(),
            "nothing else is tried for an hour"
        );
        holds.begin(2);
        assert!(holds.outcome(WHAT, now).is_none());
    }
}
