//! The link between a project and its repository.

use serde_json::Value;

use super::call::Call;
use super::model::Link;
use super::problem::{Outcome, Problem};
use super::projects;
use crate::VercelPlan;
use crate::github::AccountKind;

/// Finds the repository of `{type, repo}` and checks that the team may link it.
///
/// # Errors
/// 400 with the action a person has to take, 403 by plan.
pub(super) fn find(call: &Call<'_>, body: &Value) -> Result<Link, Problem> {
    let name = body["repo"].as_str().unwrap_or_default();
    if body["type"] != "github" {
        let message = "To link a repository, you need to add a Login Connection to your account first.";
        return Err(Problem::bad_request(message).with("action", "Add a Login Connection"));
    }
    let (org, repo) = name.split_once('/').unwrap_or((name, ""));
    if !call.state.github_installations.iter().any(|account| account.eq_ignore_ascii_case(org)) {
        let message = "To link a GitHub repository, you need to install the GitHub integration first.";
        return Err(Problem::bad_request(message)
            .with("action", "Install GitHub App")
            .with("link", "https://github.com/apps/vercel")
            .with("repo", name));
    }
    let missing = || {
        let message = format!("The repository \"{name}\" couldn't be found in your linked GitHub account.");
        Problem::new(400, "repo_not_found", message)
    };
    let found = call.github.repo_by_name(org, repo).ok_or_else(missing)?;
    if call.plan() == VercelPlan::Hobby && is_organization(call, org) {
        let message = "Repositories that belong to an organization can't be connected to a Hobby team.";
        return Err(Problem::forbidden(message));
    }
    Ok(Link {
        repo_id: found.id,
        org: found.owner.clone(),
        repo: found.name.clone(),
        production_branch: found.default_branch.clone(),
        created_at: call.now,
    })
}

fn is_organization(call: &Call<'_>, login: &str) -> bool {
    call.github.account(login).is_some_and(|account| account.kind == AccountKind::Organization)
}

/// `POST /v9/projects/{idOrName}/link`.
pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    if project.link.is_some() {
        return Err(Problem::bad_request("The project is already linked to a Git repository."));
    }
    project.link = Some(find(call, &call.body)?);
    let id = project.id.clone();
    call.save(project);
    Ok(projects::view(call, &id).into())
}

/// `DELETE /v9/projects/{idOrName}/link`: the production branch is forgotten with it.
pub(super) fn delete(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    project.link = None;
    let id = project.id.clone();
    call.save(project);
    Ok(projects::view(call, &id).into())
}

/// `PATCH /v9/projects/{idOrName}/branch`.
pub(super) fn set_branch(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let branch = call.body["branch"].as_str().unwrap_or_default().to_owned();
    let unlinked = || Problem::bad_request("The project is not connected to a Git repository.");
    project.link.as_mut().ok_or_else(unlinked)?.production_branch = branch;
    let id = project.id.clone();
    call.save(project);
    Ok(projects::view(call, &id).into())
}
