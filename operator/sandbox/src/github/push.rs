//! How branches move, and who is told.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::git::{Files, Sha};
use super::state::State;
use super::view::second;
use super::{events, pulls};
use crate::sandbox::World;
use crate::vercel;

/// What a branch points to when it does not exist, in events.
const ZERO: &str = "0000000000000000000000000000000000000000";

/// A branch that moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Push<'a> {
    pub(crate) repository: u64,
    pub(crate) branch: &'a str,
    /// None deletes the branch.
    pub(crate) sha: Option<&'a Sha>,
    /// Whose push it is.
    pub(crate) sender: &'a str,
}

/// Moves a branch, sends the event, and tells the hosting half.
pub(crate) fn push(world: &mut World, push: Push<'_>, now: Timestamp) {
    let state = &mut world.github;
    let Some(repo) = state.repos.get_mut(&push.repository) else { return };
    let before = match push.sha {
        Some(sha) => {
            state.objects.reach(sha, &mut repo.objects);
            repo.branches.insert(push.branch.to_owned(), sha.clone())
        }
        None => repo.branches.remove(push.branch),
    };
    repo.pushed_at = now;
    repo.updated_at = now;
    let event = event(&world.github, &push, before.as_deref());
    events::emit(world, push.repository, "push", push.sender, event);
    pulls::follow(world, &push, now);
    if let Some(sha) = push.sha {
        vercel::on_push(world, push.repository, push.branch, sha, now);
    }
}

fn event(state: &State, push: &Push<'_>, before: Option<&str>) -> Value {
    let after = push.sha.map_or(ZERO, String::as_str);
    let head = push.sha.and_then(|sha| commit(state, sha));
    let sender = state.account(push.sender);
    let forced = matches!((before, push.sha), (Some(before), Some(sha)) if !is_ancestor(state, before, sha));
    json!({
        "ref": format!("refs/heads/{}", push.branch),
        "before": before.unwrap_or(ZERO),
        "after": after,
        "created": before.is_none(),
        "deleted": push.sha.is_none(),
        "forced": forced,
        "base_ref": null,
        "compare": format!("https://github.com/compare/{}...{after}", before.unwrap_or(ZERO)),
        "commits": head.iter().collect::<Vec<_>>(),
        "head_commit": head,
        "pusher": { "name": push.sender, "email": sender.map(|account| &account.email) },
    })
}

fn commit(state: &State, sha: &Sha) -> Option<Value> {
    let commit = state.objects.commit(sha)?;
    let parent = commit.parents.first().and_then(|parent| state.objects.commit(parent));
    let old = parent.map_or_else(Files::new, |parent| state.objects.files(&parent.tree));
    let changes = Changes::between(&old, &state.objects.files(&commit.tree));
    let person = |who: &super::git::Signature| json!({ "name": who.name, "email": who.email, "username": state.login_of(&who.email) });
    Some(json!({
        "id": sha,
        "tree_id": commit.tree,
        "distinct": true,
        "message": commit.message,
        "timestamp": second(commit.committer.date),
        "url": format!("https://github.com/commit/{sha}"),
        "author": person(&commit.author),
        "committer": person(&commit.committer),
        "added": changes.added,
        "removed": changes.removed,
        "modified": changes.modified,
    }))
}

/// The paths that differ between two trees.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    pub(crate) modified: Vec<String>,
}

impl Changes {
    pub(crate) fn between(old: &Files, new: &Files) -> Self {
        let mut changes = Self::default();
        for path in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            match (old.get(path), new.get(path)) {
                (None, _) => changes.added.push(path.clone()),
                (_, None) => changes.removed.push(path.clone()),
                (old, new) if old != new => changes.modified.push(path.clone()),
                _ => {}
            }
        }
        changes
    }
}

/// Whether `old` is in the history of `new`, so that moving from one to the other loses nothing.
pub(crate) fn is_ancestor(state: &State, old: &str, new: &str) -> bool {
    state.objects.history(new).iter().any(|sha| sha == old)
}

/// Brings the content of repositories that are due; true when there were any.
pub(crate) fn tick(world: &mut World, now: Timestamp) -> bool {
    let github = &world.github;
    let is_due = |id: &u64| {
        let pending = github.repos.get(id).and_then(|repo| repo.pending.as_ref());
        pending.is_none_or(|pending| pending.ready_at <= now)
    };
    let due: Vec<u64> = github.pending.iter().copied().filter(is_due).collect();
    for id in &due {
        world.github.pending.remove(id);
        let pending = world.github.repos.get_mut(id).and_then(|repo| repo.pending.take());
        let Some(pending) = pending else { continue };
        for (branch, sha) in &pending.branches {
            let sender = &pending.sender;
            push(world, Push { repository: *id, branch, sha: Some(sha), sender }, now);
        }
    }
    !due.is_empty()
}
