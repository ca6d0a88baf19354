//! What several commands know of a folder's state: where its files are, how objects are printed.

use std::path::{Path, PathBuf};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
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

/// A condition by its type.
pub(super) fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// As YAML.
pub(super) fn yaml(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(serde_saphyr::to_string(&serde_json::to_value(value)?)?)
}
