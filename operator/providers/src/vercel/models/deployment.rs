//! Deployments and the lines of their logs.

use std::collections::BTreeMap;

use forkable_core::hosting::{BuildState, DeploymentFacts, LogLine};
use serde::Deserialize;

/// Key in `meta` that tells whose request made a deployment.
pub(in crate::vercel) const REQUEST_META: &str = "forkableRequest";

#[derive(Debug, Deserialize)]
pub(in crate::vercel) struct DeploymentPage {
    pub deployments: Vec<Deployment>,
}

/// A deployment, of a list or by itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vercel) struct Deployment {
    id: Option<String>,
    /// What lists call `id`.
    uid: Option<String>,
    url: Option<String>,
    ready_state: Option<ReadyState>,
    /// What lists call `readyState`.
    state: Option<ReadyState>,
    #[serde(default, deserialize_with = "super::or_default")]
    meta: BTreeMap<String, serde_json::Value>,
    git_source: Option<GitSource>,
    target: Option<String>,
    /// A boolean, or in lists the time.
    alias_assigned: Option<serde_json::Value>,
    alias_error: Option<Described>,
    alias: Option<Vec<String>>,
    error_message: Option<String>,
    ready_state_reason: Option<String>,
    error_code: Option<String>,
    seat_block: Option<SeatBlock>,
    created_at: Option<i64>,
    /// What lists call `createdAt`.
    created: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct GitSource {
    sha: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Described {
    #[serde(default, deserialize_with = "super::or_default")]
    code: String,
    #[serde(default, deserialize_with = "super::or_default")]
    message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeatBlock {
    block_code: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(in crate::vercel) enum ReadyState {
    Queued,
    Initializing,
    Building,
    Ready,
    Error,
    Canceled,
    Blocked,
    Deleted,
    /// A state that this program does not know is not an end.
    #[serde(other)]
    Other,
}

impl From<ReadyState> for BuildState {
    fn from(state: ReadyState) -> Self {
        match state {
            ReadyState::Queued => Self::Queued,
            ReadyState::Initializing | ReadyState::Building | ReadyState::Other => Self::Building,
            ReadyState::Ready => Self::Ready,
            ReadyState::Error => Self::Failed,
            ReadyState::Canceled | ReadyState::Deleted => Self::Canceled,
            ReadyState::Blocked => Self::Blocked,
        }
    }
}

impl Deployment {
    pub(in crate::vercel) fn is_deleted(&self) -> bool {
        self.ready_state.or(self.state) == Some(ReadyState::Deleted)
    }

    /// The facts; `None` for an answer without an id.
    pub(in crate::vercel) fn facts(self) -> Option<DeploymentFacts> {
        let meta = |name: &str| self.meta.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let state = self.ready_state.or(self.state).map_or(BuildState::Queued, BuildState::from);
        let ended_badly = matches!(state, BuildState::Failed | BuildState::Canceled | BuildState::Blocked);
        let blocked = self.seat_block.map(|block| block.block_code);
        let failed = self.error_message.or(self.ready_state_reason).or(self.error_code);
        let described = |error: Described| if error.message.is_empty() { error.code } else { error.message };
        Some(DeploymentFacts {
            id: self.id.or(self.uid)?,
            url: self.url.unwrap_or_default(),
            state,
            request: meta(REQUEST_META),
            commit: meta("githubCommitSha").or_else(|| self.git_source.and_then(|source| source.sha)),
            target: self.target,
            aliases_assigned: self.alias_assigned.is_some_and(|value| !value.is_null() && value != false),
            alias_error: self.alias_error.map(described),
            aliases: self.alias.unwrap_or_default(),
            error: blocked.or(failed).filter(|_| ended_badly),
            created_at: self.created_at.or(self.created).unwrap_or_default(),
        })
    }
}

/// A line of a build log, in its old and its new shape.
#[derive(Debug, Deserialize)]
pub(in crate::vercel) struct Event {
    text: Option<String>,
    payload: Option<Payload>,
}

#[derive(Debug, Deserialize)]
struct Payload {
    text: Option<String>,
}

impl Event {
    pub(in crate::vercel) fn text(self) -> Option<String> {
        self.text.or_else(|| self.payload.and_then(|payload| payload.text))
    }
}

/// A line of what a deployment logs while it runs.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vercel) struct LogRow {
    source: String,
    level: String,
    response_status_code: Option<f64>,
}

impl LogRow {
    /// `None`: Vercel says something of the log itself.
    pub(in crate::vercel) fn line(&self) -> Option<LogLine> {
        if self.source == "delimiter" {
            return None;
        }
        // Vercel writes numbers that are no status where there is no response yet.
        let status = self.response_status_code.filter(|status| (100.0..600.0).contains(status));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a status")]
        let status = status.map(|status| status as u16);
        Some(LogLine { is_error: matches!(self.level.as_str(), "error" | "fatal"), status })
    }
}
