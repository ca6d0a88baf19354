//! Conditions by the rules of the Kubernetes API conventions and kstatus.

use std::time::Duration;

use forkable_crds::condition::{Condition, ConditionStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How one concern stands, which decides `Ready`, `Reconciling` and `Stalled` of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Ready,
    /// Work is under way or waited for.
    Progressing,
    /// It failed, and is tried again by itself.
    Retrying,
    /// A person must act outside; it is looked at again by itself.
    PersonNeeded,
    /// Nothing happens before spec, credentials or plan change.
    Stalled,
}

/// One concern, as reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Condition type.
    pub condition: &'static str,
    pub state: State,
    /// CamelCase.
    pub reason: String,
    /// For people; no secret, no time stamp, nothing that changes from pass to pass.
    pub message: String,
}

/// The longest message of a condition, in bytes, that the apiserver takes.
const MAX_MESSAGE: usize = 32_768;

/// Replaces all conditions: one per report, then `Ready`, and `Reconciling` or `Stalled` only when true.
/// `lastTransitionTime` moves only when a condition's status does.
pub fn summarize(previous: &[Condition], reports: &[Report], generation: i64, now: Timestamp) -> Vec<Condition> {
    let mut conditions: Vec<Condition> = reports
        .iter()
        .map(|report| {
            let status = if report.state == State::Ready { ConditionStatus::True } else { ConditionStatus::False };
            condition(previous, report.condition, status, &report.reason, &report.message, generation, now)
        })
        .collect();
    let worst = |state: &State| reports.iter().find(|report| report.state == *state);
    let (status, reason, message, extra) = if let Some(report) = worst(&State::Stalled) {
        (ConditionStatus::False, report.reason.as_str(), report.message.as_str(), Some("Stalled"))
    } else if let Some(report) = worst(&State::Retrying) {
        (ConditionStatus::False, report.reason.as_str(), report.message.as_str(), Some("Reconciling"))
    } else if let Some(report) = worst(&State::Progressing) {
        (ConditionStatus::Unknown, report.reason.as_str(), report.message.as_str(), Some("Reconciling"))
    } else if let Some(report) = worst(&State::PersonNeeded) {
        (ConditionStatus::False, report.reason.as_str(), report.message.as_str(), Some("Reconciling"))
    } else {
        (ConditionStatus::True, "Ready", "as the manifest says", None)
    };
    conditions.push(condition(previous, "Ready", status, reason, message, generation, now));
    if let Some(extra) = extra {
        let reason = match (extra, status) {
            ("Stalled", _) => reason,
            (_, ConditionStatus::Unknown) => "Progressing",
            _ => "ProgressingWithRetry",
        };
        conditions.push(condition(previous, extra, ConditionStatus::True, reason, message, generation, now));
    }
    conditions
}

/// A condition, whose transition time is that of the previous ones unless its status changes.
pub(crate) fn condition(
    previous: &[Condition],
    type_: &str,
    status: ConditionStatus,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> Condition {
    let unchanged = previous.iter().find(|condition| condition.type_ == type_ && condition.status == status);
    Condition {
        type_: type_.into(),
        status,
        reason: reason.into(),
        message: shortened(message),
        observed_generation: Some(generation),
        last_transition_time: unchanged.map_or(Time(now), |condition| condition.last_transition_time.clone()),
    }
}

fn shortened(message: &str) -> String {
    let mut end = message.len().min(MAX_MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].into()
}

/// Says what is there, in `Ready` if it is `True`.
pub fn say_ready(conditions: &mut [Condition], message: &str) {
    for ready in conditions
        .iter_mut()
        .filter(|condition| condition.type_ == "Ready" && condition.status == ConditionStatus::True)
    {
        ready.message = shortened(message);
    }
}

/// Adds a condition that `Ready` does not depend on. `previous` are those of the status before.
pub fn add_aside(
    conditions: &mut Vec<Condition>,
    previous: &[Condition],
    report: &Report,
    generation: i64,
    now: Timestamp,
) {
    let status = if report.state == State::Ready { ConditionStatus::True } else { ConditionStatus::False };
    conditions.push(condition(previous, report.condition, status, &report.reason, &report.message, generation, now));
}

/// How long news of what is under way may wait to be stored, so that one write tells of many of them.
pub const GATHER: Duration = Duration::from_secs(15);

/// Until when the change from `before` to `after` need not be stored: it was said a moment ago that work is under way,
/// and nothing else is said now. `None`: it is to be stored at once.
pub fn gathers_until(before: &[Condition], after: &[Condition], now: Timestamp) -> Option<Timestamp> {
    let working = |conditions: &[Condition]| {
        let ready = find(conditions, "Ready")?;
        (ready.status == ConditionStatus::Unknown).then_some((ready.observed_generation, ready.last_transition_time.0))
    };
    let ((said, since), (says, _)) = (working(before)?, working(after)?);
    let until = since.checked_add(GATHER).ok()?;
    (said == says && now < until).then_some(until)
}

/// The condition of that type.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether a condition of that type is there and `True`.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == ConditionStatus::True)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(condition: &'static str, state: State) -> Report {
        Report { condition, state, reason: "Because".into(), message: format!("{condition} says") }
    }

    fn kstatus(conditions: &[Condition]) -> Vec<(&str, &str)> {
        conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str())).collect()
    }

    #[test]
    fn the_worst_state_decides() {
        type Case = (&'static str, &'static [State], &'static [(&'static str, &'static str)]);
        let cases: [Case; 5] = [
            ("all ready", &[State::Ready, State::Ready], &[("Ready", "True")]),
            ("progress", &[State::Ready, State::Progressing], &[("Ready", "Unknown"), ("Reconciling", "True")]),
            (
                "a person is needed",
                &[State::PersonNeeded, State::Ready],
                &[("Ready", "False"), ("Reconciling", "True")],
            ),
            (
                "progress before a person",
                &[State::PersonNeeded, State::Progressing],
                &[("Ready", "Unknown"), ("Reconciling", "True")],
            ),
            ("stalled before all", &[State::Retrying, State::Stalled], &[("Ready", "False"), ("Stalled", "True")]),
        ];
        for (why, states, expected) in cases {
            let reports: Vec<_> = states.iter().map(|state| report("A", state.clone())).collect();
            let conditions = summarize(&[], &reports, 1, Timestamp::UNIX_EPOCH);
            assert_eq!(&kstatus(&conditions)[states.len()..], expected, "{why}");
        }
    }

    #[test]
    fn only_news_of_work_under_way_is_gathered() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let of = |state, generation| summarize(&[], &[report("A", state)], generation, at(100));
        let working = || of(State::Progressing, 1);
        let cases = [
            ("first said", vec![], working(), 101, None),
            ("more of the same", working(), working(), 101, Some(at(115))),
            ("gathered long enough", working(), working(), 115, None),
            ("done", working(), of(State::Ready, 1), 101, None),
            ("failed", working(), of(State::Retrying, 1), 101, None),
            ("was ready", of(State::Ready, 1), working(), 101, None),
            ("another spec", working(), of(State::Progressing, 2), 101, None),
        ];
        for (why, before, after, now, expected) in cases {
            assert_eq!(gathers_until(&before, &after, at(now)), expected, "{why}");
        }
    }

    #[test]
    fn transition_time_moves_with_status_only() {
        let early = Timestamp::from_second(10).expect("a time");
        let late = Timestamp::from_second(20).expect("a time");
        let first = summarize(&[], &[report("A", State::Progressing)], 1, early);
        let same = summarize(&first, &[report("A", State::Retrying)], 2, late);
        assert_eq!(same[0].last_transition_time.0, early, "False stayed False");
        let ready = summarize(&first, &[report("A", State::Ready)], 2, late);
        assert_eq!(ready[0].last_transition_time.0, late, "False became True");
    }
}
