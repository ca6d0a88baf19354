//! One namespace of the cluster with a sandbox of its own.

use serde_json::Value;

use super::{Audited, Cluster, is_write};
use crate::{Output, World};

pub struct Namespace<'a> {
    pub cluster: &'a Cluster,
    pub name: String,
    /// The sandbox, and the environment that leads to it.
    pub world: World,
}

impl<'a> Namespace<'a> {
    pub(super) async fn new(cluster: &'a Cluster, name: String) -> Self {
        Self { cluster, name, world: World::start().await }
    }

    /// kubectl in this namespace, which must succeed; what it printed.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        self.cluster.kubectl(&[&["--namespace", &self.name], arguments].concat()).await
    }

    /// kubectl in this namespace, however it ends.
    pub async fn try_kubectl(&self, arguments: &[&str]) -> Output {
        self.cluster.try_kubectl(&[&["--namespace", &self.name], arguments].concat()).await
    }

    /// `kubectl apply` of a text, which must succeed.
    pub async fn apply(&self, manifest: &str) -> String {
        self.cluster.apply(manifest, &["--namespace", &self.name]).await
    }

    /// `kubectl apply` of a text, however it ends.
    pub async fn try_apply(&self, manifest: &str) -> Output {
        self.cluster.try_apply(manifest, &["--namespace", &self.name]).await
    }

    /// A Fork or a Deployment (`forks`, `deployments`); `Null` if there is none.
    pub async fn get(&self, resource: &str, name: &str) -> Value {
        self.cluster.get(&format!("/apis/forkable.dev/v1alpha1/namespaces/{}/{resource}/{name}", self.name)).await
    }

    /// What was changed here, or asked to be, by whom the text is part of the name.
    pub fn writes_of(&self, user: &str) -> Vec<Audited> {
        let mut calls = self.cluster.audit();
        calls.retain(|call| call.namespace == self.name && is_write(&call.verb) && call.user.contains(user));
        calls
    }
}

/// Whether an object is Ready as it is now.
pub fn is_ready(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
        && condition(object, "Ready")["status"] == "True"
}

/// A condition of an object; `Null` if it has none of that type.
pub fn condition<'a>(object: &'a Value, condition: &str) -> &'a Value {
    let mut conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.find(|found| found["type"] == condition).unwrap_or(&Value::Null)
}
