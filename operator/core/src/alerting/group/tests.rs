//! Grouping, by cases and by chance.

use std::collections::BTreeSet;

use forkable_crds::alert_rule::Severity;
use proptest::prelude::*;
use serde_json::json;

use super::{super::alert::fixtures::alert, *};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn channel(json: serde_json::Value) -> Notify {
    serde_json::from_value(json).expect("a channel")
}

/// A rule that is told by webhook, waits 5 s, and then 60 s between messages, with reminders after 10 min.
fn rule(notify: Vec<Notify>) -> AlertRuleSpec {
    let mut rule: AlertRuleSpec = serde_json::from_value(json!({
        "signal": { "certificate": {} },
        "grouping": { "waitSeconds": 5, "intervalSeconds": 60, "repeatSeconds": 600 },
    }))
    .expect("a rule");
    rule.notify = notify;
    rule
}

fn hook() -> Notify {
    channel(json!({ "name": "hook", "webhook": { "urlSecretRef": { "name": "s", "key": "url" } } }))
}

fn group(notify: Vec<Notify>) -> Group {
    let mut group = Group::new("default/down".into(), &alert("a"), at(0));
    assert!(group.follow(&rule(notify)));
    group
}

fn over(fork: &str, second: i64) -> Alert {
    Alert { resolved_at: Some(at(second)), ..alert(fork) }
}

/// What the group does by itself until `until`: when, why, and of whom it is.
fn run(group: &mut Group, until: i64) -> Vec<(i64, Occasion, String)> {
    let mut told = Vec::new();
    while let Some(due) = group.due().filter(|due| *due <= at(until)) {
        for envelope in group.flush(due) {
            let forks = envelope.message.alerts.iter().map(|told| {
                let mark = if told.alert.is_firing() { "" } else { "-" };
                let new = if told.new { "+" } else { "" };
                format!("{mark}{}{new}", told.alert.fork)
            });
            told.push((due.as_second(), envelope.message.occasion, forks.collect::<Vec<_>>().join(" ")));
        }
    }
    told
}

fn told(second: i64, occasion: Occasion, forks: &str) -> (i64, Occasion, String) {
    (second, occasion, forks.to_owned())
}

#[test]
fn what_comes_together_is_told_together_and_its_end_at_once() {
    let mut group = group(vec![hook()]);
    assert!(group.hear(alert("a"), at(0)) && group.hear(alert("b"), at(3)));
    assert!(!group.hear(alert("a"), at(4)), "it is known");
    assert_eq!(run(&mut group, 10), [told(5, Occasion::First, "a+ b+")]);
    assert!(group.hear(alert("c"), at(20)) && group.hear(over("a", 25), at(25)));
    assert_eq!(run(&mut group, 100), [told(65, Occasion::Changed, "b c+ -a+")]);
    assert_eq!(run(&mut group, 665), [told(665, Occasion::Reminder, "b c")]);
    assert!(group.hear(over("b", 670), at(670)));
    assert_eq!(run(&mut group, 671), [], "one still fires");
    assert!(group.hear(over("c", 672), at(672)));
    assert_eq!(run(&mut group, 700), [told(672, Occasion::Resolved, "-b+ -c+")]);
    assert!(!group.hear(over("c", 672), at(800)) && !group.hear(alert("c"), at(800)), "it is told to be over");
    assert_eq!(run(&mut group, 672 + 86_400), []);
    assert!(group.is_empty() && group.due().is_none());
}

#[test]
fn what_is_over_before_it_was_told_is_told_once() {
    let mut group = group(vec![hook()]);
    assert!(group.hear(alert("a"), at(0)) && group.hear(over("a", 2), at(2)));
    assert_eq!(run(&mut group, 1000), [told(7, Occasion::Resolved, "-a+")]);
    let mut unknown = self::group(vec![hook()]);
    assert!(unknown.hear(over("a", 2), at(2)), "what fired was told before the outbox was lost");
    assert_eq!(run(&mut unknown, 1000), [told(7, Occasion::Resolved, "-a+")]);
}

#[test]
fn what_another_told_goes_on_and_what_another_tells_is_forgotten() {
    let mut group = group(vec![hook()]);
    assert!(group.adopt(alert("a"), at(2000)) && group.adopt(alert("b"), at(2000)));
    assert!(!group.adopt(alert("a"), at(2001)) && !group.hear(alert("a"), at(2001)), "it is known");
    assert_eq!(run(&mut group, 2600), [told(2600, Occasion::Reminder, "a b")], "people know of it");
    assert!(group.forget(&alert("b").key) && !group.forget(&alert("b").key));
    assert!(group.hear(over("a", 2700), at(2700)));
    assert_eq!(run(&mut group, 4000), [told(2700, Occasion::Resolved, "-a+")]);
    assert_eq!(group.firing().count(), 0);

    let mut forgetful =
        self::group(vec![channel(json!({ "name": "am", "alertmanager": { "url": "http://am:9093" } }))]);
    assert!(forgetful.adopt(alert("a"), at(2000)));
    assert!(forgetful.due().is_some_and(|due| due < at(2000)), "it hears again at once of what fired long ago");
    assert_eq!(forgetful.flush(at(2000))[0].message.occasion, Occasion::Refresh);
    assert_eq!(forgetful.firing().map(|alert| &*alert.fork).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn each_incident_has_keys_of_its_own_and_a_group_has_one_id() {
    let mut group = group(vec![hook()]);
    let mut envelopes = Vec::new();
    for second in [0, 1000] {
        let fired = Alert { key: format!("a/{second}"), ..alert("a") };
        assert!(group.hear(fired.clone(), at(second)));
        envelopes.extend(group.flush(at(second + 5)));
        assert!(group.hear(Alert { resolved_at: Some(at(second + 10)), ..fired }, at(second + 10)));
        envelopes.extend(group.flush(at(second + 10)));
    }
    let distinct = |of: fn(&Envelope) -> String| envelopes.iter().map(of).collect::<BTreeSet<_>>().len();
    assert_eq!(envelopes.len(), 4);
    assert_eq!(distinct(Envelope::message_id), 4);
    assert_eq!(distinct(Envelope::incident_id), 2);
    assert_eq!(distinct(Envelope::group_id), 1);
}

#[test]
fn an_alertmanager_is_refreshed_and_a_channel_hears_of_its_severities_only() {
    let alertmanager = channel(json!({ "name": "am", "alertmanager": { "url": "http://am:9093" } }));
    let quiet = Notify { severities: vec![Severity::Info], ..hook() };
    let mut group = group(vec![alertmanager, quiet, hook()]);
    assert!(group.hear(alert("a"), at(0)));
    let first = group.flush(at(5));
    assert_eq!(first.iter().map(|envelope| &*envelope.channel.name).collect::<Vec<_>>(), ["am", "hook"]);
    assert_eq!(
        run(&mut group, 700),
        [told(305, Occasion::Refresh, "a"), told(605, Occasion::Reminder, "a"), told(605, Occasion::Reminder, "a"),]
    );
}

#[test]
fn labels_and_the_fork_make_groups() {
    let by = |labels: &[&str]| Grouping {
        by: labels.iter().map(|&label| label.to_owned()).collect(),
        ..Grouping::default()
    };
    for (labels, key) in [
        (&[][..], "default/down"),
        (&["fork"], "default/down?fork=a"),
        (&["team", "none"], "default/down?team=web?none="),
    ] {
        assert_eq!(key_of(&by(labels), &alert("a")), key);
    }
}

#[derive(Clone, Debug)]
enum Event {
    Fire(usize),
    End(usize),
    Pass(i64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (0..6_usize).prop_map(Event::Fire),
        (0..6_usize).prop_map(Event::End),
        (1..400_i64).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..60)
}

proptest! {
    /// However it goes: each alert is told to fire at most once as news, and to be over exactly once; nothing is told twice
    /// within the interval but the end; no key is used twice; and what is read back from where it is kept goes on alike.
    #[test]
    fn everything_is_told_once(events in events()) {
        let mut group = group(vec![hook()]);
        let (mut now, mut counts) = (0, [0_usize; 6]);
        let (mut fired, mut ended) = (BTreeSet::new(), BTreeSet::new());
        let mut envelopes = Vec::new();
        let key = |fork: usize, count: usize| format!("{fork}/{count}");
        for event in events {
            let fork = |n: usize, count: usize| Alert { key: key(n, count), ..alert(&format!("fork-{n}")) };
            match event {
                Event::Fire(n) if fired.contains(&key(n, counts[n])) && !ended.contains(&key(n, counts[n])) => {
                    prop_assert!(!group.hear(fork(n, counts[n]), at(now)));
                }
                Event::Fire(n) => {
                    counts[n] += 1;
                    fired.insert(key(n, counts[n]));
                    prop_assert!(group.hear(fork(n, counts[n]), at(now)));
                }
                Event::End(n) if fired.contains(&key(n, counts[n])) => {
                    let over = Alert { resolved_at: Some(at(now)), ..fork(n, counts[n]) };
                    prop_assert_eq!(group.hear(over, at(now)), ended.insert(key(n, counts[n])));
                }
                Event::End(_) => {}
                Event::Pass(seconds) => {
                    now += seconds;
                    let text = serde_json::to_string(&group).expect("JSON");
                    group = serde_json::from_str(&text).expect("what was written");
                    while let Some(due) = group.due().filter(|due| *due <= at(now)) {
                        envelopes.extend(group.flush(due));
                    }
                }
            }
        }
        envelopes.extend(group.flush(at(now + 100_000)));
        let new = |envelope: &Envelope, firing: bool| -> Vec<String> {
            let is = |told: &&Told| told.new && told.alert.is_firing() == firing;
            envelope.message.alerts.iter().filter(is).map(|told| told.alert.key.clone()).collect()
        };
        let news: Vec<_> = envelopes.iter().flat_map(|envelope| new(envelope, true)).collect();
        let mut ends: Vec<_> = envelopes.iter().flat_map(|envelope| new(envelope, false)).collect();
        prop_assert_eq!(news.iter().collect::<BTreeSet<_>>().len(), news.len());
        let told: BTreeSet<_> = news.into_iter().chain(ends.iter().cloned()).collect();
        prop_assert_eq!(told, fired);
        ends.sort();
        prop_assert_eq!(ends, ended.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(envelopes.iter().map(|envelope| &envelope.key).collect::<BTreeSet<_>>().len(), envelopes.len());
        for pair in envelopes.windows(2).filter(|pair| pair[0].incident == pair[1].incident) {
            let apart = pair[1].created_at.duration_since(pair[0].created_at);
            prop_assert!(apart.as_secs() >= 60 || pair[1].message.occasion == Occasion::Resolved);
        }
    }
}
