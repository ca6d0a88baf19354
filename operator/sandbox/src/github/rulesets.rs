//! Rulesets of a repository.

use serde_json::{Value, json};

use super::access::{self, Need};
use super::answer::Refusal;
use super::create::plan_lacks;
use super::node_id;
use super::repo::Ruleset;
use super::rest::{Ctx, Outcome, Reply};
use crate::GithubPlan;

/// What GitHub says where the plan lacks a feature.
pub(crate) const UPGRADE: &str = "Upgrade to GitHub Pro or make this repository public to enable this feature.";

/// Private repositories have rulesets from the Team plan on.
fn demand_plan(ctx: &Ctx<'_>, id: u64) -> Result<(), Refusal> {
    if plan_lacks(ctx.world.settings.github_plan, ctx.repo(id), GithubPlan::Team) {
        return Err(Refusal::forbidden(UPGRADE));
    }
    Ok(())
}

fn short(ctx: &Ctx<'_>, id: u64, set: &Ruleset) -> Value {
    let full_name = ctx.repo(id).full_name();
    json!({
        "id": set.id,
        "node_id": node_id("RRS", set.id),
        "name": set.name,
        "target": set.target,
        "source_type": "Repository",
        "source": full_name,
        "enforcement": set.enforcement,
        "created_at": set.created_at,
        "updated_at": set.updated_at,
        "_links": {
            "self": { "href": format!("{}/github/repos/{full_name}/rulesets/{}", ctx.call.base, set.id) },
            "html": { "href": format!("https://github.com/{full_name}/rules/{}", set.id) },
        },
    })
}

fn whole(ctx: &Ctx<'_>, id: u64, set: &Ruleset) -> Value {
    let mut value = short(ctx, id, set);
    value["conditions"] = set.conditions.clone();
    value["rules"] = set.rules.clone().into();
    let need = Need::write("administration");
    if access::demand(&ctx.world.github, ctx.actor, ctx.repo(id), need).is_ok() {
        value["bypass_actors"] = set.bypass_actors.clone().into();
        value["current_user_can_bypass"] = "never".into();
    }
    value
}

/// `GET /repos/{owner}/{repo}/rulesets`
pub(super) fn list(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_plan(ctx, id)?;
    Ok(Reply::Page(ctx.repo(id).rulesets.iter().map(|set| short(ctx, id, set)).collect()))
}

fn find<'a>(ctx: &'a Ctx<'_>, id: u64) -> Result<&'a Ruleset, Refusal> {
    let wanted = ctx.id("ruleset_id")?;
    ctx.repo(id).rulesets.iter().find(|set| set.id == wanted).ok_or_else(Refusal::not_found)
}

/// `GET /repos/{owner}/{repo}/rulesets/{ruleset_id}`
pub(super) fn get(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_plan(ctx, id)?;
    Ok(Reply::ok(whole(ctx, id, find(ctx, id)?)))
}

/// `POST /repos/{owner}/{repo}/rulesets`
pub(super) fn create(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_plan(ctx, id)?;
    let blank = Ruleset {
        id: ctx.world.github.next_id(),
        name: String::new(),
        target: "branch".to_owned(),
        enforcement: "disabled".to_owned(),
        conditions: json!({ "ref_name": { "include": [], "exclude": [] } }),
        rules: Vec::new(),
        bypass_actors: Vec::new(),
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    let set = filled(ctx, id, blank)?;
    let body = whole(ctx, id, &set);
    ctx.repo_mut(id).rulesets.push(set);
    tell(ctx, id, "created", &body);
    Ok(Reply::created(body))
}

/// `PUT /repos/{owner}/{repo}/rulesets/{ruleset_id}`
pub(super) fn update(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_plan(ctx, id)?;
    let old = find(ctx, id)?.clone();
    let set = filled(ctx, id, Ruleset { updated_at: ctx.now, ..old })?;
    let body = whole(ctx, id, &set);
    if let Some(place) = ctx.repo_mut(id).rulesets.iter_mut().find(|other| other.id == set.id) {
        *place = set;
    }
    tell(ctx, id, "edited", &body);
    Ok(Reply::ok(body))
}

/// `DELETE /repos/{owner}/{repo}/rulesets/{ruleset_id}`
pub(super) fn delete(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_plan(ctx, id)?;
    let set = find(ctx, id)?.clone();
    let body = whole(ctx, id, &set);
    ctx.repo_mut(id).rulesets.retain(|other| other.id != set.id);
    tell(ctx, id, "deleted", &body);
    Ok(Reply::no_content())
}

fn tell(ctx: &mut Ctx<'_>, id: u64, action: &str, ruleset: &Value) {
    let login = ctx.login();
    let fields = json!({ "action": action, "repository_ruleset": ruleset });
    super::events::emit(ctx.world, id, "repository_ruleset", &login, fields);
}

/// The ruleset with what the body says put over it.
fn filled(ctx: &Ctx<'_>, id: u64, mut set: Ruleset) -> Result<Ruleset, Refusal> {
    let text = |name: &str, field: &mut String| {
        if let Some(value) = ctx.text(name) {
            value.clone_into(field);
        }
    };
    text("name", &mut set.name);
    text("target", &mut set.target);
    text("enforcement", &mut set.enforcement);
    if set.name.is_empty() {
        return Err(Refusal::invalid_because(["Name can't be blank".to_owned()]));
    }
    if set.enforcement == "evaluate" && ctx.world.settings.github_plan != GithubPlan::Enterprise {
        return Err(Refusal::invalid_because([
            "Enforcement evaluate is only available with GitHub Enterprise".to_owned()
        ]));
    }
    if set.target == "push" && !ctx.repo(id).is_private() {
        return Err(Refusal::invalid_because(["Target push is only available for private repositories".to_owned()]));
    }
    if let Some(lists) = ctx.body["conditions"]["ref_name"].as_object() {
        let list = |name: &str| lists.get(name).cloned().unwrap_or_else(|| json!([]));
        set.conditions = json!({ "ref_name": { "include": list("include"), "exclude": list("exclude") } });
        check_patterns(&set.conditions["ref_name"])?;
    }
    if let Some(rules) = ctx.body["rules"].as_array() {
        set.rules.clone_from(rules);
        let mut kinds: Vec<_> = rules.iter().filter_map(|rule| rule["type"].as_str()).collect();
        kinds.sort_unstable();
        if let Some([twice, _]) = kinds.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Refusal::invalid_because([format!("Invalid rules: duplicate rule '{twice}'")]));
        }
        set.rules.iter_mut().try_for_each(complete)?;
    }
    if let Some(actors) = ctx.body["bypass_actors"].as_array() {
        set.bypass_actors.clone_from(actors);
        for actor in &mut set.bypass_actors {
            if actor.get("bypass_mode").is_none() {
                actor["bypass_mode"] = "always".into();
            }
            check_actor(ctx, actor)?;
        }
    }
    Ok(set)
}

fn check_patterns(lists: &Value) -> Result<(), Refusal> {
    let all = ["include", "exclude"].into_iter().flat_map(|list| lists[list].as_array().into_iter().flatten());
    for pattern in all.filter_map(Value::as_str) {
        if !matches!(pattern, "~ALL" | "~DEFAULT_BRANCH") && !pattern.starts_with("refs/") {
            return Err(Refusal::invalid_because([format!("Invalid target patterns: '{pattern}'")]));
        }
    }
    Ok(())
}

/// Fills in what GitHub answers for parameters that were left out.
fn complete(rule: &mut Value) -> Result<(), Refusal> {
    let kind = rule["type"].as_str().unwrap_or_default().to_owned();
    let missing = || Refusal::invalid_because([format!("Invalid rule '{kind}': parameters must be supplied")]);
    match kind.as_str() {
        "pull_request" => {
            let parameters = rule["parameters"].as_object_mut().ok_or_else(missing)?;
            let count = parameters.get("required_approving_review_count").and_then(Value::as_u64);
            if count.is_none_or(|count| count > 10) {
                let message = "Invalid rule 'pull_request': required_approving_review_count must be between 0 and 10";
                return Err(Refusal::invalid_because([message.to_owned()]));
            }
            parameters.entry("allowed_merge_methods").or_insert_with(|| json!(["merge", "squash", "rebase"]));
        }
        "required_status_checks" => {
            let parameters = rule["parameters"].as_object_mut().ok_or_else(missing)?;
            parameters.entry("do_not_enforce_on_create").or_insert(false.into());
        }
        _ => {}
    }
    Ok(())
}

fn check_actor(ctx: &Ctx<'_>, actor: &Value) -> Result<(), Refusal> {
    let id = actor["actor_id"].as_u64();
    let known = match actor["actor_type"].as_str().unwrap_or_default() {
        "OrganizationAdmin" | "DeployKey" => true,
        // Read, triage, write, maintain, admin.
        "RepositoryRole" => id.is_some_and(|id| (1..=5).contains(&id)),
        "Integration" => id == Some(ctx.world.github.app.id),
        "User" => ctx.world.github.accounts.values().any(|account| Some(account.id) == id),
        _ => false,
    };
    if known {
        return Ok(());
    }
    let message = match actor["actor_type"].as_str() {
        Some("Integration") => "Actor GitHub App must be installed on the repository owner".to_owned(),
        kind => format!("Actor {} does not exist", kind.unwrap_or_default()),
    };
    Err(Refusal::invalid_because([message]))
}
