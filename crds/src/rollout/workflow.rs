//! Workflows of GitHub that judge a release, and that let people approve it there.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A GitHub workflow that judges a release: its conclusion is a measurement. `success` is good, `failure` is bad,
/// anything else counts towards `inconclusiveLimit`, and a run that is gone is no data. It runs once in each of its
/// stages, and again after a run that was not good as long as the limits allow. The workflow has the trigger
/// `workflow_dispatch` with the input `release` and those in `inputs`, and `run-name: … ${{ inputs.release }}`, so that
/// its run is found again if this program is interrupted.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.inputs) || !('release' in self.inputs)").message("the input release is always given: leave it out").field_path(".inputs")
)]
pub struct Job {
    /// File name below `.github/workflows` of the repository. It has to be on the default branch, too.
    #[schemars(length(min = 5, max = 128), regex(pattern = r"^[A-Za-z0-9._-]+\.ya?ml$"))]
    pub workflow: String,
    /// Branch or tag whose version of the workflow runs; the default branch without.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250), regex(pattern = r"^[!-~]+$"))]
    pub git_ref: Option<String>,
    /// What it is given beside the name of the release, as templates: `{{ url }}` and `{{ host }}` of the site that is
    /// judged, `{{ commit }}`, `{{ release }}`, `{{ fork }}` and `{{ stage }}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 9), inner(length(max = 1024)))]
    pub inputs: BTreeMap<String, String>,
    /// When it runs: once for each.
    #[serde(default = "stages")]
    #[schemars(length(min = 1, max = 3))]
    pub stages: Vec<JobStage>,
    /// How long a run may take; then it is canceled, and neither good nor bad.
    #[serde(default = "timeout_seconds")]
    #[schemars(range(min = 60, max = 86_400))]
    pub timeout_seconds: i64,
}

/// When a release is judged.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobStage {
    /// On its own address, before the promotion.
    Candidate,
    /// In each step of a canary, on its own address.
    Step,
    /// On the live site, while it bakes.
    Live,
}

fn stages() -> Vec<JobStage> {
    vec![JobStage::Candidate]
}

fn timeout_seconds() -> i64 {
    3600
}

/// An environment of the repository whose required reviewers may approve a candidate at GitHub: a workflow is run that
/// waits for them. It has the trigger `workflow_dispatch` with the inputs `release`, `commit` and `url`,
/// `run-name: … ${{ inputs.release }}`, and a job with this `environment`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ApprovalEnvironment {
    /// Its name.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^'\x22`,;\\]+$"))]
    pub name: String,
    /// File name below `.github/workflows` of the repository; the default branch's version runs.
    #[schemars(length(min = 5, max = 128), regex(pattern = r"^[A-Za-z0-9._-]+\.ya?ml$"))]
    pub workflow: String,
}
