//! Vercel's REST API: its routes, and the way from a request to a route and back.

mod builds;
mod call;
mod certs;
mod custom_environments;
mod deployment_routes;
mod deployment_view;
mod deployments;
mod domain_names;
mod domain_routes;
mod domains;
mod env;
mod env_routes;
mod events;
mod hooks;
mod ids;
mod inventory;
mod limits;
mod links;
mod model;
mod plans;
mod problem;
mod project_view;
mod projects;
mod protection;
mod releases;
mod rolling;
mod runtime_logs;
mod source;
mod teams;
mod validate;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, Path, State as Shared};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use axum::{Json, Router};
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::requests::Call as Arrived;
use crate::sandbox::{Sandbox, World};
use crate::tokens::Actor;
use call::Call;
use problem::{Outcome, Problem, Reply};

pub use deployments::{Deployment, ReadyState};
pub(crate) use inventory::inventory;
pub(crate) use limits::{admit, limit_answer};
pub use model::{Domain, Project, State};
pub(crate) use runtime_logs::Visit;

/// A route's code.
type Handler = fn(&mut Call<'_>) -> Outcome;

/// Every route, as the published description writes it; parameters that the description names differently from
/// route to route have one name here.
const ROUTES: &[(&str, Handler)] = &[
    ("POST /v11/projects", projects::create),
    ("GET /v10/projects", projects::list),
    ("GET /v9/projects/{idOrName}", projects::get),
    ("PATCH /v9/projects/{idOrName}", projects::update),
    ("DELETE /v9/projects/{idOrName}", projects::delete),
    ("POST /v1/projects/{idOrName}/pause", projects::pause),
    ("POST /v1/projects/{idOrName}/unpause", projects::unpause),
    ("POST /v1/security/attack-mode", protection::attack_mode),
    ("POST /v9/projects/{idOrName}/link", links::create),
    ("DELETE /v9/projects/{idOrName}/link", links::delete),
    ("PATCH /v9/projects/{idOrName}/branch", links::set_branch),
    ("PATCH /v1/projects/{idOrName}/protection-bypass", protection::update),
    ("POST /v9/projects/{idOrName}/custom-environments", custom_environments::create),
    ("GET /v9/projects/{idOrName}/custom-environments", custom_environments::list),
    ("GET /v9/projects/{idOrName}/custom-environments/{environmentSlugOrId}", custom_environments::get),
    ("PATCH /v9/projects/{idOrName}/custom-environments/{environmentSlugOrId}", custom_environments::update),
    ("DELETE /v9/projects/{idOrName}/custom-environments/{environmentSlugOrId}", custom_environments::delete),
    ("POST /v10/projects/{idOrName}/env", env_routes::create),
    ("GET /v10/projects/{idOrName}/env", env_routes::list),
    ("GET /v1/projects/{idOrName}/env/{id}", env_routes::get),
    ("PATCH /v9/projects/{idOrName}/env/{id}", env_routes::update),
    ("DELETE /v9/projects/{idOrName}/env/{id}", env_routes::delete),
    ("DELETE /v1/projects/{idOrName}/env", env_routes::delete_many),
    ("POST /v10/projects/{idOrName}/domains", domain_routes::add),
    ("GET /v9/projects/{idOrName}/domains", domain_routes::list),
    ("GET /v9/projects/{idOrName}/domains/{domain}", domain_routes::get),
    ("PATCH /v9/projects/{idOrName}/domains/{domain}", domain_routes::update),
    ("DELETE /v9/projects/{idOrName}/domains/{domain}", domain_routes::remove),
    ("POST /v9/projects/{idOrName}/domains/{domain}/verify", domain_routes::verify),
    ("POST /v1/projects/{idOrName}/domains/{domain}/move", domain_routes::transfer),
    ("GET /v6/domains/{domain}/config", domain_routes::config),
    ("GET /v1/domains/{domain}/project-domains", domain_routes::of_apex),
    ("GET /v8/certs", certs::list),
    ("POST /v8/certs", certs::issue),
    ("GET /v8/certs/{id}", certs::get),
    ("POST /v13/deployments", deployments::create),
    ("GET /v13/deployments/{idOrUrl}", deployment_routes::get),
    ("DELETE /v13/deployments/{idOrUrl}", deployment_routes::delete),
    ("GET /v6/deployments", deployment_routes::list),
    ("GET /v7/deployments", deployment_routes::list),
    ("PATCH /v12/deployments/{id}/cancel", deployment_routes::cancel),
    ("GET /v3/deployments/{idOrUrl}/events", deployment_routes::events),
    ("GET /v2/deployments/{id}/aliases", releases::aliases),
    ("POST /v2/deployments/{id}/aliases", releases::assign_alias),
    ("POST /v10/projects/{idOrName}/promote/{deploymentId}", releases::promote),
    ("POST /v1/projects/{idOrName}/rollback/{deploymentId}", releases::rollback),
    ("GET /v1/projects/{idOrName}/promote/aliases", releases::promote_aliases),
    ("GET /v1/projects/{idOrName}/rolling-release/billing", rolling::billing),
    ("GET /v1/projects/{idOrName}/rolling-release/config", rolling::config),
    ("PATCH /v1/projects/{idOrName}/rolling-release/config", rolling::configure),
    ("DELETE /v1/projects/{idOrName}/rolling-release/config", rolling::disable),
    ("GET /v1/projects/{idOrName}/rolling-release", rolling::get),
    ("POST /v1/projects/{idOrName}/rolling-release/start", rolling::start),
    ("POST /v1/projects/{idOrName}/rolling-release/approve-stage", rolling::approve),
    ("POST /v1/projects/{idOrName}/rolling-release/complete", rolling::complete),
    ("POST /v1/webhooks", hooks::create),
    ("GET /v1/webhooks", hooks::list),
    ("GET /v1/webhooks/{id}", hooks::get),
    ("DELETE /v1/webhooks/{id}", hooks::delete),
    ("GET /v2/teams", teams::list),
    ("GET /v2/teams/{teamId}", teams::get),
    ("GET /v2/user", teams::user),
];

const LOGS: &str = "GET /v1/projects/{idOrName}/deployments/{deploymentId}/runtime-logs";

/// The routes below `/vercel`; anything else is 404.
pub fn router() -> Router<Arc<Sandbox>> {
    let routed = ROUTES.iter().fold(Router::new(), |router, (operation, handler)| {
        let (method, path) = operation.split_once(' ').expect("a route is METHOD /path");
        let method: Method = method.parse().expect("a route starts with a method");
        let filter = MethodFilter::try_from(method).expect("a method that axum routes");
        let handle = move |shared: Shared<Arc<Sandbox>>, path, arrived, actor| async move {
            dispatch(operation, *handler, &shared, path, arrived, actor)
        };
        router.route(path, on(filter, handle))
    });
    let (_, path) = LOGS.split_once(' ').expect("a route is METHOD /path");
    let routed = routed.route(path, axum::routing::get(follow));
    let missing = || async { respond(Err(Problem::not_found("The requested API endpoint does not exist."))) };
    routed.method_not_allowed_fallback(missing).fallback(missing)
}

/// The one route whose answer goes on.
async fn follow(
    Shared(sandbox): Shared<Arc<Sandbox>>,
    Path(path): Path<BTreeMap<String, String>>,
    Extension(arrived): Extension<Arc<Arrived>>,
    Extension(actor): Extension<Actor>,
) -> Response {
    let found = sandbox.write(|world, now| run(LOGS, runtime_logs::find, world, now, path, &arrived, &actor));
    match found {
        Ok(Reply(_, Value::String(deployment))) => runtime_logs::follow(&sandbox, deployment),
        other => respond(other),
    }
}

/// Checks a request, runs its route on the world, and words the answer.
fn dispatch(
    operation: &str,
    handler: Handler,
    sandbox: &Sandbox,
    Path(path): Path<BTreeMap<String, String>>,
    Extension(arrived): Extension<Arc<Arrived>>,
    Extension(actor): Extension<Actor>,
) -> Response {
    respond(sandbox.write(|world, now| run(operation, handler, world, now, path, &arrived, &actor)))
}

fn run(
    operation: &str,
    handler: Handler,
    world: &mut World,
    now: Timestamp,
    path: BTreeMap<String, String>,
    arrived: &Arrived,
    actor: &Actor,
) -> Outcome {
    let body = parse(operation, arrived)?;
    let token = actor.token().ok_or_else(|| Problem::forbidden("Not authorized"))?;
    let query: Vec<(String, String)> = url::form_urlencoded::parse(arrived.query.as_bytes()).into_owned().collect();
    let World { github, vercel, dns, settings, .. } = world;
    let mut call = Call {
        team: String::new(),
        user: call::user_id(&token.login),
        now: now.as_millisecond(),
        state: vercel,
        github,
        dns,
        settings,
        token,
        body,
        path,
        query,
    };
    call.team = team(&call)?;
    if arrived.write && call.role() == "VIEWER" {
        return Err(Problem::forbidden("You don't have permission to change this resource."));
    }
    let outcome = handler(&mut call);
    let events = std::mem::take(&mut world.vercel.outbox);
    if outcome.is_ok() {
        for event in events {
            world.emit(event);
        }
    }
    outcome
}

/// The body as JSON, checked against what is published for the operation; routes without one take none.
fn parse(operation: &str, arrived: &Arrived) -> Result<Value, Problem> {
    if !validate::has_body(operation) {
        return Ok(Value::Null);
    }
    let body = if arrived.body.is_empty() {
        json!({})
    } else {
        arrived.json().ok_or_else(|| Problem::bad_request("Invalid JSON"))?
    };
    validate::check(operation, &body).map_err(Problem::bad_request)?;
    Ok(body)
}

/// The team of `teamId` or `slug`, else the token's default one.
fn team(call: &Call<'_>) -> Result<String, Problem> {
    let refused = |scope: &str| {
        let message = format!(
            "Not authorized: Trying to access resource under scope \"{scope}\". \
             You must re-authenticate to this scope or use a token with access to this scope."
        );
        Problem::forbidden(message).with("scope", scope).with("saml", false)
    };
    let own = |id: &&String| call.state.teams.contains_key(*id);
    match (call.query("teamId"), call.query("slug")) {
        (Some(id), _) => call.token.teams.iter().find(|team| *team == id).filter(own).ok_or_else(|| refused(id)),
        (None, Some(slug)) => {
            let named = |id: &&String| call.state.teams.get(*id).is_some_and(|team| team.slug == slug);
            call.token.teams.iter().find(named).ok_or_else(|| refused(slug))
        }
        (None, None) => call.token.teams.first().filter(own).ok_or_else(|| refused(&call.token.login)),
    }
    .cloned()
}

fn respond(outcome: Outcome) -> Response {
    let (status, body) = match outcome {
        Ok(Reply(status, body)) => (status, body),
        Err(problem) => (problem.status, problem.body()),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if body.is_null() { status.into_response() } else { (status, Json(body)).into_response() }
}

/// A branch of a repository moved: Vercel's Git integration builds it for every linked project when time next moves.
pub(crate) fn on_push(world: &mut World, repository: u64, branch: &str, sha: &str, now: Timestamp) {
    world.vercel.pushes.push(model::Push {
        repo_id: repository,
        branch: branch.to_owned(),
        sha: sha.to_owned(),
        at: now.as_millisecond(),
    });
}

/// Makes what is due happen; true when something changed.
pub(crate) fn tick(world: &mut World, now: Timestamp) -> bool {
    let World { github, vercel, settings, .. } = world;
    let changed = vercel.advance(github, settings, now.as_millisecond());
    for event in std::mem::take(&mut world.vercel.outbox) {
        world.emit(event);
    }
    changed
}
