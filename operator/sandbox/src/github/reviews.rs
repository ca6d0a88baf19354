//! What people think of pull requests.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::Refusal;
use super::pulls::PullRequest;
use super::rest::{Ctx, Outcome, Reply};
use super::{events, node_id, view};

/// A review that was submitted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Review {
    /// Never changes.
    pub id: u64,
    /// Whose it is.
    pub user: String,
    /// `APPROVED`, `CHANGES_REQUESTED` or `COMMENTED`.
    pub state: String,
    /// Markdown.
    pub body: String,
    /// When it was submitted.
    pub submitted_at: Timestamp,
}

fn find<'a>(ctx: &'a Ctx<'_>, id: u64) -> Result<&'a PullRequest, Refusal> {
    let number = ctx.id("pull_number")?;
    ctx.repo(id).pulls.iter().find(|pull| pull.number == number).ok_or_else(Refusal::not_found)
}

fn show(ctx: &Ctx<'_>, id: u64, pull: &PullRequest, review: &Review) -> Value {
    let name = ctx.repo(id).full_name();
    let html = format!("https://github.com/{name}/pull/{}", pull.number);
    let url = format!("{}/github/repos/{name}/pulls/{}", ctx.call.base, pull.number);
    json!({
        "id": review.id, "node_id": node_id("PRR", review.id), "state": review.state, "body": review.body,
        "user": view::login(&ctx.world.github, &ctx.call.base, &review.user), "commit_id": pull.head,
        "html_url": format!("{html}#pullrequestreview-{}", review.id), "pull_request_url": url,
        "submitted_at": view::second(review.submitted_at), "author_association": "MEMBER",
        "_links": { "html": { "href": html }, "pull_request": { "href": url } },
    })
}

/// `GET /repos/{owner}/{repo}/pulls/{pull_number}/reviews`, oldest first.
pub(super) fn list(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let pull = find(ctx, id)?;
    let reviews = ctx.repo(id).reviews.get(&pull.number).into_iter().flatten();
    Ok(Reply::Page(reviews.map(|review| show(ctx, id, pull, review)).collect()))
}

/// `POST /repos/{owner}/{repo}/pulls/{pull_number}/reviews`: one that is submitted at once.
pub(super) fn create(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let pull = find(ctx, id)?.clone();
    let user = ctx.login();
    let body = ctx.text("body").unwrap_or_default().to_owned();
    let state = match ctx.text("event") {
        Some("APPROVE") => "APPROVED",
        Some("REQUEST_CHANGES") => "CHANGES_REQUESTED",
        Some("COMMENT") => "COMMENTED",
        _ => return Err(Refusal::unprocessable("the sandbox has no reviews that are pending: supply an event")),
    };
    if state != "COMMENTED" && user == pull.user {
        let what = if state == "APPROVED" { "approve" } else { "request changes on" };
        return Err(Refusal::unprocessable(format!("Review Can not {what} your own pull request")));
    }
    if state != "APPROVED" && body.is_empty() {
        return Err(Refusal::unprocessable("Review body can't be blank"));
    }
    let review =
        Review { id: ctx.world.github.next_id(), user: user.clone(), state: state.into(), body, submitted_at: ctx.now };
    ctx.repo_mut(id).reviews.entry(pull.number).or_default().push(review.clone());
    let shown = show(ctx, id, &pull, &review);
    events::emit(ctx.world, id, "pull_request_review", &user, json!({ "action": "submitted", "review": shown }));
    Ok(Reply::ok(shown))
}
