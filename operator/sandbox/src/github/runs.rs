//! Runs of workflows. Nothing runs: a run takes as long as the settings say, and fails if the commit that it is given
//! has the file `forkable-sandbox.fail-run`.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Refusal;
use super::git::Sha;
use super::rest::{Ctx, Outcome, Reply};
use super::{environments, node_id, view};

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
    /// The environment whose reviewers it waits for.
    #[serde(default)]
    pub waits_for: Option<String>,
    /// What reviewers said.
    #[serde(default)]
    pub reviews: Vec<Review>,
}

/// What a reviewer said of a run that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Review {
    /// `approved` or `rejected`.
    pub state: String,
    /// Login.
    pub user: String,
    /// What else they said.
    pub comment: String,
    /// Name of the environment.
    pub environment: String,
}

/// The environment that a job of a workflow names, as `environment: NAME` or with the name a level below.
fn environment(text: &str) -> Option<String> {
    let mut lines = text.lines().skip_while(|line| !line.trim().starts_with("environment:"));
    let own = lines.next()?.trim().strip_prefix("environment:")?.trim();
    let name = if own.is_empty() { lines.next()?.trim().strip_prefix("name:")?.trim() } else { own };
    Some(name.trim_matches(['"', '\'']).to_owned())
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
    let waits_for = environment(&text).filter(|name| {
        let mut all = ctx.repo(id).environments.iter();
        all.any(|one| one.name.eq_ignore_ascii_case(name) && !one.reviewers.is_empty())
    });
    let ends_at = if waits_for.is_some() { Timestamp::MAX } else { ends_at };
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
        waits_for,
        reviews: Vec::new(),
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
    let status = match is_over {
        true => "completed",
        false if run.waits_for.is_some() => "waiting",
        false => "in_progress",
    };
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
    (run.ends_at, run.conclusion, run.waits_for) = (now, "cancelled".into(), None);
    Ok(Reply::Json(StatusCode::ACCEPTED, json!({})))
}

/// `GET …/actions/runs/{run_id}/approvals`
pub(super) fn approvals(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let number = ctx.id("run_id")?;
    let run = ctx.repo(id).runs.iter().find(|run| run.id == number).ok_or_else(Refusal::not_found)?;
    let show = |review: &Review| {
        let user = ctx.world.github.account(&review.user).map(|account| view::account(&ctx.call.base, account));
        let environments: Vec<_> = environments::named(ctx, id, &review.environment).into_iter().collect();
        json!({ "state": review.state, "comment": review.comment, "user": user, "environments": environments })
    };
    Ok(Reply::ok(run.reviews.iter().map(show).collect::<Vec<_>>().into()))
}

/// `GET …/actions/runs/{run_id}/pending_deployments`
pub(super) fn pending(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let number = ctx.id("run_id")?;
    let run = ctx.repo(id).runs.iter().find(|run| run.id == number).ok_or_else(Refusal::not_found)?;
    let waiting = run.waits_for.as_ref().and_then(|name| environments::named(ctx, id, name));
    let show = |environment: Value| {
        let rules = environment["protection_rules"].as_array().into_iter().flatten();
        let reviewers: Vec<_> = rules.filter_map(|rule| rule["reviewers"].as_array()).flatten().cloned().collect();
        let may = reviewers.iter().any(|one| one["reviewer"]["login"] == ctx.login());
        json!({
            "environment": environment, "wait_timer": 0, "wait_timer_started_at": null,
            "current_user_can_approve": may, "reviewers": reviewers,
        })
    };
    Ok(Reply::ok(waiting.map(show).into_iter().collect::<Vec<_>>().into()))
}

/// `POST …/actions/runs/{run_id}/pending_deployments`: somebody reviews what waits.
pub(super) fn review(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let Reply::Json(_, waiting) = pending(ctx, id)? else { return Err(Refusal::not_found()) };
    let (now, user) = (ctx.now, ctx.login());
    let Some(one) = waiting.get(0).filter(|one| {
        let asked = ctx.body["environment_ids"].as_array();
        asked.is_some_and(|asked| asked.contains(&one["environment"]["id"]))
    }) else {
        return Err(Refusal::unprocessable("No pending deployment requests to approve or reject"));
    };
    if one["current_user_can_approve"] != true {
        return Err(Refusal::forbidden("You are not a required reviewer of this environment"));
    }
    let state = ctx.text("state").unwrap_or_default().to_owned();
    let comment = ctx.text("comment").unwrap_or_default().to_owned();
    let environment = one["environment"]["name"].as_str().unwrap_or_default().to_owned();
    let takes = i64::try_from(ctx.world.settings.latencies.run_ms).unwrap_or(i64::MAX);
    let number = ctx.id("run_id")?;
    let run = ctx.repo_mut(id).runs.iter_mut().find(|run| run.id == number).ok_or_else(Refusal::not_found)?;
    run.waits_for = None;
    if state == "rejected" {
        (run.ends_at, run.conclusion) = (now, "failure".into());
    } else {
        run.ends_at = now.checked_add(SignedDuration::from_millis(takes)).unwrap_or(Timestamp::MAX);
    }
    let deployment = json!({ "sha": run.sha, "ref": run.branch, "task": "deploy", "environment": environment });
    run.reviews.push(Review { state, user, comment, environment });
    Ok(Reply::ok(json!([deployment])))
}
