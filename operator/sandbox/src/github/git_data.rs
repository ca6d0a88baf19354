//! The Git database over REST: refs, branches, trees, blobs and commits.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::git::{Commit, Entry, Object, Sha, Signature};
use super::protect::{self, Move};
use super::push::{Push, is_ancestor, push};
use super::rest::{Ctx, Outcome, Reply};
use super::{commits, node_id};

/// Refuses while there is nothing in the repository yet.
pub(super) fn demand_content(ctx: &Ctx<'_>, id: u64) -> Result<(), Refusal> {
    if ctx.repo(id).branches.is_empty() { Err(Refusal::conflict("Git Repository is empty.")) } else { Ok(()) }
}

fn reference(ctx: &Ctx<'_>, id: u64, branch: &str, sha: &str) -> Value {
    let url = format!("{}/github/repos/{}/git", ctx.call.base, ctx.repo(id).full_name());
    json!({
        "ref": format!("refs/heads/{branch}"),
        "node_id": node_id("REF", id),
        "url": format!("{url}/refs/heads/{branch}"),
        "object": { "sha": sha, "type": "commit", "url": format!("{url}/commits/{sha}") },
    })
}

/// `GET /repos/{owner}/{repo}/git/ref/{ref}`
pub(super) fn get_ref(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_content(ctx, id)?;
    let branch = ctx.path("ref").strip_prefix("heads/").ok_or_else(Refusal::not_found)?;
    let sha = ctx.repo(id).branches.get(branch).ok_or_else(Refusal::not_found)?;
    Ok(Reply::ok(reference(ctx, id, branch, sha)))
}

/// `POST /repos/{owner}/{repo}/git/refs`
pub(super) fn create_ref(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_content(ctx, id)?;
    let full = ctx.text("ref").unwrap_or_default();
    let sha = ctx.text("sha").unwrap_or_default().to_owned();
    let invalid = || Refusal::unprocessable("Reference name must start with 'refs' and contain at least two slashes.");
    let branch = full.strip_prefix("refs/heads/").filter(|name| !name.is_empty()).ok_or_else(invalid)?.to_owned();
    demand_commit(ctx, id, &sha)?;
    if ctx.repo(id).branches.contains_key(&branch) {
        return Err(Refusal::unprocessable("Reference already exists"));
    }
    move_branch(ctx, id, &branch, Some(&sha))?;
    Ok(Reply::created(reference(ctx, id, &branch, &sha)))
}

/// `PATCH /repos/{owner}/{repo}/git/refs/{ref}`
pub(super) fn update_ref(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_content(ctx, id)?;
    let branch = ctx.path("ref").strip_prefix("heads/").ok_or_else(Refusal::not_found)?.to_owned();
    let sha = ctx.text("sha").unwrap_or_default().to_owned();
    let missing = || Refusal::unprocessable("Reference does not exist");
    let old = ctx.repo(id).branches.get(&branch).ok_or_else(missing)?.clone();
    demand_commit(ctx, id, &sha)?;
    let force = ctx.switch("force").unwrap_or(false);
    if !force && !is_ancestor(&ctx.world.github, &old, &sha) {
        return Err(Refusal::unprocessable("Update is not a fast forward"));
    }
    move_branch(ctx, id, &branch, Some(&sha))?;
    Ok(Reply::ok(reference(ctx, id, &branch, &sha)))
}

/// `DELETE /repos/{owner}/{repo}/git/refs/{ref}`
pub(super) fn delete_ref(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let branch = ctx.path("ref").strip_prefix("heads/").ok_or_else(Refusal::not_found)?.to_owned();
    if !ctx.repo(id).branches.contains_key(&branch) {
        return Err(Refusal::unprocessable("Reference does not exist"));
    }
    move_branch(ctx, id, &branch, None)?;
    Ok(Reply::no_content())
}

/// Moves, makes or deletes a branch, if the rules let this caller.
pub(super) fn move_branch(ctx: &mut Ctx<'_>, id: u64, branch: &str, sha: Option<&Sha>) -> Result<(), Refusal> {
    let repo = ctx.repo(id);
    let old = repo.branches.get(branch).map(String::as_str);
    let change = Move { branch, old, new: sha.map(String::as_str) };
    protect::check(&ctx.world.github, ctx.actor, repo, &change)?;
    let sender = ctx.login();
    push(ctx.world, Push { repository: id, branch, sha, sender: &sender }, ctx.now);
    Ok(())
}

fn demand_commit(ctx: &Ctx<'_>, id: u64, sha: &str) -> Result<(), Refusal> {
    let has = ctx.repo(id).objects.contains(sha) && ctx.world.github.objects.commit(sha).is_some();
    if has { Ok(()) } else { Err(Refusal::unprocessable("Object does not exist")) }
}

/// `GET /repos/{owner}/{repo}/branches`
pub(super) fn branches(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let base = format!("{}/github/repos/{}", ctx.call.base, ctx.repo(id).full_name());
    let branch = |(name, sha): (&String, &Sha)| {
        let commit = json!({ "sha": sha, "url": format!("{base}/commits/{sha}") });
        json!({ "name": name, "commit": commit, "protected": false })
    };
    Ok(Reply::Page(ctx.repo(id).branches.iter().map(branch).collect()))
}

/// `GET /repos/{owner}/{repo}/branches/{branch}`
pub(super) fn branch(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let name = ctx.path("branch");
    let missing = || Refusal::new(http::StatusCode::NOT_FOUND, "Branch not found");
    let sha = ctx.repo(id).branches.get(name).ok_or_else(missing)?;
    let url = format!("{}/github/repos/{}/branches/{name}", ctx.call.base, ctx.repo(id).full_name());
    let off = json!({ "enabled": false, "required_status_checks": { "enforcement_level": "off", "contexts": [], "checks": [] } });
    Ok(Reply::ok(json!({
        "name": name,
        "commit": commits::view(ctx, id, sha).ok_or_else(missing)?,
        "_links": { "self": url, "html": format!("https://github.com/{}/tree/{name}", ctx.repo(id).full_name()) },
        "protected": false,
        "protection": off,
        "protection_url": format!("{url}/protection"),
    })))
}

/// `POST /repos/{owner}/{repo}/branches/{branch}/rename`: a default branch stays one.
pub(super) fn rename_branch(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let (old, new) = (ctx.path("branch").to_owned(), ctx.text("new_name").unwrap_or_default().to_owned());
    let missing = || Refusal::new(http::StatusCode::NOT_FOUND, "Branch not found");
    let head = ctx.repo(id).branches.get(&old).ok_or_else(missing)?.clone();
    if new.is_empty() || new.starts_with('/') || new.contains([' ', '~', '^', ':']) {
        return Err(Refusal::unprocessable("New branch name is invalid"));
    }
    if ctx.repo(id).branches.contains_key(&new) {
        return Err(Refusal::unprocessable(format!("Branch {new} already exists")));
    }
    let repo = ctx.repo_mut(id);
    repo.branches.remove(&old);
    repo.branches.insert(new.clone(), head);
    if repo.default_branch == old {
        repo.default_branch.clone_from(&new);
    }
    ctx.params.insert("branch".to_owned(), new);
    let Reply::Json(_, body) = branch(ctx, id)? else { return Err(missing()) };
    Ok(Reply::created(body))
}

/// `GET /repos/{owner}/{repo}/git/trees/{tree_sha}`
pub(super) fn get_tree(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_content(ctx, id)?;
    let name = ctx.path("tree_sha");
    let state = &ctx.world.github;
    let has = |sha: &str| ctx.repo(id).objects.contains(sha) && state.objects.tree(sha).is_some();
    let tree = match commits::resolve(ctx, id, name) {
        Some(commit) => state.objects.commit(&commit).map(|commit| commit.tree.clone()),
        None => has(name).then(|| name.to_owned()),
    };
    let tree = tree.ok_or_else(Refusal::not_found)?;
    let base = format!("{}/github/repos/{}/git", ctx.call.base, ctx.repo(id).full_name());
    let mut lines = Vec::new();
    if ctx.call.param("recursive").is_some() {
        state.objects.walk(&tree, "", &mut |path, entry| lines.push(line(ctx, &base, path, entry)));
    } else {
        let entries = state.objects.tree(&tree).unwrap_or_default();
        lines.extend(entries.iter().map(|entry| line(ctx, &base, &entry.name, entry)));
    }
    Ok(Reply::ok(json!({ "sha": tree, "url": format!("{base}/trees/{tree}"), "tree": lines, "truncated": false })))
}

fn line(ctx: &Ctx<'_>, base: &str, path: &str, entry: &Entry) -> Value {
    let sha = &entry.sha;
    let mut line = json!({ "path": path, "mode": format!("{:0>6}", entry.mode), "sha": sha });
    if entry.is_tree() {
        line["type"] = "tree".into();
        line["url"] = format!("{base}/trees/{sha}").into();
    } else {
        line["type"] = "blob".into();
        line["size"] = ctx.world.github.objects.blob(sha).map_or(0, <[u8]>::len).into();
        line["url"] = format!("{base}/blobs/{sha}").into();
    }
    line
}

/// `POST /repos/{owner}/{repo}/git/trees`
pub(super) fn create_tree(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_content(ctx, id)?;
    let mut files = match ctx.text("base_tree") {
        None => super::git::Files::new(),
        Some(base) => {
            let commit = ctx.world.github.objects.commit(base).map(|commit| commit.tree.clone());
            let tree = commit.unwrap_or_else(|| base.to_owned());
            if !ctx.repo(id).objects.contains(&tree) || ctx.world.github.objects.tree(&tree).is_none() {
                return Err(Refusal::unprocessable("base_tree is not a valid tree oid"));
            }
            ctx.world.github.objects.files(&tree)
        }
    };
    for entry in ctx.body["tree"].as_array().cloned().unwrap_or_default() {
        place(ctx, id, &mut files, &entry)?;
    }
    if files.is_empty() {
        return Err(Refusal::unprocessable("Invalid tree info"));
    }
    let objects = &mut ctx.world.github.objects;
    let tree = objects.put_files(&files);
    let mut known = std::mem::take(&mut ctx.repo_mut(id).objects);
    ctx.world.github.objects.reach(&tree, &mut known);
    ctx.repo_mut(id).objects = known;
    ctx.params.insert("tree_sha".to_owned(), tree);
    let Reply::Json(_, body) = get_tree(ctx, id)? else { return Err(Refusal::not_found()) };
    Ok(Reply::created(body))
}

/// Puts one line of a tree that is being made among its files.
fn place(ctx: &mut Ctx<'_>, id: u64, files: &mut super::git::Files, entry: &Value) -> Result<(), Refusal> {
    let path = entry["path"].as_str().ok_or_else(|| Refusal::unprocessable("Must supply a valid tree.path"))?;
    check_path(path)?;
    let mode = entry["mode"].as_str().ok_or_else(|| Refusal::unprocessable("Must supply a valid tree.mode"))?;
    let sha = match (&entry["sha"], entry["content"].as_str()) {
        (Value::String(_), Some(_)) => {
            return Err(Refusal::unprocessable("Must supply either tree.sha or tree.content"));
        }
        (Value::String(sha), None) => sha.clone(),
        (Value::Null, Some(content)) => {
            let sha = ctx.world.github.objects.put_blob(content.as_bytes());
            ctx.repo_mut(id).objects.insert(sha.clone());
            sha
        }
        _ if entry.get("sha").is_some() => {
            let below = format!("{path}/");
            let before = files.len();
            files.retain(|other, _| other != path && !other.starts_with(&below));
            let found = files.len() < before;
            return if found { Ok(()) } else { Err(Refusal::unprocessable("GitRPC::BadObjectState")) };
        }
        _ => return Err(Refusal::unprocessable("Must supply either tree.sha or tree.content")),
    };
    let kind = ctx.world.github.objects.get(&sha).filter(|_| ctx.repo(id).objects.contains(&sha));
    match (kind, mode) {
        (Some(Object::Blob(_)), "100644" | "100755" | "120000") => {
            files.insert(path.to_owned(), (mode.to_owned(), sha));
        }
        (Some(Object::Tree(_)), "040000") => {
            let inner = ctx.world.github.objects.files(&sha);
            files.extend(inner.into_iter().map(|(name, file)| (format!("{path}/{name}"), file)));
        }
        _ => return Err(Refusal::unprocessable(format!("tree.sha {sha} is not a valid {mode} object"))),
    }
    Ok(())
}

/// A path that git would take: relative, without empty or dot segments.
pub(super) fn check_path(path: &str) -> Result<(), Refusal> {
    let bad = |part: &str| part.is_empty() || part == "." || part == ".." || part.eq_ignore_ascii_case(".git");
    if path.split('/').any(bad) {
        return Err(Refusal::unprocessable("tree.path contains a malformed path component"));
    }
    Ok(())
}

/// `POST /repos/{owner}/{repo}/git/blobs`
pub(super) fn create_blob(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_content(ctx, id)?;
    let content = ctx.text("content").unwrap_or_default();
    let bytes = match ctx.text("encoding") {
        Some("base64") => decode(content)?,
        Some("utf-8") | None => content.as_bytes().to_vec(),
        Some(_) => return Err(Refusal::unprocessable("encoding must be utf-8 or base64")),
    };
    let sha = ctx.world.github.objects.put_blob(&bytes);
    ctx.repo_mut(id).objects.insert(sha.clone());
    let url = format!("{}/github/repos/{}/git/blobs/{sha}", ctx.call.base, ctx.repo(id).full_name());
    Ok(Reply::created(json!({ "sha": sha, "url": url })))
}

/// Base64 as GitHub takes it: line breaks do not matter.
pub(super) fn decode(content: &str) -> Result<Vec<u8>, Refusal> {
    let joined: String = content.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(joined).map_err(|_| Refusal::unprocessable("content is not valid Base64"))
}

/// `GET /repos/{owner}/{repo}/git/blobs/{file_sha}`
pub(super) fn get_blob(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_content(ctx, id)?;
    let sha = ctx.path("file_sha");
    let known = ctx.repo(id).objects.contains(sha);
    let bytes = ctx.world.github.objects.blob(sha).filter(|_| known).ok_or_else(Refusal::not_found)?;
    let url = format!("{}/github/repos/{}/git/blobs/{sha}", ctx.call.base, ctx.repo(id).full_name());
    Ok(Reply::ok(json!({
        "sha": sha, "node_id": node_id("B", id), "size": bytes.len(), "url": url,
        "content": BASE64_STANDARD.encode(bytes), "encoding": "base64",
    })))
}

/// `POST /repos/{owner}/{repo}/git/commits`
pub(super) fn create_commit(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    demand_content(ctx, id)?;
    let tree = ctx.text("tree").unwrap_or_default().to_owned();
    if !ctx.repo(id).objects.contains(&tree) || ctx.world.github.objects.tree(&tree).is_none() {
        return Err(Refusal::unprocessable("Tree SHA does not exist"));
    }
    let parents: Vec<Sha> =
        ctx.body["parents"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    for parent in &parents {
        demand_commit(ctx, id, parent)
            .map_err(|_| Refusal::unprocessable("Parent SHA does not exist or is not a commit object"))?;
    }
    let mine = ctx.world.github.signature(&ctx.login(), ctx.now);
    let author = signature(&ctx.body["author"], &mine)?;
    let committer = signature(&ctx.body["committer"], &author)?;
    let message = ctx.text("message").unwrap_or_default().to_owned();
    let sha = ctx.world.github.objects.put_commit(Commit { tree, parents, author, committer, message });
    ctx.repo_mut(id).objects.insert(sha.clone());
    commits::view_git(ctx, id, &sha).map(Reply::created).ok_or_else(Refusal::not_found)
}

/// Who signs: what the body says, and the rest from `default`.
pub(super) fn signature(given: &Value, default: &Signature) -> Result<Signature, Refusal> {
    let text = |name: &str, default: &str| given[name].as_str().unwrap_or(default).to_owned();
    let date = match given["date"].as_str() {
        Some(date) => {
            date.parse::<Timestamp>().map_err(|_| Refusal::unprocessable("date is not a valid ISO 8601 date"))?
        }
        None => default.date,
    };
    Ok(Signature { name: text("name", &default.name), email: text("email", &default.email), date })
}
