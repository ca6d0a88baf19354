//! Environment variables of a product.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{KeyRef, LocalRef};

/// An environment variable of the hosting project.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.value) != has(self.valueFrom)", "exactly one of value and valueFrom must be set"),
    validation = ("!has(self.branch) || (has(self.environments) && self.environments == ['Preview'])", "branch needs environments: [Preview]"),
    validation = ("!self.sensitive || (has(self.environments) && !('Development' in self.environments))", "Vercel has no sensitive variables in Development")
)]
pub struct EnvVar {
    /// Name of the variable. It may occur more than once for different environments or branches.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub value: Option<String>,
    /// Where its value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvSource>,
    /// `Production`, `Preview`, `Development` or names of `project.environments`.
    #[serde(default = "production_and_preview")]
    #[schemars(length(min = 1, max = 15), inner(length(min = 1, max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub environments: Vec<String>,
    /// Branch of the Preview environment that it is for; every branch if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 250))]
    pub branch: Option<String>,
    /// Nobody can read the value back, not even this program.
    #[serde(default)]
    pub sensitive: bool,
}

pub(crate) fn production_and_preview() -> Vec<String> {
    vec!["Production".into(), "Preview".into()]
}

/// Where the value of a variable comes from: exactly one member.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.generate)].filter(x, x).size() == 1", "exactly one of secretKeyRef, configMapKeyRef and generate must be set"))]
pub struct EnvSource {
    /// Key of a Secret in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
    /// Key of a ConfigMap in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
    /// A random value that is made once and kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,
}

/// A random value that is made once and kept.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Generate {
    /// Characters, of `A-Z a-z 0-9`.
    #[serde(default = "generated_length")]
    #[schemars(range(min = 16, max = 128))]
    pub length: i32,
}

fn generated_length() -> i32 {
    32
}

/// A Secret or ConfigMap of which every key becomes a variable.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.secretRef) != has(self.configMapRef)", "exactly one of secretRef and configMapRef must be set"),
    validation = ("!self.sensitive || !('Development' in self.environments)", "Vercel has no sensitive variables in Development")
)]
pub struct EnvFrom {
    /// A Secret in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalRef>,
    /// A ConfigMap in the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<LocalRef>,
    /// Put before every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub prefix: Option<String>,
    /// `Production`, `Preview`, `Development` or names of `project.environments`.
    #[serde(default = "production_and_preview")]
    #[schemars(length(min = 1, max = 15), inner(length(min = 1, max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub environments: Vec<String>,
    /// Nobody can read the values back, not even this program.
    #[serde(default)]
    pub sensitive: bool,
}

/// What happens to environment variables that this Fork did not make.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvPolicy {
    /// They are left alone.
    #[default]
    Merge,
    /// They are deleted, except those that an integration owns.
    Exclusive,
}
