//! The store of the local host: the [`Store`] port on the SQLite file and the Secrets and ConfigMaps in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use forkable_core::{
    DigestKey, Secret,
    store::{Event, EventType, Kind, ObjectRef, Store, StoreError},
};
use forkable_crds::{FINALIZER, Fork, GROUP, VERSION};
use futures::{StreamExt as _, stream::BoxStream};
use serde_json::Value;
use sqlx::{Sqlite, SqliteConnection, Transaction, types::Json};
use tokio::sync::{Notify, broadcast};

use super::{
    data::{Data, DataKind},
    database::{Database, OpenError, Paths, Reader, has_sealed_values, unavailable},
    events,
    rows::{self, Row},
    vault::{Sealed, Vault},
};
use crate::admission::Admission;

/// Changes that a slow watcher may be behind before it is told everything again.
const BACKLOG: usize = 4096;

/// The objects of one folder. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct LocalStore(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) database: Database,
    pub(super) data: Mutex<Data>,
    pub(super) admission: Admission,
    /// Wakes the folder watcher: a manifest of that name may still be there.
    pub(super) removed: Notify,
    vault: Vault,
    changes: broadcast::Sender<ObjectRef>,
    counters: Counters,
    _lock: File,
}

#[derive(Default)]
struct Counters {
    status_writes: AtomicU64,
}

impl LocalStore {
    /// Opens the state of a folder for the one process that works on it, and makes it if there is none.
    ///
    /// # Errors
    /// [`OpenError::Locked`] if another process works on it, [`OpenError::Key`] if the key file is lost or broken.
    pub async fn open(root: &Path) -> Result<Self, OpenError> {
        let paths = Paths::of(root);
        let lock = paths.claim()?;
        let database = Database::open(&paths.database(), true).await?;
        let failed = |source| OpenError::Database { path: paths.database(), source };
        let mut connection = database.write.acquire().await.map_err(failed)?;
        let sealed = has_sealed_values(&mut connection).await.map_err(failed)?;
        rows::delete_orphans(&mut connection).await.map_err(failed)?;
        drop(connection);
        Ok(Self(Arc::new(Inner {
            vault: Vault::open(&paths.key(), !sealed)?,
            database,
            data: Mutex::default(),
            admission: Admission::new(),
            removed: Notify::new(),
            changes: broadcast::Sender::new(BACKLOG),
            counters: Counters::default(),
            _lock: lock,
        })))
    }

    /// What only reads.
    pub fn reader(&self) -> &Reader {
        &self.0.database.reader
    }

    /// Status writes that were asked for since the store was opened, refused ones included.
    pub fn status_writes(&self) -> u64 {
        self.0.counters.status_writes.load(Ordering::Relaxed)
    }

    pub(super) fn data(&self) -> std::sync::MutexGuard<'_, Data> {
        self.0.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changed(&self, references: impl IntoIterator<Item = ObjectRef>) {
        for reference in references {
            // Nobody may be watching yet.
            drop(self.0.changes.send(reference));
        }
    }

    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.0.database.write.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)
    }

    /// Changes the row of an object that is still at the resourceVersion of `object`.
    async fn update<K: Kind>(&self, object: &K, change: impl FnOnce(&mut Row) -> bool) -> Result<Arc<K>, StoreError> {
        let reference = object.reference();
        let mut transaction = self.begin().await?;
        let row =
            rows::find(&mut transaction, K::KIND, &reference.namespace, &reference.name).await.map_err(unavailable)?;
        let mut row = row.ok_or_else(|| StoreError::NotFound(reference.clone()))?;
        if object.meta().resource_version.as_deref() != Some(row.resource_version.to_string().as_str()) {
            return Err(StoreError::Conflict(reference));
        }
        if !change(&mut row) {
            return row.to_object().map(Arc::new);
        }
        row.save(&mut transaction).await.map_err(unavailable)?;
        let answer = row.to_object().map(Arc::new);
        let mut changed = vec![reference];
        if row.deletion_requested_at.is_some() && row.finalizers.is_empty() {
            changed = rows::delete(&mut transaction, vec![row]).await.map_err(unavailable)?;
            self.0.removed.notify_one();
        }
        transaction.commit().await.map_err(unavailable)?;
        self.changed(changed);
        answer
    }

    /// Asks for the deletion of objects, each given with its uid: another object of the same name is not meant.
    pub(super) async fn delete_all(&self, objects: &[(ObjectRef, String)]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut rows = Vec::new();
        for (object, uid) in objects {
            let row = rows::find(&mut transaction, object.kind, &object.namespace, &object.name)
                .await
                .map_err(unavailable)?;
            rows.extend(row.filter(|row| row.uid == *uid));
        }
        let changed = rows::delete(&mut transaction, rows).await.map_err(unavailable)?;
        transaction.commit().await.map_err(unavailable)?;
        self.changed(changed);
        self.0.removed.notify_one();
        Ok(())
    }

    fn values(&self, kind: DataKind, namespace: &str, name: &str) -> Option<BTreeMap<String, Secret>> {
        self.data().get(kind, namespace, name).cloned()
    }
}

impl Store for LocalStore {
    async fn get<K: Kind>(&self, namespace: &str, name: &str) -> Result<Option<Arc<K>>, StoreError> {
        Ok(self.reader().get(namespace, name).await?.map(Arc::new))
    }

    async fn list<K: Kind>(&self) -> Result<Vec<Arc<K>>, StoreError> {
        Ok(self.reader().list().await?.into_iter().map(Arc::new).collect())
    }

    fn watch(&self) -> BoxStream<'static, ObjectRef> {
        let state = (self.0.changes.subscribe(), VecDeque::new(), self.reader().clone());
        futures::stream::unfold(state, |(mut receiver, mut missed, reader)| async move {
            loop {
                if let Some(reference) = missed.pop_front() {
                    return Some((reference, (receiver, missed, reader)));
                }
                match receiver.recv().await {
                    Ok(reference) => return Some((reference, (receiver, missed, reader))),
                    Err(broadcast::error::RecvError::Closed) => return None,
                    Err(broadcast::error::RecvError::Lagged(_)) => match reader.references().await {
                        Ok(all) => missed.extend(all),
                        Err(error) => tracing::error!(%error, "changes were missed and cannot be listed"),
                    },
                }
            }
        })
        .boxed()
    }

    async fn create<K: Kind>(&self, object: K) -> Result<Arc<K>, StoreError> {
        let reference = object.reference();
        let invalid = |error: String| StoreError::Unavailable(format!("{reference} cannot be created: {error}"));
        let mut json = serde_json::to_value(&object).map_err(|error| invalid(error.to_string()))?;
        json["apiVersion"] = Value::from(format!("{GROUP}/{VERSION}"));
        json["kind"] = Value::from(K::KIND);
        let admitted = self.0.admission.admit(json, None).map_err(|refused| invalid(refused.to_string()))?;
        let mut row = Row::new(&admitted, None);
        let mut transaction = self.begin().await?;
        let taken = rows::find(&mut transaction, K::KIND, &row.namespace, &row.name).await.map_err(unavailable)?;
        if taken.is_some() {
            return Err(StoreError::AlreadyExists(reference));
        }
        row.save(&mut transaction).await.map_err(unavailable)?;
        transaction.commit().await.map_err(unavailable)?;
        self.changed([reference]);
        row.to_object().map(Arc::new)
    }

    async fn delete<K: Kind>(&self, object: &Arc<K>) -> Result<(), StoreError> {
        self.delete_all(&[(object.reference(), object.uid().to_owned())]).await
    }

    async fn write_status<K: Kind>(&self, object: &Arc<K>, status: K::Status) -> Result<Arc<K>, StoreError> {
        self.0.counters.status_writes.fetch_add(1, Ordering::Relaxed);
        let status = serde_json::to_value(status).map_err(|error| {
            StoreError::Unavailable(format!("the status of {} is no JSON: {error}", object.reference()))
        })?;
        self.update(&**object, |row| {
            let same = row.status.as_ref().is_some_and(|old| old.0 == status);
            row.status = Some(Json(status));
            !same
        })
        .await
    }

    async fn set_finalizer<K: Kind>(&self, object: &Arc<K>, present: bool) -> Result<Arc<K>, StoreError> {
        self.update(&**object, |row| {
            let had = row.finalizers.iter().any(|name| name == FINALIZER);
            row.finalizers.retain(|name| name != FINALIZER);
            if present {
                row.finalizers.push(FINALIZER.to_owned());
            }
            had != present
        })
        .await
    }

    async fn annotate<K: Kind>(&self, object: &Arc<K>, name: &'static str, value: &str) -> Result<Arc<K>, StoreError> {
        self.update(&**object, |row| {
            row.annotate(name, value.into());
            true
        })
        .await
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Secret>>, StoreError> {
        Ok(self.values(DataKind::Secret, namespace, name))
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        let values = self.values(DataKind::ConfigMap, namespace, name);
        Ok(values.map(|values| values.into_iter().map(|(key, value)| (key, value.expose().to_owned())).collect()))
    }

    async fn generated(
        &self,
        fork: &Fork,
        candidates: BTreeMap<String, Secret>,
    ) -> Result<BTreeMap<String, Secret>, StoreError> {
        let mut transaction = self.begin().await?;
        let mut values = stored(&mut transaction, &self.0.vault, fork, candidates.keys()).await?;
        let (namespace, fork) = (fork.namespace(), fork.name());
        for (name, candidate) in candidates {
            if values.contains_key(&name) {
                continue;
            }
            let sealed = self.0.vault.seal(&identity(namespace, fork, &name), &candidate);
            sqlx::query(
                "INSERT INTO generated (namespace, fork, name, key_id, nonce, sealed) VALUES (?, ?, ?, ?, ?, ?)",
            )
            .bind(namespace)
            .bind(fork)
            .bind(&name)
            .bind(sealed.key_id)
            .bind(sealed.nonce)
            .bind(sealed.bytes)
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
            values.insert(name, candidate);
        }
        transaction.commit().await.map_err(unavailable)?;
        Ok(values)
    }

    async fn digest_key(&self) -> Result<DigestKey, StoreError> {
        Ok(self.0.vault.digest_key())
    }

    async fn event(&self, about: &ObjectRef, event_type: EventType, reason: &'static str, message: &str) {
        if let Err(error) = events::record(&self.0.database.write, about, event_type, reason, message).await {
            tracing::warn!(%about, reason, %error, "an event could not be recorded");
        }
    }

    async fn events(&self, about: &ObjectRef) -> Result<Vec<Event>, StoreError> {
        let told = self.reader().events(about).await.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(told.into_iter().map(Event::from).collect())
    }
}

/// What a stored value is encrypted as.
fn identity(namespace: &str, fork: &str, name: &str) -> String {
    format!("generated/{namespace}/{fork}/{name}")
}

/// Those of the named values of a Fork that are stored.
pub(super) async fn stored(
    connection: &mut SqliteConnection,
    vault: &Vault,
    fork: &Fork,
    names: impl Iterator<Item = &String>,
) -> Result<BTreeMap<String, Secret>, StoreError> {
    let (namespace, fork) = (fork.namespace(), fork.name());
    let mut values = BTreeMap::new();
    for name in names {
        let row: Option<(String, Vec<u8>, Vec<u8>)> =
            sqlx::query_as("SELECT key_id, nonce, sealed FROM generated WHERE namespace = ? AND fork = ? AND name = ?")
                .bind(namespace)
                .bind(fork)
                .bind(name)
                .fetch_optional(&mut *connection)
                .await
                .map_err(unavailable)?;
        let Some((key_id, nonce, bytes)) = row else { continue };
        let value = vault.unseal(&identity(namespace, fork, name), &Sealed { key_id, nonce, bytes });
        let value = value.map_err(|error| {
            StoreError::Unavailable(format!("the value {name} of {fork} cannot be decrypted: {error}"))
        })?;
        values.insert(name.clone(), value);
    }
    Ok(values)
}
