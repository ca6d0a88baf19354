//! What people are told of.

use std::collections::BTreeMap;

use forkable_crds::alert_rule::Severity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One rule fires for one Fork, or did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The same for the same alert, whoever tells of it and however often: rule, Fork, and when it began to fire.
    pub key: String,
    pub namespace: String,
    /// Name of the AlertRule.
    pub rule: String,
    /// Name of the Fork.
    pub fork: String,
    /// Name of the product for people.
    pub display_name: String,
    pub severity: Severity,
    /// Since when it is as it should not be.
    pub since: Timestamp,
    /// When it fired.
    pub fired_at: Timestamp,
    /// When it was over; it fires still without.
    pub resolved_at: Option<Timestamp>,
    /// The number, for people.
    pub value: String,
    /// Labels of the alert, as rendered.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the alert, as rendered: `summary`, `description`, `runbook_url`, `graph_url`.
    pub annotations: BTreeMap<String, String>,
    /// Address of the product.
    pub url: Option<String>,
    /// The release that serves.
    pub release: Option<Release>,
    /// `owner/repository@commit` of the template that the Fork was made from.
    pub template: Option<String>,
    /// What a provider said was wrong when it was told, and may be behind it.
    #[serde(default)]
    pub provider_incident: Option<String>,
    /// What was done about it, or would have been.
    pub actions: Vec<String>,
    /// It fires and ends again and again: how often within an hour.
    pub flaps: Option<i64>,
}

/// The release that serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Name of the Deployment.
    pub name: String,
    pub commit: String,
    /// First line of the commit message; empty if it is not known.
    pub message: String,
    /// Who wrote the commit; empty if it is not known.
    pub author: String,
    /// When it went live.
    pub since: Option<Timestamp>,
}

impl Alert {
    pub fn is_firing(&self) -> bool {
        self.resolved_at.is_none()
    }

    /// The headline.
    pub fn summary(&self) -> &str {
        self.annotations.get("summary").map_or("", String::as_str)
    }

    /// The command that brings back what served before; `None` if nothing serves.
    pub fn rollback_command(&self) -> Option<String> {
        let namespace = if self.namespace == "default" { String::new() } else { format!(" -n {}", self.namespace) };
        self.release.as_ref().map(|_| format!("forkable rollback {}{namespace}", self.fork))
    }
}

#[cfg(test)]
pub(super) mod fixtures {
    use super::*;

    /// An alert of the rule `down` of a Fork that serves a release.
    pub(in crate::alerting) fn alert(fork: &str) -> Alert {
        let at = |second| Timestamp::from_second(second).expect("a time");
        Alert {
            key: format!("default/down/{fork}/1000"),
            namespace: "default".into(),
            rule: "down".into(),
            fork: fork.into(),
            display_name: format!("The {fork}"),
            severity: Severity::Critical,
            since: at(940),
            fired_at: at(1000),
            resolved_at: None,
            value: "0".into(),
            labels: BTreeMap::from([("team".into(), "web".into())]),
            annotations: BTreeMap::from([
                ("summary".into(), format!("{fork} is down")),
                ("runbook_url".into(), "https://example.com/runbook".into()),
            ]),
            url: Some(format!("https://{fork}.example.com")),
            release: Some(Release {
                name: format!("{fork}-1"),
                commit: "0123456789abcdef".into(),
                message: "Make it faster".into(),
                author: "Ada".into(),
                since: None,
            }),
            template: Some("forkable-ai/framework@0123456789".into()),
            provider_incident: None,
            actions: Vec::new(),
            flaps: None,
        }
    }
}
