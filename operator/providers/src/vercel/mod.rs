//! Vercel behind [`Hosting`]: one file for each of its resources.
//!
//! Every call names its team. The shapes are those of Vercel's published API description
//! (<https://vercel.com/docs/rest-api>); what it leaves open is said where it matters.

mod client;
mod deployments;
mod domains;
mod env;
mod environments;
mod errors;
mod models;
mod projects;
mod steps;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use forkable_core::{
    PortError, Secret,
    error::Provider,
    hosting::{
        CustomEnvironment, DeploymentFacts, DomainConfiguration, DomainFacts, Hosting, HostingChange, HostingDone,
        ProjectAsk, ProjectFacts, ProjectTarget, RuntimeLog, Split,
    },
};
use jiff::Timestamp;
use url::Url;

use crate::transport::{Limits, Transport};
use client::Client;

/// Vercel, for one token.
pub struct Vercel {
    client: Client,
    memory: Mutex<Memory>,
}

/// What one token may do: Vercel's answers tell the quota of each endpoint, and nothing more is known.
pub fn limits() -> Limits {
    Limits { provider: Provider::Vercel, windows: Vec::new(), concurrent: 16 }
}

/// What answers told in passing, so that it need not be asked for. Losing it costs a request each.
#[derive(Default)]
struct Memory {
    /// Registrable part of domains that answers named.
    apexes: HashMap<String, String>,
    /// Custom environments by project, and the project's `updatedAt` at that time.
    environments: HashMap<String, (Option<i64>, Vec<CustomEnvironment>)>,
}

impl Vercel {
    /// Talks to `base` (`https://api.vercel.com`) through a transport with [`limits`], for `team` unless a fork names
    /// another one; without either, for the token's default team, which is asked for.
    pub fn new(transport: Transport, base: Url, token: Secret, team: Option<String>) -> Self {
        Self { client: Client::new(transport, base, token, team), memory: Mutex::default() }
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The project's id, which only a project that is not made yet lacks.
fn id(target: &ProjectTarget) -> Result<&str, PortError> {
    target.id.as_deref().ok_or_else(|| errors::stale(format!("the project {} is not made yet", target.name)))
}

#[async_trait]
impl Hosting for Vercel {
    async fn observe(&self, asks: &[ProjectAsk]) -> Result<Vec<Option<ProjectFacts>>, PortError> {
        self.look(asks).await
    }

    async fn domains(
        &self,
        target: &ProjectTarget,
        configuration_of: &[String],
    ) -> Result<Vec<DomainFacts>, PortError> {
        self.list_domains(target, configuration_of).await
    }

    async fn domain_configuration(&self, target: &ProjectTarget, name: &str) -> Result<DomainConfiguration, PortError> {
        self.configuration(target, name).await
    }

    async fn certificates(&self, team: Option<&str>) -> Result<Vec<(Vec<String>, Timestamp)>, PortError> {
        self.list_certificates(team).await
    }

    async fn apply(&self, target: &ProjectTarget, change: &HostingChange) -> Result<HostingDone, PortError> {
        match change {
            HostingChange::CreateProject(settings) => self.create_project(target, settings).await,
            HostingChange::UpdateProject { name, settings } => {
                self.update_project(target, name.as_deref(), settings).await
            }
            HostingChange::LinkRepository => self.link_repository(target).await,
            HostingChange::SetProductionBranch(branch) => self.set_production_branch(target, branch).await,
            HostingChange::CreateEnvironment { slug, branch } => self.create_environment(target, slug, branch).await,
            HostingChange::UpdateEnvironment { id, branch } => self.update_environment(target, id, branch).await,
            HostingChange::DeleteEnvironment { id } => self.delete_environment(target, id).await,
            HostingChange::UpsertEnv(items) => self.upsert_env(target, items).await,
            HostingChange::DeleteEnv { rows } => self.delete_env(target, rows).await,
            HostingChange::AddDomain(item) => self.add_domain(target, item).await,
            HostingChange::UpdateDomain(item) => self.update_domain(target, item).await,
            HostingChange::VerifyDomain { name } => self.verify_domain(target, name).await,
            HostingChange::RemoveDomain { name } => self.remove_domain(target, name).await,
            HostingChange::CreateDeployment(request) => self.create_deployment(target, request).await,
            HostingChange::CancelDeployment { id } => self.cancel_deployment(target, id).await,
            HostingChange::DeleteDeployment { id } => self.delete_deployment(target, id).await,
            HostingChange::AssignDomains(on) => self.assign_domains(target, *on).await,
            HostingChange::Promote { id } => self.promote(target, id).await,
            HostingChange::RollBack { id } => self.roll_back(target, id).await,
            HostingChange::SetSteps(steps) => self.set_steps(target, steps.as_deref()).await,
            HostingChange::StartSteps { id } => self.start_steps(target, id).await,
            HostingChange::NextStep { id, stage } => self.next_step(target, id, *stage).await,
            HostingChange::CompleteSteps { id } => self.complete_steps(target, id).await,
            HostingChange::PauseProject => self.pause_project(target).await,
            HostingChange::ChallengeVisitors { until } => self.challenge_visitors(target, *until).await,
            HostingChange::DeleteProject => self.delete_project(target).await,
        }
    }

    async fn deployment(&self, target: &ProjectTarget, id: &str) -> Result<Option<DeploymentFacts>, PortError> {
        self.read_deployment(target, id).await
    }

    async fn deployments(
        &self,
        target: &ProjectTarget,
        commit: Option<&str>,
    ) -> Result<Vec<DeploymentFacts>, PortError> {
        self.list_deployments(target, commit).await
    }

    async fn builds(&self, team: Option<&str>) -> Result<Vec<DeploymentFacts>, PortError> {
        self.list_builds(team).await
    }

    async fn build_log(&self, target: &ProjectTarget, id: &str) -> Result<Vec<String>, PortError> {
        self.log_tail(target, id).await
    }

    async fn runtime_log(&self, target: &ProjectTarget, id: &str) -> Result<RuntimeLog, PortError> {
        self.follow_log(target, id).await
    }

    async fn allows_steps(&self, target: &ProjectTarget) -> Result<(), PortError> {
        self.plan_allows_steps(target).await
    }

    async fn steps(&self, target: &ProjectTarget) -> Result<Option<Vec<i64>>, PortError> {
        self.read_steps(target).await
    }

    async fn split(&self, target: &ProjectTarget) -> Result<Option<Split>, PortError> {
        self.read_split(target).await
    }
}
