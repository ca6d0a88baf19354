//! Check runs and commit statuses. Nothing in the sandbox runs checks: who calls says how they went.

use serde_json::{Value, json};

use super::answer::Refusal;
use super::commits::resolve;
use super::repo::{CheckRun, Status};
use super::rest::{Ctx, Outcome, Reply};
use super::{accounts, events, node_id, view};
use crate::tokens::TokenKind;

/// GitHub Actions, whose check runs a test may report for.
const ACTIONS: u64 = 15_368;

fn commit(ctx: &Ctx<'_>, id: u64, name: &str) -> Result<String, Refusal> {
    resolve(ctx, id, name).ok_or_else(|| Refusal::unprocessable(format!("No commit found for SHA: {name}")))
}

fn show_check(ctx: &Ctx<'_>, id: u64, sha: &str, check: &CheckRun) -> Value {
    let full_name = ctx.repo(id).full_name();
    let url = format!("{}/github/repos/{full_name}/check-runs/{}", ctx.call.base, check.id);
    json!({
        "id": check.id, "node_id": node_id("CR", check.id), "head_sha": sha, "external_id": "", "name": check.name,
        "url": url, "html_url": format!("https://github.com/{full_name}/runs/{}", check.id), "details_url": check.details_url,
        "status": check.status, "conclusion": check.conclusion, "started_at": view::second(check.created_at),
        "completed_at": check.conclusion.as_ref().map(|_| view::second(check.created_at)),
        "output": { "title": null, "summary": null, "text": null, "annotations_count": 0, "annotations_url": format!("{url}/annotations") },
        "check_suite": { "id": check.id }, "app": accounts::show_app(ctx, check.app_id),
        "pull_requests": [],
    })
}

/// `GET /repos/{owner}/{repo}/commits/{ref}/check-runs`
pub(super) fn list(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let sha = commit(ctx, id, ctx.path("ref"))?;
    let checks = ctx.repo(id).checks.get(&sha).into_iter().flatten();
    Ok(Reply::PageIn("check_runs", checks.map(|check| show_check(ctx, id, &sha, check)).collect()))
}

/// `POST /repos/{owner}/{repo}/check-runs`: by an installation, or in place of GitHub Actions by anybody else.
pub(super) fn create(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let sha = commit(ctx, id, ctx.text("head_sha").unwrap_or_default())?;
    let installation = ctx.token()?.kind == TokenKind::Installation;
    let conclusion = ctx.text("conclusion").map(str::to_owned);
    let default = if conclusion.is_some() { "completed" } else { "queued" };
    let check = CheckRun {
        id: ctx.world.github.next_id(),
        name: ctx.text("name").unwrap_or_default().to_owned(),
        status: ctx.text("status").unwrap_or(default).to_owned(),
        conclusion,
        details_url: ctx.text("details_url").map(str::to_owned),
        app_id: if installation { ctx.world.github.app.id } else { ACTIONS },
        created_at: ctx.now,
    };
    let body = show_check(ctx, id, &sha, &check);
    let checks = ctx.repo_mut(id).checks.entry(sha).or_default();
    checks.retain(|other| other.name != check.name || other.app_id != check.app_id);
    checks.push(check);
    let action = if body["conclusion"].is_null() { "created" } else { "completed" };
    events::emit(ctx.world, id, "check_run", &ctx.login(), json!({ "action": action, "check_run": body }));
    Ok(Reply::created(body))
}

fn show_status(ctx: &Ctx<'_>, id: u64, sha: &str, status: &Status) -> Value {
    json!({
        "id": status.id, "node_id": node_id("SC", status.id), "state": status.state, "context": status.context,
        "description": status.description, "target_url": status.target_url, "avatar_url": null,
        "creator": view::login(&ctx.world.github, &ctx.call.base, &status.creator),
        "url": format!("{}/github/repos/{}/statuses/{sha}", ctx.call.base, ctx.repo(id).full_name()),
        "created_at": view::second(status.created_at), "updated_at": view::second(status.created_at),
    })
}

/// `POST /repos/{owner}/{repo}/statuses/{sha}`
pub(super) fn create_status(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let sha = commit(ctx, id, ctx.path("sha"))?;
    let status = Status {
        id: ctx.world.github.next_id(),
        context: ctx.text("context").unwrap_or("default").to_owned(),
        state: ctx.text("state").unwrap_or_default().to_owned(),
        description: ctx.text("description").map(str::to_owned),
        target_url: ctx.text("target_url").map(str::to_owned),
        creator: ctx.login(),
        created_at: ctx.now,
    };
    let body = show_status(ctx, id, &sha, &status);
    let fields = json!({ "sha": sha, "state": status.state, "context": status.context });
    let statuses = ctx.repo_mut(id).statuses.entry(sha).or_default();
    statuses.retain(|other| other.context != status.context);
    statuses.push(status);
    events::emit(ctx.world, id, "status", &ctx.login(), fields);
    Ok(Reply::created(body))
}

/// `GET /repos/{owner}/{repo}/commits/{ref}/status`: `pending` when there are none, and check runs do not count.
pub(super) fn combined(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    super::git_data::demand_content(ctx, id)?;
    let sha = resolve(ctx, id, ctx.path("ref")).ok_or_else(Refusal::not_found)?;
    let repo = ctx.repo(id);
    let statuses = repo.statuses.get(&sha).map(Vec::as_slice).unwrap_or_default();
    let any = |states: &[&str]| statuses.iter().any(|status| states.contains(&status.state.as_str()));
    let state = match () {
        () if any(&["failure", "error"]) => "failure",
        () if statuses.is_empty() || any(&["pending"]) => "pending",
        () => "success",
    };
    let url = format!("{}/github/repos/{}/commits/{sha}", ctx.call.base, repo.full_name());
    Ok(Reply::ok(json!({
        "state": state,
        "statuses": statuses.iter().map(|status| show_status(ctx, id, &sha, status)).collect::<Vec<_>>(),
        "sha": sha,
        "total_count": statuses.len(),
        "repository": view::repo_in_list(&ctx.world.github, &ctx.call.base, repo, ctx.actor),
        "commit_url": url,
        "url": format!("{url}/status"),
    })))
}
