//! How releases are made.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a Fork makes Deployments for new commits of its production branch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// Finished Deployments that are kept beside the current one.
    #[serde(default = "revision_history_limit")]
    #[schemars(range(min = 0, max = 100))]
    pub revision_history_limit: i32,
    /// What happens when a variable changed that only takes effect on a new release.
    #[serde(default)]
    pub on_env_change: OnEnvChange,
}

impl Default for Release {
    fn default() -> Self {
        Self { revision_history_limit: revision_history_limit(), on_env_change: OnEnvChange::default() }
    }
}

fn revision_history_limit() -> i32 {
    10
}

/// What happens when a variable changed that only takes effect on a new release.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnEnvChange {
    /// The condition says that it waits for the next release.
    #[default]
    Wait,
    /// The current commit is released again.
    Redeploy,
}
