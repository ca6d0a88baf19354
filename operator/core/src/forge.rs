//! The port to where repositories live (GitHub): what can be seen of a repository, and every change to one.

mod commit;

use std::collections::BTreeMap;

use async_trait::async_trait;
use forkable_crds::fork::Visibility;
use jiff::Timestamp;
use litemap::LiteMap;

use crate::{
    PortError, Secret,
    workflows::{Dispatch, RunAsk, RunFacts, RunReview},
};
pub use commit::{CheckFacts, CheckState, CommitAsk, CommitFacts, Pull, Review, short};

/// Reads and changes repositories. One call of `apply` is one [`ForgeChange`]; most are one request.
#[async_trait]
pub trait Forge: Send + Sync {
    /// Looks at repositories and their templates, up to 50 in one request. Answers in the order of the asks.
    /// A repository that is gone (or may not be seen) is `None`; a failed look is an error, never `None`.
    async fn observe(&self, asks: &[RepositoryAsk]) -> Result<Vec<RepositoryView>, PortError>;

    /// Looks at what checks and people say of a commit, in one request (another for each 100 checks). `None`: the
    /// repository has no such commit.
    async fn commit(&self, target: &RepositoryTarget, ask: &CommitAsk) -> Result<Option<CommitFacts>, PortError>;

    /// Makes one change. Taking away what is gone already is no error. Not idempotent for the `Create…` changes that take a name: those answer
    /// [`PortError::Conflict`] when the name is taken, whoever took it.
    async fn apply(&self, target: &RepositoryTarget, change: &ForgeChange) -> Result<ForgeDone, PortError>;

    /// Looks at runs of workflows. A run or workflow that is gone is not among them.
    async fn runs(&self, target: &RepositoryTarget, ask: &RunAsk) -> Result<Vec<RunFacts>, PortError>;

    /// What people said of a run that waits, or waited, for the reviewers of an environment.
    async fn run_reviews(&self, target: &RepositoryTarget, run: i64) -> Result<Vec<RunReview>, PortError>;

    /// The text of a file as a branch or tag has it, by default the default branch. `None`: it is not there.
    async fn file(
        &self,
        target: &RepositoryTarget,
        path: &str,
        git_ref: Option<&str>,
    ) -> Result<Option<String>, PortError>;

    /// What the credentials may do, as far as answers have told so far; no request is made.
    fn permissions(&self) -> Permissions;
}

/// Permissions of credentials, in the provider's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// What is granted: classic scopes (`repo`, `workflow`) or App permissions (`administration:write`).
    /// `None`: the provider does not tell (fine-grained tokens).
    pub granted: Option<Vec<String>>,
}

/// What to look at for one fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryAsk {
    /// GraphQL id, once known: it follows renames and transfers.
    pub node_id: Option<String>,
    pub owner: String,
    pub name: String,
    /// The template, if it has to be looked at too.
    pub template: Option<(String, String)>,
    /// Paths whose blobs are wanted, from the head of the default branch (and of the template).
    pub paths: Vec<String>,
    /// Also read what only single REST calls tell: secrets, variables, branch policies, security settings.
    pub deep: bool,
    /// Also look at the open pull requests.
    pub pull_requests: bool,
}

/// What is seen for one ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryView {
    pub repository: Option<RepositoryFacts>,
    pub template: Option<Box<TemplateFacts>>,
}

/// A template repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateFacts {
    pub id: i64,
    pub full_name: String,
    pub is_template: bool,
    pub private: bool,
    pub default_branch: Option<String>,
    /// `None`: it has no commit.
    pub head: Option<Head>,
    /// Blob per asked path; absent paths are not in it.
    pub blobs: Blobs,
}

/// Blob by path. A list, as most repositories have one path that is looked at: a map has room for eleven at once.
pub type Blobs = LiteMap<String, String>;

/// The newest commit of a branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub oid: String,
    pub tree: String,
    /// First line.
    pub message: String,
    pub author: String,
}

/// A repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryFacts {
    pub id: i64,
    pub node_id: String,
    /// `owner/name` as it is now, after renames and transfers.
    pub full_name: String,
    pub html_url: String,
    pub description: Option<String>,
    pub homepage: Option<String>,
    pub visibility: Visibility,
    pub archived: bool,
    pub template_id: Option<i64>,
    pub parent_id: Option<i64>,
    pub topics: Vec<String>,
    pub issues: bool,
    pub wiki: bool,
    pub projects: bool,
    pub discussions: bool,
    pub delete_branch_on_merge: bool,
    /// `None` when looked at: there is no such branch (yet). Answers to changes name it also where there is none.
    pub default_branch: Option<String>,
    /// `None`: no commit yet, which is "not yet" for a repository that was just made; or not told by an answer.
    pub head: Option<Head>,
    /// Blob per asked path; absent paths are not in it.
    pub blobs: Blobs,
    pub rulesets: Vec<RulesetFacts>,
    pub environments: Vec<EnvironmentFacts>,
    pub dependabot_alerts: Option<bool>,
    pub created_at: Option<Timestamp>,
    /// `None`: not asked for.
    pub deep: Option<Box<DeepFacts>>,
    /// `None`: not asked for.
    pub pull_requests: Option<PullRequests>,
}

/// The most open pull requests that a look tells.
pub const MAX_PULL_REQUESTS: usize = 100;

/// The open pull requests of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullRequests {
    /// By number; the [`MAX_PULL_REQUESTS`] that were opened first.
    pub open: Vec<PullRequest>,
    /// There are more.
    pub is_cut: bool,
    /// They may not be seen with the credentials, or could not be told: `open` says nothing.
    pub is_hidden: bool,
}

impl PullRequests {
    /// Whether it is certain that the pull request of this number, which was open, is no more.
    pub fn is_closed(&self, number: i64) -> bool {
        let is_told = !self.is_cut || self.open.last().is_some_and(|last| number < last.number);
        !self.is_hidden && is_told && self.open.iter().all(|open| open.number != number)
    }
}

/// An open pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullRequest {
    pub number: i64,
    /// Its newest commit. Of one that is in another repository, only the id is told.
    pub head: Head,
    /// The branch that it wants to be merged.
    pub branch: String,
    /// That branch is in another repository.
    pub is_cross_repository: bool,
}

/// What only single REST calls tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeepFacts {
    pub secrets: Vec<StoredValue>,
    pub variables: Vec<StoredValue>,
    pub secret_scanning: Option<bool>,
    pub push_protection: Option<bool>,
    pub dependabot_fixes: Option<bool>,
    /// Branch name patterns per environment; environments with the policy "protected branches" are in `protected`.
    pub branch_patterns: BTreeMap<String, Vec<String>>,
    pub protected_only: Vec<String>,
}

/// A secret (no value) or a variable (with value).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValue {
    pub name: String,
    pub environment: Option<String>,
    pub value: Option<String>,
    pub updated_at: Option<Timestamp>,
}

/// A ruleset of the repository itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesetFacts {
    pub id: i64,
    pub name: String,
    /// `None`: it has rules or conditions that this program does not write.
    pub rules: Option<BranchRules>,
    pub active: bool,
}

/// Rules of the default branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchRules {
    pub required_reviews: Option<i32>,
    /// Context and App id, sorted.
    pub required_checks: Vec<(String, Option<i64>)>,
    pub linear_history: bool,
    pub block_force_pushes: bool,
    pub block_deletion: bool,
}

/// A deployment environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentFacts {
    pub name: String,
    /// `user:login` and `team:slug`, sorted.
    pub reviewers: Vec<String>,
    pub prevent_self_review: bool,
    pub wait_minutes: i32,
}

/// The repository that a change is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryTarget {
    /// `None` only for changes that create it.
    pub id: Option<i64>,
    pub node_id: Option<String>,
    /// Name in force, or the name to create.
    pub owner: String,
    pub name: String,
    /// Commit that `CommitFiles` builds on: if the branch moved on, the answer is [`PortError::Stale`].
    pub head: Option<String>,
}

/// Message of the commit that GitHub itself begins a repository with.
pub const INITIAL_COMMIT: &str = "Initial commit";

/// One change to a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForgeChange {
    /// GitHub's "use this template"; content shows up later.
    CreateFromTemplate {
        template: (String, String),
        visibility: Visibility,
        description: Option<String>,
    },
    /// A GitHub fork; content shows up later. A fork that the owner has already, under whatever name, is a
    /// [`PortError::Conflict`].
    CreateFork {
        template: (String, String),
    },
    /// A new repository with the template's tree at `git_ref` in one commit, whose message is not [`INITIAL_COMMIT`].
    /// With an id in the target it goes on with what an interrupted copy has left: replaces the head of that repository.
    CreateCopy {
        template: (String, String),
        git_ref: Option<String>,
        visibility: Visibility,
        description: Option<String>,
    },
    /// Settings; `None` is left as it is.
    UpdateRepository(RepositoryPatch),
    SetTopics(Vec<String>),
    /// All files in one commit on top of the target's `head`.
    CommitFiles {
        branch: String,
        message: String,
        files: Vec<FileContent>,
    },
    CreateRuleset(Ruleset),
    UpdateRuleset {
        id: i64,
        ruleset: Ruleset,
    },
    DeleteRuleset {
        id: i64,
    },
    PutEnvironment(Environment),
    PutSecret {
        environment: Option<String>,
        name: String,
        value: Secret,
    },
    DeleteSecret {
        environment: Option<String>,
        name: String,
    },
    /// `exists` chooses between the two calls that GitHub has for it; a wrong guess is mended with the other one.
    PutVariable {
        environment: Option<String>,
        name: String,
        value: String,
        exists: bool,
    },
    DeleteVariable {
        environment: Option<String>,
        name: String,
    },
    /// One comment of ours on a pull request, with a marker that people do not see. Changes the one with the id, else
    /// the one of ours that has the marker, else makes one: may be made again if it is not known whether it was.
    PutComment {
        pull_request: i64,
        id: Option<i64>,
        marker: String,
        text: String,
    },
    SetDependabotAlerts(bool),
    SetDependabotFixes(bool),
    /// Begins a run; each time another one.
    DispatchWorkflow(Dispatch),
    /// A pull request that takes a commit back; the one that there is already, if there is. If the branch has moved on
    /// from the bad commit, the answer is [`PortError::Stale`].
    OpenRevert(Revert),
    /// Stops a run, unless it is over.
    CancelRun {
        id: i64,
    },
    Archive,
    Delete,
}

/// A commit to take back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// The branch that the pull request is from; by its name it is found again.
    pub branch: String,
    /// The branch that it is for, and whose newest commit is the bad one.
    pub base: String,
    pub bad: String,
    /// The commit whose files are to be there again.
    pub good: String,
    pub title: String,
    pub body: String,
}

/// New settings of a repository; `None` is left as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositoryPatch {
    pub name: Option<String>,
    pub description: Option<String>,
    pub homepage: Option<String>,
    pub visibility: Option<Visibility>,
    /// Becomes the default branch; if there is no branch of that name, the present default branch is renamed to it.
    pub default_branch: Option<String>,
    pub issues: Option<bool>,
    pub wiki: Option<bool>,
    pub projects: Option<bool>,
    pub discussions: Option<bool>,
    pub delete_branch_on_merge: Option<bool>,
    pub secret_scanning: Option<bool>,
    pub push_protection: Option<bool>,
}

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    pub path: String,
    pub content: String,
}

/// A ruleset to write, on the default branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    pub name: String,
    pub rules: BranchRules,
}

/// A deployment environment to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    pub name: String,
    /// `user:login` and `team:slug`, sorted; the adapter finds the ids.
    pub reviewers: Vec<String>,
    pub prevent_self_review: bool,
    pub wait_minutes: i32,
    pub branches: Branches,
}

/// Branches that may deploy to an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Branches {
    #[default]
    All,
    Protected,
    Patterns(Vec<String>),
}

/// What a change came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForgeDone {
    /// The repository as answered; lists that the answer does not carry are empty.
    Repository(Box<RepositoryFacts>),
    /// The new head and the blob of each file.
    Committed {
        head: Head,
        blobs: Blobs,
    },
    Ruleset(RulesetFacts),
    /// A secret or variable was written; GitHub's time of it, if it says so.
    Stored {
        updated_at: Option<Timestamp>,
    },
    /// A comment was written; `None`: nobody may comment there.
    Commented {
        id: Option<i64>,
    },
    /// A run was asked for; its id and page, if the answer tells.
    Dispatched {
        run: Option<(i64, String)>,
    },
    PullRequest {
        number: i64,
        url: String,
    },
    Nothing,
}
