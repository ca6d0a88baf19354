//! Teams. Every organization has one, `platform`, whose number follows from the organization's.

use serde_json::{Value, json};

use super::access::{self, Need};
use super::accounts;
use super::answer::Refusal;
use super::node_id;
use super::rest::{Ctx, Outcome, Reply};
use super::state::{Account, AccountKind, State};
use crate::tokens::TokenKind;

/// The name of every organization's team, as people and as paths write it.
pub(super) const NAME: &str = "platform";
const FIRST: u64 = 1_000_000;

/// The organization whose team has this id.
pub(super) fn organization_of(state: &State, id: u64) -> Option<&Account> {
    let wanted = id.checked_sub(FIRST)?;
    state.accounts.values().find(|account| account.id == wanted && account.kind == AccountKind::Organization)
}

/// The organization of the path, to those who may see its teams.
fn organization<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Account, Refusal> {
    let need = Need::read("members");
    let state = &ctx.world.github;
    let account = state.account(ctx.path("org")).filter(|account| account.kind == AccountKind::Organization);
    let account = account.ok_or_else(Refusal::not_found)?;
    let token = ctx.token()?;
    if !access::reaches_owner(state, token, &account.login) {
        return Err(Refusal::not_found());
    }
    let scopes = ["read:org", "write:org", "admin:org"];
    let may = match token.kind {
        TokenKind::Classic => token.scopes.iter().any(|scope| scopes.contains(&scope.as_str())),
        _ => access::carries(token, need),
    };
    if may { Ok(account) } else { Err(access::lacking(token, need)) }
}

/// A team as lists and reviewers show it.
pub(super) fn show(ctx: &Ctx<'_>, organization: &Account) -> Value {
    let id = FIRST + organization.id;
    let url = format!("{}/github/orgs/{}/teams/{NAME}", ctx.call.base, organization.login);
    json!({
        "id": id, "node_id": node_id("T", id), "name": NAME, "slug": NAME, "description": null, "privacy": "closed",
        "notification_setting": "notifications_enabled", "permission": "push", "url": url,
        "html_url": format!("https://github.com/orgs/{}/teams/{NAME}", organization.login),
        "members_url": format!("{url}/members{{/member}}"), "repositories_url": format!("{url}/repos"),
        "type": "organization", "organization_id": organization.id, "parent": null,
    })
}

/// `GET /orgs/{org}/teams`
pub(super) fn list(ctx: &mut Ctx<'_>) -> Outcome {
    Ok(Reply::Page(vec![show(ctx, organization(ctx)?)]))
}

/// `GET /orgs/{org}/teams/{team_slug}`
pub(super) fn get(ctx: &mut Ctx<'_>) -> Outcome {
    let organization = organization(ctx)?;
    if !ctx.path("team_slug").eq_ignore_ascii_case(NAME) {
        return Err(Refusal::not_found());
    }
    let since = "2020-01-01T00:00:00Z";
    let mut team = show(ctx, organization);
    team["organization"] = accounts::show_organization(ctx, organization);
    for (field, value) in [("members_count", 1), ("repos_count", 0)] {
        team[field] = value.into();
    }
    for field in ["created_at", "updated_at"] {
        team[field] = since.into();
    }
    Ok(Reply::ok(team))
}
