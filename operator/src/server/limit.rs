//! How often something may be asked for.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Lets `burst` through at once and `per_second` over time.
#[derive(Debug)]
pub(super) struct Limit {
    burst: f64,
    per_second: f64,
    state: Mutex<(f64, Instant)>,
}

impl Limit {
    pub(super) fn new(burst: u32, per_second: u32) -> Self {
        Self { burst: burst.into(), per_second: per_second.into(), state: Mutex::new((burst.into(), Instant::now())) }
    }

    /// Whether one more may pass at `now`; it counts if it may.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, at) = &mut *state;
        let since = now.checked_duration_since(*at).unwrap_or(Duration::ZERO);
        *left = since.as_secs_f64().mul_add(self.per_second, *left).min(self.burst);
        *at = now.max(*at);
        if *left < 1.0 {
            return false;
        }
        *left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_only_what_time_brings() {
        let limit = Limit::new(3, 2);
        let now = Instant::now();
        let passed = |at: Instant| (0..10).filter(|_| limit.admits(at)).count();
        assert_eq!(passed(now), 3);
        assert_eq!(passed(now + Duration::from_secs(1)), 2);
        assert_eq!(passed(now + Duration::from_millis(1400)), 0, "less than one");
        assert_eq!(passed(now + Duration::from_hours(1)), 3, "never more than a burst");
    }
}
