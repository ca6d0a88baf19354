//! Secrets: reading those that Forks refer to, and the two kinds that are ours: the values that are generated for a
//! Fork, and the key of all digests.

use std::{collections::BTreeMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use forkable_core::{
    DigestKey, Secret,
    fork::validate,
    store::{Kind as _, ObjectRef, StoreError},
};
use forkable_crds::{FORK_LABEL, Fork};
use k8s_openapi::api::core::v1;
use kube::api::{GetParams, Patch, PatchParams, PostParams};
use rand::{Rng as _, distr::Alphanumeric};
use serde_json::{Value, json};

use super::{
    data::{Content, DataKey, DataKind, Known},
    store::{FIELD_MANAGER, KubernetesStore, built, refused},
};

/// The Secret of the digest key, in the namespace of the process.
pub(crate) const DIGEST_KEY: &str = "forkable-digest-key";
pub(crate) const DIGEST_KEY_FIELD: &str = "key";
/// Characters of the digest key: more than 256 bits.
const DIGEST_KEY_LENGTH: usize = 48;
/// How often a write is tried that others come before.
const ATTEMPTS: usize = 3;
const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "forkable");

/// The Secret of the values that were generated for a Fork.
pub(crate) fn generated_name(fork: &str) -> String {
    format!("{fork}-generated")
}

/// The Secrets and ConfigMaps that a Fork refers to, that of its generated values included.
pub(super) fn references(fork: &Fork) -> impl Iterator<Item = DataKey> + use<> {
    let namespace = fork.namespace().to_owned();
    let validate::References { mut secrets, config_maps, generated } = validate::references(&fork.spec);
    secrets.extend(fork.spec.credentials_ref.iter().map(|credentials| credentials.name.clone()));
    if !generated.is_empty() {
        secrets.insert(generated_name(fork.name()));
    }
    let secrets = secrets.into_iter().map(|name| (DataKind::Secret, name));
    let config_maps = config_maps.into_iter().map(|name| (DataKind::ConfigMap, name));
    secrets.chain(config_maps).map(move |(kind, name)| (kind, namespace.clone(), name))
}

/// A Secret or ConfigMap, from memory unless it changed since it was read.
pub(super) async fn read(store: &KubernetesStore, key: DataKey) -> Result<Option<Arc<Content>>, StoreError> {
    let number = match store.0.data.look(&key) {
        Known::Content(content) => return Ok(content),
        Known::Ask(number) => number,
    };
    let (kind, namespace, name) = &key;
    let request = built(requests(*kind, namespace).get(name, &GetParams::default()))?;
    let read = match kind {
        DataKind::Secret => store.send(request).await.map(Content::of_secret),
        DataKind::ConfigMap => store.send(request).await.map(Content::of_config_map),
    };
    let content = match read {
        Ok(content) => Some(Arc::new(content)),
        Err(kube::Error::Api(status)) if status.is_not_found() => None,
        Err(error) => return Err(refused(&described(&key), &error)),
    };
    store.0.data.answer(key, number, content.clone());
    Ok(content)
}

/// See [`forkable_core::store::Store::generated`]. The Secret has no owner: it stays when the Fork goes.
pub(super) async fn generated(
    store: &KubernetesStore,
    fork: &ObjectRef,
    candidates: BTreeMap<String, Secret>,
) -> Result<BTreeMap<String, Secret>, StoreError> {
    let key = (DataKind::Secret, fork.namespace.clone(), generated_name(&fork.name));
    for _ in 0..ATTEMPTS {
        let stored = read(store, key.clone()).await?;
        if let Some(content) = &stored
            && content.labels.get(FORK_LABEL) != Some(&fork.name)
        {
            return Err(StoreError::Unavailable(format!(
                "the Secret {}/{} is in the place of the values that are generated for {fork}, and is not ours: it \
                 lacks the label {FORK_LABEL}={}. Rename it, or give it that label if its values are meant",
                key.1, key.2, fork.name
            )));
        }
        let values = stored.as_ref().map(|content| &content.values);
        let known = |name: &String| values.and_then(|values| values.get(name)).cloned();
        let missing = candidates.iter().filter(|(name, _)| known(name).is_none());
        let missing: BTreeMap<_, _> = missing.map(|(name, value)| (name.as_str(), value)).collect();
        if missing.is_empty() {
            return Ok(candidates.keys().filter_map(|name| Some((name.clone(), known(name)?))).collect());
        }
        let written = match stored.as_ref().and_then(|content| content.version.as_deref()) {
            None => create(store, &key, Some(&fork.name), &missing).await,
            Some(version) => add(store, &key, version, &missing).await,
        };
        match written {
            Ok(secret) => store.0.data.wrote(&key, Content::of_secret(secret)),
            // Somebody was faster: what is stored now counts.
            Err(kube::Error::Api(status)) if status.is_already_exists() || status.is_conflict() => {
                store.0.data.forget(&key);
            }
            Err(error) => return Err(refused(&described(&key), &error)),
        }
    }
    Err(StoreError::Conflict(described(&key)))
}

/// The key of all digests, made by whoever comes first.
pub(super) async fn digest_key(store: &KubernetesStore) -> Result<DigestKey, StoreError> {
    let key = (DataKind::Secret, store.0.options.own_namespace.clone(), DIGEST_KEY.to_owned());
    for _ in 0..ATTEMPTS {
        store.0.data.forget(&key);
        if let Some(content) = read(store, key.clone()).await? {
            let value = content.values.get(DIGEST_KEY_FIELD).filter(|value| !value.expose().is_empty());
            return value.cloned().map(DigestKey::new).ok_or_else(|| {
                StoreError::Unavailable(format!(
                    "the Secret {}/{DIGEST_KEY} has no value {DIGEST_KEY_FIELD}: restore it, or delete the Secret to \
                     have a new key, with which every value that cannot be read back is written anew",
                    key.1
                ))
            });
        }
        let value: String = rand::rng().sample_iter(Alphanumeric).take(DIGEST_KEY_LENGTH).map(char::from).collect();
        let value = Secret::new(value);
        let values = BTreeMap::from([(DIGEST_KEY_FIELD, &value)]);
        match create(store, &key, None, &values).await {
            Ok(_) => return Ok(DigestKey::new(value)),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => return Err(refused(&described(&key), &error)),
        }
    }
    Err(StoreError::Conflict(described(&key)))
}

async fn create(
    store: &KubernetesStore,
    (_, namespace, name): &DataKey,
    fork: Option<&str>,
    values: &BTreeMap<&str, &Secret>,
) -> Result<v1::Secret, kube::Error> {
    let mut labels = BTreeMap::from([MANAGED_BY]);
    labels.extend(fork.map(|fork| (FORK_LABEL, fork)));
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "data": encoded(values),
    });
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
    let request = requests(DataKind::Secret, namespace).create(&parameters, secret.to_string().into_bytes());
    store.send(request.map_err(kube::Error::BuildRequest)?).await
}

async fn add(
    store: &KubernetesStore,
    (_, namespace, name): &DataKey,
    version: &str,
    values: &BTreeMap<&str, &Secret>,
) -> Result<v1::Secret, kube::Error> {
    let patch = json!({ "metadata": { "resourceVersion": version }, "data": encoded(values) });
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    let request = requests(DataKind::Secret, namespace).patch(name, &parameters, &Patch::Merge(patch));
    store.send(request.map_err(kube::Error::BuildRequest)?).await
}

fn encoded(values: &BTreeMap<&str, &Secret>) -> BTreeMap<String, Value> {
    values.iter().map(|(name, value)| ((*name).to_owned(), STANDARD.encode(value.expose()).into())).collect()
}

fn requests(kind: DataKind, namespace: &str) -> kube::core::Request {
    let plural = match kind {
        DataKind::Secret => "secrets",
        DataKind::ConfigMap => "configmaps",
    };
    kube::core::Request::new(format!("/api/v1/namespaces/{namespace}/{plural}"))
}

fn described((kind, namespace, name): &DataKey) -> ObjectRef {
    let kind = match kind {
        DataKind::Secret => "Secret",
        DataKind::ConfigMap => "ConfigMap",
    };
    ObjectRef::new(kind, namespace.clone(), name.clone())
}
