//! The passes: `resolve → validate → observe → plan → apply → report`, one module for each kind.

pub mod deployment;
pub mod fork;
#[cfg(test)]
mod tests;

use std::time::Duration;

use forkable_core::store::StoreError;

/// What a pass leaves to the driver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// When the object wants the next pass without being told to.
    pub next: Option<Duration>,
    /// Reason of the first error, if the pass failed.
    pub failed: Option<&'static str>,
}

impl Passed {
    pub(crate) fn after(next: Option<Duration>) -> Self {
        Self { next, failed: None }
    }
}

/// Label of metrics for an error of the store.
pub(crate) fn store_reason(error: &StoreError) -> &'static str {
    match error {
        StoreError::Conflict(_) => "StoreConflict",
        StoreError::NotFound(_) => "StoreNotFound",
        StoreError::AlreadyExists(_) => "StoreAlreadyExists",
        StoreError::Unavailable(_) => "StoreUnavailable",
    }
}
