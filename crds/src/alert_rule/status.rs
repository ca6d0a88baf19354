//! What Forkable reports of an AlertRule.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::{Condition, conditions};

/// Of which Forks the rule fires, and what keeps it from working.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AlertRuleStatus {
    /// Generation of the manifest that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling` and `Stalled` by the rules of kstatus, and `Notified`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Forks that it selects.
    #[serde(default)]
    pub selected: i64,
    /// Alerts that fire.
    #[serde(default)]
    pub firing: i64,
    /// Alerts that wait or fire, the oldest 500.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["fork".into()]))]
    pub alerts: Vec<AlertStatus>,
    /// When the actions of the rule were taken, the newest 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub acted: Vec<Time>,
    /// Messages that were given up within a week, the newest 10. `forkable alert resend` sends them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub undelivered: Vec<Undelivered>,
}

/// A message that no channel took.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Undelivered {
    /// What tells it from others.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Kind and name of the channel: `slack/ops`.
    #[schemars(length(max = 80))]
    pub channel: String,
    /// What it says, in a line.
    #[schemars(length(max = 256))]
    pub headline: String,
    /// Since when it was to be sent.
    pub since: Time,
    /// When it was given up.
    pub given_up_at: Time,
    /// What was wrong the last time.
    #[schemars(length(max = 256))]
    pub error: String,
}

/// The alert of one Fork.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AlertStatus {
    /// Name of the Fork.
    #[schemars(length(max = 253))]
    pub fork: String,
    /// How far it is.
    pub state: AlertState,
    /// Since when it is as it should not be.
    pub since: Time,
    /// Since when it fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fired_at: Option<Time>,
    /// Since when it is well again while it goes on firing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub well_since: Option<Time>,
    /// The number when it began to fire, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub value: Option<String>,
    /// People were told.
    #[serde(default)]
    pub notified: bool,
    /// Why nobody is told: maintenance, a silence, or another alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub suppressed: Option<String>,
    /// What was done about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), inner(length(max = 256)))]
    pub actions: Vec<String>,
    /// How often it began to fire within an hour, if more than twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaps: Option<i64>,
}

/// How far an alert is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertState {
    /// Not as it should be, but not for long enough.
    Pending,
    Firing,
}
