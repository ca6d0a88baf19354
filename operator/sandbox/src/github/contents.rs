//! Files over REST, one commit for each change; also how a test plays a person who pushes.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::answer::Refusal;
use super::commits;
use super::git::{Commit, Entry, Files, Sha};
use super::git_data::{check_path, decode, move_branch, signature};
use super::rest::{Ctx, Outcome, Reply};

/// `GET /repos/{owner}/{repo}/contents/{path}`
pub(super) fn get(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let name = ctx.call.param("ref").unwrap_or_else(|| ctx.repo(id).default_branch.clone());
    if ctx.repo(id).branches.is_empty() {
        return Err(Refusal::new(http::StatusCode::NOT_FOUND, "This repository is empty."));
    }
    let missing = || Refusal::new(http::StatusCode::NOT_FOUND, format!("No commit found for the ref {name}"));
    let sha = commits::resolve(ctx, id, &name).ok_or_else(missing)?;
    let objects = &ctx.world.github.objects;
    let tree = objects.commit(&sha).ok_or_else(missing)?.tree.clone();
    let path = ctx.path("path").trim_matches('/');
    let folder = if path.is_empty() {
        Some(tree)
    } else {
        let entry = objects.at(&tree, path).ok_or_else(Refusal::not_found)?;
        if !entry.is_tree() {
            return Ok(Reply::ok(file(ctx, id, path, entry, &name, true)));
        }
        Some(entry.sha.clone())
    };
    let entries = folder.and_then(|folder| objects.tree(&folder)).unwrap_or_default();
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
    let list = entries.iter().map(|entry| file(ctx, id, &under(&entry.name), entry, &name, false));
    Ok(Reply::ok(list.collect::<Vec<_>>().into()))
}

fn file(ctx: &Ctx<'_>, id: u64, path: &str, entry: &Entry, name: &str, content: bool) -> Value {
    let (full_name, sha) = (ctx.repo(id).full_name(), &entry.sha);
    let bytes = ctx.world.github.objects.blob(sha).unwrap_or_default();
    let kind = if entry.is_tree() { "dir" } else { "file" };
    let store = if entry.is_tree() { "trees" } else { "blobs" };
    let own = format!("{}/github/repos/{full_name}/contents/{path}?ref={name}", ctx.call.base);
    let git = format!("{}/github/repos/{full_name}/git/{store}/{sha}", ctx.call.base);
    let html = format!("https://github.com/{full_name}/blob/{name}/{path}");
    let download = (!entry.is_tree()).then(|| format!("https://raw.githubusercontent.com/{full_name}/{name}/{path}"));
    let mut value = json!({
        "type": kind, "size": bytes.len(), "name": path.rsplit('/').next(), "path": path, "sha": sha,
        "url": own, "git_url": git, "html_url": html, "download_url": download,
        "_links": { "self": own, "git": git, "html": html },
    });
    if content {
        value["encoding"] = "base64".into();
        value["content"] = BASE64_STANDARD.encode(bytes).into();
    }
    value
}

/// `PUT /repos/{owner}/{repo}/contents/{path}`
pub(super) fn put(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let path = ctx.path("path").to_owned();
    check_path(&path)?;
    let bytes = decode(ctx.text("content").unwrap_or_default())?;
    let (branch, mut files) = start(ctx, id)?;
    let existing = files.get(&path).map(|(_, sha)| sha.clone());
    match (&existing, ctx.text("sha")) {
        (Some(_), None) => return Err(Refusal::unprocessable("Invalid request.\n\n\"sha\" wasn't supplied.")),
        (existing, Some(sha)) if existing.as_deref() != Some(sha) => {
            return Err(Refusal::conflict(format!("{path} does not match {sha}")));
        }
        _ => {}
    }
    let blob = ctx.world.github.objects.put_blob(&bytes);
    let mode = files.get(&path).map_or_else(|| "100644".to_owned(), |(mode, _)| mode.clone());
    files.insert(path.clone(), (mode.clone(), blob.clone()));
    let sha = commit(ctx, id, &branch, &files)?;
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    let content = file(ctx, id, &path, &Entry { mode, name, sha: blob }, &branch, false);
    let body = json!({ "content": content, "commit": commits::view_git(ctx, id, &sha) });
    Ok(if existing.is_some() { Reply::ok(body) } else { Reply::created(body) })
}

/// `DELETE /repos/{owner}/{repo}/contents/{path}`
pub(super) fn delete(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let path = ctx.path("path").to_owned();
    let (branch, mut files) = start(ctx, id)?;
    let (_, existing) = files.remove(&path).ok_or_else(Refusal::not_found)?;
    if ctx.text("sha") != Some(&existing) {
        return Err(Refusal::conflict(format!("{path} does not match {}", ctx.text("sha").unwrap_or_default())));
    }
    let sha = commit(ctx, id, &branch, &files)?;
    Ok(Reply::ok(json!({ "content": null, "commit": commits::view_git(ctx, id, &sha) })))
}

/// The branch that is changed, and the files that are on it.
fn start(ctx: &Ctx<'_>, id: u64) -> Result<(String, Files), Refusal> {
    let repo = ctx.repo(id);
    let branch = ctx.text("branch").unwrap_or(&repo.default_branch).to_owned();
    let objects = &ctx.world.github.objects;
    let files = match repo.branches.get(&branch) {
        Some(head) => objects.commit(head).map(|commit| objects.files(&commit.tree)).unwrap_or_default(),
        // The first file may be put into an empty repository, on its default branch.
        None if repo.branches.is_empty() && branch == repo.default_branch && repo.pending.is_none() => Files::new(),
        None => return Err(Refusal::new(http::StatusCode::NOT_FOUND, format!("Branch {branch} not found"))),
    };
    Ok((branch, files))
}

fn commit(ctx: &mut Ctx<'_>, id: u64, branch: &str, files: &Files) -> Result<Sha, Refusal> {
    let mine = ctx.world.github.signature(&ctx.login(), ctx.now);
    let committer = signature(&ctx.body["committer"], &mine)?;
    let author = signature(&ctx.body["author"], &committer)?;
    let message = ctx.text("message").unwrap_or_default().to_owned();
    let parents = ctx.repo(id).branches.get(branch).cloned().into_iter().collect();
    let objects = &mut ctx.world.github.objects;
    let tree = objects.put_files(files);
    let sha = objects.put_commit(Commit { tree, parents, author, committer, message });
    let moved = move_branch(ctx, id, branch, Some(&sha));
    // Unlike the Git database, this endpoint answers 409 to a push that rules forbid.
    moved.map_err(|refusal| match refusal.status {
        http::StatusCode::UNPROCESSABLE_ENTITY => Refusal::conflict(refusal.message),
        _ => refusal,
    })?;
    Ok(sha)
}
