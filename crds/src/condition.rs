//! Conditions in the shape of `metav1.Condition`, as a `list-type: map` keyed by type.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{self, Time};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A `metav1.Condition` whose short words need no room of their own: a large fleet has hundreds of thousands of them.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    #[serde(rename = "type")]
    pub type_: SmolStr,
    pub status: ConditionStatus,
    /// CamelCase.
    #[serde(default)]
    pub reason: SmolStr,
    /// For people.
    #[serde(default)]
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When its status became another one.
    pub last_transition_time: Time,
}

/// Whether a condition holds. What somebody else wrote and is none of these counts as unknown.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionStatus {
    True,
    False,
    #[default]
    #[serde(other)]
    Unknown,
}

impl ConditionStatus {
    /// The word of the Kubernetes API for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Schema of `status.conditions`: at most 24 entries, one per type.
pub fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<v1::Condition>();
    json_schema!({
        "type": "array",
        "items": item,
        "maxItems": 24,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    })
}
