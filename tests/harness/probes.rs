//! What probes and people have written down of a Fork.

use sqlx::{ConnectOptions as _, FromRow, SqliteConnection, sqlite::SqliteConnectOptions, sqlite::SqliteRow};

use crate::World;

impl World {
    async fn database(&self, file: &str) -> Option<SqliteConnection> {
        let options = SqliteConnectOptions::new().filename(self.path(file)).read_only(true);
        options.busy_timeout(std::time::Duration::from_secs(10)).connect().await.ok()
    }

    async fn rows<T: Send + Unpin + for<'r> FromRow<'r, SqliteRow>>(
        &self,
        file: &str,
        statement: &'static str,
        of: &[&str],
    ) -> Vec<T> {
        let Some(mut connection) = self.database(file).await else { return Vec::new() };
        let query = of.iter().fold(sqlx::query_as(statement), |query, value| query.bind((*value).to_owned()));
        query.fetch_all(&mut connection).await.unwrap_or_default()
    }

    /// Reasons of what people were told about a Fork, and how often.
    pub async fn events(&self, fork: &str) -> Vec<(String, i64)> {
        self.rows(".forkable/state.db", "SELECT reason, count FROM events WHERE kind = 'Fork' AND name = ?", &[fork])
            .await
    }

    /// Bytes that runs of a probe have left in the history, which grow with every run.
    pub async fn recorded(&self, fork: &str, probe: &str) -> i64 {
        let statement = "SELECT coalesce(sum(length(data)), 0) FROM probe_chunks JOIN probe_series s ON s.id = series \
                         WHERE fork = ? AND probe = ?";
        let rows: Vec<(i64,)> = self.rows(".forkable/journal.db", statement, &[fork, probe]).await;
        rows.first().map_or(0, |(bytes,)| *bytes)
    }
}
