//! What is done about an alert, and what keeps it quiet.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done when an alert fires.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!has(self.durationSeconds) || self.type == 'AttackChallenge'", "durationSeconds is for AttackChallenge: the others have no end of their own")
)]
pub struct Action {
    /// What.
    #[serde(rename = "type")]
    pub action: ActionType,
    /// It is only said what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// How often it may be done in an hour, over all Forks of the rule; then a person is needed.
    #[serde(default = "limit")]
    #[schemars(range(min = 1, max = 100))]
    pub limit_per_hour: i64,
    /// How long AttackChallenge lasts; an hour by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 300, max = 86_400))]
    pub duration_seconds: Option<i64>,
}

fn limit() -> i64 {
    1
}

/// What is done.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActionType {
    /// The release that served before serves again, if the one that serves came less than a day ago.
    Rollback,
    /// No release of the Fork is promoted while it fires.
    FreezeReleases,
    /// The project is paused: its visitors get nothing until a person resumes it at Vercel.
    PauseProject,
    /// Visitors have to prove that they are browsers, for `durationSeconds`.
    AttackChallenge,
}

/// Nobody is told of some alerts for a while.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// Who wants it.
    #[schemars(length(min = 1, max = 100))]
    pub owner: String,
    /// Why.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// When it ends.
    pub until: Time,
    /// Labels that the Fork must have; alerts of all Forks without.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 10), inner(length(max = 63)))]
    pub match_labels: BTreeMap<String, String>,
}

/// A rule of which a firing alert hides those of this one.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct InhibitedBy {
    /// Name of the rule, in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub rule: String,
    /// Labels of which both Forks must have the same value; without, it must be the same Fork.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), inner(length(min = 1, max = 317)))]
    pub equal: Vec<String>,
}
