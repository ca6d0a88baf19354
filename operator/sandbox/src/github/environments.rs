//! Environments of a repository, their protection and branch policies.

use http::StatusCode;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::create::plan_lacks;
use super::node_id;
use super::repo::{BranchPolicy, Environment, Settings};
use super::rest::{Ctx, Outcome, Reply};
use super::{teams, view};
use crate::GithubPlan;

fn show(ctx: &Ctx<'_>, id: u64, environment: &Environment) -> Value {
    let full_name = ctx.repo(id).full_name();
    json!({
        "id": environment.id,
        "node_id": node_id("EN", environment.id),
        "name": environment.name,
        "url": format!("{}/github/repos/{full_name}/environments/{}", ctx.call.base, environment.name),
        "html_url": format!("https://github.com/{full_name}/deployments/activity_log?environments_filter={}", environment.name),
        "created_at": view::second(environment.created_at),
        "updated_at": view::second(environment.updated_at),
        "protection_rules": protection(ctx, environment),
        "deployment_branch_policy": environment.deployment_branch_policy,
    })
}

fn protection(ctx: &Ctx<'_>, environment: &Environment) -> Vec<Value> {
    let mut rules = Vec::new();
    let mut add = |offset: u64, fields: Value| {
        let mut rule = fields;
        rule["id"] = (environment.id + offset).into();
        rule["node_id"] = node_id("GA", environment.id + offset).into();
        rules.push(rule);
    };
    if environment.wait_timer > 0 {
        add(1, json!({ "type": "wait_timer", "wait_timer": environment.wait_timer }));
    }
    if !environment.reviewers.is_empty() {
        let state = &ctx.world.github;
        let reviewer = |reviewer: &Value| {
            let id = reviewer["id"].as_u64().unwrap_or_default();
            let shown = if reviewer["type"] == "Team" {
                teams::organization_of(state, id).map(|organization| teams::show(ctx, organization))
            } else {
                let account = state.accounts.values().find(|account| account.id == id);
                account.map(|account| view::account(&ctx.call.base, account))
            };
            json!({ "type": reviewer["type"], "reviewer": shown })
        };
        let reviewers: Vec<_> = environment.reviewers.iter().map(reviewer).collect();
        let own = environment.prevent_self_review;
        add(2, json!({ "type": "required_reviewers", "prevent_self_review": own, "reviewers": reviewers }));
    }
    if !environment.deployment_branch_policy.is_null() {
        add(3, json!({ "type": "branch_policy" }));
    }
    rules
}

fn find<'a>(ctx: &'a Ctx<'_>, id: u64) -> Result<&'a Environment, Refusal> {
    let wanted = ctx.path("environment_name");
    ctx.repo(id).environments.iter().find(|one| one.name.eq_ignore_ascii_case(wanted)).ok_or_else(Refusal::not_found)
}

fn find_mut<'a>(ctx: &'a mut Ctx<'_>, id: u64) -> Result<&'a mut Environment, Refusal> {
    let wanted = ctx.path("environment_name").to_owned();
    let mut all = ctx.repo_mut(id).environments.iter_mut();
    all.find(|one| one.name.eq_ignore_ascii_case(&wanted)).ok_or_else(Refusal::not_found)
}

/// The environment of that name, as the API shows it.
pub(super) fn named(ctx: &Ctx<'_>, id: u64, name: &str) -> Option<Value> {
    let found = ctx.repo(id).environments.iter().find(|one| one.name.eq_ignore_ascii_case(name));
    found.map(|environment| show(ctx, id, environment))
}

/// Where the secrets and variables of the call are kept: the environment's when the path names one.
pub(super) fn settings<'a>(ctx: &'a Ctx<'_>, id: u64) -> Result<&'a Settings, Refusal> {
    if ctx.params.contains_key("environment_name") {
        return Ok(&find(ctx, id)?.settings);
    }
    Ok(&ctx.repo(id).settings)
}

/// As [`settings`], to be changed.
pub(super) fn settings_mut<'a>(ctx: &'a mut Ctx<'_>, id: u64) -> Result<&'a mut Settings, Refusal> {
    if ctx.params.contains_key("environment_name") {
        return Ok(&mut find_mut(ctx, id)?.settings);
    }
    Ok(&mut ctx.repo_mut(id).settings)
}

/// `GET /repos/{owner}/{repo}/environments`
pub(super) fn list(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let all = ctx.repo(id).environments.iter();
    Ok(Reply::PageIn("environments", all.map(|environment| show(ctx, id, environment)).collect()))
}

/// `GET /repos/{owner}/{repo}/environments/{environment_name}`
pub(super) fn get(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    Ok(Reply::ok(show(ctx, id, find(ctx, id)?)))
}

/// `PUT /repos/{owner}/{repo}/environments/{environment_name}`: what the body leaves out is reset.
pub(super) fn put(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let name = ctx.path("environment_name").to_owned();
    if name.is_empty() || name.len() > 255 || name.contains(['\'', '"', '`', ',', ';', '\\']) {
        return Err(Refusal::unprocessable("Environment name is invalid"));
    }
    let wait_timer = ctx.body["wait_timer"].as_u64().unwrap_or(0);
    if wait_timer > 43_200 || ctx.body["wait_timer"].as_i64().is_some_and(i64::is_negative) {
        return Err(Refusal::unprocessable("Validation Failed: wait_timer must be between 0 and 43200"));
    }
    let reviewers = ctx.body["reviewers"].as_array().cloned().unwrap_or_default();
    let policy = ctx.body["deployment_branch_policy"].clone();
    check(ctx, id, wait_timer, &reviewers, &policy)?;
    let prevent_self_review = ctx.switch("prevent_self_review").unwrap_or(false);
    let now = ctx.now;
    if find(ctx, id).is_err() {
        let environment = Environment {
            id: ctx.world.github.next_id(),
            name,
            wait_timer: 0,
            prevent_self_review: false,
            reviewers: Vec::new(),
            deployment_branch_policy: Value::Null,
            policies: Vec::new(),
            settings: Settings::default(),
            created_at: now,
            updated_at: now,
        };
        ctx.repo_mut(id).environments.push(environment);
    }
    let environment = find_mut(ctx, id)?;
    environment.wait_timer = wait_timer;
    environment.reviewers = reviewers;
    environment.prevent_self_review = prevent_self_review;
    environment.updated_at = now;
    if policy["custom_branch_policies"] != true {
        environment.policies.clear();
    }
    environment.deployment_branch_policy = policy;
    get(ctx, id)
}

fn check(ctx: &Ctx<'_>, id: u64, wait_timer: u64, reviewers: &[Value], policy: &Value) -> Result<(), Refusal> {
    let (plan, repo) = (ctx.world.settings.github_plan, ctx.repo(id));
    let lacks = |rule: &str, from| {
        let message = format!(
            "Failed to create the environment protection rule. Please ensure the billing plan supports the {rule} protection rule."
        );
        if plan_lacks(plan, repo, from) { Err(Refusal::unprocessable(message)) } else { Ok(()) }
    };
    if wait_timer > 0 {
        lacks("wait timer", GithubPlan::Enterprise)?;
    }
    if !reviewers.is_empty() {
        lacks("required reviewers", GithubPlan::Enterprise)?;
    }
    if !policy.is_null() {
        lacks("branch policy", GithubPlan::Team)?;
        if policy["protected_branches"] == policy["custom_branch_policies"] {
            let message = "protected_branches and custom_branch_policies cannot have the same value";
            return Err(Refusal::unprocessable(message));
        }
    }
    if reviewers.len() > 6 {
        return Err(Refusal::unprocessable("Validation Failed: at most 6 reviewers"));
    }
    let state = &ctx.world.github;
    let known = |reviewer: &Value| {
        let id = reviewer["id"].as_u64().unwrap_or_default();
        if reviewer["type"] == "Team" {
            return teams::organization_of(state, id).is_some_and(|owner| owner.login == repo.owner);
        }
        state.accounts.values().any(|account| account.id == id && account.kind == super::AccountKind::User)
    };
    match reviewers.iter().find(|reviewer| !known(reviewer)) {
        Some(unknown) => {
            Err(Refusal::unprocessable(format!("Validation Failed: could not find reviewer {}", unknown["id"])))
        }
        None => Ok(()),
    }
}

/// `DELETE /repos/{owner}/{repo}/environments/{environment_name}`
pub(super) fn delete(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let gone = find(ctx, id)?.id;
    ctx.repo_mut(id).environments.retain(|environment| environment.id != gone);
    Ok(Reply::no_content())
}

fn show_policy(policy: &BranchPolicy) -> Value {
    json!({ "id": policy.id, "node_id": node_id("GAP", policy.id), "name": policy.name, "type": policy.kind })
}

/// `GET …/deployment-branch-policies`
pub(super) fn policies(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    Ok(Reply::PageIn("branch_policies", find(ctx, id)?.policies.iter().map(show_policy).collect()))
}

/// `POST …/deployment-branch-policies`
pub(super) fn create_policy(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let name = ctx.text("name").unwrap_or_default().to_owned();
    let kind = ctx.text("type").unwrap_or("branch").to_owned();
    let policy_id = ctx.world.github.next_id();
    let location = format!("{}/github{}", ctx.call.base, ctx.call.path);
    let environment = find_mut(ctx, id)?;
    if environment.deployment_branch_policy["custom_branch_policies"] != true {
        return Err(Refusal::not_found());
    }
    if let Some(same) = environment.policies.iter().find(|policy| policy.name == name && policy.kind == kind) {
        return Ok(Reply::Redirect(StatusCode::SEE_OTHER, format!("{location}/{}", same.id)));
    }
    let policy = BranchPolicy { id: policy_id, name, kind };
    let body = show_policy(&policy);
    environment.policies.push(policy);
    Ok(Reply::ok(body))
}

/// `GET …/deployment-branch-policies/{branch_policy_id}`
pub(super) fn policy(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let wanted = ctx.id("branch_policy_id")?;
    let policy = find(ctx, id)?.policies.iter().find(|policy| policy.id == wanted);
    policy.map(|policy| Reply::ok(show_policy(policy))).ok_or_else(Refusal::not_found)
}

/// `DELETE …/deployment-branch-policies/{branch_policy_id}`
pub(super) fn delete_policy(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let wanted = ctx.id("branch_policy_id")?;
    let policies = &mut find_mut(ctx, id)?.policies;
    let before = policies.len();
    policies.retain(|policy| policy.id != wanted);
    if policies.len() == before { Err(Refusal::not_found()) } else { Ok(Reply::no_content()) }
}
