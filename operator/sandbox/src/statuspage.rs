//! The status pages of GitHub and Vercel, as Atlassian's Statuspage serves them: <https://www.githubstatus.com/api>.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sandbox::{Sandbox, World};

/// Names of the pages.
const PAGES: [&str; 2] = ["github", "vercel"];

/// Something that a page tells of.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Incident {
    name: String,
    impact: Impact,
    #[serde(default)]
    status: Status,
    /// Names of components.
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    started_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Impact {
    None,
    Minor,
    Major,
    Critical,
    Maintenance,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    #[default]
    Investigating,
    Identified,
    Monitoring,
}

/// What is not over, by page and id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State(BTreeMap<String, BTreeMap<String, Incident>>);

impl State {
    /// Begins an incident, or changes one. `None`: there is no such page.
    pub(crate) fn put(&mut self, page: &str, id: &str, mut incident: Incident, now: Timestamp) -> Option<()> {
        let page = PAGES.iter().find(|known| **known == page)?;
        let all = self.0.entry((*page).into()).or_default();
        let since = all.get(id).and_then(|before| before.started_at);
        incident.started_at = incident.started_at.or(since).or(Some(now));
        all.insert(id.into(), incident);
        Some(())
    }

    /// Ends an incident.
    pub(crate) fn end(&mut self, page: &str, id: &str) -> Option<()> {
        self.0.get_mut(page)?.remove(id).map(|_| ())
    }
}

pub(crate) fn router() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/{page}/api/v2/incidents/unresolved.json", get(unresolved))
        .route("/{page}/api/v2/summary.json", get(summary))
}

async fn unresolved(Shared(sandbox): Shared<Arc<Sandbox>>, Path(page): Path<String>) -> Response {
    answer(&sandbox, &page, |page, incidents, _| json!({ "page": page, "incidents": incidents }))
}

async fn summary(Shared(sandbox): Shared<Arc<Sandbox>>, Path(page): Path<String>) -> Response {
    answer(&sandbox, &page, |page, incidents, indicator| {
        let description = if incidents.is_empty() { "All Systems Operational" } else { "Service Disruption" };
        json!({
            "page": page,
            "components": [],
            "incidents": incidents,
            "scheduled_maintenances": [],
            "status": { "indicator": indicator, "description": description },
        })
    })
}

fn answer(sandbox: &Sandbox, name: &str, shape: impl FnOnce(Value, Vec<Value>, Value) -> Value) -> Response {
    if !PAGES.contains(&name) {
        return StatusCode::NOT_FOUND.into_response();
    }
    sandbox.read(|world, now| {
        let page = json!({
            "id": format!("sandbox{name}"),
            "name": if name == "github" { "GitHub" } else { "Vercel" },
            "url": format!("{}/statuspage/{name}", world.base),
            "time_zone": "Etc/UTC",
            "updated_at": now,
        });
        let all = || incidents(world, name);
        let incidents = all().map(|(id, incident)| view(id, incident, &page)).collect();
        let worst = all().map(|(_, incident)| incident.impact).max_by_key(|impact| match impact {
            Impact::None | Impact::Maintenance => 0,
            Impact::Minor => 1,
            Impact::Major => 2,
            Impact::Critical => 3,
        });
        Json(shape(page, incidents, json!(worst.unwrap_or(Impact::None)))).into_response()
    })
}

fn incidents<'a>(world: &'a World, page: &str) -> impl Iterator<Item = (&'a String, &'a Incident)> {
    world.statuspage.0.get(page).into_iter().flatten()
}

fn view(id: &str, incident: &Incident, page: &Value) -> Value {
    let Incident { name, impact, status, components, started_at } = incident;
    let component = |(index, name): (usize, &String)| {
        json!({
            "id": format!("component{index}"),
            "name": name,
            "status": "partial_outage",
            "page_id": page["id"],
            "position": index + 1,
            "group": false,
            "only_show_if_degraded": false,
        })
    };
    let components: Vec<_> = components.iter().enumerate().map(component).collect();
    json!({
        "id": id,
        "name": name,
        "status": status,
        "impact": impact,
        "created_at": started_at,
        "started_at": started_at,
        "updated_at": page["updated_at"],
        "monitoring_at": null,
        "resolved_at": null,
        "shortlink": format!("https://stspg.io/{id}"),
        "page_id": page["id"],
        "incident_updates": [{
            "id": format!("{id}-1"),
            "incident_id": id,
            "status": status,
            "body": "We are looking into it.",
            "created_at": started_at,
            "updated_at": started_at,
            "display_at": started_at,
            "affected_components": null,
        }],
        "components": components,
        "reminder_intervals": null,
    })
}
