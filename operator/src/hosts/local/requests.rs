//! What a person asks for beside the process that works on the folder: deletions, and wishes about releases.

use std::{collections::BTreeMap, path::Path};

use forkable_core::store::{Kind, ObjectRef, StoreError};
use forkable_crds::Fork;

use super::{
    database::{Database, OpenError, Paths, Reader, unavailable},
    folder::{Folder, Id, Known},
    rows::{self, now},
};
use crate::admission::Admission;

/// A deletion cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0} does not exist")]
    NotFound(ObjectRef),
    #[error("{file} still declares {fork}: delete that first")]
    StillDeclared { fork: ObjectRef, file: String },
    #[error("{0}")]
    UnreadableFolder(String),
}

/// Asks for the deletion of Forks that no manifest declares any more, each given by namespace and name. The process
/// that works on the folder deletes them, past the brake, as soon as it looks; without one, at the next start.
///
/// # Errors
/// Nothing is asked for if one of them does not exist or is still declared.
pub async fn request_delete(root: &Path, forks: &[(String, String)]) -> Result<(), RequestError> {
    let reader = Reader::open(root).await?;
    let rows = reader.declared().await.map_err(unavailable)?;
    let known: BTreeMap<Id, Known> = rows
        .iter()
        .filter_map(|row| {
            let id = Id { kind: row.kind.clone(), namespace: row.namespace.clone(), name: row.name.clone() };
            Some((id, Known { source: row.source.clone()?, object: Some(row.to_json()) }))
        })
        .collect();
    let load = Folder::new(root.to_owned())
        .load(&Admission::new(), &known)
        .map_err(|problem| RequestError::UnreadableFolder(problem.to_string()))?;
    for (namespace, name) in forks {
        let fork = ObjectRef::new(Fork::KIND, namespace.clone(), name.clone());
        let id = Id { kind: Fork::KIND.to_owned(), namespace: namespace.clone(), name: name.clone() };
        let declared = load.held.contains(&id) || load.manifests.iter().any(|manifest| manifest.id == id);
        match known.get(&id) {
            None => return Err(RequestError::NotFound(fork)),
            Some(known) if declared => return Err(RequestError::StillDeclared { fork, file: known.source.clone() }),
            Some(_) => {}
        }
    }
    let database = Database::open(&Paths::of(root).database(), false).await?;
    let mut transaction = database.write.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
    for (namespace, name) in forks {
        sqlx::query("INSERT OR IGNORE INTO delete_requests (namespace, name, requested_at) VALUES (?, ?, ?)")
            .bind(namespace)
            .bind(name)
            .bind(now())
            .execute(&mut *transaction)
            .await
            .map_err(unavailable)?;
    }
    transaction.commit().await.map_err(unavailable)?;
    Ok(())
}

/// Its being there says that wishes were noted, and that Deployments and AlertRules are to be looked at.
pub const WISHES_FILE: &str = "wishes";

/// Notes a wish of a person on an object, as an annotation; the process that works on the folder hears of it within a
/// second.
///
/// # Errors
/// The object does not exist, or the state of the folder cannot be written.
pub async fn annotate(root: &Path, object: &ObjectRef, name: &str, value: &str) -> Result<(), RequestError> {
    let paths = Paths::of(root);
    let database = Database::open(&paths.database(), false).await?;
    let mut transaction = database.write.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
    let found =
        rows::find(&mut transaction, object.kind, &object.namespace, &object.name).await.map_err(unavailable)?;
    let mut row = found.ok_or_else(|| RequestError::NotFound(object.clone()))?;
    row.annotate(name, value.into());
    row.save(&mut transaction).await.map_err(unavailable)?;
    transaction.commit().await.map_err(unavailable)?;
    std::fs::write(paths.state.join(WISHES_FILE), [])
        .map_err(|error| StoreError::Unavailable(format!("{}: {error}", paths.state.display())))?;
    Ok(())
}
