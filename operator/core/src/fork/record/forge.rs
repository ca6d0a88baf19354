//! What is written down about a repository.

use forkable_crds::{
    ForkStatus,
    fork::{EnvironmentStatus, FileStatus, PendingCreate, RepositoryStatus, SecretStatus},
    rollout::{PreviewComment, PreviewStatus},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    forge::{Branches, ForgeChange, ForgeDone, RepositoryFacts, RepositoryPatch, StoredValue},
    fork::{
        Desired, Input, MARKER, Observed, blob,
        desired::ActionsValue,
        ownership::{self, Stand},
        previews, targets,
    },
};

/// Most files on record: those of the manifest and the marker.
const MAX_FILES: usize = 65;

pub(super) fn begin(status: &mut ForkStatus, desired: &Desired, change: &ForgeChange, now: Timestamp) {
    if let ForgeChange::PutComment { pull_request, .. } = change {
        comment(status, *pull_request).get_or_insert_default();
        return;
    }
    let name = format!("{}/{}", desired.repository.owner, desired.repository.name);
    if targets::pending(status, "repository").is_some_and(|pending| pending.name == name) {
        // An earlier try whose fate is not known: what it may have made is as old as it.
        return;
    }
    status.pending.retain(|pending| pending.what != "repository");
    // Whole seconds, as they are stored.
    let since = Time(Timestamp::from_second(now.as_second()).unwrap_or(now));
    status.pending.push(PendingCreate { what: "repository".into(), name, since });
}

pub(super) fn done(
    status: &mut ForkStatus,
    desired: &Desired,
    observed: &Observed,
    change: &ForgeChange,
    done: &ForgeDone,
) {
    repository(status, desired, observed);
    // Content of a copy is there with the answer, and nothing else is done before there is content.
    if !matches!(change, ForgeChange::CreateFromTemplate { .. } | ForgeChange::CreateFork { .. }) {
        status.pending.retain(|pending| pending.what != "repository");
    }
    match change {
        ForgeChange::UpdateRepository(patch) => security(status, patch),
        ForgeChange::CommitFiles { .. } => {
            if let ForgeDone::Committed { blobs, .. } = done {
                for (path, blob) in blobs {
                    wrote(status, path, blob);
                }
                files(status, desired);
            }
        }
        ForgeChange::PutEnvironment(environment) => {
            status.environments.retain(|recorded| recorded.name != environment.name);
            status.environments.push(EnvironmentStatus {
                name: environment.name.clone(),
                branches_digest: branches_digest(&environment.branches),
            });
            status.environments.sort_by(|a, b| a.name.cmp(&b.name));
            // It may be a new one, and then those that are wanted have to be written again.
            let of_it = |wanted: &[ActionsValue], value: &SecretStatus| {
                value.environment.as_ref() == Some(&environment.name) && wanted.iter().any(|w| w.name == value.name)
            };
            status.secrets.retain(|secret| !of_it(&desired.actions.secrets, secret));
            status.variables.retain(|variable| !of_it(&desired.actions.variables, variable));
        }
        ForgeChange::PutSecret { environment, name, .. } => {
            put(&mut status.secrets, &desired.actions.secrets, name, environment.as_deref(), done);
        }
        ForgeChange::PutVariable { environment, name, .. } => {
            put(&mut status.variables, &desired.actions.variables, name, environment.as_deref(), done);
        }
        ForgeChange::DeleteSecret { environment, name } => remove(&mut status.secrets, name, environment.as_deref()),
        ForgeChange::DeleteVariable { environment, name } => {
            remove(&mut status.variables, name, environment.as_deref());
        }
        ForgeChange::PutComment { pull_request, text, .. } => {
            if let ForgeDone::Commented { id } = done {
                let digest = Some(previews::digest(text));
                *comment(status, *pull_request) = Some(PreviewComment { id: *id, digest });
            }
        }
        ForgeChange::SetDependabotAlerts(on) => {
            status.security.get_or_insert_default().dependabot_alerts = Some(*on);
        }
        ForgeChange::SetDependabotFixes(on) => {
            status.security.get_or_insert_default().dependabot_fixes = Some(*on);
        }
        ForgeChange::CreateFromTemplate { .. }
        | ForgeChange::CreateFork { .. }
        | ForgeChange::CreateCopy { .. }
        | ForgeChange::SetTopics(_)
        | ForgeChange::CreateRuleset(_)
        | ForgeChange::UpdateRuleset { .. }
        | ForgeChange::DeleteRuleset { .. }
        | ForgeChange::DispatchWorkflow(_)
        | ForgeChange::CancelRun { .. }
        | ForgeChange::OpenRevert(_)
        | ForgeChange::Archive
        | ForgeChange::Delete => {}
    }
}

/// What is on record of the comment on a pull request.
fn comment(status: &mut ForkStatus, pull_request: i64) -> &mut Option<PreviewComment> {
    let at = status.previews.binary_search_by_key(&pull_request, |known| known.pull_request).unwrap_or_else(|at| {
        status.previews.insert(at, PreviewStatus { pull_request, ..PreviewStatus::default() });
        at
    });
    &mut status.previews[at].comment
}

pub(super) fn seen(status: &mut ForkStatus, input: Input<'_>) {
    let stand = ownership::repository(input);
    repository(status, input.desired, input.observed);
    let Stand::Ours(facts) = stand else { return };
    status.pending.retain(|pending| pending.what != "repository");
    // Else a file whose commit was never answered would count as a person's once the manifest changes.
    for file in input.desired.files.iter().filter(|file| facts.blobs.get(&file.path) == Some(&file.blob)) {
        wrote(status, &file.path, &file.blob);
    }
    files(status, input.desired);
    status.environments.retain(|recorded| has_environment(facts, Some(&recorded.name)));
    for values in [&mut status.secrets, &mut status.variables] {
        values.retain(|value| has_environment(facts, value.environment.as_deref()));
    }
    let Some(deep) = &facts.deep else { return };
    confirm(&mut status.secrets, &deep.secrets, &input.desired.actions.secrets);
    confirm(&mut status.variables, &deep.variables, &input.desired.actions.variables);
}

/// Names and ids of the repository, if it is ours; not where it is no more.
fn repository(status: &mut ForkStatus, desired: &Desired, observed: &Observed) {
    let Some(facts) = &observed.repository else { return };
    if !ownership::is_ours(desired, observed, status) {
        return;
    }
    let template_sha = ownership::template_commit(desired, observed, status);
    let RepositoryFacts { id, node_id, full_name, html_url, default_branch, head, .. } = facts.clone();
    status.repository = Some(RepositoryStatus {
        id,
        node_id,
        full_name,
        html_url,
        default_branch,
        head_sha: head.map(|head| head.oid),
        template_sha,
        owned: status.repository.as_ref().is_none_or(|repository| repository.owned),
    });
}

fn wrote(status: &mut ForkStatus, path: &str, blob: &str) {
    status.files.retain(|file| file.path != path);
    status.files.push(FileStatus { path: path.into(), blob: blob.into() });
}

/// Sorted, and no more than may be stored: those that the manifest has dropped go first.
fn files(status: &mut ForkStatus, desired: &Desired) {
    status.files.sort_by(|a, b| a.path.cmp(&b.path));
    if status.files.len() > MAX_FILES {
        let is_wanted = |path: &str| path == MARKER || desired.files.iter().any(|file| file.path == path);
        status.files.retain(|file| is_wanted(&file.path));
    }
}

fn security(status: &mut ForkStatus, patch: &RepositoryPatch) {
    if patch.secret_scanning.is_none() && patch.push_protection.is_none() {
        return;
    }
    let recorded = status.security.get_or_insert_default();
    recorded.secret_scanning = patch.secret_scanning.or(recorded.secret_scanning);
    recorded.push_protection = patch.push_protection.or(recorded.push_protection);
}

fn put(
    recorded: &mut Vec<SecretStatus>,
    wanted: &[ActionsValue],
    name: &str,
    environment: Option<&str>,
    done: &ForgeDone,
) {
    remove(recorded, name, environment);
    let wanted = wanted.iter().find(|wanted| wanted.name == name && wanted.environment.as_deref() == environment);
    let updated_at = if let ForgeDone::Stored { updated_at } = done { *updated_at } else { None };
    recorded.extend(wanted.map(|wanted| SecretStatus {
        name: name.into(),
        environment: environment.map(Into::into),
        digest: wanted.digest.clone(),
        updated_at: updated_at.map(whole_seconds),
    }));
    recorded.sort_by(|a, b| (&a.environment, &a.name).cmp(&(&b.environment, &b.name)));
}

fn remove(recorded: &mut Vec<SecretStatus>, name: &str, environment: Option<&str>) {
    recorded.retain(|recorded| !(recorded.name == name && recorded.environment.as_deref() == environment));
}

/// Notes GitHub's times of our writes, which it does not answer to them, and forgets what is neither there nor wanted.
fn confirm(recorded: &mut Vec<SecretStatus>, there: &[StoredValue], wanted: &[ActionsValue]) {
    recorded.retain_mut(|recorded| {
        let environment = recorded.environment.as_deref();
        let Some(there) = there.iter().find(|there| is_value(there, &recorded.name, environment)) else {
            return wanted.iter().any(|w| w.name == recorded.name && w.environment.as_deref() == environment);
        };
        if recorded.updated_at.is_none() {
            recorded.updated_at = there.updated_at.map(whole_seconds);
        }
        true
    });
}

fn whole_seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

fn has_environment(facts: &RepositoryFacts, name: Option<&str>) -> bool {
    name.is_none_or(|name| facts.environments.iter().any(|there| there.name.eq_ignore_ascii_case(name)))
}

/// Whether a stored value is that of the name; names compare as GitHub compares them.
pub(in crate::fork) fn is_value(stored: &StoredValue, name: &str, environment: Option<&str>) -> bool {
    let same_environment = match (&stored.environment, environment) {
        (None, None) => true,
        (Some(stored), Some(environment)) => stored.eq_ignore_ascii_case(environment),
        _ => false,
    };
    same_environment && stored.name.eq_ignore_ascii_case(name)
}

/// Tells branch policies apart.
pub(in crate::fork) fn branches_digest(branches: &Branches) -> String {
    let text = match branches {
        Branches::All => "all".into(),
        Branches::Protected => "protected".into(),
        Branches::Patterns(patterns) => {
            let mut patterns = patterns.clone();
            patterns.sort_unstable();
            format!("patterns\n{}", patterns.join("\n"))
        }
    };
    blob::id(text.as_bytes())
}
