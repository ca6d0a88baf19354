//! Runs of workflows. Nothing runs: a run takes as long as the settings say, and fails if the commit that it is given
//! has the file `forkable-sandbox.fail-run`.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Refusal;
use super::git::Sha;
use super::rest::{Ctx, Outcome, Reply};
use super::{node_id, view};

/// Lets every run for a commit fail that has it.
const FAIL_FILE: &str = "forkable-sandbox.fail-run";

/// A run of a workflow.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Never changes.
    pub id: u64,
    /// File name of the workflow.
    pub workflow: String,
    /// From its `run-name`.
    pub title: String,
    /// Branch whose version runs.
    pub branch: String,
    /// Its commit then.
    pub sha: Sha,
    /// What it was given.
    pub inputs: Value,
    /// When it was dispatched.
    pub created_at: Timestamp,
    /// When it ends.
    pub ends_at: Timestamp,
    /// How it ends.
    pub conclusion: String,
}

fn path(workflow: &str) -> String {
    format!(".github/workflows/{workflow}")
}

/// The text of a workflow as a branch has it.
fn text(ctx: &Ctx<'_>, id: u64, branch: &str, workflow: &str) -> Option<String> {
    let head = ctx.repo(id).branches.get(branch)?;
    let bytes = ctx.world.github.files(id, head).remove(&path(workflow))?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The value of a key of the first level.
fn top(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.trim().trim_matches(['"', '\'']).to_owned())
}

/// Names of the inputs of `workflow_dispatch`: what is one level below the line `inputs:`.
fn declared(text: &str) -> Vec<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().skip_while(|line| line.trim() != "inputs:");
    let Some(outer) = lines.next().map(indent) else { return Vec::new() };
    let inside: Vec<_> = lines.filter(|line| !line.trim().is_empty()).take_while(|line| indent(line) > outer).collect();
    let level = inside.first().map_or(0, |line| indent(line));
    let names = inside.iter().filter(|line| indent(line) == level);
    names.filter_map(|line| Some(line.trim().split_once(':')?.0.to_owned())).collect()
}

/// `POST …/actions/workflows/{workflow_id}/dispatches`
pub(super) fn dispatch(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let workflow = ctx.path("workflow_id").to_owned();
    let branch = ctx.text("ref").unwrap_or_default().to_owned();
    let default = ctx.repo(id).default_branch.clone();
    text(ctx, id, &default, &workflow).ok_or_else(Refusal::not_found)?;
    let missing = || Refusal::unprocessable(format!("No ref found for: {branch}"));
    let sha = ctx.repo(id).branches.get(&branch).ok_or_else(missing)?.clone();
    let text = text(ctx, id, &branch, &workflow).filter(|text| text.contains("workflow_dispatch"));
    let text = text.ok_or_else(|| Refusal::unprocessable("Workflow does not have 'workflow_dispatch' trigger"))?;
    let inputs = ctx.body["inputs"].clone();
    let declared = declared(&text);
    let given = inputs.as_object().cloned().unwrap_or_default();
    let unexpected: Vec<_> = given.keys().filter(|name| !declared.contains(name)).collect();
    if !unexpected.is_empty() {
        return Err(Refusal::unprocessable(format!("Unexpected inputs provided: {}", json!(unexpected))));
    }
    let mut title = top(&text, "run-name").or_else(|| top(&text, "name")).unwrap_or_else(|| path(&workflow));
    for (name, value) in &given {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        title = title.replace(&format!("${{{{ inputs.{name} }}}}"), &value);
    }
    let commit = given.get("commit").and_then(Value::as_str).unwrap_or(&sha).to_owned();
    let fails = ctx.world.github.files(id, &commit).contains_key(FAIL_FILE);
    let takes = i64::try_from(ctx.world.settings.latencies.run_ms).unwrap_or(i64::MAX);
    let ends_at = ctx.now.checked_add(SignedDuration::from_millis(takes)).unwrap_or(Timestamp::MAX);
    let run = Run {
        id: ctx.world.github.next_id(),
        workflow,
        title,
        branch,
        sha,
        inputs,
        created_at: ctx.now,
        ends_at,
        conclusion: if fails { "failure" } else { "success" }.into(),
    };
    let number = run.id;
    ctx.repo_mut(id).runs.push(run);
    if ctx.switch("return_run_details") != Some(true) {
        return Ok(Reply::no_content());
    }
    let full_name = ctx.repo(id).full_name();
    Ok(Reply::ok(json!({
        "workflow_run_id": number,
        "run_url": format!("{}/github/repos/{full_name}/actions/runs/{number}", ctx.call.base),
        "html_url": format!("https://github.com/{full_name}/actions/runs/{number}"),
    })))
}

fn show(ctx: &Ctx<'_>, id: u64, run: &Run) -> Value {
    let full_name = ctx.repo(id).full_name();
    let url = format!("{}/github/repos/{full_name}/actions/runs/{}", ctx.call.base, run.id);
    let is_over = ctx.now >= run.ends_at;
    let status = if is_over { "completed" } else { "in_progress" };
    let at = view::second(if is_over { run.ends_at } else { run.created_at });
    json!({
        "id": run.id, "node_id": node_id("WFR", run.id), "name": run.workflow, "path": path(&run.workflow),
        "display_title": run.title, "head_branch": run.branch, "head_sha": run.sha, "run_number": run.id,
        "run_attempt": 1, "event": "workflow_dispatch", "status": status,
        "conclusion": is_over.then_some(&run.conclusion), "url": url, "cancel_url": format!("{url}/cancel"),
        "html_url": format!("https://github.com/{full_name}/actions/runs/{}", run.id), "pull_requests": [],
        "created_at": view::second(run.created_at), "run_started_at": view::second(run.created_at), "updated_at": at,
    })
}

/// `GET …/actions/workflows/{workflow_id}/runs`, the newest first
pub(super) fn list(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let workflow = ctx.path("workflow_id").to_owned();
    let default = ctx.repo(id).default_branch.clone();
    let is_known = ctx.repo(id).runs.iter().any(|run| run.workflow == workflow);
    if !is_known && text(ctx, id, &default, &workflow).is_none() {
        return Err(Refusal::not_found());
    }
    let created = ctx.call.param("created");
    let since = created.as_deref().and_then(|created| created.strip_prefix(">=")?.parse::<Timestamp>().ok());
    if created.is_some() && since.is_none() {
        return Err(Refusal::unprocessable("the sandbox knows created=>=TIME only"));
    }
    let dispatched = ctx.call.param("event").is_none_or(|event| event == "workflow_dispatch");
    let asked =
        |run: &&Run| dispatched && run.workflow == workflow && since.is_none_or(|since| run.created_at >= since);
    let runs = ctx.repo(id).runs.iter().rev().filter(asked);
    Ok(Reply::PageIn("workflow_runs", runs.map(|run| show(ctx, id, run)).collect()))
}

/// `GET …/actions/runs/{run_id}`
pub(super) fn get(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let number = ctx.id("run_id")?;
    let run = ctx.repo(id).runs.iter().find(|run| run.id == number).ok_or_else(Refusal::not_found)?;
    Ok(Reply::ok(show(ctx, id, run)))
}

/// `POST …/actions/runs/{run_id}/cancel`
pub(super) fn cancel(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let (number, now) = (ctx.id("run_id")?, ctx.now);
    let run = ctx.repo_mut(id).runs.iter_mut().find(|run| run.id == number).ok_or_else(Refusal::not_found)?;
    if now >= run.ends_at {
        return Err(Refusal::conflict("Cannot cancel a workflow run that is completed."));
    }
    (run.ends_at, run.conclusion) = (now, "cancelled".into());
    Ok(Reply::Json(StatusCode::ACCEPTED, json!({})))
}
