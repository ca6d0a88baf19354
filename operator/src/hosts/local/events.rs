//! What people were told about objects, repeats merged into one row with a count.

use forkable_core::store::{self, EventType, ObjectRef};
use jiff::Timestamp;
use sqlx::SqlitePool;

use super::rows::now;

/// Rows that are kept of one object, and of all.
const MAX_OF_ONE: i64 = 64;
const MAX_OF_ALL: i64 = 10_000;

/// Something that people were told.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Event {
    /// `Normal` or `Warning`.
    #[sqlx(rename = "type")]
    pub type_: String,
    /// CamelCase, for machines.
    pub reason: String,
    pub message: String,
    /// How often.
    pub count: i64,
    /// RFC 3339.
    pub first_at: String,
    pub last_at: String,
}

impl From<Event> for store::Event {
    fn from(Event { type_, reason, message, count, last_at, .. }: Event) -> Self {
        Self {
            event_type: if type_ == "Warning" { EventType::Warning } else { EventType::Normal },
            reason,
            message,
            count,
            last_at: last_at.parse().unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

pub(super) async fn record(
    pool: &SqlitePool,
    about: &ObjectRef,
    event_type: EventType,
    reason: &str,
    message: &str,
) -> sqlx::Result<()> {
    let type_ = match event_type {
        EventType::Normal => "Normal",
        EventType::Warning => "Warning",
    };
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(
        "INSERT INTO events (kind, namespace, name, type, reason, message, count, first_at, last_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?7)
         ON CONFLICT (kind, namespace, name, reason, message)
         DO UPDATE SET count = count + 1, last_at = excluded.last_at, type = excluded.type",
    )
    .bind(about.kind)
    .bind(&about.namespace)
    .bind(&about.name)
    .bind(type_)
    .bind(reason)
    .bind(message)
    .bind(now())
    .execute(&mut *transaction)
    .await?;
    sqlx::query(
        "DELETE FROM events WHERE id IN (
            SELECT id FROM events WHERE kind = ?1 AND namespace = ?2 AND name = ?3
            ORDER BY last_at DESC, id DESC LIMIT -1 OFFSET ?4)
         OR id <= (SELECT max(id) FROM events) - ?5",
    )
    .bind(about.kind)
    .bind(&about.namespace)
    .bind(&about.name)
    .bind(MAX_OF_ONE)
    .bind(MAX_OF_ALL)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await
}

pub(super) async fn about(pool: &SqlitePool, object: &ObjectRef) -> sqlx::Result<Vec<Event>> {
    sqlx::query_as(
        "SELECT type, reason, message, count, first_at, last_at FROM events
         WHERE kind = ? AND namespace = ? AND name = ? ORDER BY last_at, id",
    )
    .bind(object.kind)
    .bind(&object.namespace)
    .bind(&object.name)
    .fetch_all(pool)
    .await
}
