//! Pull requests as GraphQL shows them, and the comments on them.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Enum, ErrorExtensions as _, ID, InputObject, SimpleObject};

use super::super::access::{self, Need};
use super::super::node_id;
use super::super::pulls::{Comment, PullRequest as Stored};
use super::super::repo::Repo;
use super::objects::Ref;
use super::scalars::{BigInt, Connection, DateTime, Oid, Slice, Uri, int};
use super::{gql, repository};

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum PullRequestState {
    Closed,
    Merged,
    Open,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum IssueOrderField {
    Comments,
    CreatedAt,
    UpdatedAt,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
enum OrderDirection {
    Asc,
    Desc,
}

/// How a list of issues or pull requests is sorted.
#[derive(InputObject)]
pub(super) struct IssueOrder {
    direction: OrderDirection,
    field: IssueOrderField,
}

/// A pull request.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct PullRequest {
    id: ID,
    full_database_id: Option<BigInt>,
    number: i32,
    title: String,
    state: PullRequestState,
    is_draft: bool,
    is_cross_repository: bool,
    base_ref_name: String,
    head_ref_name: String,
    head_ref_oid: Oid,
    merged: bool,
    url: Uri,
    created_at: DateTime,
    updated_at: DateTime,
    #[graphql(skip)]
    pull: Stored,
}

/// A comment on an issue or a pull request.
#[derive(SimpleObject)]
pub(super) struct IssueComment {
    id: ID,
    full_database_id: Option<BigInt>,
    body: String,
    viewer_did_author: bool,
    created_at: DateTime,
    updated_at: DateTime,
}

impl PullRequest {
    pub(super) fn is(&self, number: i32) -> bool {
        self.number == number
    }

    fn of(repo: &Repo, pull: &Stored) -> Self {
        Self {
            id: ID(node_id("PR", pull.id)),
            full_database_id: Some(BigInt(pull.id.to_string())),
            number: int(pull.number),
            title: pull.title.clone(),
            state: match (pull.open, pull.merged_at) {
                (true, _) => PullRequestState::Open,
                (false, Some(_)) => PullRequestState::Merged,
                (false, None) => PullRequestState::Closed,
            },
            is_draft: pull.draft,
            is_cross_repository: pull.head_repository != repo.id,
            base_ref_name: pull.base.clone(),
            head_ref_name: pull.head_branch.clone(),
            head_ref_oid: Oid(pull.head.clone()),
            merged: pull.merged_at.is_some(),
            url: Uri(format!("https://github.com/{}/pull/{}", repo.full_name(), pull.number)),
            created_at: pull.created_at.into(),
            updated_at: pull.updated_at.into(),
            pull: pull.clone(),
        }
    }
}

#[ComplexObject]
impl PullRequest {
    /// Null once the branch is gone, or where its repository cannot be seen.
    async fn head_ref(&self, ctx: &Context<'_>) -> Option<Ref> {
        let head = repository::by_id(gql(ctx), self.pull.head_repository)?;
        Ref::of(head.stored(), &self.pull.head_branch)
    }

    async fn comments(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Connection<IssueComment> {
        let me = access::login(&gql(ctx).actor);
        let comment = |comment: &Comment| IssueComment {
            id: ID(node_id("IC", comment.id)),
            full_database_id: Some(BigInt(comment.id.to_string())),
            body: comment.body.clone(),
            viewer_did_author: comment.user == me,
            created_at: comment.created_at.into(),
            updated_at: comment.updated_at.into(),
        };
        Slice::new(after, before, first, last).of(self.pull.comments.iter().map(comment))
    }
}

/// Which pull requests, in which order.
pub(super) struct Wanted {
    pub(super) states: Option<Vec<PullRequestState>>,
    pub(super) head: Option<String>,
    pub(super) base: Option<String>,
    pub(super) order: Option<IssueOrder>,
}

/// The pull requests of a repository. The list is never null: who may not see it is answered null in place of what it
/// is part of.
pub(super) fn all(ctx: &Context<'_>, repo: &Arc<Repo>, wanted: &Wanted) -> async_graphql::Result<Vec<PullRequest>> {
    let gql = gql(ctx);
    let need = Need::read("pull_requests");
    if repo.is_private() && gql.read(|world| access::demand(&world.github, &gql.actor, repo, need).is_err()) {
        let error = async_graphql::Error::new("Resource not accessible by integration");
        return Err(error.extend_with(|_, extensions| extensions.set("type", "FORBIDDEN")));
    }
    let is_wanted = |pull: &PullRequest| {
        wanted.states.as_ref().is_none_or(|states| states.contains(&pull.state))
            && wanted.head.as_ref().is_none_or(|head| *head == pull.head_ref_name)
            && wanted.base.as_ref().is_none_or(|base| *base == pull.base_ref_name)
    };
    let mut pulls: Vec<_> = repo.pulls.iter().map(|pull| PullRequest::of(repo, pull)).filter(is_wanted).collect();
    if let Some(order) = &wanted.order {
        match order.field {
            IssueOrderField::CreatedAt => pulls.sort_by_key(|pull| pull.pull.created_at),
            IssueOrderField::UpdatedAt => pulls.sort_by_key(|pull| pull.pull.updated_at),
            IssueOrderField::Comments => pulls.sort_by_key(|pull| pull.pull.comments.len()),
        }
        if order.direction == OrderDirection::Desc {
            pulls.reverse();
        }
    }
    Ok(pulls)
}
