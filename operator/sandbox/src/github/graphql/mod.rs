//! GitHub's GraphQL API: one endpoint, its points, and errors in GitHub's shape.

mod cost;
mod environments;
mod mutation;
mod objects;
mod pulls;
mod query;
mod repository;
mod rules;
mod scalars;

use std::sync::{Arc, LazyLock};

use async_graphql::{Context, EmptySubscription, Schema, ServerError, Variables};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::gate;
use crate::limits::Quota;
use crate::middleware::NotCommitted;
use crate::requests::Call;
use crate::sandbox::{Sandbox, World};
use crate::tokens::Actor;

type Root = Schema<query::Query, mutation::Mutation, EmptySubscription>;

static SCHEMA: LazyLock<Root> = LazyLock::new(|| {
    // Introspection is what clients' code generators and this project's contract tests ask for.
    Schema::build(query::Query, mutation::Mutation, EmptySubscription).register_output_type::<query::Owner>().finish()
});

/// What resolvers work with.
pub(super) struct Gql {
    sandbox: Arc<Sandbox>,
    call: Arc<Call>,
    actor: Actor,
    cost: cost::Cost,
    quota: Quota,
}

impl Gql {
    /// The world as it is now.
    pub(super) fn read<R>(&self, look: impl FnOnce(&World) -> R) -> R {
        self.sandbox.read(|world, _| look(world))
    }
}

/// The shared data of a query.
pub(super) fn gql<'a>(ctx: &Context<'a>) -> &'a Gql {
    ctx.data_unchecked::<Gql>()
}

/// Adds an error of one of GitHub's types to the answer; the field itself becomes null.
pub(super) fn add_error(ctx: &Context<'_>, kind: &'static str, message: impl Into<String>) {
    let mut error = ServerError::new(message, Some(ctx.item.pos));
    error.extensions.get_or_insert_default().set("type", kind);
    let error = ctx.set_error_path(error);
    ctx.add_error(error);
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    query: String,
    #[serde(default)]
    variables: Option<Value>,
    #[serde(default)]
    operation_name: Option<String>,
}

/// `POST /graphql`
pub(super) async fn serve(
    State(sandbox): State<Arc<Sandbox>>,
    Extension(call): Extension<Arc<Call>>,
    Extension(actor): Extension<Actor>,
) -> Response {
    let Ok(request) = serde_json::from_slice::<Request>(&call.body) else {
        return Refusal::new(StatusCode::BAD_REQUEST, "Problems parsing JSON").into_response();
    };
    let variables = request.variables.unwrap_or_default();
    let cost = match cost::of(&request.query, request.operation_name.as_deref(), &variables) {
        Ok(cost) => cost,
        Err(errors) => return Json(json!({ "errors": errors })).into_response(),
    };
    let key = gate::primary_key("graphql", &actor);
    let taken = sandbox.note(|world, now| {
        let taken = world.buckets.take(&key, gate::GRAPHQL, cost.points, now);
        if world.settings.limits { taken } else { taken.or_else(Ok) }
    });
    let (Ok(quota) | Err(quota)) = taken;
    let headers = gate::quota_headers("graphql", &quota);
    if taken.is_err() {
        return (headers, Json(exhausted())).into_response();
    }
    let gql = Gql { sandbox, call, actor, cost, quota };
    let mut query = async_graphql::Request::new(request.query).variables(Variables::from_json(variables)).data(gql);
    query.operation_name = request.operation_name;
    let answer = shaped(&SCHEMA.execute(query).await);
    let failed = answer.get("errors").is_some();
    let mut answer = (headers, Json(answer)).into_response();
    if failed {
        answer.extensions_mut().insert(NotCommitted);
    }
    answer
}

/// The answer when the points are used up: 200 with an error.
fn exhausted() -> Value {
    json!({ "errors": [{ "type": "RATE_LIMITED", "message": "API rate limit exceeded for user ID 1001." }] })
}

/// The answer with GitHub's error objects: `type` beside `message`, and no `data` when the query was not valid.
fn shaped(response: &async_graphql::Response) -> Value {
    let valid = response.errors.iter().all(|error| !error.path.is_empty());
    let errors: Vec<Value> = response.errors.iter().map(error).collect();
    let mut answer = json!({});
    if valid {
        answer["data"] = json!(response.data);
    }
    if !errors.is_empty() {
        answer["errors"] = errors.into();
    }
    answer
}

fn error(error: &ServerError) -> Value {
    let mut shown = json!(error);
    let extensions = shown.as_object_mut().and_then(|shown| shown.remove("extensions"));
    if let Some(kind) = extensions.and_then(|mut extensions| extensions.get_mut("type").map(Value::take)) {
        shown["type"] = kind;
    }
    shown
}

/// The time that a mutation happens at, and the world to change.
pub(super) fn write<R>(gql: &Gql, change: impl FnOnce(&mut World, Timestamp) -> R) -> R {
    gql.sandbox.write(change)
}
