//! Projects: make, read, list, change, delete, pause.

use serde_json::{Map, Value, json};

use super::call::{self, Call};
use super::problem::{Outcome, Problem, Reply};
use super::{env_routes, links, plans, project_view};

/// Body fields that are not settings to be stored as they are.
const NOT_SETTINGS: [&str; 5] =
    ["name", "gitRepository", "environmentVariables", "skipGitConnectDuringLink", "passwordProtection"];

/// `POST /v11/projects`.
pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body.clone();
    let name = free_name(call, &body["name"], None)?;
    plans::check_settings(call.plan(), &body)?;
    let count = call.state.projects.values().filter(|project| project.team == call.team).count();
    let max = plans::limits(call.plan()).projects;
    if count >= max {
        return Err(Problem::plan(format!("The {} plan is limited to {max} projects.", plans::name(call.plan()))));
    }
    let link = match body["gitRepository"].as_object() {
        Some(_) => Some(links::find(call, &body["gitRepository"])?),
        None => None,
    };
    let mut project = call.state.new_project(&call.team, &name, call.now);
    project.link = link;
    change_settings(&mut project.settings, &body);
    for row in body["environmentVariables"].as_array().into_iter().flatten() {
        let put = env_routes::put(call, &mut project, row, false);
        put.map_err(|problem| {
            let failed = vec![json!({ "error": problem.error() })];
            Problem::bad_request(problem.message).beside("failed", failed)
        })?;
    }
    call.emit("project.created", Some(&project), json!({}));
    let id = project.id.clone();
    call.save(project);
    Ok(view(call, &id).into())
}

/// `GET /v9/projects/{idOrName}`.
pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    let id = call.project()?.id.clone();
    Ok(view(call, &id).into())
}

/// `GET /v10/projects`, newest first.
pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let limit = call.limit(20, 100)?;
    let search = call.query("search").map(str::to_lowercase);
    if search.as_ref().is_some_and(|search| search.len() > 100) {
        return Err(Problem::bad_request("Invalid request: `search` should NOT be longer than 100 characters."));
    }
    let repo = call.query("repo");
    let repo = repo.or_else(|| call.query("repoUrl").map(|url| url.trim_start_matches("https://github.com/")));
    let repo_id = call.query("repoId");
    let kept = call.state.projects.values().filter(|project| {
        let link = project.link.as_ref();
        project.team == call.team
            && search.as_ref().is_none_or(|search| project.name.contains(search.as_str()))
            && repo.is_none_or(|repo| {
                link.is_some_and(|link| link.repo == repo || format!("{}/{}", link.org, link.repo) == repo)
            })
            && repo_id.is_none_or(|id| link.is_some_and(|link| link.repo_id.to_string() == id))
    });
    let from = call.number("from")?.or(call.number("until")?);
    let page = call::page(kept.collect(), |project| project.created_at, limit, from);
    let plan = call.plan();
    let rows = page.items.iter().map(|project| project_view::listed(call.state, project, plan));
    let rows: Vec<Value> = rows.collect();
    Ok(json!({ "projects": rows, "pagination": page.pagination }).into())
}

/// `PATCH /v9/projects/{idOrName}`.
pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let body = call.body.clone();
    plans::check_settings(call.plan(), &body)?;
    if !body["name"].is_null() {
        let name = free_name(call, &body["name"], Some(&project.id))?;
        if name != project.name {
            project.name = name;
            call.emit("project.renamed", Some(&project), json!({}));
        }
    }
    if let Some(protection) = body.get("passwordProtection") {
        let mut protection = protection.clone();
        if let Some(fields) = protection.as_object_mut() {
            fields.remove("password");
        }
        project.settings.insert("passwordProtection".to_owned(), protection);
    }
    change_settings(&mut project.settings, &body);
    let id = project.id.clone();
    call.save(project);
    Ok(view(call, &id).into())
}

/// `DELETE /v9/projects/{idOrName}`: with everything that belongs to it.
pub(super) fn delete(call: &mut Call<'_>) -> Outcome {
    let project = call.project()?.clone();
    for id in &project.deployments {
        call.state.remove_deployment(id);
    }
    call.state.aliases.retain(|_, alias| alias.project != project.id);
    call.state.promoting.retain(|id| *id != project.id);
    call.state.projects.remove(&project.id);
    call.emit("project.removed", Some(&project), json!({}));
    Ok(Reply(204, Value::Null))
}

/// `POST /v1/projects/{idOrName}/pause`: production answers 503 and domains are no longer assigned.
pub(super) fn pause(call: &mut Call<'_>) -> Outcome {
    set_paused(call, true)
}

/// `POST /v1/projects/{idOrName}/unpause`: turns `autoAssignCustomDomains` on, whatever it was before.
pub(super) fn unpause(call: &mut Call<'_>) -> Outcome {
    set_paused(call, false)
}

fn set_paused(call: &mut Call<'_>, paused: bool) -> Outcome {
    let unknown = |_| Problem::bad_request("Invalid project id.");
    let mut project = call.project().map_err(unknown)?.clone();
    project.paused = paused;
    project.settings.insert("autoAssignCustomDomains".to_owned(), json!(!paused));
    call.save(project);
    Ok(Reply(200, Value::Null))
}

/// The project as a single read answers it.
pub(super) fn view(call: &Call<'_>, id: &str) -> Value {
    project_view::full(call.state, &call.state.projects[id], call.plan())
}

/// A legal name that no other project of the team has.
fn free_name(call: &Call<'_>, name: &Value, own: Option<&str>) -> Result<String, Problem> {
    let name = name.as_str().unwrap_or_default();
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    if name.is_empty() || !name.bytes().all(legal) || name.contains("---") {
        let message = "Project names can be up to 100 characters long and must be lowercase. They can include letters, \
                       digits, and the following characters: '.', '_', '-'. However, they cannot contain the sequence '---'.";
        return Err(Problem::bad_request(message));
    }
    match call.state.find_project(&call.team, name) {
        Some(other) if own != Some(other.id.as_str()) => {
            let message = format!("A project with the name \"{name}\" already exists, please use a new name.");
            Err(Problem::new(409, "conflict", message))
        }
        _ => Ok(name.to_owned()),
    }
}

/// Takes the body's settings over: null and "" clear, objects such as `resourceConfig` are merged.
fn change_settings(settings: &mut Map<String, Value>, body: &Value) {
    for (name, value) in body.as_object().into_iter().flatten() {
        if NOT_SETTINGS.contains(&name.as_str()) {
            continue;
        }
        match (settings.get_mut(name), value) {
            (Some(Value::Object(old)), Value::Object(new)) if name == "resourceConfig" => old.extend(new.clone()),
            (_, Value::String(text)) if text.is_empty() => {
                settings.insert(name.clone(), Value::Null);
            }
            _ => {
                settings.insert(name.clone(), value.clone());
            }
        }
    }
}
