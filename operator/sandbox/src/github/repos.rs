//! A repository itself: show, list, change, rename, transfer, delete, topics, properties.

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::create::{check_name, plan_lacks};
use super::repo::{Repo, Visibility};
use super::rest::{Ctx, Outcome, Reply};
use super::state::AccountKind;
use super::{access, events, view};
use crate::GithubPlan;

/// `GET /repos/{owner}/{repo}`
pub(super) fn get(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    Ok(Reply::ok(view::repo(&ctx.world.github, &ctx.call.base, ctx.repo(id), ctx.actor)))
}

/// `GET /orgs/{org}/repos`, `GET /users/{username}/repos`
pub(super) fn list(ctx: &mut Ctx<'_>) -> Outcome {
    let state = &ctx.world.github;
    let owner = if ctx.params.contains_key("org") { ctx.path("org") } else { ctx.path("username") };
    let owner = state.account(owner).ok_or_else(Refusal::not_found)?;
    let mine = state.repos.values().filter(|repo| repo.owner == owner.login);
    let seen = mine.filter(|repo| access::can_see(state, ctx.actor, repo));
    Ok(Reply::Page(seen.map(|repo| view::repo_in_list(state, &ctx.call.base, repo, ctx.actor)).collect()))
}

/// `PATCH /repos/{owner}/{repo}`
pub(super) fn update(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let before = ctx.repo(id).clone();
    let mut repo = before.clone();
    if let Some(name) = ctx.text("name") {
        check_name(name)?;
        let other = ctx.world.github.repo_by_name(&repo.owner, name).is_some_and(|other| other.id != id);
        if other {
            return Err(Refusal::invalid("Repository", "name", "name already exists on this account"));
        }
        name.clone_into(&mut repo.name);
    }
    if let Some(branch) = ctx.text("default_branch") {
        if !repo.branches.contains_key(branch) {
            let message = format!(
                "The branch {branch} was not found. Please push that ref first or create it via the Git Data API."
            );
            return Err(Refusal::invalid("Repository", "default_branch", message));
        }
        branch.clone_into(&mut repo.default_branch);
    }
    let private = ctx.switch("private").map(|private| if private { Visibility::Private } else { Visibility::Public });
    if let Some(visibility) = visibility(ctx)?.or(private) {
        if repo.parent.is_some() && visibility != repo.visibility {
            return Err(Refusal::unprocessable("Changing the visibility of a fork is not possible."));
        }
        repo.visibility = visibility;
    }
    apply_settings(&mut repo, &ctx.body);
    apply_security(&mut repo, &ctx.body["security_and_analysis"], ctx.world.settings.github_plan)?;
    let (switches, archived) = (&repo.switches, repo.archived);
    if !switches.allow_merge_commit && !switches.allow_squash_merge && !switches.allow_rebase_merge {
        let message = "Sorry, you need to allow at least one merge strategy. (no_merge_method)";
        return Err(Refusal::invalid("Repository", "merge_commit_allowed", message));
    }
    if archived {
        // GitHub switches alerts off when a repository becomes read-only.
        repo.alerts = false;
    }
    repo.updated_at = ctx.now;
    let (owner, name) = (repo.owner.clone(), repo.name.clone());
    let renamed = name != before.name;
    before.name.clone_into(&mut repo.name);
    *ctx.repo_mut(id) = repo;
    if renamed {
        ctx.world.github.rename(id, &owner, &name);
    }
    tell(ctx, &before);
    get(ctx, id)
}

/// Sends the events that a change causes.
fn tell(ctx: &mut Ctx<'_>, before: &Repo) {
    let login = ctx.login();
    let after = ctx.repo(before.id).clone();
    let mut send = |fields: Value| events::emit(ctx.world, before.id, "repository", &login, fields);
    if after.name != before.name {
        send(json!({ "action": "renamed", "changes": { "repository": { "name": { "from": before.name } } } }));
    }
    if after.archived != before.archived {
        send(json!({ "action": if after.archived { "archived" } else { "unarchived" } }));
    }
    if after.visibility != before.visibility {
        send(json!({ "action": if after.is_private() { "privatized" } else { "publicized" } }));
    }
    let mut changes = serde_json::Map::new();
    if after.description != before.description {
        changes.insert("description".to_owned(), json!({ "from": before.description }));
    }
    if after.homepage != before.homepage {
        changes.insert("homepage".to_owned(), json!({ "from": before.homepage }));
    }
    if after.default_branch != before.default_branch {
        changes.insert("default_branch".to_owned(), json!({ "from": before.default_branch }));
    }
    if after.topics != before.topics {
        changes.insert("topics".to_owned(), json!({ "from": before.topics }));
    }
    if !changes.is_empty() {
        send(json!({ "action": "edited", "changes": changes }));
    }
}

/// The visibility that the body asks for.
pub(super) fn visibility(ctx: &Ctx<'_>) -> Result<Option<Visibility>, Refusal> {
    match ctx.text("visibility") {
        None => Ok(None),
        Some("public") => Ok(Some(Visibility::Public)),
        Some("private") => Ok(Some(Visibility::Private)),
        Some(other) => Err(Refusal::invalid("Repository", "visibility", format!("Visibility {other} is not allowed"))),
    }
}

/// What needs no check: texts and switches.
pub(super) fn apply_settings(repo: &mut Repo, body: &Value) {
    let text = |name: &str, target: &mut Option<String>| match &body[name] {
        Value::String(text) => *target = Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Null if body.get(name).is_some() => *target = None,
        _ => {}
    };
    text("description", &mut repo.description);
    text("homepage", &mut repo.homepage);
    if let Some(archived) = body["archived"].as_bool() {
        repo.archived = archived;
    }
    let mut switches = json!(repo.switches);
    for (name, value) in switches.as_object_mut().into_iter().flatten() {
        if body[name].is_boolean() {
            value.clone_from(&body[name]);
        }
    }
    // Only booleans were put in, under names that were there.
    if let Ok(switches) = serde_json::from_value(switches) {
        repo.switches = switches;
    }
}

fn apply_security(repo: &mut Repo, asked: &Value, plan: GithubPlan) -> Result<(), Refusal> {
    for (name, value) in asked.as_object().into_iter().flatten() {
        let on = match value["status"].as_str() {
            Some("enabled") => true,
            Some("disabled") => false,
            _ => return Err(Refusal::unprocessable(format!("Invalid status for {name}: {}", value["status"]))),
        };
        if on && plan_lacks(plan, repo, GithubPlan::Enterprise) {
            let feature = name.replace('_', " ");
            return Err(Refusal::unprocessable(format!(
                "Advanced security must be purchased to enable {feature} on this repository."
            )));
        }
        if on && name == "secret_scanning_push_protection" {
            let scanning = asked["secret_scanning"]["status"] == "enabled"
                || (asked["secret_scanning"].is_null() && repo.security.get("secret_scanning") == Some(&true));
            if !scanning {
                return Err(Refusal::unprocessable("Secret scanning must be enabled to use push protection."));
            }
        }
        repo.security.insert(name.clone(), on);
    }
    Ok(())
}

/// `DELETE /repos/{owner}/{repo}`
pub(super) fn delete(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let token = ctx.token()?;
    if token.kind == crate::TokenKind::Classic && !token.scopes.iter().any(|scope| scope == "delete_repo") {
        return Err(Refusal::forbidden("Must have admin rights to Repository."));
    }
    let login = ctx.login();
    if let Some(repo) = ctx.world.github.remove(id) {
        events::emit_of(ctx.world, &repo, "repository", &login, json!({ "action": "deleted" }));
    }
    Ok(Reply::no_content())
}

/// `POST /repos/{owner}/{repo}/transfer`
pub(super) fn transfer(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let owner = ctx.text("new_owner").unwrap_or_default().to_owned();
    let state = &ctx.world.github;
    let account = state.account(&owner).ok_or_else(|| Refusal::unprocessable("Invalid new_owner"))?;
    let (owner, before) = (account.login.clone(), ctx.repo(id).clone());
    let name = ctx.text("new_name").unwrap_or(&before.name).to_owned();
    check_name(&name)?;
    if state.repo_by_name(&owner, &name).is_some() {
        return Err(Refusal::unprocessable(format!(
            "Repositories cannot be transferred: {name} already exists on {owner}"
        )));
    }
    let login = ctx.login();
    ctx.world.github.rename(id, &owner, &name);
    let organization = account_kind(ctx, &before.owner) == Some(AccountKind::Organization);
    let from = json!({ if organization { "organization" } else { "user" }: view::login(&ctx.world.github, &ctx.call.base, &before.owner) });
    let fields = json!({ "action": "transferred", "changes": { "owner": { "from": from } } });
    events::emit(ctx.world, id, "repository", &login, fields);
    let body = view::repo_in_list(&ctx.world.github, &ctx.call.base, ctx.repo(id), ctx.actor);
    Ok(Reply::Json(StatusCode::ACCEPTED, body))
}

fn account_kind(ctx: &Ctx<'_>, login: &str) -> Option<AccountKind> {
    ctx.world.github.account(login).map(|account| account.kind)
}

/// `GET /repos/{owner}/{repo}/topics`
pub(super) fn topics(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    Ok(Reply::ok(json!({ "names": ctx.repo(id).topics })))
}

/// `PUT /repos/{owner}/{repo}/topics`
pub(super) fn replace_topics(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let names = ctx.body["names"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut topics: Vec<String> = names.map(str::to_lowercase).collect();
    topics.sort();
    topics.dedup();
    let fine = |topic: &String| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=50).contains(&topic.len()) && topic.chars().all(inner) && !topic.starts_with('-')
    };
    if !topics.iter().all(fine) {
        let message = "Topics must start with a lowercase letter or number, consist of 50 characters or less, and can include hyphens.";
        return Err(Refusal::invalid_because([message.to_owned()]));
    }
    if topics.len() > 20 {
        return Err(Refusal::invalid_because(["A repository cannot have more than 20 topics.".to_owned()]));
    }
    let (before, now) = (ctx.repo(id).clone(), ctx.now);
    let repo = ctx.repo_mut(id);
    repo.topics = topics;
    repo.updated_at = now;
    tell(ctx, &before);
    self::topics(ctx, id)
}

/// `GET /repos/{owner}/{repo}/properties/values`
pub(super) fn properties(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let values = ctx.repo(id).properties.iter();
    let values: Vec<_> = values.map(|(name, value)| json!({ "property_name": name, "value": value })).collect();
    Ok(Reply::ok(values.into()))
}

/// `PATCH /repos/{owner}/{repo}/properties/values`
pub(super) fn set_properties(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    for property in ctx.body["properties"].as_array().cloned().unwrap_or_default() {
        let name = property["property_name"].as_str().unwrap_or_default().to_owned();
        let properties = &mut ctx.repo_mut(id).properties;
        if property["value"].is_null() {
            properties.remove(&name);
        } else {
            properties.insert(name, property["value"].clone());
        }
    }
    Ok(Reply::no_content())
}
