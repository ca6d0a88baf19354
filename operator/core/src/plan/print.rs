//! Changes in one line for people, secrets redacted by type.

use std::fmt::{self, Display, Formatter};

use jiff::Timestamp;

use super::{Change, StoreChange};
use crate::{
    forge::{Branches, ForgeChange, RepositoryPatch, short},
    hosting::{DomainItem, HostingChange, ProjectSettingsPatch},
};

pub(super) struct Print<'a>(pub(super) &'a Change);

impl Display for Print<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Change::Forge(change) => forge(f, change),
            Change::Hosting(change) => hosting(f, change),
            Change::Store(StoreChange::CreateRelease { commit, env_revision, .. }) => {
                match commit.as_str() {
                    super::UNKNOWN_COMMIT => f.write_str("build and deploy the first commit")?,
                    commit => write!(f, "build and deploy commit {}", short(commit))?,
                }
                env_revision.as_ref().map_or(Ok(()), |revision| write!(f, " with env {}", short(revision)))
            }
            Change::Store(StoreChange::DeleteRelease { name }) => write!(f, "drop {name} from the history"),
            Change::Store(StoreChange::CreatePreview { commit, pull_request, .. }) => {
                write!(f, "build commit {} as preview of pull request #{}", short(commit), pull_request.number)
            }
            Change::Store(StoreChange::DropPreview { name, pull_request }) => {
                write!(f, "take away {name}, a preview of pull request #{pull_request}")
            }
        }
    }
}

fn forge(f: &mut Formatter<'_>, change: &ForgeChange) -> fmt::Result {
    match change {
        ForgeChange::CreateFromTemplate { template: (owner, repo), visibility, .. } => {
            write!(f, "create {visibility:?} repository from template {owner}/{repo}")
        }
        ForgeChange::CreateFork { template: (owner, repo) } => write!(f, "fork {owner}/{repo}"),
        ForgeChange::CreateCopy { template: (owner, repo), git_ref, visibility, .. } => {
            write!(f, "create {visibility:?} repository with a copy of {owner}/{repo}")?;
            git_ref.as_ref().map_or(Ok(()), |git_ref| write!(f, " at {git_ref}"))
        }
        ForgeChange::UpdateRepository(patch) => write!(f, "set {}", repository_patch(patch)),
        ForgeChange::SetTopics(topics) => write!(f, "set topics {}", topics.join(", ")),
        ForgeChange::CommitFiles { branch, files, .. } => {
            let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
            write!(f, "commit {} to {branch}: {}", count(files.len(), "file"), paths.join(", "))
        }
        ForgeChange::CreateRuleset(ruleset) => write!(f, "create ruleset {}", ruleset.name),
        ForgeChange::UpdateRuleset { ruleset, .. } => write!(f, "set ruleset {}", ruleset.name),
        ForgeChange::DeleteRuleset { id } => write!(f, "delete ruleset {id}"),
        ForgeChange::PutEnvironment(environment) => {
            write!(f, "set environment {}", environment.name)?;
            if !environment.reviewers.is_empty() {
                write!(f, ", reviewers {}", environment.reviewers.join(", "))?;
            }
            match &environment.branches {
                Branches::All => Ok(()),
                Branches::Protected => f.write_str(", protected branches"),
                Branches::Patterns(patterns) => write!(f, ", branches {}", patterns.join(", ")),
            }
        }
        ForgeChange::PutSecret { environment, name, .. } => {
            write!(f, "set secret {name}{}", of(environment.as_deref()))
        }
        ForgeChange::DeleteSecret { environment, name } => {
            write!(f, "delete secret {name}{}", of(environment.as_deref()))
        }
        ForgeChange::PutVariable { environment, name, .. } => {
            write!(f, "set variable {name}{}", of(environment.as_deref()))
        }
        ForgeChange::DeleteVariable { environment, name } => {
            write!(f, "delete variable {name}{}", of(environment.as_deref()))
        }
        ForgeChange::PutComment { pull_request, .. } => write!(f, "comment on pull request #{pull_request}"),
        ForgeChange::SetDependabotAlerts(on) => write!(f, "switch Dependabot alerts {}", on_off(*on)),
        ForgeChange::SetDependabotFixes(on) => write!(f, "switch Dependabot fixes {}", on_off(*on)),
        ForgeChange::DispatchWorkflow(dispatch) => {
            write!(f, "run workflow {} on {}", dispatch.workflow, dispatch.git_ref)
        }
        ForgeChange::OpenRevert(revert) => {
            write!(f, "open a pull request to revert {} on {}", short(&revert.bad), revert.base)
        }
        ForgeChange::CancelRun { id } => write!(f, "cancel workflow run {id}"),
        ForgeChange::Archive => f.write_str("archive the repository"),
        ForgeChange::Delete => f.write_str("DELETE the repository"),
    }
}

fn hosting(f: &mut Formatter<'_>, change: &HostingChange) -> fmt::Result {
    match change {
        HostingChange::CreateProject(_) => f.write_str("create project, linked to the repository"),
        HostingChange::UpdateProject { name, settings } => {
            write!(f, "set {}", project_patch(name.as_deref(), settings))
        }
        HostingChange::LinkRepository => f.write_str("link the repository"),
        HostingChange::SetProductionBranch(branch) => write!(f, "set production branch {branch}"),
        HostingChange::CreateEnvironment { slug, branch } => {
            write!(f, "create environment {slug}, branch {branch}")
        }
        HostingChange::UpdateEnvironment { branch, .. } => write!(f, "set environment to branch {branch}"),
        HostingChange::DeleteEnvironment { id } => write!(f, "delete environment {id}"),
        HostingChange::UpsertEnv(items) => {
            let keys: Vec<_> = items.iter().map(|item| item.key.as_str()).collect();
            write!(f, "set {}: {}", count(items.len(), "variable"), keys.join(", "))
        }
        HostingChange::DeleteEnv { rows } => {
            let keys: Vec<_> = rows.iter().map(|(_, key)| key.as_str()).collect();
            write!(f, "delete {}: {}", count(rows.len(), "variable"), keys.join(", "))
        }
        HostingChange::AddDomain(item) => write!(f, "add {}", domain(item)),
        HostingChange::UpdateDomain(item) => write!(f, "set {}", domain(item)),
        HostingChange::VerifyDomain { name } => write!(f, "verify {name}"),
        HostingChange::RemoveDomain { name } => write!(f, "remove {name}"),
        HostingChange::CreateDeployment(request) => {
            let commit = request.commit.as_deref().map_or(request.branch.as_str(), short);
            write!(f, "build {commit} for {}", request.environment)
        }
        HostingChange::CancelDeployment { id } => write!(f, "cancel {id}"),
        HostingChange::DeleteDeployment { id } => write!(f, "delete deployment {id}"),
        HostingChange::AssignDomains(true) => f.write_str("let builds go live by themselves"),
        HostingChange::AssignDomains(false) => f.write_str("keep builds from going live by themselves"),
        HostingChange::Promote { id } => write!(f, "promote {id}"),
        HostingChange::RollBack { id } => write!(f, "roll back to {id}"),
        HostingChange::SetSteps(Some(steps)) => {
            let steps: Vec<_> = steps.iter().map(|weight| format!("{weight} %")).collect();
            write!(f, "set the steps of the next release to {}", steps.join(", "))
        }
        HostingChange::SetSteps(None) => f.write_str("remove the steps of the next release"),
        HostingChange::StartSteps { id } => write!(f, "lead the first step's visitors to {id}"),
        HostingChange::NextStep { id, stage } => write!(f, "lead step {}'s visitors to {id}", stage + 1),
        HostingChange::CompleteSteps { id } => write!(f, "lead all visitors to {id}"),
        HostingChange::PauseProject => f.write_str("pause the project"),
        HostingChange::ChallengeVisitors { until } => write!(f, "challenge visitors until {}", at(*until)),
        HostingChange::DeleteProject => f.write_str("DELETE the project with its deployments and variables"),
    }
}

/// Milliseconds since 1970, for people.
fn at(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(|_| "for ever".into(), |at| format!("{at:.0}"))
}

fn domain(item: &DomainItem) -> String {
    match (&item.redirect, &item.environment) {
        (Some(to), _) => format!("{} → {to} ({})", item.name, item.redirect_status.unwrap_or(308)),
        (None, Some(environment)) => format!("{} for {environment}", item.name),
        (None, None) => item.name.clone(),
    }
}

fn repository_patch(patch: &RepositoryPatch) -> String {
    let RepositoryPatch {
        name,
        description,
        homepage,
        visibility,
        default_branch,
        issues,
        wiki,
        projects,
        discussions,
        delete_branch_on_merge,
        secret_scanning,
        push_protection,
    } = patch;
    let mut parts = Vec::new();
    let mut text = |label: &str, value: &Option<String>| {
        if let Some(value) = value {
            parts.push(format!("{label} {value:?}"));
        }
    };
    text("name", name);
    text("description", description);
    text("homepage", homepage);
    text("default branch", default_branch);
    if let Some(visibility) = visibility {
        parts.push(format!("visibility {visibility:?}"));
    }
    let switches = [
        ("issues", issues),
        ("wiki", wiki),
        ("projects", projects),
        ("discussions", discussions),
        ("delete branch on merge", delete_branch_on_merge),
        ("secret scanning", secret_scanning),
        ("push protection", push_protection),
    ];
    parts.extend(switches.into_iter().filter_map(|(label, on)| on.map(|on| format!("{label} {}", on_off(on)))));
    parts.join(", ")
}

fn project_patch(name: Option<&str>, patch: &ProjectSettingsPatch) -> String {
    let ProjectSettingsPatch {
        framework,
        root_directory,
        install_command,
        build_command,
        output_directory,
        node_version,
        regions,
        memory,
        max_duration_seconds,
        fluid,
        login,
    } = patch;
    let mut parts: Vec<String> = name.map(|name| format!("name {name}")).into_iter().collect();
    let texts = [
        ("framework", framework),
        ("root directory", root_directory),
        ("install command", install_command),
        ("build command", build_command),
        ("output directory", output_directory),
    ];
    for (label, value) in texts {
        if let Some(value) = value {
            parts.push(value.as_ref().map_or_else(|| format!("no {label}"), |value| format!("{label} {value:?}")));
        }
    }
    parts.extend(node_version.map(|version| format!("Node.js {}", format!("{version:?}").trim_start_matches('V'))));
    parts.extend(regions.as_ref().map(|regions| format!("regions {}", regions.join(", "))));
    parts.extend(memory.map(|memory| format!("memory {memory:?}")));
    parts.extend(max_duration_seconds.map(|seconds| format!("function duration {seconds} s")));
    parts.extend(fluid.map(|fluid| format!("fluid compute {}", on_off(fluid))));
    parts.extend(login.map(|login| format!("login protection {login:?}")));
    parts.join(", ")
}

fn of(environment: Option<&str>) -> String {
    environment.map_or_else(String::new, |environment| format!(" of environment {environment}"))
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
