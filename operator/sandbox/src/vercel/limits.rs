//! Vercel's gate: who calls, and the buckets that each endpoint counts in.
//!
//! The numbers are those of <https://vercel.com/docs/limits>.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::limits::{Quota, Rule};
use crate::middleware::Admitted;
use crate::requests::{Call, Provider};
use crate::sandbox::World;
use crate::settings::VercelPlan;
use crate::tokens::Actor;

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// Lets a call in that names a valid token and is within its buckets.
pub(crate) fn admit(world: &mut World, call: &Call, now: Timestamp) -> Result<Admitted, Box<Response>> {
    let secret = call.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
    let token = secret.and_then(|secret| world.tokens.find(Provider::Vercel, secret, now));
    let Some(token) = token else {
        let body = json!({ "error": { "code": "forbidden", "message": "Not authorized", "invalidToken": true } });
        return Err(Box::new((StatusCode::FORBIDDEN, Json(body)).into_response()));
    };
    let actor = Actor::Bearer(Arc::new(token.clone()));
    let scope = call.param("teamId").or_else(|| token.teams.first().cloned()).unwrap_or_else(|| actor.key());
    let mut headers = HeaderMap::new();
    for (name, rule) in buckets(&call.method, template(&call.operation), world.settings.vercel_plan) {
        let counted = world.buckets.take(&format!("vercel:{scope}:{name}"), rule, 1, now);
        let (Ok(quota) | Err(quota)) = counted;
        // The first bucket is the one the headers tell about, unless another one refuses.
        if headers.is_empty() || counted.is_err() {
            headers = quota_headers(&quota);
        }
        if counted.is_err() && world.settings.limits {
            return Err(Box::new(refused(&quota, now, Some(quota.retry_after(now)))));
        }
    }
    Ok(Admitted { actor, headers })
}

fn template(operation: &str) -> &str {
    operation.split_once(' ').map_or("", |(_, template)| template)
}

/// The buckets of an endpoint, by the resource its path names whatever the API version.
fn buckets(method: &http::Method, template: &str, plan: VercelPlan) -> Vec<(&'static str, Rule)> {
    let per = |limit, window| Rule { limit, window };
    let path = template.trim_start_matches('/').split_once('/').map_or("", |(_, path)| path);
    let write = !method.is_safe();
    let is = |verb: &str| method.as_str() == verb;
    if path == "deployments" && is("POST") {
        let [burst, hour, day] = match plan {
            VercelPlan::Hobby => [60, 100, 100],
            VercelPlan::Pro => [120, 450, 6000],
            VercelPlan::Enterprise => [300, 1800, 24_000],
        };
        return vec![
            ("deployments-create-5min", per(burst, 5 * MINUTE)),
            ("deployments-create-hour", per(hour, HOUR)),
            ("deployments-create-day", per(day, DAY)),
        ];
    }
    let one = match path {
        "deployments" => ("deployments-list", per(1000, MINUTE)),
        "deployments/{idOrUrl}" if !write => {
            ("deployments-get", per(if plan == VercelPlan::Enterprise { 2000 } else { 500 }, MINUTE))
        }
        "deployments/{idOrUrl}/events" => ("events-list", per(60, MINUTE)),
        _ if path.ends_with("/aliases") && is("POST") => ("alias-create", per(120, 10 * MINUTE)),
        _ if path.ends_with("/verify") => ("domain-verify", per(100, MINUTE)),
        _ if path.ends_with("/config") && path.starts_with("domains/") => ("domain-config", per(500, MINUTE)),
        _ if path.contains("/domains") && path.starts_with("projects/") && write => {
            ("project-domain-write", per(100, MINUTE))
        }
        _ if path.contains("/env") && path.starts_with("projects/") && !path.contains("custom-environments") => {
            match method.as_str() {
                "POST" => ("env-create", per(120, MINUTE)),
                "PATCH" => ("env-update", per(120, MINUTE)),
                "DELETE" => ("env-delete", per(60, MINUTE)),
                _ => ("env-list", per(500, MINUTE)),
            }
        }
        _ if path.ends_with("/protection-bypass") => ("protection-bypass", per(100, MINUTE)),
        "certs" if write => ("cert-create", per(30, HOUR)),
        "webhooks" if write => ("webhook-create", per(20, MINUTE)),
        // Unpublished: what the API answers with today.
        "projects" if is("POST") => ("project-create", per(60, MINUTE)),
        _ => return Vec::new(),
    };
    vec![one]
}

fn quota_headers(quota: &Quota) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-ratelimit-limit", HeaderValue::from(quota.limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(quota.remaining()));
    headers.insert("x-ratelimit-reset", HeaderValue::from(quota.reset.as_second()));
    headers
}

fn refused(quota: &Quota, now: Timestamp, retry_after: Option<i64>) -> Response {
    let body = json!({ "error": {
        "code": "rate_limited",
        "message": "The request exceeds the rate limit",
        "limit": {
            "total": quota.limit,
            "remaining": quota.remaining(),
            "reset": quota.reset.as_second(),
            "resetMs": quota.reset.as_millisecond(),
            "retryAfter": quota.retry_after(now),
        },
    }});
    let mut headers = quota_headers(quota);
    if let Some(seconds) = retry_after {
        headers.insert("retry-after", HeaderValue::from(seconds));
    }
    (StatusCode::TOO_MANY_REQUESTS, headers, Json(body)).into_response()
}

/// The answer of a full bucket, for an injected fault.
pub(crate) fn limit_answer(now: Timestamp, retry_after: Option<i64>) -> Response {
    let reset = now + SignedDuration::from_secs(retry_after.unwrap_or(MINUTE));
    let quota = Quota { limit: 120, used: 120, reset };
    refused(&quota, now, retry_after)
}
