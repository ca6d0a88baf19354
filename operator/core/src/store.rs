//! The port to where objects live: the folder and SQLite of one machine, or the Kubernetes API.

use std::{collections::BTreeMap, fmt::Debug, future::Future, ops::Deref, sync::Arc};

use forkable_crds::{
    AlertRule, AlertRuleSpec, AlertRuleStatus, Deployment, DeploymentSpec, DeploymentStatus, Fork, ForkSpec, ForkStatus,
};
use futures::stream::BoxStream;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{DigestKey, Secret};

/// A kind of object that the driver works on.
pub trait Kind: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What people ask for.
    type Spec: DeserializeOwned;
    /// Its status subresource.
    type Status: Clone + Debug + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync;
    /// Name of the kind.
    const KIND: &'static str;
    fn of(metadata: ObjectMeta, spec: Self::Spec, status: Option<Self::Status>) -> Self;
    fn meta(&self) -> &ObjectMeta;
    fn meta_mut(&mut self) -> &mut ObjectMeta;
    fn status(&self) -> Option<&Self::Status>;
    fn set_status(&mut self, status: Self::Status);

    /// What JSON says, by way of text: the code that reads the apiserver's answers then reads these too.
    fn from_json(json: &Value) -> serde_json::Result<Self> {
        serde_json::from_str(&json.to_string())
    }

    fn reference(&self) -> ObjectRef {
        ObjectRef::new(Self::KIND, self.namespace(), self.name())
    }

    /// The namespace it is in; `default` where none is named.
    fn namespace(&self) -> &str {
        self.meta().namespace.as_deref().unwrap_or("default")
    }

    /// Its name; empty before it has one.
    fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }

    fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }

    fn generation(&self) -> i64 {
        self.meta().generation.unwrap_or_default()
    }

    fn is_deleting(&self) -> bool {
        self.meta().deletion_timestamp.is_some()
    }
}

macro_rules! kind {
    ($object:ident, $spec:ident, $status:ident) => {
        impl Kind for $object {
            type Spec = $spec;
            type Status = $status;
            const KIND: &'static str = stringify!($object);
            fn of(metadata: ObjectMeta, spec: $spec, status: Option<$status>) -> Self {
                Self { metadata, spec, status }
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
            fn status(&self) -> Option<&$status> {
                self.status.as_ref()
            }
            fn set_status(&mut self, status: $status) {
                self.status = Some(status);
            }
        }
    };
}

kind!(Fork, ForkSpec, ForkStatus);
kind!(Deployment, DeploymentSpec, DeploymentStatus);
kind!(AlertRule, AlertRuleSpec, AlertRuleStatus);

/// The kind of that name.
pub fn kind(name: &str) -> Option<&'static str> {
    [Fork::KIND, Deployment::KIND, AlertRule::KIND].into_iter().find(|kind| *kind == name)
}

/// Which object. It is a key in many places; they share one copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef(Arc<Named>);

/// What an [`ObjectRef`] is made of.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Named {
    pub kind: &'static str,
    pub namespace: String,
    pub name: String,
}

impl ObjectRef {
    /// Names an object, whether it is there or not. The name is not checked.
    pub fn new(kind: &'static str, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self(Arc::new(Named { kind, namespace: namespace.into(), name: name.into() }))
    }
}

impl Deref for ObjectRef {
    type Target = Named;

    fn deref(&self) -> &Named {
        &self.0
    }
}

impl std::fmt::Display for ObjectRef {
    /// `fork/acme`, with the namespace in front unless it is `default`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace != "default" {
            write!(f, "{}/", self.namespace)?;
        }
        write!(f, "{}/{}", self.kind.to_ascii_lowercase(), self.name)
    }
}

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The object changed since it was read: read it again.
    #[error("{0} changed since it was read")]
    Conflict(ObjectRef),
    #[error("{0} does not exist")]
    NotFound(ObjectRef),
    #[error("{0} exists already")]
    AlreadyExists(ObjectRef),
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
}

/// Severity of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    Normal,
    Warning,
}

/// Something that people were told about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub event_type: EventType,
    /// CamelCase, for machines.
    pub reason: String,
    pub message: String,
    /// How often.
    pub count: i64,
    pub last_at: Timestamp,
}

/// Where objects live. Written for one active process at a time.
pub trait Store: Send + Sync + 'static {
    fn get<K: Kind>(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<Arc<K>>, StoreError>> + Send;

    /// All objects of a kind, in all namespaces that this process serves.
    fn list<K: Kind>(&self) -> impl Future<Output = Result<Vec<Arc<K>>, StoreError>> + Send;

    /// A Fork that another process works on. Of it, only what it claims is known.
    fn other(&self, _fork: &ObjectRef) -> Option<Arc<Fork>> {
        None
    }

    /// All Forks that other processes work on.
    fn others(&self) -> Vec<Arc<Fork>> {
        Vec::new()
    }

    /// Whether this process writes the status of a rule, which all processes follow that share the Forks.
    fn reports(&self, _rule: &ObjectRef) -> bool {
        true
    }

    /// Names of objects that were added, changed (also in status) or removed. Secrets and ConfigMaps that change
    /// show up as the Forks that refer to them.
    fn watch(&self) -> BoxStream<'static, ObjectRef>;

    /// Creates; [`StoreError::AlreadyExists`] if the name is taken.
    fn create<K: Kind>(&self, object: K) -> impl Future<Output = Result<Arc<K>, StoreError>> + Send;

    /// Asks for deletion; an object without finalizers is gone at once. Deleting what is gone is no error.
    fn delete<K: Kind>(&self, object: &Arc<K>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes the status if the object is still at the `resourceVersion` of `object`; answers it with the new one.
    fn write_status<K: Kind>(
        &self,
        object: &Arc<K>,
        status: K::Status,
    ) -> impl Future<Output = Result<Arc<K>, StoreError>> + Send;

    /// Adds or removes our finalizer, with the same check.
    fn set_finalizer<K: Kind>(
        &self,
        object: &Arc<K>,
        present: bool,
    ) -> impl Future<Output = Result<Arc<K>, StoreError>> + Send;

    /// Sets an annotation, with the same check.
    fn annotate<K: Kind>(
        &self,
        object: &Arc<K>,
        name: &'static str,
        value: &str,
    ) -> impl Future<Output = Result<Arc<K>, StoreError>> + Send;

    /// The data of a Secret; `None` if there is none.
    fn secret(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<BTreeMap<String, Secret>>, StoreError>> + Send;

    /// The data of a ConfigMap; `None` if there is none.
    fn config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> impl Future<Output = Result<Option<BTreeMap<String, String>>, StoreError>> + Send;

    /// The values that were generated for `fork`, by name; stores the candidate of each that has none yet. A stored
    /// value is never replaced, and outlives the Fork: one of the same name gets the same values.
    fn generated(
        &self,
        fork: &Fork,
        candidates: BTreeMap<String, Secret>,
    ) -> impl Future<Output = Result<BTreeMap<String, Secret>, StoreError>> + Send;

    /// Key of all digests; made once, kept for ever.
    fn digest_key(&self) -> impl Future<Output = Result<DigestKey, StoreError>> + Send;

    /// Tells people. Repeats are merged. A failure is logged by the implementation and never matters.
    fn event(
        &self,
        about: &ObjectRef,
        event_type: EventType,
        reason: &'static str,
        message: &str,
    ) -> impl Future<Output = ()> + Send;

    /// What people were told about an object, newest last: as far as this process remembers, at least its own.
    fn events(&self, about: &ObjectRef) -> impl Future<Output = Result<Vec<Event>, StoreError>> + Send;
}
