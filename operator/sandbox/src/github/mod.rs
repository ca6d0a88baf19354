//! GitHub's REST and GraphQL APIs.
#![expect(clippy::unnecessary_wraps, reason = "the handlers of one table have one signature")]

mod access;
mod accounts;
mod actions;
mod answer;
mod app;
mod checks;
mod commits;
mod contents;
mod create;
mod environments;
mod events;
mod gate;
pub mod git;
mod git_data;
mod graphql;
mod protect;
pub mod pulls;
mod push;
pub mod repo;
mod repos;
mod rest;
pub mod reviews;
mod routes;
mod rulesets;
pub mod runs;
mod security;
mod seed;
mod state;
mod teams;
mod validate;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

pub use repo::{Repo, Visibility};
pub use state::{Account, AccountKind, CommitInfo, State};

use answer::Refusal;
use create::plan_lacks;
use rulesets::UPGRADE;

pub(crate) use gate::{CONCURRENT, admit, primary_limit_answer, secondary_limit_answer};
pub(crate) use push::tick;

use crate::sandbox::{Sandbox, World};

/// The routes below `/github`.
pub fn router() -> Router<Arc<Sandbox>> {
    rest::mount(routes::ROUTES)
        .route("/graphql", axum::routing::post(graphql::serve))
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
}

/// The root of the API, mounted beside what is below it.
pub fn root() -> Router<Arc<Sandbox>> {
    rest::mount(routes::ROOT)
}

async fn not_found() -> Response {
    Refusal::not_found().into_response()
}

/// The name of a GraphQL operation for the log, and whether it changes anything.
pub(crate) fn graphql_operation(body: &[u8]) -> (String, bool) {
    let unknown = || ("graphql query".to_owned(), false);
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return unknown();
    };
    let Some(document) = body["query"].as_str() else {
        return unknown();
    };
    let Ok(document) = async_graphql::parser::parse_query(document) else {
        return unknown();
    };
    let wanted = body["operationName"].as_str();
    let mut operations = document.operations.iter();
    let found = operations.find(|(name, _)| wanted.is_none() || name.map(async_graphql::Name::as_str) == wanted);
    let Some((name, operation)) = found else {
        return unknown();
    };
    let kind = operation.node.ty;
    let name = name.map_or(String::new(), |name| format!(" {name}"));
    (format!("graphql {kind}{name}"), kind == async_graphql::parser::types::OperationType::Mutation)
}

/// Everything, for `GET /_sandbox/inventory`.
pub(crate) fn inventory(world: &World, _now: Timestamp) -> Value {
    let state = &world.github;
    let repo = |repo: &Repo| {
        let files: serde_json::Map<_, _> = repo
            .head()
            .map(|head| state.files(repo.id, head))
            .unwrap_or_default()
            .into_iter()
            .map(|(path, bytes)| (path, String::from_utf8_lossy(&bytes).into()))
            .collect();
        let mut value = json!(repo);
        if let Some(fields) = value.as_object_mut() {
            // Which objects it has is git's business; the files say it in a way that can be read.
            fields.remove("objects");
        }
        value["full_name"] = repo.full_name().into();
        value["node_id"] = node_id("R", repo.id).into();
        value["template_repository"] = json!(repo.template.and_then(|id| state.repos.get(&id)).map(Repo::full_name));
        value["private"] = repo.is_private().into();
        value["files"] = files.into();
        value
    };
    json!({
        "repos": state.repos.values().map(repo).collect::<Vec<_>>(),
        "deleted": state.deleted.iter().map(repo).collect::<Vec<_>>(),
        "counts": { "repos": state.repos.len(), "deleted": state.deleted.len() },
    })
}

/// A node id as GraphQL and REST write it.
pub(crate) fn node_id(kind: &str, id: u64) -> String {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    let mut bytes = vec![0x92, 0x00, 0xce];
    bytes.extend_from_slice(&u32::try_from(id).unwrap_or(u32::MAX).to_be_bytes());
    format!("{kind}_{}", BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// The id in a node id of that kind.
fn id_of_node(kind: &str, node: &str) -> Option<u64> {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
    let text = node.strip_prefix(kind)?.strip_prefix('_')?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let number: [u8; 4] = bytes.get(3..)?.try_into().ok()?;
    Some(u64::from(u32::from_be_bytes(number)))
}
