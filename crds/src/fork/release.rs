//! How releases are made.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    deployment::Strategy,
    rollout::{self, Analysis, Bake, Gates, Migration, Previews, Rollback, Supersede},
};

/// How a Fork makes Deployments for new commits of its production branch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rollout::needs_promotion(),
    validation = rollout::canary_needs_way_back(),
    validation = rollout::bake_needs_analysis()
)]
pub struct Release {
    /// Finished Deployments that are kept beside the current one.
    #[serde(default = "revision_history_limit")]
    #[schemars(range(min = 0, max = 100))]
    pub revision_history_limit: i32,
    /// What happens when a variable changed that only takes effect on a new release.
    #[serde(default)]
    pub on_env_change: OnEnvChange,
    /// How releases go live.
    #[serde(default)]
    pub strategy: Strategy,
    // Boxed, as is `analysis`, here and in the Deployment: large, and most of a fleet has neither.
    /// What has to be so before it goes live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<Box<Gates>>,
    /// What changes the data for it before it goes live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Box<Migration>>,
    /// How it is judged, before and after it goes live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Box<Analysis>>,
    /// How long the live site is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<Bake>,
    /// What happens if it turns out bad; back to what served before, by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// What a newer release does to this one while it is under way; by default it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersede: Option<Supersede>,
    /// Previews of open pull requests; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previews: Option<Previews>,
}

impl Default for Release {
    fn default() -> Self {
        Self {
            revision_history_limit: revision_history_limit(),
            on_env_change: OnEnvChange::default(),
            strategy: Strategy::default(),
            gates: None,
            migration: None,
            analysis: None,
            bake: None,
            rollback: None,
            supersede: None,
            previews: None,
        }
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
