//! What keeps a branch from moving: rulesets, and the workflow files that need a permission of their own.

use serde_json::Value;

use super::access::{self, Need};
use super::answer::Refusal;
use super::push::{Changes, is_ancestor};
use super::repo::{Repo, Ruleset};
use super::state::State;
use crate::tokens::{Actor, TokenKind};

/// A change to a branch that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move<'a> {
    pub(crate) branch: &'a str,
    /// None makes the branch.
    pub(crate) old: Option<&'a str>,
    /// None deletes it.
    pub(crate) new: Option<&'a str>,
}

/// Refuses a move that an active ruleset forbids this caller, or that touches workflows without permission.
pub(crate) fn check(state: &State, actor: &Actor, repo: &Repo, change: &Move<'_>) -> Result<(), Refusal> {
    let broken = violations(state, actor, repo, change);
    if !broken.is_empty() {
        let reasons = broken.join("\n\n");
        return Err(Refusal::unprocessable(format!("Repository rule violations found\n\n{reasons}\n\n")));
    }
    match change.new.and_then(|new| workflow(state, change.old, new)) {
        Some(path) => check_workflow(actor, &path),
        None => Ok(()),
    }
}

fn violations(state: &State, actor: &Actor, repo: &Repo, change: &Move<'_>) -> Vec<String> {
    let active = repo.rulesets.iter().filter(|set| set.enforcement == "active" && set.target == "branch");
    let binding = active.filter(|set| applies(repo, set, change.branch) && !bypasses(state, actor, repo, set));
    binding.flat_map(|set| set.rules.iter().filter_map(|rule| broken(state, rule, change))).collect()
}

fn broken(state: &State, rule: &Value, change: &Move<'_>) -> Option<String> {
    let updates = change.old.is_some() && change.new.is_some();
    let forced = || match (change.old, change.new) {
        (Some(old), Some(new)) => !is_ancestor(state, old, new),
        _ => false,
    };
    let merges = || change.new.and_then(|new| state.objects.commit(new)).is_some_and(|commit| commit.parents.len() > 1);
    let because = |broken: bool, reason: &str| broken.then(|| reason.to_owned());
    match rule["type"].as_str()? {
        "pull_request" => because(updates, "Changes must be made through a pull request."),
        "update" => because(updates, "Cannot update this protected ref."),
        "creation" => because(change.old.is_none(), "Cannot create ref due to creations being restricted."),
        "deletion" => because(change.new.is_none(), "Cannot delete this protected ref."),
        "non_fast_forward" => because(forced(), "Cannot force-push to this branch"),
        "required_linear_history" => because(updates && merges(), "This branch must not contain merge commits."),
        "required_status_checks" => {
            let parameters = &rule["parameters"];
            let creates = change.old.is_none() && parameters["do_not_enforce_on_create"] == true;
            let checks = parameters["required_status_checks"].as_array()?;
            if creates || change.new.is_none() {
                return None;
            }
            let first = checks.first()?["context"].as_str()?;
            Some(match checks.len() {
                1 => format!("Required status check \"{first}\" is expected."),
                count => format!("{count} of {count} required status checks are expected."),
            })
        }
        _ => None,
    }
}

fn applies(repo: &Repo, set: &Ruleset, branch: &str) -> bool {
    let full = format!("refs/heads/{branch}");
    let matches = |pattern: &Value| match pattern.as_str().unwrap_or_default() {
        "~ALL" => true,
        "~DEFAULT_BRANCH" => branch == repo.default_branch,
        pattern => glob(pattern.as_bytes(), full.as_bytes()),
    };
    let any = |list: &str| set.conditions["ref_name"][list].as_array().into_iter().flatten().any(matches);
    any("include") && !any("exclude")
}

/// `*` stands for anything but a slash, `**` for anything, `?` for one character.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([b'*', b'*', rest @ ..], _) => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        ([b'*', rest @ ..], _) => {
            let end = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
            (0..=end).any(|at| glob(rest, &text[at..]))
        }
        ([b'?', pattern @ ..], [byte, text @ ..]) => *byte != b'/' && glob(pattern, text),
        ([expected, pattern @ ..], [byte, text @ ..]) => expected == byte && glob(pattern, text),
        ([], []) => true,
        _ => false,
    }
}

fn bypasses(state: &State, actor: &Actor, repo: &Repo, set: &Ruleset) -> bool {
    let Some(token) = actor.token() else { return false };
    let admin = access::is_admin(state, actor, repo);
    let app = token.kind == TokenKind::Installation;
    let owner = state.account(&repo.owner);
    let organization_owner = !app && owner.is_some_and(|owner| owner.owners.contains(&token.login));
    let user = state.account(&token.login).map(|account| account.id);
    set.bypass_actors.iter().any(|bypass| {
        // `pull_request` lets a merge pass, never a push.
        let pushes = bypass["bypass_mode"] != "pull_request";
        let id = bypass["actor_id"].as_u64();
        pushes
            && match bypass["actor_type"].as_str().unwrap_or_default() {
                "OrganizationAdmin" => organization_owner,
                // Role 5 is `admin`; the others are below it.
                "RepositoryRole" => admin && id.is_some(),
                "Integration" => app && id == Some(state.app.id),
                "User" => !app && id == user,
                _ => false,
            }
    })
}

/// The first workflow file that differs between two commits.
fn workflow(state: &State, old: Option<&str>, new: &str) -> Option<String> {
    // A branch that starts at a commit the repository has brings no workflow that was not there.
    let old = old?;
    let files =
        |sha: &str| state.objects.commit(sha).map(|commit| state.objects.files(&commit.tree)).unwrap_or_default();
    let changes = Changes::between(&files(old), &files(new));
    let mut written = changes.added.into_iter().chain(changes.modified);
    written.find(|path| path.starts_with(".github/workflows/"))
}

fn check_workflow(actor: &Actor, path: &str) -> Result<(), Refusal> {
    let Some(token) = actor.token() else { return Ok(()) };
    let (who, allowed) = match token.kind {
        TokenKind::Classic => ("a Personal Access Token", token.scopes.iter().any(|scope| scope == "workflow")),
        TokenKind::Installation => ("a GitHub App", access::carries(token, Need::write("workflows"))),
        _ => ("a Personal Access Token", access::carries(token, Need::write("workflows"))),
    };
    if allowed {
        return Ok(());
    }
    let lacks = if token.kind == TokenKind::Classic { "`workflow` scope" } else { "`workflows` permission" };
    Err(Refusal::forbidden(format!("refusing to allow {who} to create or update workflow `{path}` without {lacks}")))
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        let matches = |pattern: &str, text: &str| glob(pattern.as_bytes(), text.as_bytes());
        assert!(matches("refs/heads/main", "refs/heads/main"));
        assert!(matches("refs/heads/release-*", "refs/heads/release-1"));
        assert!(!matches("refs/heads/*", "refs/heads/a/b"));
        assert!(matches("refs/heads/**", "refs/heads/a/b"));
        assert!(!matches("refs/heads/v?", "refs/heads/v10"));
    }
}
