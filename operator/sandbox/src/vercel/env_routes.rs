//! `/v10/projects/{p}/env` and its neighbours.

use serde_json::{Value, json};

use super::call::Call;
use super::env::{self, EnvVar, Show};
use super::model::Project;
use super::problem::{Outcome, Problem, Reply};

/// `POST /v10/projects/{idOrName}/env`: one object or a batch; a batch answers 201 even when some rows failed.
pub(super) fn create(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let upsert = matches!(call.query("upsert"), Some("true" | "1"));
    let single = call.body.is_object();
    let rows = match &call.body {
        Value::Array(rows) => rows.clone(),
        row => vec![row.clone()],
    };
    let (mut created, mut failed) = (Vec::new(), Vec::new());
    for row in rows {
        match put(call, &mut project, &row, upsert) {
            Ok(view) => created.push(view),
            Err(problem) if single => return Err(problem),
            Err(problem) => failed.push(json!({ "error": problem.error() })),
        }
    }
    if created.is_empty() && !failed.is_empty() {
        let problem = Problem::new(400, "BAD_REQUEST", "No environment variables were created");
        return Err(problem.beside("failed", failed));
    }
    call.save(project);
    let created = if single { created.remove(0) } else { Value::Array(created) };
    Ok(Reply(201, json!({ "created": created, "failed": failed })))
}

/// Puts one row of a request into `project`, tells the webhooks, and returns how it reads in the answer.
pub(super) fn put(call: &mut Call<'_>, project: &mut Project, row: &Value, upsert: bool) -> Result<Value, Problem> {
    let new = EnvVar::from_body(row, &call.user, call.now);
    if call.role() == "DEVELOPER" && new.target.iter().any(|target| target == "production") {
        let message = "Additional permissions are required to create production environment variables";
        return Err(Problem::forbidden(message));
    }
    let branches = call.branch_finder(project);
    let (index, existed) = env::put(project, new, upsert, &branches)?;
    let view = project.env[index].view(Show::Listed);
    let event = if existed { "project.env-variable.updated" } else { "project.env-variable.created" };
    emit(call, event, project, &project.env[index]);
    Ok(view)
}

/// `GET /v10/projects/{idOrName}/env`.
pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let show = call.show_values();
    let project = call.project()?;
    let branch = call.query("gitBranch");
    let custom = call.query("customEnvironmentId").map(str::to_owned).or_else(|| {
        let slug = call.query("customEnvironmentSlug")?;
        project.environments.iter().find(|env| env.slug == slug).map(|env| env.id.clone())
    });
    let wanted = |row: &&EnvVar| {
        (branch.is_none() || row.git_branch.is_none() || row.git_branch.as_deref() == branch)
            && custom.as_ref().is_none_or(|id| row.custom_environments.contains(id))
    };
    let envs: Vec<Value> = project.env.iter().filter(wanted).map(|row| row.view(show)).collect();
    let pagination = json!({ "count": envs.len(), "next": null, "prev": null });
    Ok(json!({ "envs": envs, "pagination": pagination }).into())
}

/// `GET /v1/projects/{idOrName}/env/{id}`: decrypted unless the variable is sensitive.
pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    let project = call.project()?;
    let row = &project.env[index_of(project, call.path("id"))?];
    let show = if call.may_decrypt() { Show::Decrypted } else { Show::Listed };
    let mut view = row.view(show);
    if row.kind == "sensitive" {
        view.as_object_mut().expect("a row is an object").remove("value");
    }
    Ok(view.into())
}

/// `PATCH /v9/projects/{idOrName}/env/{id}`.
pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let index = index_of(&project, call.path("id"))?;
    project.env[index].patch(&call.body, call.now)?;
    let branches = call.branch_finder(&project);
    env::recheck(&project, index, &branches)?;
    emit(call, "project.env-variable.updated", &project, &project.env[index]);
    let view = project.env[index].view(Show::Listed);
    call.save(project);
    Ok(view.into())
}

/// `DELETE /v9/projects/{idOrName}/env/{id}`.
pub(super) fn delete(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let index = index_of(&project, call.path("id"))?;
    let row = project.env.remove(index);
    emit(call, "project.env-variable.deleted", &project, &row);
    call.save(project);
    Ok(row.view(Show::Listed).into())
}

/// `DELETE /v1/projects/{idOrName}/env`: ids that are not there are skipped.
pub(super) fn delete_many(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let wanted: Vec<String> = serde_json::from_value(call.body["ids"].clone()).expect("the schema wants strings");
    let (gone, kept): (Vec<EnvVar>, _) = project.env.drain(..).partition(|row| wanted.contains(&row.id));
    project.env = kept;
    for row in &gone {
        emit(call, "project.env-variable.deleted", &project, row);
    }
    let ids: Vec<&str> = gone.iter().map(|row| row.id.as_str()).collect();
    let answer = json!({ "deleted": ids.len(), "ids": ids });
    call.save(project);
    Ok(answer.into())
}

fn index_of(project: &Project, id: &str) -> Result<usize, Problem> {
    let index = project.env.iter().position(|row| row.id == id);
    index.ok_or_else(|| Problem::not_found("The Environment Variable was not found."))
}

fn emit(call: &mut Call<'_>, event: &str, project: &Project, row: &EnvVar) {
    let payload = json!({ "envVarId": row.id, "key": row.key, "target": row.target, "gitBranch": row.git_branch });
    call.emit(event, Some(project), json!({ "envVar": payload }));
}
