//! Reading, cancelling and deleting deployments, and their build logs.

use serde_json::{Value, json};

use super::call::{self, Call};
use super::deployment_view;
use super::deployments::{Deployment, ReadyState};
use super::model::Millis;
use super::problem::{Outcome, Problem};

/// `GET /v13/deployments/{idOrUrl}`.
pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    let id = call.deployment(call.path("idOrUrl"))?.id.clone();
    Ok(call.deployment_view(&id).into())
}

/// `GET /v7/deployments`, newest first.
pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let limit = call.limit(20, 100)?;
    let (since, until) = (call.number("since")?, call.number("until")?);
    let (from, to) = (call.number("from")?, call.number("to")?);
    let all = candidates(call)?;
    let kept = all.into_iter().filter(|deployment| {
        since.or(from).is_none_or(|since| deployment.created_at >= since)
            && to.is_none_or(|to| deployment.created_at <= to)
            && matches(call, deployment)
    });
    let page = call::page(kept.collect(), |deployment| deployment.created_at, limit, until);
    let plan = call.plan();
    let rows = page.items.iter().map(|deployment| deployment_view::listed(call.state, deployment, plan));
    let rows: Vec<Value> = rows.collect();
    Ok(json!({ "deployments": rows, "pagination": page.pagination }).into())
}

/// The deployments of the projects asked for, or of the whole team.
fn candidates<'a>(call: &'a Call<'_>) -> Result<Vec<&'a Deployment>, Problem> {
    let mut wanted: Vec<&str> = call
        .query
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "projectId" | "projectIds" | "projectIds[]" | "app"))
        .flat_map(|(_, value)| value.split(','))
        .collect();
    if wanted.is_empty() {
        return Ok(call.state.deployments.values().filter(|deployment| deployment.team == call.team).collect());
    }
    if wanted.len() > 20 {
        return Err(Problem::bad_request("Invalid request: `projectIds` should NOT have more than 20 items."));
    }
    wanted.sort_unstable();
    wanted.dedup();
    let projects = wanted.into_iter().filter_map(|id| call.state.find_project(&call.team, id));
    let ids = projects.flat_map(|project| &project.deployments);
    Ok(ids.filter_map(|id| call.state.deployments.get(id)).collect())
}

fn matches(call: &Call<'_>, deployment: &Deployment) -> bool {
    let git = deployment.git.as_ref();
    let target = match call.query("target") {
        None => true,
        Some("production") => deployment.production,
        Some("preview") => !deployment.production && deployment.custom_environment.is_none(),
        Some(custom) => deployment.custom_environment.as_deref() == Some(custom),
    };
    target
        && call::has_state(call.query("state"), deployment.state)
        && call.query("sha").is_none_or(|sha| git.is_some_and(|git| git.sha == sha))
        && call.query("branch").is_none_or(|branch| git.is_some_and(|git| git.branch == branch))
        && call
            .query("rollbackCandidate")
            .is_none_or(|wanted| (wanted == "true") == (deployment.promoted && deployment.state == ReadyState::Ready))
        && call.query.iter().all(|(name, value)| {
            let meta = name.strip_prefix("meta-");
            meta.is_none_or(|key| deployment.meta.get(key) == Some(value))
        })
}

/// `PATCH /v12/deployments/{id}/cancel`.
pub(super) fn cancel(call: &mut Call<'_>) -> Outcome {
    let deployment = call.deployment(call.path("id"))?;
    if deployment.state.is_final() {
        let message = format!("The deployment is already {} and cannot be canceled.", deployment.state.name());
        return Err(Problem::bad_request(message));
    }
    let id = deployment.id.clone();
    call.state.finish(&id, ReadyState::Canceled, call.now);
    call.state.emit_deployment("deployment.canceled", &id, call.now);
    Ok(call.deployment_view(&id).into())
}

/// `DELETE /v13/deployments/{idOrUrl}`; its host names stop being served.
pub(super) fn delete(call: &mut Call<'_>) -> Outcome {
    let deployment = call.deployment(call.path("idOrUrl"))?.clone();
    call.state.emit_deployment("deployment.cleanup", &deployment.id, call.now);
    call.state.remove_deployment(&deployment.id);
    if let Some(project) = call.state.projects.get_mut(&deployment.project) {
        project.deployments.retain(|id| *id != deployment.id);
        project.production = project.production.take().filter(|id| *id != deployment.id);
    }
    Ok(json!({ "uid": deployment.id, "state": "DELETED" }).into())
}

impl super::model::State {
    /// Forgets a deployment and everything that leads to it.
    pub fn remove_deployment(&mut self, id: &str) {
        self.building.retain(|other| other != id);
        self.hosts.retain(|_, other| other != id);
        self.aliases.retain(|_, alias| alias.deployment != id);
        self.deployments.remove(id);
    }
}

/// `GET /v3/deployments/{idOrUrl}/events`: the build log so far.
pub(super) fn events(call: &mut Call<'_>) -> Outcome {
    let deployment = call.deployment(call.path("idOrUrl"))?;
    let mut lines = build_log(deployment, call.now);
    let (since, until) = (call.number("since")?, call.number("until")?);
    lines.retain(|line| since.is_none_or(|since| line.at >= since) && until.is_none_or(|until| line.at <= until));
    if call.query("direction") == Some("backward") {
        lines.reverse();
    }
    if let Some(limit) = call.number("limit")?.and_then(|limit| usize::try_from(limit).ok()) {
        lines.truncate(limit);
    }
    let rows = lines.iter().map(|line| {
        json!({
            "type": line.kind,
            "created": line.at,
            "date": line.at,
            "deploymentId": deployment.id,
            "id": format!("{}{:04}", line.at, line.serial),
            "serial": format!("{}{:04}", line.at, line.serial),
            "text": line.text,
            "info": { "type": "build", "name": "bld_sandbox", "entrypoint": "." },
            "payload": {
                "deploymentId": deployment.id,
                "id": format!("{}{:04}", line.at, line.serial),
                "date": line.at,
                "serial": format!("{}{:04}", line.at, line.serial),
                "text": line.text,
                "info": { "type": "build", "name": "bld_sandbox", "entrypoint": "." },
            },
        })
    });
    Ok(Value::Array(rows.collect()).into())
}

/// A line of a build log.
struct Line {
    at: Millis,
    serial: usize,
    kind: &'static str,
    text: String,
}

/// What the build has printed by `now`.
fn build_log(deployment: &Deployment, now: Millis) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut say = |at: Option<Millis>, kind: &'static str, text: String| {
        if let Some(at) = at.filter(|at| *at <= now) {
            lines.push(Line { at, serial: lines.len(), kind, text });
        }
    };
    let begun = deployment.building_at;
    say(deployment.started_at, "stdout", "Running build in Washington, D.C., USA (East) – iad1".to_owned());
    if let Some(git) = &deployment.git {
        let short: String = git.sha.chars().take(7).collect();
        let text = format!("Cloning github.com/{}/{} (Branch: {}, Commit: {short})", git.org, git.repo, git.branch);
        say(begun, "stdout", text);
    }
    let setting = |name: &str, default: &str| deployment.settings[name].as_str().unwrap_or(default).to_owned();
    say(begun, "command", setting("installCommand", "npm install"));
    say(begun, "command", setting("buildCommand", "npm run build"));
    match (&deployment.failure, deployment.state) {
        (Some(failure), ReadyState::Error) => {
            for line in failure.tail.lines() {
                say(deployment.finished_at, "stderr", line.to_owned());
            }
            say(deployment.finished_at, "stderr", format!("Error: {}", failure.message));
        }
        (_, ReadyState::Ready) => {
            say(
                deployment.finished_at,
                "stdout",
                format!("Build completed: {} files", deployment.snapshot.files.len()),
            );
            say(deployment.finished_at, "stdout", "Deployment completed".to_owned());
        }
        (_, ReadyState::Canceled) => say(deployment.finished_at, "stderr", "Build canceled.".to_owned()),
        _ => {}
    }
    lines
}
