//! The port to where products run (Vercel): what can be seen of a project, and every change to one.

use async_trait::async_trait;
use forkable_crds::fork::{DnsRecord, FunctionMemory, LoginProtection, NodeVersion};
use futures::stream::BoxStream;
use jiff::Timestamp;

use crate::{PortError, Secret};

/// Reads and changes projects, their domains, variables and deployments.
#[async_trait]
pub trait Hosting: Send + Sync {
    /// Looks at projects: one ask by a single GET, more by pages of 100. Answers in the order of the asks.
    /// A project is `None` only when a GET of it said 404; a failed look is an error.
    async fn observe(&self, asks: &[ProjectAsk]) -> Result<Vec<Option<ProjectFacts>>, PortError>;

    /// The domains of a project with DNS configuration for the names in `configuration_of` (one request each).
    async fn domains(&self, target: &ProjectTarget, configuration_of: &[String])
    -> Result<Vec<DomainFacts>, PortError>;

    /// DNS configuration of one domain that is known to be on the project.
    async fn domain_configuration(&self, target: &ProjectTarget, name: &str) -> Result<DomainConfiguration, PortError>;

    /// Certificates of the team: names and end.
    async fn certificates(&self, team: Option<&str>) -> Result<Vec<(Vec<String>, Timestamp)>, PortError>;

    /// Makes one change. [`HostingChange::CreateProject`] answers [`PortError::Conflict`] when the name is taken;
    /// [`HostingChange::CreateDeployment`] is not idempotent: look with [`Hosting::deployments`] first.
    async fn apply(&self, target: &ProjectTarget, change: &HostingChange) -> Result<HostingDone, PortError>;

    /// One deployment by id; `None` if it was deleted.
    async fn deployment(&self, target: &ProjectTarget, id: &str) -> Result<Option<DeploymentFacts>, PortError>;

    /// Deployments of a project for a commit (or the newest of all), newest first, at most 100.
    async fn deployments(
        &self,
        target: &ProjectTarget,
        commit: Option<&str>,
    ) -> Result<Vec<DeploymentFacts>, PortError>;

    /// All builds of a team that are under way (queued or building), whosoever began them; at most the newest 100.
    async fn builds(&self, team: Option<&str>) -> Result<Vec<DeploymentFacts>, PortError>;

    /// The last lines of a build's log, at most 20.
    async fn build_log(&self, target: &ProjectTarget, id: &str) -> Result<Vec<String>, PortError>;

    /// What a deployment logs while it runs, from now on until the provider ends it: after minutes, to be asked for again.
    async fn runtime_log(&self, target: &ProjectTarget, id: &str) -> Result<RuntimeLog, PortError>;

    /// Whether the project may have releases that get its visitors step by step: [`PortError::PlanUnsupported`] if the
    /// plan has none, or none left.
    async fn allows_steps(&self, target: &ProjectTarget) -> Result<(), PortError>;

    /// The steps that the project's next release would go through, in percent of the visitors without the last 100;
    /// `None`: it goes live at once.
    async fn steps(&self, target: &ProjectTarget) -> Result<Option<Vec<i64>>, PortError>;

    /// The last release that got the project's visitors step by step, whether it is over or not.
    async fn split(&self, target: &ProjectTarget) -> Result<Option<Split>, PortError>;
}

/// Lines of a log as they come. After an error there are no more.
pub type RuntimeLog = BoxStream<'static, Result<LogLine, PortError>>;

/// A line of a log, without its text: what a product logs may be anybody's secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogLine {
    /// Its level is that of an error or worse.
    pub is_error: bool,
    /// Status of the response to the request that it is of, once there is one.
    pub status: Option<u16>,
}

/// A release that gets a project's visitors step by step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// The deployment that gets more and more of them.
    pub canary: String,
    /// The one that gets the others.
    pub base: Option<String>,
    pub state: SplitState,
    /// A deployment whose turn comes after it.
    pub queued: Option<String>,
    /// Milliseconds since 1970, by the provider's clock.
    pub started_at: i64,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SplitState {
    /// At a step, from 0.
    Active { stage: usize },
    /// All visitors get the canary.
    Complete,
    /// All visitors get what they got before.
    #[default]
    Aborted,
}

/// What to look at for one fork.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectAsk {
    /// Id, once known: it follows renames.
    pub id: Option<String>,
    pub name: String,
    pub team: Option<String>,
    /// Its custom environments matter: the manifest declares some, or earlier passes made some. Lists may not tell
    /// them; they are then read with one more request, and only for asks that say so.
    pub environments: bool,
}

/// The project that a change is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectTarget {
    pub team: Option<String>,
    /// `None` only for `CreateProject`.
    pub id: Option<String>,
    pub name: String,
    /// `owner/name` and id of the repository to link.
    pub repository: Option<(String, i64)>,
}

/// A project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectFacts {
    pub id: String,
    pub name: String,
    pub team: String,
    /// GitHub's id of the linked repository.
    pub repository_id: Option<i64>,
    pub production_branch: Option<String>,
    pub settings: ProjectSettings,
    pub paused: bool,
    /// Until when visitors have to prove that they are browsers, in milliseconds since 1970; [`i64::MAX`]: until a person
    /// says otherwise. `None`: they have not.
    pub challenged_until: Option<i64>,
    pub env: Vec<EnvRow>,
    /// Empty also when a list did not tell them and the ask did not want them.
    pub environments: Vec<CustomEnvironment>,
    /// `None`: not looked at (a list does not tell all of it).
    pub domains: Option<Vec<DomainFacts>>,
    /// The deployment that production domains serve now.
    pub production_deployment: Option<String>,
    /// Whether what is built for production goes live by itself. `None`: not told.
    pub assigns_domains: Option<bool>,
    /// The last promotion or rollback. Lists do not tell it.
    pub moved: Option<Box<Move>>,
}

/// A promotion or rollback of a project: production's domains are led to another deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The deployment that they are led to.
    pub to: String,
    pub is_rollback: bool,
    /// `None`: it is under way.
    pub succeeded: Option<bool>,
    /// Milliseconds since 1970, by the provider's clock.
    pub requested_at: i64,
}

/// Settings that a Fork governs; `None` is the provider's default, or left as it is where the doc of the field says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectSettings {
    pub framework: Option<String>,
    pub root_directory: Option<String>,
    pub install_command: Option<String>,
    pub build_command: Option<String>,
    pub output_directory: Option<String>,
    /// Left as it is if `None`.
    pub node_version: Option<NodeVersion>,
    /// Left as they are if `None`.
    pub regions: Option<Vec<String>>,
    /// Left as it is if `None`.
    pub memory: Option<FunctionMemory>,
    /// Left as it is if `None`.
    pub max_duration_seconds: Option<i32>,
    /// Left as it is if `None`.
    pub fluid: Option<bool>,
    /// Left as it is if `None`.
    pub login: Option<LoginProtection>,
}

/// A row of environment variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvRow {
    pub id: String,
    pub key: String,
    /// `production`, `preview`, `development`, sorted.
    pub targets: Vec<String>,
    /// Ids of custom environments, sorted.
    pub custom_environment_ids: Vec<String>,
    pub branch: Option<String>,
    pub sensitive: bool,
    /// Milliseconds since 1970.
    pub updated_at: i64,
    /// An integration owns it: never touched.
    pub integration: bool,
}

/// A custom environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomEnvironment {
    pub id: String,
    pub slug: String,
    pub branch: Option<String>,
}

/// A domain of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainFacts {
    pub name: String,
    pub redirect: Option<String>,
    pub redirect_status: Option<i32>,
    pub branch: Option<String>,
    pub custom_environment_id: Option<String>,
    pub verified: bool,
    /// TXT records that prove ownership, while not verified.
    pub verification: Vec<DnsRecord>,
    /// `None`: not looked at.
    pub configuration: Option<DomainConfiguration>,
}

impl DomainFacts {
    /// Whether it is proven and led here by DNS.
    pub fn is_ready(&self) -> bool {
        self.verified && self.configuration.as_ref().is_some_and(|configuration| configuration.configured)
    }

    /// Records that a person still has to make.
    pub fn missing_records(&self) -> Vec<DnsRecord> {
        let proofs = self.verification.iter().filter(|_| !self.verified);
        let unconfigured = self.configuration.iter().filter(|configuration| !configuration.configured);
        let mut records: Vec<_> = proofs.chain(unconfigured.flat_map(|it| &it.records)).cloned().collect();
        records.dedup();
        records
    }
}

/// How DNS stands for a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainConfiguration {
    pub configured: bool,
    /// Records that would make it configured.
    pub records: Vec<DnsRecord>,
}

/// One change to a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostingChange {
    /// Creates the project, linked to the target's repository.
    CreateProject(ProjectSettings),
    /// New settings and, if given, a new name. Fields that are `None` in both are left out.
    UpdateProject {
        name: Option<String>,
        settings: ProjectSettingsPatch,
    },
    /// Links the project to the target's repository, in place of what it is linked to.
    LinkRepository,
    SetProductionBranch(String),
    CreateEnvironment {
        slug: String,
        branch: String,
    },
    UpdateEnvironment {
        id: String,
        branch: String,
    },
    DeleteEnvironment {
        id: String,
    },
    /// All of them in one request, beyond 100 in more. If some are refused, the error names their keys and the others
    /// are written all the same.
    UpsertEnv(Vec<EnvItem>),
    DeleteEnv {
        rows: Vec<(String, String)>,
    },
    AddDomain(DomainItem),
    UpdateDomain(DomainItem),
    VerifyDomain {
        name: String,
    },
    RemoveDomain {
        name: String,
    },
    /// A build of one commit. `request` marks it in `meta`, so that it is found again.
    CreateDeployment(DeploymentRequest),
    CancelDeployment {
        id: String,
    },
    /// Takes away a deployment for good; one that is being built is stopped.
    DeleteDeployment {
        id: String,
    },
    PauseProject,
    /// Visitors have to prove that they are browsers until then, in milliseconds since 1970.
    ChallengeVisitors {
        until: i64,
    },
    DeleteProject,
    /// Whether what is built for production goes live by itself.
    AssignDomains(bool),
    /// Leads production's domains to a deployment that is built for production. Not done when it is answered: look at
    /// [`ProjectFacts::moved`]. What serves already is no error. Switches [`HostingChange::AssignDomains`] on.
    Promote {
        id: String,
    },
    /// Leads production's domains back to a deployment that served them before; likewise. Switches
    /// [`HostingChange::AssignDomains`] off.
    RollBack {
        id: String,
    },
    /// Steps for the next release, in percent of the visitors without the last 100; `None`: it goes live at once.
    /// What is under way keeps its own.
    SetSteps(Option<Vec<i64>>),
    /// Leads the first step's part of the visitors to a deployment that is built for production. Once more is no error.
    StartSteps {
        id: String,
    },
    /// Leads the part of another step, from 0, to it; the step must be the next one.
    NextStep {
        id: String,
        stage: usize,
    },
    /// Leads all visitors to it.
    CompleteSteps {
        id: String,
    },
}

/// Settings to change: outer `None` is left as it is, inner `None` is cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectSettingsPatch {
    pub framework: Option<Option<String>>,
    pub root_directory: Option<Option<String>>,
    pub install_command: Option<Option<String>>,
    pub build_command: Option<Option<String>>,
    pub output_directory: Option<Option<String>>,
    pub node_version: Option<NodeVersion>,
    pub regions: Option<Vec<String>>,
    pub memory: Option<FunctionMemory>,
    pub max_duration_seconds: Option<i32>,
    pub fluid: Option<bool>,
    pub login: Option<LoginProtection>,
}

/// A variable to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvItem {
    pub key: String,
    pub value: Secret,
    /// `Production`, `Preview`, `Development` or slugs of custom environments, sorted.
    pub environments: Vec<String>,
    /// Ids of the custom environments among them; filled in when they are known.
    pub custom_environment_ids: Vec<String>,
    pub branch: Option<String>,
    pub sensitive: bool,
}

impl EnvItem {
    /// The targets among its environments, in Vercel's words, sorted.
    pub fn targets(&self) -> Vec<String> {
        let mut targets: Vec<_> =
            self.environments.iter().filter_map(|environment| EnvRow::target(environment)).map(Into::into).collect();
        targets.sort_unstable();
        targets
    }
}

impl EnvRow {
    /// Vercel's word for an environment that every project has; `None` for custom environments.
    pub fn target(environment: &str) -> Option<&'static str> {
        match environment {
            "Production" => Some("production"),
            "Preview" => Some("preview"),
            "Development" => Some("development"),
            _ => None,
        }
    }

    /// Whether it is the row of this variable: same name, environments and branch.
    pub fn is(&self, item: &EnvItem) -> bool {
        self.key == item.key
            && self.branch == item.branch
            && self.targets == item.targets()
            && self.custom_environment_ids == item.custom_environment_ids
    }

    /// Whether both set one variable for some environment and branch, of which Vercel keeps only one.
    pub fn overlaps(&self, item: &EnvItem) -> bool {
        let ids = &item.custom_environment_ids;
        self.key == item.key
            && self.branch == item.branch
            && (self.targets.iter().any(|target| item.targets().contains(target))
                || self.custom_environment_ids.iter().any(|id| ids.contains(id)))
    }
}

/// A domain to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainItem {
    pub name: String,
    pub redirect: Option<String>,
    pub redirect_status: Option<i32>,
    pub branch: Option<String>,
    /// Slug of a custom environment.
    pub environment: Option<String>,
    pub custom_environment_id: Option<String>,
}

/// A build to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentRequest {
    /// Uid of the Deployment object; goes into `meta`.
    pub request: String,
    /// `None`: the newest one of the branch.
    pub commit: Option<String>,
    pub branch: String,
    pub repository_id: i64,
    /// `Production`, `Preview` or the slug of a custom environment.
    pub environment: String,
    /// Build again even if this commit was built already.
    pub force: bool,
    /// Whether it goes live once it is built, if it is for production.
    pub goes_live: bool,
}

/// A deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeploymentFacts {
    pub id: String,
    /// Host name of its own address.
    pub url: String,
    pub state: BuildState,
    /// `meta` value of the request that made it, if it was ours.
    pub request: Option<String>,
    pub commit: Option<String>,
    /// `production`, or absent for previews.
    pub target: Option<String>,
    /// Domains are assigned (only meaningful once built).
    pub aliases_assigned: bool,
    /// Why assigning domains failed.
    pub alias_error: Option<String>,
    /// Host names it serves.
    pub aliases: Vec<String>,
    pub error: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// How far a build is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BuildState {
    #[default]
    Queued,
    Building,
    Ready,
    Failed,
    Canceled,
    /// A person must act at the provider, such as grant the commit's author a seat.
    Blocked,
}

impl BuildState {
    /// Whether it goes on by itself.
    pub fn is_under_way(self) -> bool {
        matches!(self, Self::Queued | Self::Building)
    }
}

/// What a change came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostingDone {
    /// The project as answered; variables and environments that the answer does not carry are not in it.
    Project(Box<ProjectFacts>),
    Environment(CustomEnvironment),
    Env(Vec<EnvRow>),
    Domain(DomainFacts),
    Deployment(DeploymentFacts),
    Nothing,
}
