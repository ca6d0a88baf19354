//! Where objects live: in a folder and a SQLite file of one machine, or in the Kubernetes API.

pub mod kubernetes;
pub mod local;

use std::collections::BTreeMap;

use async_trait::async_trait;
use forkable_core::{DigestKey, Secret, store::StoreError};
use forkable_crds::Fork;

/// What a host keeps beside Forks and Deployments, as far as a preview of them has to know it.
#[async_trait]
pub trait Beside: Send + Sync {
    /// The data of a Secret; `None` if there is none.
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Secret>>, StoreError>;

    /// The data of a ConfigMap; `None` if there is none.
    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, StoreError>;

    /// Those of the values of these names that were generated for a Fork already.
    async fn generated(&self, fork: &Fork, names: Vec<String>) -> Result<BTreeMap<String, Secret>, StoreError>;

    /// The key of all digests.
    async fn digest_key(&self) -> Result<DigestKey, StoreError>;
}
