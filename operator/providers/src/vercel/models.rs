//! Vercel's answers as they are read, and the facts that they come to. What is not read is not here.

use std::collections::BTreeMap;

use forkable_core::hosting::{
    BuildState, CustomEnvironment, DeploymentFacts, DomainFacts, EnvRow, ProjectFacts, ProjectSettings,
};
use forkable_crds::fork::{DnsRecord, FunctionMemory, LoginProtection, NodeVersion};
use serde::Deserialize;

/// Key in `meta` that tells whose request made a deployment.
pub(super) const REQUEST_META: &str = "forkableRequest";

/// Cursor of the next page: a number or an opaque string.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Cursor {
    Number(serde_json::Number),
    Token(String),
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Token(token) => token.fmt(f),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pagination {
    pub next: Option<Cursor>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ProjectPage {
    pub projects: Vec<Project>,
    #[serde(default)]
    pub pagination: Pagination,
}

/// A project; lists may lack `env` and `customEnvironments`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Project {
    pub id: String,
    pub name: String,
    pub account_id: String,
    pub updated_at: Option<i64>,
    link: Option<Link>,
    framework: Option<String>,
    root_directory: Option<String>,
    install_command: Option<String>,
    build_command: Option<String>,
    output_directory: Option<String>,
    node_version: Option<String>,
    resource_config: Option<ResourceConfig>,
    sso_protection: Option<SsoProtection>,
    paused: Option<bool>,
    pub env: Option<Vec<EnvVar>>,
    pub custom_environments: Option<Vec<Environment>>,
    alias: Option<Vec<Alias>>,
    targets: Option<Targets>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    repo_id: Option<Id>,
    production_branch: Option<String>,
}

/// Vercel writes ids of repositories as numbers and as strings.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
}

impl Id {
    fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResourceConfig {
    fluid: Option<bool>,
    function_default_regions: Option<Vec<String>>,
    function_default_timeout: Option<i32>,
    function_default_memory_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SsoProtection {
    deployment_type: String,
}

/// What a domain serves.
#[derive(Debug, Deserialize)]
struct Alias {
    target: Option<String>,
    redirect: Option<String>,
    deployment: Option<Served>,
}

#[derive(Debug, Deserialize)]
struct Served {
    id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Targets {
    production: Option<Served>,
}

impl Project {
    /// The facts, once what a list left out was read too.
    pub(super) fn facts(self, env: Vec<EnvRow>, environments: Vec<CustomEnvironment>) -> ProjectFacts {
        let production_deployment = self.production_deployment();
        let functions = self.resource_config.unwrap_or_default();
        ProjectFacts {
            id: self.id,
            name: self.name,
            team: self.account_id,
            repository_id: self.link.as_ref().and_then(|link| link.repo_id.as_ref()).and_then(Id::number),
            production_branch: self.link.and_then(|link| link.production_branch),
            settings: ProjectSettings {
                framework: self.framework,
                root_directory: self.root_directory,
                install_command: self.install_command,
                build_command: self.build_command,
                output_directory: self.output_directory,
                node_version: self.node_version.as_deref().and_then(node_version),
                regions: functions.function_default_regions,
                memory: functions.function_default_memory_type.as_deref().and_then(memory),
                max_duration_seconds: functions.function_default_timeout,
                fluid: functions.fluid,
                login: login(self.sso_protection.as_ref()),
            },
            paused: self.paused.unwrap_or_default(),
            env,
            environments,
            domains: None,
            production_deployment,
        }
    }

    /// What the production domains serve, if they agree; else what Vercel calls the production target.
    fn production_deployment(&self) -> Option<String> {
        let production = self.alias.iter().flatten().filter(|alias| {
            alias.redirect.is_none()
                && alias.target.as_deref().is_some_and(|target| target.eq_ignore_ascii_case("production"))
        });
        let mut served = production.map(|alias| alias.deployment.as_ref().and_then(|served| served.id.as_ref()));
        let first = served.next().flatten();
        let agreed = first.filter(|first| served.all(|other| other == Some(*first)));
        let target = || self.targets.as_ref()?.production.as_ref()?.id.as_ref();
        agreed.or_else(target).cloned()
    }
}

fn node_version(version: &str) -> Option<NodeVersion> {
    match version {
        "20.x" => Some(NodeVersion::V20),
        "22.x" => Some(NodeVersion::V22),
        "24.x" => Some(NodeVersion::V24),
        _ => None,
    }
}

fn memory(name: &str) -> Option<FunctionMemory> {
    match name {
        "standard" => Some(FunctionMemory::Standard),
        "performance" => Some(FunctionMemory::Performance),
        _ => None,
    }
}

fn login(protection: Option<&SsoProtection>) -> Option<LoginProtection> {
    match protection.map(|protection| protection.deployment_type.as_str()) {
        None => Some(LoginProtection::Off),
        Some("preview") => Some(LoginProtection::Preview),
        Some("all_except_custom_domains") => Some(LoginProtection::Standard),
        Some("all") => Some(LoginProtection::All),
        Some(_) => None,
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct EnvPage {
    pub envs: Vec<EnvVar>,
    #[serde(default)]
    pub pagination: Pagination,
}

/// A row of variables; its value is never read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnvVar {
    id: Option<String>,
    key: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    target: OneOrMany,
    custom_environment_ids: Option<Vec<String>>,
    git_branch: Option<String>,
    created_at: Option<i64>,
    updated_at: Option<i64>,
    configuration_id: Option<String>,
    content_hint: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
    #[default]
    None,
}

impl EnvVar {
    /// The row; `None` for rows without an id, which Vercel makes itself and nobody can change.
    pub(super) fn row(self) -> Option<EnvRow> {
        let mut targets = match self.target {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
            OneOrMany::None => Vec::new(),
        };
        targets.sort_unstable();
        let mut custom_environment_ids = self.custom_environment_ids.unwrap_or_default();
        custom_environment_ids.sort_unstable();
        Some(EnvRow {
            id: self.id?,
            key: self.key,
            targets,
            custom_environment_ids,
            branch: self.git_branch.filter(|branch| !branch.is_empty()),
            sensitive: self.kind == "sensitive",
            updated_at: self.updated_at.or(self.created_at).unwrap_or_default(),
            integration: self.configuration_id.is_some() || self.content_hint.is_some() || self.kind == "system",
        })
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct EnvironmentList {
    pub environments: Vec<Environment>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Environment {
    pub id: String,
    pub slug: String,
    branch_matcher: Option<BranchMatcher>,
}

#[derive(Debug, Clone, Deserialize)]
struct BranchMatcher {
    #[serde(rename = "type")]
    kind: String,
    pattern: String,
}

impl From<Environment> for CustomEnvironment {
    fn from(environment: Environment) -> Self {
        let exact = environment.branch_matcher.filter(|matcher| matcher.kind == "equals");
        Self { id: environment.id, slug: environment.slug, branch: exact.map(|matcher| matcher.pattern) }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct DomainPage {
    pub domains: Vec<Domain>,
    #[serde(default)]
    pub pagination: Pagination,
}

/// A domain of a project.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Domain {
    pub name: String,
    pub apex_name: String,
    redirect: Option<String>,
    redirect_status_code: Option<i32>,
    git_branch: Option<String>,
    custom_environment_id: Option<String>,
    verified: bool,
    #[serde(default)]
    verification: Vec<Challenge>,
}

#[derive(Debug, Deserialize)]
struct Challenge {
    #[serde(rename = "type")]
    kind: String,
    domain: String,
    value: String,
}

impl From<Domain> for DomainFacts {
    fn from(domain: Domain) -> Self {
        let text = |value: Option<String>| value.filter(|value| !value.is_empty());
        let challenges = domain.verification.into_iter().filter(|_| !domain.verified);
        let record = |challenge: Challenge| DnsRecord {
            record_type: challenge.kind,
            name: challenge.domain,
            value: challenge.value,
        };
        Self {
            name: domain.name,
            redirect: text(domain.redirect),
            redirect_status: domain.redirect_status_code,
            branch: text(domain.git_branch),
            custom_environment_id: text(domain.custom_environment_id),
            verified: domain.verified,
            verification: challenges.map(record).collect(),
            configuration: None,
        }
    }
}

/// How DNS stands for a name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DomainConfig {
    pub misconfigured: bool,
    #[serde(default, rename = "recommendedIPv4")]
    pub recommended_ipv4: Vec<Recommended<Vec<String>>>,
    #[serde(default, rename = "recommendedCNAME")]
    pub recommended_cname: Vec<Recommended<String>>,
}

/// A recommendation; rank 1 is the preferred one.
#[derive(Debug, Deserialize)]
pub(super) struct Recommended<T> {
    pub rank: i64,
    pub value: T,
}

#[derive(Debug, Deserialize)]
pub(super) struct CertificatePage {
    pub certs: Vec<Certificate>,
    #[serde(default)]
    pub pagination: Pagination,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Certificate {
    pub cns: Vec<String>,
    /// Milliseconds since 1970.
    pub expires_at: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DeploymentPage {
    pub deployments: Vec<Deployment>,
}

/// A deployment, of a list or by itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deployment {
    id: Option<String>,
    /// What lists call `id`.
    uid: Option<String>,
    url: Option<String>,
    ready_state: Option<ReadyState>,
    /// What lists call `readyState`.
    state: Option<ReadyState>,
    #[serde(default)]
    meta: BTreeMap<String, serde_json::Value>,
    git_source: Option<GitSource>,
    target: Option<String>,
    /// A boolean, or in lists the time.
    alias_assigned: Option<serde_json::Value>,
    alias_error: Option<Described>,
    alias: Option<Vec<String>>,
    error_message: Option<String>,
    ready_state_reason: Option<String>,
    error_code: Option<String>,
    seat_block: Option<SeatBlock>,
    created_at: Option<i64>,
    /// What lists call `createdAt`.
    created: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct GitSource {
    sha: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Described {
    code: String,
    message: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeatBlock {
    block_code: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum ReadyState {
    Queued,
    Initializing,
    Building,
    Ready,
    Error,
    Canceled,
    Blocked,
    Deleted,
    /// A state that this program does not know is not an end.
    #[serde(other)]
    Other,
}

impl From<ReadyState> for BuildState {
    fn from(state: ReadyState) -> Self {
        match state {
            ReadyState::Queued => Self::Queued,
            ReadyState::Initializing | ReadyState::Building | ReadyState::Other => Self::Building,
            ReadyState::Ready => Self::Ready,
            ReadyState::Error => Self::Failed,
            ReadyState::Canceled | ReadyState::Deleted => Self::Canceled,
            ReadyState::Blocked => Self::Blocked,
        }
    }
}

impl Deployment {
    pub(super) fn is_deleted(&self) -> bool {
        self.ready_state.or(self.state) == Some(ReadyState::Deleted)
    }

    /// The facts; `None` for an answer without an id.
    pub(super) fn facts(self) -> Option<DeploymentFacts> {
        let meta = |name: &str| self.meta.get(name).and_then(serde_json::Value::as_str).map(str::to_owned);
        let state = self.ready_state.or(self.state).map_or(BuildState::Queued, BuildState::from);
        let ended_badly = matches!(state, BuildState::Failed | BuildState::Canceled | BuildState::Blocked);
        let blocked = self.seat_block.map(|block| block.block_code);
        let failed = self.error_message.or(self.ready_state_reason).or(self.error_code);
        let described = |error: Described| if error.message.is_empty() { error.code } else { error.message };
        Some(DeploymentFacts {
            id: self.id.or(self.uid)?,
            url: self.url.unwrap_or_default(),
            state,
            request: meta(REQUEST_META),
            commit: meta("githubCommitSha").or_else(|| self.git_source.and_then(|source| source.sha)),
            target: self.target,
            aliases_assigned: self.alias_assigned.is_some_and(|value| !value.is_null() && value != false),
            alias_error: self.alias_error.map(described),
            aliases: self.alias.unwrap_or_default(),
            error: blocked.or(failed).filter(|_| ended_badly),
            created_at: self.created_at.or(self.created).unwrap_or_default(),
        })
    }
}

/// A line of a build log, in its old and its new shape.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    text: Option<String>,
    payload: Option<Payload>,
}

#[derive(Debug, Deserialize)]
struct Payload {
    text: Option<String>,
}

impl Event {
    pub(super) fn text(self) -> Option<String> {
        self.text.or_else(|| self.payload.and_then(|payload| payload.text))
    }
}
