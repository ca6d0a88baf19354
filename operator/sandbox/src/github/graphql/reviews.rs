//! Reviews of pull requests as GraphQL shows them.

use async_graphql::{Context, Enum, ID, SimpleObject};

use super::super::node_id;
use super::super::repo::Repo;
use super::super::reviews::Review;
use super::gql;
use super::query::Actor;
use super::scalars::DateTime;

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum PullRequestReviewState {
    Approved,
    ChangesRequested,
    Commented,
    Dismissed,
    Pending,
}

/// A review.
#[derive(SimpleObject)]
pub(super) struct PullRequestReview {
    id: ID,
    author: Option<Actor>,
    body: String,
    state: PullRequestReviewState,
    submitted_at: Option<DateTime>,
}

/// The newest review with an opinion of each reviewer; with `writers_only` of those who may push.
pub(super) fn opinionated(ctx: &Context<'_>, repo: &Repo, number: u64, writers_only: bool) -> Vec<PullRequestReview> {
    let may_push = |login: &str| {
        gql(ctx).read(|world| {
            let owner = world.github.account(&repo.owner);
            owner.is_some_and(|owner| owner.login == login || owner.owners.iter().any(|owner| owner == login))
        })
    };
    let mut newest: Vec<&Review> = Vec::new();
    let reviews = repo.reviews.get(&number).into_iter().flatten();
    for review in reviews.filter(|review| review.state != "COMMENTED") {
        newest.retain(|other| other.user != review.user);
        newest.push(review);
    }
    let wanted = newest.into_iter().filter(|review| !writers_only || may_push(&review.user));
    let show = |review: &Review| PullRequestReview {
        id: ID(node_id("PRR", review.id)),
        author: Actor::of(gql(ctx), &review.user),
        body: review.body.clone(),
        state: match review.state.as_str() {
            "APPROVED" => PullRequestReviewState::Approved,
            "CHANGES_REQUESTED" => PullRequestReviewState::ChangesRequested,
            _ => PullRequestReviewState::Commented,
        },
        submitted_at: Some(review.submitted_at.into()),
    };
    wanted.map(show).collect()
}
