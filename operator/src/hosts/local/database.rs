//! The SQLite file of a folder: opening it for the one process that works on it, and for others that only look.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use forkable_core::store::{Kind, ObjectRef, StoreError};
use sqlx::{
    SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{events::Event, rows::Row, vault::KeyError};

/// Folder of our own files in the folder of manifests.
pub const STATE_FOLDER: &str = ".forkable";

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

/// The state of a folder cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    #[error("another forkable works on {} already: stop it first", .0.display())]
    Locked(PathBuf),
    #[error("nothing is known about {} yet: run `forkable up {}` first, or name another folder with --dir, or a cluster with --cluster", .0.display(), .0.display())]
    NoState(PathBuf),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("{}", path.display())]
    Database { path: PathBuf, source: sqlx::Error },
    #[error("{}", path.display())]
    Migration { path: PathBuf, source: sqlx::migrate::MigrateError },
}

/// The paths of a folder's state.
pub(super) struct Paths {
    pub(super) root: PathBuf,
    pub(super) state: PathBuf,
}

impl Paths {
    pub(super) fn of(root: &Path) -> Self {
        Self { root: root.to_owned(), state: root.join(STATE_FOLDER) }
    }

    pub(super) fn database(&self) -> PathBuf {
        self.state.join("state.db")
    }

    pub(super) fn key(&self) -> PathBuf {
        self.state.join("key")
    }

    /// Makes the state folder, invisible to Git, and takes the lock of the one process that works on it. The lock
    /// ends with the file handle, so also with a killed process.
    pub(super) fn claim(&self) -> Result<File, OpenError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Folder { path, source }
        };
        if !fs::metadata(&self.root).map_err(failed(&self.root))?.is_dir() {
            return Err(OpenError::NotAFolder(self.root.clone()));
        }
        let mut folder = fs::DirBuilder::new();
        folder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.create(&self.state).map_err(failed(&self.state))?;
        let ignore = self.state.join(".gitignore");
        fs::write(&ignore, "*\n").map_err(failed(&ignore))?;
        let path = self.state.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked(self.root.clone())),
            Err(TryLockError::Error(source)) => Err(OpenError::Folder { path, source }),
        }
    }
}

/// A pool that opens its connection once and keeps it: the folder that the file is in may go away and come back.
fn one_connection() -> SqlitePoolOptions {
    SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None)
}

/// One connection that writes and one that reads beside it: SQLite has one writer at a time, and statements queue
/// here rather than in its busy handler, which sleeps.
pub(super) struct Database {
    pub(super) write: SqlitePool,
    pub(super) reader: Reader,
}

impl Database {
    /// Opens the file, makes it if `create`, and brings its tables up to date.
    pub(super) async fn open(path: &Path, create: bool) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Database { path: path.to_owned(), source };
        // A killed process loses nothing with NORMAL; only a power cut may undo the last commits.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY);
        let write = one_connection().connect_with(options).await.map_err(failed)?;
        sqlx::migrate!("../migrations/operator/objects")
            .run(&write)
            .await
            .map_err(|source| OpenError::Migration { path: path.to_owned(), source })?;
        Ok(Self { write, reader: Reader::connect(path).await.map_err(failed)? })
    }
}

/// Reads what a folder's state says, beside the process that works on it or without one.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: SqlitePool,
}

impl Reader {
    /// Opens the state of a folder.
    ///
    /// # Errors
    /// [`OpenError::NoState`] if no process has worked on the folder yet.
    pub async fn open(root: &Path) -> Result<Self, OpenError> {
        let path = Paths::of(root).database();
        if !path.exists() {
            return Err(OpenError::NoState(root.to_owned()));
        }
        Self::connect(&path).await.map_err(|source| OpenError::Database { path, source })
    }

    async fn connect(path: &Path) -> sqlx::Result<Self> {
        let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY);
        Ok(Self { pool: one_connection().connect_with(options).await? })
    }

    /// The pool itself, for the tables of others in the same file.
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// One object.
    pub async fn get<K: Kind>(&self, namespace: &str, name: &str) -> Result<Option<K>, StoreError> {
        let mut connection = self.pool.acquire().await.map_err(unavailable)?;
        let row = super::rows::find(&mut connection, K::KIND, namespace, name).await.map_err(unavailable)?;
        row.map(|row| row.to_object()).transpose()
    }

    /// All objects of a kind, by namespace and name.
    pub async fn list<K: Kind>(&self) -> Result<Vec<K>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM objects WHERE kind = ? ORDER BY namespace, name")
            .bind(K::KIND)
            .fetch_all(&self.pool)
            .await
            .map_err(unavailable)?;
        rows.iter().map(Row::to_object).collect()
    }

    /// What people were told about an object, newest last.
    pub async fn events(&self, about: &ObjectRef) -> Result<Vec<Event>, StoreError> {
        super::events::about(&self.pool, about).await.map_err(unavailable)
    }

    /// The objects that files of the folder declare.
    pub(super) async fn declared(&self) -> sqlx::Result<Vec<Row>> {
        sqlx::query_as("SELECT * FROM objects WHERE source IS NOT NULL").fetch_all(&self.pool).await
    }

    pub(super) async fn references(&self) -> sqlx::Result<Vec<ObjectRef>> {
        let rows: Vec<Row> = sqlx::query_as("SELECT * FROM objects").fetch_all(&self.pool).await?;
        Ok(rows.iter().map(Row::reference).collect())
    }
}

/// Whether values are stored that only the key file can decrypt.
pub(super) async fn has_sealed_values(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM generated)").fetch_one(connection).await
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
pub(super) fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
