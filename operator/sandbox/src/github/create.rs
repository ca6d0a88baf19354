//! How repositories come to be: plain, generated from a template, or forked.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::SignedDuration;
use serde_json::json;

use super::access::{self, Need};
use super::answer::Refusal;
use super::git::{Files, Sha};
use super::push::{Push, push};
use super::repo::{Pending, Repo, Visibility};
use super::rest::{Ctx, Outcome, Reply};
use super::state::AccountKind;
use super::{events, repos, view};
use crate::GithubPlan;

/// `POST /orgs/{org}/repos`
pub(super) fn in_organization(ctx: &mut Ctx<'_>) -> Outcome {
    let owner = ctx.path("org").to_owned();
    let organization = ctx.world.github.account(&owner).filter(|account| account.kind == AccountKind::Organization);
    let owner = organization.ok_or_else(Refusal::not_found)?.login.clone();
    create(ctx, &owner)
}

/// `POST /user/repos`
pub(super) fn of_user(ctx: &mut Ctx<'_>) -> Outcome {
    let token = ctx.token()?;
    if token.kind == crate::TokenKind::Installation {
        return Err(access::lacking(token, Need::write("administration")));
    }
    let owner = token.login.clone();
    create(ctx, &owner)
}

fn create(ctx: &mut Ctx<'_>, owner: &str) -> Outcome {
    demand_owner(ctx, owner)?;
    let name = ctx.text("name").unwrap_or_default().to_owned();
    check_name(&name)?;
    if ctx.world.github.repo_by_name(owner, &name).is_some() {
        return Err(Refusal {
            message: "Repository creation failed.".to_owned(),
            ..Refusal::invalid("Repository", "name", "name already exists on this account")
        });
    }
    let mut repo = fresh(ctx, owner, &name);
    let private = ctx.switch("private").unwrap_or(false);
    repo.visibility = repos::visibility(ctx)?.unwrap_or(visibility_of(private));
    repos::apply_settings(&mut repo, &ctx.body);
    if let Some(properties) = ctx.body["custom_properties"].as_object() {
        repo.properties = properties.clone().into_iter().collect();
    }
    let id = repo.id;
    ctx.world.github.insert(repo);
    announce(ctx, id);
    if ctx.switch("auto_init") == Some(true) {
        let readme = ctx.world.github.objects.put_blob(format!("# {name}\n").as_bytes());
        let files = Files::from([("README.md".to_owned(), ("100644".to_owned(), readme))]);
        let login = ctx.login();
        let sha = ctx.world.github.first_commit(&files, &login, ctx.now);
        push(ctx.world, Push { repository: id, branch: "main", sha: Some(&sha), sender: &login }, ctx.now);
    }
    Ok(Reply::created(view::repo(&ctx.world.github, &ctx.call.base, ctx.repo(id), ctx.actor)))
}

/// `POST /repos/{owner}/{repo}/generate`
pub(super) fn generate(ctx: &mut Ctx<'_>, template: u64) -> Outcome {
    let owner = match ctx.text("owner") {
        Some(owner) => ctx.world.github.account(owner).map(|account| account.login.clone()),
        None => Some(ctx.login()),
    };
    let invalid_owner = || Refusal::invalid_because(["Could not clone: Owner is invalid".to_owned()]);
    let owner = owner.ok_or_else(invalid_owner)?;
    if !ctx.repo(template).switches.is_template {
        let message = format!("Could not clone: {} is not a template repository", ctx.repo(template).full_name());
        return Err(Refusal::unprocessable(message));
    }
    let name = ctx.text("name").unwrap_or_default().to_owned();
    let visibility = visibility_of(ctx.switch("private").unwrap_or(false));
    let description = ctx.text("description").map(str::to_owned);
    let all_branches = ctx.switch("include_all_branches").unwrap_or(false);
    let id = from_template(ctx, &Generated { template, owner, name, visibility, description, all_branches })?;
    Ok(Reply::created(view::repo(&ctx.world.github, &ctx.call.base, ctx.repo(id), ctx.actor)))
}

/// What a repository is generated from and as what.
pub(crate) struct Generated {
    pub(crate) template: u64,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) visibility: Visibility,
    pub(crate) description: Option<String>,
    pub(crate) all_branches: bool,
}

/// Makes a repository whose content arrives later: the template's tree in one commit without history.
pub(crate) fn from_template(ctx: &mut Ctx<'_>, new: &Generated) -> Result<u64, Refusal> {
    demand_owner(ctx, &new.owner)?;
    check_name(&new.name)?;
    if ctx.world.github.repo_by_name(&new.owner, &new.name).is_some() {
        return Err(Refusal::unprocessable("Could not clone: Name already exists on this account"));
    }
    let login = ctx.login();
    let source = ctx.repo(new.template);
    let default = source.default_branch.clone();
    let chosen = |branch: &str| new.all_branches || branch == default;
    let heads: Vec<(String, Sha)> = source
        .branches
        .iter()
        .filter(|(name, _)| chosen(name))
        .map(|(name, sha)| (name.clone(), sha.clone()))
        .collect();
    let mut branches = BTreeMap::new();
    for (branch, head) in heads {
        let github = &mut ctx.world.github;
        let Some(tree) = github.objects.commit(&head).map(|commit| commit.tree.clone()) else { continue };
        let files = github.objects.files(&tree);
        branches.insert(branch, github.first_commit(&files, &login, ctx.now));
    }
    let mut repo = fresh(ctx, &new.owner, &new.name);
    repo.visibility = new.visibility;
    repo.description.clone_from(&new.description);
    repo.template = Some(new.template);
    repo.default_branch = default;
    let delay = ctx.world.settings.latencies.generate_ms;
    Ok(arrive_later(ctx, repo, branches, delay))
}

/// `POST /repos/{owner}/{repo}/forks`
pub(super) fn fork(ctx: &mut Ctx<'_>, source: u64) -> Outcome {
    let owner = match ctx.text("organization") {
        Some(organization) => {
            let account = ctx.world.github.account(organization).ok_or_else(Refusal::not_found)?;
            account.login.clone()
        }
        None => ctx.token()?.login.clone(),
    };
    demand_owner(ctx, &owner)?;
    let original = ctx.repo(source).clone();
    if original.branches.is_empty() {
        return Err(Refusal::forbidden(
            "The repository exists, but it contains no Git content. Empty repositories cannot be forked.",
        ));
    }
    if original.is_private() && !original.switches.allow_forking {
        return Err(Refusal::forbidden("Forking is disabled for this repository."));
    }
    let same_owner = original.owner == owner;
    let existing = ctx.world.github.repos.values().find(|repo| repo.owner == owner && repo.parent == Some(source));
    let wanted = ctx.text("name").map(str::to_owned);
    if let Some(existing) = existing
        && wanted.as_ref().is_none_or(|name| *name == existing.name)
    {
        let body = view::repo(&ctx.world.github, &ctx.call.base, existing, ctx.actor);
        return Ok(Reply::Json(StatusCode::ACCEPTED, body));
    }
    if same_owner && wanted.is_none() {
        return Err(Refusal::forbidden("You cannot fork your own repository."));
    }
    let mut name = wanted.unwrap_or_else(|| original.name.clone());
    check_name(&name)?;
    // As GitHub does when the name is taken by something that is not a fork.
    let stem = name.clone();
    for number in 1.. {
        if ctx.world.github.repo_by_name(&owner, &name).is_none() {
            break;
        }
        name = format!("{stem}-{number}");
    }
    let mut repo = fresh(ctx, &owner, &name);
    repo.visibility = original.visibility;
    repo.description = original.description;
    repo.homepage = original.homepage;
    repo.parent = Some(source);
    repo.switches.has_issues = false;
    repo.default_branch.clone_from(&original.default_branch);
    let only_default = ctx.switch("default_branch_only").unwrap_or(false);
    let mut branches = original.branches;
    branches.retain(|branch, _| !only_default || *branch == original.default_branch);
    let delay = ctx.world.settings.latencies.fork_ms;
    let id = arrive_later(ctx, repo, branches, delay);
    Ok(Reply::Json(StatusCode::ACCEPTED, view::repo(&ctx.world.github, &ctx.call.base, ctx.repo(id), ctx.actor)))
}

fn arrive_later(ctx: &mut Ctx<'_>, mut repo: Repo, branches: BTreeMap<String, Sha>, delay_ms: u64) -> u64 {
    let delay = SignedDuration::from_millis(i64::try_from(delay_ms).unwrap_or(i64::MAX));
    repo.pending = Some(Pending { ready_at: ctx.now + delay, branches, sender: ctx.login() });
    let id = repo.id;
    ctx.world.github.insert(repo);
    announce(ctx, id);
    if delay.is_zero() {
        super::push::tick(ctx.world, ctx.now);
    }
    id
}

fn announce(ctx: &mut Ctx<'_>, id: u64) {
    let login = ctx.login();
    events::emit(ctx.world, id, "repository", &login, json!({ "action": "created" }));
}

fn fresh(ctx: &mut Ctx<'_>, owner: &str, name: &str) -> Repo {
    let id = ctx.world.github.next_id();
    let mut repo = Repo::new(id, owner, name, ctx.now);
    repo.description = ctx.text("description").map(str::to_owned);
    repo
}

fn visibility_of(private: bool) -> Visibility {
    if private { Visibility::Private } else { Visibility::Public }
}

/// The caller may make repositories for this owner.
fn demand_owner(ctx: &Ctx<'_>, owner: &str) -> Result<(), Refusal> {
    let token = ctx.token()?;
    let need = Need::write("administration");
    if !access::reaches_owner(&ctx.world.github, token, owner) || !access::carries(token, need) {
        return Err(match token.kind {
            crate::TokenKind::Classic => Refusal::forbidden(format!(
                "You need admin access to the organization before adding a repository to it. ({owner})"
            )),
            _ => access::lacking(token, need),
        });
    }
    Ok(())
}

/// Up to 100 of `A-Z a-z 0-9 . _ -`, and not `.` or `..`.
pub(super) fn check_name(name: &str) -> Result<(), Refusal> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 100 || name == "." || name == ".." || !name.chars().all(allowed) {
        let message = "name is invalid: only ASCII letters, digits, '.', '-' and '_', at most 100 characters";
        return Err(Refusal::invalid("Repository", "name", message));
    }
    Ok(())
}

/// Whether a feature that private repositories get only from a plan on is missing here.
pub(crate) fn plan_lacks(plan: GithubPlan, repo: &Repo, from: GithubPlan) -> bool {
    let rank = |plan| match plan {
        GithubPlan::Free => 0,
        GithubPlan::Team => 1,
        GithubPlan::Enterprise => 2,
    };
    repo.is_private() && rank(plan) < rank(from)
}
