//! What a caller may do with a repository.

use super::answer::Refusal;
use super::repo::Repo;
use super::state::State;
use crate::tokens::{Access, Actor, Token, TokenKind};

/// A permission that an operation needs, by the name that GitHub's documentation gives it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    pub(crate) permission: &'static str,
    pub(crate) access: Access,
}

impl Need {
    pub(crate) const fn read(permission: &'static str) -> Self {
        Self { permission, access: Access::Read }
    }

    pub(crate) const fn write(permission: &'static str) -> Self {
        Self { permission, access: Access::Write }
    }

    /// As `x-accepted-github-permissions` writes it.
    pub(crate) fn header(self) -> String {
        let access = if self.access == Access::Read { "read" } else { "write" };
        format!("{}={access}", self.permission)
    }
}

/// The login that a caller acts for; an installation acts for its App's bot.
pub(crate) fn login(actor: &Actor) -> String {
    match actor.token() {
        Some(Token { kind: TokenKind::Installation, .. }) => "forkable[bot]".to_owned(),
        Some(token) => token.login.clone(),
        None => "ghost".to_owned(),
    }
}

/// Whether a token was given this owner's repositories at all.
pub(crate) fn reaches_owner(state: &State, token: &Token, owner: &str) -> bool {
    if token.kind == TokenKind::Installation {
        return state.app.owners.iter().any(|login| login.eq_ignore_ascii_case(owner));
    }
    let listed = token.owners.is_empty() || token.owners.iter().any(|login| login.eq_ignore_ascii_case(owner));
    let mine = token.login.eq_ignore_ascii_case(owner)
        || state.account(owner).is_some_and(|account| account.owners.contains(&token.login));
    listed && mine
}

fn reaches(state: &State, token: &Token, repo: &Repo) -> bool {
    let listed = token.repositories.as_ref().is_none_or(|ids| ids.contains(&repo.id));
    listed && reaches_owner(state, token, &repo.owner)
}

/// Whether a token carries a permission, whatever the repository.
pub(crate) fn carries(token: &Token, need: Need) -> bool {
    match token.kind {
        TokenKind::Classic => {
            let scope = |name: &str| token.scopes.iter().any(|scope| scope == name);
            scope("repo") || (need.permission == "members" && scope("admin:org"))
        }
        TokenKind::FineGrained | TokenKind::Installation => {
            need.permission == "metadata"
                || token.permissions.get(need.permission).is_some_and(|access| *access >= need.access)
        }
        TokenKind::Vercel => false,
    }
}

/// Whether a caller can know that a repository exists.
pub(crate) fn can_see(state: &State, actor: &Actor, repo: &Repo) -> bool {
    if !repo.is_private() {
        return true;
    }
    let Some(token) = actor.token() else { return false };
    reaches(state, token, repo) && carries(token, Need::read("metadata"))
}

/// Whether a caller administers a repository as a person does.
pub(crate) fn is_admin(state: &State, actor: &Actor, repo: &Repo) -> bool {
    let Some(token) = actor.token() else { return false };
    token.kind != TokenKind::Installation && reaches(state, token, repo)
}

/// Refuses with what GitHub answers to a caller who lacks the permission: 404 for what cannot be seen, 403 otherwise.
pub(crate) fn demand(state: &State, actor: &Actor, repo: &Repo, need: Need) -> Result<(), Refusal> {
    if !can_see(state, actor, repo) {
        return Err(Refusal::not_found());
    }
    let public = need.access == Access::Read && matches!(need.permission, "metadata" | "contents");
    if public && !repo.is_private() {
        return Ok(());
    }
    match actor.token() {
        Some(token) if reaches(state, token, repo) && carries(token, need) => Ok(()),
        Some(token) => Err(lacking(token, need)),
        None => Err(Refusal::not_found()),
    }
}

/// The refusal for a token that lacks a permission.
pub(crate) fn lacking(token: &Token, need: Need) -> Refusal {
    let message = match token.kind {
        TokenKind::Installation => "Resource not accessible by integration",
        TokenKind::FineGrained => "Resource not accessible by personal access token",
        TokenKind::Classic | TokenKind::Vercel => "Must have admin rights to Repository.",
    };
    Refusal::forbidden(message).with_header("x-accepted-github-permissions", &need.header())
}
