//! An in-memory Vercel: it keeps what is written to it, and refuses what Vercel refuses.

mod deployments;
mod domains;
mod env;
mod projects;
mod steps;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::{
    StreamExt as _,
    channel::mpsc::{self, UnboundedSender},
};
use jiff::Timestamp;

use crate::{
    PortError,
    error::Provider,
    hosting::{
        BuildState, DeploymentFacts, DomainConfiguration, DomainFacts, Hosting, HostingChange, HostingDone, LogLine,
        ProjectAsk, ProjectFacts, ProjectTarget, RuntimeLog, Split,
    },
};

/// Team of asks and targets that name none.
pub const DEFAULT_TEAM: &str = "team_acme";

/// The fake. Share it by reference; all of its state is behind one lock.
#[derive(Debug, Default)]
pub struct FakeHosting(Mutex<World>);

/// Everything that the fake knows.
#[derive(Debug)]
pub struct World {
    /// By id.
    pub projects: BTreeMap<String, Project>,
    /// Milliseconds since 1970; moves with every write.
    pub now: i64,
    /// Names whose DNS leads to Vercel.
    pub dns: BTreeSet<String>,
    /// Names whose TXT record proves ownership.
    pub proofs: BTreeSet<String>,
    /// Names that belong to another team.
    pub owned_elsewhere: BTreeSet<String>,
    /// Full names of repositories that Vercel's GitHub App does not see.
    pub hidden_repositories: BTreeSet<String>,
    /// Newest commit of each branch, for builds that name no commit.
    pub heads: BTreeMap<String, String>,
    /// Custom environments that the plan has for each project.
    pub environment_limit: usize,
    /// The plan has no releases that go live step by step.
    pub no_steps: bool,
    /// Keys of variables that are refused, as Vercel refuses names of its own.
    pub reserved_keys: BTreeSet<String>,
    /// Certificates of the team.
    pub certificates: Vec<(Vec<String>, Timestamp)>,
    /// Lines of every build's log.
    pub log: Vec<String>,
    /// Who follows what deployments log, with the deployment's id.
    pub followers: Vec<(String, UnboundedSender<LogLine>)>,
    /// Answers to the next changes in place of doing them.
    pub failures: VecDeque<PortError>,
    /// Every change that was asked for, with the project's name then.
    pub changes: Vec<(String, HostingChange)>,
    /// How often `observe` was called.
    pub looks: u32,
    serial: u64,
}

/// A project with what lists do not tell.
#[derive(Clone, Debug, Default)]
pub struct Project {
    pub facts: ProjectFacts,
    /// With the project's own `vercel.app` name.
    pub domains: Vec<DomainFacts>,
    /// Oldest first.
    pub deployments: Vec<Deployment>,
    pub steps: Option<Vec<i64>>,
    /// With the steps that it goes through.
    pub split: Option<(Split, Vec<i64>)>,
}

/// A deployment and what it was made for.
#[derive(Clone, Debug, Default)]
pub struct Deployment {
    pub facts: DeploymentFacts,
    /// `Production`, `Preview` or a slug.
    pub environment: String,
    /// Goes live once it is built, if it is for production.
    pub goes_live: bool,
    /// It served production at some time.
    pub promoted: bool,
}

impl Default for World {
    fn default() -> Self {
        Self {
            projects: BTreeMap::new(),
            now: 1_760_000_000_000,
            dns: BTreeSet::new(),
            proofs: BTreeSet::new(),
            owned_elsewhere: BTreeSet::new(),
            hidden_repositories: BTreeSet::new(),
            heads: BTreeMap::new(),
            environment_limit: 12,
            no_steps: false,
            reserved_keys: ["VERCEL", "VERCEL_ENV", "VERCEL_URL", "VERCEL_REGION", "NOW_REGION", "CI"]
                .map(str::to_owned)
                .into(),
            certificates: Vec::new(),
            log: Vec::new(),
            followers: Vec::new(),
            failures: VecDeque::new(),
            changes: Vec::new(),
            looks: 0,
            serial: 0,
        }
    }
}

impl FakeHosting {
    /// The world, to prepare, to break or to look at. Do not hold it across a call of the port.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Hosting for FakeHosting {
    async fn observe(&self, asks: &[ProjectAsk]) -> Result<Vec<Option<ProjectFacts>>, PortError> {
        let mut world = self.world();
        world.looks += 1;
        let single = asks.len() == 1;
        let view = |ask: &ProjectAsk| {
            let mut facts = world.find(ask)?.facts.clone();
            if !single && !ask.environments {
                facts.environments.clear();
            }
            Some(facts)
        };
        Ok(asks.iter().map(view).collect())
    }

    async fn domains(
        &self,
        target: &ProjectTarget,
        configuration_of: &[String],
    ) -> Result<Vec<DomainFacts>, PortError> {
        let mut world = self.world();
        let mut domains = world.of(target)?.domains.clone();
        domains.sort_by(|a, b| a.name.cmp(&b.name));
        for domain in domains.iter_mut().filter(|domain| configuration_of.contains(&domain.name)) {
            domain.configuration = Some(world.configuration(&domain.name));
        }
        Ok(domains)
    }

    async fn domain_configuration(&self, target: &ProjectTarget, name: &str) -> Result<DomainConfiguration, PortError> {
        let mut world = self.world();
        if !world.of(target)?.domains.iter().any(|domain| domain.name == name) {
            return Err(not_found(format!("domain {name}")));
        }
        Ok(world.configuration(name))
    }

    async fn certificates(&self, _team: Option<&str>) -> Result<Vec<(Vec<String>, Timestamp)>, PortError> {
        Ok(self.world().certificates.clone())
    }

    async fn apply(&self, target: &ProjectTarget, change: &HostingChange) -> Result<HostingDone, PortError> {
        self.world().apply(target, change)
    }

    async fn deployment(&self, target: &ProjectTarget, id: &str) -> Result<Option<DeploymentFacts>, PortError> {
        let mut world = self.world();
        let found = world.of(target)?.deployments.iter().find(|deployment| deployment.facts.id == id);
        Ok(found.map(|deployment| deployment.facts.clone()))
    }

    async fn deployments(
        &self,
        target: &ProjectTarget,
        commit: Option<&str>,
    ) -> Result<Vec<DeploymentFacts>, PortError> {
        let mut world = self.world();
        let all = world.of(target)?.deployments.iter().rev().map(|deployment| &deployment.facts);
        let wanted = all.filter(|facts| commit.is_none() || facts.commit.as_deref() == commit);
        Ok(wanted.take(100).cloned().collect())
    }

    async fn builds(&self, team: Option<&str>) -> Result<Vec<DeploymentFacts>, PortError> {
        let world = self.world();
        let team = team.unwrap_or(DEFAULT_TEAM);
        let own = world.projects.values().filter(|project| project.facts.team == team);
        let all = own.flat_map(|project| &project.deployments).map(|deployment| &deployment.facts);
        let mut going: Vec<_> = all.filter(|facts| facts.state.is_under_way()).cloned().collect();
        going.sort_by_key(|facts| std::cmp::Reverse(facts.created_at));
        going.truncate(100);
        Ok(going)
    }

    async fn runtime_log(&self, target: &ProjectTarget, id: &str) -> Result<RuntimeLog, PortError> {
        let mut world = self.world();
        if !world.of(target)?.deployments.iter().any(|deployment| deployment.facts.id == id) {
            return Err(not_found(format!("deployment {id}")));
        }
        let (sender, lines) = mpsc::unbounded();
        world.followers.push((id.into(), sender));
        Ok(lines.map(Ok).boxed())
    }

    async fn build_log(&self, _target: &ProjectTarget, _id: &str) -> Result<Vec<String>, PortError> {
        let log = &self.world().log;
        Ok(log[log.len().saturating_sub(20)..].to_vec())
    }

    async fn allows_steps(&self, _target: &ProjectTarget) -> Result<(), PortError> {
        if self.world().no_steps { Err(steps::not_in_plan()) } else { Ok(()) }
    }

    async fn steps(&self, target: &ProjectTarget) -> Result<Option<Vec<i64>>, PortError> {
        Ok(self.world().of(target)?.steps.clone())
    }

    async fn split(&self, target: &ProjectTarget) -> Result<Option<Split>, PortError> {
        Ok(self.world().of(target)?.split.as_ref().map(|(split, _)| split.clone()))
    }
}

impl World {
    /// Ends every build: `READY` ones serve what they were made for.
    pub fn finish_builds(&mut self, state: BuildState) {
        for project in self.projects.values_mut() {
            project.finish(state);
        }
    }

    /// Ends every promotion and rollback.
    pub fn finish_moves(&mut self) {
        for project in self.projects.values_mut() {
            project.finish_move();
        }
    }

    /// The project of that name.
    pub fn named(&mut self, name: &str) -> Option<&mut Project> {
        self.projects.values_mut().find(|project| project.facts.name == name)
    }

    fn find(&self, ask: &ProjectAsk) -> Option<&Project> {
        let team = ask.team.as_deref().unwrap_or(DEFAULT_TEAM);
        let is_it = |facts: &ProjectFacts| match &ask.id {
            Some(id) => facts.id == *id,
            None => facts.name == ask.name,
        };
        self.projects.values().find(|project| project.facts.team == team && is_it(&project.facts))
    }

    fn of(&mut self, target: &ProjectTarget) -> Result<&mut Project, PortError> {
        let Some(id) = &target.id else {
            return Err(stale(format!("the project {} is not made yet", target.name)));
        };
        self.projects.get_mut(id).ok_or_else(|| not_found(format!("project {}", target.name)))
    }

    /// An id that nothing else has.
    fn id(&mut self, prefix: &str) -> String {
        self.serial += 1;
        format!("{prefix}{:06}", self.serial)
    }

    /// A time that nothing else has.
    fn tick(&mut self) -> i64 {
        self.now += 1;
        self.now
    }

    fn apply(&mut self, target: &ProjectTarget, change: &HostingChange) -> Result<HostingDone, PortError> {
        self.changes.push((target.name.clone(), change.clone()));
        if let Some(failure) = self.failures.pop_front() {
            return Err(failure);
        }
        match change {
            HostingChange::CreateProject(settings) => self.create_project(target, settings),
            HostingChange::UpdateProject { name, settings } => self.update_project(target, name.as_deref(), settings),
            HostingChange::LinkRepository => self.link(target),
            HostingChange::SetProductionBranch(branch) => self.set_production_branch(target, branch),
            HostingChange::CreateEnvironment { slug, branch } => self.create_environment(target, slug, branch),
            HostingChange::UpdateEnvironment { id, branch } => self.update_environment(target, id, branch),
            HostingChange::DeleteEnvironment { id } => self.delete_environment(target, id),
            HostingChange::UpsertEnv(items) => self.upsert_env(target, items),
            HostingChange::DeleteEnv { rows } => {
                self.of(target)?.facts.env.retain(|row| !rows.iter().any(|(id, _)| *id == row.id));
                Ok(HostingDone::Nothing)
            }
            HostingChange::AddDomain(item) => self.add_domain(target, item),
            HostingChange::UpdateDomain(item) => self.update_domain(target, item),
            HostingChange::VerifyDomain { name } => self.verify_domain(target, name),
            HostingChange::RemoveDomain { name } => self.remove_domain(target, name),
            HostingChange::CreateDeployment(request) => self.create_deployment(target, request),
            HostingChange::CancelDeployment { id } => self.cancel_deployment(target, id),
            HostingChange::DeleteDeployment { id } => {
                self.of(target)?.deployments.retain(|deployment| deployment.facts.id != *id);
                Ok(HostingDone::Nothing)
            }
            HostingChange::AssignDomains(on) => {
                let facts = &mut self.of(target)?.facts;
                facts.assigns_domains = Some(*on);
                Ok(HostingDone::Project(Box::new(facts.clone())))
            }
            HostingChange::Promote { id } => self.lead(target, id, false),
            HostingChange::RollBack { id } => self.lead(target, id, true),
            HostingChange::SetSteps(steps) => self.set_steps(target, steps.as_deref()),
            HostingChange::StartSteps { id } => self.start_steps(target, id),
            HostingChange::NextStep { id, stage } => self.next_step(target, id, Some(*stage)),
            HostingChange::CompleteSteps { id } => self.next_step(target, id, None),
            HostingChange::PauseProject => {
                self.of(target)?.facts.paused = true;
                Ok(HostingDone::Nothing)
            }
            HostingChange::ChallengeVisitors { until } => {
                self.of(target)?.facts.challenged_until = Some(*until);
                Ok(HostingDone::Nothing)
            }
            HostingChange::DeleteProject => {
                self.projects.remove(target.id.as_deref().unwrap_or_default());
                Ok(HostingDone::Nothing)
            }
        }
    }
}

fn not_found(what: String) -> PortError {
    PortError::NotFound { provider: Provider::Vercel, what }
}

fn stale(message: String) -> PortError {
    PortError::Stale { provider: Provider::Vercel, message }
}

fn conflict(message: String) -> PortError {
    PortError::Conflict { provider: Provider::Vercel, message }
}

fn rejected(code: &str, message: String) -> PortError {
    PortError::Rejected { provider: Provider::Vercel, code: code.into(), message }
}
