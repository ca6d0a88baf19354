//! When a message that could not be sent is tried again, and when no more.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Trouble;

/// The longest time between two tries.
const LONGEST: Duration = Duration::from_mins(5);
/// How long a message is tried. What is told a day late helps nobody.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(24);
/// Tries after which a channel that nobody answers for is said to fail.
const PATIENCE: u32 = 3;

/// When to try again after `attempts` tries of a message from `created`; `None`: never. `luck`, from 0 to 1, spreads
/// the tries of many messages.
pub fn next(trouble: Trouble, attempts: u32, created: Timestamp, now: Timestamp, luck: f64) -> Option<Timestamp> {
    let doubled = Duration::from_secs(1).saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST);
    let delay = match trouble {
        Trouble::Refused => return None,
        Trouble::Limited(seconds) => doubled.max(Duration::from_secs(seconds.min(3600))),
        Trouble::Misconfigured | Trouble::Unavailable => doubled,
    };
    // Never sooner than was asked for.
    let delay = delay.mul_f64(1.0 + 0.2 * luck.clamp(0.0, 1.0));
    let at = now.checked_add(SignedDuration::try_from(delay).ok()?).ok()?;
    (at.duration_since(created) <= GIVE_UP).then_some(at)
}

/// Whether people have to be told by another way that the channel fails.
pub fn is_failing(trouble: Trouble, attempts: u32) -> bool {
    match trouble {
        Trouble::Refused | Trouble::Misconfigured => true,
        Trouble::Limited(_) | Trouble::Unavailable => attempts >= PATIENCE,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trouble() -> impl Strategy<Value = Trouble> {
        prop_oneof![
            Just(Trouble::Refused),
            Just(Trouble::Misconfigured),
            Just(Trouble::Unavailable),
            (0_u64..100_000).prop_map(Trouble::Limited)
        ]
    }

    #[test]
    fn tries_are_ever_farther_apart() {
        let begin = Timestamp::UNIX_EPOCH;
        let delays: Vec<_> = (1..=11)
            .filter_map(|attempts| next(Trouble::Unavailable, attempts, begin, begin, 0.0))
            .map(Timestamp::as_second)
            .collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(next(Trouble::Limited(30), 1, begin, begin, 0.0).map(Timestamp::as_second), Some(30));
        assert_eq!(next(Trouble::Refused, 1, begin, begin, 0.0), None);
    }

    proptest! {
        #[test]
        fn every_message_is_given_up_within_a_day_and_no_try_is_early(trouble in trouble(), luck in 0.0..=1.0_f64) {
            let created = Timestamp::UNIX_EPOCH;
            let (mut now, mut attempts) = (created, 1);
            while let Some(at) = next(trouble, attempts, created, now, luck) {
                let waited = at.duration_since(now);
                prop_assert!(waited >= SignedDuration::from_secs(1) && waited <= SignedDuration::from_secs(4321));
                if let Trouble::Limited(seconds) = trouble {
                    prop_assert!(waited >= SignedDuration::from_secs(i64::try_from(seconds.min(3600)).expect("small")));
                }
                (now, attempts) = (at, attempts + 1);
                prop_assert!(attempts < 400);
            }
            prop_assert!(now.duration_since(created) <= GIVE_UP);
        }
    }
}
