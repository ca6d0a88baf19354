//! A release that gets production's traffic step by step.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Approval;

/// A part of production's visitors, and how long they get the release before the next step.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CanaryStep {
    /// Percent of the visitors; each step has more than the one before, and after the last one all get it.
    #[schemars(range(min = 1, max = 99))]
    pub weight: i64,
    /// How long at least; the analysis, if there is one, must be good until then.
    #[serde(default = "pause_seconds")]
    #[schemars(range(min = 5, max = 604_800))]
    pub pause_seconds: i64,
    /// Whether a person has to approve what comes after this step: `forkable approve`.
    #[serde(default)]
    pub approval: Approval,
}

fn pause_seconds() -> i64 {
    60
}

/// How far a release with `strategy.type: Canary` is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CanaryStatus {
    /// Step that it is at or is being led to, from 1; one more than there are steps when it is led to all visitors.
    pub step: i64,
    /// Percent of the visitors that get it then.
    pub weight: i64,
    /// When the step was seen to be reached; not before it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reached_at: Option<Time>,
}
