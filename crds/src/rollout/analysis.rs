//! How a release is judged.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
