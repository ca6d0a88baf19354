//! What several commands know of a folder's state: where its files are, how objects are printed.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::hosts::local::STATE_FOLDER;

/// Its being there says that a person released the brake.
pub(super) const RESUME_FILE: &str = "resume";
/// The audit log.
pub(super) const JOURNAL_FILE: &str = "journal.db";
/// When each object that is not ready is tried next.
pub(super) const SCHEDULE_FILE: &str = "schedule.json";
/// State of the sandbox of `up --sandbox`.
pub(super) const SANDBOX_FILE: &str = "sandbox.json";

/// The folder of all of these.
pub(super) fn folder(dir: &Path) -> PathBuf {
    dir.join(STATE_FOLDER)
}

/// As YAML.
pub(super) fn yaml(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_saphyr::to_string(&serde_json::to_value(value)?)?)
}
