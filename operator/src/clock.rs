//! The time of this process: real, or a multiple of it for tests that live through an hour in seconds.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};

/// Tells the time and waits. Cheap to clone; all clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Origin>);

#[derive(Debug)]
struct Origin {
    began: Instant,
    at: Timestamp,
    scale: u32,
}

impl Default for Clock {
    fn default() -> Self {
        Self::scaled(1)
    }
}

impl Clock {
    /// A clock that begins now and runs `scale` times as fast as real time (at least once).
    pub fn scaled(scale: u32) -> Self {
        Self(Arc::new(Origin { began: Instant::now(), at: Timestamp::now(), scale: scale.max(1) }))
    }

    pub fn now(&self) -> Timestamp {
        let Origin { began, at, scale } = &*self.0;
        if *scale == 1 {
            return Timestamp::now();
        }
        at.saturating_add(SignedDuration::try_from(began.elapsed() * *scale).unwrap_or(SignedDuration::MAX))
            .unwrap_or(Timestamp::MAX)
    }

    /// What this clock said when it was `real` time.
    pub fn at(&self, real: Timestamp) -> Timestamp {
        let Origin { at, scale, .. } = &*self.0;
        if *scale == 1 {
            return real;
        }
        after(*at, until(*at, real).saturating_mul(*scale))
    }

    /// Waits for `duration` of this clock.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / self.0.scale).await;
    }

    /// Waits until this clock says `at`; not at all if that has passed.
    pub async fn sleep_until(&self, at: Timestamp) {
        self.sleep(until(self.now(), at)).await;
    }

    pub fn scale(&self) -> u32 {
        self.0.scale
    }
}

/// So long before.
pub fn before(at: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration).ok().and_then(|duration| at.checked_sub(duration).ok()).unwrap_or(Timestamp::MIN)
}

/// From `now` to `at`; zero if that has passed.
pub fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

/// `now` plus `duration`, or the end of time.
pub fn after(now: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| now.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_clock_runs_ahead_of_real_time() {
        let clock = Clock::scaled(1_000_000);
        let first = clock.now();
        while clock.now() == first {}
        assert!(until(Timestamp::now(), clock.now()) > Duration::ZERO);
    }

    #[test]
    fn what_has_passed_is_waited_for_no_longer() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(until(after(now, Duration::from_secs(1)), now), Duration::ZERO);
        assert_eq!(until(now, after(now, Duration::from_secs(1))), Duration::from_secs(1));
        assert_eq!(after(now, Duration::MAX), Timestamp::MAX);
    }
}
