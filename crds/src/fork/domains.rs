//! Domains of a product.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A domain of the product.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!has(self.redirectStatus) || has(self.redirectTo)", "redirectStatus needs redirectTo"),
    validation = ("!has(self.redirectTo) || !has(self.environment)", "a redirect belongs to no environment: set only one of redirectTo and environment")
)]
pub struct Domain {
    /// Name, such as `acme.example.com` or `*.acme.example.com`.
    #[schemars(
        length(min = 4, max = 253),
        regex(pattern = r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$")
    )]
    pub name: String,
    /// Another domain of the product that this one redirects to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 4, max = 253))]
    pub redirect_to: Option<String>,
    /// HTTP status of the redirect: 301, 302, 307 or 308; 308 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("self in [301, 302, 307, 308]", "must be 301, 302, 307 or 308"))]
    pub redirect_status: Option<i32>,
    /// `Production` (if absent) or the name of an entry of `project.environments`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub environment: Option<String>,
}
