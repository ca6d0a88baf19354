//! Environment variables: written in batches by identity, never read.

use forkable_core::{
    PortError,
    hosting::{EnvItem, EnvRow, HostingDone, ProjectTarget},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Vercel,
    errors::{self, Problem},
    id,
    models::{EnvPage, EnvVar, or_default},
    projects::project,
};

/// Rows in one write. Vercel publishes no limit; this one keeps a batch far below that of a body.
const WRITE: usize = 100;
/// Rows in one deletion. <https://vercel.com/docs/rest-api/reference/endpoints/projects/batch-remove-environment-variables>
const DELETE: usize = 1000;

/// The answer to a batch: it can be a success and name failures.
#[derive(Deserialize)]
struct Batch {
    created: Option<OneOrMany>,
    #[serde(default, deserialize_with = "or_default")]
    failed: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    Many(Vec<EnvVar>),
    One(Box<EnvVar>),
}

impl Vercel {
    pub(super) async fn read_env(&self, team: Option<&str>, id: &str, name: &str) -> Result<Vec<EnvRow>, PortError> {
        let mut rows = Vec::new();
        let mut until: Option<String> = None;
        loop {
            let request = project(("GET /v10/projects/{idOrName}/env", team), id, name);
            let request = match &until {
                Some(cursor) => request.query("until", cursor),
                None => request,
            };
            let page: EnvPage = self.client.send(request).await?;
            rows.extend(page.envs.into_iter().filter_map(EnvVar::row));
            let next = page.pagination.next.map(|cursor| cursor.to_string());
            if next.is_none() || next == until {
                return Ok(rows);
            }
            until = next;
        }
    }

    /// Writes all of them, 100 a request. If some are refused, the others are written all the same; the error names
    /// the refused ones, and the next look shows the rows that were written.
    pub(super) async fn upsert_env(&self, target: &ProjectTarget, items: &[EnvItem]) -> Result<HostingDone, PortError> {
        let rows: Vec<Value> = items.iter().map(row).collect::<Result<_, _>>()?;
        let values: Vec<_> = items.iter().map(|item| item.value.clone()).collect();
        let (mut written, mut refused) = (Vec::new(), Vec::new());
        for batch in rows.chunks(WRITE) {
            let request =
                project(("POST /v10/projects/{idOrName}/env", target.team.as_deref()), id(target)?, &target.name);
            let request = request.query("upsert", "true").json(Value::Array(batch.to_vec())).hiding(values.clone());
            match self.client.send::<Batch>(request).await {
                Ok(answer) => {
                    refused.extend(answer.failed.iter().map(|row| {
                        let mut problem = Problem::of(&row["error"]);
                        problem.hide(&values);
                        problem
                    }));
                    match answer.created {
                        Some(OneOrMany::Many(rows)) => written.extend(rows),
                        Some(OneOrMany::One(row)) => written.push(*row),
                        None => {}
                    }
                }
                Err(failure) if !failure.problem.failed.is_empty() => refused.extend(failure.problem.failed),
                Err(failure) => return Err(failure.error),
            }
        }
        if !refused.is_empty() {
            return Err(errors::refused_rows(&refused));
        }
        let mut written: Vec<EnvRow> = written.into_iter().filter_map(EnvVar::row).collect();
        if written.len() < items.len() {
            // Whether rows that were only changed are in the answer is not published.
            written = self.read_env(target.team.as_deref(), id(target)?, &target.name).await?;
            written.retain(|row| items.iter().any(|item| is_of(row, item)));
        }
        Ok(HostingDone::Env(written))
    }

    /// Deletes rows by id; rows that are gone already do not matter.
    pub(super) async fn delete_env(
        &self,
        target: &ProjectTarget,
        rows: &[(String, String)],
    ) -> Result<HostingDone, PortError> {
        for batch in rows.chunks(DELETE) {
            let ids: Vec<&str> = batch.iter().map(|(id, _)| id.as_str()).collect();
            let request =
                project(("DELETE /v1/projects/{idOrName}/env", target.team.as_deref()), id(target)?, &target.name);
            self.client.send_for_nothing(request.json(json!({ "ids": ids }))).await?;
        }
        Ok(HostingDone::Nothing)
    }
}

/// Whether it is the row of the item: key, environments and branch identify it.
fn is_of(row: &EnvRow, item: &EnvItem) -> bool {
    let mut ids = item.custom_environment_ids.clone();
    ids.sort_unstable();
    row.key == item.key
        && row.targets == targets(item)
        && row.custom_environment_ids == ids
        && row.branch == item.branch
        && !row.integration
}

/// Sorted, in Vercel's words; custom environments are not among them.
fn targets(item: &EnvItem) -> Vec<String> {
    let builtin = |name: &&String| ["Production", "Preview", "Development"].contains(&name.as_str());
    let mut targets: Vec<String> =
        item.environments.iter().filter(builtin).map(|name| name.to_ascii_lowercase()).collect();
    targets.sort_unstable();
    targets
}

fn row(item: &EnvItem) -> Result<Value, PortError> {
    let targets = targets(item);
    if targets.len() + item.custom_environment_ids.len() != item.environments.len() {
        return Err(errors::stale(format!("the environments of {} are not all made yet", item.key)));
    }
    let mut row = json!({
        "key": item.key,
        "value": item.value.expose(),
        "type": if item.sensitive { "sensitive" } else { "encrypted" },
    });
    if !targets.is_empty() {
        row["target"] = json!(targets);
    }
    if !item.custom_environment_ids.is_empty() {
        row["customEnvironmentIds"] = json!(item.custom_environment_ids);
    }
    if let Some(branch) = &item.branch {
        row["gitBranch"] = json!(branch);
    }
    Ok(row)
}
