//! What several commands know of a folder's state: where its files are, how objects are printed.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use forkable_core::store::Kind as _;
use forkable_crds::{Deployment, Fork};
use serde::Serialize;

use super::world::World;
use crate::{
    fleet::{fork_of, revision},
    hosts::local::STATE_FOLDER,
};

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

/// The releases of a Fork, newest first.
pub(super) async fn releases(world: &World, fork: &Fork) -> anyhow::Result<Vec<Arc<Deployment>>> {
    let mut releases = world.list::<Deployment>().await?;
    releases.retain(|release| fork_of(release) == fork.reference());
    let age = |release: &Deployment| release.metadata.creation_timestamp.as_ref().map(|time| time.0);
    releases.sort_by(|a, b| age(b).cmp(&age(a)).then_with(|| revision(b).cmp(&revision(a))));
    Ok(releases)
}
