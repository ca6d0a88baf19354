//! What a cluster keeps beside Forks and Deployments, read with a person's own rights.

use std::collections::BTreeMap;

use async_trait::async_trait;
use forkable_core::{
    DigestKey, Secret,
    store::{Kind as _, StoreError},
};
use forkable_crds::Fork;
use k8s_openapi::api::core::v1::ConfigMap;

use super::Cluster;
use crate::hosts::{
    Beside,
    kubernetes::{self, DIGEST_KEY, DIGEST_KEY_FIELD},
};

/// The cluster, and where its controller runs, if that is known.
pub(in crate::cli) struct Kept {
    pub(in crate::cli) cluster: Cluster,
    pub(in crate::cli) controller: Option<String>,
}

fn unavailable(error: &anyhow::Error) -> StoreError {
    StoreError::Unavailable(format!("{error:#}"))
}

#[async_trait]
impl Beside for Kept {
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Secret>>, StoreError> {
        self.cluster.secret(namespace, name).await.map_err(|error| unavailable(&error))
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        let map = self.cluster.find::<ConfigMap>(namespace, name).await.map_err(|error| unavailable(&error))?;
        Ok(map.map(|map| map.data.unwrap_or_default()))
    }

    async fn generated(&self, fork: &Fork, names: Vec<String>) -> Result<BTreeMap<String, Secret>, StoreError> {
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (namespace, name) = (fork.namespace(), fork.name());
        let values = self.cluster.secret(namespace, &kubernetes::generated_name(name)).await;
        let mut values = values.map_err(|error| unavailable(&error))?.unwrap_or_default();
        values.retain(|name, _| names.contains(name));
        Ok(values)
    }

    async fn digest_key(&self) -> Result<DigestKey, StoreError> {
        let missing = |place: &str| {
            StoreError::Unavailable(format!(
                "values are compared by digests, and the key of these, in the Secret {DIGEST_KEY} beside the controller, \
                 is missing {place}; --controller-namespace names where the controller runs"
            ))
        };
        let namespace = match &self.controller {
            Some(namespace) => Some(namespace.clone()),
            None => self.cluster.controller_namespace().await.map_err(|error| unavailable(&error))?,
        };
        let namespace = namespace.ok_or_else(|| missing("as there is no controller"))?;
        let values = self.cluster.secret(&namespace, DIGEST_KEY).await.map_err(|error| {
            unavailable(&error.context("values are compared by digests, and the controller keeps the key of these"))
        })?;
        let key = values.and_then(|mut values| values.remove(DIGEST_KEY_FIELD));
        key.map(DigestKey::new).ok_or_else(|| missing(&format!("in namespace {namespace}")))
    }
}
