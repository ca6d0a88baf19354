//! Fetches what a Fork refers to: Secrets, ConfigMaps, generated values, credentials.

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
};

use forkable_core::{
    Secret,
    fork::validate::{self, Invalid, Resolved},
    release::analysis::Secrets,
    store::{Kind, Store, StoreError},
};
use forkable_crds::Fork;
use rand::{Rng, distr::Alphanumeric};

use crate::{accounts::Account, context::Context};

/// Everything that the spec refers to, as it is now; what is missing is absent.
pub(crate) async fn references<S: Store>(store: &S, fork: &Fork) -> Result<Resolved, StoreError> {
    let namespace = fork.namespace();
    let validate::References { secrets, config_maps, generated } = validate::references(&fork.spec);
    let secrets = self::secrets(store, namespace, &secrets.iter().map(String::as_str).collect()).await?;
    let mut resolved = Resolved { secrets, ..Resolved::default() };
    for name in config_maps {
        if let Some(data) = store.config_map(namespace, &name).await? {
            resolved.config_maps.insert(name, data);
        }
    }
    if !generated.is_empty() {
        let candidate = |length| rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect::<String>();
        let candidates = generated.into_iter().map(|(name, length)| (name, Secret::new(candidate(length))));
        resolved.generated = store.generated(fork, candidates.collect()).await?;
    }
    Ok(resolved)
}

/// The data of these Secrets by their names; what is missing is absent.
pub(crate) async fn secrets<S: Store>(
    store: &S,
    namespace: &str,
    names: &BTreeSet<&str>,
) -> Result<Secrets, StoreError> {
    let mut found = Secrets::new();
    for name in names {
        if let Some(data) = store.secret(namespace, name).await? {
            found.insert((*name).into(), data);
        }
    }
    Ok(found)
}

/// The account that calls for the Fork are made with.
pub(crate) async fn account<S: Store>(
    context: &Context<S>,
    fork: &Fork,
) -> Result<Result<Arc<Account>, Invalid>, StoreError> {
    let invalid =
        |reason, message| Err(Invalid { field: "spec.credentialsRef".into(), reason, message, transient: true });
    let Some(reference) = &fork.spec.credentials_ref else {
        return Ok(context.accounts.own().or_else(|error| invalid("CredentialsInvalid", error)));
    };
    let name = &reference.name;
    let namespace = fork.namespace();
    let Some(data) = context.store.secret(namespace, name).await? else {
        let message = format!(
            "Secret {name} is missing: create it with the keys githubToken and vercelToken, in the folder or with \
             `kubectl create secret generic {name} -n {namespace} --from-literal=githubToken=… --from-literal=vercelToken=…`"
        );
        return Ok(invalid("SecretNotFound", message));
    };
    let account = context.accounts.of_secret(&data);
    Ok(account.or_else(|error| invalid("CredentialsInvalid", format!("Secret {name}: {error}"))))
}

/// Changes when anything changes that may let a failed step succeed: spec, annotations, values, credentials.
/// Lives in memory only.
pub(super) fn fingerprint(fork: &Fork, resolved: &Resolved, account: &Account) -> u64 {
    let Resolved { secrets, config_maps, generated } = resolved;
    let mut hasher = DefaultHasher::new();
    fork.uid().hash(&mut hasher);
    fork.generation().hash(&mut hasher);
    fork.metadata.annotations.hash(&mut hasher);
    for (name, data) in secrets {
        name.hash(&mut hasher);
        for (key, value) in data {
            (key, value.expose()).hash(&mut hasher);
        }
    }
    config_maps.hash(&mut hasher);
    for (name, value) in generated {
        (name, value.expose()).hash(&mut hasher);
    }
    account.key.hash(&mut hasher);
    hasher.finish()
}
