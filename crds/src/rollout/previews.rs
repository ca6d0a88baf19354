//! Previews of pull requests.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which open pull requests have a preview: a Deployment of their newest commit, until they are closed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Previews {
    /// How many pull requests have one at a time. Those that were opened first have it; the others wait.
    #[serde(default = "limit")]
    #[schemars(range(min = 1, max = 50))]
    pub limit: i32,
    /// Whether a comment on the pull request says where its preview is. It is kept up to date.
    #[serde(default = "yes")]
    pub comment: bool,
    /// Also pull requests from other repositories. Whoever can open one can then read the variables of the preview
    /// environment, since a build runs code of the pull request.
    #[serde(default)]
    pub cross_repository: bool,
}

fn limit() -> i32 {
    10
}

fn yes() -> bool {
    true
}

/// The pull request that a Deployment is a preview of.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct PullRequestRef {
    /// Its number.
    #[schemars(range(min = 1, max = 9_999_999_999_i64))]
    pub number: i64,
    /// The branch that Vercel builds it as, whose variables it is built with.
    #[schemars(length(min = 1, max = 250))]
    pub branch: String,
}

/// The preview of one pull request.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PreviewStatus {
    /// Number of the pull request.
    pub pull_request: i64,
    /// The commit that can be looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub commit: Option<String>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// Our comment, once it is about to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<PreviewComment>,
}

/// A comment of ours on a pull request.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct PreviewComment {
    /// GitHub's id. Absent while its creation was not answered, and where nobody may comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Digest of what it says; absent while its creation was not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub digest: Option<String>,
}
