//! Manifests and state as `forkable plan` needs them: read, never written.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use forkable_core::{
    DigestKey, Secret,
    store::{Event, EventType, Kind, ObjectRef, Store, StoreError},
};
use forkable_crds::{AlertRule, Deployment, Fork};
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
use crate::{admission::Admission, hosts::Beside};

/// What some manifests would be in the store, on top of what is recorded. Writes are refused.
pub struct Preview {
    forks: Vec<Fork>,
    releases: Vec<Deployment>,
    /// Forks of the state that no manifest declares any more; only of a preview of the whole folder.
    removed: Vec<Fork>,
    data: Data,
    beside: Option<Box<dyn Beside>>,
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
        let mut preview =
            Self { forks: Vec::new(), releases: Vec::new(), removed: Vec::new(), data: Data::default(), beside: None };
        let mut rows = Vec::new();
        if let Some(paths) = folder.map(Paths::of).filter(|paths| paths.database().exists()) {
            let reader = Reader::open(&paths.root).await?;
            let failed = |source| OpenError::Database { path: paths.root.clone(), source };
            rows = reader.declared().await.map_err(failed)?;
            let mut connection = reader.pool().acquire().await.map_err(failed)?;
            has_sealed_values(&mut connection).await.map_err(failed)?;
            drop(connection);
            let releases = reader.list().await;
            preview.releases = releases.map_err(|error| failed(sqlx::Error::Protocol(error.to_string())))?;
            preview.beside = Some(Box::new(State { reader, vault: Vault::open(&paths.key(), false)? }));
        }
        let rows: BTreeMap<Id, Row> = rows.into_iter().map(|row| (id_of(&row.reference()), row)).collect();
        let (load, whole) = load(sources, folder, &rows, None);
        let problems = preview.add(load, &rows, whole);
        Ok((preview, problems))
    }

    /// The same on top of objects as the Kubernetes API has them. Manifests that name no namespace are taken to be for
    /// `namespace`; without any manifest the objects themselves are previewed.
    pub fn over(
        sources: &[PathBuf],
        forks: &[Fork],
        releases: Vec<Deployment>,
        namespace: &str,
        beside: Box<dyn Beside>,
    ) -> (Self, Vec<Problem>) {
        let rows = forks.iter().filter_map(|fork| Row::recorded(fork).ok());
        let rows: BTreeMap<Id, Row> = rows.map(|row| (id_of(&row.reference()), row)).collect();
        let mut preview = Self {
            forks: if sources.is_empty() { forks.to_vec() } else { Vec::new() },
            releases,
            removed: Vec::new(),
            data: Data::default(),
            beside: Some(beside),
        };
        let (load, _) = load(sources, None, &rows, Some(namespace));
        let problems = preview.add(load, &rows, false);
        (preview, problems)
    }

    fn add(&mut self, load: Load, rows: &BTreeMap<Id, Row>, whole: bool) -> Vec<Problem> {
        let mut seen: BTreeSet<Id> = load.held.iter().cloned().collect();
        for manifest in load.manifests {
            seen.insert(manifest.id.clone());
            if let Some(key) = data_key(&manifest.id) {
                self.data.put(key, &manifest.object, &manifest.source);
                continue;
            }
            self.declare(rows.get(&manifest.id), &manifest.object, &manifest.source);
        }
        if whole {
            let removed =
                rows.iter().filter(|(id, row)| id.kind == Fork::KIND && !seen.contains(*id) && row.source.is_some());
            self.removed = removed.filter_map(|(_, row)| row.to_object().ok()).collect();
        }
        load.problems
    }

    /// Changes the Forks for the preview alone.
    pub fn amend(&mut self, amend: impl Fn(&mut Fork)) {
        self.forks.iter_mut().for_each(amend);
    }

    fn declare(&mut self, row: Option<&Row>, object: &Value, source: &str) {
        let mut next = row.cloned().unwrap_or_else(|| Row::new(object, Some(source)));
        next.declare(object, source);
        if next.kind == Fork::KIND {
            self.forks.extend(next.to_object());
        } else if next.kind == Deployment::KIND
            && let Ok(release) = next.to_object::<Deployment>()
        {
            self.releases.retain(|known| known.reference() != release.reference());
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

    fn all<K: Kind>(&self) -> &[K] {
        let forks: &dyn Any = &self.forks;
        let releases: &dyn Any = &self.releases;
        // Nothing outside comes of rules.
        let rules: &dyn Any = const { &Vec::<AlertRule>::new() };
        let all = forks.downcast_ref::<Vec<K>>().or_else(|| releases.downcast_ref()).or_else(|| rules.downcast_ref());
        all.expect("objects of all kinds are kept")
    }

    fn values(&self, kind: DataKind, namespace: &str, name: &str) -> Option<BTreeMap<String, Secret>> {
        self.data.get(kind, namespace, name).cloned()
    }
}

/// What the sources say, and whether they are the whole folder.
fn load(sources: &[PathBuf], folder: Option<&Path>, rows: &BTreeMap<Id, Row>, namespace: Option<&str>) -> (Load, bool) {
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
    if let Some(namespace) = namespace {
        for content in files.values_mut() {
            put_into(content, namespace);
        }
    }
    let files: Vec<_> = files.into_iter().collect();
    let mut load = Folder::new(PathBuf::new()).sort_out(&files, &Admission::new(), &known);
    whole &= unreadable.is_empty();
    load.problems.extend(unreadable);
    (load, whole)
}

/// Puts what names no namespace into one.
fn put_into(content: &mut Content, namespace: &str) {
    let Ok(documents) = content else { return };
    let mut documents = documents.to_vec();
    for document in &mut documents {
        if let Some(Value::Object(metadata)) = document.value.get_mut("metadata") {
            metadata.entry("namespace").or_insert_with(|| namespace.into());
        }
    }
    *content = Ok(documents.into());
}

fn refused<T>(what: &ObjectRef) -> Result<T, StoreError> {
    Err(StoreError::Unavailable(format!("{what} is only a preview and is not written")))
}

impl Store for Preview {
    async fn get<K: Kind>(&self, namespace: &str, name: &str) -> Result<Option<Arc<K>>, StoreError> {
        let mut all = self.all::<K>().iter();
        let found = all.find(|object| {
            let reference = object.reference();
            reference.namespace == namespace && reference.name == name
        });
        Ok(found.cloned().map(Arc::new))
    }

    async fn list<K: Kind>(&self) -> Result<Vec<Arc<K>>, StoreError> {
        Ok(self.all::<K>().iter().cloned().map(Arc::new).collect())
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

    async fn annotate<K: Kind>(&self, object: &Arc<K>, _: &'static str, _: &str) -> Result<Arc<K>, StoreError> {
        refused(&object.reference())
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, Secret>>, StoreError> {
        match (self.values(DataKind::Secret, namespace, name), &self.beside) {
            (None, Some(beside)) => beside.secret(namespace, name).await,
            (values, _) => Ok(values),
        }
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        match (self.values(DataKind::ConfigMap, namespace, name), &self.beside) {
            (None, Some(beside)) => beside.config_map(namespace, name).await,
            (values, _) => {
                Ok(values
                    .map(|values| values.into_iter().map(|(key, value)| (key, value.expose().to_owned())).collect()))
            }
        }
    }

    /// What was generated, and the candidates for the rest, which are not kept.
    async fn generated(
        &self,
        fork: &Fork,
        mut candidates: BTreeMap<String, Secret>,
    ) -> Result<BTreeMap<String, Secret>, StoreError> {
        if let Some(beside) = &self.beside {
            let names = candidates.keys().cloned().collect();
            candidates.extend(beside.generated(fork, names).await?);
        }
        Ok(candidates)
    }

    async fn digest_key(&self) -> Result<DigestKey, StoreError> {
        match &self.beside {
            Some(beside) if self.forks.iter().any(has_digests) => beside.digest_key().await,
            // As long as nothing was digested, any key tells what differs.
            _ => Ok(DigestKey::new(Secret::new("preview"))),
        }
    }

    async fn event(&self, _: &ObjectRef, _: EventType, _: &'static str, _: &str) {}

    async fn events(&self, _: &ObjectRef) -> Result<Vec<Event>, StoreError> {
        Ok(Vec::new())
    }
}

fn has_digests(fork: &Fork) -> bool {
    fork.status.as_ref().is_some_and(|status| {
        let values = [status.env.is_empty(), status.secrets.is_empty(), status.variables.is_empty()];
        values.contains(&false) || status.current_release.is_some()
    })
}

#[async_trait]
impl Beside for State {
    /// Secrets are in files of the folder only.
    async fn secret(&self, _: &str, _: &str) -> Result<Option<BTreeMap<String, Secret>>, StoreError> {
        Ok(None)
    }

    async fn config_map(&self, _: &str, _: &str) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        Ok(None)
    }

    async fn generated(&self, fork: &Fork, names: Vec<String>) -> Result<BTreeMap<String, Secret>, StoreError> {
        let mut connection = self.reader.pool().acquire().await.map_err(unavailable)?;
        stored(&mut connection, &self.vault, fork, names.iter()).await
    }

    async fn digest_key(&self) -> Result<DigestKey, StoreError> {
        Ok(self.vault.digest_key())
    }
}
