//! Who is told of alerts, and when.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::fork::KeyRef;

/// One channel.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Notify {
    /// A JSON document by POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// A JSON document by POST, signed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Key of a Secret in the same namespace with the URL.
    pub url_secret_ref: KeyRef,
}

/// Which alerts make one message, and when it is sent.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Grouping {
    /// How long to wait for more of a group before the first message.
    #[serde(default = "wait_seconds")]
    #[schemars(range(min = 0, max = 3600))]
    pub wait_seconds: i64,
}

fn wait_seconds() -> i64 {
    5
}

impl Default for Grouping {
    fn default() -> Self {
        Self { wait_seconds: wait_seconds() }
    }
}
