//! The condition that says whether probes reach a product.

use forkable_crds::condition::{Condition, ConditionStatus};
use jiff::Timestamp;

use super::{Standing, Verdict};
use crate::condition;

/// Condition of a Fork that says whether its product works. It is there from the first time on that it does not; `Ready`
/// says whether the manifest is made true, and does not depend on it.
pub const AVAILABLE: &str = "Available";

/// The condition as it is to be, with `previous` those of the status before. `None`: there is none.
pub fn available(previous: &[Condition], standings: &[Standing], generation: i64, now: Timestamp) -> Option<Condition> {
    let of = |verdict| standings.iter().filter(move |standing: &&Standing| standing.verdict == verdict);
    let known = condition::find(previous, AVAILABLE);
    let told = |standing: &Standing| format!("{}: {}", standing.series.probe, standing.why);
    let (status, reason, message) = match (of(Verdict::Down).next(), of(Verdict::Unknown).next()) {
        (Some(_), _) => {
            let down: Vec<_> = of(Verdict::Down).map(told).collect();
            (ConditionStatus::False, "ProbeFailed", down.join("; "))
        }
        (None, unknown) => {
            // While a process starts, it goes on with what the one before has found.
            let known = known?;
            match unknown {
                _ if standings.is_empty() => return Some(known.clone()),
                Some(standing) => (ConditionStatus::Unknown, "NotProbed", told(standing)),
                None => (ConditionStatus::True, "ProbesPass", "what is probed works".into()),
            }
        }
    };
    Some(condition::condition(previous, AVAILABLE, status, reason, &message, generation, now))
}
