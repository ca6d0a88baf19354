//! What a Fork asks for, validated and with all references resolved: no spec field is read after this.

use forkable_crds::deployment::Strategy;
use forkable_crds::fork::{DeletionPolicy, EnvPolicy, OnEnvChange, Overwrite, Security, TemplateMode, Visibility};
use forkable_crds::rollout::Previews;

use crate::{
    DigestKey, Secret,
    forge::{BranchRules, Environment},
    hosting::{DomainItem, EnvItem, ProjectFacts, ProjectSettings},
};
use jiff::{SignedDuration, Timestamp};

/// Everything that one Fork asks for.
#[derive(Clone, Debug)]
pub struct Desired {
    pub uid: String,
    pub namespace: String,
    pub name: String,
    /// Generation of the manifest.
    pub generation: i64,
    pub template: Template,
    pub repository: Repository,
    pub files: Vec<File>,
    /// `None`: rules are none of ours.
    pub protection: Option<BranchRules>,
    pub actions: Actions,
    pub security: Option<Security>,
    pub project: Project,
    pub env: Vec<Variable>,
    pub env_policy: EnvPolicy,
    pub domains: Vec<DomainItem>,
    pub revision_history_limit: usize,
    pub on_env_change: OnEnvChange,
    /// How its releases go live.
    pub strategy: Strategy,
    /// `None`: pull requests have none.
    pub previews: Option<Previews>,
    pub deletion_policy: DeletionPolicy,
    /// A person allowed to take over what this Fork did not make.
    pub adopt: bool,
    pub digest_key: DigestKey,
}

impl Desired {
    /// Digest of the value that a variable is written with.
    pub(super) fn digest_of(&self, item: &EnvItem) -> Option<&String> {
        self.env.iter().find(|variable| variable.key == item.key && variable.value == item.value).map(|it| &it.digest)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pub owner: String,
    pub repo: String,
    pub git_ref: Option<String>,
    pub mode: TemplateMode,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    pub owner: String,
    pub name: String,
    pub visibility: Visibility,
    pub description: Option<String>,
    pub homepage: Option<String>,
    /// Sorted.
    pub topics: Option<Vec<String>>,
    pub issues: Option<bool>,
    pub wiki: Option<bool>,
    pub projects: Option<bool>,
    pub discussions: Option<bool>,
    pub delete_branch_on_merge: Option<bool>,
    pub default_branch: Option<String>,
}

/// A file with its placeholders filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub path: String,
    pub content: String,
    /// Git's id of the content.
    pub blob: String,
    pub overwrite: Overwrite,
}

/// GitHub Actions: environments, secrets, variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    pub environments: Vec<Environment>,
    pub secrets: Vec<ActionsValue>,
    pub variables: Vec<ActionsValue>,
}

impl Actions {
    pub fn is_empty(&self) -> bool {
        self.environments.is_empty() && self.secrets.is_empty() && self.variables.is_empty()
    }
}

/// A secret or variable of GitHub Actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActionsValue {
    pub name: String,
    pub environment: Option<String>,
    pub value: Secret,
    pub digest: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    pub name: String,
    pub team: Option<String>,
    pub settings: ProjectSettings,
    /// Slug and branch.
    pub environments: Vec<(String, String)>,
    /// What is built for production goes live only when it is promoted.
    pub holds_domains: bool,
    pub pause: Option<Pause>,
    pub challenge: Option<Challenge>,
}

/// The project is to be paused, once for each wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Who wants it, and when.
    pub wish: String,
    pub at: Timestamp,
}

impl Pause {
    /// From an annotation, `WHO at TIME`.
    pub fn parse(wish: &str) -> Option<Self> {
        let (_, at) = wish.rsplit_once(" at ")?;
        Some(Self { wish: wish.into(), at: at.parse().ok()? })
    }

    /// Whether it is to be fulfilled still. Annotations outlive what was written down of them, in backups for one: what was
    /// wanted long ago is not done to a project that serves.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) < SignedDuration::from_hours(1)
    }
}

/// Visitors are to be challenged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Who wants it, and until when.
    pub wish: String,
    pub until: Timestamp,
}

impl Challenge {
    /// From an annotation, `WHO until TIME`.
    pub fn parse(wish: &str) -> Option<Self> {
        let (_, until) = wish.rsplit_once(" until ")?;
        Some(Self { wish: wish.into(), until: until.parse().ok()? })
    }

    /// Whether visitors are challenged that long already.
    pub fn is_met(&self, project: &ProjectFacts) -> bool {
        project.challenged_until.is_some_and(|until| until >= self.until.as_millisecond())
    }
}

/// An environment variable with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    pub key: String,
    pub value: Secret,
    /// Keyed digest of the value.
    pub digest: String,
    /// `Production`, `Preview`, `Development` or slugs of custom environments; sorted.
    pub environments: Vec<String>,
    pub branch: Option<String>,
    pub sensitive: bool,
}
