//! How a release that is promoted goes live: what it waits for, how it is judged, what happens when it is bad.

mod analysis;
mod canary;
mod gates;
mod metrics;
mod migration;
mod previews;
mod status;
mod workflow;

use kube::{KubeSchema, core::Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    analysis::{Analysis, OnNoData},
    canary::{CanaryStatus, CanaryStep},
    gates::{After, Approval, Day, FreezeWindow, GateCheck, Gates, Reviews},
    metrics::{Comparison, HeaderMatch, HeaderSource, HttpProbe, Latency, PrometheusQuery, RequestHeader},
    migration::{Migration, WorkflowRun},
    previews::{PreviewComment, PreviewStatus, Previews, PullRequestRef},
    status::{AnalysisRun, ApprovalStatus, FreezeOverride, Latencies, Measurement, RevertStatus, RollbackTarget},
    workflow::{ApprovalEnvironment, Job, JobStage},
};

/// What only a release has that is promoted.
pub(crate) fn needs_promotion() -> Rule {
    Rule::new("self.strategy.type != 'Immediate' || (!has(self.gates) && !has(self.migration) && !has(self.analysis) && !has(self.bake) && !has(self.rollback) && !has(self.supersede))")
        .message("gates, migration, analysis, bake, rollback and supersede need strategy.type BlueGreen or Canary: with Immediate a release is live as soon as it is built")
        .field_path(".strategy")
}

pub(crate) fn canary_needs_way_back() -> Rule {
    Rule::new("self.strategy.type != 'Canary' || !has(self.migration) || self.migration.reversible")
        .message("an irreversible migration cannot go with Canary: what served before and the new release serve side by side, and only one of them knows the data")
        .field_path(".migration")
}

pub(crate) fn bake_needs_analysis() -> Rule {
    Rule::new("!has(self.bake) || (has(self.analysis) && ((has(self.analysis.http) && self.analysis.http.size() > 0) || (has(self.analysis.prometheus) && self.analysis.prometheus.size() > 0) || (has(self.analysis.alertRules) && self.analysis.alertRules.size() > 0) || (has(self.analysis.job) && 'Live' in self.analysis.job.stages)))")
        .message("bake needs analysis of the live site: http, prometheus, alertRules, or a job with the stage Live; without, nothing tells that the release is bad")
        .field_path(".bake")
}

/// How long the live site is watched after the promotion.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Bake {
    /// How long; a release that is good until then is healthy.
    #[schemars(range(min = 5, max = 86_400))]
    pub duration_seconds: i64,
}

/// What happens to a release that turns out bad while it bakes. One that is bad in a step of a canary always goes back.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// What served before serves again, at once. Otherwise the release fails and goes on serving until a person acts.
    #[serde(default = "yes")]
    pub automatic: bool,
    /// A pull request is opened that takes the commit back that was rolled back, if it is the newest of the production
    /// branch, so that Git and production agree.
    #[serde(default)]
    pub revert_pull_request: bool,
}

impl Default for Rollback {
    fn default() -> Self {
        Self { automatic: true, revert_pull_request: false }
    }
}

fn yes() -> bool {
    true
}

/// What a newer release does to one that is under way. Two never promote at once.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Supersede {
    /// It waits until the older is over.
    #[default]
    Queue,
    /// The older is aborted, unless it is being promoted already.
    Replace,
}
