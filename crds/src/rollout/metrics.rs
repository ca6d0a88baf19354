//! What a measurement is made of: requests to the site, and queries to a Prometheus server.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fork::KeyRef;

/// One GET request to the site, and what its answer must be.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// Name in results; its path by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: Option<String>,
    /// Path on the site, with its query.
    #[serde(default = "root")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^/[!-~]*$"))]
    pub path: String,
    /// Headers that are sent, such as `x-vercel-protection-bypass` to a candidate that asks visitors for a login.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub request_headers: Vec<RequestHeader>,
    /// Status that it must have. Redirects are not followed.
    #[serde(default = "ok")]
    #[schemars(range(min = 100, max = 599))]
    pub status: i32,
    /// The longest that the answer may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_latency_milliseconds: Option<i64>,
    /// The longest that most answers of the analysis may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Text that its first 64 KiB must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub body_contains: Option<String>,
    /// Regular expression that its first 64 KiB must match somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub body_matches: Option<String>,
    /// Headers that it must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub headers: Vec<HeaderMatch>,
}

impl HttpProbe {
    /// What results call it.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.path)
    }
}

fn root() -> String {
    "/".into()
}

fn ok() -> i32 {
    200
}

/// The longest that most answers may take, over the newest 100 of an analysis. Judged as soon as there are
/// `analysis.count` of them: fewer than 20 have no 95th percentile but their slowest.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// How many of a hundred answers have to be as fast, by nearest rank.
    #[schemars(range(min = 1, max = 100))]
    pub percentile: i32,
    /// How fast.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_milliseconds: i64,
}

/// A header that an answer must have.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = ("!(has(self.equals) && has(self.contains))", "at most one of equals and contains may be set"))]
pub struct HeaderMatch {
    /// Its name, in any case.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[-!#$%&'*+.^_`|~A-Za-z0-9]+$"))]
    pub name: String,
    /// Its whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub equals: Option<String>,
    /// Text in its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub contains: Option<String>,
}

/// A header that is sent.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("has(self.value) != has(self.valueFrom)", "exactly one of value and valueFrom must be set"))]
pub struct RequestHeader {
    /// Its name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[-!#$%&'*+.^_`|~A-Za-z0-9]+$"))]
    pub name: String,
    /// Its value. Anybody who may read the object sees it: what must not be seen comes from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), regex(pattern = r"^[ -~]*$"))]
    pub value: Option<String>,
    /// Where its value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<HeaderSource>,
}

/// Where the value of a header comes from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HeaderSource {
    /// Key of a Secret in the same namespace, with the whole value, such as `Bearer …`.
    pub secret_key_ref: KeyRef,
}

/// One instant query to a Prometheus server, and what every sample of its answer must be.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusQuery {
    /// Name in results.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Address of the server, whose API is at `/api/v1` below it; `FORKABLE_PROMETHEUS_URL` of the operator by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^https?://[!-~]+$"))]
    pub address: Option<String>,
    /// Query in PromQL. `{{ host }}`, `{{ commit }}` and `{{ fork }}` in it stand for the host name that is judged, the
    /// commit and the Fork's name.
    #[schemars(length(min = 1, max = 2048))]
    pub query: String,
    /// How each sample has to compare with the threshold. An answer without samples, or with one that is no number, is
    /// no data.
    pub operator: Comparison,
    /// What each sample is compared with.
    pub threshold: f64,
    /// Headers that are sent, such as `Authorization`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub request_headers: Vec<RequestHeader>,
}

/// How a sample compares with a threshold.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    LessThan,
    LessThanOrEqual,
    GreaterThan,
    GreaterThanOrEqual,
}
