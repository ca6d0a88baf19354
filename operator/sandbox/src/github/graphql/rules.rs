//! Rulesets as GraphQL shows them.

use async_graphql::{ComplexObject, Enum, ID, SimpleObject, Union};
use serde_json::Value;

use super::super::node_id;
use super::super::repo::Ruleset;
use super::query::{App, Team};
use super::scalars::{Connection, DateTime, Slice, int};

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum RuleEnforcement {
    Active,
    Disabled,
    Evaluate,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum RepositoryRulesetTarget {
    Branch,
    Push,
    Repository,
    Tag,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum RepositoryRulesetBypassActorBypassMode {
    Always,
    PullRequest,
}

#[derive(Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum RepositoryRuleType {
    BranchNamePattern,
    CodeScanning,
    CommitterEmailPattern,
    CommitAuthorEmailPattern,
    CommitMessagePattern,
    Creation,
    Deletion,
    FileExtensionRestriction,
    FilePathRestriction,
    MaxFilePathLength,
    MaxFileSize,
    MergeQueue,
    NonFastForward,
    PullRequest,
    RequiredDeployments,
    RequiredLinearHistory,
    RequiredSignatures,
    RequiredStatusChecks,
    TagNamePattern,
    Update,
    Workflows,
}

impl RepositoryRuleType {
    /// REST's name of a rule is GraphQL's in lower case.
    fn of(name: &str) -> Option<Self> {
        let wanted = name.to_uppercase();
        let items = <Self as async_graphql::resolver_utils::EnumType>::items();
        items.iter().find(|item| item.name == wanted).map(|item| item.value)
    }
}

/// A ruleset.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(super) struct RepositoryRuleset {
    id: ID,
    database_id: i32,
    name: String,
    enforcement: RuleEnforcement,
    #[graphql(name = "target")]
    aims_at: RepositoryRulesetTarget,
    created_at: DateTime,
    updated_at: DateTime,
    conditions: RepositoryRuleConditions,
    #[graphql(skip)]
    set: Ruleset,
}

impl RepositoryRuleset {
    pub(super) fn target(&self) -> RepositoryRulesetTarget {
        self.aims_at
    }

    pub(super) fn of(set: &Ruleset) -> Self {
        let enforcement = match set.enforcement.as_str() {
            "active" => RuleEnforcement::Active,
            "evaluate" => RuleEnforcement::Evaluate,
            _ => RuleEnforcement::Disabled,
        };
        let target = match set.target.as_str() {
            "tag" => RepositoryRulesetTarget::Tag,
            "push" => RepositoryRulesetTarget::Push,
            _ => RepositoryRulesetTarget::Branch,
        };
        let list = |name: &str| texts(&set.conditions["ref_name"][name]);
        let names = RefNameConditionTarget { include: list("include"), exclude: list("exclude") };
        Self {
            id: ID(node_id("RRS", set.id)),
            database_id: int(set.id),
            name: set.name.clone(),
            enforcement,
            aims_at: target,
            created_at: set.created_at.into(),
            updated_at: set.updated_at.into(),
            conditions: RepositoryRuleConditions { ref_name: Some(names) },
            set: set.clone(),
        }
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Where a ruleset holds.
#[derive(SimpleObject)]
struct RepositoryRuleConditions {
    ref_name: Option<RefNameConditionTarget>,
}

/// Refs by name.
#[derive(SimpleObject)]
struct RefNameConditionTarget {
    include: Vec<String>,
    exclude: Vec<String>,
}

#[ComplexObject]
impl RepositoryRuleset {
    async fn rules(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        #[graphql(name = "type")] kind: Option<RepositoryRuleType>,
    ) -> Connection<RepositoryRule> {
        let rules =
            self.set.rules.iter().enumerate().filter_map(|(index, rule)| RepositoryRule::of(&self.set, index, rule));
        Slice::new(after, before, first, last).of(rules.filter(|rule| kind.is_none_or(|kind| kind == rule.kind)))
    }

    async fn bypass_actors(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
    ) -> Connection<RepositoryRulesetBypassActor> {
        let actors = self.set.bypass_actors.iter().enumerate();
        let actors = actors.map(|(index, actor)| RepositoryRulesetBypassActor::of(&self.set, index, actor));
        Slice::new(after, before, first, last).of(actors)
    }
}

/// One rule.
#[derive(SimpleObject)]
pub(super) struct RepositoryRule {
    id: ID,
    #[graphql(name = "type")]
    kind: RepositoryRuleType,
    parameters: Option<RuleParameters>,
}

impl RepositoryRule {
    fn of(set: &Ruleset, index: usize, rule: &Value) -> Option<Self> {
        let kind = RepositoryRuleType::of(rule["type"].as_str()?)?;
        let id = ID(format!("{}_{index}", node_id("RRR", set.id)));
        Some(Self { id, kind, parameters: RuleParameters::of(kind, &rule["parameters"]) })
    }
}

/// The parameters of the rules that have some here.
#[derive(Union)]
enum RuleParameters {
    PullRequest(PullRequestParameters),
    RequiredStatusChecks(RequiredStatusChecksParameters),
    Update(UpdateParameters),
}

impl RuleParameters {
    fn of(kind: RepositoryRuleType, given: &Value) -> Option<Self> {
        let switch = |name: &str| given[name].as_bool().unwrap_or(false);
        match kind {
            RepositoryRuleType::PullRequest => Some(Self::PullRequest(PullRequestParameters {
                allowed_merge_methods: texts(&given["allowed_merge_methods"])
                    .iter()
                    .map(|way| way.to_uppercase())
                    .collect(),
                dismiss_stale_reviews_on_push: switch("dismiss_stale_reviews_on_push"),
                require_code_owner_review: switch("require_code_owner_review"),
                require_last_push_approval: switch("require_last_push_approval"),
                required_approving_review_count: given["required_approving_review_count"].as_u64().map_or(0, int),
                required_review_thread_resolution: switch("required_review_thread_resolution"),
            })),
            RepositoryRuleType::RequiredStatusChecks => {
                let check = |check: &Value| StatusCheckConfiguration {
                    context: check["context"].as_str().unwrap_or_default().to_owned(),
                    integration_id: check["integration_id"].as_u64().map(int),
                };
                let checks = given["required_status_checks"].as_array().into_iter().flatten().map(check).collect();
                Some(Self::RequiredStatusChecks(RequiredStatusChecksParameters {
                    do_not_enforce_on_create: switch("do_not_enforce_on_create"),
                    required_status_checks: checks,
                    strict_required_status_checks_policy: switch("strict_required_status_checks_policy"),
                }))
            }
            RepositoryRuleType::Update if !given.is_null() => Some(Self::Update(UpdateParameters {
                update_allows_fetch_and_merge: switch("update_allows_fetch_and_merge"),
            })),
            _ => None,
        }
    }
}

#[derive(SimpleObject)]
struct PullRequestParameters {
    allowed_merge_methods: Vec<String>,
    dismiss_stale_reviews_on_push: bool,
    require_code_owner_review: bool,
    require_last_push_approval: bool,
    required_approving_review_count: i32,
    required_review_thread_resolution: bool,
}

#[derive(SimpleObject)]
struct RequiredStatusChecksParameters {
    do_not_enforce_on_create: bool,
    required_status_checks: Vec<StatusCheckConfiguration>,
    strict_required_status_checks_policy: bool,
}

#[derive(SimpleObject)]
struct StatusCheckConfiguration {
    context: String,
    integration_id: Option<i32>,
}

#[derive(SimpleObject)]
struct UpdateParameters {
    update_allows_fetch_and_merge: bool,
}

/// Who need not obey.
#[derive(SimpleObject)]
pub(super) struct RepositoryRulesetBypassActor {
    id: ID,
    actor: Option<BypassActor>,
    /// Null for `exempt`, which GraphQL has no name for.
    bypass_mode: Option<RepositoryRulesetBypassActorBypassMode>,
    deploy_key: bool,
    enterprise_owner: bool,
    organization_admin: bool,
    repository_role_database_id: Option<i32>,
    repository_role_name: Option<String>,
}

/// An App or a team.
#[derive(Union)]
pub(super) enum BypassActor {
    App(App),
    Team(Team),
}

impl RepositoryRulesetBypassActor {
    fn of(set: &Ruleset, index: usize, actor: &Value) -> Self {
        let kind = actor["actor_type"].as_str().unwrap_or_default();
        let id = actor["actor_id"].as_u64();
        let role = id.filter(|_| kind == "RepositoryRole");
        let name = |role| match role {
            1 => "read",
            2 => "triage",
            3 => "write",
            4 => "maintain",
            _ => "admin",
        };
        Self {
            id: ID(format!("{}_{index}", node_id("RRB", set.id))),
            actor: match kind {
                "Integration" => id.and_then(App::of).map(BypassActor::App),
                "Team" => id.map(|id| BypassActor::Team(Team::of(id))),
                _ => None,
            },
            bypass_mode: match actor["bypass_mode"].as_str() {
                Some("pull_request") => Some(RepositoryRulesetBypassActorBypassMode::PullRequest),
                Some("always") => Some(RepositoryRulesetBypassActorBypassMode::Always),
                _ => None,
            },
            deploy_key: kind == "DeployKey",
            enterprise_owner: false,
            organization_admin: kind == "OrganizationAdmin",
            repository_role_database_id: role.map(int),
            repository_role_name: role.map(|role| name(role).to_owned()),
        }
    }
}
