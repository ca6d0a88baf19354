//! Releases that a Fork makes of itself: which variables they were built with, and whether a new one is due.

use std::sync::Arc;

use forkable_crds::{Deployment, fork::OnEnvChange};

use super::{Desired, Observed};
use crate::{
    hosting::ProjectFacts,
    release::{
        is_finished, is_true,
        rollout::{canary, is_live},
    },
};

/// Revision of the variables (names, environments, values), and of the project that they are in. A release that was
/// made for another project than the present one does not count: nothing of it is left.
pub(super) fn current(desired: &Desired, project: &ProjectFacts) -> String {
    let mut rows: Vec<_> = desired
        .env
        .iter()
        .map(|variable| {
            let environments = variable.environments.join(",");
            let branch = variable.branch.as_deref().unwrap_or_default();
            format!("{}\n{environments}\n{branch}\n{}\n", variable.key, variable.digest)
        })
        .collect();
    rows.sort_unstable();
    let variables = desired.digest_key.digest("env-revision", &rows.concat());
    format!("{}.{}", &variables[..12], project_part(desired, project))
}

fn project_part(desired: &Desired, project: &ProjectFacts) -> String {
    let mut digest = desired.digest_key.digest("project-revision", &project.id);
    digest.truncate(6);
    digest
}

fn project_of(revision: &str) -> &str {
    revision.rsplit_once('.').map_or("", |(_, project)| project)
}

/// Whether both are revisions of variables in one project.
pub(super) fn is_same_project(a: &str, b: &str) -> bool {
    project_of(a) == project_of(b)
}

/// The newest release that the Fork itself made for production. People make Deployments without a revision.
pub(super) fn newest(observed: &Observed) -> Option<&Deployment> {
    made(observed).next()
}

/// The releases that the Fork itself made for production, newest first.
pub(super) fn made(observed: &Observed) -> impl Iterator<Item = &Deployment> {
    let is_made =
        |release: &&Deployment| release.spec.env_revision.is_some() && release.spec.environment == "Production";
    observed.releases.iter().map(Arc::as_ref).filter(is_made)
}

/// Whether the newest release was built with other variables than these, in the same project.
pub(super) fn is_outdated(newest: &Deployment, current: &str) -> bool {
    let revision = newest.spec.env_revision.as_deref().unwrap_or_default();
    revision != current && is_same_project(revision, current)
}

/// The newest release for production, if a person made it of this commit.
pub(super) fn by_hand<'a>(observed: &'a Observed, commit: &str) -> Option<&'a Deployment> {
    let mut releases = observed.releases.iter().map(Arc::as_ref);
    let newest = releases.find(|release| release.spec.environment == "Production")?;
    (newest.spec.env_revision.is_none() && is_of(newest, commit)).then_some(newest)
}

/// Whether a release is of a commit.
pub(super) fn is_of(release: &Deployment, commit: &str) -> bool {
    release.spec.source.commit.as_deref() == Some(commit)
}

/// Whether a release of `commit` with these variables is due.
pub(super) fn is_due(desired: &Desired, newest: Option<&Deployment>, commit: &str, current: &str) -> bool {
    let Some(newest) = newest else { return true };
    let revision = newest.spec.env_revision.as_deref().unwrap_or_default();
    let moved = !is_same_project(revision, current);
    // What a person or an analysis has stopped is not tried again by itself.
    let stopped = ["RolledBack", "Aborted", "RollingBack"].iter().any(|type_| is_true(newest, type_));
    // What could not be built may well be built with other variables, and replaces nothing that serves.
    let again = desired.on_env_change == OnEnvChange::Redeploy || has_failed(newest);
    // What its plan does not allow is released in another way once the manifest says so.
    let otherwise = canary::is_refused(newest) && newest.spec.strategy != desired.strategy;
    !is_of(newest, commit) || moved || otherwise || (revision != current && again && !stopped)
}

/// The newest release of a commit, if it was rolled back: the commit is not released again by itself, whatever was
/// released in between.
pub(super) fn rejected<'a>(observed: &'a Observed, commit: &str) -> Option<&'a Deployment> {
    let mut releases = observed.releases.iter().map(Arc::as_ref);
    let is_of = |release: &&Deployment| release.spec.environment == "Production" && is_of(release, commit);
    releases.find(is_of).filter(|release| is_true(release, "RollingBack"))
}

/// Whether it has come to an end without being live.
pub(super) fn has_failed(release: &Deployment) -> bool {
    is_finished(release) && !is_true(release, "Ready")
}

/// The release that serves production: the newest that is live, whoever made it, but not in a project that is gone.
pub(super) fn serving<'a>(desired: &Desired, observed: &'a Observed) -> Option<&'a Deployment> {
    let project = project_part(desired, observed.project.as_ref()?);
    let is_of_it = |release: &&Deployment| {
        release.spec.environment == "Production"
            && release.spec.env_revision.as_deref().is_none_or(|revision| project_of(revision) == project)
    };
    observed.releases.iter().map(Arc::as_ref).filter(is_of_it).find(|release| is_live(release))
}
