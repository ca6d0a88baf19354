//! What is on record of a release that is promoted.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::migration::WorkflowRun;

/// One analysis of a release, as far as it is.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisRun {
    /// `Candidate` before the promotion, `Step 1` and so on in the steps of a canary, `Live` after it.
    #[schemars(length(max = 16))]
    pub stage: String,
    /// Measurements that were good.
    #[serde(default)]
    pub successes: i64,
    /// Measurements that were bad.
    #[serde(default)]
    pub failures: i64,
    /// Measurements that got no answer, or were neither good nor bad.
    #[serde(default)]
    pub inconclusive: i64,
    /// The newest measurements, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub measurements: Vec<Measurement>,
    /// The newest run of the job that judges it, from the intent to have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<WorkflowRun>,
    /// Runs of the job that have ended, each a measurement.
    #[serde(default, skip_serializing_if = "is_none")]
    pub jobs_ended: i64,
    /// How long the newest answers took, of each probe with `latency`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub latencies: Vec<Latencies>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_none(count: &i64) -> bool {
    *count == 0
}

/// How long the newest answers to a probe took.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Latencies {
    /// What the probe is called.
    #[schemars(length(max = 1024))]
    pub metric: String,
    /// Oldest first.
    #[schemars(length(max = 100))]
    pub milliseconds: Vec<i64>,
}

/// One measurement.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// When.
    pub at: Time,
    /// `Success`, `Failure` or `NoData`.
    #[schemars(length(max = 16))]
    pub result: String,
    /// The first metric that made it so, unless it is `Success`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub metric: Option<String>,
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
    pub at: Option<Time>,
    /// The GitHub environment that they reviewed it for, if they did it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub environment: Option<String>,
    /// What they said there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub comment: Option<String>,
}

/// A freeze that a person did not wait for.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct FreezeOverride {
    /// Why, in the words of who overrode it.
    #[schemars(length(max = 512))]
    pub reason: String,
    /// Names of the windows that were in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 63)))]
    pub windows: Vec<String>,
    /// When it was noticed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
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

/// The pull request that takes a commit back, or why there is none.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct RevertStatus {
    /// Its number in the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i64>,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,
}
