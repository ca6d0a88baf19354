//! `/_sandbox`: what a test, a demo or a person does to the world from outside of it.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::NewFault;
use crate::sandbox::{Degraded, DnsRecord, Sandbox, World};
use crate::tokens::Token;
use crate::{github, pagerduty, slack, vercel};

type Shared = State<Arc<Sandbox>>;

pub(crate) fn router() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/requests", get(requests).delete(clear_requests))
        .route("/faults", get(faults).post(add_fault).delete(remove_faults))
        .route("/faults/{id}", get(fault).delete(remove_fault))
        .route("/faults/{id}/release", post(release))
        .route("/inventory", get(inventory))
        .route("/clock", get(clock).put(set_clock))
        .route("/settings", get(settings).put(set_settings))
        .route("/reset", post(reset))
        .route("/dns/{name}", put(publish_dns).delete(withdraw_dns))
        .route("/degraded/{commit}", put(degrade).delete(mend))
        .route("/tokens", post(add_token))
        .route("/tokens/{token}", axum::routing::delete(remove_token))
        .route("/github-app", put(configure_app))
        .route("/incidents/{page}/{id}", put(begin_incident).delete(end_incident))
        .route("/sentry/{project}", post(happen))
}

/// Why an admin call was refused.
struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

impl From<anyhow::Error> for Refused {
    fn from(error: anyhow::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"))
    }
}

fn bad(error: impl std::fmt::Display) -> Refused {
    Refused(StatusCode::BAD_REQUEST, error.to_string())
}

fn unknown(what: &str) -> Refused {
    Refused(StatusCode::NOT_FOUND, format!("no such {what}"))
}

/// Parsed by hand, so that a mistake is answered with what serde says about it.
fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(bad)
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    since: u64,
}

async fn requests(State(sandbox): Shared, Query(Since { since }): Query<Since>) -> Json<Value> {
    Json(sandbox.read(|world, _| json!(world.requests.since(since))))
}

async fn clear_requests(State(sandbox): Shared) -> StatusCode {
    sandbox.note(|world, _| world.requests.clear());
    StatusCode::NO_CONTENT
}

async fn faults(State(sandbox): Shared) -> Json<Value> {
    Json(sandbox.read(|world, _| json!(world.faults.list())))
}

async fn add_fault(State(sandbox): Shared, body: bytes::Bytes) -> Result<Json<Value>, Refused> {
    let new: NewFault = parse(&body)?;
    let id = sandbox.note(|world, _| world.faults.add(new));
    Ok(Json(json!({ "id": id })))
}

async fn fault(State(sandbox): Shared, Path(id): Path<u64>) -> Result<Json<Value>, Refused> {
    let fault = sandbox.read(|world, _| world.faults.get(id).map(|fault| json!(fault)));
    fault.map(Json).ok_or_else(|| unknown("fault"))
}

fn remove(sandbox: &Sandbox, id: Option<u64>) -> usize {
    let gone = sandbox.note(|world, _| world.faults.remove(id));
    let count = gone.len();
    sandbox.released.send_modify(|released| released.extend(gone));
    count
}

async fn remove_faults(State(sandbox): Shared) -> StatusCode {
    remove(&sandbox, None);
    StatusCode::NO_CONTENT
}

async fn remove_fault(State(sandbox): Shared, Path(id): Path<u64>) -> Result<StatusCode, Refused> {
    if remove(&sandbox, Some(id)) == 0 {
        return Err(unknown("fault"));
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn release(State(sandbox): Shared, Path(id): Path<u64>) -> Result<StatusCode, Refused> {
    if sandbox.read(|world, _| world.faults.get(id).is_none()) {
        return Err(unknown("fault"));
    }
    sandbox.released.send_modify(|released| {
        released.insert(id);
    });
    Ok(StatusCode::NO_CONTENT)
}

async fn inventory(State(sandbox): Shared) -> Json<Value> {
    let followers = sandbox.visits.receiver_count();
    Json(sandbox.write(|world, now| {
        json!({
            "now": now,
            "runtimeLogFollowers": followers,
            "github": github::inventory(world, now),
            "vercel": vercel::inventory(world, now),
            "slack": slack::inventory(world),
            "pagerduty": pagerduty::inventory(world),
            "dns": world.dns,
        })
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ClockChange {
    advance_seconds: Option<f64>,
    speed: Option<f64>,
}

async fn clock(State(sandbox): Shared) -> Json<Value> {
    Json(sandbox.read(|world, now| json!({ "now": now, "speed": world.clock.speed() })))
}

async fn set_clock(State(sandbox): Shared, body: bytes::Bytes) -> Result<Json<Value>, Refused> {
    let change: ClockChange = parse(&body)?;
    if change.speed.is_some_and(|speed| !(speed > 0.0 && speed.is_finite())) {
        return Err(bad("speed must be a positive number"));
    }
    let advance = change.advance_seconds.unwrap_or(0.0);
    let advance = SignedDuration::try_from_secs_f64(advance).map_err(bad)?;
    if advance.is_negative() {
        return Err(bad("advanceSeconds must not be negative: the clock never goes back"));
    }
    sandbox.write(|world, _| {
        world.clock.advance(advance);
        if let Some(speed) = change.speed {
            world.clock.set_speed(speed);
        }
    });
    sandbox.tick();
    sandbox.persist()?;
    Ok(clock(State(sandbox)).await)
}

async fn settings(State(sandbox): Shared) -> Json<Value> {
    Json(sandbox.read(|world, _| json!(world.settings)))
}

async fn set_settings(State(sandbox): Shared, body: bytes::Bytes) -> Result<Json<Value>, Refused> {
    let patch: Value = parse(&body)?;
    let settings = sandbox.write(|world, _| {
        world.settings = world.settings.merged(&patch)?;
        Ok(json!(world.settings))
    });
    let settings = settings.map_err(|error: serde_json::Error| bad(error))?;
    sandbox.persist()?;
    Ok(Json(settings))
}

/// Back to the default seed with the settings as they are; the log keeps counting.
async fn reset(State(sandbox): Shared) -> Result<StatusCode, Refused> {
    remove(&sandbox, None);
    sandbox.write(|world, _| {
        let requests = std::mem::take(&mut world.requests);
        let faults = std::mem::take(&mut world.faults);
        let base = Arc::clone(&world.base);
        *world = World::seeded(world.settings.clone());
        world.requests = requests;
        world.requests.clear();
        world.faults = faults;
        world.base = base;
    });
    sandbox.persist()?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Published {
    records: Vec<DnsRecord>,
}

async fn publish_dns(
    State(sandbox): Shared,
    Path(name): Path<String>,
    body: bytes::Bytes,
) -> Result<StatusCode, Refused> {
    let published: Published = parse(&body)?;
    sandbox.write(|world, now| world.dns.insert(name.to_ascii_lowercase(), (now, published.records)));
    sandbox.persist()?;
    Ok(StatusCode::NO_CONTENT)
}

async fn withdraw_dns(State(sandbox): Shared, Path(name): Path<String>) -> Result<StatusCode, Refused> {
    sandbox.write(|world, _| world.dns.remove(&name.to_ascii_lowercase())).ok_or_else(|| unknown("name"))?;
    sandbox.persist()?;
    Ok(StatusCode::NO_CONTENT)
}

/// From now on the sites of a commit answer badly.
async fn degrade(
    State(sandbox): Shared,
    Path(commit): Path<String>,
    body: bytes::Bytes,
) -> Result<StatusCode, Refused> {
    let degraded: Degraded = parse(&body)?;
    sandbox.write(|world, _| world.degraded.insert(commit, degraded));
    sandbox.persist()?;
    Ok(StatusCode::NO_CONTENT)
}

async fn mend(State(sandbox): Shared, Path(commit): Path<String>) -> Result<StatusCode, Refused> {
    sandbox.write(|world, _| world.degraded.remove(&commit)).ok_or_else(|| unknown("degraded commit"))?;
    sandbox.persist()?;
    Ok(StatusCode::NO_CONTENT)
}

async fn add_token(State(sandbox): Shared, body: bytes::Bytes) -> Result<StatusCode, Refused> {
    let token: Token = parse(&body)?;
    sandbox.write(|world, _| world.tokens.insert(token));
    sandbox.persist()?;
    Ok(StatusCode::CREATED)
}

async fn remove_token(State(sandbox): Shared, Path(token): Path<String>) -> Result<StatusCode, Refused> {
    if !sandbox.write(|world, _| world.tokens.remove(&token)) {
        return Err(unknown("token"));
    }
    sandbox.persist()?;
    Ok(StatusCode::NO_CONTENT)
}

/// A status page tells of an incident, or of how it goes on.
async fn begin_incident(
    State(sandbox): Shared,
    Path((page, id)): Path<(String, String)>,
    body: bytes::Bytes,
) -> Result<StatusCode, Refused> {
    let incident = parse(&body)?;
    let begun = sandbox.write(|world, now| world.statuspage.put(&page, &id, incident, now));
    begun.ok_or_else(|| unknown("status page"))?;
    sandbox.persist()?;
    Ok(StatusCode::NO_CONTENT)
}

async fn end_incident(State(sandbox): Shared, Path((page, id)): Path<(String, String)>) -> Result<StatusCode, Refused> {
    sandbox.write(|world, _| world.statuspage.end(&page, &id)).ok_or_else(|| unknown("incident"))?;
    sandbox.persist()?;
    Ok(StatusCode::NO_CONTENT)
}

/// Errors reach Sentry; a list without any only makes the project.
async fn happen(
    State(sandbox): Shared,
    Path(project): Path<String>,
    body: bytes::Bytes,
) -> Result<StatusCode, Refused> {
    let happened = parse(&body)?;
    sandbox.write(|world, now| world.sentry.add(project, happened, now));
    sandbox.persist()?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AppKey {
    public_key_pem: String,
}

async fn configure_app(State(sandbox): Shared, body: bytes::Bytes) -> Result<StatusCode, Refused> {
    let key: AppKey = parse(&body)?;
    let set = sandbox.write(|world, _| world.github.configure_app(&key.public_key_pem));
    set.map_err(bad)?;
    sandbox.persist()?;
    Ok(StatusCode::NO_CONTENT)
}
