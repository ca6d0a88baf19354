//! From what the folder says to what the store holds: new and changed objects at once, deletions with care.
//!
//! An object counts as gone when it stayed away for a while, from a folder that can be read. The *brake*: when the
//! folder is empty, or too many Forks are gone at once, nothing is deleted until a person says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use forkable_core::store::{self, EventType, Kind, ObjectRef, Store, StoreError};
use forkable_crds::Fork;

use super::{
    data::{DataKey, DataKind, refers_to},
    database::unavailable,
    folder::{Folder, Id, Known, Load, Manifest, Problem},
    rows::{self, Row},
    store::LocalStore,
};

/// How long an object must stay away before it counts as gone: longer than any editor needs to write a file.
pub const SETTLE: Duration = Duration::from_secs(1);

/// From this many Forks on, the share that may go at once is limited.
const BRAKE_FROM: usize = 3;
/// The share in per cent; one may always go.
const BRAKE_SHARE: usize = 30;

/// What one look at the folder came to.
#[derive(Debug, Default)]
pub struct Synced {
    /// What a person should look at, in order of the files.
    pub problems: Vec<Problem>,
    /// When to look again, if something is not decided yet.
    pub again_in: Option<Duration>,
}

/// The folder and the store, kept together.
pub(super) struct Sync {
    store: LocalStore,
    folder: Arc<Mutex<Folder>>,
    root: PathBuf,
    settle: Duration,
    /// Objects that the folder does not declare any more, and since when.
    missing: BTreeMap<Id, Instant>,
    /// Problems that were told already.
    told: Vec<Problem>,
    /// The last look decided everything that there was to decide.
    decided: bool,
}

impl Sync {
    pub(super) fn new(store: LocalStore, root: PathBuf, settle: Duration) -> Self {
        let folder = Arc::new(Mutex::new(Folder::new(root.clone())));
        Self { store, folder, root, settle, missing: BTreeMap::new(), told: Vec::new(), decided: false }
    }

    /// Looks at the folder once. Unless `anything` changed for certain, a folder that looks as it did is not read.
    pub(super) async fn run(&mut self, anything: bool) -> Result<Synced, StoreError> {
        if let Err(problem) = self.with_folder(|folder| folder.probe()).await {
            // Whatever was missing before may have been this already.
            self.missing.clear();
            self.decided = false;
            return Ok(self.tell(vec![problem], None).await);
        }
        let requests = self.requests().await?;
        if !anything && self.decided && requests.is_empty() && self.with_folder(|folder| folder.is_current()).await {
            return Ok(Synced { problems: self.told.clone(), again_in: None });
        }
        self.decided = false;
        let rows = self.store.reader().declared().await.map_err(unavailable)?;
        let rows: BTreeMap<Id, Row> = rows.into_iter().map(|row| (id_of(&row.reference()), row)).collect();
        let known = self.known(&rows);
        let store = self.store.clone();
        let load = self.with_folder(move |folder| (folder.load(&store.0.admission, &known), known)).await;
        let (mut load, known) = match load {
            (Ok(load), known) => (load, known),
            (Err(problem), _) => return Ok(self.tell(vec![problem], None).await),
        };
        let mut seen: BTreeSet<Id> = load.held.iter().cloned().collect();
        seen.extend(load.manifests.iter().map(|manifest| manifest.id.clone()));
        self.apply(std::mem::take(&mut load.manifests), &rows).await?;
        let asked = self.delete_requested(requests, &rows, &seen, &mut load).await?;
        seen.extend(asked);

        let gone = known.keys().filter(|id| !seen.contains(*id) && !is_deleting(&rows, id)).cloned();
        let again_in = self.wait_for(gone.collect());
        if again_in.is_none() && !self.missing.is_empty() {
            let forks =
                rows.values().filter(|row| row.kind == Fork::KIND && row.deletion_requested_at.is_none()).count();
            match self.brake(forks, load.empty) {
                Some(problem) => load.problems.push(problem),
                None => self.delete_missing(&rows).await?,
            }
        }
        self.decided = again_in.is_none() && self.missing.is_empty();
        Ok(self.tell(load.problems, again_in).await)
    }

    /// Works on the folder where it may block.
    async fn with_folder<T: Send + 'static>(&self, work: impl FnOnce(&mut Folder) -> T + Send + 'static) -> T {
        let folder = Arc::clone(&self.folder);
        let work = move || work(&mut folder.lock().unwrap_or_else(PoisonError::into_inner));
        match tokio::task::spawn_blocking(work).await {
            Ok(done) => done,
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }

    async fn requests(&self) -> Result<Vec<(String, String)>, StoreError> {
        sqlx::query_as("SELECT namespace, name FROM delete_requests")
            .fetch_all(self.store.reader().pool())
            .await
            .map_err(unavailable)
    }

    fn known(&self, rows: &BTreeMap<Id, Row>) -> BTreeMap<Id, Known> {
        let objects = rows.iter().filter_map(|(id, row)| {
            Some((id.clone(), Known { source: row.source.clone()?, object: Some(row.to_json()) }))
        });
        let data = self.store.data();
        let data =
            data.sources().map(|(key, source)| (data_id(key), Known { source: source.to_owned(), object: None }));
        objects.chain(data).collect()
    }

    /// Takes over what is declared. Secrets and ConfigMaps come first, so that a new Fork finds its own.
    async fn apply(&self, manifests: Vec<Manifest>, rows: &BTreeMap<Id, Row>) -> Result<(), StoreError> {
        let (data, mut objects): (Vec<_>, Vec<_>) =
            manifests.into_iter().partition(|manifest| DataKind::of(&manifest.id.kind).is_some());
        let mut changed = Vec::new();
        for Manifest { id, object, source } in data {
            if let Some(key) = data_key(&id)
                && self.store.data().put(key.clone(), &object, &source)
            {
                changed.push(key);
            }
        }
        self.tell_forks(&changed).await?;
        objects.retain(|Manifest { id, object, source }| {
            rows.get(id).is_none_or(|row| row.clone().declare(object, source))
        });
        self.apply_objects(&objects).await
    }

    /// Takes over objects in one step, so that a watcher who hears of one finds the others.
    async fn apply_objects(&self, manifests: &[Manifest]) -> Result<(), StoreError> {
        if manifests.is_empty() {
            return Ok(());
        }
        let mut changed = Vec::new();
        let mut transaction = self.store.begin().await?;
        for Manifest { id, object, source } in manifests {
            let row = rows::find(&mut transaction, &id.kind, &id.namespace, &id.name).await.map_err(unavailable)?;
            let mut row = match row {
                // What is being deleted is made anew once it is gone.
                Some(row) if row.deletion_requested_at.is_some() => continue,
                Some(mut row) => {
                    row.declare(object, source);
                    row
                }
                None => Row::new(object, Some(source)),
            };
            row.save(&mut transaction).await.map_err(unavailable)?;
            changed.push(row.reference());
        }
        transaction.commit().await.map_err(unavailable)?;
        self.store.changed(changed);
        Ok(())
    }

    /// Wakes the Forks that refer to changed Secrets and ConfigMaps.
    async fn tell_forks(&self, changed: &[DataKey]) -> Result<(), StoreError> {
        if changed.is_empty() {
            return Ok(());
        }
        for fork in self.store.list::<Fork>().await? {
            let spec = serde_json::to_value(&fork.spec).unwrap_or_default();
            let reference = fork.reference();
            let refers = |key: &&DataKey| key.1 == reference.namespace && refers_to(&spec, key.0, &key.2);
            if changed.iter().any(|key| refers(&key)) {
                self.store.changed([reference]);
            }
        }
        Ok(())
    }

    /// Deletes what people asked to delete, unless the folder still declares it. Answers what it deleted.
    async fn delete_requested(
        &self,
        requests: Vec<(String, String)>,
        rows: &BTreeMap<Id, Row>,
        seen: &BTreeSet<Id>,
        load: &mut Load,
    ) -> Result<Vec<Id>, StoreError> {
        let mut deleted = Vec::new();
        for (namespace, name) in requests {
            let id = Id { kind: Fork::KIND.to_owned(), namespace, name };
            if let Some(row) = rows.get(&id) {
                if seen.contains(&id) {
                    let file = row.source.as_deref().unwrap_or_default();
                    let message = format!("{id} was not deleted, since {file} still declares it: delete that first");
                    load.problems.push(Problem { objects: vec![id.clone()], ..Problem::new("StillDeclared", message) });
                } else {
                    self.store.delete_all(&[(row.reference(), row.uid.clone())]).await?;
                    deleted.push(id.clone());
                }
            }
            sqlx::query("DELETE FROM delete_requests WHERE namespace = ? AND name = ?")
                .bind(&id.namespace)
                .bind(&id.name)
                .execute(&self.store.0.database.write)
                .await
                .map_err(unavailable)?;
        }
        Ok(deleted)
    }

    /// Remembers since when objects are missing. Answers how long the youngest of them still has to stay away.
    fn wait_for(&mut self, gone: BTreeSet<Id>) -> Option<Duration> {
        let now = Instant::now();
        self.missing.retain(|id, _| gone.contains(id));
        for id in gone {
            self.missing.entry(id).or_insert(now);
        }
        let youngest = self.missing.values().max()?;
        self.settle.checked_sub(now.duration_since(*youngest)).filter(|rest| !rest.is_zero())
    }

    /// Why the missing objects are not deleted, if they are too many.
    fn brake(&self, forks: usize, empty: bool) -> Option<Problem> {
        let gone: Vec<_> = self.missing.keys().filter(|id| id.kind == Fork::KIND).cloned().collect();
        let most = (forks * BRAKE_SHARE / 100).max(1);
        let too_many = forks >= BRAKE_FROM && gone.len() > most;
        if gone.is_empty() || !(empty || too_many) {
            return None;
        }
        let what = if empty {
            format!("{} is empty", self.root.display())
        } else {
            format!("{} of {forks} Forks are gone from {} at once", gone.len(), self.root.display())
        };
        let listed: Vec<_> = gone.iter().map(ToString::to_string).collect();
        let names: Vec<_> = gone
            .iter()
            .map(|id| if id.namespace == "default" { id.name.clone() } else { format!("{}/{}", id.namespace, id.name) })
            .collect();
        let message = format!(
            "{what}, so nothing was deleted ({}). Put the manifests back, or run: forkable delete {} --dir {}",
            listed.join(", "),
            names.join(" "),
            self.root.display(),
        );
        Some(Problem { objects: gone, ..Problem::new("MassChangeBlocked", message) })
    }

    async fn delete_missing(&mut self, rows: &BTreeMap<Id, Row>) -> Result<(), StoreError> {
        let missing = std::mem::take(&mut self.missing);
        let objects: Vec<_> =
            missing.keys().filter_map(|id| rows.get(id)).map(|row| (row.reference(), row.uid.clone())).collect();
        if !objects.is_empty() {
            self.store.delete_all(&objects).await?;
        }
        let removed: Vec<_> = missing.keys().filter_map(data_key).filter(|key| self.store.data().remove(key)).collect();
        self.tell_forks(&removed).await
    }

    /// Tells the objects of new problems.
    async fn tell(&mut self, problems: Vec<Problem>, again_in: Option<Duration>) -> Synced {
        for problem in problems.iter().filter(|problem| !self.told.contains(problem)) {
            for about in problem.objects.iter().filter_map(reference) {
                self.store.event(&about, EventType::Warning, problem.reason, &problem.to_string()).await;
            }
        }
        self.told.clone_from(&problems);
        Synced { problems, again_in }
    }
}

fn is_deleting(rows: &BTreeMap<Id, Row>, id: &Id) -> bool {
    rows.get(id).is_some_and(|row| row.deletion_requested_at.is_some())
}

/// Which manifest an object is declared by.
pub fn id_of(reference: &ObjectRef) -> Id {
    Id { kind: reference.kind.to_owned(), namespace: reference.namespace.clone(), name: reference.name.clone() }
}

/// The stored object of that name; Secrets and ConfigMaps are not stored.
fn reference(id: &Id) -> Option<ObjectRef> {
    let kind = store::kind(&id.kind)?;
    Some(ObjectRef::new(kind, id.namespace.clone(), id.name.clone()))
}

pub(super) fn data_key(id: &Id) -> Option<DataKey> {
    Some((DataKind::of(&id.kind)?, id.namespace.clone(), id.name.clone()))
}

fn data_id((kind, namespace, name): &DataKey) -> Id {
    Id { kind: format!("{kind:?}"), namespace: namespace.clone(), name: name.clone() }
}
