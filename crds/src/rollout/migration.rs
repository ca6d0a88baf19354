//! What changes the data for a release.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A GitHub workflow that changes the data for a release: it runs once the release is approved, before it is promoted.
/// The workflow has the trigger `workflow_dispatch` with the inputs `commit` and `release`, and
/// `run-name: … ${{ inputs.release }}`, so that its run is found again if this program is interrupted.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Migration {
    /// File name below `.github/workflows` of the repository; the default branch's version runs.
    #[schemars(length(min = 5, max = 128), regex(pattern = r"^[A-Za-z0-9._-]+\.ya?ml$"))]
    pub workflow: String,
    /// Whether what served before works with the data as it is afterwards. If not, a release that turns out bad is not
    /// rolled back by itself: it goes on serving, and newer releases wait until a person decides.
    pub reversible: bool,
    /// How long the run may take; then it is canceled and the release fails.
    #[serde(default = "timeout_seconds")]
    #[schemars(range(min = 60, max = 86_400))]
    pub timeout_seconds: i64,
}

fn timeout_seconds() -> i64 {
    3600
}

/// A run of a workflow, from the intent to have it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowRun {
    /// When it was to be asked for, by this program's clock.
    pub intended_at: Time,
    /// GitHub's id of the run, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Its page for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// GitHub's word for how it ended, such as `success` or `timed_out`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub conclusion: Option<String>,
}
