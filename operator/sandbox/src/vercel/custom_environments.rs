//! Custom environments, as many as the plan has.

use serde_json::{Value, json};

use super::call::Call;
use super::model::{CustomEnvironment, Project, State};
use super::problem::{Outcome, Problem, Reply};
use super::{deployment_view, domains, ids, plans};

/// `POST /v9/projects/{idOrName}/custom-environments`.
pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let max = plans::limits(call.plan()).custom_environments;
    if project.environments.len() >= max {
        let plan = plans::name(call.plan());
        let message = format!("The {plan} plan is limited to {max} custom environments per project.");
        return Err(Problem::plan(message).with("limit", max));
    }
    let slug = free_slug(&project, &call.body["slug"], None)?;
    let created_at = call.state.stamp(call.now);
    let mut environment = CustomEnvironment {
        id: ids::random("env_", 28),
        slug,
        description: None,
        branch_matcher: None,
        created_at,
        updated_at: created_at,
    };
    apply(&mut environment, &call.body);
    if let Some(from) = call.body["copyEnvVarsFrom"].as_str() {
        copy_env(&mut project, from, &environment.id)?;
    }
    let view = view(call.state, &project, &environment);
    project.environments.push(environment);
    call.save(project);
    Ok(Reply(201, view))
}

/// `GET /v9/projects/{idOrName}/custom-environments`.
pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let project = call.project()?;
    let views: Vec<Value> = project.environments.iter().map(|env| view(call.state, project, env)).collect();
    let total = plans::limits(call.plan()).custom_environments;
    Ok(json!({ "accountLimit": { "total": total }, "environments": views }).into())
}

/// `GET /v9/projects/{idOrName}/custom-environments/{environmentSlugOrId}`.
pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    let project = call.project()?;
    let environment = &project.environments[index_of(call, project)?];
    Ok(view(call.state, project, environment).into())
}

/// `PATCH /v9/projects/{idOrName}/custom-environments/{environmentSlugOrId}`.
pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let index = index_of(call, &project)?;
    if !call.body["slug"].is_null() {
        let own = project.environments[index].id.clone();
        project.environments[index].slug = free_slug(&project, &call.body["slug"], Some(&own))?;
    }
    apply(&mut project.environments[index], &call.body);
    project.environments[index].updated_at = call.now;
    let view = view(call.state, &project, &project.environments[index]);
    call.save(project);
    Ok(view.into())
}

/// `DELETE /v9/projects/{idOrName}/custom-environments/{environmentSlugOrId}`.
pub(super) fn delete(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let index = index_of(call, &project)?;
    let view = view(call.state, &project, &project.environments[index]);
    let gone = project.environments.remove(index);
    for row in &mut project.env {
        row.custom_environments.retain(|id| *id != gone.id);
    }
    if call.body["deleteUnassignedEnvironmentVariables"] == true {
        project.env.retain(|row| !row.target.is_empty() || !row.custom_environments.is_empty());
    }
    for domain in project.domains.iter().filter(|domain| domain.custom_environment.as_ref() == Some(&gone.id)) {
        call.state.aliases.remove(&domain.name);
    }
    project.domains.retain(|domain| domain.custom_environment.as_ref() != Some(&gone.id));
    call.save(project);
    Ok(view.into())
}

/// The environment in answers.
pub(super) fn view(state: &State, project: &Project, environment: &CustomEnvironment) -> Value {
    let here = |domain: &&super::model::Domain| domain.custom_environment.as_ref() == Some(&environment.id);
    let domains: Vec<Value> = project.domains.iter().filter(here).map(|d| domains::view(project, d)).collect();
    let deployments = project.deployments.iter().rev().filter_map(|id| state.deployments.get(id));
    let newest = deployments
        .filter(|deployment| deployment.custom_environment.as_ref() == Some(&environment.id))
        .find(|deployment| deployment.alias_assigned_at.is_some());
    let aliases = newest.map(|deployment| deployment_view::served(state, deployment)).unwrap_or_default();
    let mut view = json!({
        "id": environment.id,
        "slug": environment.slug,
        "type": "preview",
        "createdAt": environment.created_at,
        "updatedAt": environment.updated_at,
        "domains": domains,
        "currentDeploymentAliases": aliases,
    });
    if let Some(description) = &environment.description {
        view["description"] = json!(description);
    }
    if let Some(matcher) = &environment.branch_matcher {
        view["branchMatcher"] = json!(matcher);
    }
    view
}

fn apply(environment: &mut CustomEnvironment, body: &Value) {
    if let Some(description) = body["description"].as_str() {
        environment.description = Some(description.to_owned());
    }
    if let Some(matcher) = body.get("branchMatcher") {
        environment.branch_matcher = serde_json::from_value(matcher.clone()).expect("the schema has been checked");
    }
}

fn free_slug(project: &Project, slug: &Value, own: Option<&str>) -> Result<String, Problem> {
    let slug = slug.as_str().unwrap_or_default();
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if slug.is_empty() || !slug.bytes().all(legal) {
        return Err(Problem::bad_request("The slug may contain lowercase letters, digits, dashes and underscores."));
    }
    if ["production", "preview", "development"].contains(&slug) {
        return Err(Problem::bad_request(format!("The slug `{slug}` is reserved.")));
    }
    if project.environments.iter().any(|env| env.slug == slug && own != Some(env.id.as_str())) {
        return Err(Problem::bad_request(format!("A custom environment with the slug `{slug}` already exists.")));
    }
    Ok(slug.to_owned())
}

/// Assigns the variables of another environment to the new one too.
fn copy_env(project: &mut Project, from: &str, to: &str) -> Result<(), Problem> {
    let custom = project.environments.iter().find(|env| env.id == from || env.slug == from);
    let custom = custom.map(|env| env.id.clone());
    if custom.is_none() && !["production", "preview", "development"].contains(&from) {
        return Err(Problem::bad_request(format!("The environment `{from}` does not exist.")));
    }
    for row in project.env.iter_mut().filter(|row| row.git_branch.is_none()) {
        let there = match &custom {
            Some(id) => row.custom_environments.contains(id),
            None => row.target.iter().any(|target| target == from),
        };
        if there {
            row.custom_environments.push(to.to_owned());
        }
    }
    Ok(())
}

fn index_of(call: &Call<'_>, project: &Project) -> Result<usize, Problem> {
    let wanted = call.path("environmentSlugOrId");
    let index = project.environments.iter().position(|env| env.id == wanted || env.slug == wanted);
    index.ok_or_else(|| Problem::not_found("The custom environment was not found."))
}
