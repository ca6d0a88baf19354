//! What a sandbox is started with, and the part of it that can be changed while it runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How to start a sandbox.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The file that the world is kept in between runs; without it the world lives in memory only.
    pub snapshot: Option<PathBuf>,
    /// Where webhooks go, beside those that were registered through the providers' own APIs.
    pub webhooks: Option<WebhookTarget>,
    /// Latencies, plans and switches of a fresh world; a world that is loaded takes these too.
    pub settings: Settings,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            snapshot: None,
            webhooks: None,
            settings: Settings::default(),
        }
    }
}

/// The receiver of both providers' webhooks, as an App (GitHub) and an integration (Vercel) would configure it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WebhookTarget {
    /// Receives GitHub's events.
    pub github_url: String,
    /// Receives Vercel's events.
    pub vercel_url: String,
    /// Signs both.
    pub secret: String,
}

/// What can be changed while the sandbox runs, by `PUT /_sandbox/settings`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// How long everything takes, in sandbox milliseconds.
    pub latencies: Latencies,
    /// Enforce rate limits. The headers are sent either way.
    pub limits: bool,
    /// Every domain that is added resolves to Vercel at once, as if a person had set its DNS.
    pub auto_dns: bool,
    /// The plan of every GitHub account.
    pub github_plan: GithubPlan,
    /// The plan of the seeded Vercel team.
    pub vercel_plan: VercelPlan,
    /// Keep the bodies of answers in the request log.
    pub record_responses: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            latencies: Latencies::default(),
            limits: true,
            auto_dns: false,
            github_plan: GithubPlan::Enterprise,
            vercel_plan: VercelPlan::Pro,
            record_responses: false,
        }
    }
}

impl Settings {
    /// These settings with a JSON merge patch (RFC 7396) applied; refuses unknown fields and bad enums.
    pub fn merged(&self, patch: &serde_json::Value) -> Result<Self, serde_json::Error> {
        let mut whole = serde_json::to_value(self)?;
        merge(&mut whole, patch);
        serde_json::from_value(whole)
    }
}

fn merge(target: &mut serde_json::Value, patch: &serde_json::Value) {
    match (target.as_object_mut(), patch.as_object()) {
        (Some(target), Some(patch)) => {
            for (key, value) in patch {
                merge(target.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        _ => *target = patch.clone(),
    }
}

/// Durations on the sandbox's clock, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Latencies {
    /// Added to every answer of a provider.
    pub request_ms: u64,
    /// From `generate` to the first commit.
    pub generate_ms: u64,
    /// From `forks` to the copied branches.
    pub fork_ms: u64,
    /// A build, from its start to its end.
    pub build_ms: u64,
    /// A run of a workflow.
    pub run_ms: u64,
    /// A promotion or rollback.
    pub promote_ms: u64,
    /// From a DNS change to its being seen.
    pub dns_ms: u64,
    /// From a configured domain to its certificate.
    pub cert_ms: u64,
}

/// <https://docs.github.com/en/get-started/learning-about-github/githubs-plans>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GithubPlan {
    /// No rulesets, environments' secrets or reviewers on private repositories.
    Free,
    /// Rulesets and environments on private repositories, without required reviewers.
    Team,
    /// Everything.
    Enterprise,
}

/// <https://vercel.com/docs/plans>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VercelPlan {
    /// Personal projects; cannot link repositories of organizations.
    Hobby,
    /// One custom environment for each project.
    Pro,
    /// Twelve custom environments for each project.
    Enterprise,
}
