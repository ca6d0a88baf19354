//! Secrets and ConfigMaps of the folder: in memory only, since a Secret must not lie in a file of ours.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use forkable_core::Secret;
use serde_json::Value;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum DataKind {
    Secret,
    ConfigMap,
}

impl DataKind {
    pub(super) fn of(kind: &str) -> Option<Self> {
        match kind {
            "Secret" => Some(Self::Secret),
            "ConfigMap" => Some(Self::ConfigMap),
            _ => None,
        }
    }

    /// Names of the fields that refer to one.
    fn references(self) -> &'static [&'static str] {
        match self {
            Self::Secret => &["secretKeyRef", "secretRef", "credentialsRef"],
            Self::ConfigMap => &["configMapKeyRef", "configMapRef"],
        }
    }
}

/// Kind, namespace and name.
pub(super) type DataKey = (DataKind, String, String);

struct Entry {
    values: BTreeMap<String, Secret>,
    source: String,
}

/// What is in memory.
#[derive(Default)]
pub(super) struct Data(HashMap<DataKey, Entry>);

impl Data {
    /// Takes an admitted object. Answers whether its values changed.
    pub(super) fn put(&mut self, key: DataKey, object: &Value, source: &str) -> bool {
        let values = values(key.0, object, &key);
        let changed = self.0.get(&key).is_none_or(|entry| entry.values != values);
        self.0.insert(key, Entry { values, source: source.to_owned() });
        changed
    }

    /// Forgets an object. Answers whether it was there.
    pub(super) fn remove(&mut self, key: &DataKey) -> bool {
        self.0.remove(key).is_some()
    }

    pub(super) fn get(&self, kind: DataKind, namespace: &str, name: &str) -> Option<&BTreeMap<String, Secret>> {
        self.0.get(&(kind, namespace.to_owned(), name.to_owned())).map(|entry| &entry.values)
    }

    /// Every object and the file that declares it.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&DataKey, &str)> {
        self.0.iter().map(|(key, entry)| (key, entry.source.as_str()))
    }
}

/// The values of an object. One that is not text cannot become a variable or a credential and is left out.
fn values(kind: DataKind, object: &Value, key: &DataKey) -> BTreeMap<String, Secret> {
    let bag = |name: &str, encoded: bool| {
        let entries = object.get(name).and_then(Value::as_object).into_iter().flatten();
        entries.filter_map(move |(name, value)| {
            let value = value.as_str()?;
            if !encoded {
                return Some((name.clone(), Secret::new(value)));
            }
            let text = STANDARD.decode(value.replace(['\n', '\r'], "")).ok().and_then(|v| String::from_utf8(v).ok());
            if text.is_none() {
                tracing::warn!(kind = ?key.0, namespace = key.1, name = key.2, key = name, "the value is not UTF-8 text: ignored");
            }
            Some((name.clone(), Secret::new(text?)))
        })
    };
    bag("data", kind == DataKind::Secret).chain(bag("binaryData", true)).collect()
}

/// Whether a spec refers to the object: a field such as `secretKeyRef` with its name.
pub(super) fn refers_to(spec: &Value, kind: DataKind, name: &str) -> bool {
    match spec {
        Value::Object(map) => map.iter().any(|(field, value)| {
            let refers = kind.references().contains(&field.as_str());
            (refers && value.get("name").and_then(Value::as_str) == Some(name)) || refers_to(value, kind, name)
        }),
        Value::Array(items) => items.iter().any(|item| refers_to(item, kind, name)),
        _ => false,
    }
}
