//! Builds of the fake: they go on when a test says so.

use super::{Deployment, Project, World, not_found, rejected, stale};
use crate::{
    PortError,
    hosting::{BuildState, DeploymentFacts, DeploymentRequest, HostingDone, Move, ProjectTarget},
};

impl World {
    /// Begins a build. The first one of a project is production, whatever was asked for; without `force` a build of
    /// the same commit that is good so far is answered in place of a new one.
    pub(super) fn create_deployment(
        &mut self,
        target: &ProjectTarget,
        request: &DeploymentRequest,
    ) -> Result<HostingDone, PortError> {
        let id = self.id("dpl_");
        let created_at = self.tick();
        let Some(commit) = request.commit.as_ref().or_else(|| self.heads.get(&request.branch)).cloned() else {
            let message = format!("Deploying branch \"{}\" failed, because it does not exist.", request.branch);
            return Err(rejected("incorrect_git_source_info", message));
        };
        let project = self.of(target)?;
        let custom = !["Production", "Preview"].contains(&request.environment.as_str());
        if custom && !project.facts.environments.iter().any(|known| known.slug == request.environment) {
            let message = format!("The custom environment `{}` does not exist.", request.environment);
            return Err(rejected("bad_request", message));
        }
        let first = project.deployments.is_empty();
        let environment = if first { "Production".to_owned() } else { request.environment.clone() };
        let same = |deployment: &&Deployment| {
            deployment.facts.commit.as_ref() == Some(&commit)
                && deployment.environment == environment
                && !matches!(deployment.facts.state, BuildState::Failed | BuildState::Canceled)
        };
        if !request.force
            && let Some(same) = project.deployments.iter().rev().find(same)
        {
            return Ok(HostingDone::Deployment(same.facts.clone()));
        }
        let facts = DeploymentFacts {
            url: format!("{}-{}.vercel.app", project.facts.name, id.trim_start_matches("dpl_")),
            id,
            request: Some(request.request.clone()),
            commit: Some(commit),
            target: (environment == "Production").then(|| "production".into()),
            created_at,
            ..DeploymentFacts::default()
        };
        let goes_live = request.goes_live;
        project.deployments.push(Deployment { facts: facts.clone(), environment, goes_live, promoted: false });
        Ok(HostingDone::Deployment(facts))
    }

    /// Stops it; one that ended before is left as it ended.
    pub(super) fn cancel_deployment(&mut self, target: &ProjectTarget, id: &str) -> Result<HostingDone, PortError> {
        let found = self.of(target)?.deployments.iter_mut().find(|deployment| deployment.facts.id == id);
        let facts = &mut found.ok_or_else(|| not_found(format!("deployment {id}")))?.facts;
        if matches!(facts.state, BuildState::Queued | BuildState::Building) {
            facts.state = BuildState::Canceled;
        }
        Ok(HostingDone::Deployment(facts.clone()))
    }
}

impl World {
    /// Begins to lead production's domains to a deployment.
    pub(super) fn lead(
        &mut self,
        target: &ProjectTarget,
        id: &str,
        is_rollback: bool,
    ) -> Result<HostingDone, PortError> {
        let requested_at = self.tick();
        let project = self.of(target)?;
        let found = project.deployments.iter().find(|deployment| deployment.facts.id == id);
        let found = found.ok_or_else(|| not_found(format!("deployment {id}")))?;
        if found.facts.state != BuildState::Ready {
            return Err(rejected("bad_request", "The deployment is not READY.".into()));
        }
        let was_promoted = found.promoted;
        let aborts = is_rollback && project.abort_steps();
        if project.facts.production_deployment.as_deref() == Some(id) && !aborts {
            return Ok(HostingDone::Nothing);
        }
        if is_rollback && !was_promoted {
            let message = "The deployment has never served production and cannot be rolled back to.";
            return Err(rejected("unprocessable_entity", message.into()));
        }
        if project.facts.moved.as_ref().is_some_and(|moved| moved.succeeded.is_none()) {
            return Err(stale("Another promotion or rollback is in progress.".into()));
        }
        project.facts.moved = Some(Move { to: id.into(), is_rollback, succeeded: None, requested_at }.into());
        Ok(HostingDone::Nothing)
    }
}

impl Project {
    pub(super) fn finish_move(&mut self) {
        let Some(moved) = self.facts.moved.as_mut().filter(|moved| moved.succeeded.is_none()) else { return };
        moved.succeeded = Some(true);
        self.facts.production_deployment = Some(moved.to.clone());
        self.facts.assigns_domains = Some(!moved.is_rollback);
        let to = moved.to.clone();
        for deployment in self.deployments.iter_mut().filter(|deployment| deployment.facts.id == to) {
            deployment.promoted = true;
        }
    }

    pub(super) fn finish(&mut self, state: BuildState) {
        let production: Vec<String> = self.production_domains();
        for deployment in &mut self.deployments {
            let facts = &mut deployment.facts;
            if !matches!(facts.state, BuildState::Queued | BuildState::Building) {
                continue;
            }
            facts.state = state;
            facts.error = (state == BuildState::Failed).then(|| "Command \"npm run build\" exited with 1".into());
            if state == BuildState::Ready {
                facts.aliases_assigned = true;
                if facts.target.is_some() && deployment.goes_live && self.facts.assigns_domains != Some(false) {
                    deployment.promoted = true;
                    facts.aliases.clone_from(&production);
                    self.facts.production_deployment = Some(facts.id.clone());
                }
            }
        }
    }

    fn production_domains(&self) -> Vec<String> {
        let serves = self.domains.iter().filter(|domain| {
            domain.verified
                && domain.redirect.is_none()
                && domain.branch.is_none()
                && domain.custom_environment_id.is_none()
        });
        serves.map(|domain| domain.name.clone()).collect()
    }
}
