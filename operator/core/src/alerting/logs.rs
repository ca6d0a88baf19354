//! What the log of a product says, as far as it was followed.

use std::{collections::VecDeque, time::Duration};

use forkable_crds::alert_rule::{VercelMetric, VercelSignal};
use jiff::Timestamp;

use super::Reading;
use crate::hosting::LogLine;

/// Lines are counted by such spans of time.
pub const SLOT: Duration = Duration::from_secs(10);
const SLOTS_OF_A_MINUTE: u8 = 6;
/// The longest window, which the schema allows.
const MOST_SLOTS: usize = 60 * SLOTS_OF_A_MINUTE as usize;
/// After so many slots in which the log was not followed, what was counted before is no more of now.
const STALE: i64 = 3;
const MINIMUM_REQUESTS: i64 = 20;

/// What was counted in the last hour.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Those in which the log was followed, oldest first.
    slots: VecDeque<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Which one since 1970.
    number: i64,
    errors: u32,
    responses: u32,
    server_errors: u32,
}

impl Tally {
    /// The log is being followed now.
    pub fn follow(&mut self, now: Timestamp) {
        self.slot(now);
    }

    /// A line came.
    pub fn count(&mut self, line: LogLine, now: Timestamp) {
        let slot = self.slot(now);
        slot.errors += u32::from(line.is_error);
        slot.responses += u32::from(line.status.is_some());
        slot.server_errors += u32::from(line.status.is_some_and(|status| status >= 500));
    }

    fn slot(&mut self, now: Timestamp) -> &mut Slot {
        let number = number(now);
        if self.slots.back().is_none_or(|last| last.number < number) {
            self.slots.push_back(Slot { number, errors: 0, responses: 0, server_errors: 0 });
        }
        if self.slots.len() > MOST_SLOTS {
            self.slots.pop_front();
        }
        self.slots.back_mut().expect("one was put there")
    }

    /// Whether it can be taken for what happens now.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.slots.back().is_some_and(|last| last.number > number(now) - STALE)
    }

    /// What a signal says: of the time in its window in which the log was followed.
    pub fn read(&self, signal: &VercelSignal, now: Timestamp) -> Reading {
        let minutes = signal.window_minutes;
        let first = number(now) - minutes * i64::from(SLOTS_OF_A_MINUTE);
        let within: Vec<_> = self.slots.iter().rev().take_while(|slot| slot.number > first).collect();
        if within.len() < usize::from(SLOTS_OF_A_MINUTE) {
            return Reading::NoData("its log has not been followed for a minute yet".into());
        }
        let sum = |of: fn(&Slot) -> u32| within.iter().map(|slot| f64::from(of(slot))).sum::<f64>();
        let followed = sum(|_| 1) / f64::from(SLOTS_OF_A_MINUTE);
        match signal.metric {
            VercelMetric::ErrorsPerMinute => {
                let errors = sum(|slot| slot.errors);
                let rate = errors / followed;
                Reading::Value(rate, format!("{errors:.0} errors in {followed:.0} min, {rate:.1} a minute"))
            }
            VercelMetric::ServerErrorRatio => {
                let (of, failed) = (sum(|slot| slot.responses), sum(|slot| slot.server_errors));
                let least = signal.minimum_requests.unwrap_or(MINIMUM_REQUESTS);
                #[expect(clippy::cast_precision_loss, reason = "a million at most")]
                if of < least as f64 {
                    return Reading::NoData(format!("it logs fewer than {least} requests in {minutes} min"));
                }
                let percent = 100.0 * failed / of;
                let text = format!("{percent:.1} % of {of:.0} requests in {followed:.0} min failed");
                Reading::Value(failed / of, text)
            }
        }
    }
}

fn number(now: Timestamp) -> i64 {
    now.as_second().div_euclid(SLOT.as_secs().cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: LogLine = LogLine { is_error: true, status: Some(500) };
    const FINE: LogLine = LogLine { is_error: false, status: Some(200) };
    const WORD: LogLine = LogLine { is_error: false, status: None };

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).expect("a time")
    }

    fn signal(metric: VercelMetric, window_minutes: i64, minimum_requests: Option<i64>) -> VercelSignal {
        VercelSignal { metric, window_minutes, minimum_requests }
    }

    /// Followed from `from` to `to`, in seconds.
    fn followed(tally: &mut Tally, from: i64, to: i64) {
        (from..to).step_by(5).for_each(|second| tally.follow(at(second)));
    }

    #[test]
    fn errors_are_of_the_time_that_was_followed() {
        let errors = signal(VercelMetric::ErrorsPerMinute, 5, None);
        let mut tally = Tally::default();
        followed(&mut tally, 0, 50);
        (0..6).for_each(|_| tally.count(ERROR, at(40)));
        let none = tally.read(&errors, at(50));
        assert_eq!(none, Reading::NoData("its log has not been followed for a minute yet".into()));
        followed(&mut tally, 50, 120);
        let two = Reading::Value(3.0, "6 errors in 2 min, 3.0 a minute".into());
        assert_eq!(tally.read(&errors, at(119)), two);
        // A gap is not time without errors.
        followed(&mut tally, 180, 240);
        assert_eq!(tally.read(&errors, at(239)), Reading::Value(2.0, "6 errors in 3 min, 2.0 a minute".into()));
        // What left the window counts no more.
        followed(&mut tally, 240, 360);
        assert_eq!(tally.read(&errors, at(359)), Reading::Value(0.0, "0 errors in 4 min, 0.0 a minute".into()));
    }

    #[test]
    fn a_share_needs_enough_requests() {
        let mut tally = Tally::default();
        followed(&mut tally, 0, 60);
        (0..3).for_each(|_| tally.count(FINE, at(50)));
        tally.count(ERROR, at(55));
        tally.count(WORD, at(55));
        let read = |least| tally.read(&signal(VercelMetric::ServerErrorRatio, 1, least), at(59));
        assert_eq!(read(Some(4)), Reading::Value(0.25, "25.0 % of 4 requests in 1 min failed".into()));
        assert_eq!(read(None), Reading::NoData("it logs fewer than 20 requests in 1 min".into()));
    }

    #[test]
    fn it_is_old_once_nobody_follows_and_never_longer_than_an_hour() {
        let mut tally = Tally::default();
        assert!(!tally.is_fresh(at(0)));
        followed(&mut tally, 0, 5000);
        assert!(tally.is_fresh(at(5019)) && !tally.is_fresh(at(5020)));
        assert_eq!(tally.slots.len(), MOST_SLOTS);
    }
}
