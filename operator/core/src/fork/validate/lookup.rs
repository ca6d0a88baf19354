//! Finds values that a spec refers to, and collects what is wrong with it.

use std::collections::BTreeMap;

use forkable_crds::fork::{KeyRef, LocalRef};

use super::{Invalid, Resolved};
use crate::Secret;

/// Keys that a message names at most.
const NAMED_KEYS: usize = 8;

pub(super) struct Lookup<'a> {
    namespace: &'a str,
    resolved: &'a Resolved,
    invalid: Vec<Invalid>,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(namespace: &'a str, resolved: &'a Resolved) -> Self {
        Self { namespace, resolved, invalid: Vec::new() }
    }

    /// Only another spec helps.
    pub(super) fn refuse(&mut self, field: impl Into<String>, reason: &'static str, message: impl Into<String>) {
        self.invalid.push(Invalid { field: field.into(), reason, message: message.into(), transient: false });
    }

    /// May heal without another spec.
    pub(super) fn miss(&mut self, field: impl Into<String>, reason: &'static str, message: impl Into<String>) {
        self.invalid.push(Invalid { field: field.into(), reason, message: message.into(), transient: true });
    }

    pub(super) fn finish(self) -> Result<(), Vec<Invalid>> {
        if self.invalid.is_empty() { Ok(()) } else { Err(self.invalid) }
    }

    pub(super) fn generated(&mut self, field: &str, name: &str) -> Option<Secret> {
        let value = self.resolved.generated.get(name).cloned();
        if value.is_none() {
            self.miss(field, "NotGenerated", format!("the value of {name} could not be generated yet"));
        }
        value
    }

    pub(super) fn secret_key(&mut self, field: &str, key: &KeyRef) -> Option<Secret> {
        let data = self.data("Secret", &self.resolved.secrets, field, &key.name, Some(&key.key))?;
        self.entry("Secret", data, field, key)
    }

    pub(super) fn config_map_key(&mut self, field: &str, key: &KeyRef) -> Option<Secret> {
        let data = self.data("ConfigMap", &self.resolved.config_maps, field, &key.name, Some(&key.key))?;
        self.entry("ConfigMap", data, field, key).map(Secret::new)
    }

    pub(super) fn secret(&mut self, field: &str, secret: &LocalRef) -> Option<&'a BTreeMap<String, Secret>> {
        self.data("Secret", &self.resolved.secrets, field, &secret.name, None)
    }

    pub(super) fn config_map(&mut self, field: &str, map: &LocalRef) -> Option<&'a BTreeMap<String, String>> {
        self.data("ConfigMap", &self.resolved.config_maps, field, &map.name, None)
    }

    fn data<T>(
        &mut self,
        kind: &'static str,
        all: &'a BTreeMap<String, T>,
        field: &str,
        name: &str,
        key: Option<&str>,
    ) -> Option<&'a T> {
        let found = all.get(name);
        if found.is_none() {
            let (reason, create) = match kind {
                "Secret" => ("SecretNotFound", "secret generic"),
                _ => ("ConfigMapNotFound", "configmap"),
            };
            let namespace = self.namespace;
            let key = key.unwrap_or("KEY");
            let message = format!(
                "{kind} {name} is missing: create it with `kubectl create {create} {name} -n {namespace} \
                 --from-literal={key}=…`, or put a v1 {kind} of that name into the folder"
            );
            self.miss(field, reason, message);
        }
        found
    }

    fn entry<T: Clone>(&mut self, kind: &str, data: &BTreeMap<String, T>, field: &str, key: &KeyRef) -> Option<T> {
        let found = data.get(&key.key).cloned();
        if found.is_none() {
            let reason = if kind == "Secret" { "SecretKeyNotFound" } else { "ConfigMapKeyNotFound" };
            let known: Vec<_> = data.keys().take(NAMED_KEYS).map(String::as_str).collect();
            let known = if known.is_empty() { "none".into() } else { known.join(", ") };
            let message = format!("{kind} {} has no key {} (it has: {known}): add it", key.name, key.key);
            self.miss(field, reason, message);
        }
        found
    }
}
