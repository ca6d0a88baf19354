//! The brake: too many destructive steps in a short time, over all Forks, stop until a person lets them go on.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use crate::clock::until;

/// Reason of conditions while it holds.
pub const BLOCKED: &str = "MassChangeBlocked";
/// Destructive steps that pass within [`WINDOW`].
pub const LIMIT: usize = 10;
/// How far back steps are counted.
pub const WINDOW: Duration = Duration::from_mins(10);

/// Counts destructive steps. Once it holds, it holds until [`Brake::release`].
#[derive(Debug, Default)]
pub struct Brake(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    passed: VecDeque<Timestamp>,
    holds: bool,
}

impl Brake {
    /// Whether one more destructive step may pass now; it counts if it may.
    pub fn admit(&self, now: Timestamp) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while state.passed.front().is_some_and(|&at| until(at, now) > WINDOW) {
            state.passed.pop_front();
        }
        if state.passed.len() >= LIMIT {
            state.holds = true;
        }
        if state.holds {
            return false;
        }
        state.passed.push_back(now);
        true
    }

    pub fn holds(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).holds
    }

    /// Holds from the start, because it held when the process before this one ended.
    pub fn restore(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).holds = true;
    }

    /// A person lets destructive steps go on; the count begins anew.
    pub fn release(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }
}

/// What the condition says.
pub fn message(step: &str) -> String {
    format!(
        "more than {LIMIT} destructive steps within {} minutes over all forks; withheld: {}. \
         If they are meant, let them go on with `forkable resume --dir DIR`, in a cluster with `kubectl forkable resume`",
        WINDOW.as_secs() / 60,
        step.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::after;

    #[test]
    fn it_holds_beyond_the_limit_until_a_person_releases_it() {
        let brake = Brake::default();
        let now = Timestamp::UNIX_EPOCH;
        for _ in 0..LIMIT {
            assert!(brake.admit(now));
        }
        assert!(!brake.admit(now), "one too many");
        assert!(!brake.admit(after(now, WINDOW * 2)), "time alone does not release it");
        brake.release();
        assert!(brake.admit(now));
    }

    #[test]
    fn steps_that_are_long_past_do_not_count() {
        let brake = Brake::default();
        for n in 0..10 * LIMIT {
            let now = after(Timestamp::UNIX_EPOCH, WINDOW / 5 * u32::try_from(n).expect("small"));
            assert!(brake.admit(now), "step {n}");
        }
    }
}
