//! Whether a product works: what is probed, how often, and when nobody minds.

mod dns;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::dns::{DnsCheck, DnsRcode, DnsRecordType};
use super::StatusPage;
use crate::rollout::{FreezeWindow, HeaderMatch, RequestHeader};

/// What is probed of the product once a release serves. Without probes, one GET of `/` on every production domain that
/// is verified and configured, or on `status.url` if there is none.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.statusPage) || !has(self.statusPage.components) || !has(self.probes) || size(self.probes) == 0 || self.statusPage.components.all(c, self.probes.exists(p, p.name == c.probe))").message("components name probes: statusPage.components[].probe must be a name in monitoring.probes").field_path(".statusPage")
)]
pub struct Monitoring {
    /// `false` stops all probes.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Probes, instead of those that are made without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub probes: Vec<Probe>,
    /// When the product may be down: what probes find then is Unknown, and left out of uptime.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub maintenance: Vec<FreezeWindow>,
    /// A page that tells everybody whether the product works; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_page: Option<StatusPage>,
}

fn yes() -> bool {
    true
}

/// Something that is asked again and again.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("[has(self.http), has(self.tcp), has(self.dns)].filter(x, x).size() == 1", "exactly one of http, tcp and dns must be set"),
    validation = Rule::new("!has(self.timeoutSeconds) || self.timeoutSeconds < self.intervalSeconds").message("timeoutSeconds must be less than intervalSeconds: a probe never runs twice at once").field_path(".timeoutSeconds")
)]
pub struct Probe {
    /// Name in alerts, history and events.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Time between two runs.
    #[serde(default = "interval_seconds")]
    #[schemars(range(min = 5, max = 3600))]
    pub interval_seconds: i64,
    /// The longest that a run may take; 10 by default, or one less than a shorter `intervalSeconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: Option<i64>,
    /// Failed runs in a row that make it down. Those after the first follow about a second apart.
    #[serde(default = "confirmations")]
    #[schemars(range(min = 1, max = 10))]
    pub confirmations: i32,
    /// A request over HTTP or HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// A connection over TCP, and a TLS handshake if wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpCheck>,
    /// A question to a DNS server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsCheck>,
}

fn interval_seconds() -> i64 {
    30
}

fn confirmations() -> i32 {
    2
}

/// One request, and what its answer must be. Certificates are always verified.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.url) || !has(self.path)").message("url has a path in it: set only one of url and path").field_path(".path"),
    validation = Rule::new("!has(self.body) || self.method == 'POST' || self.method == 'PUT'").message("a body needs the method POST or PUT").field_path(".body")
)]
pub struct HttpCheck {
    /// Method of the request.
    #[serde(default)]
    pub method: HttpMethod,
    /// Whole address; the product's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^https?://[!-~]+$"))]
    pub url: Option<String>,
    /// Path on the product, with its query; `/` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^/[!-~]*$"))]
    pub path: Option<String>,
    /// Headers that are sent, such as `x-vercel-protection-bypass`. They are not sent to another host by a redirect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub request_headers: Vec<RequestHeader>,
    /// What is sent with POST or PUT; its type goes into `requestHeaders`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub body: Option<String>,
    /// Statuses of which the answer must have one, each as `200` or `200-299`; `200-299` by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), inner(length(max = 7), regex(pattern = r"^[1-5][0-9]{2}(-[1-5][0-9]{2})?$")))]
    pub statuses: Vec<String>,
    /// What a redirect is worth.
    #[serde(default)]
    pub redirects: Redirects,
    /// Text that the first 64 KiB of the answer must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub body_contains: Option<String>,
    /// Regular expression that the first 64 KiB of the answer must match somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub body_matches: Option<String>,
    /// Headers that the answer must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub headers: Vec<HeaderMatch>,
    /// Days that the certificate must be good for yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 365))]
    pub minimum_certificate_days: Option<i64>,
}

/// Method of a request.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    #[default]
    Get,
    Head,
    Options,
    Post,
    Put,
}

/// What a redirect is worth.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redirects {
    /// It is followed, up to 5 times.
    #[default]
    Follow,
    /// It is a failure.
    Refuse,
    /// It is an answer like any other.
    Answer,
}

/// One connection.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.minimumCertificateDays) || (has(self.tls) && self.tls)").message("minimumCertificateDays needs tls: without it there is no certificate").field_path(".minimumCertificateDays")
)]
pub struct TcpCheck {
    /// Name or address.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9.:_-]+$"))]
    pub host: String,
    /// Port.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: i32,
    /// A TLS handshake follows, in which the certificate is verified.
    #[serde(default)]
    pub tls: bool,
    /// Days that the certificate must be good for yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 365))]
    pub minimum_certificate_days: Option<i64>,
}
