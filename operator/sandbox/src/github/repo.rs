//! A repository and all that belongs to it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::git::Sha;
use super::pulls::PullRequest;
use super::reviews::Review;
use super::runs::Run;
use crate::webhooks::Receiver;

/// Who can see a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Those who were given access.
    Private,
    /// Members of the enterprise.
    Internal,
}

impl Visibility {
    /// As REST writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Internal => "internal",
        }
    }
}

/// Content that arrives later.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// When it is there.
    pub ready_at: Timestamp,
    /// The branches it brings.
    pub branches: BTreeMap<String, Sha>,
    /// Whose push it is.
    pub sender: String,
}

/// A repository secret as it is kept: decrypted, because the sandbox owns the key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredSecret {
    /// Plain text.
    pub value: String,
    /// When it was first put.
    pub created_at: Timestamp,
    /// When it was last put.
    pub updated_at: Timestamp,
}

/// A variable of Actions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Variable {
    /// Plain text.
    pub value: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Secrets and variables, which repositories and environments have alike.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// By upper-case name.
    pub secrets: BTreeMap<String, StoredSecret>,
    /// By upper-case name.
    pub variables: BTreeMap<String, Variable>,
}

/// A ruleset; conditions, rules and bypass actors are kept as they were sent, with the defaults filled in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ruleset {
    /// Never changes.
    pub id: u64,
    /// Names need not differ.
    pub name: String,
    /// `branch`, `tag` or `push`.
    pub target: String,
    /// `active`, `evaluate` or `disabled`.
    pub enforcement: String,
    /// `ref_name` with `include` and `exclude`.
    pub conditions: Value,
    /// Each `type` with its `parameters`.
    pub rules: Vec<Value>,
    /// Who need not obey.
    pub bypass_actors: Vec<Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A deployment branch policy of an environment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BranchPolicy {
    /// Never changes.
    pub id: u64,
    /// A name or a pattern.
    pub name: String,
    /// `branch` or `tag`.
    pub kind: String,
}

/// An environment that jobs deploy to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Environment {
    /// Never changes.
    pub id: u64,
    /// As it was first written.
    pub name: String,
    /// Minutes.
    pub wait_timer: u64,
    /// Who started a run may not approve it.
    pub prevent_self_review: bool,
    /// `type` and `id` of up to six.
    pub reviewers: Vec<Value>,
    /// `protected_branches` and `custom_branch_policies`, or null.
    pub deployment_branch_policy: Value,
    /// When custom policies are on.
    pub policies: Vec<BranchPolicy>,
    /// Its own secrets and variables.
    pub settings: Settings,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A webhook of a repository.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hook {
    /// Never changes.
    pub id: u64,
    /// Where it posts, and what it signs with.
    pub receiver: Receiver,
    /// Event names, or `*`.
    pub events: Vec<String>,
    /// Off hooks get nothing.
    pub active: bool,
    /// `json` or `form`.
    pub content_type: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What an App says about a commit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CheckRun {
    /// Never changes.
    pub id: u64,
    /// Of the job or tool.
    pub name: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// How it ended, once it is completed.
    pub conclusion: Option<String>,
    /// Where its log is.
    pub details_url: Option<String>,
    /// The App that says so.
    pub app_id: u64,
    /// When it was reported.
    pub created_at: Timestamp,
}

/// What anybody with write access says about a commit.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Never changes.
    pub id: u64,
    /// Tells statuses of one commit apart.
    pub context: String,
    /// `error`, `failure`, `pending` or `success`.
    pub state: String,
    /// A sentence.
    pub description: Option<String>,
    /// Where more is said.
    pub target_url: Option<String>,
    /// Whose login it was reported with.
    pub creator: String,
    /// When it was reported.
    pub created_at: Timestamp,
}

/// What can be switched by `PATCH`, under GitHub's own names.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Switches {
    /// Issues.
    pub has_issues: bool,
    /// Projects.
    pub has_projects: bool,
    /// The wiki.
    pub has_wiki: bool,
    /// Discussions.
    pub has_discussions: bool,
    /// Merge commits.
    pub allow_merge_commit: bool,
    /// Squash merges.
    pub allow_squash_merge: bool,
    /// Rebase merges.
    pub allow_rebase_merge: bool,
    /// Merging when the checks are green.
    pub allow_auto_merge: bool,
    /// A button to update a pull request's branch.
    pub allow_update_branch: bool,
    /// Branches go when they are merged.
    pub delete_branch_on_merge: bool,
    /// Forks of a private repository.
    pub allow_forking: bool,
    /// Commits on the web must be signed off.
    pub web_commit_signoff_required: bool,
    /// Others can generate from it.
    pub is_template: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            has_issues: true,
            has_projects: true,
            has_wiki: true,
            has_discussions: false,
            allow_merge_commit: true,
            allow_squash_merge: true,
            allow_rebase_merge: true,
            allow_auto_merge: false,
            allow_update_branch: false,
            delete_branch_on_merge: false,
            allow_forking: true,
            web_commit_signoff_required: false,
            is_template: false,
        }
    }
}

/// A repository.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Repo {
    /// Never changes.
    pub id: u64,
    /// Its owner's login.
    pub owner: String,
    /// Its name.
    pub name: String,
    /// May be empty.
    pub description: Option<String>,
    /// A link.
    pub homepage: Option<String>,
    /// Who can see it.
    pub visibility: Visibility,
    /// Features and merge methods.
    pub switches: Switches,
    /// Read-only.
    pub archived: bool,
    /// The repository it was forked from.
    pub parent: Option<u64>,
    /// The repository it was generated from.
    pub template: Option<u64>,
    /// The branch that is shown first, whether it exists or not.
    pub default_branch: String,
    /// Sorted lower-case words.
    pub topics: Vec<String>,
    /// Heads.
    pub branches: BTreeMap<String, Sha>,
    /// Which of the objects it has.
    pub objects: BTreeSet<Sha>,
    /// Content that is still on its way.
    pub pending: Option<Pending>,
    /// Rulesets, oldest first.
    pub rulesets: Vec<Ruleset>,
    /// By name, oldest first.
    pub environments: Vec<Environment>,
    /// Secrets and variables of the repository itself.
    pub settings: Settings,
    /// Webhooks.
    pub hooks: Vec<Hook>,
    /// Dependabot alerts.
    pub alerts: bool,
    /// Dependabot security updates.
    pub security_fixes: bool,
    /// `secret_scanning` and the like, on or off.
    pub security: BTreeMap<String, bool>,
    /// Custom properties of the organization.
    pub properties: BTreeMap<String, Value>,
    /// Check runs, by commit.
    pub checks: BTreeMap<Sha, Vec<CheckRun>>,
    /// Statuses, by commit.
    pub statuses: BTreeMap<Sha, Vec<Status>>,
    /// Pull requests, oldest first.
    #[serde(default)]
    pub pulls: Vec<PullRequest>,
    /// Reviews of pull requests by number, oldest first.
    #[serde(default)]
    pub reviews: BTreeMap<u64, Vec<Review>>,
    /// Runs of workflows, oldest first.
    #[serde(default)]
    pub runs: Vec<Run>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its settings last changed.
    pub updated_at: Timestamp,
    /// When a branch last moved.
    pub pushed_at: Timestamp,
}

impl Repo {
    /// A private repository with nothing in it.
    pub fn new(id: u64, owner: &str, name: &str, now: Timestamp) -> Self {
        Self {
            id,
            owner: owner.to_owned(),
            name: name.to_owned(),
            description: None,
            homepage: None,
            visibility: Visibility::Private,
            switches: Switches::default(),
            archived: false,
            parent: None,
            template: None,
            default_branch: "main".to_owned(),
            topics: Vec::new(),
            branches: BTreeMap::new(),
            objects: BTreeSet::new(),
            pending: None,
            rulesets: Vec::new(),
            environments: Vec::new(),
            settings: Settings::default(),
            hooks: Vec::new(),
            alerts: false,
            security_fixes: false,
            security: BTreeMap::new(),
            properties: BTreeMap::new(),
            checks: BTreeMap::new(),
            statuses: BTreeMap::new(),
            pulls: Vec::new(),
            reviews: BTreeMap::new(),
            runs: Vec::new(),
            created_at: now,
            updated_at: now,
            pushed_at: now,
        }
    }

    /// `owner/name`
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// Whether only some can see it.
    pub fn is_private(&self) -> bool {
        self.visibility != Visibility::Public
    }

    /// The default branch's commit.
    pub fn head(&self) -> Option<&Sha> {
        self.branches.get(&self.default_branch)
    }
}
