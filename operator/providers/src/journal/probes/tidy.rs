//! What is older than it is kept for goes, or goes on in less detail.

use std::collections::BTreeMap;

use forkable_core::monitoring::{Point, Sample};
use jiff::Timestamp;

use super::{
    super::SqliteJournal,
    append,
    packed::{self, DAY, HOUR, floor, time},
};

/// Days for which minutes are kept, and hours.
const MINUTES_DAYS: i64 = 30;
const HOURS_DAYS: i64 = 400;
/// Spells that are kept of a Fork: one that flaps for weeks loses its oldest.
const SPELLS: i64 = 10_000;
/// The most that the file may hold, in bytes, before minutes go earlier than they would.
const LARGEST: i64 = 1 << 30;
/// Chunks that are rolled up at a time, so that what is written meanwhile does not wait.
const BATCH: i64 = 500;

impl SqliteJournal {
    pub(super) async fn roll_up(&self, now: Timestamp) -> sqlx::Result<()> {
        let now = now.as_second();
        while self.roll_up_some(now - DAY - HOUR).await? {}
        self.forget(60, now - MINUTES_DAYS * DAY).await?;
        self.forget(HOUR, now - HOURS_DAYS * DAY).await?;
        let mut days = MINUTES_DAYS;
        while days > 1 && self.size().await? > LARGEST {
            days -= 1;
            self.forget(60, now - days * DAY).await?;
        }
        sqlx::query(
            "DELETE FROM probe_spells WHERE to_ms < ?1 OR (namespace, fork, from_ms) IN \
             (SELECT namespace, fork, from_ms FROM (SELECT *, row_number() OVER \
             (PARTITION BY namespace, fork ORDER BY from_ms DESC) AS age FROM probe_spells) WHERE age > ?2)",
        )
        .bind((now - HOURS_DAYS * DAY) * 1000)
        .bind(SPELLS)
        .execute(&self.0)
        .await?;
        // Held until the end, so that no series is written that goes.
        let mut known = self.1.lock().await;
        let gone = "NOT EXISTS (SELECT 1 FROM probe_chunks WHERE series =";
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        for statement in [
            format!("DELETE FROM probe_standings WHERE {gone} probe_standings.series)"),
            format!("DELETE FROM probe_series WHERE {gone} probe_series.id)"),
        ] {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        known.clear();
        Ok(())
    }

    /// Rolls up chunks of runs that began before; answers whether there may be more.
    async fn roll_up_some(&self, before: i64) -> sqlx::Result<bool> {
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let chunks: Vec<(i64, i64, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT id, series, start, data FROM probe_chunks WHERE step = 0 AND start <= ? ORDER BY start LIMIT ?",
        )
        .bind(before)
        .bind(BATCH)
        .fetch_all(&mut *transaction)
        .await?;
        if chunks.is_empty() {
            return Ok(false);
        }
        let (mut minutes, mut hours) = (BTreeMap::new(), BTreeMap::<_, Vec<u8>>::new());
        for (_, series, start, data) in &chunks {
            let samples = packed::samples(*start, data);
            let (packed_minutes, hour) = rolled(*start, &samples);
            minutes.insert((*series, *start), packed_minutes);
            packed::put_point(hours.entry((*series, floor(*start, DAY))).or_default(), HOUR, &hour);
        }
        append(&mut transaction, 60, minutes).await?;
        append(&mut transaction, HOUR, hours).await?;
        let ids: Vec<_> = chunks.iter().map(|(id, ..)| *id).collect();
        sqlx::query("DELETE FROM probe_chunks WHERE id IN (SELECT value FROM json_each(?))")
            .bind(serde_json::Value::from(ids).to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Drops chunks of a step that began before.
    async fn forget(&self, step: i64, before: i64) -> sqlx::Result<()> {
        let statement = "DELETE FROM probe_chunks WHERE step = ? AND start < ?";
        sqlx::query(statement).bind(step).bind(before).execute(&self.0).await.map(drop)
    }

    /// Bytes of the file that hold something.
    async fn size(&self) -> sqlx::Result<i64> {
        let statement = "SELECT (page_count - freelist_count) * page_size \
                         FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
        let (size,): (i64,) = sqlx::query_as(statement).fetch_one(&self.0).await?;
        Ok(size)
    }
}

/// The runs of an hour as packed minutes, and as the hour.
fn rolled(start: i64, samples: &[Sample]) -> (Vec<u8>, Point) {
    let mut minutes = BTreeMap::<i64, Point>::new();
    let mut hour = Point { at: time(start), ..Point::default() };
    for sample in samples {
        let minute = floor(sample.at.as_second(), 60);
        minutes.entry(minute).or_insert(Point { at: time(minute), ..Point::default() }).add(sample);
        hour.add(sample);
    }
    let mut data = Vec::new();
    for point in minutes.values() {
        packed::put_point(&mut data, 60, point);
    }
    (data, hour)
}
