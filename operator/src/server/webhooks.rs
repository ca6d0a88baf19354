//! Webhooks: verified, told apart from repeats, and turned into hints for the Forks they are about.
//!
//! Neither provider's events are worth more than a look: what is lost, late or refused here is seen by the next sweep.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use forkable_core::{
    error::Provider,
    release::{machine::Phase, rollout::phase},
    store::{Kind, ObjectRef, Store},
};
use forkable_crds::{Deployment, Fork};
use forkable_providers::transport::provider_label;
use hmac::{Hmac, Mac};
use jiff::Timestamp;
use serde_json::Value;

use super::Server;
use crate::{clock::until, observe::Hint};

/// Deliveries that are remembered.
const REMEMBERED: usize = 4096;
/// The longest id of a delivery.
const LONGEST_ID: usize = 128;
/// How old a Vercel event may be; GitHub's do not say when they were made.
const OLDEST: Duration = Duration::from_mins(10);

/// Ids of the latest deliveries, of both providers.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<(HashSet<String>, VecDeque<String>)>);

impl Seen {
    /// Whether this delivery is new; it is remembered from now on.
    fn is_new(&self, id: &str) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (ids, order) = &mut *seen;
        if !ids.insert(id.to_owned()) {
            return false;
        }
        order.push_back(id.to_owned());
        if order.len() > REMEMBERED
            && let Some(oldest) = order.pop_front()
        {
            ids.remove(&oldest);
        }
        true
    }
}

/// What is answered: the status, its name in metrics, and why, for people who look into the provider's delivery log.
type Answer = (StatusCode, &'static str, &'static str);

const TAKEN: Answer = (StatusCode::ACCEPTED, "taken", "taken\n");
const REPEATED: Answer = (StatusCode::OK, "repeated", "taken before\n");
const STALE: Answer = (StatusCode::BAD_REQUEST, "stale", "createdAt is missing or more than 10 minutes ago\n");
const STANDBY: Answer =
    (StatusCode::SERVICE_UNAVAILABLE, "standby", "this replica stands by; the one that works looks by itself\n");
const LIMITED: Answer = (StatusCode::TOO_MANY_REQUESTS, "limited", "too many at once\n");
const NO_SECRET: Answer = (StatusCode::NOT_FOUND, "off", "webhooks are off: no FORKABLE_WEBHOOK_SECRET is set\n");
const UNSIGNED: Answer = (StatusCode::UNAUTHORIZED, "unsigned", "the signature is missing or wrong\n");
const NOT_JSON: Answer = (StatusCode::BAD_REQUEST, "malformed", "the body is not JSON\n");
const NO_ID: Answer = (StatusCode::BAD_REQUEST, "malformed", "the id of the delivery is missing or too long\n");
const OTHER_TYPE: Answer =
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "malformed", "set the content type of the webhook to application/json\n");
const TOO_LARGE: Answer = (StatusCode::PAYLOAD_TOO_LARGE, "malformed", "the body is larger than 1 MiB\n");
const CUT: Answer = (StatusCode::BAD_REQUEST, "malformed", "the body was cut off\n");

/// A body, or what was wrong with it.
type Body = Result<Bytes, BytesRejection>;

/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
pub(super) async fn github<S: Store>(server: State<Arc<Server<S>>>, headers: HeaderMap, body: Body) -> Response {
    let signature = text(&headers, "x-hub-signature-256").and_then(|signature| signature.strip_prefix("sha256="));
    let signed = |secret: &str, body: &[u8]| verified::<Hmac<sha2::Sha256>>(secret, body, signature);
    answer(&server, Provider::GitHub, &headers, body, signed, |payload| {
        if let Some(refused) = server.repeats("github", text(&headers, "x-github-delivery")) {
            return refused;
        }
        let event = text(&headers, "x-github-event").unwrap_or_default();
        if is_about_a_commit(event) {
            for fork in of_repository(&server, &payload["repository"]) {
                hint_gates(&server, &fork);
            }
        } else if let Some(hint) = github_hint(event, payload) {
            let forks = of_repository(&server, &payload["repository"]);
            tracing::debug!(event, forks = forks.len(), "webhook");
            hint_all(&server, forks, &hint);
        }
        TAKEN
    })
}

/// <https://vercel.com/docs/webhooks/webhooks-api#securing-webhooks>
pub(super) async fn vercel<S: Store>(server: State<Arc<Server<S>>>, headers: HeaderMap, body: Body) -> Response {
    let signature = text(&headers, "x-vercel-signature");
    let signed = |secret: &str, body: &[u8]| verified::<Hmac<sha1::Sha1>>(secret, body, signature);
    answer(&server, Provider::Vercel, &headers, body, signed, |event| {
        if !is_fresh(event, server.context.clock.now()) {
            return STALE;
        }
        if let Some(refused) = server.repeats("vercel", event["id"].as_str()) {
            return refused;
        }
        take_vercel(&server, event);
        TAKEN
    })
}

/// What both have in common: the limit, the form, the signature, the figures.
fn answer<S: Store>(
    server: &Server<S>,
    provider: Provider,
    headers: &HeaderMap,
    body: Body,
    signed: impl FnOnce(&str, &[u8]) -> bool,
    take: impl FnOnce(&Value) -> Answer,
) -> Response {
    let began = Instant::now();
    let is_json = |kind: &str| kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
    let open = |body: &[u8]| match &server.access.webhooks {
        None => NO_SECRET,
        Some(secret) if !signed(secret.expose(), body) => UNSIGNED,
        Some(_) => serde_json::from_slice(body).map_or(NOT_JSON, |payload| take(&payload)),
    };
    let (status, outcome, text) = match body {
        _ if !server.webhooks[provider as usize].admits(began) => LIMITED,
        _ if !server.context.is_loaded() => STANDBY,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => TOO_LARGE,
        Err(_) => CUT,
        Ok(_) if !text(headers, header::CONTENT_TYPE.as_str()).is_some_and(is_json) => OTHER_TYPE,
        Ok(body) => open(&body),
    };
    server.context.metrics.webhook(provider_label(provider), outcome, began.elapsed());
    let is_for_later = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    (status, is_for_later.then_some([(header::RETRY_AFTER, "1")]), text).into_response()
}

impl<S: Store> Server<S> {
    /// The answer to a delivery that was here before, or that does not say which one it is.
    fn repeats(&self, provider: &str, id: Option<&str>) -> Option<Answer> {
        match id.filter(|id| (1..=LONGEST_ID).contains(&id.len())) {
            None => Some(NO_ID),
            Some(id) => (!self.seen.is_new(&format!("{provider}/{id}"))).then_some(REPEATED),
        }
    }
}

/// Whether an event was made a moment ago. One that is ahead of our clock is no old one.
fn is_fresh(event: &Value, now: Timestamp) -> bool {
    let made = event["createdAt"].as_i64().and_then(|at| Timestamp::from_millisecond(at).ok());
    made.is_some_and(|made| until(made, now) <= OLDEST)
}

/// Whether an event tells what checks, runs or people say of a commit, which only releases ask for.
fn is_about_a_commit(event: &str) -> bool {
    matches!(
        event,
        "check_run" | "check_suite" | "status" | "pull_request_review" | "workflow_run" | "deployment_review"
    )
}

fn github_hint(event: &str, payload: &Value) -> Option<Hint> {
    match event {
        "push" => {
            let branch = payload["ref"].as_str()?.strip_prefix("refs/heads/")?;
            let default = payload["repository"]["default_branch"].as_str() == Some(branch);
            default.then(|| Hint::Pushed(payload["after"].as_str().unwrap_or_default().to_owned()))
        }
        "pull_request" => {
            let moves = ["opened", "reopened", "synchronize", "closed"];
            moves.contains(&payload["action"].as_str()?).then_some(Hint::PullRequests)
        }
        "issue_comment" => None,
        // Whoever made it knows, and the content comes later with a push.
        "repository" if payload["action"] == "created" => None,
        _ => payload.get("repository").map(|_| Hint::Repository),
    }
}

fn of_repository<S: Store>(server: &Server<S>, repository: &Value) -> Vec<ObjectRef> {
    let id = repository["id"].as_i64();
    let full_name = repository["full_name"].as_str().unwrap_or_default().to_ascii_lowercase();
    server.context.fleet.with_forks(|forks| {
        let is_of = |fork: &&Arc<Fork>| {
            let spec = &fork.spec.repository;
            match fork.status.as_ref().and_then(|status| status.repository.as_ref()) {
                Some(known) => Some(known.id) == id,
                None => format!("{}/{}", spec.owner, spec.name).to_ascii_lowercase() == full_name,
            }
        };
        forks.iter().filter(is_of).map(|fork| fork.reference()).collect()
    })
}

fn take_vercel<S: Store>(server: &Server<S>, event: &Value) {
    let name = event["type"].as_str().unwrap_or_default();
    let payload = &event["payload"];
    let project = payload["project"]["id"].as_str().or(payload["projectId"].as_str()).unwrap_or_default();
    let forks = of_project(server, project);
    tracing::debug!(event = name, forks = forks.len(), "webhook");
    match name {
        "deployment.promoted" | "deployment.rollback" => hint_all(server, forks, &Hint::Project),
        _ if name.starts_with("deployment.") => {
            for fork in &forks {
                hint_builds(server, fork, payload["deployment"]["id"].as_str());
            }
        }
        _ if name.starts_with("project.domain.") => hint_all(server, forks, &Hint::Domains),
        _ if name.starts_with("project.") => hint_all(server, forks, &Hint::Project),
        _ => {}
    }
}

fn of_project<S: Store>(server: &Server<S>, project: &str) -> Vec<ObjectRef> {
    server.context.fleet.with_forks(|forks| {
        let is_of = |fork: &&Arc<Fork>| {
            let known = fork.status.as_ref().and_then(|status| status.project.as_ref());
            known.is_some_and(|known| known.id == project)
        };
        forks.iter().filter(is_of).map(|fork| fork.reference()).collect()
    })
}

fn hint_all<S: Store>(server: &Server<S>, forks: Vec<ObjectRef>, hint: &Hint) {
    let context = &server.context;
    for fork in forks {
        context.cache.hint(&fork, hint.clone(), context.clock.now());
        context.wake(fork);
    }
}

/// Releases that wait for their gates.
fn hint_gates<S: Store>(server: &Server<S>, fork: &ObjectRef) {
    let waits = |release: &&Arc<Deployment>| {
        let judged = [Phase::Verifying, Phase::Shifting, Phase::Baking];
        let has_run = release.status.iter().flat_map(|status| &status.analysis_runs).any(|run| run.job.is_some());
        let phase = phase(release);
        matches!(phase, Phase::Gated | Phase::AwaitingApproval) || (has_run && judged.contains(&phase))
    };
    for release in server.context.fleet.releases(fork).iter().filter(waits) {
        server.context.builds.hint(&release.reference());
        server.context.wake(release.reference());
    }
}

/// Releases that the deployment is of, or may be of because they do not know theirs yet.
fn hint_builds<S: Store>(server: &Server<S>, fork: &ObjectRef, deployment: Option<&str>) {
    for release in server.context.fleet.releases(fork) {
        let known = release.status.as_ref().and_then(|status| status.deployment_id.as_deref());
        if known.is_none() || known == deployment {
            server.context.builds.hint(&release.reference());
            server.context.wake(release.reference());
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether the hex signature is that of the raw body; compares in constant time.
fn verified<M: Mac + hmac::digest::KeyInit>(secret: &str, body: &[u8], signature: Option<&str>) -> bool {
    let Some(signature) = signature.and_then(|signature| hex::decode(signature).ok()) else { return false };
    let mut mac = <M as Mac>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

#[cfg(test)]
mod tests;
