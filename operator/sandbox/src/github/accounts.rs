//! What is not about one repository: the root, accounts, rate limits, and the App with its installations.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::access::{self, Need};
use super::answer::Refusal;
use super::gate;
use super::rest::{Ctx, Outcome, Reply};
use super::state::{Account, AccountKind};
use super::view;
use crate::requests::Provider;
use crate::tokens::{Access, Actor, Token, TokenKind};

/// What the root links to: name → path, from the published description.
const ROOT: [(&str, &str); 31] = [
    ("current_user_url", "/user"),
    ("current_user_authorizations_html_url", "https://github.com/settings/connections/applications{/client_id}"),
    ("authorizations_url", "/authorizations"),
    ("code_search_url", "/search/code?q={query}{&page,per_page,sort,order}"),
    ("commit_search_url", "/search/commits?q={query}{&page,per_page,sort,order}"),
    ("emails_url", "/user/emails"),
    ("emojis_url", "/emojis"),
    ("events_url", "/events"),
    ("feeds_url", "/feeds"),
    ("followers_url", "/user/followers"),
    ("following_url", "/user/following{/target}"),
    ("gists_url", "/gists{/gist_id}"),
    ("issue_search_url", "/search/issues?q={query}{&page,per_page,sort,order}"),
    ("issues_url", "/issues"),
    ("keys_url", "/user/keys"),
    ("label_search_url", "/search/labels?q={query}&repository_id={repository_id}{&page,per_page}"),
    ("notifications_url", "/notifications"),
    ("organization_url", "/orgs/{org}"),
    ("organization_repositories_url", "/orgs/{org}/repos{?type,page,per_page,sort}"),
    ("organization_teams_url", "/orgs/{org}/teams"),
    ("public_gists_url", "/gists/public"),
    ("rate_limit_url", "/rate_limit"),
    ("repository_url", "/repos/{owner}/{repo}"),
    ("repository_search_url", "/search/repositories?q={query}{&page,per_page,sort,order}"),
    ("current_user_repositories_url", "/user/repos{?type,page,per_page,sort}"),
    ("starred_url", "/user/starred{/owner}{/repo}"),
    ("starred_gists_url", "/gists/starred"),
    ("user_url", "/users/{user}"),
    ("user_organizations_url", "/user/orgs"),
    ("user_repositories_url", "/users/{user}/repos{?type,page,per_page,sort}"),
    ("user_search_url", "/search/users?q={query}{&page,per_page,sort,order}"),
];

/// `GET /`
pub(super) fn root(ctx: &mut Ctx<'_>) -> Outcome {
    let link =
        |(name, path): &(&str, &str)| ((*name).to_owned(), Value::from(format!("{}/github{path}", ctx.call.base)));
    Ok(Reply::ok(Value::Object(ROOT.iter().map(link).collect())))
}

/// `GET /meta`
pub(super) fn meta(_: &mut Ctx<'_>) -> Outcome {
    Ok(Reply::ok(
        json!({ "verifiable_password_authentication": false, "hooks": ["127.0.0.0/8"], "api": ["127.0.0.0/8"] }),
    ))
}

/// `GET /rate_limit`, which costs nothing.
pub(super) fn rate_limit(ctx: &mut Ctx<'_>) -> Outcome {
    let show = |resource: &str, rule| {
        let quota = ctx.world.buckets.peek(&gate::primary_key(resource, ctx.actor), rule, ctx.now);
        json!({ "limit": quota.limit, "used": quota.used, "remaining": quota.remaining(), "reset": quota.reset.as_second() })
    };
    let (core, graphql) = (show("core", gate::CORE), show("graphql", gate::GRAPHQL));
    Ok(Reply::ok(
        json!({ "resources": { "core": core, "graphql": graphql, "search": show("search", gate::SEARCH) }, "rate": core }),
    ))
}

/// `GET /user`
pub(super) fn user(ctx: &mut Ctx<'_>) -> Outcome {
    let token = ctx.token()?;
    if token.kind == TokenKind::Installation {
        return Err(Refusal::forbidden("Resource not accessible by integration"));
    }
    let login = token.login.clone();
    profile(ctx, &login)
}

/// `GET /users/{username}`
pub(super) fn user_by_name(ctx: &mut Ctx<'_>) -> Outcome {
    let login = ctx.path("username").to_owned();
    profile(ctx, &login)
}

fn profile(ctx: &Ctx<'_>, login: &str) -> Outcome {
    let account = ctx.world.github.account(login).ok_or_else(Refusal::not_found)?;
    let mut body = view::account(&ctx.call.base, account);
    let since = "2020-01-01T00:00:00Z";
    let more = json!({
        "name": account.login, "company": null, "blog": "", "location": null, "email": null, "hireable": null, "bio": null,
        "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0, "created_at": since, "updated_at": since,
    });
    view::extend(&mut body, more);
    Ok(Reply::ok(body))
}

/// `GET /orgs/{org}`
pub(super) fn organization(ctx: &mut Ctx<'_>) -> Outcome {
    let state = &ctx.world.github;
    let account = state.account(ctx.path("org")).filter(|account| account.kind == AccountKind::Organization);
    let account = account.ok_or_else(Refusal::not_found)?;
    let mut body = show_organization(ctx, account);
    if ctx.actor.token().is_some_and(|token| access::reaches_owner(state, token, &account.login)) {
        let plan = serde_json::to_value(ctx.world.settings.github_plan).unwrap_or_default();
        body["plan"] =
            json!({ "name": plan, "space": 976_562_499, "private_repos": 999_999, "filled_seats": 1, "seats": 10 });
    }
    Ok(Reply::ok(body))
}

/// An organization as everybody sees it.
pub(super) fn show_organization(ctx: &Ctx<'_>, account: &Account) -> Value {
    let url = format!("{}/github/orgs/{}", ctx.call.base, account.login);
    let since = "2020-01-01T00:00:00Z";
    json!({
        "login": account.login, "id": account.id, "node_id": view::account_node_id(account), "url": url,
        "repos_url": format!("{url}/repos"), "events_url": format!("{url}/events"), "hooks_url": format!("{url}/hooks"),
        "issues_url": format!("{url}/issues"), "members_url": format!("{url}/members{{/member}}"),
        "public_members_url": format!("{url}/public_members{{/member}}"), "avatar_url": view::account(&ctx.call.base, account)["avatar_url"],
        "description": null, "name": account.login, "html_url": format!("https://github.com/{}", account.login),
        "has_organization_projects": true, "has_repository_projects": true, "public_repos": 0, "public_gists": 0,
        "followers": 0, "following": 0, "created_at": since, "updated_at": since, "archived_at": null, "type": "Organization",
    })
}

fn demand_app(ctx: &Ctx<'_>) -> Result<(), Refusal> {
    match ctx.actor {
        Actor::App { .. } => Ok(()),
        _ => Err(Refusal::new(http::StatusCode::UNAUTHORIZED, "A JSON web token could not be decoded")),
    }
}

/// All that the App was given when it was installed.
const APP_PERMISSIONS: [&str; 12] = [
    "actions",
    "administration",
    "checks",
    "contents",
    "deployments",
    "environments",
    "pull_requests",
    "repository_custom_properties",
    "secrets",
    "variables",
    "vulnerability_alerts",
    "workflows",
];

fn app_permissions() -> BTreeMap<String, Access> {
    let mut all: BTreeMap<_, _> = APP_PERMISSIONS.iter().map(|name| ((*name).to_owned(), Access::Write)).collect();
    all.insert("metadata".to_owned(), Access::Read);
    all.insert("members".to_owned(), Access::Read);
    all.insert("repository_hooks".to_owned(), Access::Write);
    all
}

/// `GET /app`
pub(super) fn app(ctx: &mut Ctx<'_>) -> Outcome {
    demand_app(ctx)?;
    let mut body = show_app(ctx, ctx.world.github.app.id);
    body["installations_count"] = 1.into();
    Ok(Reply::ok(body))
}

/// The installed App, or GitHub Actions.
pub(super) fn show_app(ctx: &Ctx<'_>, id: u64) -> Value {
    let ours = id == ctx.world.github.app.id;
    let slug = if ours { "forkable" } else { "github-actions" };
    let since = "2024-01-01T00:00:00Z";
    json!({
        "id": id, "slug": slug, "node_id": super::node_id("A", id), "client_id": "Iv1.sandbox",
        "owner": view::login(&ctx.world.github, &ctx.call.base, if ours { "acme-inc" } else { "github" }),
        "name": if ours { "forkable" } else { "GitHub Actions" }, "description": null,
        "external_url": format!("https://github.com/apps/{slug}"), "html_url": format!("https://github.com/apps/{slug}"),
        "created_at": since, "updated_at": since, "permissions": app_permissions(), "events": ["push", "repository"],
    })
}

fn installation(ctx: &Ctx<'_>, owner: &str) -> Value {
    let (state, base) = (&ctx.world.github, &ctx.call.base);
    let id = state.app.installation;
    let since = "2024-01-01T00:00:00Z";
    json!({
        "id": id, "account": view::login(state, base, owner), "repository_selection": "all",
        "access_tokens_url": format!("{base}/github/app/installations/{id}/access_tokens"),
        "repositories_url": format!("{base}/github/installation/repositories"),
        "html_url": format!("https://github.com/organizations/{owner}/settings/installations/{id}"),
        "app_id": state.app.id, "client_id": "Iv1.sandbox", "app_slug": "forkable", "target_id": state.account(owner).map(|account| account.id),
        "target_type": "Organization", "permissions": app_permissions(), "events": ["push", "repository"],
        "created_at": since, "updated_at": since, "single_file_name": null, "has_multiple_single_files": false,
        "single_file_paths": [], "suspended_by": null, "suspended_at": null,
    })
}

/// `GET /app/installations`
pub(super) fn installations(ctx: &mut Ctx<'_>) -> Outcome {
    demand_app(ctx)?;
    let owner = ctx.world.github.app.owners.first().cloned().unwrap_or_default();
    Ok(Reply::Page(vec![installation(ctx, &owner)]))
}

/// `GET /app/installations/{installation_id}`
pub(super) fn installation_by_id(ctx: &mut Ctx<'_>) -> Outcome {
    demand_app(ctx)?;
    if ctx.id("installation_id")? != ctx.world.github.app.installation {
        return Err(Refusal::not_found());
    }
    let owner = ctx.world.github.app.owners.first().cloned().unwrap_or_default();
    Ok(Reply::ok(installation(ctx, &owner)))
}

/// `GET /repos/{owner}/{repo}/installation` and `GET /orgs/{org}/installation`
pub(super) fn installation_of(ctx: &mut Ctx<'_>) -> Outcome {
    demand_app(ctx)?;
    let owner = if ctx.params.contains_key("org") { ctx.path("org") } else { ctx.path("owner") };
    let state = &ctx.world.github;
    let named = ctx.params.contains_key("repo");
    let exists = !named || state.repo_by_name(owner, ctx.path("repo")).is_some();
    let owner = state.app.owners.iter().find(|login| login.eq_ignore_ascii_case(owner)).filter(|_| exists);
    Ok(Reply::ok(installation(ctx, owner.ok_or_else(Refusal::not_found)?)))
}

/// `POST /app/installations/{installation_id}/access_tokens`
pub(super) fn access_token(ctx: &mut Ctx<'_>) -> Outcome {
    demand_app(ctx)?;
    if ctx.id("installation_id")? != ctx.world.github.app.installation {
        return Err(Refusal::not_found());
    }
    let repositories = narrowed(ctx)?;
    let granted = app_permissions();
    let permissions = match ctx.body["permissions"].as_object() {
        None => granted,
        Some(asked) => {
            let mut narrow = BTreeMap::from([("metadata".to_owned(), Access::Read)]);
            for (name, access) in asked {
                let access: Access =
                    serde_json::from_value(access.clone()).map_err(|_| Refusal::unprocessable("Invalid permission"))?;
                let need = granted.get(name).is_some_and(|granted| *granted >= access);
                if !need {
                    return Err(Refusal::unprocessable(
                        "The permissions requested are not granted to this installation.",
                    ));
                }
                narrow.insert(name.clone(), access);
            }
            narrow
        }
    };
    let expires_at = ctx.now + SignedDuration::from_hours(1);
    let secret = format!("ghs_{}", hex::encode(rand::random::<[u8; 24]>()));
    ctx.world.tokens.insert(Token {
        provider: Provider::Github,
        token: secret.clone(),
        kind: TokenKind::Installation,
        login: "forkable[bot]".to_owned(),
        permissions: permissions.clone(),
        scopes: Vec::new(),
        teams: Vec::new(),
        owners: ctx.world.github.app.owners.clone(),
        repositories: repositories.clone(),
        expires_at: Some(expires_at),
    });
    let selection = if repositories.is_some() { "selected" } else { "all" };
    Ok(Reply::created(json!({
        "token": secret, "expires_at": view::second(expires_at), "permissions": permissions, "repository_selection": selection,
    })))
}

/// The repositories that the body names, by id or name; none named means all.
fn narrowed(ctx: &Ctx<'_>) -> Result<Option<Vec<u64>>, Refusal> {
    let state = &ctx.world.github;
    let ids = ctx.body["repository_ids"].as_array().map(|ids| ids.iter().map(Value::as_u64).collect::<Vec<_>>());
    let by_name = |name: &Value| {
        let name = name.as_str()?;
        let owned = state.app.owners.iter().find_map(|owner| state.repo_by_name(owner, name));
        owned.map(|repo| repo.id)
    };
    let names = ctx.body["repositories"].as_array().map(|names| names.iter().map(by_name).collect::<Vec<_>>());
    let all: Vec<_> = ids.into_iter().chain(names).flatten().collect();
    if ctx.body.get("repository_ids").is_none() && ctx.body.get("repositories").is_none() {
        return Ok(None);
    }
    let known = |id: &Option<u64>| {
        id.filter(|id| state.repos.get(id).is_some_and(|repo| state.app.owners.contains(&repo.owner)))
    };
    let resolved: Option<Vec<u64>> = all.iter().map(known).collect();
    let message =
        "There is at least one repository that does not exist or is not accessible to the parent installation.";
    resolved.map(Some).ok_or_else(|| Refusal::unprocessable(message))
}

/// `GET /installation/repositories`
pub(super) fn installation_repositories(ctx: &mut Ctx<'_>) -> Outcome {
    let token = ctx.token()?;
    if token.kind != TokenKind::Installation {
        return Err(Refusal::forbidden(
            "You must authenticate with an installation access token in order to list repositories for an installation.",
        ));
    }
    let state = &ctx.world.github;
    let reached = |repo: &&super::Repo| {
        access::reaches_owner(state, token, &repo.owner)
            && token.repositories.as_ref().is_none_or(|ids| ids.contains(&repo.id))
            && access::demand(state, ctx.actor, repo, Need::read("metadata")).is_ok()
    };
    let all = state.repos.values().filter(reached);
    Ok(Reply::PageIn(
        "repositories",
        all.map(|repo| view::repo_in_list(state, &ctx.call.base, repo, ctx.actor)).collect(),
    ))
}
