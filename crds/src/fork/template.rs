//! Where a fork comes from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The GitHub repository that forks are made from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Template {
    /// User or organization that owns the template.
    #[schemars(length(min = 1, max = 39), regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$"))]
    pub owner: String,
    /// Name of the template repository.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub repo: String,
    /// Branch, tag or commit of the template that `Copy` starts from; its default branch if absent.
    /// `Template` and `Fork` always start from the default branch, as GitHub does.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250))]
    pub git_ref: Option<String>,
    /// How the repository is made.
    #[serde(default)]
    pub mode: TemplateMode,
}

/// How the repository is made from the template.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TemplateMode {
    /// GitHub's "use this template": one first commit, no shared history.
    #[default]
    Template,
    /// A GitHub fork: shared history and the template's visibility.
    Fork,
    /// The template's files in one commit of a new repository; the template need not be a template repository.
    Copy,
}
