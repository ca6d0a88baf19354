//! What a change to a project, or to the Deployments of a Fork, does to the observation of it.

use std::sync::Arc;

use forkable_crds::{Deployment, DeploymentSpec, rollout::PullRequestRef};

use super::Observed;
use crate::{
    hosting::{
        CustomEnvironment, DomainFacts, EnvRow, HostingChange, HostingDone, ProjectFacts, ProjectSettings,
        ProjectSettingsPatch,
    },
    plan::StoreChange,
    release,
};

pub(super) fn absorb(observed: &mut Observed, change: &HostingChange, done: &HostingDone) {
    match (change, done) {
        (HostingChange::CreateProject(_), HostingDone::Project(new)) => observed.project = Some((**new).clone()),
        (HostingChange::DeleteProject, _) => observed.project = None,
        _ => {
            let repository = observed.repository.as_ref().map(|repository| repository.id);
            if let Some(project) = &mut observed.project {
                absorb_into(project, repository, change, done);
            }
        }
    }
}

fn absorb_into(project: &mut ProjectFacts, repository: Option<i64>, change: &HostingChange, done: &HostingDone) {
    match (change, done) {
        (
            HostingChange::UpdateProject { .. }
            | HostingChange::LinkRepository
            | HostingChange::SetProductionBranch(_)
            | HostingChange::AssignDomains(_)
            | HostingChange::PauseProject,
            HostingDone::Project(new),
        ) => replace(project, new),
        (HostingChange::UpdateProject { name, settings }, HostingDone::Nothing) => {
            if let Some(name) = name {
                project.name.clone_from(name);
            }
            patch(&mut project.settings, settings);
        }
        (HostingChange::LinkRepository, HostingDone::Nothing) => {
            project.repository_id = repository;
            // Vercel chooses it anew, and the answer does not say which.
            project.production_branch = None;
        }
        (HostingChange::SetProductionBranch(branch), HostingDone::Nothing) => {
            project.production_branch = Some(branch.clone());
        }
        (HostingChange::AssignDomains(on), HostingDone::Nothing) => project.assigns_domains = Some(*on),
        (HostingChange::PauseProject, HostingDone::Nothing) => project.paused = true,
        (HostingChange::ChallengeVisitors { until }, _) => project.challenged_until = Some(*until),
        (
            HostingChange::CreateEnvironment { .. } | HostingChange::UpdateEnvironment { .. },
            HostingDone::Environment(new),
        ) => put_environment(&mut project.environments, new),
        (HostingChange::UpdateEnvironment { id, branch }, HostingDone::Nothing) => {
            let there = project.environments.iter_mut().filter(|there| there.id == *id);
            there.for_each(|there| there.branch = Some(branch.clone()));
        }
        (HostingChange::DeleteEnvironment { id }, _) => delete_environment(project, id),
        (HostingChange::UpsertEnv(_), HostingDone::Env(rows)) => {
            for row in rows {
                put_row(&mut project.env, row);
            }
        }
        (HostingChange::DeleteEnv { rows }, _) => project.env.retain(|row| rows.iter().all(|(id, _)| *id != row.id)),
        (
            HostingChange::AddDomain(_) | HostingChange::UpdateDomain(_) | HostingChange::VerifyDomain { .. },
            HostingDone::Domain(new),
        ) => put_domain(project.domains.get_or_insert_default(), new),
        (HostingChange::RemoveDomain { name }, _) => {
            project.domains.iter_mut().for_each(|domains| domains.retain(|there| there.name != *name));
        }
        _ => {}
    }
}

/// What our own writes have kept true stays; answers to changes of settings do not tell all of it.
fn replace(project: &mut ProjectFacts, new: &ProjectFacts) {
    let old = std::mem::replace(project, new.clone());
    project.env = old.env;
    project.environments = old.environments;
    project.domains = old.domains;
}

fn patch(settings: &mut ProjectSettings, patch: &ProjectSettingsPatch) {
    let text = |old: &mut Option<String>, new: &Option<Option<String>>| {
        if let Some(new) = new {
            old.clone_from(new);
        }
    };
    text(&mut settings.framework, &patch.framework);
    text(&mut settings.root_directory, &patch.root_directory);
    text(&mut settings.install_command, &patch.install_command);
    text(&mut settings.build_command, &patch.build_command);
    text(&mut settings.output_directory, &patch.output_directory);
    settings.node_version = patch.node_version.or(settings.node_version);
    settings.regions = patch.regions.clone().or(settings.regions.take());
    settings.memory = patch.memory.or(settings.memory);
    settings.max_duration_seconds = patch.max_duration_seconds.or(settings.max_duration_seconds);
    settings.fluid = patch.fluid.or(settings.fluid);
    settings.login = patch.login.or(settings.login);
}

fn put_environment(environments: &mut Vec<CustomEnvironment>, new: &CustomEnvironment) {
    match environments.iter_mut().find(|there| there.id == new.id) {
        Some(there) => there.clone_from(new),
        None => environments.push(new.clone()),
    }
}

/// Variables and domains that were only of that environment go with it.
fn delete_environment(project: &mut ProjectFacts, id: &str) {
    project.environments.retain(|there| there.id != id);
    for row in &mut project.env {
        row.custom_environment_ids.retain(|of| of != id);
    }
    project.env.retain(|row| !row.targets.is_empty() || !row.custom_environment_ids.is_empty());
    if let Some(domains) = &mut project.domains {
        domains.retain(|domain| domain.custom_environment_id.as_deref() != Some(id));
    }
}

fn put_row(rows: &mut Vec<EnvRow>, new: &EnvRow) {
    match rows.iter_mut().find(|there| there.id == new.id) {
        Some(there) => there.clone_from(new),
        None => rows.push(new.clone()),
    }
}

fn put_domain(domains: &mut Vec<DomainFacts>, new: &DomainFacts) {
    match domains.iter_mut().find(|there| there.name == new.name) {
        Some(there) => {
            let configuration = new.configuration.clone().or(there.configuration.take());
            *there = DomainFacts { configuration, ..new.clone() };
        }
        None => domains.push(new.clone()),
    }
}

pub(super) fn absorb_store(observed: &mut Observed, change: &StoreChange) {
    match change {
        StoreChange::CreateRelease { name, commit, env_revision } => {
            create(observed, name, "Production", commit, env_revision.clone(), None);
        }
        StoreChange::CreatePreview { name, commit, env_revision, pull_request } => {
            create(observed, name, "Preview", commit, Some(env_revision.clone()), Some(pull_request.clone()));
        }
        StoreChange::DeleteRelease { name } | StoreChange::DropPreview { name, .. } => {
            observed.releases.retain(|release| release.metadata.name.as_ref() != Some(name));
        }
    }
}

fn create(
    observed: &mut Observed,
    name: &str,
    environment: &str,
    commit: &str,
    env_revision: Option<String>,
    pull_request: Option<PullRequestRef>,
) {
    // Which Fork it is of is not what the observation of one Fork tells releases apart by.
    let spec = DeploymentSpec { env_revision, pull_request, ..release::immediate("", commit, environment) };
    observed.releases.insert(0, Arc::new(Deployment::new(name, spec)));
}
