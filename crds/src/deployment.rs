//! `Deployment`: one release of one commit. Never to be confused with `apps/v1`.

#![expect(clippy::duplicated_attributes, reason = "each printer column has a type_, a name and a path of its own")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    condition::{Condition, conditions},
    fork::LocalRef,
    rollout::{
        self, Analysis, AnalysisRun, ApprovalStatus, Bake, CanaryStatus, CanaryStep, FreezeOverride, Gates, Migration,
        PullRequestRef, RevertStatus, Rollback, RollbackTarget, Supersede, WorkflowRun,
    },
};

/// One release: which commit of which Fork goes where, and how.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "forkable.dev",
    version = "v1alpha1",
    kind = "Deployment",
    namespaced,
    status = "DeploymentStatus",
    derive = "PartialEq",
    category = "forkable",
    shortname = "fdep",
    doc = "One release of one commit of a Fork.",
    printcolumn(name = "Fork", type_ = "string", json_path = ".spec.forkRef.name"),
    printcolumn(name = "Commit", type_ = "string", json_path = ".status.commit.sha"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.forkRef == oldSelf.forkRef").message("forkRef is immutable").field_path(".forkRef"),
    validation = Rule::new("self.source == oldSelf.source").message("source is immutable: make a new Deployment for another commit").field_path(".source"),
    validation = rollout::needs_promotion(),
    validation = rollout::canary_needs_way_back(),
    validation = Rule::new("has(self.source.commit) || !has(self.gates) || (!has(self.gates.checks) && !has(self.gates.reviews) && !has(self.gates.after) && !(has(self.gates.separationOfDuties) && self.gates.separationOfDuties))").message("gates.checks, reviews, after and separationOfDuties are about a commit: name it in source.commit").field_path(".source"),
    validation = rollout::bake_needs_analysis(),
    validation = Rule::new("self.strategy.type == 'Immediate' || self.environment == 'Production'").message("BlueGreen and Canary are for the environment Production: only its domains are promoted").field_path(".strategy"),
    validation = Rule::new("self.strategy == oldSelf.strategy").message("strategy is immutable: make a new Deployment").field_path(".strategy"),
    validation = Rule::new("!has(self.pullRequest) || (self.environment == 'Preview' && has(self.source.commit))").message("pullRequest is for the environment Preview and source.commit").field_path(".pullRequest"),
    validation = Rule::new("has(self.pullRequest) == has(oldSelf.pullRequest) && (!has(self.pullRequest) || self.pullRequest == oldSelf.pullRequest)").message("pullRequest is immutable").field_path(".pullRequest"),
    validation = Rule::new("self.environment == oldSelf.environment").message("environment is immutable").field_path(".environment")
)]
pub struct DeploymentSpec {
    /// The Fork in the same namespace.
    pub fork_ref: LocalRef,
    /// What is released.
    pub source: Source,
    /// `Production`, `Preview` or a name in the Fork's `project.environments`.
    #[serde(default = "production")]
    #[schemars(length(min = 1, max = 32))]
    pub environment: String,
    /// How it goes live.
    #[serde(default)]
    pub strategy: Strategy,
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
    /// Revision of the Fork's environment variables that it is built with; set by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub env_revision: Option<String>,
    /// Which release of its Fork it is, counted up from 1; set by the operator. One that a person made has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub revision: Option<i64>,
    /// The pull request that it is a preview of; set by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<PullRequestRef>,
}

fn production() -> String {
    "Production".into()
}

/// A commit, directly or as the head of a branch: exactly one member.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = ("has(self.commit) != has(self.ref)", "exactly one of commit and ref must be set"))]
pub struct Source {
    /// Full id of a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 40, max = 40), regex(pattern = r"^[0-9a-f]{40}$"))]
    pub commit: Option<String>,
    /// Branch whose newest commit is taken once, when the release begins.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250))]
    pub git_ref: Option<String>,
}

/// How a release goes live.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(
    validation = Rule::new("has(self.steps) == (self.type == 'Canary')").message("steps are for strategy.type Canary, which needs them").field_path(".steps"),
    validation = Rule::new("!has(self.steps) || [1, 2, 3, 4, 5, 6, 7, 8].all(i, i >= size(self.steps) || self.steps[i - 1].weight < self.steps[i].weight)").message("each step needs a greater weight than the one before; after the last one the release gets 100 %").field_path(".steps")
)]
pub struct Strategy {
    /// Name of the strategy.
    #[serde(default, rename = "type")]
    pub strategy_type: StrategyType,
    /// What part of the visitors a canary gets, step by step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 9))]
    pub steps: Option<Vec<CanaryStep>>,
}

/// Name of a strategy.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StrategyType {
    /// Live as soon as it is built.
    #[default]
    Immediate,
    /// Built without the domains, judged on its own address, and promoted; what served before stays ready to serve again.
    BlueGreen,
    /// Likewise, and promoted step by step: `steps` of the visitors, then all. Needs a Vercel plan with rolling releases.
    Canary,
}

/// What became of a release.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling`, `Stalled` by the rules of kstatus, `Built`, `Live`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// For display only: `Pending`, `Building`, `Live`, `Superseded` or `Failed`; with BlueGreen also `Gated`,
    /// `Verifying`, `AwaitingApproval`, `Migrating`, `Promoting`, with Canary `Shifting` and `Advancing`, `Baking`, `Frozen`,
    /// `Healthy`, `RollingBack`, `RolledBack` and `Aborted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub phase: Option<String>,
    /// The commit, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitStatus>,
    /// Vercel's id of the deployment, once created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub deployment_id: Option<String>,
    /// Address of this deployment itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// When the build was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
    /// When the release came to its end, well or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// What an approval must name: it changes with commit and build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub candidate: Option<String>,
    /// Who let it go live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Box<ApprovalStatus>>,
    /// The run that waits for the reviewers of `gates.approvalEnvironment`, from the intent to have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_run: Option<Box<WorkflowRun>>,
    /// The freeze that it went live in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze_override: Option<Box<FreezeOverride>>,
    /// The run of its migration, from the intent to have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<Box<WorkflowRun>>,
    /// What served when it was to be promoted, and serves again after a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_to: Option<Box<RollbackTarget>>,
    /// What became of it in Git after a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revert: Option<Box<RevertStatus>>,
    /// When its last promotion or rollback was to be asked for, by this program's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intended_at: Option<Time>,
    /// How far it is, with strategy.type Canary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Box<CanaryStatus>>,
    /// Its analyses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 11))]
    pub analysis_runs: Vec<AnalysisRun>,
}

/// A commit for people.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct CommitStatus {
    /// Full id.
    #[schemars(length(max = 64))]
    pub sha: String,
    /// First line of its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message: Option<String>,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub author: Option<String>,
}
