//! How branches move, and who is told.

use jiff::Timestamp;

use super::git::Sha;
use crate::sandbox::World;
use crate::vercel;

/// A branch that moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Push<'a> {
    pub(crate) repository: u64,
    pub(crate) branch: &'a str,
    /// None deletes the branch.
    pub(crate) sha: Option<&'a Sha>,
    /// Whose push it is.
    pub(crate) sender: &'a str,
}

/// Moves a branch and tells the hosting half.
pub(crate) fn push(world: &mut World, push: Push<'_>, now: Timestamp) {
    let state = &mut world.github;
    let Some(repo) = state.repos.get_mut(&push.repository) else {
        return;
    };
    match push.sha {
        Some(sha) => {
            state.objects.reach(sha, &mut repo.objects);
            repo.branches.insert(push.branch.to_owned(), sha.clone());
        }
        None => {
            repo.branches.remove(push.branch);
        }
    }
    repo.pushed_at = now;
    repo.updated_at = now;
    if let Some(sha) = push.sha {
        vercel::on_push(world, push.repository, push.branch, sha, now);
    }
}

/// Brings the content of repositories that are due; true when there were any.
pub(crate) fn tick(world: &mut World, now: Timestamp) -> bool {
    let due: Vec<u64> = world
        .github
        .pending
        .iter()
        .copied()
        .filter(|id| {
            let pending = world.github.repos.get(id).and_then(|repo| repo.pending.as_ref());
            pending.is_none_or(|pending| pending.ready_at <= now)
        })
        .collect();
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
