//! The page that tells everybody whether a product works.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A page at `/status/NAMESPACE/NAME` of the server that tells whether the product works, how it was in the last 90 days,
/// and when it was down. It says nothing of what is inside: no names of probes, releases or repositories.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct StatusPage {
    /// Headline; `displayName`, or the name of the Fork, by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub title: Option<String>,
    /// Whether everybody may read it, or only who may read the other pages.
    #[serde(default = "yes")]
    pub is_public: bool,
    /// Parts of the product that are told of by themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub components: Vec<StatusComponent>,
}

fn yes() -> bool {
    true
}

/// A part of the product.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct StatusComponent {
    /// What everybody calls it.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Name of the probe that tells how it is; that of a default probe is its host name.
    #[schemars(length(min = 1, max = 253))]
    pub probe: String,
}
