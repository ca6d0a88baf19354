//! The hosting project of a product.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The Vercel project of the product, linked to its repository.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Name of the project; also the first label of its `vercel.app` address. A change renames it.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$"))]
    pub name: String,
    /// Id of the Vercel team (`team_…`); that of the credentials if absent. Immutable in effect: a project is never moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^team_[A-Za-z0-9_]+$"))]
    pub team_id: Option<String>,
    /// Framework preset, such as `nextjs`; none if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    pub framework: Option<String>,
    /// Folder of the repository that is built; its root if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub root_directory: Option<String>,
    /// Command that installs dependencies; the framework's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub install_command: Option<String>,
    /// Command that builds; the framework's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub build_command: Option<String>,
    /// Folder that the build writes; the framework's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub output_directory: Option<String>,
    /// Major version of Node.js; Vercel's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_version: Option<NodeVersion>,
    /// Serverless functions; what is absent is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub functions: Option<Box<Functions>>,
    /// Custom environments that track a branch. On plans without them the branch's preview environment stands in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub environments: Vec<ProjectEnvironment>,
    /// Who may open deployments; left alone if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<DeploymentProtection>,
}

/// A major version of Node.js that Vercel builds with.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeVersion {
    #[serde(rename = "20")]
    V20,
    #[serde(rename = "22")]
    V22,
    #[serde(rename = "24")]
    V24,
}

/// Serverless functions of a project.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Functions {
    /// Regions that functions run in, such as `iad1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20), inner(length(min = 4, max = 4)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub regions: Option<Vec<String>>,
    /// Memory class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<FunctionMemory>,
    /// Longest run in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 900))]
    pub max_duration_seconds: Option<i32>,
    /// Fluid compute: one instance serves several requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fluid: Option<bool>,
}

/// Memory class of functions.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionMemory {
    Standard,
    Performance,
}

/// A custom environment that tracks a branch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = ("!(self.name in ['production', 'preview', 'development'])", "production, preview and development exist in every project"))]
pub struct ProjectEnvironment {
    /// Name, which is also its slug.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// Branch that is deployed to it.
    #[schemars(length(min = 1, max = 250))]
    pub branch: String,
}

/// Who may open deployments without logging in to Vercel.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentProtection {
    /// Deployments that ask for a login.
    pub login: LoginProtection,
}

/// Deployments that ask for a Vercel login.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginProtection {
    /// None.
    Off,
    /// Previews.
    Preview,
    /// All addresses but the custom domains of production.
    Standard,
    /// Every deployment.
    All,
}
