//! The journal in a SQLite file: the newest 10,000 steps that were tried, and the history of probes.

mod probes;

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use forkable_core::{
    Facet,
    journal::{Entry, Journal, JournalError},
    monitoring::Series,
    store::ObjectRef,
};
use jiff::Timestamp;
use sqlx::{
    Row, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};

mod outbox;
#[cfg(test)]
mod tests;

/// How long a statement waits for another process's write.
const BUSY: Duration = Duration::from_secs(5);
/// What a connection keeps of the file in memory, in KiB as it is negative. The system keeps all of it anyway.
const CACHE: &str = "-512";

/// The audit log of one installation.
///
/// Written by one process; others may read it at the same time. It holds the newest 10,000 entries, and what probes
/// found: see [`forkable_core::monitoring::History`].
#[derive(Clone, Debug)]
pub struct SqliteJournal(SqlitePool, SeriesIds);

/// Ids of the series of probes that were written already.
type SeriesIds = Arc<tokio::sync::Mutex<HashMap<Series, i64>>>;

impl SqliteJournal {
    /// Opens the file for writing; makes it, and brings its schema up to date, if need be.
    pub async fn open(file: &Path) -> Result<Self, JournalError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A crash of the machine may lose the last entries, never the file.
            .synchronous(SqliteSynchronous::Normal)
            .pragma("cache_size", CACHE)
            .busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options).await.map_err(unavailable)?;
        Self::migrated(pool).await
    }

    /// One that ends with the process.
    pub async fn open_in_memory() -> Result<Self, JournalError> {
        let options = SqliteConnectOptions::new().in_memory(true);
        // It lives as long as its connection.
        let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        Self::migrated(pool.connect_with(options).await.map_err(unavailable)?).await
    }

    async fn migrated(pool: SqlitePool) -> Result<Self, JournalError> {
        sqlx::migrate!("../../migrations/operator/journal").run(&pool).await.map_err(unavailable)?;
        Ok(Self(pool, SeriesIds::default()))
    }

    /// Opens the file of a process that may be running, for reading. An error if there is no such file.
    pub async fn open_read_only(file: &Path) -> Result<Self, JournalError> {
        let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(BUSY);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(unavailable)?;
        Ok(Self(pool, SeriesIds::default()))
    }

    /// Writes what is pending into the file and lets go of it.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn record(&self, entry: Entry) -> Result<(), JournalError> {
        sqlx::query(
            "INSERT INTO entries (at_us, kind, namespace, name, facet, step, outcome, duration_ms) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(entry.at.as_microsecond())
        .bind(entry.object.kind)
        .bind(&*entry.object.namespace)
        .bind(&*entry.object.name)
        .bind(entry.facet)
        .bind(entry.step)
        .bind(entry.outcome)
        .bind(entry.duration_ms)
        .execute(&self.0)
        .await
        .map(drop)
        .map_err(unavailable)
    }

    async fn newest(&self, object: &ObjectRef, limit: u32) -> Result<Vec<Entry>, JournalError> {
        let rows = sqlx::query(
            "SELECT at_us, facet, step, outcome, duration_ms FROM entries \
             WHERE kind = ? AND namespace = ? AND name = ? ORDER BY id DESC LIMIT ?",
        )
        .bind(object.kind)
        .bind(&object.namespace)
        .bind(&object.name)
        .bind(limit)
        .fetch_all(&self.0)
        .await
        .map_err(unavailable)?;
        rows.iter().map(|row| entry(row, object)).collect()
    }
}

fn entry(row: &SqliteRow, object: &ObjectRef) -> Result<Entry, JournalError> {
    let read = |row: &SqliteRow| -> Result<Entry, sqlx::Error> {
        let at: i64 = row.try_get("at_us")?;
        Ok(Entry {
            at: Timestamp::from_microsecond(at).map_err(|error| sqlx::Error::Decode(error.into()))?,
            object: object.clone(),
            facet: facet(row.try_get("facet")?),
            step: row.try_get("step")?,
            outcome: row.try_get("outcome")?,
            duration_ms: row.try_get("duration_ms")?,
        })
    };
    read(row).map_err(unavailable)
}

/// The name of a facet that this version knows; an entry of another version keeps all but that.
fn facet(name: &str) -> &'static str {
    Facet::ALL.into_iter().map(Facet::name).find(|known| *known == name).unwrap_or("other")
}

fn unavailable(error: impl std::fmt::Display) -> JournalError {
    JournalError(error.to_string())
}
