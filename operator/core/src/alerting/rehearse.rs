//! What a rule would have done.

use std::collections::VecDeque;

use forkable_crds::{
    AlertRuleSpec,
    alert_rule::{AlertState, AlertStatus},
    rollout::FreezeWindow,
};
use jiff::{SignedDuration, Timestamp};

use super::{Firing, Reading, condition_of, quiet, step};

/// An alert that would have fired.
#[derive(Clone, Debug, PartialEq)]
pub struct Rehearsed {
    pub fork: String,
    pub fired_at: Timestamp,
    /// `None`: it would fire still.
    pub ended_at: Option<Timestamp>,
    pub value: String,
    /// Why nobody would have been told.
    pub quiet: Option<String>,
}

/// Begins of the last hour, to tell alerts that flap.
#[derive(Clone, Debug, Default)]
pub struct Begins(VecDeque<Timestamp>);

impl Begins {
    /// How many there were within the hour before `now`.
    pub fn count(&mut self, now: Timestamp) -> i64 {
        while self.0.front().is_some_and(|at| now.duration_since(*at) > SignedDuration::from_hours(1)) {
            self.0.pop_front();
        }
        i64::try_from(self.0.len()).unwrap_or(i64::MAX)
    }

    pub fn note(&mut self, at: Timestamp) {
        self.0.push_back(at);
    }
}

/// What would have fired for one Fork, from what its signal said then, oldest first.
pub fn rehearse(
    (namespace, name): (&str, &str),
    rule: &AlertRuleSpec,
    fork: &str,
    of_fork: &[FreezeWindow],
    readings: impl IntoIterator<Item = (Timestamp, Reading)>,
) -> Vec<Rehearsed> {
    let condition = condition_of(rule);
    let mut all: Vec<Rehearsed> = Vec::new();
    let mut alert: Option<AlertStatus> = None;
    let mut begins = Begins::default();
    for (at, reading) in readings {
        let fired = |alert: &Option<AlertStatus>| alert.as_ref().is_some_and(|it| it.state == AlertState::Firing);
        let before = fired(&alert);
        alert = step(&condition, &reading, fork, alert.as_ref(), begins.count(at), at);
        match (before, fired(&alert)) {
            (false, true) => {
                begins.note(at);
                let own = Firing { namespace, rule: name, fork, labels: None };
                // Silences are of today.
                let then = AlertRuleSpec { silences: Vec::new(), ..rule.clone() };
                let quiet = quiet(&then, &own, of_fork, &[], at);
                let value = reading.text().to_owned();
                all.push(Rehearsed { fork: fork.into(), fired_at: at, ended_at: None, value, quiet });
            }
            (true, false) => {
                if let Some(last) = all.last_mut() {
                    last.ended_at = Some(at);
                }
            }
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn outages_of_the_past_are_told_with_their_times() {
        let at = |minute: i64| Timestamp::from_second(minute * 60).expect("a time");
        let rule: AlertRuleSpec = serde_json::from_value(json!({
            "signal": {"probe": {"metric": "Up"}},
            "condition": {"operator": "LessThan", "threshold": 1, "forSeconds": 120},
            "maintenance": [{"name": "move", "from": at(20), "to": at(30)}],
        }))
        .expect("a rule");
        let up = |minute: &i64| match minute {
            3..6 | 10 | 22..29 => Reading::Value(0.0, "down".into()),
            _ => Reading::Value(1.0, "up".into()),
        };
        let found = rehearse(("default", "down"), &rule, "acme", &[], (0..40).map(|minute| (at(minute), up(&minute))));
        let told: Vec<_> = found.iter().map(|it| (it.fired_at, it.ended_at, it.quiet.as_deref())).collect();
        assert_eq!(told, [(at(5), Some(at(6)), None), (at(24), Some(at(29)), Some("maintenance: move"))]);
    }
}
