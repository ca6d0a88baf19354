//! The history of probes in the journal: every run for a day, minutes for 30 days, hours for 400 days, and how long each
//! Fork was up and down. Whatever the fleet, it stays below 1 GiB: then minutes go earlier.

mod packed;
#[cfg(test)]
mod tests;
mod tidy;

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use async_trait::async_trait;
use forkable_core::{
    journal::JournalError,
    monitoring::{History, Point, Sample, Series, Spell, Standing},
    store::ObjectRef,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::{Row as _, Sqlite, Transaction};

use super::{SqliteJournal, unavailable};
use packed::{DAY, HOUR, floor, time};

/// The kind of object that has probes.
const FORK: &str = "Fork";

impl SqliteJournal {
    /// The ids of series, which are made if need be.
    async fn ids(&self, of: &[&Series]) -> sqlx::Result<Vec<i64>> {
        let mut known = self.1.lock().await;
        let mut ids = Vec::with_capacity(of.len());
        for series in of {
            if let Some(id) = known.get(*series) {
                ids.push(*id);
                continue;
            }
            let statement = "INSERT INTO probe_series (namespace, fork, probe) VALUES (?, ?, ?) \
                             ON CONFLICT DO UPDATE SET probe = excluded.probe RETURNING id";
            let (id,): (i64,) = sqlx::query_as(statement)
                .bind(&series.fork.namespace)
                .bind(&series.fork.name)
                .bind(&series.probe)
                .fetch_one(&self.0)
                .await?;
            known.insert((*series).clone(), id);
            ids.push(id);
        }
        Ok(ids)
    }

    async fn write_samples(&self, samples: &[(Series, Sample)]) -> sqlx::Result<()> {
        let of: Vec<_> = samples.iter().map(|(series, _)| series).collect();
        let ids = self.ids(&of).await?;
        let mut chunks = BTreeMap::<(i64, i64), Vec<u8>>::new();
        for (id, (_, sample)) in ids.into_iter().zip(samples) {
            let start = floor(sample.at.as_second(), HOUR);
            packed::put_sample(chunks.entry((id, start)).or_default(), start, sample);
        }
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        append(&mut transaction, 0, chunks).await?;
        transaction.commit().await
    }

    async fn read_points(
        &self,
        series: &Series,
        (from, to): (Timestamp, Timestamp),
        step: Duration,
    ) -> sqlx::Result<Vec<Point>> {
        let chunks = sqlx::query(
            "SELECT step, start, data FROM probe_chunks WHERE series = \
             (SELECT id FROM probe_series WHERE namespace = ? AND fork = ? AND probe = ?) \
             AND start > ? AND start < ? ORDER BY step, start",
        )
        .bind(&series.fork.namespace)
        .bind(&series.fork.name)
        .bind(&series.probe)
        .bind(from.as_second() - DAY)
        .bind(to.as_second() + 1)
        .fetch_all(&self.0)
        .await?;
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
        let mut points = BTreeMap::<i64, Point>::new();
        let mut add = |point: Point| {
            if from <= point.at && point.at < to {
                let at = (point.at.as_millisecond() - from.as_millisecond()).div_euclid(step) * step;
                let at = Timestamp::from_millisecond(from.as_millisecond() + at).unwrap_or(from);
                let rolled = points.entry(at.as_millisecond()).or_insert(Point { at, ..Point::default() });
                rolled.merge(&point);
            }
        };
        // The finest that there is of each hour.
        let mut hours = HashSet::new();
        for chunk in chunks {
            let (of, start): (i64, i64) = (chunk.try_get("step")?, chunk.try_get("start")?);
            let data: &[u8] = chunk.try_get("data")?;
            match of {
                0 => {
                    hours.insert(start);
                    packed::samples(start, data).iter().map(alone).for_each(&mut add);
                }
                HOUR => {
                    let hours =
                        packed::points(start, HOUR, data).into_iter().filter(|p| !hours.contains(&p.at.as_second()));
                    hours.for_each(&mut add);
                }
                _ if !hours.insert(start) => {}
                of => packed::points(start, of, data).into_iter().for_each(&mut add),
            }
        }
        Ok(points.into_values().collect())
    }

    async fn read_standings(&self) -> sqlx::Result<Vec<Standing>> {
        let rows = sqlx::query(
            "SELECT namespace, fork, probe, verdict, since_ms, why, certificate_ends, \
             (SELECT max(start) FROM probe_chunks WHERE series = s.series AND step = 0) AS start, \
             (SELECT data FROM probe_chunks WHERE series = s.series AND step = 0 ORDER BY start DESC LIMIT 1) AS data \
             FROM probe_standings s JOIN probe_series ON probe_series.id = s.series",
        )
        .fetch_all(&self.0)
        .await?;
        let read = |row: sqlx::sqlite::SqliteRow| -> sqlx::Result<Standing> {
            let fork = ObjectRef::new(FORK, row.try_get::<&str, _>("namespace")?, row.try_get::<&str, _>("fork")?);
            let since = Timestamp::from_millisecond(row.try_get("since_ms")?).unwrap_or_default();
            let verdict = packed::verdict(row.try_get("verdict")?);
            let (start, data): (Option<i64>, Option<Vec<u8>>) = (row.try_get("start")?, row.try_get("data")?);
            let runs = start.zip(data).map(|(start, data)| packed::samples(start, &data));
            let newest = runs.and_then(|runs| runs.into_iter().max_by_key(|run| run.at));
            Ok(Standing {
                series: Series { fork, probe: row.try_get("probe")? },
                verdict,
                since,
                newest: newest.unwrap_or(Sample { at: since, verdict, latency: None }),
                why: row.try_get("why")?,
                certificate_ends: row.try_get::<Option<i64>, _>("certificate_ends")?.map(time),
            })
        };
        rows.into_iter().map(read).collect()
    }
}

/// Appends to chunks of a step, by series and beginning; those that there are not yet are made.
async fn append(
    transaction: &mut Transaction<'_, Sqlite>,
    step: i64,
    chunks: BTreeMap<(i64, i64), Vec<u8>>,
) -> sqlx::Result<()> {
    let rows: Vec<Value> =
        chunks.into_iter().map(|((series, start), data)| json!([series, start, hex::encode(data)])).collect();
    sqlx::query(
        "INSERT INTO probe_chunks (series, step, start, data) \
         SELECT value ->> 0, ?, value ->> 1, unhex(value ->> 2) FROM json_each(?) WHERE true \
         ON CONFLICT (series, step, start) DO UPDATE SET data = CAST(data || excluded.data AS BLOB)",
    )
    .bind(step)
    .bind(Value::Array(rows).to_string())
    .execute(&mut **transaction)
    .await
    .map(drop)
}

fn alone(sample: &Sample) -> Point {
    let mut point = Point { at: sample.at, ..Point::default() };
    point.add(sample);
    point
}

#[async_trait]
impl History for SqliteJournal {
    async fn add(&self, samples: &[(Series, Sample)]) -> Result<(), JournalError> {
        self.write_samples(samples).await.map_err(unavailable)
    }

    async fn add_spells(&self, spells: &[Spell]) -> Result<(), JournalError> {
        let row = |Spell { fork, from, to, is_down }: &Spell| {
            json!([fork.namespace, fork.name, from.as_millisecond(), to.as_millisecond(), i64::from(*is_down)])
        };
        sqlx::query(
            "INSERT INTO probe_spells (namespace, fork, from_ms, to_ms, is_down) \
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?) WHERE true \
             ON CONFLICT DO UPDATE SET to_ms = excluded.to_ms",
        )
        .bind(Value::Array(spells.iter().map(row).collect()).to_string())
        .execute(&self.0)
        .await
        .map(drop)
        .map_err(unavailable)
    }

    async fn put_standings(&self, standings: &[Standing]) -> Result<(), JournalError> {
        let of: Vec<_> = standings.iter().map(|standing| &standing.series).collect();
        let ids = self.ids(&of).await.map_err(unavailable)?;
        let row = |(id, standing): (i64, &Standing)| {
            let Standing { verdict, since, why, certificate_ends, .. } = standing;
            let ends = certificate_ends.map(Timestamp::as_second);
            json!([id, packed::number(*verdict), since.as_millisecond(), why, ends])
        };
        sqlx::query(
            "INSERT OR REPLACE INTO probe_standings (series, verdict, since_ms, why, certificate_ends) \
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)",
        )
        .bind(Value::Array(ids.into_iter().zip(standings).map(row).collect()).to_string())
        .execute(&self.0)
        .await
        .map(drop)
        .map_err(unavailable)
    }

    async fn standings(&self) -> Result<Vec<Standing>, JournalError> {
        self.read_standings().await.map_err(unavailable)
    }

    async fn tidy(&self, now: Timestamp) -> Result<(), JournalError> {
        self.roll_up(now).await.map_err(unavailable)
    }

    async fn points(
        &self,
        series: &Series,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
    ) -> Result<Vec<Point>, JournalError> {
        self.read_points(series, (from, to), step).await.map_err(unavailable)
    }

    async fn spells(&self, fork: &ObjectRef, from: Timestamp, to: Timestamp) -> Result<Vec<Spell>, JournalError> {
        let rows: Vec<(i64, i64, bool)> = sqlx::query_as(
            "SELECT from_ms, to_ms, is_down FROM probe_spells \
             WHERE namespace = ? AND fork = ? AND to_ms > ? AND from_ms < ? ORDER BY from_ms",
        )
        .bind(&fork.namespace)
        .bind(&fork.name)
        .bind(from.as_millisecond())
        .bind(to.as_millisecond())
        .fetch_all(&self.0)
        .await
        .map_err(unavailable)?;
        let at = |millisecond| Timestamp::from_millisecond(millisecond).unwrap_or_default();
        let spell = |(from, to, is_down)| Spell { fork: fork.clone(), from: at(from), to: at(to), is_down };
        Ok(rows.into_iter().map(spell).collect())
    }
}
