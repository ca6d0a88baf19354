//! How a Fork stands, in one word and one sentence, and what a person can do about it.

use std::{collections::HashMap, sync::Arc};

use forkable_core::{
    condition,
    monitoring::{Standing, Verdict},
    release::{machine::Phase, rollout::phase},
    store::{Kind as _, ObjectRef},
};
use forkable_crds::{
    AlertRule, Deployment, Fork,
    alert_rule::{AlertState, Severity},
    condition::ConditionStatus,
};
use jiff::Timestamp;

use super::time::Moment;
use crate::{cause, controllers::fork::withheld};

/// Messages that were given up that are shown at most.
const GIVEN_UP: usize = 10;

/// How a Fork stands; what needs a person most comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::server) enum Health {
    /// A probe is confirmed to fail.
    Down,
    /// An alert fires.
    Alerting,
    /// Nothing goes on before a person acts.
    Person,
    /// It failed and is tried again.
    Retrying,
    /// Work is under way.
    Working,
    /// A person wants nothing to be changed.
    Paused,
    Well,
}

impl Health {
    pub(in crate::server) const ALL: [Self; 7] =
        [Self::Down, Self::Alerting, Self::Person, Self::Retrying, Self::Working, Self::Paused, Self::Well];

    /// In addresses and class names.
    pub(in crate::server) fn key(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Alerting => "alert",
            Self::Person => "person",
            Self::Retrying => "retrying",
            Self::Working => "working",
            Self::Paused => "paused",
            Self::Well => "well",
        }
    }

    /// For people.
    pub(in crate::server) fn label(self) -> &'static str {
        match self {
            Self::Down => "Down",
            Self::Alerting => "Alert",
            Self::Person => "Needs a person",
            Self::Retrying => "Retrying",
            Self::Working => "At work",
            Self::Paused => "Paused",
            Self::Well => "Healthy",
        }
    }
}

/// An alert that fires for one Fork.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::server) struct Firing {
    pub(in crate::server) rule: String,
    pub(in crate::server) severity: Severity,
    pub(in crate::server) since: Timestamp,
    /// The number when it began to fire.
    pub(in crate::server) value: String,
    /// Why nobody is told.
    pub(in crate::server) suppressed: Option<String>,
}

impl Firing {
    pub(in crate::server) fn severity(&self) -> &'static str {
        match self.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }

    pub(in crate::server) fn when(&self, now: Timestamp) -> Moment {
        Moment::new(self.since, now)
    }
}

/// The alerts that fire, by Fork, the worst first.
pub(in crate::server) fn firing(rules: &[Arc<AlertRule>]) -> HashMap<ObjectRef, Vec<Firing>> {
    let mut by_fork: HashMap<ObjectRef, Vec<Firing>> = HashMap::new();
    for rule in rules {
        let (namespace, name) = (rule.namespace(), rule.name());
        for alert in rule.status.iter().flat_map(|status| &status.alerts) {
            if alert.state != AlertState::Firing {
                continue;
            }
            let fork = ObjectRef::new(Fork::KIND, namespace, alert.fork.clone());
            by_fork.entry(fork).or_default().push(Firing {
                rule: name.to_owned(),
                severity: rule.spec.severity,
                since: alert.fired_at.as_ref().unwrap_or(&alert.since).0,
                value: alert.value.clone().unwrap_or_default(),
                suppressed: alert.suppressed.clone(),
            });
        }
    }
    for alerts in by_fork.values_mut() {
        alerts.sort_by(|a, b| (b.severity, a.since, &a.rule).cmp(&(a.severity, b.since, &b.rule)));
    }
    by_fork
}

/// A message of a rule that no channel took.
#[derive(Clone, Debug)]
pub(in crate::server) struct GivenUp {
    pub(in crate::server) rule: String,
    /// What follows the command that sends it again.
    pub(in crate::server) arguments: String,
    pub(in crate::server) channel: String,
    pub(in crate::server) headline: String,
    pub(in crate::server) error: String,
    pub(in crate::server) at: Moment,
}

/// The messages that no channel took, the newest first.
pub(in crate::server) fn given_up(rules: &[Arc<AlertRule>], now: Timestamp) -> Vec<GivenUp> {
    let mut all: Vec<_> = rules
        .iter()
        .flat_map(|rule| rule.status.iter().flat_map(|status| &status.undelivered).map(move |letter| (rule, letter)))
        .collect();
    all.sort_by_key(|(_, letter)| std::cmp::Reverse(letter.given_up_at.0));
    let shown = all.into_iter().take(GIVEN_UP).map(|(rule, letter)| {
        let (namespace, name) = (rule.namespace(), rule.name());
        let of = if namespace == "default" { String::new() } else { format!(" -n {namespace}") };
        GivenUp {
            arguments: format!("{name}{of}"),
            rule: name.to_owned(),
            channel: letter.channel.clone(),
            headline: letter.headline.clone(),
            error: letter.error.clone(),
            at: Moment::new(letter.given_up_at.0, now),
        }
    });
    shown.collect()
}

/// What is known of a Fork.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Known<'a> {
    pub(in crate::server) fork: &'a Fork,
    /// Newest first.
    pub(in crate::server) releases: &'a [Arc<Deployment>],
    pub(in crate::server) standings: &'a [Standing],
    pub(in crate::server) alerts: &'a [Firing],
    pub(in crate::server) now: Timestamp,
}

impl<'a> Known<'a> {
    fn conditions(&self) -> &'a [forkable_crds::condition::Condition] {
        self.fork.status.as_ref().map_or(&[], |status| &status.conditions)
    }

    /// Releases that wait for a person to approve them.
    pub(in crate::server) fn approvals(&self) -> impl Iterator<Item = &'a Arc<Deployment>> {
        self.releases.iter().filter(|release| {
            let conditions = release.status.as_ref().map_or(&[][..], |status| &status.conditions);
            condition::find(conditions, "Ready").is_some_and(|ready| ready.reason == "ApprovalRequired")
        })
    }

    /// The probe that is confirmed to fail.
    fn down(&self) -> Option<&'a Standing> {
        self.standings.iter().find(|standing| standing.verdict == Verdict::Down)
    }

    /// The worst alert that people are told of.
    fn alert(&self) -> Option<&'a Firing> {
        self.alerts.iter().find(|alert| alert.severity > Severity::Info && alert.suppressed.is_none())
    }

    pub(in crate::server) fn health(&self) -> Health {
        let ready = condition::find(self.conditions(), "Ready");
        let observed = self.fork.status.as_ref().and_then(|status| status.observed_generation);
        if self.fork.is_deleting() {
            return Health::Working;
        }
        if self.down().is_some() {
            return Health::Down;
        }
        if self.alert().is_some() {
            return Health::Alerting;
        }
        match ready {
            _ if withheld(self.fork, self.now).is_some() => Health::Paused,
            _ if self.approvals().next().is_some() => Health::Person,
            Some(ready) if ready.status == ConditionStatus::False && cause::passes(&ready.reason) => Health::Retrying,
            Some(ready) if ready.status == ConditionStatus::False => Health::Person,
            Some(ready) if ready.status == ConditionStatus::True && observed == self.fork.metadata.generation => {
                Health::Well
            }
            _ => Health::Working,
        }
    }

    /// Why it stands so, in a sentence; empty if all is well.
    pub(in crate::server) fn why(&self, health: Health) -> String {
        let ready = condition::find(self.conditions(), "Ready");
        match health {
            Health::Down => self.down().map_or_else(String::new, |it| format!("{}: {}", it.series.probe, it.why)),
            Health::Alerting => self.alert().map_or_else(String::new, |it| match it.value.as_str() {
                "" => it.rule.clone(),
                value => format!("{}: {value}", it.rule),
            }),
            Health::Well => String::new(),
            _ if self.fork.is_deleting() => "is being deleted".into(),
            Health::Paused => withheld(self.fork, self.now).map_or_else(String::new, |withheld| withheld.message),
            _ => match (self.approvals().next(), ready) {
                (Some(release), _) => format!("{} waits to be approved", release.name()),
                (_, Some(ready)) if ready.status != ConditionStatus::True => ready.message.clone(),
                (_, Some(_)) => "the manifest was changed".into(),
                (_, None) => "was not looked at yet".into(),
            },
        }
    }

    /// Who must act, if somebody must.
    pub(in crate::server) fn who(&self, health: Health) -> Option<&'static str> {
        match health {
            Health::Down | Health::Alerting => Some("whoever looks after the product"),
            Health::Person if self.approvals().next().is_some() => Some("somebody who may approve releases"),
            Health::Person | Health::Paused => {
                Some(cause::who(self.conditions())).filter(|who| !who.starts_with("nobody"))
            }
            _ => None,
        }
    }

    /// What a person can do about it.
    pub(in crate::server) fn commands(&self, health: Health, shell: &Shell) -> Vec<Command> {
        let (namespace, name) = (self.fork.namespace(), self.fork.name());
        let command = |does: &str, verb: &str| Command { does: does.into(), line: shell.line(verb, namespace, name) };
        let ready = condition::find(self.conditions(), "Ready").map_or("", |ready| ready.reason.as_str());
        let mut commands = Vec::new();
        if self.fork.spec.suspend.is_some() && health == Health::Paused {
            commands.push(command("lets changes go on", "resume"));
        }
        if self.approvals().next().is_some() {
            commands.push(command("lets it go live", "approve"));
            commands.push(command("stops it", "abort"));
        }
        if self.releases.iter().any(|release| phase(release) == Phase::Frozen) {
            commands.push(command("lets newer releases go on", "resume"));
        }
        if ready == crate::brake::BLOCKED {
            let line = shell.command("resume", "");
            commands.push(Command { does: "lets destructive steps go on".into(), line });
        }
        let bad = matches!(health, Health::Down | Health::Alerting);
        if bad && self.healthy().nth(1).is_some() {
            commands.push(command("lets what served before serve again", "rollback"));
        }
        if health != Health::Well {
            commands.push(command("tells causes and the next try", "why"));
        }
        commands
    }

    /// Releases to production that went well, newest first.
    fn healthy(&self) -> impl Iterator<Item = &'a Arc<Deployment>> {
        let is_production = |release: &&Arc<Deployment>| release.spec.environment == "Production";
        self.releases.iter().filter(is_production).filter(|release| phase(release) == Phase::Healthy)
    }
}

/// A command for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Command {
    pub(in crate::server) does: String,
    pub(in crate::server) line: String,
}

/// Where a person enters commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shell {
    /// On this machine, about the products of a folder.
    Folder(String),
    /// Anywhere, with a kubeconfig.
    Cluster,
}

impl Shell {
    fn command(&self, verb: &str, rest: &str) -> String {
        let rest = if rest.is_empty() { String::new() } else { format!(" {rest}") };
        match self {
            Self::Folder(folder) if folder == "." => format!("forkable {verb}{rest}"),
            Self::Folder(folder) => format!("forkable {verb}{rest} --dir {}", quoted(folder)),
            Self::Cluster => format!("kubectl forkable {verb}{rest}"),
        }
    }

    /// The command for one Fork.
    fn line(&self, verb: &str, namespace: &str, name: &str) -> String {
        let is_default = matches!(self, Self::Folder(_)) && namespace == "default";
        let namespace = if is_default { String::new() } else { format!(" -n {namespace}") };
        self.command(verb, &format!("{name}{namespace}"))
    }
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
