//! What is written down about a project.

use forkable_crds::{
    ForkStatus,
    fork::{DomainStatus, EnvStatus, PauseStatus, ProjectEnvironmentStatus, ProjectStatus},
};

use crate::{
    PortError,
    fork::{Desired, Input, Observed, project},
    hosting::{EnvItem, HostingChange, HostingDone, ProjectFacts},
};

pub(super) fn done(
    status: &mut ForkStatus,
    desired: &Desired,
    observed: &Observed,
    change: &HostingChange,
    done: &HostingDone,
) {
    match change {
        HostingChange::CreateProject(_) => {
            // What was in an earlier one is gone with it.
            status.project = None;
            status.env.clear();
            status.domains.clear();
            if let HostingDone::Project(_) = done {
                note(status, observed);
            }
        }
        HostingChange::UpdateProject { .. } | HostingChange::LinkRepository => note(status, observed),
        HostingChange::CreateEnvironment { slug, .. } => {
            if let (HostingDone::Environment(new), Some(project)) = (done, &mut status.project) {
                project.environments.retain(|recorded| recorded.name != *slug);
                project.environments.push(ProjectEnvironmentStatus { name: slug.clone(), id: new.id.clone() });
                project.environments.sort_by(|a, b| a.name.cmp(&b.name));
            }
        }
        HostingChange::DeleteEnvironment { id } => {
            let project = status.project.iter_mut();
            project.for_each(|project| project.environments.retain(|recorded| recorded.id != *id));
        }
        HostingChange::UpsertEnv(items) => {
            for item in items {
                put(status, desired, observed, item);
            }
            let key = |row: &EnvStatus| (row.name.clone(), row.branch.clone(), row.environments.clone());
            status.env.sort_by_cached_key(key);
        }
        HostingChange::DeleteEnv { rows } => status.env.retain(|row| rows.iter().all(|(id, _)| *id != row.id)),
        HostingChange::AddDomain(item) => {
            if status.domains.iter().all(|recorded| recorded.name != item.name) {
                status.domains.push(DomainStatus { name: item.name.clone(), ..DomainStatus::default() });
                status.domains.sort_by(|a, b| a.name.cmp(&b.name));
            }
        }
        HostingChange::RemoveDomain { name } => status.domains.retain(|recorded| recorded.name != *name),
        HostingChange::DeleteProject => {
            status.project = None;
            status.env.clear();
            status.domains.clear();
            status.current_release = None;
            status.url = None;
        }
        HostingChange::AssignDomains(on) => {
            let project = status.project.iter_mut();
            project.for_each(|project| project.holds_domains = (!on).then_some(true));
        }
        HostingChange::PauseProject => paused(status, desired),
        HostingChange::ChallengeVisitors { .. } => challenged(status, desired),
        HostingChange::Promote { .. }
        | HostingChange::RollBack { .. }
        | HostingChange::SetSteps(_)
        | HostingChange::StartSteps { .. }
        | HostingChange::NextStep { .. }
        | HostingChange::CompleteSteps { .. }
        | HostingChange::SetProductionBranch(_)
        | HostingChange::UpdateEnvironment { .. }
        | HostingChange::UpdateDomain(_)
        | HostingChange::VerifyDomain { .. }
        | HostingChange::CreateDeployment(_)
        | HostingChange::CancelDeployment { .. }
        | HostingChange::DeleteDeployment { .. } => {}
    }
}

/// The wish to pause the project is fulfilled.
fn paused(status: &mut ForkStatus, desired: &Desired) {
    if let (Some(project), Some(wanted)) = (&mut status.project, &desired.project.pause)
        && project.pause.as_ref().is_none_or(|pause| pause.wish != wanted.wish)
    {
        project.pause = Some(PauseStatus { wish: wanted.wish.clone(), resumed: false }.into());
    }
}

/// The wish to challenge visitors is fulfilled.
fn challenged(status: &mut ForkStatus, desired: &Desired) {
    if let (Some(project), Some(challenge)) = (&mut status.project, &desired.project.challenge) {
        project.challenged_for = Some(challenge.wish.clone());
    }
}

pub(super) fn adapted(
    status: &mut ForkStatus,
    desired: &Desired,
    observed: &Observed,
    change: &HostingChange,
    error: &PortError,
) -> bool {
    match (change, error, &mut status.project) {
        (HostingChange::CreateEnvironment { .. }, PortError::PlanUnsupported { .. }, Some(project)) => {
            project.no_custom_environments = Some(desired.generation);
            true
        }
        (HostingChange::UpsertEnv(items), _, _) => {
            for item in items {
                attempted(&mut status.env, observed, item);
            }
            false
        }
        _ => false,
    }
}

/// Notes a row that may have been made although the batch failed: without id, until it is seen.
fn attempted(recorded: &mut Vec<EnvStatus>, observed: &Observed, item: &EnvItem) {
    let mut there = observed.project.iter().flat_map(|project| &project.env);
    let is_noted = recorded.iter().any(|row| is_of(row, item));
    if is_noted || there.any(|row| row.is(item)) {
        return;
    }
    recorded.push(EnvStatus {
        name: item.key.clone(),
        environments: item.environments.clone(),
        branch: item.branch.clone(),
        id: String::new(),
        digest: String::new(),
        sensitive: item.sensitive,
        updated_at: 0,
    });
}

fn is_of(recorded: &EnvStatus, item: &EnvItem) -> bool {
    recorded.name == item.key && recorded.environments == item.environments && recorded.branch == item.branch
}

/// Finds what was attempted; forgets what is gone, and what never came to be once the manifest does not want it.
fn confirm(recorded: &mut Vec<EnvStatus>, desired: &Desired, facts: &ProjectFacts) {
    recorded.retain_mut(|recorded| match facts.env.iter().find(|row| project::is_on_record(recorded, row, facts)) {
        Some(row) => {
            recorded.id.clone_from(&row.id);
            true
        }
        None => recorded.id.is_empty() && desired.env.iter().any(|variable| variable.key == recorded.name),
    });
}

pub(super) fn seen(status: &mut ForkStatus, input: Input<'_>) {
    let Some(facts) = &input.observed.project else { return };
    if !project::is_ours(input.desired, input.observed, status) {
        return;
    }
    note(status, input.observed);
    if facts.paused {
        if input.desired.project.pause.as_ref().is_some_and(|pause| pause.is_fresh(input.now)) {
            paused(status, input.desired);
        }
    } else if let Some(pause) = status.project.as_mut().and_then(|project| project.pause.as_mut()) {
        pause.resumed = true;
    }
    if input.desired.project.challenge.as_ref().is_some_and(|challenge| challenge.is_met(facts)) {
        challenged(status, input.desired);
    }
    confirm(&mut status.env, input.desired, facts);
    if let Some(project) = &mut status.project {
        project.environments.retain(|recorded| facts.environments.iter().any(|there| there.id == recorded.id));
        project.no_custom_environments =
            project.no_custom_environments.filter(|generation| *generation == input.desired.generation);
    }
}

/// Id and name of the project, which is ours.
fn note(status: &mut ForkStatus, observed: &Observed) {
    let Some(facts) = &observed.project else { return };
    let earlier = status.project.take().filter(|project| project.id == facts.id);
    status.project = Some(ProjectStatus {
        id: facts.id.clone(),
        name: facts.name.clone(),
        team_id: Some(facts.team.clone()).filter(|team| !team.is_empty()),
        ..earlier.unwrap_or(ProjectStatus { owned: true, ..ProjectStatus::default() })
    });
}

/// Notes the row that a variable was written to, in place of what was known of that row or variable.
fn put(status: &mut ForkStatus, desired: &Desired, observed: &Observed, item: &EnvItem) {
    let rows = observed.project.iter().flat_map(|project| &project.env);
    let (Some(row), Some(digest)) = (rows.into_iter().find(|row| row.is(item)), desired.digest_of(item)) else {
        return;
    };
    status.env.retain(|recorded| recorded.id != row.id && !(recorded.id.is_empty() && is_of(recorded, item)));
    status.env.push(EnvStatus {
        name: item.key.clone(),
        environments: item.environments.clone(),
        branch: item.branch.clone(),
        id: row.id.clone(),
        digest: digest.clone(),
        sensitive: item.sensitive,
        updated_at: row.updated_at,
    });
}
