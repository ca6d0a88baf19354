//! Manifests and state as `forkable plan` needs them: read, never written.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use forkable_core::{
    DigestKey, Secret,
    store::{EventType, Kind, ObjectRef, Store, StoreError},
};
use forkable_crds::{Deployment, Fork};
use futures::stream::{self, BoxStream, StreamExt as _};
use serde_json::Value;

use super::{
    data::{Data, DataKind},
    database::{OpenError, Paths, Reader, has_sealed_values, unavailable},
    files::{Content, Files},
    folder::{Folder, Id, Known, Load, Problem},
    rows::Row,
    store::stored,
    sync::{data_key, id_of},
    vault::Vault,
};
use crate::admission::Admission;

/// What some manifests would be in the store, on top of what a folder's state says. Writes are refused.
pub struct Preview {
    forks: Vec<Fork>,
    releases: Vec<Deployment>,
    /// Forks of the state that no manifest declares any more; only of a preview of the whole folder.
    removed: Vec<Fork>,
    data: Data,
    state: Option<State>,
    key: DigestKey,
}

struct State {
    reader: Reader,
    vault: Vault,
}

impl Preview {
    /// Reads manifests from files and folders, and the state of a folder, if there is any. Answers the problems of the
    /// manifests too; objects with problems are left out.
    ///
    /// # Errors
    /// The state cannot be read.
    pub async fn open(sources: &[PathBuf], folder: Option<&Path>) -> Result<(Self, Vec<Problem>), OpenError> {
        let state = match folder.map(Paths::of).filter(|paths| paths.database().exists()) {
            Some(paths) => Some((Reader::open(&paths.root).await?, paths)),
            None => None,
        };
        let failed = |source| OpenError::Database { path: folder.unwrap_or(Path::new(".")).to_owned(), source };
        let (rows, state) = match state {
            Some((reader, paths)) => {
                let rows = reader.declared().await.map_err(failed)?;
                let mut connection = reader.pool().acquire().await.map_err(failed)?;
                has_sealed_values(&mut connection).await.map_err(failed)?;
                drop(connection);
                (rows, Some(State { reader, vault: Vault::open(&paths.key(), false)? }))
            }
            None => (Vec::new(), None),
        };
        let rows: BTreeMap<Id, Row> = rows.into_iter().map(|row| (id_of(&row.reference()), row)).collect();
        let (load, whole) = load(sources, folder, &rows);
        let mut preview = Self {
            forks: Vec::new(),
            releases: match &state {
                Some(state) => {
                    state.reader.list().await.map_err(|error| failed(sqlx::Error::Protocol(error.to_string())))?
                }
                None => Vec::new(),
            },
            removed: Vec::new(),
            data: Data::default(),
            // Without state nothing was digested yet, so that any key tells what differs.
            key: state
                .as_ref()
                .map_or_else(|| DigestKey::new(Secret::new("preview")), |state| state.vault.digest_key()),
            state,
        };
        let mut seen: BTreeSet<Id> = load.held.iter().cloned().collect();
        for manifest in load.manifests {
            seen.insert(manifest.id.clone());
            if let Some(key) = data_key(&manifest.id) {
                preview.data.put(key, &manifest.object, &manifest.source);
                continue;
            }
            preview.declare(rows.get(&manifest.id), &manifest.object, &manifest.source);
        }
        if whole {
            let removed =
                rows.iter().filter(|(id, row)| id.kind == Fork::KIND && !seen.contains(*id) && row.source.is_some());
            preview.removed = removed.filter_map(|(_, row)| row.to_object().ok()).collect();
        }
        Ok((preview, load.problems))
    }

    fn declare(&mut self, row: Option<&Row>, object: &Value, source: &str) {
        let mut next = row.cloned().unwrap_or_else(|| Row::new(object, Some(source)));
        next.declare(object, source);
        if next.kind == Fork::KIND {
            self.forks.extend(next.to_object());
        } else if let Ok(release) = next.to_object::<Deployment>() {
            self.releases.retain(|known| known.metadata.name != release.metadata.name);
            self.releases.push(release);
        }
    }

    /// The Forks that the manifests declare.
    pub fn forks(&self) -> &[Fork] {
        &self.forks
    }

    /// The Forks that are known and that no manifest declares any more.
    pub fn removed(&self) -> &[Fork] {
        &self.removed
    }

    fn values(&self, kind: DataKind, namespace: &str, name: &str) -> Option<BTreeMap<String, Secret>> {
        self.data.get(kind, namespace, name).cloned()
    }
}

/// What the sources say, and whether they are the whole folder.
fn load(sources: &[PathBuf], folder: Option<&Path>, rows: &BTreeMap<Id, Row>) -> (Load, bool) {
    let known = rows
        .iter()
        .filter_map(|(id, row)| Some((id.clone(), Known { source: row.source.clone()?, object: Some(row.to_json()) })));
    let known = known.collect();
    let root = folder.and_then(|folder| folder.canonicalize().ok());
    let mut files: BTreeMap<String, Content> = BTreeMap::new();
    let mut unreadable = Vec::new();
    let mut whole = false;
    for source in sources {
        let inside = |path: &Path| match (path.canonicalize().ok(), &root) {
            (Some(path), Some(root)) => path.strip_prefix(root).ok().map(|path| path.display().to_string()),
            _ => None,
        };
        let name = inside(source).unwrap_or_else(|| source.display().to_string());
        if !source.is_dir() {
            files.insert(name, Files::read_one(source));
            continue;
        }
        whole |= name.is_empty();
        let prefix = if name.is_empty() { name } else { format!("{name}/") };
        match Files::default().read(source) {
            Ok(read) => files.extend(read.into_iter().map(|(name, content)| (format!("{prefix}{name}"), content))),
            Err(error) => unreadable.push(Problem::new("UnreadableFolder", format!("{}: {error}", source.display()))),
        }
    }
    let files: Vec<_> = files.into_iter().collect();
    let mut load = Folder::new(PathBuf::new()).sort_out(&files, &Admission::new(), &known);
    whole &= unreadable.is_empty();
    load.problems.extend(unreadable);
    (load, whole)
}

fn refused<T>(what: &ObjectRef) -> Result<T, StoreError> {
    Err(StoreError::Unavailable(format!("{what} is only a preview and is not written")))
}

impl Store for Preview {
    async fn get<K: Kind>(&self, namespace: &str, name: &str) -> Result<Option<Arc<K>>, StoreError> {
        let all = self.list::<K>().await?;
        Ok(all.into_iter().find(|object| {
            let reference = object.reference();
            reference.namespace == namespace && reference.name == name
        }))
    }

    async fn list<K: Kind>(&self) -> Result<Vec<Arc<K>>, StoreError> {
        let forks = self.forks.iter().map(serde_json::to_value);
        let releases = self.releases.iter().map(serde_json::to_value);
        let objects: Vec<_> = if K::KIND == Fork::KIND { forks.collect() } else { releases.collect() };
        let object = |value: Result<Value, serde_json::Error>| value.and_then(serde_json::from_value).map(Arc::new);
        let objects = objects.into_iter().map(object).collect::<Result<_, _>>();
        objects.map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    fn watch(&self) -> BoxStream<'static, ObjectRef> {
        stream::empty().boxed()
    }

    async fn create<K: Kind>(&self, object: K) -> Result<Arc<K>, StoreError> {
        refused(&object.reference())
    }

    async fn delete<K: Kind>(&self, object: &Arc<K>) -> Result<(), StoreError> {
        refused(&object.reference())
    }

    async fn write_status<K: Kind>(&self, object: &Arc<K>, _: K::Status) -> Result<Arc<K>, StoreError> {
        refused(&object.reference())
    }

    async fn set_finalizer<K: Kind>(&self, object: &Arc<K>, _: bool) -> Result<Arc<K>, StoreError> {
        refused(&object.reference())
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Secret>>, StoreError> {
        Ok(self.values(DataKind::Secret, namespace, name))
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        let values = self.values(DataKind::ConfigMap, namespace, name);
        Ok(values.map(|values| values.into_iter().map(|(key, value)| (key, value.expose().to_owned())).collect()))
    }

    /// What was generated, and the candidates for the rest, which are not kept.
    async fn generated(
        &self,
        fork: &Fork,
        mut candidates: BTreeMap<String, Secret>,
    ) -> Result<BTreeMap<String, Secret>, StoreError> {
        if let Some(State { reader, vault }) = &self.state {
            let mut connection = reader.pool().acquire().await.map_err(unavailable)?;
            let stored = stored(&mut connection, vault, fork, candidates.keys()).await?;
            candidates.extend(stored);
        }
        Ok(candidates)
    }

    async fn digest_key(&self) -> Result<DigestKey, StoreError> {
        Ok(self.key.clone())
    }

    async fn event(&self, _: &ObjectRef, _: EventType, _: &'static str, _: &str) {}
}
