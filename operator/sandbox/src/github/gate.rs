//! GitHub's gate: API version, credentials, and the primary and secondary rate limits.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::answer::Refusal;
use crate::limits::{Quota, Rule};
use crate::middleware::Admitted;
use crate::requests::{Call, Provider};
use crate::sandbox::World;
use crate::tokens::{Actor, TokenKind};

/// Requests an hour: <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.
pub(crate) const CORE: Rule = Rule { limit: 5000, window: 3600 };
/// GraphQL points an hour.
pub(crate) const GRAPHQL: Rule = Rule { limit: 5000, window: 3600 };
/// Searches a minute.
pub(crate) const SEARCH: Rule = Rule { limit: 30, window: 60 };
/// Requests an hour of somebody unknown.
const ANONYMOUS: Rule = Rule { limit: 60, window: 3600 };
/// Calls at a time, of everybody together.
pub(crate) const CONCURRENT: usize = 100;
/// The secondary limits: REST and GraphQL points a minute, content a minute and an hour.
const REST_POINTS: Rule = Rule { limit: 900, window: 60 };
const GRAPHQL_POINTS: Rule = Rule { limit: 2000, window: 60 };
const CONTENT_MINUTE: Rule = Rule { limit: 80, window: 60 };
const CONTENT_HOUR: Rule = Rule { limit: 500, window: 3600 };
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// The key of a primary counter.
pub(crate) fn primary_key(resource: &str, actor: &Actor) -> String {
    format!("github:{resource}:{}", actor.key())
}

/// Lets a call in whose version and credentials are valid and that is within the limits.
pub(crate) fn admit(world: &mut World, call: &Call, now: Timestamp) -> Result<Admitted, Box<Response>> {
    admit_or_refuse(world, call, now).map_err(|refusal| Box::new(refusal.into_response()))
}

fn admit_or_refuse(world: &mut World, call: &Call, now: Timestamp) -> Result<Admitted, Refusal> {
    if call.header("user-agent").is_none() {
        let message =
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header";
        return Err(Refusal::forbidden(message));
    }
    if let Some(version) = call.header("x-github-api-version")
        && !VERSIONS.contains(&version)
    {
        let message = format!("\"{version}\" is not a valid API version. Supported versions: {}", VERSIONS.join(", "));
        return Err(Refusal::new(StatusCode::BAD_REQUEST, message));
    }
    let actor = identify(world, call, now)?;
    let graphql = call.path == "/graphql";
    if matches!(actor, Actor::Anonymous) && (graphql || call.write) {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Requires authentication"));
    }
    secondary(world, call, &actor, now)?;
    let mut headers = HeaderMap::new();
    if !graphql && call.path != "/rate_limit" {
        let rule = if matches!(actor, Actor::Anonymous) { ANONYMOUS } else { CORE };
        let taken = world.buckets.take(&primary_key("core", &actor), rule, 1, now);
        let (Ok(quota) | Err(quota)) = taken;
        if taken.is_err() && world.settings.limits {
            return Err(primary_refusal(&quota));
        }
        headers.extend(quota_headers("core", &quota));
    }
    if let Some(token) = actor.token()
        && token.kind == TokenKind::Classic
        && let Ok(scopes) = HeaderValue::from_str(&token.scopes.join(", "))
    {
        headers.insert("x-oauth-scopes", scopes);
    }
    headers.insert("x-github-api-version-selected", HeaderValue::from_static(VERSIONS[0]));
    headers.insert("x-github-request-id", request_id(call.seq));
    Ok(Admitted { actor, headers })
}

fn request_id(seq: u64) -> HeaderValue {
    let id = format!("{:04X}:{:05X}:{seq:08X}", seq & 0xffff, seq.wrapping_mul(2_654_435_761) & 0xf_ffff);
    HeaderValue::from_str(&id).expect("hex digits and colons are a header value")
}

#[derive(Deserialize)]
struct Claims {
    iss: Issuer,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Issuer {
    Number(u64),
    Text(String),
}

fn identify(world: &World, call: &Call, now: Timestamp) -> Result<Actor, Refusal> {
    let Some(header) = call.header("authorization") else {
        return Ok(Actor::Anonymous);
    };
    let bad = || Refusal::new(StatusCode::UNAUTHORIZED, "Bad credentials");
    let (scheme, secret) = header.split_once(' ').ok_or_else(bad)?;
    if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("token") {
        return Err(bad());
    }
    if let Some(token) = world.tokens.find(Provider::Github, secret, now) {
        return Ok(Actor::Bearer(Arc::new(token.clone())));
    }
    if secret.split('.').count() != 3 {
        return Err(bad());
    }
    let unreadable = || Refusal::new(StatusCode::UNAUTHORIZED, "A JSON web token could not be decoded");
    let key = world.github.app.key().ok_or_else(unreadable)?;
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    rules.set_required_spec_claims(&["exp", "iss"]);
    let claims = jsonwebtoken::decode::<Claims>(secret, &key, &rules).map_err(|_| unreadable())?.claims;
    let app = world.github.app.id;
    let is_app = match claims.iss {
        Issuer::Number(id) => id == app,
        Issuer::Text(id) => id == app.to_string(),
    };
    if !is_app {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "'Issuer' claim ('iss') must be an Integer"));
    }
    Ok(Actor::App { id: app })
}

fn secondary(world: &mut World, call: &Call, actor: &Actor, now: Timestamp) -> Result<(), Refusal> {
    let (rule, cost) = match (call.path == "/graphql", call.write) {
        (true, write) => (GRAPHQL_POINTS, if write { 5 } else { 1 }),
        (false, write) => (REST_POINTS, if write { 5 } else { 1 }),
    };
    let who = actor.key();
    let mut counters = vec![(format!("github:points-{}:{who}", rule.limit), rule, cost)];
    if call.write && call.method != http::Method::DELETE {
        counters.push((format!("github:content-minute:{who}"), CONTENT_MINUTE, 1));
        counters.push((format!("github:content-hour:{who}"), CONTENT_HOUR, 1));
    }
    for (key, rule, cost) in counters {
        if let Err(quota) = world.buckets.take(&key, rule, cost, now)
            && world.settings.limits
        {
            return Err(secondary_refusal(Some(quota.retry_after(now))));
        }
    }
    Ok(())
}

/// The headers that tell where a counter stands.
pub(crate) fn quota_headers(resource: &'static str, quota: &Quota) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-ratelimit-limit", HeaderValue::from(quota.limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(quota.remaining()));
    headers.insert("x-ratelimit-used", HeaderValue::from(quota.used));
    headers.insert("x-ratelimit-reset", HeaderValue::from(quota.reset.as_second()));
    headers.insert("x-ratelimit-resource", HeaderValue::from_static(resource));
    headers
}

fn primary_refusal(quota: &Quota) -> Refusal {
    let mut refusal = Refusal::forbidden("API rate limit exceeded for user ID 1001.");
    *refusal.headers = quota_headers("core", quota);
    refusal
}

pub(crate) fn secondary_refusal(retry_after: Option<i64>) -> Refusal {
    let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    let refusal = Refusal::forbidden(message);
    match retry_after {
        Some(seconds) => refusal.with_header("retry-after", &seconds.to_string()),
        None => refusal,
    }
}

/// The answer to a call over the primary limit, for an injected fault.
pub(crate) fn primary_limit_answer(now: Timestamp, reset_after: Option<i64>) -> Response {
    let reset = now + SignedDuration::from_secs(reset_after.unwrap_or(CORE.window));
    primary_refusal(&Quota { limit: CORE.limit, used: CORE.limit, reset }).into_response()
}

/// The answer to a call over a secondary limit, for an injected fault.
pub(crate) fn secondary_limit_answer(retry_after: Option<i64>) -> Response {
    secondary_refusal(retry_after).into_response()
}
