//! The repository of a product.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::KeyRef;

/// The GitHub repository of the product.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!has(self.environments) || !has(self.secrets) || self.secrets.all(s, !has(s.environment) || self.environments.exists(e, e.name == s.environment))", "secrets[].environment must be a name in repository.environments"),
    validation = ("!has(self.environments) || !has(self.variables) || self.variables.all(v, !has(v.environment) || self.environments.exists(e, e.name == v.environment))", "variables[].environment must be a name in repository.environments"),
    validation = ("has(self.environments) || ((!has(self.secrets) || self.secrets.all(s, !has(s.environment))) && (!has(self.variables) || self.variables.all(v, !has(v.environment))))", "an environment of secrets and variables must be a name in repository.environments")
)]
pub struct Repository {
    /// User or organization that owns the repository.
    #[schemars(length(min = 1, max = 39), regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$"))]
    pub owner: String,
    /// Name of the repository. A change renames it.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub name: String,
    /// Who can see it.
    #[serde(default)]
    pub visibility: Visibility,
    /// One line for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 350))]
    pub description: Option<String>,
    /// Address shown beside the description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255), regex(pattern = r"^https?://.+$"))]
    pub homepage: Option<String>,
    /// Topics; what GitHub has beyond these is removed. Left alone if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 50), regex(pattern = r"^[a-z0-9][a-z0-9-]*$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub topics: Option<Vec<String>>,
    /// Features that can be switched on and off; what is absent is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
    /// Default branch, which is also the production branch; the template's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250))]
    pub default_branch: Option<String>,
    /// Files that are added or overwritten, all of them in one commit. A file that is taken out of the manifest is
    /// left in the repository. The commit also carries `.forkable.yaml`, which says which Fork made the repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub files: Vec<File>,
    /// Rules of the default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<Box<BranchProtection>>,
    /// Deployment environments of the repository; one that is taken out of the manifest is left in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub environments: Vec<RepositoryEnvironment>,
    /// GitHub Actions secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub secrets: Vec<ActionsSecret>,
    /// GitHub Actions variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub variables: Vec<ActionsVariable>,
    /// Security features; what is absent is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,
}

/// Who can see a repository.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    #[default]
    Private,
    Public,
    /// Everybody of the enterprise.
    Internal,
}

/// Switches of a repository; what is absent is left alone.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    /// Issues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issues: Option<bool>,
    /// Wiki.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wiki: Option<bool>,
    /// Projects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projects: Option<bool>,
    /// Discussions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discussions: Option<bool>,
    /// Delete a branch once its pull request is merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_branch_on_merge: Option<bool>,
}

/// A file of the repository that Forkable writes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct File {
    /// Path from the root of the repository.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^/\\].*[^/]$|^[^/\\]$"))]
    pub path: String,
    /// Text, in which `{{ path.in.spec }}`, `{{ metadata.name }}` and `{{ metadata.namespace }}` are filled in.
    /// `${{ … }}` of GitHub Actions is left as it is; write `\{{` for two literal braces.
    #[schemars(length(max = 65536))]
    pub content: String,
    /// Whether the file is overwritten after a person changed it.
    #[serde(default)]
    pub overwrite: Overwrite,
}

/// Whether a file is overwritten after a person changed it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// Never overwrite what a person changed.
    #[default]
    IfUnchanged,
    /// Always bring back the content of the manifest.
    Always,
}

/// Rules of the default branch, kept as one ruleset named `forkable`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct BranchProtection {
    /// Approving reviews that a pull request needs; 0 demands a pull request without review,
    /// absent allows direct pushes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub required_reviews: Option<i32>,
    /// Checks that must have passed before a merge.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["context".into()]))]
    pub required_checks: Vec<RequiredCheck>,
    /// Refuse merge commits.
    #[serde(default)]
    pub linear_history: bool,
    /// Refuse force pushes.
    #[serde(default = "yes")]
    pub block_force_pushes: bool,
    /// Refuse deletion of the branch.
    #[serde(default = "yes")]
    pub block_deletion: bool,
}

fn yes() -> bool {
    true
}

/// A check that must have passed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RequiredCheck {
    /// Name of the check.
    #[schemars(length(min = 1, max = 100))]
    pub context: String,
    /// GitHub App that must report it (15368 is GitHub Actions); any, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub app_id: Option<i64>,
}

/// A deployment environment of the repository.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryEnvironment {
    /// Name of the environment.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Users and teams of which one must approve a job of this environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 6))]
    pub reviewers: Vec<Reviewer>,
    /// Whether the person who started a job may not approve it.
    #[serde(default)]
    pub prevent_self_review: bool,
    /// Minutes that a job waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 43200))]
    pub wait_minutes: Option<i32>,
    /// Branches that may deploy to it: every branch if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branches: Option<BranchPolicy>,
}

/// A user or a team, by GitHub's numeric id or by name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = ("has(self.user) != has(self.team)", "exactly one of user and team must be set"))]
pub struct Reviewer {
    /// Login of a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 39))]
    pub user: Option<String>,
    /// Slug of a team in the organization that owns the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub team: Option<String>,
}

/// Branches that may deploy to an environment.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = ("(has(self.protected) && self.protected) != has(self.patterns)", "exactly one of protected: true and patterns must be set"))]
pub struct BranchPolicy {
    /// Only branches with protection rules.
    #[serde(default)]
    pub protected: bool,
    /// Names and patterns of branches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 250)))]
    pub patterns: Option<Vec<String>>,
}

/// A GitHub Actions secret, encrypted for the repository before it is sent.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ActionsSecret {
    /// Name of the secret.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Z_][A-Z0-9_]*$"))]
    pub name: String,
    /// Key of a Secret in the same namespace.
    pub secret_key_ref: KeyRef,
    /// Deployment environment that it belongs to; the whole repository if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub environment: Option<String>,
}

/// A GitHub Actions variable.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ActionsVariable {
    /// Name of the variable.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Z_][A-Z0-9_]*$"))]
    pub name: String,
    /// Its value.
    #[schemars(length(max = 16384))]
    pub value: String,
    /// Deployment environment that it belongs to; the whole repository if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub environment: Option<String>,
}

/// Security features of a repository; what is absent is left alone.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!has(self.dependabotFixes) || !self.dependabotFixes || (has(self.dependabotAlerts) && self.dependabotAlerts)", "dependabotFixes needs dependabotAlerts: true"))]
pub struct Security {
    /// Find secrets in commits. On private repositories it needs GitHub Secret Protection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_scanning: Option<bool>,
    /// Refuse pushes that carry secrets. On private repositories it needs GitHub Secret Protection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push_protection: Option<bool>,
    /// Alerts for vulnerable dependencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependabot_alerts: Option<bool>,
    /// Pull requests that update vulnerable dependencies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependabot_fixes: Option<bool>,
}
