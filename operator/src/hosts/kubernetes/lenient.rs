//! Objects as a list or a watch tells them: one that cannot be read does not hide the others.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, core::PartialObjectMeta};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
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

impl<'de, K: Resource + DeserializeOwned> Deserialize<'de> for Lenient<K> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(from)?;
        match serde_json::from_str::<K>(text.get()) {
            Ok(mut object) => {
                // Here, so that of a page of a list only one object is ever held whole.
                strip(object.meta_mut());
                Ok(Self(Ok(object)))
            }
            Err(error) => {
                let known = serde_json::from_str::<PartialObjectMeta<K>>(text.get()).map_err(D::Error::custom)?;
                Ok(Self(Err(Unreadable { error: error.to_string(), metadata: known.metadata })))
            }
        }
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
        let broken = event(r#"{"template":7}"#).0.expect_err("no Fork");
        assert_eq!(broken.metadata.name.as_deref(), Some("acme"), "it is known which one cannot be read");
    }
}
