//! Sentry, as far as counting goes: an organization's events as a table and its issues, with the refusals that are
//! published at <https://docs.sentry.io/api/>. Of the query language it knows `project:`, `release:`, `is:` and `age:`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, Path, State as Shared};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::requests::Call;
use crate::sandbox::{Sandbox, World};

/// Issues of a page, unless fewer are asked for.
const PAGE: usize = 100;

/// Something that happened in a product.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Happened {
    /// Title of the issue that the errors are of.
    title: String,
    /// How many.
    #[serde(default = "one")]
    errors: u32,
    #[serde(default)]
    release: Option<String>,
    #[serde(default)]
    at: Option<Timestamp>,
}

fn one() -> u32 {
    1
}

/// The organization `acme-inc`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// What happened in each project, oldest first.
    projects: BTreeMap<String, Vec<Happened>>,
}

impl State {
    /// Makes the project if there is none.
    pub(crate) fn add(&mut self, project: String, mut happened: Vec<Happened>, now: Timestamp) {
        for one in &mut happened {
            one.at = one.at.or(Some(now));
        }
        self.projects.entry(project).or_default().extend(happened);
    }
}

/// Tokens, and whether they may read events.
const TOKENS: [(&str, bool); 2] = [("sandbox-sentry-token", true), ("sandbox-sentry-token-without-scope", false)];
const ORGANIZATION: &str = "acme-inc";

pub(crate) fn router() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/api/0/organizations/{organization}/events/", get(events))
        .route("/api/0/organizations/{organization}/issues/", get(issues))
}

type Refused = (u16, String);

fn refused<T>(status: u16, detail: &str) -> Result<T, Refused> {
    Err((status, detail.into()))
}

fn respond(answer: Result<Value, Refused>) -> Response {
    match answer {
        Ok(body) => Json(body).into_response(),
        Err((status, detail)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, Json(json!({ "detail": detail }))).into_response()
        }
    }
}

async fn events(
    Shared(sandbox): Shared<Arc<Sandbox>>,
    Path(organization): Path<String>,
    Extension(call): Extension<Arc<Call>>,
) -> Response {
    respond(sandbox.read(|world, now| {
        admit(&call, &organization)?;
        match call.param("field").as_deref() {
            Some("count()") => {}
            Some(other) => return refused(400, &format!("Unknown field: {other}")),
            None => return refused(400, "No columns selected"),
        }
        if call.param("dataset").is_some_and(|dataset| !["errors", "discover", "spans"].contains(&&*dataset)) {
            return refused(400, "dataset must be one of: discover, errors, spans");
        }
        let period = call.param("statsPeriod").unwrap_or_else(|| "90d".into());
        let Some(period) = length(&period) else { return refused(400, &format!("Invalid statsPeriod: '{period}'")) };
        let query = Query::parse(world, &call)?;
        let all = query.find(world).filter(|one| now.duration_since(one.at.unwrap_or(now)) <= period);
        let count: u32 = all.map(|one| one.errors).sum();
        Ok(json!({ "data": [{ "count()": count }], "meta": { "fields": { "count()": "integer" }, "units": {}, "dataset": "errors" } }))
    }))
}

async fn issues(
    Shared(sandbox): Shared<Arc<Sandbox>>,
    Path(organization): Path<String>,
    Extension(call): Extension<Arc<Call>>,
) -> Response {
    let mut more = false;
    let answer = sandbox.read(|world, now| {
        admit(&call, &organization)?;
        let limit = call.param("limit").map_or(Ok(PAGE), |limit| limit.parse());
        let Some(limit) = limit.ok().filter(|limit| (1..=PAGE).contains(limit)) else {
            return refused(400, "Invalid limit");
        };
        let query = Query::parse(world, &call)?;
        let mut first: BTreeMap<&str, (Timestamp, u32)> = BTreeMap::new();
        for one in query.find(world) {
            let at = one.at.unwrap_or(now);
            let known = first.entry(&one.title).or_insert((at, 0));
            *known = (known.0.min(at), known.1 + one.errors);
        }
        let is_young = |at: Timestamp| query.age.is_none_or(|age| now.duration_since(at) <= age);
        let young: Vec<_> = first.iter().filter(|(_, (at, _))| is_young(*at)).collect();
        more = young.len() > limit;
        let view = |(index, (title, (at, count))): (usize, &(&&str, &(Timestamp, u32)))| {
            let id = (index + 1).to_string();
            json!({
                "id": id,
                "shortId": format!("{}-{id}", query.project.to_ascii_uppercase()),
                "title": title,
                "culprit": "",
                "permalink": format!("https://{ORGANIZATION}.sentry.io/issues/{id}/"),
                "level": "error",
                "status": "unresolved",
                "type": "error",
                "project": { "id": "1", "name": query.project, "slug": query.project },
                "count": count.to_string(),
                "userCount": 0,
                "firstSeen": at,
                "lastSeen": now,
            })
        };
        Ok(young.iter().take(limit).enumerate().map(view).collect())
    });
    let mut response = respond(answer);
    let link = format!("<{}/sentry/next>; rel=\"next\"; results=\"{more}\"; cursor=\"0:1:0\"", sandbox.base);
    if let Ok(link) = link.parse() {
        response.headers_mut().insert("link", link);
    }
    response
}

fn admit(call: &Call, organization: &str) -> Result<(), Refused> {
    let Some(token) = call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) else {
        return refused(401, "Authentication credentials were not provided.");
    };
    match TOKENS.iter().find(|(known, _)| *known == token) {
        None => refused(401, "Invalid token"),
        Some((_, false)) => refused(403, "You do not have permission to perform this action."),
        Some(_) if organization != ORGANIZATION => refused(404, "The requested resource does not exist"),
        Some(_) => Ok(()),
    }
}

/// What is searched for.
struct Query {
    project: String,
    release: Option<String>,
    age: Option<SignedDuration>,
}

impl Query {
    fn parse(world: &World, call: &Call) -> Result<Self, Refused> {
        let text = call.param("query").unwrap_or_default();
        let mut query = Self { project: String::new(), release: None, age: None };
        for term in text.split_whitespace() {
            match term.split_once(':') {
                Some(("project", project)) => project.clone_into(&mut query.project),
                Some(("release", release)) => query.release = Some(release.into()),
                Some(("is", "unresolved")) => {}
                Some(("age", age)) => {
                    let length = age.strip_prefix('-').and_then(length);
                    let Some(length) = length else {
                        return refused(400, &format!("Error parsing search query: Invalid age: {age}"));
                    };
                    query.age = Some(length);
                }
                _ => return refused(400, &format!("Invalid query. {term:?} is not a supported search term.")),
            }
        }
        if world.sentry.projects.contains_key(&query.project) {
            return Ok(query);
        }
        let detail = format!("Invalid query. Project(s) {} do not exist or are not actively selected.", query.project);
        refused(400, &detail)
    }

    fn find<'a>(&'a self, world: &'a World) -> impl Iterator<Item = &'a Happened> {
        let all = world.sentry.projects.get(&self.project).into_iter().flatten();
        all.filter(|one| self.release.is_none() || one.release == self.release)
    }
}

/// `5m`, `24h`, `14d`.
fn length(text: &str) -> Option<SignedDuration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    Some(SignedDuration::from_secs(number.parse::<i64>().ok()?.checked_mul(seconds)?))
}
