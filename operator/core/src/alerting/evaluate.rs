//! One look at one Fork: whether an alert begins to wait, fires, goes on or ends.

use std::time::Duration;

use forkable_crds::{
    AlertRuleSpec,
    alert_rule::{AlertCondition, AlertState, AlertStatus, NoData},
    rollout::Comparison,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::release::{analysis::compares, whole_seconds};

/// Begins within an hour from which on an alert flaps.
const FLAPS: i64 = 3;
/// How long an alert that flaps goes on firing after it was so for the last time, at least.
const DAMPED: Duration = Duration::from_mins(10);

/// What a signal says of a Fork.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// The number, and what it means for people.
    Value(f64, String),
    /// There is none; why.
    NoData(String),
}

impl Reading {
    /// For people.
    pub fn text(&self) -> &str {
        match self {
            Self::Value(_, text) | Self::NoData(text) => text,
        }
    }
}

/// The condition of a rule; that of an objective is that the budget burns at least as fast as its windows allow.
pub fn condition_of(rule: &AlertRuleSpec) -> AlertCondition {
    rule.condition.clone().unwrap_or(AlertCondition {
        operator: Comparison::GreaterThanOrEqual,
        threshold: 1.0,
        for_seconds: 0,
        keep_firing_for_seconds: 0,
        on_no_data: NoData::Keep,
    })
}

/// The alert of a Fork after a look, from what it was before. `flaps`: how often it began to fire within the last hour.
pub fn step(
    condition: &AlertCondition,
    reading: &Reading,
    fork: &str,
    alert: Option<&AlertStatus>,
    flaps: i64,
    now: Timestamp,
) -> Option<AlertStatus> {
    let is_bad = match reading {
        // What is no number compares with nothing.
        Reading::Value(value, _) if value.is_nan() => no_data(condition.on_no_data),
        Reading::Value(value, _) => Some(compares(condition.operator, *value, condition.threshold)),
        Reading::NoData(_) => no_data(condition.on_no_data),
    };
    let Some(alert) = alert else {
        return (is_bad == Some(true)).then(|| begin(condition, reading, fork, flaps, now));
    };
    let mut next = alert.clone();
    match (alert.state, is_bad) {
        (AlertState::Pending, Some(false)) => return None,
        (AlertState::Pending, Some(true)) if passed(&alert.since, now) >= seconds(condition.for_seconds) => {
            fire(&mut next, reading, flaps, now);
        }
        (AlertState::Firing, Some(true)) => next.well_since = None,
        (AlertState::Firing, Some(false)) => {
            let keep = seconds(condition.keep_firing_for_seconds);
            let keep = if next.flaps.is_some() { keep.max(DAMPED) } else { keep };
            let since = next.well_since.get_or_insert_with(|| whole_seconds(now));
            if passed(since, now) >= keep {
                return None;
            }
        }
        (AlertState::Pending, _) | (AlertState::Firing, None) => {}
    }
    Some(next)
}

/// When the alert may be another though the signal says the same.
pub fn next_look(condition: &AlertCondition, alert: &AlertStatus) -> Option<Timestamp> {
    let (since, wait) = match alert.state {
        AlertState::Pending => (&alert.since, seconds(condition.for_seconds)),
        AlertState::Firing => (alert.well_since.as_ref()?, seconds(condition.keep_firing_for_seconds)),
    };
    since.0.checked_add(SignedDuration::try_from(wait).ok()?).ok()
}

fn no_data(on_no_data: NoData) -> Option<bool> {
    match on_no_data {
        NoData::Keep => None,
        NoData::Alert => Some(true),
        NoData::Ok => Some(false),
    }
}

fn begin(condition: &AlertCondition, reading: &Reading, fork: &str, flaps: i64, now: Timestamp) -> AlertStatus {
    let mut alert = AlertStatus {
        fork: fork.into(),
        state: AlertState::Pending,
        since: whole_seconds(now),
        fired_at: None,
        well_since: None,
        value: None,
        notified: false,
        suppressed: None,
        actions: Vec::new(),
        flaps: None,
    };
    if condition.for_seconds <= 0 {
        fire(&mut alert, reading, flaps, now);
    }
    alert
}

fn fire(alert: &mut AlertStatus, reading: &Reading, flaps: i64, now: Timestamp) {
    alert.state = AlertState::Firing;
    alert.fired_at = Some(whole_seconds(now));
    alert.value = Some(reading.text().chars().take(256).collect());
    alert.flaps = Some(flaps + 1).filter(|begun| *begun >= FLAPS);
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
}

fn passed(since: &Time, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since.0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(for_seconds: i64, keep: i64, on_no_data: NoData) -> AlertCondition {
        AlertCondition {
            operator: Comparison::GreaterThan,
            threshold: 10.0,
            for_seconds,
            keep_firing_for_seconds: keep,
            on_no_data,
        }
    }

    /// What becomes of readings, one a second: `!` bad, `.` good, `?` no data; answers `-` none, `p` pending, `F` firing.
    fn run(condition: &AlertCondition, readings: &str) -> String {
        let mut alert = None;
        let look = |(second, reading)| {
            let now = Timestamp::from_second(i64::try_from(second).expect("a small number")).expect("a time");
            let reading = match reading {
                '!' => Reading::Value(11.0, "11".into()),
                '.' => Reading::Value(10.0, "10".into()),
                '~' => Reading::Value(f64::NAN, "NaN".into()),
                _ => Reading::NoData("gone".into()),
            };
            alert = step(condition, &reading, "acme", alert.as_ref(), 0, now);
            match alert.as_ref().map(|alert| alert.state) {
                None => '-',
                Some(AlertState::Pending) => 'p',
                Some(AlertState::Firing) => 'F',
            }
        };
        readings.chars().enumerate().map(look).collect()
    }

    #[test]
    fn an_alert_waits_fires_and_ends() {
        let cases = [
            ("at once", condition(0, 0, NoData::Keep), "..!!..", "--FF--"),
            ("after a while", condition(2, 0, NoData::Keep), ".!!!.", "-ppF-"),
            ("it begins anew", condition(2, 0, NoData::Keep), "!!.!!!", "pp-ppF"),
            ("goes on for a while", condition(0, 2, NoData::Keep), "!....", "FFF--"),
            ("bad again meanwhile", condition(0, 2, NoData::Keep), "!..!...", "FFFFFF-"),
            ("no data keeps what is", condition(0, 0, NoData::Keep), "?!??.", "-FFF-"),
            ("no data does not fire what waits", condition(1, 0, NoData::Keep), "!???!", "ppppF"),
            ("no data is bad", condition(1, 0, NoData::Alert), "??.", "pF-"),
            ("no data is good", condition(0, 0, NoData::Ok), "?!?", "-F-"),
            ("what is no number is no data", condition(0, 0, NoData::Alert), ".~", "-F"),
        ];
        for (why, condition, readings, expected) in cases {
            assert_eq!(run(&condition, readings), expected, "{why}");
        }
    }

    #[test]
    fn an_alert_that_flaps_says_so_and_goes_on() {
        let condition = condition(0, 0, NoData::Keep);
        let at = |second| Timestamp::from_second(second).expect("a time");
        let bad = Reading::Value(11.0, "11".into());
        let good = Reading::Value(1.0, "1".into());
        let fired = step(&condition, &bad, "acme", None, 2, at(0)).expect("it fires");
        assert_eq!(fired.flaps, Some(3));
        let well = step(&condition, &good, "acme", Some(&fired), 3, at(1)).expect("it goes on");
        assert!(step(&condition, &good, "acme", Some(&well), 3, at(600)).is_some());
        assert!(step(&condition, &good, "acme", Some(&well), 3, at(601)).is_none());
    }
}
