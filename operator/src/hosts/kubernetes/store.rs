//! The [`Store`] port on the apiserver: reads come from caches that watches fill, writes check the resourceVersion.

use std::{
    any::Any,
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::Duration,
};

use forkable_core::{
    DigestKey, Secret,
    store::{Event, EventType, Kind, Named, ObjectRef, Store, StoreError},
};
use forkable_crds::{AlertRule, Deployment, FINALIZER, Fork, GROUP, SHARD_LABEL, VERSION};
use futures::{StreamExt as _, stream::BoxStream};
use http::Request;
use kube::{
    Client,
    api::{DeleteParams, GetParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::{Notify, OnceCell, mpsc};

use super::{
    cache::{Cache, Key, Told},
    data::{Data, DataKey, DataKind},
    events::Recorder,
    scopes::WATCHES,
    secrets,
    shard::{Owner, Shard},
    watch::{Forbidden, Readiness},
};
use crate::metrics::Metrics;

/// Who owns the fields that we write.
pub(super) const FIELD_MANAGER: &str = "forkable";
/// How long values are kept at most that no Fork refers to any more.
const FORGET: Duration = Duration::from_mins(10);
/// How long the apiserver may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The objects of a cluster. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct KubernetesStore(pub(super) Arc<Inner>);

/// What a store is of.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespaces that are served; all if there is none.
    pub namespaces: Vec<String>,
    /// The namespace of this process, where its own objects are.
    pub own_namespace: String,
    /// Tells processes apart, such as the name of the pod.
    pub identity: String,
    /// Which part of the objects is ours; all if there are no shards.
    pub shard: Option<Shard>,
    /// Count watches that break.
    pub metrics: Metrics,
}

/// The objects of one kind.
pub(super) struct Kept<K> {
    pub(super) ours: RwLock<Cache<K>>,
    /// Those that other shards work on, slim.
    pub(super) others: RwLock<Cache<K>>,
}

impl<K: Kind> Kept<K> {
    fn new(scopes: &[Option<String>]) -> Self {
        Self {
            ours: RwLock::new(Cache::new(scopes.iter().cloned())),
            others: RwLock::new(Cache::new(scopes.iter().cloned())),
        }
    }
}

pub(super) struct Inner {
    pub(super) client: Client,
    pub(super) options: Options,
    pub(super) owner: Owner,
    forks: Kept<Fork>,
    releases: Kept<Deployment>,
    /// All of them, whoever reports of them.
    rules: Kept<AlertRule>,
    pub(super) data: Data,
    /// Something changed about what others work on.
    pub(super) others_changed: Notify,
    readiness: Readiness,
    recorder: Recorder,
    digest_key: OnceCell<DigestKey>,
    /// Who wants to know what changed.
    listeners: Mutex<Vec<mpsc::UnboundedSender<ObjectRef>>>,
}

impl KubernetesStore {
    /// Begins to watch. The caches are complete once [`Self::synced`] answers.
    pub fn start(client: Client, options: Options) -> Self {
        let scopes: Vec<_> = if options.namespaces.is_empty() {
            vec![None]
        } else {
            options.namespaces.iter().cloned().map(Some).collect()
        };
        let store = Self(Arc::new(Inner {
            recorder: Recorder::start(client.clone(), options.identity.clone()),
            client,
            owner: Owner::new(options.shard),
            options,
            forks: Kept::new(&scopes),
            releases: Kept::new(&scopes),
            rules: Kept::new(&scopes),
            data: Data::default(),
            others_changed: Notify::new(),
            readiness: Readiness::new(WATCHES * scopes.len()),
            digest_key: OnceCell::new(),
            listeners: Mutex::default(),
        }));
        for (index, namespace) in scopes.into_iter().enumerate() {
            store.watch_scope(index, namespace.as_deref());
        }
        tokio::spawn(store.clone().forget_values());
        store
    }

    /// Forgets values that no Fork refers to any more, once in a while.
    async fn forget_values(self) {
        loop {
            tokio::time::sleep(FORGET).await;
            let forks: Vec<_> = read(&self.0.forks.ours).all().cloned().collect();
            let referred: HashSet<_> = forks.iter().flat_map(|fork| secrets::references(fork)).collect();
            self.0.data.keep(|key| referred.contains(key));
        }
    }

    /// Waits until everything is listed.
    ///
    /// # Errors
    /// Something may not be listed; waiting does not help.
    pub async fn synced(&self) -> Result<(), Forbidden> {
        self.0.readiness.reached().await
    }

    /// Lists everything once more, and waits for it: from then on nothing is older than this call.
    ///
    /// # Errors
    /// See [`Self::synced`].
    pub async fn list_anew(&self) -> Result<(), Forbidden> {
        self.0.readiness.list_anew();
        self.synced().await
    }

    pub(super) fn metrics(&self) -> Metrics {
        self.0.options.metrics.clone()
    }

    pub(super) fn readiness(&self) -> Readiness {
        self.0.readiness.clone()
    }

    /// Tells of what a watch of objects told.
    pub(super) fn pass_on<K: Kind>(&self, told: Told) {
        let keys = match told {
            Told::Nothing => return,
            Told::Changed(key) => vec![key],
            Told::Listed(gone) => gone,
        };
        self.changed(keys.into_iter().map(reference::<K>));
    }

    /// Tells the Forks that refer to one of these.
    pub(super) fn data_changed(&self, keys: &[DataKey]) {
        if keys.is_empty() {
            return;
        }
        let forks = read(&self.0.forks.ours);
        let refers = |fork: &&Arc<Fork>| secrets::references(fork).any(|reference| keys.contains(&reference));
        let referring: Vec<_> = forks.all().filter(refers).map(|fork| fork.reference()).collect();
        drop(forks);
        self.changed(referring);
    }

    fn changed(&self, references: impl IntoIterator<Item = ObjectRef>) {
        let mut listeners = self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        for reference in references {
            listeners.retain(|listener| listener.send(reference.clone()).is_ok());
        }
    }

    pub(super) fn kept<K: Kind>(&self) -> &Kept<K> {
        let forks: &dyn Any = &self.0.forks;
        let releases: &dyn Any = &self.0.releases;
        let rules: &dyn Any = &self.0.rules;
        let kept = forks.downcast_ref().or_else(|| releases.downcast_ref()).or_else(|| rules.downcast_ref());
        kept.expect("objects of all kinds are kept")
    }

    /// Keeps the answer to a read or a write of our own.
    fn answered<K: Kind>(&self, object: K) -> Arc<K> {
        write(&self.kept().ours).answered(object)
    }

    /// Keeps an object that just became ours.
    pub(super) fn took<K: Kind>(&self, object: K) {
        let reference = object.reference();
        write(&self.kept::<K>().others).forget(&(reference.namespace.clone(), reference.name.clone()));
        self.answered(object);
        self.changed([reference]);
    }

    /// Keeps the answer to a write. A pass of a Fork goes on from it; a Deployment's Fork has to hear of it.
    fn wrote<K: Kind>(&self, object: K) -> Arc<K> {
        let object = self.answered(object);
        if K::KIND == Deployment::KIND {
            self.changed([object.reference()]);
        }
        object
    }

    pub(super) async fn send<T: DeserializeOwned>(&self, request: Request<Vec<u8>>) -> Result<T, kube::Error> {
        let answer = tokio::time::timeout(PATIENCE, self.0.client.request(request)).await;
        answer.unwrap_or_else(|_| Err(kube::Error::Service(format!("no answer within {PATIENCE:?}").into())))
    }

    /// An object as the apiserver has it now; `None` if it cannot be read.
    async fn read_anew<K: Kind>(&self, reference: &ObjectRef) -> Result<Option<K>, StoreError> {
        let get = requests::<K>(&reference.namespace).get(&reference.name, &GetParams::default());
        Ok(self.send(built(get)?).await.ok())
    }

    /// Sends a change of an object. If the object is another by now, that one is read, so that the next try works on it.
    async fn change<K: Kind>(&self, object: &K, request: Request<Vec<u8>>) -> Result<Arc<K>, StoreError> {
        let reference = object.reference();
        match self.send::<K>(request).await {
            Ok(object) => Ok(self.wrote(object)),
            Err(kube::Error::Api(status)) if status.is_conflict() => {
                if let Some(object) = self.read_anew::<K>(&reference).await? {
                    self.answered(object);
                }
                Err(StoreError::Conflict(reference))
            }
            Err(error) => Err(refused(&reference, &error)),
        }
    }

    /// A Secret or ConfigMap, from memory unless it changed since it was read.
    pub(super) async fn data(&self, key: DataKey) -> Result<Option<Arc<super::data::Content>>, StoreError> {
        secrets::read(self, key).await
    }
}

impl Store for KubernetesStore {
    async fn get<K: Kind>(&self, namespace: &str, name: &str) -> Result<Option<Arc<K>>, StoreError> {
        Ok(read(&self.kept().ours).get(namespace, name))
    }

    async fn list<K: Kind>(&self) -> Result<Vec<Arc<K>>, StoreError> {
        Ok(read(&self.kept().ours).all().cloned().collect())
    }

    fn watch(&self) -> BoxStream<'static, ObjectRef> {
        let (listener, changes) = mpsc::unbounded_channel();
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
        futures::stream::unfold(changes, |mut changes| async { Some((changes.recv().await?, changes)) }).boxed()
    }

    fn other(&self, fork: &ObjectRef) -> Option<Arc<Fork>> {
        read(&self.0.forks.others).get(&fork.namespace, &fork.name)
    }

    fn others(&self) -> Vec<Arc<Fork>> {
        read(&self.0.forks.others).all().cloned().collect()
    }

    fn reports(&self, rule: &ObjectRef) -> bool {
        self.0.owner.reports(rule)
    }

    async fn create<K: Kind>(&self, mut object: K) -> Result<Arc<K>, StoreError> {
        let reference = object.reference();
        if let Some(label) = self.0.owner.label() {
            object.meta_mut().labels.get_or_insert_default().insert(SHARD_LABEL.into(), label);
        }
        let mut json = json(&object)?;
        json["apiVersion"] = format!("{GROUP}/{VERSION}").into();
        json["kind"] = K::KIND.into();
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let request = requests::<K>(&reference.namespace).create(&parameters, json.to_string().into_bytes());
        match self.send::<K>(built(request)?).await {
            Ok(object) => Ok(self.wrote(object)),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                if let Some(object) = self.read_anew::<K>(&reference).await? {
                    self.wrote(object);
                }
                Err(StoreError::AlreadyExists(reference))
            }
            Err(error) => Err(refused(&reference, &error)),
        }
    }

    async fn delete<K: Kind>(&self, object: &Arc<K>) -> Result<(), StoreError> {
        let reference = object.reference();
        let uid = Some(object.uid().to_owned());
        let preconditions = Some(Preconditions { uid, resource_version: None });
        let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
        let request = requests::<K>(&reference.namespace).delete(&reference.name, &parameters);
        match self.send::<serde_json::Value>(built(request)?).await {
            Ok(_) => Ok(()),
            // Another one of that name is not meant.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
            Err(error) => Err(refused(&reference, &error)),
        }
    }

    async fn write_status<K: Kind>(&self, object: &Arc<K>, status: K::Status) -> Result<Arc<K>, StoreError> {
        let (namespace, name) = (object.namespace(), object.name());
        let patch = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": K::KIND,
            "metadata": { "name": name, "namespace": namespace, "resourceVersion": object.meta().resource_version },
            "status": json(&status)?,
        });
        // Fields that we no longer send are gone; nobody else writes here.
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let request = requests::<K>(namespace).patch_subresource("status", name, &parameters, &Patch::Apply(patch));
        self.change(&**object, built(request)?).await
    }

    async fn set_finalizer<K: Kind>(&self, object: &Arc<K>, present: bool) -> Result<Arc<K>, StoreError> {
        let (namespace, name) = (object.namespace(), object.name());
        let mut finalizers = object.meta().finalizers.clone().unwrap_or_default();
        if finalizers.iter().any(|finalizer| finalizer == FINALIZER) == present {
            return Ok(object.clone());
        }
        finalizers.retain(|finalizer| finalizer != FINALIZER);
        if present {
            finalizers.push(FINALIZER.into());
        }
        let version = &object.meta().resource_version;
        let patch = json!({ "metadata": { "resourceVersion": version, "finalizers": finalizers } });
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let request = requests::<K>(namespace).patch(name, &parameters, &Patch::Merge(patch));
        self.change(&**object, built(request)?).await
    }

    async fn annotate<K: Kind>(&self, object: &Arc<K>, name: &'static str, value: &str) -> Result<Arc<K>, StoreError> {
        let reference = object.reference();
        let version = &object.meta().resource_version;
        let patch = json!({ "metadata": { "resourceVersion": version, "annotations": { name: value } } });
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
        let request = requests::<K>(&reference.namespace).patch(&reference.name, &parameters, &Patch::Merge(patch));
        self.change(&**object, built(request)?).await
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Secret>>, StoreError> {
        let content = self.data((DataKind::Secret, namespace.to_owned(), name.to_owned())).await?;
        Ok(content.map(|content| content.values.clone()))
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        let content = self.data((DataKind::ConfigMap, namespace.to_owned(), name.to_owned())).await?;
        let plain = |(key, value): (&String, &Secret)| (key.clone(), value.expose().to_owned());
        Ok(content.map(|content| content.values.iter().map(plain).collect()))
    }

    async fn generated(
        &self,
        fork: &Fork,
        candidates: BTreeMap<String, Secret>,
    ) -> Result<BTreeMap<String, Secret>, StoreError> {
        secrets::generated(self, &fork.reference(), candidates).await
    }

    async fn digest_key(&self) -> Result<DigestKey, StoreError> {
        self.0.digest_key.get_or_try_init(|| secrets::digest_key(self)).await.cloned()
    }

    async fn event(&self, about: &ObjectRef, event_type: EventType, reason: &'static str, message: &str) {
        let uid = |meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| meta.uid.clone();
        let Named { kind, namespace, name } = &**about;
        let uid = match *kind {
            Fork::KIND => read(&self.0.forks.ours).get(namespace, name).and_then(|fork| uid(&fork.metadata)),
            AlertRule::KIND => read(&self.0.rules.ours).get(namespace, name).and_then(|rule| uid(&rule.metadata)),
            _ => read(&self.0.releases.ours).get(namespace, name).and_then(|release| uid(&release.metadata)),
        };
        self.0.recorder.record(about, uid, event_type, reason, message);
    }

    /// Those of this process: to read what others have written would need the right to read every event.
    async fn events(&self, about: &ObjectRef) -> Result<Vec<Event>, StoreError> {
        Ok(self.0.recorder.about(about))
    }
}

pub(super) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn reference<K: Kind>((namespace, name): Key) -> ObjectRef {
    ObjectRef::new(K::KIND, namespace, name)
}

/// Requests for objects of a kind in a namespace.
pub(super) fn requests<K: Kind>(namespace: &str) -> kube::core::Request {
    let plural = format!("{}s", K::KIND.to_ascii_lowercase());
    kube::core::Request::new(format!("/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{plural}"))
}

pub(super) fn built(
    request: Result<Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<Request<Vec<u8>>, StoreError> {
    request.map_err(|error| StoreError::Unavailable(format!("the request cannot be made: {error}")))
}

fn json(value: &impl serde::Serialize) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Unavailable(format!("it is no JSON: {error}")))
}

/// What a refused or lost request means.
pub(super) fn refused(reference: &ObjectRef, error: &kube::Error) -> StoreError {
    match error {
        kube::Error::Api(status) if status.is_not_found() => StoreError::NotFound(reference.clone()),
        kube::Error::Api(status) if status.is_conflict() => StoreError::Conflict(reference.clone()),
        // What the apiserver says names the rule that is missing, or the field that it does not take.
        kube::Error::Api(status) => StoreError::Unavailable(format!("{reference}: {}", status.message)),
        error => StoreError::Unavailable(format!("{reference}: {error}")),
    }
}
