//! Commits over REST: list, show, compare, and what checks say about them.

use serde_json::{Value, json};

use super::answer::Refusal;
use super::git::{Files, Sha, Signature};
use super::git_data::demand_content;
use super::push::Changes;
use super::rest::{Ctx, Outcome, Reply};
use super::view::second;
use super::{node_id, view as accounts};

/// The commit that a branch, `heads/…` ref, `HEAD` or (at least seven digits of) a name means.
pub(super) fn resolve(ctx: &Ctx<'_>, id: u64, name: &str) -> Option<Sha> {
    let repo = ctx.repo(id);
    let branch = name.strip_prefix("refs/heads/").or(name.strip_prefix("heads/")).unwrap_or(name);
    if let Some(sha) = repo.branches.get(branch) {
        return Some(sha.clone());
    }
    if name == "HEAD" {
        return repo.head().cloned();
    }
    if name.len() < 7 || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let candidates = repo.objects.range(name.to_owned()..).take_while(|sha| sha.starts_with(name));
    let mut commits = candidates.filter(|sha| ctx.world.github.objects.commit(sha).is_some());
    commits.next().cloned()
}

fn person(who: &Signature) -> Value {
    json!({ "name": who.name, "email": who.email, "date": second(who.date) })
}

/// A commit of the Git database.
pub(super) fn view_git(ctx: &Ctx<'_>, id: u64, sha: &str) -> Option<Value> {
    let commit = ctx.world.github.objects.commit(sha)?;
    let full_name = ctx.repo(id).full_name();
    let url = format!("{}/github/repos/{full_name}/git", ctx.call.base);
    let html = format!("https://github.com/{full_name}/commit");
    let parents = commit.parents.iter();
    let parents = parents
        .map(|sha| json!({ "sha": sha, "url": format!("{url}/commits/{sha}"), "html_url": format!("{html}/{sha}") }));
    Some(json!({
        "sha": sha,
        "node_id": node_id("C", id),
        "url": format!("{url}/commits/{sha}"),
        "html_url": format!("{html}/{sha}"),
        "author": person(&commit.author),
        "committer": person(&commit.committer),
        "tree": { "sha": commit.tree, "url": format!("{url}/trees/{}", commit.tree) },
        "message": commit.message,
        "parents": parents.collect::<Vec<_>>(),
        "verification": { "verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null },
    }))
}

/// A commit as the repository shows it.
pub(super) fn view(ctx: &Ctx<'_>, id: u64, sha: &str) -> Option<Value> {
    let state = &ctx.world.github;
    let commit = state.objects.commit(sha)?;
    let mut git = view_git(ctx, id, sha)?;
    let full_name = ctx.repo(id).full_name();
    let url = format!("{}/github/repos/{full_name}/commits", ctx.call.base);
    let account = |who: &Signature| {
        state.login_of(&who.email).map_or(Value::Null, |login| accounts::login(state, &ctx.call.base, login))
    };
    let parents = git["parents"].take();
    let parents: Vec<Value> = parents
        .as_array()
        .into_iter()
        .flatten()
        .map(|parent| {
            let sha = parent["sha"].as_str().unwrap_or_default();
            json!({ "sha": sha, "url": format!("{url}/{sha}"), "html_url": parent["html_url"] })
        })
        .collect();
    Some(json!({
        "sha": sha,
        "node_id": git["node_id"],
        "url": format!("{url}/{sha}"),
        "html_url": git["html_url"],
        "comments_url": format!("{url}/{sha}/comments"),
        "commit": {
            "url": git["url"], "author": git["author"], "committer": git["committer"], "message": git["message"],
            "tree": git["tree"], "comment_count": 0, "verification": git["verification"],
        },
        "author": account(&commit.author),
        "committer": account(&commit.committer),
        "parents": parents,
    }))
}

/// `GET /repos/{owner}/{repo}/commits`
pub(super) fn list(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_content(ctx, id)?;
    let name = ctx.call.param("sha").unwrap_or_else(|| ctx.repo(id).default_branch.clone());
    let head = resolve(ctx, id, &name).ok_or_else(Refusal::not_found)?;
    let path = ctx.call.param("path");
    let touches = |sha: &Sha| path.as_ref().is_none_or(|path| touches(ctx, sha, path));
    let history = ctx.world.github.objects.history(&head);
    Ok(Reply::Page(history.iter().filter(|sha| touches(sha)).filter_map(|sha| view(ctx, id, sha)).collect()))
}

fn touches(ctx: &Ctx<'_>, sha: &Sha, path: &str) -> bool {
    let objects = &ctx.world.github.objects;
    let at = |sha: &Sha| objects.commit(sha).and_then(|commit| objects.at(&commit.tree, path)).cloned();
    let parents = objects.commit(sha).map(|commit| commit.parents.clone()).unwrap_or_default();
    at(sha) != parents.first().and_then(at)
}

/// `GET /repos/{owner}/{repo}/commits/{ref}`
pub(super) fn get(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_content(ctx, id)?;
    let name = ctx.path("ref");
    let missing = || Refusal::unprocessable(format!("No commit found for SHA: {name}"));
    let sha = resolve(ctx, id, name).ok_or_else(missing)?;
    let mut body = view(ctx, id, &sha).ok_or_else(missing)?;
    let parent = ctx.world.github.objects.commit(&sha).and_then(|commit| commit.parents.first().cloned());
    let files = changed(ctx, id, parent.as_ref(), &sha);
    body["stats"] = json!({ "total": 0, "additions": 0, "deletions": 0 });
    body["files"] = files.into();
    Ok(Reply::ok(body))
}

fn files(ctx: &Ctx<'_>, sha: &Sha) -> Files {
    let objects = &ctx.world.github.objects;
    objects.commit(sha).map(|commit| objects.files(&commit.tree)).unwrap_or_default()
}

fn changed(ctx: &Ctx<'_>, id: u64, old: Option<&Sha>, new: &Sha) -> Vec<Value> {
    let (name, commit) = (ctx.repo(id).full_name(), new);
    let (old, new) = (old.map(|old| files(ctx, old)).unwrap_or_default(), files(ctx, new));
    let changes = Changes::between(&old, &new);
    let line = |path: &String, status: &str| {
        let sha = new.get(path).or(old.get(path)).map(|(_, sha)| sha);
        json!({ "sha": sha, "filename": path, "status": status, "additions": 0, "deletions": 0, "changes": 0,
            "blob_url": format!("https://github.com/{name}/blob/{commit}/{path}"),
            "raw_url": format!("https://github.com/{name}/raw/{commit}/{path}"),
            "contents_url": format!("{}/github/repos/{name}/contents/{path}?ref={commit}", ctx.call.base) })
    };
    let added = changes.added.iter().map(|path| line(path, "added"));
    let removed = changes.removed.iter().map(|path| line(path, "removed"));
    added.chain(removed).chain(changes.modified.iter().map(|path| line(path, "modified"))).collect()
}

/// `GET /repos/{owner}/{repo}/compare/{basehead}`
pub(super) fn compare(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_content(ctx, id)?;
    let (base, head) = ctx.path("basehead").split_once("...").ok_or_else(Refusal::not_found)?;
    let base = resolve(ctx, id, base).ok_or_else(Refusal::not_found)?;
    let head = resolve(ctx, id, head).ok_or_else(Refusal::not_found)?;
    let objects = &ctx.world.github.objects;
    let (behind, ahead) = (objects.history(&base), objects.history(&head));
    let common = ahead.iter().find(|sha| behind.contains(sha)).cloned();
    let common = common
        .ok_or_else(|| Refusal::new(http::StatusCode::NOT_FOUND, "No common ancestor between the two commits"))?;
    let new: Vec<_> = ahead.iter().filter(|sha| !behind.contains(sha)).rev().collect();
    let missing = behind.iter().filter(|sha| !ahead.contains(sha)).count();
    let status = match (new.len(), missing) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        _ => "diverged",
    };
    let url = format!("{}/github/repos/{}/compare/{base}...{head}", ctx.call.base, ctx.repo(id).full_name());
    let html = format!("https://github.com/{}/compare/{base}...{head}", ctx.repo(id).full_name());
    Ok(Reply::ok(json!({
        "url": url, "html_url": html, "permalink_url": html, "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"),
        "base_commit": view(ctx, id, &base),
        "merge_base_commit": view(ctx, id, &common),
        "status": status,
        "ahead_by": new.len(),
        "behind_by": missing,
        "total_commits": new.len(),
        "commits": new.iter().filter_map(|sha| view(ctx, id, sha)).collect::<Vec<_>>(),
        "files": changed(ctx, id, Some(&common), &head),
    })))
}
