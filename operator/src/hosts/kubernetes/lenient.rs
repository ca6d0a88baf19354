//! Objects as a list or a watch tells them: one that cannot be read does not hide the others.

use std::{borrow::Cow, collections::BTreeMap};

use forkable_core::store::Kind;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::cache::strip;

/// An object, or what is known of one that cannot be read. In place of [`kube::core::DeserializeGuard`], which takes
/// every object apart twice and needs many times the memory of its text for that.
#[derive(Clone, Debug)]
pub(super) struct Lenient<K>(pub(super) Result<K, Unreadable>);

/// An object that cannot be read.
#[derive(Clone, Debug)]
pub(super) struct Unreadable {
    pub(super) error: String,
    pub(super) metadata: ObjectMeta,
}

#[derive(Deserialize)]
struct Parts {
    metadata: Metadata,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
}

/// What of [`ObjectMeta`] anything here reads. Who wrote which field is a third of an object's text, and would take as
/// long to read as all the rest.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    deletion_grace_period_seconds: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    finalizers: Option<Vec<String>>,
}

impl From<Metadata> for ObjectMeta {
    fn from(told: Metadata) -> Self {
        Self {
            name: told.name,
            namespace: told.namespace,
            uid: told.uid,
            resource_version: told.resource_version,
            generation: told.generation,
            creation_timestamp: told.creation_timestamp,
            deletion_timestamp: told.deletion_timestamp,
            deletion_grace_period_seconds: told.deletion_grace_period_seconds,
            labels: told.labels,
            annotations: told.annotations,
            finalizers: told.finalizers,
            ..Self::default()
        }
    }
}

impl<'de, K: Kind> Deserialize<'de> for Lenient<K> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Parts { metadata, spec, status } = Parts::deserialize(from)?;
        let mut metadata = ObjectMeta::from(metadata);
        strip::<K>(&mut metadata);
        let read = || -> Result<_, serde_json::Error> {
            let spec = spec.ok_or_else(|| serde_json::Error::missing_field("spec"))?;
            let status = status.map(|status| serde_json::from_str(status.get())).transpose()?;
            Ok((serde_json::from_str(spec.get())?, status))
        };
        Ok(Self(match read() {
            // A copy: lists that were read entry by entry have room for up to three times as many, copies have none.
            Ok((spec, status)) => Ok(K::of(metadata, spec, status).clone()),
            Err(error) => Err(Unreadable { error: error.to_string(), metadata }),
        }))
    }
}

impl<K: Resource> Resource for Lenient<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(of: &K::DynamicType) -> Cow<'_, str> {
        K::kind(of)
    }

    fn group(of: &K::DynamicType) -> Cow<'_, str> {
        K::group(of)
    }

    fn version(of: &K::DynamicType) -> Cow<'_, str> {
        K::version(of)
    }

    fn plural(of: &K::DynamicType) -> Cow<'_, str> {
        K::plural(of)
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|unreadable| &unreadable.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|unreadable| &mut unreadable.metadata, K::meta_mut)
    }
}

#[cfg(test)]
mod tests {
    use forkable_crds::Fork;
    use kube::core::WatchEvent;

    use super::*;

    #[test]
    fn an_event_is_read_without_what_only_the_apiserver_needs() {
        let event = |spec: &str| {
            let meta = r#""name":"acme","managedFields":[{"manager":"kubectl"}]"#;
            let object =
                format!(r#""apiVersion":"forkable.dev/v1alpha1","kind":"Fork","metadata":{{{meta}}},"spec":{spec}"#);
            let event = format!(r#"{{"type":"ADDED","object":{{{object}}}}}"#);
            match serde_json::from_str::<WatchEvent<Lenient<Fork>>>(&event).expect("an event") {
                WatchEvent::Added(told) => told,
                other => panic!("{other:?}"),
            }
        };
        let spec =
            r#"{"template":{"owner":"o","repo":"t"},"repository":{"owner":"o","name":"r"},"project":{"name":"p"}}"#;
        let read = event(spec).0.expect("a Fork");
        assert_eq!((read.metadata.name.as_deref(), read.metadata.managed_fields), (Some("acme"), None));
        for (spec, why) in [(r#"{"template":7}"#, "invalid type: integer `7`"), ("null", "missing field `spec`")] {
            let broken = event(spec).0.expect_err("no Fork");
            assert_eq!(broken.metadata.name.as_deref(), Some("acme"), "it is known which one cannot be read");
            assert!(broken.error.starts_with(why), "{}", broken.error);
        }
    }
}
