//! One comment of ours on a pull request, found again by a marker in it that people do not see.
//!
//! <https://docs.github.com/en/rest/issues/comments>: to comment on a pull request is to comment on its issue.

use forkable_core::{
    PortError,
    forge::{ForgeDone, RepositoryTarget},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    GitHub,
    client::{GraphRequest, Request},
    errors, name,
    observe::{self, facts::List},
    of,
};
use crate::transport::{self, Priority};

/// Only GraphQL tells of a comment whether it is one's own, with whatever credentials. Ids no longer fit its `Int`.
const FIND: &str = "query FindComment($owner: String!, $name: String!, $number: Int!, $after: String) { \
repository(owner: $owner, name: $name, followRenames: false) { pullRequest(number: $number) { \
comments(first: 100, after: $after) { pageInfo { hasNextPage endCursor } \
nodes { fullDatabaseId viewerDidAuthor body } } } } }";

#[derive(Deserialize)]
struct Written {
    id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Comment {
    /// Decimal digits.
    full_database_id: Option<String>,
    viewer_did_author: bool,
    body: String,
}

impl GitHub {
    pub(super) async fn put_comment(
        &self,
        target: &RepositoryTarget,
        pull_request: i64,
        known: Option<i64>,
        marker: &str,
        text: &str,
    ) -> Result<ForgeDone, PortError> {
        let body = json!({ "body": format!("{text}\n\n{marker}") });
        let what = format!("pull request #{pull_request} of {}", name(target));
        let (mut id, mut is_looked_for) = (known, false);
        loop {
            if let Some(id) = id {
                let request = of("PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}", target)?.at(id);
                if let Some(done) = self.write_comment(request.json(body.clone()).about(&what)).await? {
                    return Ok(done);
                }
            }
            // None was on record, or somebody has deleted it: then there may still be one that was made in its place.
            if is_looked_for {
                break;
            }
            is_looked_for = true;
            id = self.find_comment(target, pull_request, marker).await?;
        }
        let request = of("POST /repos/{owner}/{repo}/issues/{issue_number}/comments", target)?.at(pull_request);
        let request = request.json(body).about(&what);
        self.write_comment(request)
            .await?
            .ok_or(PortError::NotFound { provider: forkable_core::error::Provider::GitHub, what })
    }

    /// `None`: what it is about is not there.
    async fn write_comment(&self, request: Request) -> Result<Option<ForgeDone>, PortError> {
        let answer = self.client.exchange(&request).await?;
        match answer.status() {
            status if status.is_success() => {
                let written: Written = transport::json(forkable_core::error::Provider::GitHub, &answer)?;
                Ok(Some(ForgeDone::Commented { id: Some(written.id) }))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            // Its conversation is locked.
            StatusCode::FORBIDDEN if transport::message_of(&answer).to_lowercase().contains("locked") => {
                Ok(Some(ForgeDone::Commented { id: None }))
            }
            _ => Err(errors::of(&answer, request.what())),
        }
    }

    async fn find_comment(
        &self,
        target: &RepositoryTarget,
        pull_request: i64,
        marker: &str,
    ) -> Result<Option<i64>, PortError> {
        let mut after = Value::Null;
        loop {
            let request = GraphRequest {
                operation: "graphql query FindComment",
                name: "FindComment",
                document: FIND,
                variables: json!({
                    "owner": target.owner, "name": target.name, "number": pull_request, "after": after,
                }),
                write: false,
                priority: Priority::Create,
            };
            let mut answer = self.client.graph(request).await?;
            let comments = answer.data["repository"]["pullRequest"]["comments"].take();
            if comments.is_null() {
                let what = format!("pull request #{pull_request} of {}", name(target));
                return Err(errors::of_graph(&answer.errors, &what));
            }
            let page: List<Comment> = observe::read(comments)?;
            let next = page.next();
            let ours = page.items().find(|comment| comment.viewer_did_author && comment.body.contains(marker));
            if let Some(ours) = ours {
                return Ok(ours.full_database_id.and_then(|id| id.parse().ok()));
            }
            match next {
                Some(next) => after = next.into(),
                None => return Ok(None),
            }
        }
    }
}
