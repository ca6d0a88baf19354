//! The port to the journal: what was done outside, when, and what came of it. Losing it never blocks a plan.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::store::ObjectRef;

/// One step that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub at: Timestamp,
    pub object: ObjectRef,
    pub facet: &'static str,
    /// The step as printed by `plan`.
    pub step: String,
    /// `done`, or the error.
    pub outcome: String,
    pub duration_ms: i64,
}

/// The audit log.
#[async_trait]
pub trait Journal: Send + Sync {
    async fn record(&self, entry: Entry) -> Result<(), JournalError>;

    /// The newest entries of one object, newest first.
    async fn newest(&self, object: &ObjectRef, limit: u32) -> Result<Vec<Entry>, JournalError>;
}

/// The journal could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("the journal is unavailable: {0}")]
pub struct JournalError(pub String);
