//! Which alerts make one message, and when it is due.

use std::collections::BTreeMap;

use forkable_crds::alert_rule::{AlertRuleSpec, Grouping, Notify};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Alert, Envelope, Message, Occasion, Told};

/// How long it is known that an alert was told to be over, so that it is not told again.
const KEEP: SignedDuration = SignedDuration::from_hours(24);
/// How often an Alertmanager hears that something still fires. It takes for over what it does not hear of four times.
pub const REFRESH: SignedDuration = SignedDuration::from_mins(5);

/// Alerts of one rule that are told together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    pub key: String,
    pub namespace: String,
    /// Name of the AlertRule.
    pub rule: String,
    /// As the rule had them when it was last heard of.
    grouping: Grouping,
    channels: Vec<Notify>,
    /// When the incident began that goes on, or was the last.
    began: Timestamp,
    alerts: BTreeMap<String, Member>,
    /// When people were last told of this incident.
    told_at: Option<Timestamp>,
    /// When channels that forget were last told.
    refreshed_at: Option<Timestamp>,
    /// Messages so far.
    number: u64,
    /// Which writing of it was read; 0: it is not kept yet.
    #[serde(skip)]
    pub version: i64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Member {
    alert: Alert,
    told: Known,
    /// When it was heard of, or heard to be over.
    at: Timestamp,
}

/// What people know of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Known {
    Nothing,
    Firing,
    Resolved,
}

impl Member {
    fn is_untold(&self) -> bool {
        self.told != if self.alert.is_firing() { Known::Firing } else { Known::Resolved }
    }
}

/// The group that an alert of a rule is in.
pub fn key_of(grouping: &Grouping, alert: &Alert) -> String {
    let value = |label: &String| match label.as_str() {
        "fork" => alert.fork.clone(),
        label => alert.labels.get(label).cloned().unwrap_or_default(),
    };
    let whose = format!("{}/{}", alert.namespace, alert.rule);
    grouping.by.iter().fold(whose, |key, label| format!("{key}?{label}={}", value(label)))
}

impl Group {
    pub fn new(key: String, alert: &Alert, now: Timestamp) -> Self {
        Self {
            key,
            namespace: alert.namespace.clone(),
            rule: alert.rule.clone(),
            grouping: Grouping::default(),
            channels: Vec::new(),
            began: now,
            alerts: BTreeMap::new(),
            told_at: None,
            refreshed_at: None,
            number: 0,
            version: 0,
        }
    }

    /// Takes over who is told and when. Answers whether that is something else than before.
    pub fn follow(&mut self, rule: &AlertRuleSpec) -> bool {
        let changed = self.grouping != rule.grouping || self.channels != rule.notify;
        if changed {
            self.grouping = rule.grouping.clone();
            self.channels.clone_from(&rule.notify);
        }
        changed
    }

    /// Hears of an alert. Answers whether that is news: it is not if the alert is known to fire, or to be over.
    pub fn hear(&mut self, alert: Alert, now: Timestamp) -> bool {
        match self.alerts.get_mut(&alert.key) {
            Some(known) if !known.alert.is_firing() || alert.is_firing() => return false,
            Some(known) => {
                (known.alert, known.at) = (alert, now);
                return true;
            }
            None => {}
        }
        if !self.is_open() {
            (self.began, self.told_at, self.refreshed_at) = (now, None, None);
        }
        self.alerts.insert(alert.key.clone(), Member { alert, told: Known::Nothing, at: now });
        true
    }

    /// Takes over an alert that people were told of before: by who worked on its Fork until now, or by an outbox that is
    /// lost. Answers whether that is news.
    pub fn adopt(&mut self, alert: Alert, now: Timestamp) -> bool {
        if self.alerts.contains_key(&alert.key) {
            return false;
        }
        if !self.is_open() {
            // Channels that forget are told again at once, if they were told so long ago.
            (self.began, self.told_at, self.refreshed_at) = (now, Some(now), Some(alert.fired_at));
        }
        self.alerts.insert(alert.key.clone(), Member { alert, told: Known::Firing, at: now });
        true
    }

    /// Forgets an alert without a word: somebody else tells its end. Answers whether it was known.
    pub fn forget(&mut self, key: &str) -> bool {
        self.alerts.remove(key).is_some()
    }

    /// Alerts that fire, as far as is known here.
    pub fn firing(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values().map(|member| &member.alert).filter(|alert| alert.is_firing())
    }

    /// Whether anything of it fires or is to be told.
    fn is_open(&self) -> bool {
        self.alerts.values().any(|member| member.alert.is_firing() || member.is_untold())
    }

    fn fires(&self) -> bool {
        self.alerts.values().any(|member| member.alert.is_firing())
    }

    fn forgets(channel: &Notify) -> bool {
        channel.alertmanager.is_some()
    }

    /// When something is to be done about it next; `None` if it is empty.
    pub fn due(&self) -> Option<Timestamp> {
        let Grouping { by: _, wait_seconds, interval_seconds, repeat_seconds } = self.grouping;
        let untold = || self.alerts.values().filter(|member| member.is_untold()).map(|member| member.at);
        if let (Some(oldest), Some(newest)) = (untold().min(), untold().max()) {
            return Some(match self.told_at {
                None => later(oldest, SignedDuration::from_secs(wait_seconds)),
                Some(_) if !self.fires() => newest,
                Some(told) => later(told, SignedDuration::from_secs(interval_seconds)).max(oldest),
            });
        }
        if !self.fires() {
            return self.alerts.values().map(|member| later(member.at, KEEP)).min();
        }
        let repeat = later(self.told_at?, SignedDuration::from_secs(repeat_seconds));
        let refresh = self.refreshed_at.filter(|_| self.channels.iter().any(Self::forgets));
        Some(refresh.map_or(repeat, |at| later(at, REFRESH).min(repeat)))
    }

    /// Does what is due: forgets what is long over, and answers the messages to send.
    pub fn flush(&mut self, now: Timestamp) -> Vec<Envelope> {
        if self.due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.alerts.retain(|_, member| member.told != Known::Resolved || later(member.at, KEEP) > now);
        if !self.is_open() {
            return Vec::new();
        }
        let is_news = self.alerts.values().any(Member::is_untold);
        let is_due =
            self.told_at.is_none_or(|told| later(told, SignedDuration::from_secs(self.grouping.repeat_seconds)) <= now);
        let occasion = match (self.told_at.is_none(), is_news) {
            _ if !self.fires() => Occasion::Resolved,
            (true, _) => Occasion::First,
            (false, true) => Occasion::Changed,
            (false, false) if is_due => Occasion::Reminder,
            (false, false) => Occasion::Refresh,
        };
        let (firing, over): (Vec<_>, Vec<_>) = self
            .alerts
            .values_mut()
            .filter(|member| member.alert.is_firing() || member.is_untold())
            .map(|member| {
                let new = member.is_untold();
                member.told = if member.alert.is_firing() { Known::Firing } else { Known::Resolved };
                Told { alert: member.alert.clone(), new }
            })
            .partition(|told| told.alert.is_firing());
        let alerts = firing.into_iter().chain(over).collect();
        if occasion != Occasion::Refresh {
            self.told_at = Some(now);
        }
        self.refreshed_at = Some(now);
        self.number += 1;
        let message = Message::new(occasion, &self.namespace, &self.rule, alerts);
        let is_for = |channel: &&Notify| {
            (occasion != Occasion::Refresh || Self::forgets(channel))
                && (channel.severities.is_empty() || channel.severities.contains(&message.severity))
        };
        let channels = self.channels.iter().filter(is_for).cloned();
        let put = |channel| Envelope::new(&self.key, self.began, self.number, channel, message.clone(), now);
        channels.map(put).collect()
    }

    /// Takes for over what fires: the rule is gone, and nobody will tell.
    pub fn close(&mut self, now: Timestamp) {
        for member in self.alerts.values_mut().filter(|member| member.alert.is_firing()) {
            (member.alert.resolved_at, member.at) = (Some(now), now);
        }
    }

    /// Who is told.
    pub fn channels(&self) -> &[Notify] {
        &self.channels
    }

    /// Whether nothing is known of it any more.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
