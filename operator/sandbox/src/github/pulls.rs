//! Pull requests, and the comments on them.

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Refusal;
use super::events;
use super::git::{Commit, Sha};
use super::git_data::move_branch;
use super::push::{Push, is_ancestor};
use super::repo::Repo;
use super::rest::{Ctx, Outcome, Reply};
use super::{node_id, view};
use crate::sandbox::World;
use crate::tokens::Actor;

/// The longest comment, in characters.
const LONGEST: usize = 65_536;

/// A pull request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PullRequest {
    /// Never changes.
    pub id: u64,
    /// Counts up in its repository.
    pub number: u64,
    /// A line.
    pub title: String,
    /// Text.
    pub body: Option<String>,
    /// The repository that the branch is in.
    pub head_repository: u64,
    /// The branch to be merged.
    pub head_branch: String,
    /// Its newest commit.
    pub head: Sha,
    /// The branch that it is to be merged into.
    pub base: String,
    /// Not to be merged yet.
    pub draft: bool,
    /// Neither closed nor merged.
    pub open: bool,
    /// Whose it is.
    pub user: String,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// When it was merged.
    pub merged_at: Option<Timestamp>,
    /// What people say, oldest first.
    pub comments: Vec<Comment>,
}

/// A comment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comment {
    /// Never changes.
    pub id: u64,
    /// Whose it is.
    pub user: String,
    /// Markdown.
    pub body: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

fn show(world: &World, base: &str, repo: &Repo, pull: &PullRequest) -> Value {
    let state = &world.github;
    let (name, number) = (repo.full_name(), pull.number);
    let (url, html) = (format!("{base}/github/repos/{name}"), format!("https://github.com/{name}/pull/{number}"));
    let side = |of: Option<&Repo>, branch: &str, sha: Option<&Sha>| {
        let owner = of.map_or("unknown", |of| of.owner.as_str());
        json!({
            "label": format!("{owner}:{branch}"), "ref": branch, "sha": sha,
            "user": of.map(|of| view::login(state, base, &of.owner)),
            "repo": of.map(|of| view::repo_in_list(state, base, of, &Actor::Anonymous)),
        })
    };
    json!({
        "id": pull.id, "node_id": node_id("PR", pull.id), "number": number,
        "url": format!("{url}/pulls/{number}"), "html_url": html, "diff_url": format!("{html}.diff"),
        "issue_url": format!("{url}/issues/{number}"), "comments_url": format!("{url}/issues/{number}/comments"),
        "state": if pull.open { "open" } else { "closed" }, "locked": false, "title": pull.title, "body": pull.body,
        "user": view::login(state, base, &pull.user), "draft": pull.draft,
        "head": side(state.repo_by_id(pull.head_repository), &pull.head_branch, Some(&pull.head)),
        "base": side(Some(repo), &pull.base, repo.branches.get(&pull.base)),
        "created_at": view::second(pull.created_at), "updated_at": view::second(pull.updated_at),
        "closed_at": pull.closed_at.map(view::second), "merged_at": pull.merged_at.map(view::second),
        "merged": pull.merged_at.is_some(), "mergeable": null, "comments": pull.comments.len(),
        "labels": [], "assignees": [], "requested_reviewers": [],
    })
}

fn find(ctx: &Ctx<'_>, id: u64, parameter: &str) -> Result<usize, Refusal> {
    let number = ctx.id(parameter)?;
    ctx.repo(id).pulls.iter().position(|pull| pull.number == number).ok_or_else(Refusal::not_found)
}

fn shown(ctx: &Ctx<'_>, id: u64, at: usize) -> Value {
    let repo = ctx.repo(id);
    show(ctx.world, &ctx.call.base, repo, &repo.pulls[at])
}

/// `GET /repos/{owner}/{repo}/pulls`, newest first.
pub(super) fn list(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let state = ctx.call.param("state").unwrap_or_else(|| "open".to_owned());
    let head = ctx.call.param("head");
    let repo = ctx.repo(id);
    let owner = |pull: &PullRequest| ctx.world.github.repo_by_id(pull.head_repository).map(|head| head.owner.clone());
    let wanted = |pull: &&PullRequest| {
        let named = || format!("{}:{}", owner(pull).unwrap_or_default(), pull.head_branch);
        (state == "all" || pull.open == (state == "open")) && head.as_ref().is_none_or(|head| *head == named())
    };
    let pulls = repo.pulls.iter().rev().filter(wanted);
    Ok(Reply::Page(pulls.map(|pull| show(ctx.world, &ctx.call.base, repo, pull)).collect()))
}

/// `GET /repos/{owner}/{repo}/pulls/{pull_number}`
pub(super) fn get(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let at = find(ctx, id, "pull_number")?;
    Ok(Reply::ok(shown(ctx, id, at)))
}

/// `POST /repos/{owner}/{repo}/pulls`; `head` is a branch, or `owner:branch` of a fork.
pub(super) fn create(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let text = |name: &str| ctx.text(name).unwrap_or_default().to_owned();
    let (title, head, base) = (text("title"), text("head"), text("base"));
    let invalid = |field: &str| Refusal {
        errors: Some(json!([{ "resource": "PullRequest", "field": field, "code": "invalid" }])),
        ..Refusal::unprocessable("Validation Failed")
    };
    if title.is_empty() {
        return Err(Refusal {
            errors: Some(json!([{ "resource": "PullRequest", "field": "title", "code": "missing_field" }])),
            ..Refusal::unprocessable("Validation Failed")
        });
    }
    let (owner, branch) = head.split_once(':').unwrap_or((&ctx.repo(id).owner, &head));
    let is_source = |repo: &&Repo| {
        let is_fork = repo.parent == Some(id) || ctx.repo(id).parent == Some(repo.id);
        repo.owner.eq_ignore_ascii_case(owner) && (repo.id == id || is_fork)
    };
    let source = ctx.world.github.repos.values().find(is_source).ok_or_else(|| invalid("head"))?;
    let (source, branch) = (source.id, branch.to_owned());
    let sha = ctx.repo(source).branches.get(&branch).ok_or_else(|| invalid("head"))?.clone();
    let onto = ctx.repo(id).branches.get(&base).ok_or_else(|| invalid("base"))?;
    if is_ancestor(&ctx.world.github, &sha, onto) {
        return Err(Refusal::invalid("PullRequest", "head", format!("No commits between {base} and {branch}")));
    }
    let same = |pull: &PullRequest| {
        pull.open && (pull.head_repository, &pull.head_branch, &pull.base) == (source, &branch, &base)
    };
    if ctx.repo(id).pulls.iter().any(same) {
        let message = format!("A pull request already exists for {}:{branch}.", ctx.repo(source).owner);
        return Err(Refusal::invalid("PullRequest", "head", message));
    }
    let pull = PullRequest {
        id: ctx.world.github.next_id(),
        number: ctx.repo(id).pulls.last().map_or(0, |last| last.number) + 1,
        title,
        body: ctx.text("body").map(str::to_owned),
        head_repository: source,
        head_branch: branch,
        head: sha,
        base,
        draft: ctx.switch("draft").unwrap_or(false),
        open: true,
        user: ctx.login(),
        created_at: ctx.now,
        updated_at: ctx.now,
        closed_at: None,
        merged_at: None,
        comments: Vec::new(),
    };
    take_in(ctx.world, id, &pull.head);
    ctx.repo_mut(id).pulls.push(pull);
    let at = ctx.repo(id).pulls.len() - 1;
    tell(ctx.world, id, at, "opened", &ctx.login());
    Ok(Reply::created(shown(ctx, id, at)))
}

/// `PATCH /repos/{owner}/{repo}/pulls/{pull_number}`
pub(super) fn update(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let at = find(ctx, id, "pull_number")?;
    let (title, body, now) = (ctx.text("title").map(str::to_owned), ctx.text("body").map(str::to_owned), ctx.now);
    let open = ctx.text("state").map(|state| state == "open");
    let was = ctx.repo(id).pulls[at].clone();
    if open == Some(true) && !was.open {
        let head = ctx.world.github.head(was.head_repository, &was.head_branch);
        if was.merged_at.is_some() || head.is_none() {
            return Err(Refusal::invalid(
                "PullRequest",
                "state",
                "state cannot be changed. The pull request cannot be reopened.",
            ));
        }
    }
    let pull = &mut ctx.repo_mut(id).pulls[at];
    pull.title = title.unwrap_or(was.title);
    pull.body = body.or(was.body);
    pull.updated_at = now;
    let action = match open {
        Some(open) if open != was.open => {
            pull.open = open;
            pull.closed_at = (!open).then_some(now);
            if open { "reopened" } else { "closed" }
        }
        _ => "edited",
    };
    tell(ctx.world, id, at, action, &ctx.login());
    Ok(Reply::ok(shown(ctx, id, at)))
}

/// `PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge`: of what is ahead of its base.
pub(super) fn merge(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let at = find(ctx, id, "pull_number")?;
    let pull = ctx.repo(id).pulls[at].clone();
    let onto = ctx.repo(id).branches.get(&pull.base).cloned();
    let onto = onto.filter(|onto| pull.open && is_ancestor(&ctx.world.github, onto, &pull.head));
    let refused = || Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Pull Request is not mergeable");
    let onto = onto.ok_or_else(refused)?;
    if ctx.text("sha").is_some_and(|sha| sha != pull.head) {
        return Err(Refusal::conflict("Head branch was modified. Review and try the merge again."));
    }
    let author = ctx.world.github.signature(&ctx.login(), ctx.now);
    let objects = &mut ctx.world.github.objects;
    let tree = objects.commit(&pull.head).map(|commit| commit.tree.clone()).ok_or_else(refused)?;
    let message = format!("Merge pull request #{} from {}\n\n{}", pull.number, pull.head_branch, pull.title);
    let parents = vec![onto, pull.head];
    let sha = objects.put_commit(Commit { tree, parents, committer: author.clone(), author, message });
    move_branch(ctx, id, &pull.base, Some(&sha))?;
    let now = ctx.now;
    let merged = &mut ctx.repo_mut(id).pulls[at];
    (merged.open, merged.closed_at, merged.merged_at, merged.updated_at) = (false, Some(now), Some(now), now);
    tell(ctx.world, id, at, "closed", &ctx.login());
    Ok(Reply::ok(json!({ "sha": sha, "merged": true, "message": "Pull Request successfully merged" })))
}

/// What `refs/pull` makes part of the repository, also from other repositories.
fn take_in(world: &mut World, id: u64, head: &Sha) {
    let github = &mut world.github;
    if let Some(repo) = github.repos.get_mut(&id) {
        github.objects.reach(head, &mut repo.objects);
    }
}

fn tell(world: &mut World, id: u64, at: usize, action: &str, sender: &str) {
    let Some(repo) = world.github.repo_by_id(id) else { return };
    let pull = &repo.pulls[at];
    let fields =
        json!({ "action": action, "number": pull.number, "pull_request": show(world, &world.base, repo, pull) });
    events::emit(world, id, "pull_request", sender, fields);
}

/// A branch moved: pull requests of it have another head, or end with it.
pub(super) fn follow(world: &mut World, push: &Push<'_>, now: Timestamp) {
    let is_its =
        |pull: &PullRequest| pull.open && pull.head_repository == push.repository && pull.head_branch == push.branch;
    let repos = world.github.repos.values();
    let found: Vec<(u64, usize)> = repos
        .flat_map(|repo| repo.pulls.iter().enumerate().filter(|(_, pull)| is_its(pull)).map(|(at, _)| (repo.id, at)))
        .collect();
    for (id, at) in found {
        if let Some(sha) = push.sha {
            take_in(world, id, sha);
        }
        let Some(pull) = world.github.repos.get_mut(&id).and_then(|repo| repo.pulls.get_mut(at)) else { continue };
        pull.updated_at = now;
        if let Some(sha) = push.sha {
            pull.head.clone_from(sha);
        } else {
            pull.open = false;
            pull.closed_at = Some(now);
        }
        tell(world, id, at, if push.sha.is_some() { "synchronize" } else { "closed" }, push.sender);
    }
}

fn show_comment(ctx: &Ctx<'_>, id: u64, number: u64, comment: &Comment) -> Value {
    let name = ctx.repo(id).full_name();
    let url = format!("{}/github/repos/{name}/issues", ctx.call.base);
    json!({
        "id": comment.id, "node_id": node_id("IC", comment.id), "url": format!("{url}/comments/{}", comment.id),
        "html_url": format!("https://github.com/{name}/pull/{number}#issuecomment-{}", comment.id),
        "issue_url": format!("{url}/{number}"), "body": comment.body, "author_association": "MEMBER",
        "user": view::login(&ctx.world.github, &ctx.call.base, &comment.user),
        "created_at": view::second(comment.created_at), "updated_at": view::second(comment.updated_at),
    })
}

/// The text of a comment as GitHub takes it.
fn text(ctx: &Ctx<'_>) -> Result<String, Refusal> {
    let body = ctx.text("body").unwrap_or_default();
    if body.trim().is_empty() {
        return Err(Refusal::invalid("IssueComment", "body", "Body can't be blank"));
    }
    if body.chars().count() > LONGEST {
        let message = format!("Body is too long (maximum is {LONGEST} characters)");
        return Err(Refusal::invalid("IssueComment", "data", message));
    }
    Ok(body.to_owned())
}

/// `GET /repos/{owner}/{repo}/issues/{issue_number}/comments`
pub(super) fn comments(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let pull = &ctx.repo(id).pulls[find(ctx, id, "issue_number")?];
    let comments = pull.comments.iter().map(|comment| show_comment(ctx, id, pull.number, comment));
    Ok(Reply::Page(comments.collect()))
}

/// `POST /repos/{owner}/{repo}/issues/{issue_number}/comments`
pub(super) fn create_comment(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let at = find(ctx, id, "issue_number")?;
    let (body, user, now) = (text(ctx)?, ctx.login(), ctx.now);
    let comment =
        Comment { id: ctx.world.github.next_id(), user: user.clone(), body, created_at: now, updated_at: now };
    ctx.repo_mut(id).pulls[at].comments.push(comment.clone());
    let shown = show_comment(ctx, id, ctx.repo(id).pulls[at].number, &comment);
    let fields = json!({ "action": "created", "comment": shown });
    events::emit(ctx.world, id, "issue_comment", &user, fields);
    Ok(Reply::created(shown))
}

fn find_comment(ctx: &Ctx<'_>, id: u64) -> Result<(usize, usize), Refusal> {
    let wanted = ctx.id("comment_id")?;
    let mut pulls = ctx.repo(id).pulls.iter().enumerate();
    let found = pulls.find_map(|(at, pull)| {
        let comment = pull.comments.iter().position(|comment| comment.id == wanted)?;
        Some((at, comment))
    });
    found.ok_or_else(Refusal::not_found)
}

/// `PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}`
pub(super) fn update_comment(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let (at, which) = find_comment(ctx, id)?;
    let (body, now) = (text(ctx)?, ctx.now);
    let pull = &mut ctx.repo_mut(id).pulls[at];
    let comment = &mut pull.comments[which];
    (comment.body, comment.updated_at) = (body, now);
    let (comment, number) = (comment.clone(), pull.number);
    let shown = show_comment(ctx, id, number, &comment);
    events::emit(ctx.world, id, "issue_comment", &ctx.login(), json!({ "action": "edited", "comment": shown }));
    Ok(Reply::ok(shown))
}

/// `DELETE /repos/{owner}/{repo}/issues/comments/{comment_id}`
pub(super) fn delete_comment(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let (at, which) = find_comment(ctx, id)?;
    ctx.repo_mut(id).pulls[at].comments.remove(which);
    Ok(Reply::no_content())
}
