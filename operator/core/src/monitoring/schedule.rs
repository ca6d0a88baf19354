//! When each probe runs: at the same points of its interval for ever, each series at its own.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::Series;

/// When a series runs within its interval. It depends on its name only, so that neither a restart nor a new probe moves
/// others, and all of them spread evenly.
pub fn phase(series: &Series, interval: Duration) -> Duration {
    let digest = Sha256::new()
        .chain_update(&series.fork.namespace)
        .chain_update([0])
        .chain_update(&series.fork.name)
        .chain_update([0])
        .chain_update(&series.probe)
        .finalize();
    let share = digest[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Duration::from_millis(share % millis(interval))
}

/// The first time after `now` that a series of this phase runs.
pub fn next(phase: Duration, interval: Duration, now: Timestamp) -> Timestamp {
    let interval = i64::try_from(millis(interval)).unwrap_or(i64::MAX);
    let phase = i64::try_from(phase.as_millis()).unwrap_or_default();
    let since = (now.as_millisecond() - phase).rem_euclid(interval);
    let next = now.as_millisecond() - since + interval;
    Timestamp::from_millisecond(next).unwrap_or(now + SignedDuration::from_millis(interval))
}

fn millis(interval: Duration) -> u64 {
    u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1)
}
