//! `Fork`: one product made from a template, and all that exists for it outside.

mod domains;
mod env;
mod monitoring;
mod project;
mod release;
mod repository;
mod status;
mod status_page;
mod template;

pub use domains::*;
pub use env::*;
pub use monitoring::*;
pub use project::*;
pub use release::*;
pub use repository::*;
pub use status::*;
pub use status_page::*;
pub use template::*;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a product should be: its template, repository, hosting project, domains and environment.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "forkable.dev",
    version = "v1alpha1",
    kind = "Fork",
    namespaced,
    status = "ForkStatus",
    derive = "PartialEq",
    category = "forkable",
    shortname = "frk",
    doc = "A product made from a template application: repository, hosting project, domains, environment and releases.",
    validation = Rule::new("size(self.metadata.name) <= 52").message("metadata.name may be at most 52 characters, so that names of releases fit"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Repository", type_ = "string", json_path = ".status.repository.fullName", priority = 1),
    printcolumn(name = "Available", type_ = "string", json_path = ".status.conditions[?(@.type==\"Available\")].status", priority = 1),
    printcolumn(name = "Release", type_ = "string", json_path = ".status.currentRelease.name"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.template.owner == oldSelf.template.owner && self.template.repo == oldSelf.template.repo").message("template.owner and template.repo are immutable: make a new Fork for another template").field_path(".template"),
    validation = Rule::new("self.template.mode == oldSelf.template.mode").message("template.mode is immutable").field_path(".template.mode"),
    validation = ("!has(self.domains) || !has(self.project) || self.domains.all(d, !has(d.environment) || d.environment == 'Production' || (has(self.project.environments) && self.project.environments.exists(e, e.name == d.environment)))", "domains[].environment must be Production or a name in project.environments"),
    validation = ("!has(self.domains) || self.domains.all(d, !has(d.redirectTo) || self.domains.exists(t, t.name == d.redirectTo && !has(t.redirectTo)))", "domains[].redirectTo must name another entry of domains that is not itself a redirect")
)]
pub struct ForkSpec {
    /// Name of the product for people; also `{{ displayName }}` in files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub display_name: Option<String>,
    /// The GitHub repository that this fork is made from.
    pub template: Template,
    /// The GitHub repository of the product.
    pub repository: Repository,
    /// The Vercel project of the product.
    pub project: Project,
    /// Domains of the product. DNS records that are still missing are listed in `status.domains`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub domains: Vec<Domain>,
    /// Environment variables of the hosting project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub env: Vec<EnvVar>,
    /// Secrets and ConfigMaps of which every key becomes an environment variable; `env` wins over them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub env_from: Vec<EnvFrom>,
    /// What happens to environment variables that this Fork did not make.
    #[serde(default)]
    pub env_policy: EnvPolicy,
    /// How releases are made for new commits of the production branch.
    #[serde(default)]
    pub release: Release,
    /// How it is known whether the product works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Box<Monitoring>>,
    /// Secret in the same namespace with the keys `githubToken` (or `githubAppId`, `githubAppInstallationId`,
    /// `githubAppPrivateKey`), `vercelToken` and optionally `vercelTeamId`. The operator's own by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<LocalRef>,
    /// `Full` changes what differs, `ObserveOnly` only reports it.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// What happens outside when the Fork is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Stops all changes outside until it is removed or its time has come; deletion still works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<Box<Suspend>>,
}

/// The name of an object in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct LocalRef {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
}

/// One key of a Secret or ConfigMap in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct KeyRef {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Key in its data.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// Whether differences outside are changed or only reported.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ManagementPolicy {
    #[default]
    Full,
    ObserveOnly,
}

/// What happens outside when a Fork is deleted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// Everything stays as it is.
    #[default]
    Retain,
    /// The repository is archived and the project paused.
    Archive,
    /// Project and repository are deleted, if they are provably of this Fork.
    Delete,
}

/// A stop of all changes outside.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Suspend {
    /// Why, for people who look later.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// When changes go on by themselves; never, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}
