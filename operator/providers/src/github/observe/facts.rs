//! Repositories as GraphQL tells them, read into facts.

use forkable_core::{
    PortError,
    error::Provider,
    forge::{
        Blobs, BranchRules, EnvironmentFacts, Head, PullRequest, PullRequests, RepositoryFacts, RulesetFacts,
        TemplateFacts,
    },
};
use forkable_crds::fork::Visibility;
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::transport;

/// What is in an answer, typed.
pub(in crate::github) fn read<T: DeserializeOwned>(value: Value) -> Result<T, PortError> {
    serde_json::from_value(value).map_err(|error| transport::unreadable(Provider::GitHub, &error))
}

/// Blobs under the aliases `b0`, `b1`, … by their paths.
pub(super) fn blobs(repository: &Value, paths: &[&str]) -> Blobs {
    // They are kept, and have no room to spare.
    let mut blobs = Blobs::with_capacity(paths.len());
    for (i, path) in paths.iter().enumerate() {
        if let Some(oid) = repository.get(format!("b{i}")).and_then(|blob| blob.get("oid")?.as_str()) {
            blobs.insert((*path).to_owned(), oid.to_owned());
        }
    }
    blobs
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::github) struct Seen {
    id: String,
    database_id: i64,
    name_with_owner: String,
    url: String,
    description: Option<String>,
    homepage_url: Option<String>,
    visibility: SeenVisibility,
    is_archived: bool,
    has_issues_enabled: bool,
    has_wiki_enabled: bool,
    has_projects_enabled: bool,
    has_discussions_enabled: bool,
    delete_branch_on_merge: bool,
    created_at: Timestamp,
    has_vulnerability_alerts_enabled: Option<bool>,
    template_repository: Option<Id>,
    parent: Option<Id>,
    default_branch_ref: Option<Branch>,
    repository_topics: List<SeenTopic>,
    rulesets: Option<List<SeenRuleset>>,
    environments: Option<List<SeenEnvironment>>,
    /// Absent where it was not asked for.
    pull_requests: Option<List<SeenPullRequest>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SeenTemplate {
    database_id: i64,
    name_with_owner: String,
    is_template: bool,
    is_private: bool,
    default_branch_ref: Option<Branch>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum SeenVisibility {
    Public,
    Private,
    Internal,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Id {
    database_id: Option<i64>,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    target: Option<Commit>,
}

/// A commit, by the fragment `Head`.
#[derive(Deserialize)]
pub(in crate::github) struct Commit {
    oid: String,
    message: String,
    tree: Oid,
    author: Option<Author>,
}

#[derive(Deserialize)]
struct Oid {
    oid: String,
}

#[derive(Deserialize)]
struct Author {
    name: Option<String>,
    user: Option<Login>,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::github) struct List<T> {
    /// GraphQL may leave out items that cannot be told.
    nodes: Option<Vec<Option<T>>>,
    page_info: Option<PageInfo>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

impl<T> List<T> {
    pub(in crate::github) fn items(self) -> impl Iterator<Item = T> {
        self.nodes.into_iter().flatten().flatten()
    }

    fn is_cut(&self) -> bool {
        self.page_info.as_ref().is_some_and(|page| page.has_next_page)
    }

    /// Where the next page begins, if there is one.
    pub(in crate::github) fn next(&self) -> Option<String> {
        self.page_info.as_ref().filter(|page| page.has_next_page)?.end_cursor.clone()
    }
}

#[derive(Deserialize)]
struct SeenTopic {
    topic: Named,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenRuleset {
    database_id: Option<i64>,
    name: String,
    enforcement: String,
    target: Option<String>,
    conditions: Conditions,
    rules: Option<List<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Conditions {
    ref_name: Option<RefNames>,
}

#[derive(Deserialize)]
struct RefNames {
    include: Vec<String>,
    exclude: Vec<String>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
#[serde(tag = "__typename")]
enum Parameters {
    #[serde(rename = "PullRequestParameters", rename_all = "camelCase")]
    PullRequest {
        required_approving_review_count: i32,
        dismiss_stale_reviews_on_push: bool,
        require_code_owner_review: bool,
        require_last_push_approval: bool,
        required_review_thread_resolution: bool,
    },
    #[serde(rename = "RequiredStatusChecksParameters", rename_all = "camelCase")]
    Checks { strict_required_status_checks_policy: bool, required_status_checks: Vec<Check> },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    context: String,
    integration_id: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenEnvironment {
    name: String,
    protection_rules: List<ProtectionRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProtectionRule {
    #[serde(rename = "type")]
    kind: String,
    timeout: i32,
    prevent_self_review: Option<bool>,
    reviewers: List<Reviewer>,
}

#[derive(Deserialize)]
#[serde(tag = "__typename")]
enum Reviewer {
    User {
        login: String,
    },
    Team {
        slug: String,
    },
    #[serde(other)]
    Other,
}

impl Seen {
    /// Whether there are more rulesets or environments than were asked for.
    pub(super) fn is_cut(&self) -> bool {
        self.rulesets.as_ref().is_some_and(List::is_cut) || self.environments.as_ref().is_some_and(List::is_cut)
    }

    pub(in crate::github) fn facts(self, blobs: Blobs) -> RepositoryFacts {
        let (default_branch, head) = branch(self.default_branch_ref);
        let mut rulesets: Vec<_> =
            self.rulesets.into_iter().flat_map(List::items).filter_map(SeenRuleset::facts).collect();
        rulesets.sort_unstable_by_key(|ruleset| ruleset.id);
        let mut environments: Vec<_> =
            self.environments.into_iter().flat_map(List::items).map(SeenEnvironment::facts).collect();
        environments.sort_by(|a, b| a.name.cmp(&b.name));
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        RepositoryFacts {
            id: self.database_id,
            node_id: self.id,
            full_name: self.name_with_owner,
            html_url: self.url,
            description: text(self.description),
            homepage: text(self.homepage_url),
            visibility: match self.visibility {
                SeenVisibility::Public => Visibility::Public,
                SeenVisibility::Private => Visibility::Private,
                SeenVisibility::Internal => Visibility::Internal,
            },
            archived: self.is_archived,
            template_id: self.template_repository.and_then(|template| template.database_id),
            parent_id: self.parent.and_then(|parent| parent.database_id),
            topics: self.repository_topics.items().map(|topic| topic.topic.name).collect(),
            issues: self.has_issues_enabled,
            wiki: self.has_wiki_enabled,
            projects: self.has_projects_enabled,
            discussions: self.has_discussions_enabled,
            delete_branch_on_merge: self.delete_branch_on_merge,
            default_branch,
            head,
            blobs,
            rulesets,
            environments,
            dependabot_alerts: self.has_vulnerability_alerts_enabled,
            created_at: Some(self.created_at),
            deep: None,
            pull_requests: self.pull_requests.map(SeenPullRequest::all),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeenPullRequest {
    number: i64,
    is_cross_repository: bool,
    head_ref_name: String,
    head_ref_oid: String,
    head_ref: Option<HeadRef>,
}

#[derive(Deserialize)]
struct HeadRef {
    target: Option<Commit>,
}

impl SeenPullRequest {
    fn all(list: List<Self>) -> PullRequests {
        let is_cut = list.is_cut();
        // One that cannot be told may be any of them.
        let is_hidden = list.nodes.as_ref().is_none_or(|nodes| nodes.iter().any(Option::is_none));
        let mut open: Vec<_> = list.items().map(Self::facts).collect();
        open.sort_unstable_by_key(|open| open.number);
        PullRequests { open, is_cut, is_hidden }
    }

    fn facts(self) -> PullRequest {
        let head = self.head_ref.and_then(|head| head.target).map(Commit::head);
        let head = head.filter(|head| head.oid == self.head_ref_oid && !self.is_cross_repository);
        PullRequest {
            number: self.number,
            head: head.unwrap_or_else(|| Head { oid: self.head_ref_oid, ..Head::default() }),
            branch: self.head_ref_name,
            is_cross_repository: self.is_cross_repository,
        }
    }
}

impl SeenTemplate {
    pub(super) fn facts(self, blobs: Blobs) -> TemplateFacts {
        let (default_branch, head) = branch(self.default_branch_ref);
        TemplateFacts {
            id: self.database_id,
            full_name: self.name_with_owner,
            is_template: self.is_template,
            private: self.is_private,
            default_branch,
            head,
            blobs,
        }
    }
}

fn branch(branch: Option<Branch>) -> (Option<String>, Option<Head>) {
    branch.map_or((None, None), |branch| (Some(branch.name), branch.target.map(Commit::head)))
}

impl Commit {
    pub(in crate::github) fn head(self) -> Head {
        let author = self.author.and_then(|author| author.user.map(|user| user.login).or(author.name));
        Head {
            oid: self.oid,
            tree: self.tree.oid,
            message: self.message.lines().next().unwrap_or_default().to_owned(),
            author: author.unwrap_or_default(),
        }
    }
}

impl SeenRuleset {
    fn facts(self) -> Option<RulesetFacts> {
        let is_default_branch = self.target.as_deref() == Some("BRANCH")
            && self
                .conditions
                .ref_name
                .is_some_and(|names| names.include == ["~DEFAULT_BRANCH"] && names.exclude.is_empty());
        let rules = if is_default_branch { branch_rules(self.rules.into_iter().flat_map(List::items)) } else { None };
        Some(RulesetFacts { id: self.database_id?, name: self.name, rules, active: self.enforcement == "ACTIVE" })
    }
}

/// `None` as soon as there is a rule, or a parameter of one, that is never written.
fn branch_rules(rules: impl Iterator<Item = Rule>) -> Option<BranchRules> {
    let mut all = BranchRules::default();
    for rule in rules {
        match (rule.kind.as_str(), rule.parameters) {
            (
                "PULL_REQUEST",
                Some(Parameters::PullRequest {
                    required_approving_review_count,
                    dismiss_stale_reviews_on_push: false,
                    require_code_owner_review: false,
                    require_last_push_approval: false,
                    required_review_thread_resolution: false,
                }),
            ) => all.required_reviews = Some(required_approving_review_count),
            (
                "REQUIRED_STATUS_CHECKS",
                Some(Parameters::Checks { strict_required_status_checks_policy: false, required_status_checks }),
            ) => {
                all.required_checks =
                    required_status_checks.into_iter().map(|check| (check.context, check.integration_id)).collect();
                all.required_checks.sort_unstable();
            }
            ("REQUIRED_LINEAR_HISTORY", _) => all.linear_history = true,
            ("NON_FAST_FORWARD", _) => all.block_force_pushes = true,
            ("DELETION", _) => all.block_deletion = true,
            _ => return None,
        }
    }
    Some(all)
}

impl SeenEnvironment {
    fn facts(self) -> EnvironmentFacts {
        let mut facts = EnvironmentFacts { name: self.name, ..EnvironmentFacts::default() };
        for rule in self.protection_rules.items() {
            match rule.kind.as_str() {
                "WAIT_TIMER" => facts.wait_minutes = rule.timeout,
                "REQUIRED_REVIEWERS" => {
                    facts.prevent_self_review = rule.prevent_self_review.unwrap_or(false);
                    facts.reviewers = rule.reviewers.items().filter_map(Reviewer::name).collect();
                    facts.reviewers.sort_unstable();
                }
                _ => {}
            }
        }
        facts
    }
}

impl Reviewer {
    fn name(self) -> Option<String> {
        match self {
            Self::User { login } => Some(format!("user:{login}")),
            Self::Team { slug } => Some(format!("team:{slug}")),
            Self::Other => None,
        }
    }
}
