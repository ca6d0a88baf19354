//! What people read, before it becomes a message of some channel.

use std::{collections::BTreeSet, fmt::Write as _};

use forkable_crds::alert_rule::Severity;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Alert, cause};
use crate::forge::short;

/// Alerts that are told with all there is to know of each; more of them are a line each.
const IN_FULL: usize = 3;
/// Links that are told once for all alerts; more different ones are told with each.
const SHARED: usize = 3;
/// Alerts that are told of at most in text; of more, how many they are.
const LISTED: usize = 100;

/// Why people are told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Occasion {
    /// It begins.
    First,
    /// Some more fire, or some are over.
    Changed,
    /// It still fires.
    Reminder,
    /// Nothing is new: only for channels that forget what they do not hear again.
    Refresh,
    /// All of it is over.
    Resolved,
    /// A person tries the channel.
    Test,
    /// Another channel of the rule fails.
    Trouble,
    /// It works again.
    Recovered,
}

/// One message about one group of alerts, for any channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub occasion: Occasion,
    pub severity: Severity,
    pub namespace: String,
    /// Name of the AlertRule.
    pub rule: String,
    pub headline: String,
    /// What is to be said of all of it: the cause, what flaps, links that all share.
    pub lines: Vec<String>,
    /// Those that fire, then those that are over since the last message.
    pub alerts: Vec<Told>,
}

/// An alert in a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    #[serde(flatten)]
    pub alert: Alert,
    /// It was not in the message before, or fired there and is over now.
    pub new: bool,
}

/// Something that is known of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    pub name: &'static str,
    pub value: String,
}

impl Message {
    pub(super) fn new(occasion: Occasion, namespace: &str, rule: &str, alerts: Vec<Told>) -> Self {
        let severity = alerts.iter().map(|told| told.alert.severity).max().unwrap_or_default();
        let mut message = Self {
            occasion,
            severity,
            namespace: namespace.into(),
            rule: rule.into(),
            headline: String::new(),
            lines: Vec::new(),
            alerts,
        };
        message.headline = message.headlined();
        message.lines = message.lined();
        message
    }

    /// Whether it tells of something that is not over.
    pub fn is_firing(&self) -> bool {
        match self.occasion {
            Occasion::Trouble | Occasion::Test => true,
            Occasion::Recovered => false,
            _ => self.alerts.iter().any(|told| told.alert.is_firing()),
        }
    }

    /// Whether each alert is told in full.
    pub fn is_in_full(&self) -> bool {
        self.alerts.len() <= IN_FULL
    }

    fn headlined(&self) -> String {
        let firing: Vec<_> = self.alerts.iter().map(|told| &told.alert).filter(|alert| alert.is_firing()).collect();
        let over = self.alerts.len() - firing.len();
        let about = |alerts: &[&Alert]| match alerts {
            [alert] if alert.summary().is_empty() => format!("{}: {}", alert.display_name, self.rule),
            [alert] if alert.summary().contains(&alert.display_name) => alert.summary().to_owned(),
            [alert] => format!("{}: {}", alert.display_name, alert.summary()),
            many => format!("{} forks: {}", many.len(), self.rule),
        };
        if firing.is_empty() {
            return format!("[RESOLVED] {}", about(&self.alerts.iter().map(|told| &told.alert).collect::<Vec<_>>()));
        }
        let still = if self.occasion == Occasion::Reminder { ", still firing" } else { "" };
        let also = if over == 0 { String::new() } else { format!(", {over} resolved") };
        format!("[{}{still}] {}{also}", severity_name(self.severity).to_uppercase(), about(&firing))
    }

    fn lined(&self) -> Vec<String> {
        let firing: Vec<_> = self.alerts.iter().map(|told| &told.alert).filter(|alert| alert.is_firing()).collect();
        let subject = if firing.is_empty() { self.alerts.iter().map(|told| &told.alert).collect() } else { firing };
        let mut lines: Vec<_> = cause::find(&subject).map(|cause| format!("Cause: {cause}")).into_iter().collect();
        let flapping: Vec<_> = subject
            .iter()
            .filter_map(|alert| Some(format!("{} ({} times within an hour)", alert.fork, alert.flaps?)))
            .collect();
        if !flapping.is_empty() {
            lines.push(format!("Flapping, it fires and ends again and again: {}", flapping.join(", ")));
        }
        if !self.is_in_full() {
            for (name, annotation) in [("Runbook", "runbook_url"), ("Graph", "graph_url")] {
                let links: BTreeSet<_> =
                    self.alerts.iter().filter_map(|told| told.alert.annotations.get(annotation)).collect();
                if links.len() <= SHARED {
                    lines.extend(links.into_iter().map(|link| format!("{name}: {link}")));
                }
            }
        }
        lines
    }

    /// The alerts that are told of in text, and how many more there are.
    pub fn listed(&self) -> (&[Told], usize) {
        let listed = &self.alerts[..self.alerts.len().min(LISTED)];
        (listed, self.alerts.len() - listed.len())
    }

    /// The whole of it in plain text.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.headline);
        for line in &self.lines {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{line}");
        }
        let (listed, more) = self.listed();
        for told in listed {
            let _ = if self.is_in_full() {
                let facts = told.facts().into_iter().map(|fact| format!("  {}: {}", fact.name, fact.value));
                writeln!(text, "\n{}\n{}", told.title(), facts.collect::<Vec<_>>().join("\n"))
            } else {
                writeln!(text, "- {}: {}", told.title(), told.row())
            };
        }
        if more > 0 {
            let _ = writeln!(text, "and {more} more");
        }
        text
    }
}

impl Told {
    /// Which Fork, and whether it fires.
    pub fn title(&self) -> String {
        let state = if self.alert.is_firing() { "" } else { " (resolved)" };
        format!("{}{state}", self.name())
    }

    /// Which Fork.
    pub fn name(&self) -> String {
        let Alert { namespace, fork, display_name, .. } = &self.alert;
        let fork = if namespace == "default" { fork.clone() } else { format!("{namespace}/{fork}") };
        if *display_name == fork || display_name.is_empty() {
            return fork;
        }
        format!("{display_name} ({fork})")
    }

    /// Everything that is known of it, for people.
    pub fn facts(&self) -> Vec<Fact> {
        let Alert { annotations, resolved_at, since, value, url, actions, .. } = &self.alert;
        let annotation = |name: &str| annotations.get(name).filter(|text| !text.is_empty()).cloned();
        let when = match resolved_at {
            None => moment(*since),
            Some(end) => format!("{} to {}, for {}", moment(*since), moment(*end), lasted(*since, *end)),
        };
        let facts = [
            ("what", annotation("summary")),
            ("details", annotation("description")),
            ("since", Some(when)),
            ("value", Some(value.clone()).filter(|value| !value.is_empty())),
            ("product", url.clone()),
            ("release", self.release()),
            ("done", Some(actions.join("; ")).filter(|actions| !actions.is_empty())),
            ("graph", annotation("graph_url")),
            ("runbook", annotation("runbook_url")),
            ("roll back", self.alert.rollback_command().filter(|_| self.alert.is_firing())),
        ];
        facts.into_iter().filter_map(|(name, value)| Some(Fact { name, value: value? })).collect()
    }

    /// The most important of it in one line.
    pub fn row(&self) -> String {
        let Alert { resolved_at, since, actions, .. } = &self.alert;
        let when = match resolved_at {
            None => format!("since {}", moment(*since)),
            Some(end) => format!("over after {}", lasted(*since, *end)),
        };
        let summary = Some(self.alert.summary().to_owned()).filter(|summary| !summary.is_empty());
        let rollback = self.alert.rollback_command().filter(|_| self.alert.is_firing());
        let done = Some(actions.join(", ")).filter(|actions| !actions.is_empty());
        let release = self.release().map(|release| format!("release {release}"));
        [summary, Some(when), release, done, rollback].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    fn release(&self) -> Option<String> {
        let release = self.alert.release.as_ref()?;
        let mut text = format!("{}, commit {}", release.name, short(&release.commit));
        if !release.message.is_empty() {
            let _ = write!(text, " “{}”", release.message);
        }
        if !release.author.is_empty() {
            let _ = write!(text, " by {}", release.author);
        }
        if let Some(since) = release.since {
            let _ = write!(text, ", live since {}", moment(since));
        }
        Some(text)
    }
}

/// `critical`, `warning` or `info`.
pub(super) fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

impl Message {
    /// `critical`, `warning` or `info`.
    pub fn severity_name(&self) -> &'static str {
        severity_name(self.severity)
    }
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `3m`, `2h 5m`: to the minute, unless it was shorter.
fn lasted(from: Timestamp, to: Timestamp) -> String {
    let whole = SignedDuration::from_secs(to.as_second() - from.as_second());
    let whole = if whole.as_secs() >= 60 { SignedDuration::from_mins(whole.as_mins()) } else { whole };
    format!("{whole:#}")
}

/// What tries a channel.
pub fn test_message(namespace: &str, rule: &str, severity: Severity, channel: &str) -> Message {
    Message {
        severity,
        headline: format!("[TEST] Forkable can reach {channel} for the alert rule {namespace}/{rule}"),
        lines: vec!["Nothing is wrong: somebody ran `forkable alert test`.".into()],
        ..Message::new(Occasion::Test, namespace, rule, Vec::new())
    }
}

/// What is told by the other channels of a rule when one fails with `error`, or works again without.
pub fn trouble_message(namespace: &str, rule: &str, channel: &str, error: Option<&str>) -> Message {
    let (occasion, headline, line) = match error {
        Some(error) => (
            Occasion::Trouble,
            format!("[WARNING] {channel} of the alert rule {namespace}/{rule} fails: its messages do not arrive"),
            format!("{error}. See `forkable alert test {rule}`."),
        ),
        None => (
            Occasion::Recovered,
            format!("[RESOLVED] {channel} of the alert rule {namespace}/{rule} works again"),
            "What waited is sent.".to_owned(),
        ),
    };
    Message {
        severity: Severity::Warning,
        headline,
        lines: vec![line],
        ..Message::new(occasion, namespace, rule, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::alert::fixtures::alert, *};

    fn told(alert: Alert) -> Told {
        Told { alert, new: true }
    }

    fn over(fork: &str) -> Alert {
        Alert { resolved_at: Timestamp::from_second(1200).ok(), ..alert(fork) }
    }

    #[test]
    fn one_alert_is_told_with_all_that_is_known() {
        let message = Message::new(Occasion::First, "default", "down", vec![told(alert("acme"))]);
        let text = "\
[CRITICAL] The acme: acme is down

The acme (acme)
  what: acme is down
  since: 1970-01-01 00:15 UTC
  value: 0
  product: https://acme.example.com
  release: acme-1, commit 0123456 “Make it faster” by Ada
  runbook: https://example.com/runbook
  roll back: forkable rollback acme
";
        assert_eq!(message.text(), text);
    }

    #[test]
    fn fifty_are_one_message_that_lists_them_and_names_the_cause() {
        let alerts = (0..50).map(|n| told(alert(&format!("fork-{n:02}")))).collect();
        let text = Message::new(Occasion::First, "default", "down", alerts).text();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("[CRITICAL] 50 forks: down"));
        let cause = "Cause: the same version of the template: all 50 are made from forkable-ai/framework@0123456";
        assert_eq!(lines.next(), Some(cause));
        assert_eq!(lines.next(), Some("Runbook: https://example.com/runbook"));
        let row = "- The fork-00 (fork-00): fork-00 is down; since 1970-01-01 00:15 UTC; release fork-00-1, commit 0123456 \
                   “Make it faster” by Ada; forkable rollback fork-00";
        assert_eq!(lines.next(), Some(row));
        assert_eq!(lines.count(), 49);
        let many = (0..5000).map(|n| told(alert(&format!("fork-{n}")))).collect();
        let text = Message::new(Occasion::First, "default", "down", many).text();
        assert!(
            text.starts_with("[CRITICAL] 5000 forks: down") && text.ends_with("\nand 4900 more\n"),
            "it has an end"
        );
    }

    #[test]
    fn the_headline_says_what_became_of_it() {
        let other = Alert { namespace: "team".into(), flaps: Some(4), ..alert("globex") };
        let table = [
            (Occasion::Reminder, vec![alert("acme")], "[CRITICAL, still firing] The acme: acme is down"),
            (Occasion::Changed, vec![alert("acme"), over("b")], "[CRITICAL] The acme: acme is down, 1 resolved"),
            (Occasion::Resolved, vec![over("acme")], "[RESOLVED] The acme: acme is down"),
            (Occasion::Resolved, vec![over("a"), over("b")], "[RESOLVED] 2 forks: down"),
        ];
        for (occasion, alerts, headline) in table {
            let message = Message::new(occasion, "default", "down", alerts.into_iter().map(told).collect());
            assert_eq!(message.headline, headline);
            assert_eq!(message.is_firing(), occasion != Occasion::Resolved);
        }
        let text = Message::new(Occasion::First, "team", "down", vec![told(other)]).text();
        assert!(
            text.contains("Flapping, it fires and ends again and again: globex (4 times within an hour)"),
            "{text}"
        );
        assert!(text.contains("The globex (team/globex)") && text.contains("rollback globex -n team"), "{text}");
        let text = Message::new(Occasion::Resolved, "default", "down", vec![told(over("acme"))]).text();
        assert!(
            text.contains("since: 1970-01-01 00:15 UTC to 1970-01-01 00:20 UTC, for 4m") && !text.contains("roll back"),
            "{text}"
        );
    }
}
