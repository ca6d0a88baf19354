//! What many alerts have in common that explains them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Alert;
use crate::forge::short;

/// Releases that went live within this of each other are one wave.
const WAVE: SignedDuration = SignedDuration::from_mins(15);
/// A release that went live this long before it began may be behind it.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);
/// What begins this much before the release is seen to be live may still be from it.
const LEEWAY: SignedDuration = SignedDuration::from_mins(1);
/// Labels that carry what a provider says of an incident.
const INCIDENT: [&str; 2] = ["provider_incident", "incident"];

/// The cause that at least four in five of the alerts have in common, in words; `None` if there is none, or if there is
/// one alert only. The likeliest wins: what a provider says itself, then releases that went live just before, then the
/// version of the template.
pub(super) fn find(alerts: &[&Alert]) -> Option<String> {
    if alerts.len() < 2 {
        return None;
    }
    incident(alerts).or_else(|| wave(alerts)).or_else(|| template(alerts))
}

/// The commonest value, if most alerts have it, and how many these are.
fn commonest<'a>(alerts: &[&'a Alert], value: impl Fn(&'a Alert) -> Option<&'a str>) -> Option<(&'a str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    alerts.iter().filter_map(|alert| value(alert)).for_each(|value| *counts.entry(value).or_default() += 1);
    counts.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| are_most(*count, alerts.len()))
}

fn are_most(count: usize, of: usize) -> bool {
    count >= 2 && count * 5 >= of * 4
}

fn how_many(count: usize, of: usize) -> String {
    if count == of { format!("all {of}") } else { format!("{count} of {of}") }
}

fn incident(alerts: &[&Alert]) -> Option<String> {
    let (text, count) = commonest(alerts, |alert| {
        let labelled = INCIDENT.iter().find_map(|name| alert.labels.get(*name));
        labelled.or(alert.provider_incident.as_ref()).map(String::as_str)
    })?;
    Some(format!("an incident of the provider, for {}: {text}", how_many(count, alerts.len())))
}

/// Releases that went live at about the same time, not long before each alert began.
fn wave(alerts: &[&Alert]) -> Option<String> {
    let live = |alert: &&Alert| -> Option<(Timestamp, String)> {
        let release = alert.release.as_ref()?;
        let since = release.since?;
        let before = alert.since.duration_since(since);
        (-LEEWAY..=BEFORE).contains(&before).then(|| (since, release.commit.clone()))
    };
    let mut lives: Vec<_> = alerts.iter().filter_map(live).collect();
    lives.sort();
    // The window with the most in it.
    let within = |first: usize| lives[first..].partition_point(|(at, _)| at.duration_since(lives[first].0) <= WAVE);
    let (first, count) = (0..lives.len()).map(|first| (first, within(first))).max_by_key(|(_, count)| *count)?;
    if !are_most(count, alerts.len()) {
        return None;
    }
    let wave = &lives[first..first + count];
    let (from, to) = (clock(wave[0].0), clock(wave[count - 1].0));
    let when = if from == to { format!("at {from}") } else { format!("from {from} to {to}") };
    let commit = &wave[0].1;
    let what = match wave.iter().all(|(_, other)| other == commit) {
        true => format!(", all of commit {}", short(commit)),
        false => template(alerts).map(|template| format!("; {template}")).unwrap_or_default(),
    };
    Some(format!("one wave of releases: {} went live {when} UTC, just before{what}", how_many(count, alerts.len())))
}

fn template(alerts: &[&Alert]) -> Option<String> {
    let (version, count) = commonest(alerts, |alert| alert.template.as_deref())?;
    let (name, commit) = version.split_once('@').unwrap_or((version, ""));
    let at = if commit.is_empty() { String::new() } else { format!("@{}", short(commit)) };
    Some(format!("the same version of the template: {} are made from {name}{at}", how_many(count, alerts.len())))
}

fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::{super::alert::fixtures::alert, *};

    fn live(mut alert: Alert, second: i64, commit: &str) -> Alert {
        let release = alert.release.as_mut().expect("the fixture has one");
        release.since = Some(Timestamp::from_second(second).expect("a time"));
        commit.clone_into(&mut release.commit);
        Alert { since: Timestamp::from_second(1000).expect("a time"), ..alert }
    }

    fn cause(alerts: &[Alert]) -> Option<String> {
        find(&alerts.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_likeliest_cause_is_named() {
        let bare = |n: usize| Alert { template: None, release: None, ..alert(&format!("fork-{n}")) };
        let of_template = |n: usize| Alert { template: Some("forkable-ai/framework@0123456789".into()), ..bare(n) };
        let released = |n: i64, commit: &str| live(alert(&format!("fork-{n}")), 900 + n, commit);
        let incident = |n: usize| {
            let mut alert = of_template(n);
            alert.labels.insert("incident".into(), "Elevated errors in iad1".into());
            alert
        };
        let on_page = |n: usize| Alert { provider_incident: Some("Vercel: Errors".into()), ..of_template(n) };
        let table: [(&str, Vec<Alert>, Option<&str>); 9] = [
            ("one alone", vec![incident(1)], None),
            ("nothing in common", vec![bare(1), bare(2)], None),
            (
                "the template",
                vec![of_template(1), of_template(2)],
                Some("the same version of the template: all 2 are made from forkable-ai/framework@0123456"),
            ),
            (
                "an incident goes first",
                vec![incident(1), incident(2), incident(3), incident(4), of_template(5)],
                Some("an incident of the provider, for 4 of 5: Elevated errors in iad1"),
            ),
            (
                "a status page tells of it",
                vec![on_page(1), on_page(2)],
                Some("an incident of the provider, for all 2: Vercel: Errors"),
            ),
            ("too few share it", vec![incident(1), incident(2), bare(3)], None),
            (
                "a wave of one commit",
                vec![released(1, "abcdefghij"), released(50, "abcdefghij")],
                Some("one wave of releases: all 2 went live at 00:15 UTC, just before, all of commit abcdefg"),
            ),
            (
                "a wave of many commits",
                vec![released(1, "a"), released(90, "b")],
                Some(
                    "one wave of releases: all 2 went live from 00:15 to 00:16 UTC, just before; the same version of \
                     the template: all 2 are made from forkable-ai/framework@0123456",
                ),
            ),
            (
                "a release after it began is no cause",
                vec![live(bare_release(1), 2000, "a"), live(bare_release(2), 2000, "a")],
                None,
            ),
        ];
        for (name, alerts, expected) in table {
            assert_eq!(cause(&alerts).as_deref(), expected, "{name}");
        }
    }

    fn bare_release(n: usize) -> Alert {
        Alert { template: None, ..alert(&format!("fork-{n}")) }
    }
}
