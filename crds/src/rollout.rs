//! How a release that is promoted goes live: what it waits for, how it is judged, what happens when it is bad.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What has to be so before a release goes live.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Gates {
    /// Whether a person has to approve the candidate before it is promoted: `forkable approve`.
    #[serde(default)]
    pub approval: Approval,
    /// How long a release may wait for its gates; then it fails, and what served goes on serving. Without, for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub timeout_seconds: Option<i64>,
}

/// Whether a person has to approve a candidate.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    #[default]
    NotRequired,
    Required,
}

/// How a release is judged: on its own address before it is promoted, and on the live site while it bakes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Analysis {
    /// Time between measurements.
    #[serde(default = "interval_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub interval_seconds: i64,
    /// Good measurements that the candidate needs before it is promoted.
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
    /// Requests that make up one measurement; it is good if all of them are.
    #[schemars(length(min = 1, max = 10))]
    pub http: Vec<HttpProbe>,
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

/// One GET request, and what its answer must be.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// Path on the site, with its query.
    #[serde(default = "root")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^/[!-~]*$"))]
    pub path: String,
    /// Status that it must have. Redirects are not followed.
    #[serde(default = "ok")]
    #[schemars(range(min = 100, max = 599))]
    pub status: i32,
    /// The longest that the answer may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_latency_milliseconds: Option<i64>,
    /// Text that its first 64 KiB must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub body_contains: Option<String>,
}

fn root() -> String {
    "/".into()
}

fn ok() -> i32 {
    200
}

/// How long the live site is watched after the promotion.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Bake {
    /// How long; a release that is good until then is healthy.
    #[schemars(range(min = 5, max = 86_400))]
    pub duration_seconds: i64,
}

/// What happens to a release that turns out bad while it bakes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// What served before serves again, at once. Otherwise the release fails and goes on serving until a person acts.
    #[serde(default = "yes")]
    pub automatic: bool,
}

impl Default for Rollback {
    fn default() -> Self {
        Self { automatic: true }
    }
}

fn yes() -> bool {
    true
}

/// What a newer release does to one that is under way. Two never promote at once.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Supersede {
    /// It waits until the older is over.
    #[default]
    Queue,
    /// The older is aborted, unless it is being promoted already.
    Replace,
}

/// One analysis of a release, as far as it is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisRun {
    /// `Candidate` before the promotion, `Live` after it.
    #[schemars(length(max = 16))]
    pub stage: String,
    /// Measurements that were good.
    #[serde(default)]
    pub successes: i64,
    /// Measurements that were bad.
    #[serde(default)]
    pub failures: i64,
    /// Measurements that got no answer.
    #[serde(default)]
    pub inconclusive: i64,
    /// The newest measurements, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub measurements: Vec<Measurement>,
}

/// One measurement.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// When.
    pub at: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time,
    /// `Success`, `Failure` or `NoData`.
    #[schemars(length(max = 16))]
    pub result: String,
    /// What was seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 512))]
    pub message: String,
}

/// Who let a release go live.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct ApprovalStatus {
    /// As they called themselves, if they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub by: Option<String>,
    /// When it was noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>,
}

/// What a rollback leads to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RollbackTarget {
    /// Vercel's id of the deployment.
    #[schemars(length(max = 64))]
    pub deployment_id: String,
    /// The release that it is of, if one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub release: Option<String>,
}
