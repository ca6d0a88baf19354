//! What Forkable reports of a Fork.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::{
    condition::{Condition, conditions},
    rollout::PreviewStatus,
};

/// What exists for the Fork, and what keeps it from being as the manifest says.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ForkStatus {
    /// Generation of the manifest that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Reconciling` and `Stalled` by the rules of kstatus, and one per facet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Address of the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// The repository, followed by id through renames and transfers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<RepositoryStatus>,
    /// The hosting project, followed by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectStatus>,
    /// Files that Forkable wrote, with the blob it wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 65))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub files: Vec<FileStatus>,
    /// Deployment environments of the repository that Forkable wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub environments: Vec<EnvironmentStatus>,
    /// Security features as Forkable last set them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<SecurityStatus>,
    /// GitHub Actions secrets that Forkable wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub secrets: Vec<SecretStatus>,
    /// GitHub Actions variables that Forkable wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub variables: Vec<SecretStatus>,
    /// Environment variables that Forkable wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub env: Vec<EnvStatus>,
    /// Domains, with the DNS records that a person still has to make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub domains: Vec<DomainStatus>,
    /// The release that serves the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_release: Option<Box<ReleaseStatus>>,
    /// Previews of pull requests, and comments on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["pullRequest".into()]))]
    pub previews: Vec<PreviewStatus>,
    /// Creations that were begun and of which the answer is not known yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub pending: Vec<PendingCreate>,
}

/// A repository as GitHub knows it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryStatus {
    /// Numeric id, which stays through renames and transfers.
    pub id: i64,
    /// Id in GraphQL.
    #[schemars(length(max = 128))]
    pub node_id: String,
    /// `owner/name`.
    #[schemars(length(max = 160))]
    pub full_name: String,
    /// Address for people.
    #[schemars(length(max = 512))]
    pub html_url: String,
    /// Default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 250))]
    pub default_branch: Option<String>,
    /// Newest commit of the default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub head_sha: Option<String>,
    /// Commit of the template that the repository was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub template_sha: Option<String>,
    /// Whether Forkable made it (or adopted it) and may therefore delete it.
    #[serde(default)]
    pub owned: bool,
}

/// A project as Vercel knows it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ProjectStatus {
    /// Id, which stays through renames.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Name.
    #[schemars(length(max = 100))]
    pub name: String,
    /// Team that owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub team_id: Option<String>,
    /// Whether Forkable made it (or adopted it) and may therefore delete it.
    #[serde(default)]
    pub owned: bool,
    /// Custom environments that Forkable made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 24))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub environments: Vec<ProjectEnvironmentStatus>,
    /// Generation of the manifest for which Vercel said that the plan has no (more) custom environments; for it,
    /// previews of their branches stand in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_custom_environments: Option<i64>,
    /// Forkable keeps builds from going live by themselves, for releases that are promoted. Put back when the strategy
    /// is Immediate again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_domains: Option<bool>,
    /// The last time that something other than a person at Vercel wanted the project paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<Box<PauseStatus>>,
    /// The last wish to challenge visitors that was fulfilled, as in the annotation `forkable.dev/challenge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub challenged_for: Option<String>,
}

/// A wish to pause the project that was fulfilled.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct PauseStatus {
    /// Who wanted it, and when, as in the annotation `forkable.dev/pause`.
    #[schemars(length(max = 512))]
    pub wish: String,
    /// A person resumed the project since.
    #[serde(default)]
    pub resumed: bool,
}

/// A custom environment that Forkable made.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ProjectEnvironmentStatus {
    /// Its name, which is also its slug.
    #[schemars(length(max = 32))]
    pub name: String,
    /// Vercel's id of it.
    #[schemars(length(max = 64))]
    pub id: String,
}

/// A file that Forkable wrote.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct FileStatus {
    /// Path from the root of the repository.
    #[schemars(length(max = 255))]
    pub path: String,
    /// Git blob id of what was written.
    #[schemars(length(max = 64))]
    pub blob: String,
}

/// A deployment environment that Forkable wrote.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// Its name.
    #[schemars(length(max = 255))]
    pub name: String,
    /// Digest of its branch policy, which is seldom read back.
    #[schemars(length(max = 64))]
    pub branches_digest: String,
}

/// Security features as Forkable last set them, for what is seldom read back.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecurityStatus {
    /// Secret scanning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_scanning: Option<bool>,
    /// Push protection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_protection: Option<bool>,
    /// Dependabot alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependabot_alerts: Option<bool>,
    /// Dependabot security updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependabot_fixes: Option<bool>,
}

/// A GitHub Actions secret or variable that Forkable wrote.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretStatus {
    /// Its name.
    #[schemars(length(max = 100))]
    pub name: String,
    /// Deployment environment that it belongs to; the whole repository if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub environment: Option<String>,
    /// Keyed digest of the value; says nothing about it without the key.
    #[schemars(length(max = 64))]
    pub digest: String,
    /// When GitHub says it was last changed, as read after our write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
}

/// An environment variable that Forkable wrote.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EnvStatus {
    /// Its name.
    #[schemars(length(max = 256))]
    pub name: String,
    /// Environments, as in the manifest, sorted.
    #[schemars(length(max = 15), inner(length(max = 32)))]
    pub environments: Vec<String>,
    /// Branch of Preview.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 250))]
    pub branch: Option<String>,
    /// Vercel's id of the row; empty while it is not known whether a failed write has made it.
    #[schemars(length(max = 64))]
    pub id: String,
    /// Keyed digest of the value; says nothing about it without the key.
    #[schemars(length(max = 64))]
    pub digest: String,
    /// Whether it was written as sensitive.
    #[serde(default)]
    pub sensitive: bool,
    /// Vercel's time of the last change, in milliseconds since 1970, as answered to our write.
    #[serde(default)]
    pub updated_at: i64,
}

/// A domain and what is still missing for it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DomainStatus {
    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Whether Vercel accepts that the team owns it.
    pub verified: bool,
    /// Whether DNS leads to Vercel.
    pub configured: bool,
    /// DNS records that a person still has to make.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub records: Vec<DnsRecord>,
    /// Its TLS certificate, once issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateStatus>,
}

/// A DNS record.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DnsRecord {
    /// `A`, `CNAME`, `TXT` or `NS`.
    #[serde(rename = "type")]
    #[schemars(length(max = 8))]
    pub record_type: String,
    /// Full name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Value.
    #[schemars(length(max = 512))]
    pub value: String,
}

/// A TLS certificate.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct CertificateStatus {
    /// When it ends.
    pub expires_at: Time,
}

/// The release that serves the product.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    /// Name of the Deployment.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its commit.
    #[schemars(length(max = 64))]
    pub commit: String,
    /// Revision of the environment variables that it was built with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub env_revision: Option<String>,
}

/// A creation that was begun.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PendingCreate {
    /// What is being created, such as `repository`.
    #[schemars(length(max = 64))]
    pub what: String,
    /// Name that it is created under, such as `acme-inc/acme`.
    #[schemars(length(max = 253))]
    pub name: String,
    /// When it was begun.
    pub since: Time,
}
