//! Environments as GraphQL shows them.

use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject, Union};

use super::super::node_id;
use super::super::repo::Environment as Stored;
use super::gql;
use super::query::{Team, User};
use super::scalars::{Connection, Slice, int};

/// An environment.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct Environment {
    id: ID,
    database_id: i32,
    name: String,
    #[graphql(skip)]
    stored: Stored,
}

impl Environment {
    pub(super) fn of(stored: &Stored) -> Self {
        Self {
            id: ID(node_id("EN", stored.id)),
            database_id: int(stored.id),
            name: stored.name.clone(),
            stored: stored.clone(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum DeploymentProtectionRuleType {
    BranchPolicy,
    RequiredReviewers,
    WaitTimer,
}

#[ComplexObject]
impl Environment {
    async fn protection_rules(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Connection<DeploymentProtectionRule> {
        let stored = &self.stored;
        let rule = |kind, offset| DeploymentProtectionRule {
            database_id: int(stored.id + offset),
            kind,
            timeout: if kind == DeploymentProtectionRuleType::WaitTimer { int(stored.wait_timer) } else { 0 },
            prevent_self_review: (kind == DeploymentProtectionRuleType::RequiredReviewers)
                .then_some(stored.prevent_self_review),
            stored: stored.clone(),
        };
        let wait = (stored.wait_timer > 0).then(|| rule(DeploymentProtectionRuleType::WaitTimer, 1));
        let reviewers =
            (!stored.reviewers.is_empty()).then(|| rule(DeploymentProtectionRuleType::RequiredReviewers, 2));
        let branches = !stored.deployment_branch_policy.is_null();
        let branches = branches.then(|| rule(DeploymentProtectionRuleType::BranchPolicy, 3));
        Slice::new(after, before, first, last).of(wait.into_iter().chain(reviewers).chain(branches))
    }
}

/// What protects an environment.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct DeploymentProtectionRule {
    database_id: i32,
    #[graphql(name = "type")]
    kind: DeploymentProtectionRuleType,
    timeout: i32,
    prevent_self_review: Option<bool>,
    #[graphql(skip)]
    stored: Stored,
}

#[ComplexObject]
impl DeploymentProtectionRule {
    async fn reviewers(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Connection<DeploymentReviewer> {
        let asked = self.kind == DeploymentProtectionRuleType::RequiredReviewers;
        let reviewers = self.stored.reviewers.iter().filter(|_| asked).filter_map(|reviewer| {
            let id = reviewer["id"].as_u64()?;
            if reviewer["type"] == "Team" {
                return Some(DeploymentReviewer::Team(Team::of(id)));
            }
            let user =
                gql(ctx).read(|world| world.github.accounts.values().find(|account| account.id == id).map(User::of));
            user.map(DeploymentReviewer::User)
        });
        let reviewers: Vec<_> = reviewers.collect();
        Slice::new(after, before, first, last).of(reviewers)
    }
}

/// Who may approve.
#[derive(Union)]
pub(super) enum DeploymentReviewer {
    Team(Team),
    User(User),
}
