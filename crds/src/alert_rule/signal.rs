//! What is watched.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rollout::RequestHeader;

/// What is watched: one number for each Fork.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("[has(self.probe), has(self.release), has(self.certificate), has(self.prometheus)].filter(x, x).size() == 1", "exactly one of probe, release, certificate and prometheus must be set")
)]
pub struct Signal {
    /// What the probes of the Fork find.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeSignal>,
    /// How its releases go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseSignal>,
    /// Days until the first certificate of its domains ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateSignal>,
    /// What a Prometheus server answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<QuerySignal>,
}

/// What the probes of the Fork find.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSignal {
    /// Which number.
    pub metric: ProbeMetric,
    /// Name of the probe in the Fork's `monitoring.probes`; the worst of all of them without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub name: Option<String>,
    /// The time that FailureRatio and LatencyMilliseconds are of.
    #[serde(default = "window_seconds")]
    #[schemars(range(min = 30, max = 86_400))]
    pub window_seconds: i64,
}

fn window_seconds() -> i64 {
    300
}

/// A number that probes give.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeMetric {
    /// 1 while the Fork is up, 0 while it is confirmed to be down, no data while nothing is known.
    Up,
    /// Mean time to the whole answer, in milliseconds, of the runs that had one.
    LatencyMilliseconds,
    /// Share of runs that failed, from 0 to 1.
    FailureRatio,
}

/// How releases go.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseSignal {
    /// Which number.
    pub metric: ReleaseMetric,
}

/// A number that releases give.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseMetric {
    /// 1 if the newest release of Production failed or was rolled back, else 0.
    Failed,
    /// Seconds that the newest release of Production has been under way; 0 if it is over.
    PendingSeconds,
    /// Seconds from its making to its readiness, of the newest release of Production that is ready.
    DurationSeconds,
}

/// When certificates end.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSignal {
    /// The domain; the one whose certificate ends first without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub domain: Option<String>,
}

/// One instant query for each Fork. The answer's greatest sample counts, or its least if the condition is that it is
/// less than something.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct QuerySignal {
    /// Address of the server, whose API is at `/api/v1` below it; `FORKABLE_PROMETHEUS_URL` of the operator by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^https?://[!-~]+$"))]
    pub address: Option<String>,
    /// Query in PromQL. `{{ host }}`, `{{ commit }}` and `{{ fork }}` in it stand for the host name of the product, the
    /// commit that serves and the Fork's name.
    #[schemars(length(min = 1, max = 2048))]
    pub query: String,
    /// Headers that are sent, such as `Authorization`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub request_headers: Vec<RequestHeader>,
}
