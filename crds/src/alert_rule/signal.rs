//! What is watched.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{fork::KeyRef, rollout::RequestHeader};

/// What is watched: one number for each Fork.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("[has(self.probe), has(self.release), has(self.certificate), has(self.prometheus), has(self.incident), has(self.sentry), has(self.vercel)].filter(x, x).size() == 1", "exactly one of probe, release, certificate, prometheus, incident, sentry and vercel must be set")
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
    /// What the status pages of the providers tell of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incident: Option<IncidentSignal>,
    /// What Sentry counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentry: Option<SentrySignal>,
    /// What the product logs at Vercel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vercel: Option<VercelSignal>,
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

/// The worst impact of what providers say is wrong and not over yet: 0 none, 1 minor, 2 major, 3 critical. Status pages
/// are asked once a minute for all rules and Forks.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct IncidentSignal {
    /// Whose page; both without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<StatusPage>,
    /// Names of components, as the page has them: incidents that name only others do not count. All count without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 100)))]
    pub components: Vec<String>,
}

/// A page on which a provider says how it is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusPage {
    /// <https://www.githubstatus.com>
    GitHub,
    /// <https://www.vercel-status.com>
    Vercel,
}

/// What Sentry counts of a Fork's project there. Asked once a minute for each Fork.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SentrySignal {
    /// Which number.
    pub metric: SentryMetric,
    /// Address of the server, whose API is at `/api/0` below it; `https://sentry.io` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^https?://[!-~]+$"))]
    pub address: Option<String>,
    /// Slug of the organization.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9][a-z0-9_-]*$"))]
    pub organization: String,
    /// Slug of the project; `{{ fork }}` in it stands for the Fork's name, which it is by default.
    #[serde(default = "project")]
    #[schemars(length(min = 1, max = 128))]
    pub project: String,
    /// What else events and issues must be, in Sentry's words, such as `release:{{ commit }}` for those of the release
    /// that serves; `{{ host }}`, `{{ commit }}` and `{{ fork }}` are as in Prometheus queries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub query: Option<String>,
    /// The time that is counted.
    #[serde(default = "window_minutes")]
    #[schemars(range(min = 1, max = 1440))]
    pub window_minutes: i64,
    /// Key of a Secret with a token that has the scopes `org:read` and `event:read`.
    pub token_secret_ref: KeyRef,
}

fn project() -> String {
    "{{ fork }}".into()
}

fn window_minutes() -> i64 {
    5
}

/// A number that Sentry gives.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentryMetric {
    /// Errors a minute, on average of the window.
    ErrorsPerMinute,
    /// Unresolved issues that were first seen in the window, 25 at most.
    NewIssues,
}

/// What the release that serves logs at Vercel while it runs (<https://vercel.com/docs/logs/runtime>). The log is followed
/// from when the rule is there, by one request for each Fork, whatever number of rules read it: what happened before is not
/// known, and there is no data until a minute was followed; so it is once another release serves.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("self.metric == 'ServerErrorRatio' || !has(self.minimumRequests)", "minimumRequests is for ServerErrorRatio")
)]
pub struct VercelSignal {
    /// Which number.
    pub metric: VercelMetric,
    /// The time that is counted.
    #[serde(default = "window_minutes")]
    #[schemars(range(min = 1, max = 60))]
    pub window_minutes: i64,
    /// Requests in the window without which ServerErrorRatio says nothing, as one of two is no trend; 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub minimum_requests: Option<i64>,
}

/// A number that Vercel's runtime logs give.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum VercelMetric {
    /// Lines of level `error` or `fatal` a minute, on average of the window.
    ErrorsPerMinute,
    /// Share of lines with a response of status 500 or above among those with a response, from 0 to 1. A function that
    /// logs more lines counts more than one that logs a single one.
    ServerErrorRatio,
}
