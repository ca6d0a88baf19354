//! Why nobody is told of an alert: maintenance, a silence, or another alert that is behind it.

use std::collections::BTreeMap;

use forkable_crds::{AlertRuleSpec, rollout::FreezeWindow};
use jiff::Timestamp;

use crate::release::rollout::freeze::freeze;

/// An alert that fires, as far as it may hide others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing<'a> {
    pub namespace: &'a str,
    pub rule: &'a str,
    pub fork: &'a str,
    pub labels: Option<&'a BTreeMap<String, String>>,
}

/// Why nobody is told of the alert `own` of a rule, if so. `of_fork` are the maintenance windows of its Fork, `firing` all
/// alerts that fire.
pub fn quiet(
    rule: &AlertRuleSpec,
    own: &Firing<'_>,
    of_fork: &[FreezeWindow],
    firing: &[Firing<'_>],
    now: Timestamp,
) -> Option<String> {
    for windows in [&rule.maintenance[..], of_fork] {
        // What is wrong with a window is said elsewhere; it keeps nothing quiet.
        if let Ok(Some(freeze)) = freeze(windows, now) {
            return Some(format!("maintenance: {}", freeze.windows.join(", ")));
        }
    }
    let has = |(key, value): (&String, &String)| own.labels.and_then(|labels| labels.get(key)) == Some(value);
    let silence = rule.silences.iter().find(|silence| silence.until.0 > now && silence.match_labels.iter().all(has));
    if let Some(silence) = silence {
        let until = format!("{:.0}", silence.until.0);
        return Some(format!("silenced by {} until {until}: {}", silence.owner, silence.reason));
    }
    rule.inhibited_by.iter().find_map(|by| {
        let hides = |other: &&Firing<'_>| {
            let label = |of: &Firing<'_>, key: &String| of.labels.and_then(|labels| labels.get(key)).cloned();
            let same = if by.equal.is_empty() {
                other.fork == own.fork
            } else {
                by.equal.iter().all(|key| label(other, key).is_some() && label(other, key) == label(own, key))
            };
            other.namespace == own.namespace && other.rule == by.rule && other.rule != own.rule && same
        };
        firing.iter().find(hides).map(|other| format!("hidden by {} of {}", other.rule, other.fork))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_known_is_not_told() {
        let now = Timestamp::from_second(1_000_000_000).expect("a time");
        let labels: BTreeMap<_, _> = [("team".to_owned(), "a".to_owned())].into();
        let other: BTreeMap<_, _> = [("team".to_owned(), "b".to_owned())].into();
        let own = Firing { namespace: "default", rule: "slow", fork: "acme", labels: Some(&labels) };
        let down = |fork, labels| Firing { namespace: "default", rule: "down", fork, labels: Some(labels) };
        let window = |from: &str, to: &str| json!([{"name": "move", "from": from, "to": to}]);
        let silence =
            |until: &str, labels| json!([{"owner": "ann", "reason": "known", "until": until, "matchLabels": labels}]);
        let (before, soon) = ("2001-09-09T01:00:00Z", "2001-09-09T02:00:00Z");
        let all: [(&str, serde_json::Value, Vec<Firing<'_>>, Option<&str>); 9] = [
            ("nothing", json!({}), vec![], None),
            ("maintenance", json!({"maintenance": window(before, soon)}), vec![], Some("maintenance: move")),
            ("over", json!({"maintenance": window("2001-01-01T00:00:00Z", before)}), vec![], None),
            (
                "silence",
                json!({"silences": silence(soon, json!({}))}),
                vec![],
                Some("silenced by ann until 2001-09-09T02:00:00Z: known"),
            ),
            ("a silence that ended", json!({"silences": silence(before, json!({}))}), vec![], None),
            ("of another", json!({"silences": silence(soon, json!({"team": "b"}))}), vec![], None),
            (
                "inhibited",
                json!({"inhibitedBy": [{"rule": "down"}]}),
                vec![down("acme", &labels)],
                Some("hidden by down of acme"),
            ),
            ("not by another Fork", json!({"inhibitedBy": [{"rule": "down"}]}), vec![down("beta", &labels)], None),
            (
                "by one of the team",
                json!({"inhibitedBy": [{"rule": "down", "equal": ["team"]}]}),
                vec![down("x", &other), down("beta", &labels)],
                Some("hidden by down of beta"),
            ),
        ];
        for (why, more, firing, expected) in all {
            let mut spec = json!({"signal": {}});
            spec.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            let rule: AlertRuleSpec = serde_json::from_value(spec).expect("a rule");
            assert_eq!(quiet(&rule, &own, &[], &firing, now).as_deref(), expected, "{why}");
        }
    }
}
