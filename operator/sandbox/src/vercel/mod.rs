//! Vercel's REST API.

mod limits;

use std::sync::Arc;

use axum::Router;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sandbox::{Sandbox, World};

pub(crate) use limits::{admit, limit_answer};

/// Everything that Vercel knows.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct State {}

impl State {
    /// The default seed.
    pub fn seeded(_now: Timestamp) -> Self {
        Self::default()
    }
}

/// The routes below `/vercel`.
pub fn router() -> Router<Arc<Sandbox>> {
    Router::new()
}

/// A branch of a repository moved: linked projects build it.
pub(crate) fn on_push(_world: &mut World, _repository: u64, _branch: &str, _sha: &str, _now: Timestamp) {}

/// Makes what is due happen; true when something changed.
pub(crate) fn tick(_world: &mut World, _now: Timestamp) -> bool {
    false
}

/// Everything, for `GET /_sandbox/inventory`.
pub(crate) fn inventory(_world: &World, _now: Timestamp) -> Value {
    json!({})
}
