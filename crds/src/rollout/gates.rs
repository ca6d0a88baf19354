//! What a release waits for.

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
