//! Projects and their custom environments.

use forkable_core::hosting::{CustomEnvironment, EnvRow, Move, ProjectFacts, ProjectSettings};
use forkable_crds::fork::{FunctionMemory, LoginProtection, NodeVersion};
use serde::Deserialize;

use super::{EnvVar, Pagination};

#[derive(Debug, Deserialize)]
pub(in crate::vercel) struct ProjectPage {
    pub projects: Vec<Project>,
    #[serde(default, deserialize_with = "super::or_default")]
    pub pagination: Pagination,
}

/// A project; lists may lack `env` and `customEnvironments`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vercel) struct Project {
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
    security: Option<Security>,
    auto_assign_custom_domains: Option<bool>,
    last_alias_request: Option<AliasRequest>,
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

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Security {
    attack_mode_enabled: Option<bool>,
    attack_mode_active_until: Option<serde_json::Number>,
}

impl Security {
    fn challenged_until(&self) -> Option<i64> {
        let until = self.attack_mode_active_until.as_ref().and_then(serde_json::Number::as_i64);
        self.attack_mode_enabled.unwrap_or_default().then(|| until.unwrap_or(i64::MAX))
    }
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

/// A promotion or rollback.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AliasRequest {
    #[serde(rename = "type")]
    kind: String,
    job_status: String,
    to_deployment_id: String,
    requested_at: i64,
}

impl From<AliasRequest> for Move {
    fn from(request: AliasRequest) -> Self {
        let succeeded = match request.job_status.as_str() {
            "succeeded" => Some(true),
            "failed" | "skipped" => Some(false),
            _ => None,
        };
        Self {
            to: request.to_deployment_id,
            is_rollback: request.kind == "rollback",
            succeeded,
            requested_at: request.requested_at,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Targets {
    production: Option<Served>,
}

impl Project {
    /// The facts, once what a list left out was read too.
    pub(in crate::vercel) fn facts(self, env: Vec<EnvRow>, environments: Vec<CustomEnvironment>) -> ProjectFacts {
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
            challenged_until: self.security.as_ref().and_then(Security::challenged_until),
            env,
            environments,
            domains: None,
            production_deployment,
            assigns_domains: self.auto_assign_custom_domains,
            moved: self.last_alias_request.map(|request| Box::new(request.into())),
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
pub(in crate::vercel) struct EnvironmentList {
    pub environments: Vec<Environment>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vercel) struct Environment {
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
