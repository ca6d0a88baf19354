//! How a release is judged.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    metrics::{HttpProbe, PrometheusQuery},
    workflow::Job,
};

/// How a release is judged: on its own address before it is promoted, and on the live site while it bakes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("(has(self.http) && self.http.size() > 0) || (has(self.prometheus) && self.prometheus.size() > 0) || (has(self.alertRules) && self.alertRules.size() > 0) || has(self.job)", "analysis needs a metric, in http, prometheus, alertRules or job: without one nothing tells a good release from a bad one"),
    validation = Rule::new("!has(self.http) || self.http.all(a, self.http.exists_one(b, (has(b.name) ? b.name : b.path) == (has(a.name) ? a.name : a.path)))").message("two metrics have one name: give each probe a name of its own, as without one it is called by its path").field_path(".http"),
    validation = Rule::new("!has(self.http) || !has(self.prometheus) || self.http.all(a, self.prometheus.all(b, !has(a.name) || a.name != b.name))").message("two metrics have one name: call them apart in http and prometheus").field_path(".prometheus")
)]
pub struct Analysis {
    /// Time between measurements.
    #[serde(default = "interval_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub interval_seconds: i64,
    /// Good measurements that the candidate needs before it is promoted, beside that of the job.
    #[serde(default = "count")]
    #[schemars(range(min = 1, max = 100))]
    pub count: i64,
    /// Bad measurements that are put up with.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub failure_limit: i64,
    /// Measurements without data that are put up with; they never count as good.
    #[serde(default = "inconclusive_limit")]
    #[schemars(range(min = 0, max = 100))]
    pub inconclusive_limit: i64,
    /// What a measurement is worth that got no answer at all.
    #[serde(default)]
    pub on_no_data: OnNoData,
    /// Requests that make up one measurement; it is good if everything in it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub http: Vec<HttpProbe>,
    /// Queries that make up one measurement with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub prometheus: Vec<PrometheusQuery>,
    /// Names of AlertRules of the namespace that are part of a measurement once visitors get the release: it is bad
    /// while one fires for the Fork that did not before the promotion. One that did, is not evaluated for the Fork, or
    /// does not exist, is no data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 10),
        inner(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"))
    )]
    pub alert_rules: Vec<String>,
    /// A workflow whose conclusion is a measurement of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
}

fn interval_seconds() -> i64 {
    10
}

fn count() -> i64 {
    3
}

fn inconclusive_limit() -> i64 {
    3
}

/// What a measurement is worth that got no answer at all.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnNoData {
    /// Neither good nor bad: counts towards `inconclusiveLimit`.
    #[default]
    Inconclusive,
    /// Bad.
    Fail,
}
