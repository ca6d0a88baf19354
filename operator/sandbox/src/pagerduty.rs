//! PagerDuty's Events API v2, with the refusals that are published at
//! <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, State as Shared};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::limits::Rule;
use crate::requests::Call;
use crate::sandbox::{Sandbox, World};

/// Events a minute of one integration.
const EVENTS: Rule = Rule { limit: 120, window: 60 };
const LARGEST: usize = 512 << 10;

/// Something that somebody is called for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Tells it from the others of the service.
    pub dedup_key: String,
    /// `triggered`, `acknowledged` or `resolved`.
    pub status: String,
    /// Events that were merged into it.
    pub events: u32,
    /// As it was sent last.
    pub payload: Value,
}

/// The account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// Incidents of each integration key, oldest first.
    services: BTreeMap<String, Vec<Incident>>,
}

impl Default for State {
    /// One service.
    fn default() -> Self {
        Self { services: BTreeMap::from([("sandbox0pagerduty0integration0ke".into(), Vec::new())]) }
    }
}

pub(crate) fn router() -> Router<Arc<Sandbox>> {
    Router::new().route("/v2/enqueue", post(enqueue))
}

pub(crate) fn inventory(world: &World) -> Value {
    json!(world.pagerduty.services)
}

async fn enqueue(Shared(sandbox): Shared<Arc<Sandbox>>, Extension(call): Extension<Arc<Call>>) -> Response {
    sandbox.write(|world, now| {
        let refused = |errors: Vec<String>| {
            let body = json!({ "status": "invalid event", "message": "Event object is invalid", "errors": errors });
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        };
        if call.body.len() > LARGEST {
            return StatusCode::PAYLOAD_TOO_LARGE.into_response();
        }
        let Some(event) = call.json().filter(Value::is_object) else {
            return refused(vec!["JSON cannot be parsed".into()]);
        };
        let errors = errors(&event);
        if !errors.is_empty() {
            return refused(errors);
        }
        let key = event["routing_key"].as_str().unwrap_or_default();
        if world.settings.limits && world.buckets.take(&format!("pagerduty:{key}"), EVENTS, 1, now).is_err() {
            let body = json!({ "status": "throttle exceeded", "message": "Requests for this service are arriving too quickly" });
            return (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response();
        }
        let Some(incidents) = world.pagerduty.services.get_mut(key) else {
            return refused(vec!["Invalid routing key".into()]);
        };
        let dedup = event["dedup_key"].as_str().map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned);
        take(incidents, &event, &dedup);
        let body = json!({ "status": "success", "message": "Event processed", "dedup_key": dedup });
        (StatusCode::ACCEPTED, Json(body)).into_response()
    })
}

/// What is wrong with an event.
fn errors(event: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    let length = event["routing_key"].as_str().map_or(0, str::len);
    if length != 32 {
        errors.push("Length of 'routing_key' is incorrect (should be 32 characters)".into());
    }
    let action = event["event_action"].as_str().unwrap_or_default();
    if !["trigger", "acknowledge", "resolve"].contains(&action) {
        errors.push("'event_action' is missing or is not one of trigger, acknowledge, resolve".into());
    }
    if event["dedup_key"].as_str().is_some_and(|key| key.len() > 255) {
        errors.push("Length of 'dedup_key' is incorrect (should be at most 255 characters)".into());
    }
    if action != "trigger" {
        if event["dedup_key"].as_str().is_none_or(str::is_empty) {
            errors.push("'dedup_key' is missing or blank".into());
        }
        return errors;
    }
    let payload = &event["payload"];
    for field in ["summary", "source", "severity"] {
        if payload[field].as_str().is_none_or(str::is_empty) {
            errors.push(format!("'payload.{field}' is missing or blank"));
        }
    }
    if payload["summary"].as_str().is_some_and(|summary| summary.chars().count() > 1024) {
        errors.push("Length of 'payload.summary' is incorrect (should be at most 1024 characters)".into());
    }
    if !["critical", "error", "warning", "info"].iter().any(|severity| payload["severity"] == *severity) {
        errors.push(
            "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')"
                .into(),
        );
    }
    for link in event["links"].as_array().into_iter().flatten() {
        if link["href"].as_str().is_none_or(str::is_empty) {
            errors.push("'links.href' is missing or blank".into());
        }
    }
    errors
}

fn take(incidents: &mut Vec<Incident>, event: &Value, dedup: &str) {
    let open = incidents.iter_mut().rev().find(|it| it.dedup_key == dedup && it.status != "resolved");
    match (event["event_action"].as_str(), open) {
        (Some("trigger"), Some(open)) => {
            open.events += 1;
            open.payload = event["payload"].clone();
        }
        (Some("trigger"), None) => incidents.push(Incident {
            dedup_key: dedup.to_owned(),
            status: "triggered".into(),
            events: 1,
            payload: event["payload"].clone(),
        }),
        (Some("acknowledge"), Some(open)) => open.status = "acknowledged".into(),
        (Some("resolve"), Some(open)) => open.status = "resolved".into(),
        // Of what is not open, PagerDuty takes the word and does nothing.
        _ => {}
    }
}
