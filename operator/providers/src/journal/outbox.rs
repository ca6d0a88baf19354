//! The outbox in the journal's file. Unlike the rest of the journal it survives a crash of the machine too: each of its
//! transactions waits for the disk.

use async_trait::async_trait;
use forkable_core::{
    alerting::{Depth, Envelope, Failing, Failure, Group, Letter, Outbox, Receipt},
    journal::JournalError,
};
use jiff::Timestamp;
use sqlx::{
    Connection as _, Row, SqliteConnection,
    pool::PoolConnection,
    sqlite::{Sqlite, SqliteRow},
};

use super::{SqliteJournal, unavailable};

#[cfg(test)]
mod tests;

const COLUMNS: &str = "id, body, attempts, next_us, error, finished_us, \
    (SELECT m.reference FROM messages m WHERE m.incident = messages.incident AND m.channel = messages.channel \
     AND m.reference IS NOT NULL ORDER BY m.id DESC LIMIT 1) AS reference";

impl SqliteJournal {
    /// A connection whose transactions wait for the disk.
    async fn durable(&self) -> Result<PoolConnection<Sqlite>, JournalError> {
        let mut connection = self.0.acquire().await.map_err(unavailable)?;
        sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await.map_err(unavailable)?;
        Ok(connection)
    }
}

/// Gives the connection back to those who need not wait for the disk.
async fn relaxed<T>(mut connection: PoolConnection<Sqlite>, done: Result<T, sqlx::Error>) -> Result<T, JournalError> {
    sqlx::query("PRAGMA synchronous = NORMAL").execute(&mut *connection).await.map_err(unavailable)?;
    done.map_err(unavailable)
}

async fn put(connection: &mut SqliteConnection, envelopes: &[Envelope]) -> Result<(), sqlx::Error> {
    for envelope in envelopes {
        sqlx::query(
            "INSERT INTO messages (key, grouped, incident, namespace, rule, channel, body, created_us, next_us) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&envelope.key)
        .bind(&envelope.group)
        .bind(&envelope.incident)
        .bind(&envelope.message.namespace)
        .bind(&envelope.message.rule)
        .bind(&envelope.channel.name)
        .bind(json(envelope)?)
        .bind(envelope.created_at.as_microsecond())
        .bind(envelope.next_at.as_microsecond())
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(value).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    let at: Option<i64> = row.try_get(column)?;
    at.map(Timestamp::from_microsecond).transpose().map_err(|error| sqlx::Error::Decode(error.into()))
}

fn group(row: &SqliteRow) -> Result<Group, sqlx::Error> {
    let body: &str = row.try_get("body")?;
    let mut group: Group = serde_json::from_str(body).map_err(|error| sqlx::Error::Decode(error.into()))?;
    group.version = row.try_get("version")?;
    Ok(group)
}

fn envelope(row: &SqliteRow) -> Result<Envelope, sqlx::Error> {
    let body: &str = row.try_get("body")?;
    let envelope: Envelope = serde_json::from_str(body).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Envelope {
        id: row.try_get("id")?,
        attempts: row.try_get("attempts")?,
        next_at: time(row, "next_us")?.unwrap_or_default(),
        reference: row.try_get("reference")?,
        ..envelope
    })
}

#[async_trait]
impl Outbox for SqliteJournal {
    async fn group(&self, key: &str) -> Result<Option<Group>, JournalError> {
        let row = sqlx::query("SELECT version, body FROM groups WHERE key = ?").bind(key);
        let row = row.fetch_optional(&self.0).await.map_err(unavailable)?;
        row.as_ref().map(group).transpose().map_err(unavailable)
    }

    async fn groups(&self) -> Result<Vec<Group>, JournalError> {
        let all = sqlx::query("SELECT version, body FROM groups").fetch_all(&self.0).await.map_err(unavailable)?;
        all.iter().map(group).collect::<Result<_, _>>().map_err(unavailable)
    }

    async fn first(&self) -> Result<Option<Group>, JournalError> {
        let first = "SELECT version, body FROM groups WHERE due_us IS NOT NULL ORDER BY due_us LIMIT 1";
        let row = sqlx::query(first).fetch_optional(&self.0).await.map_err(unavailable)?;
        row.as_ref().map(group).transpose().map_err(unavailable)
    }

    async fn save(&self, group: &Group, messages: &[Envelope]) -> Result<bool, JournalError> {
        let mut pooled = self.durable().await?;
        let done = async {
            let mut transaction = pooled.begin_with("BEGIN IMMEDIATE").await?;
            let connection = &mut *transaction;
            let known = "SELECT coalesce((SELECT version FROM groups WHERE key = ?), 0)";
            let version: i64 = sqlx::query_scalar(known).bind(&group.key).fetch_one(&mut *connection).await?;
            if version != group.version {
                return Ok(false);
            }
            if group.is_empty() {
                sqlx::query("DELETE FROM groups WHERE key = ?").bind(&group.key).execute(&mut *connection).await?;
            } else {
                sqlx::query("INSERT OR REPLACE INTO groups (key, version, due_us, body) VALUES (?, ?, ?, ?)")
                    .bind(&group.key)
                    .bind(version + 1)
                    .bind(group.due().map(Timestamp::as_microsecond))
                    .bind(json(group)?)
                    .execute(&mut *connection)
                    .await?;
            }
            put(connection, messages).await?;
            transaction.commit().await?;
            Ok(true)
        };
        let done = done.await;
        relaxed(pooled, done).await
    }

    async fn heads(&self, limit: u32) -> Result<Vec<Envelope>, JournalError> {
        let heads = format!(
            "SELECT {COLUMNS} FROM messages WHERE id IN \
             (SELECT min(id) FROM messages WHERE state = 'pending' GROUP BY grouped, channel) \
             ORDER BY next_us, id LIMIT ?"
        );
        let heads = sqlx::query(sqlx::AssertSqlSafe(heads)).bind(limit);
        let rows = heads.fetch_all(&self.0).await.map_err(unavailable)?;
        rows.iter().map(envelope).collect::<Result<_, _>>().map_err(unavailable)
    }

    async fn sent(
        &self,
        envelope: &Envelope,
        receipt: &Receipt,
        now: Timestamp,
        recovered: &[Envelope],
    ) -> Result<(), JournalError> {
        let mut pooled = self.durable().await?;
        let done = async {
            let mut transaction = pooled.begin_with("BEGIN IMMEDIATE").await?;
            let connection = &mut *transaction;
            sqlx::query(
                "UPDATE messages SET state = 'sent', attempts = attempts + 1, error = NULL, reference = ?, \
                 finished_us = ? WHERE id = ?",
            )
            .bind(&receipt.reference)
            .bind(now.as_microsecond())
            .bind(envelope.id)
            .execute(&mut *connection)
            .await?;
            let well = sqlx::query("DELETE FROM failing WHERE namespace = ? AND rule = ? AND channel = ?")
                .bind(&envelope.message.namespace)
                .bind(&envelope.message.rule)
                .bind(&envelope.channel.name)
                .execute(&mut *connection)
                .await?;
            if well.rows_affected() > 0 {
                put(connection, recovered).await?;
            }
            transaction.commit().await
        };
        let done = done.await;
        relaxed(pooled, done).await
    }

    async fn failed(
        &self,
        envelope: &Envelope,
        failure: &Failure,
        now: Timestamp,
        trouble: &[Envelope],
    ) -> Result<(), JournalError> {
        let Failure { error, next_at, failing } = failure;
        let mut pooled = self.durable().await?;
        let done = async {
            let mut transaction = pooled.begin_with("BEGIN IMMEDIATE").await?;
            let connection = &mut *transaction;
            let is_dead = next_at.is_none();
            sqlx::query(
                "UPDATE messages SET state = ?, attempts = attempts + 1, error = ?, next_us = ?, finished_us = ? \
                 WHERE id = ?",
            )
            .bind(if is_dead { "dead" } else { "pending" })
            .bind(error)
            .bind(next_at.unwrap_or(now).as_microsecond())
            .bind(is_dead.then(|| now.as_microsecond()))
            .bind(envelope.id)
            .execute(&mut *connection)
            .await?;
            if !failing {
                return transaction.commit().await;
            }
            let whose = (&envelope.message.namespace, &envelope.message.rule, &envelope.channel.name);
            let known = sqlx::query("UPDATE failing SET error = ? WHERE namespace = ? AND rule = ? AND channel = ?")
                .bind(error)
                .bind(whose.0)
                .bind(whose.1)
                .bind(whose.2)
                .execute(&mut *connection)
                .await?;
            if known.rows_affected() > 0 {
                return transaction.commit().await;
            }
            sqlx::query("INSERT INTO failing (namespace, rule, channel, since_us, error) VALUES (?, ?, ?, ?, ?)")
                .bind(whose.0)
                .bind(whose.1)
                .bind(whose.2)
                .bind(now.as_microsecond())
                .bind(error)
                .execute(&mut *connection)
                .await?;
            put(connection, trouble).await?;
            transaction.commit().await
        };
        let done = done.await;
        relaxed(pooled, done).await
    }

    async fn discard(&self, envelope: &Envelope) -> Result<(), JournalError> {
        let gone = sqlx::query("DELETE FROM messages WHERE id = ?").bind(envelope.id);
        gone.execute(&self.0).await.map_err(unavailable)?;
        let well = sqlx::query("DELETE FROM failing WHERE namespace = ? AND rule = ? AND channel = ?")
            .bind(&envelope.message.namespace)
            .bind(&envelope.message.rule)
            .bind(&envelope.channel.name);
        well.execute(&self.0).await.map(drop).map_err(unavailable)
    }

    async fn failing(&self) -> Result<Vec<Failing>, JournalError> {
        let failing = "SELECT namespace, rule, channel, since_us, error FROM failing ORDER BY since_us";
        let rows = sqlx::query(failing).fetch_all(&self.0).await.map_err(unavailable)?;
        let read = |row: &SqliteRow| -> Result<Failing, sqlx::Error> {
            Ok(Failing {
                namespace: row.try_get("namespace")?,
                rule: row.try_get("rule")?,
                channel: row.try_get("channel")?,
                since: time(row, "since_us")?.unwrap_or_default(),
                error: row.try_get("error")?,
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(unavailable)
    }

    async fn dead(&self, limit: u32) -> Result<Vec<Letter>, JournalError> {
        let dead =
            format!("SELECT {COLUMNS} FROM messages WHERE state = 'dead' ORDER BY finished_us DESC, id DESC LIMIT ?");
        let dead = sqlx::query(sqlx::AssertSqlSafe(dead)).bind(limit);
        let rows = dead.fetch_all(&self.0).await.map_err(unavailable)?;
        let read = |row: &SqliteRow| -> Result<Letter, sqlx::Error> {
            let error: Option<String> = row.try_get("error")?;
            let given_up_at = time(row, "finished_us")?.unwrap_or_default();
            Ok(Letter { envelope: envelope(row)?, error: error.unwrap_or_default(), given_up_at })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(unavailable)
    }

    async fn resend(&self, namespace: &str, rule: &str, until: Timestamp, now: Timestamp) -> Result<u64, JournalError> {
        let mut pooled = self.durable().await?;
        let again = "UPDATE messages SET state = 'pending', attempts = 0, next_us = ?, finished_us = NULL \
                     WHERE state = 'dead' AND finished_us <= ? AND namespace = ? AND rule = ?";
        let again = sqlx::query(again).bind(now.as_microsecond()).bind(until.as_microsecond());
        let done = again.bind(namespace).bind(rule).execute(&mut *pooled).await;
        relaxed(pooled, done.map(|done| done.rows_affected())).await
    }

    async fn depth(&self) -> Result<Depth, JournalError> {
        let depth = "SELECT count(*) FILTER (WHERE state = 'pending') AS pending, \
                     count(*) FILTER (WHERE state = 'dead') AS dead, \
                     min(created_us) FILTER (WHERE state = 'pending') AS oldest FROM messages";
        let row = sqlx::query(depth).fetch_one(&self.0).await.map_err(unavailable)?;
        let read = || -> Result<Depth, sqlx::Error> {
            let count = |column| row.try_get::<i64, _>(column).map(|count| u64::try_from(count).unwrap_or_default());
            Ok(Depth { pending: count("pending")?, dead: count("dead")?, oldest: time(&row, "oldest")? })
        };
        read().map_err(unavailable)
    }
}
