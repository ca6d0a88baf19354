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
