//! `AlertRule`: when people are told that products are not well, who is told, and what is done about it.

#![expect(clippy::duplicated_attributes, reason = "each printer column has a type_, a name and a path of its own")]

mod condition;
mod notify;
mod response;
mod signal;
mod status;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    condition::{AlertCondition, NoData, Slo},
    notify::{Alertmanager, Email, EmailTls, Grouping, Notify, PagerDuty, Slack, Webhook},
    response::{Action, ActionType, InhibitedBy, Silence},
    signal::{
        CertificateSignal, IncidentSignal, ProbeMetric, ProbeSignal, QuerySignal, ReleaseMetric, ReleaseSignal,
        SentryMetric, SentrySignal, Signal, StatusPage, VercelMetric, VercelSignal,
    },
    status::{AlertRuleStatus, AlertState, AlertStatus, Undelivered},
};
use crate::rollout::FreezeWindow;

/// What is watched of which Forks, and what happens when it is not as it should be.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "forkable.dev",
    version = "v1alpha1",
    kind = "AlertRule",
    namespaced,
    status = "AlertRuleStatus",
    derive = "PartialEq",
    category = "forkable",
    shortname = "far",
    doc = "When people are told that products are not well, who is told, and what is done about it.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Severity", type_ = "string", json_path = ".spec.severity"),
    printcolumn(name = "Forks", type_ = "integer", json_path = ".status.selected"),
    printcolumn(name = "Firing", type_ = "integer", json_path = ".status.firing"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.condition) != has(self.slo)").message("exactly one of condition and slo must be set").field_path(".condition"),
    validation = Rule::new("!has(self.slo) || has(self.signal.probe)").message("slo needs signal.probe: only of probes is it known how many there were").field_path(".slo")
)]
pub struct AlertRuleSpec {
    /// The Forks of the namespace that it watches, by their labels; all of them without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// What is watched.
    pub signal: Signal,
    /// When it is not as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<AlertCondition>,
    /// How much of the time it has to be well, instead of a condition: fires when the error budget burns too fast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
    /// How bad it is.
    #[serde(default)]
    pub severity: Severity,
    /// Labels of its alerts, as templates: `{{ fork }}`, `{{ value }}`, `{{ labels.NAME }}` of the Fork.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20), inner(length(max = 512)))]
    pub labels: BTreeMap<String, String>,
    /// Annotations of its alerts, as templates: `summary` is the headline of messages, `description` their text,
    /// `runbook_url` the link to what to do, `graph_url` the link to what to look at.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20), inner(length(max = 2048)))]
    pub annotations: BTreeMap<String, String>,
    /// Who is told. Without, alerts are seen in `status`, on the web page and in metrics only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub notify: Vec<Notify>,
    /// Which alerts make one message, and when it is sent.
    #[serde(default)]
    pub grouping: Grouping,
    /// What is done when it fires.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub actions: Vec<Action>,
    /// When nobody is told and nothing is done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub maintenance: Vec<FreezeWindow>,
    /// Alerts that nobody is told of for a while, because somebody knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub silences: Vec<Silence>,
    /// Rules of which a firing alert hides those of this one, as what is behind it is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub inhibited_by: Vec<InhibitedBy>,
}

/// How bad it is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Info,
    #[default]
    Warning,
    Critical,
}
