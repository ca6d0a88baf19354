//! Dependabot alerts and fixes, and webhooks of a repository.

use serde_json::{Value, json};

use super::answer::Refusal;
use super::repo::Hook;
use super::rest::{Ctx, Outcome, Reply};
use super::view::second;
use crate::webhooks::Receiver;

/// `GET …/vulnerability-alerts`
pub(super) fn alerts(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    if ctx.repo(id).alerts {
        return Ok(Reply::no_content());
    }
    Err(Refusal::new(http::StatusCode::NOT_FOUND, "Vulnerability alerts are disabled."))
}

/// `PUT …/vulnerability-alerts`
pub(super) fn enable_alerts(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    ctx.repo_mut(id).alerts = true;
    Ok(Reply::no_content())
}

/// `DELETE …/vulnerability-alerts`: the fixes go with the alerts.
pub(super) fn disable_alerts(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let repo = ctx.repo_mut(id);
    repo.alerts = false;
    repo.security_fixes = false;
    Ok(Reply::no_content())
}

/// `GET …/automated-security-fixes`
pub(super) fn fixes(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    Ok(Reply::ok(json!({ "enabled": ctx.repo(id).security_fixes, "paused": false })))
}

/// `PUT …/automated-security-fixes`
pub(super) fn enable_fixes(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    if !ctx.repo(id).alerts {
        return Err(Refusal::unprocessable(
            "Vulnerability alerts must be enabled to configure automated security fixes.",
        ));
    }
    ctx.repo_mut(id).security_fixes = true;
    Ok(Reply::no_content())
}

/// `DELETE …/automated-security-fixes`
pub(super) fn disable_fixes(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    ctx.repo_mut(id).security_fixes = false;
    Ok(Reply::no_content())
}

fn show(ctx: &Ctx<'_>, id: u64, hook: &Hook) -> Value {
    let url = format!("{}/github/repos/{}/hooks/{}", ctx.call.base, ctx.repo(id).full_name(), hook.id);
    let mut config = json!({ "url": hook.receiver.url, "content_type": hook.content_type, "insecure_ssl": "0" });
    if hook.receiver.secret.is_some() {
        config["secret"] = "********".into();
    }
    json!({
        "type": "Repository", "id": hook.id, "name": "web", "active": hook.active, "events": hook.events,
        "config": config, "created_at": second(hook.created_at), "updated_at": second(hook.created_at),
        "url": url, "test_url": format!("{url}/test"), "ping_url": format!("{url}/pings"),
        "deliveries_url": format!("{url}/deliveries"),
        "last_response": { "code": null, "status": "unused", "message": null },
    })
}

/// `GET /repos/{owner}/{repo}/hooks`
pub(super) fn hooks(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    Ok(Reply::Page(ctx.repo(id).hooks.iter().map(|hook| show(ctx, id, hook)).collect()))
}

/// `POST /repos/{owner}/{repo}/hooks`
pub(super) fn create_hook(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let config = &ctx.body["config"];
    let missing = || Refusal::invalid("Hook", "url", "url cannot be blank");
    let url = config["url"].as_str().filter(|url| url::Url::parse(url).is_ok()).ok_or_else(missing)?.to_owned();
    let content_type = config["content_type"].as_str().unwrap_or("form").to_owned();
    if content_type != "json" {
        // The sandbox signs and sends JSON only, and does not pretend otherwise.
        return Err(Refusal::invalid(
            "Hook",
            "content_type",
            "the sandbox sends application/json only: ask for \"json\"",
        ));
    }
    let events = ctx.body["events"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut events: Vec<String> = events.map(str::to_owned).collect();
    if events.is_empty() {
        events.push("push".to_owned());
    }
    if ctx.repo(id).hooks.iter().any(|hook| hook.receiver.url == url) {
        return Err(Refusal::invalid("Hook", "url", "Hook already exists on this repository"));
    }
    let secret = config["secret"].as_str().map(str::to_owned);
    let hook = Hook {
        id: ctx.world.github.next_id(),
        receiver: Receiver { url, secret },
        events,
        active: ctx.switch("active").unwrap_or(true),
        content_type,
        created_at: ctx.now,
    };
    let body = show(ctx, id, &hook);
    ctx.repo_mut(id).hooks.push(hook);
    Ok(Reply::created(body))
}

/// `DELETE /repos/{owner}/{repo}/hooks/{hook_id}`
pub(super) fn delete_hook(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let wanted = ctx.id("hook_id")?;
    let hooks = &mut ctx.repo_mut(id).hooks;
    let before = hooks.len();
    hooks.retain(|hook| hook.id != wanted);
    if hooks.len() == before { Err(Refusal::not_found()) } else { Ok(Reply::no_content()) }
}
