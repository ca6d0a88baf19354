//! Projects of the fake: made, changed, linked; and their custom environments.

use forkable_crds::fork::{LoginProtection, NodeVersion};

use super::{DEFAULT_TEAM, Project, World, conflict, not_found, rejected, stale};
use crate::{
    PortError,
    error::Provider,
    hosting::{
        CustomEnvironment, DomainFacts, HostingDone, ProjectFacts, ProjectSettings, ProjectSettingsPatch, ProjectTarget,
    },
};

impl World {
    pub(super) fn create_project(
        &mut self,
        target: &ProjectTarget,
        settings: &ProjectSettings,
    ) -> Result<HostingDone, PortError> {
        let team = target.team.clone().unwrap_or_else(|| DEFAULT_TEAM.into());
        self.check_name(&team, &target.name, None)?;
        let link = target.repository.as_ref();
        link.map_or(Ok(()), |(repository, _)| self.check_visible(repository))?;
        let settings = ProjectSettings {
            // The call does not take it: a new project builds with the newest.
            node_version: Some(NodeVersion::V24),
            regions: settings.regions.clone().or_else(|| Some(vec!["iad1".into()])),
            fluid: settings.fluid.or(Some(true)),
            login: settings.login.or(Some(LoginProtection::Standard)),
            ..settings.clone()
        };
        let facts = ProjectFacts {
            id: self.id("prj_"),
            name: target.name.clone(),
            team,
            repository_id: link.map(|(_, id)| *id),
            production_branch: link.map(|_| "main".into()),
            assigns_domains: Some(true),
            settings,
            ..ProjectFacts::default()
        };
        let own = DomainFacts { name: format!("{}.vercel.app", target.name), verified: true, ..DomainFacts::default() };
        let answer = ProjectFacts { domains: Some(Vec::new()), ..facts.clone() };
        let project = Project { facts, domains: vec![own], ..Project::default() };
        self.projects.insert(answer.id.clone(), project);
        Ok(HostingDone::Project(Box::new(answer)))
    }

    pub(super) fn update_project(
        &mut self,
        target: &ProjectTarget,
        name: Option<&str>,
        patch: &ProjectSettingsPatch,
    ) -> Result<HostingDone, PortError> {
        let (id, team) = {
            let facts = &self.of(target)?.facts;
            (facts.id.clone(), facts.team.clone())
        };
        name.map_or(Ok(()), |name| self.check_name(&team, name, Some(&id)))?;
        let facts = &mut self.of(target)?.facts;
        if let Some(name) = name {
            name.clone_into(&mut facts.name);
        }
        let settings = &mut facts.settings;
        set(&mut settings.framework, patch.framework.as_ref());
        set(&mut settings.root_directory, patch.root_directory.as_ref());
        set(&mut settings.install_command, patch.install_command.as_ref());
        set(&mut settings.build_command, patch.build_command.as_ref());
        set(&mut settings.output_directory, patch.output_directory.as_ref());
        settings.node_version = patch.node_version.or(settings.node_version);
        settings.regions = patch.regions.clone().or_else(|| settings.regions.clone());
        settings.memory = patch.memory.or(settings.memory);
        settings.max_duration_seconds = patch.max_duration_seconds.or(settings.max_duration_seconds);
        settings.fluid = patch.fluid.or(settings.fluid);
        settings.login = patch.login.or(settings.login);
        Ok(HostingDone::Project(Box::new(facts.clone())))
    }

    pub(super) fn link(&mut self, target: &ProjectTarget) -> Result<HostingDone, PortError> {
        let Some((repository, id)) = &target.repository else {
            return Err(stale("the repository to link is not known yet".into()));
        };
        self.check_visible(repository)?;
        let facts = &mut self.of(target)?.facts;
        facts.repository_id = Some(*id);
        facts.production_branch = Some("main".into());
        Ok(HostingDone::Project(Box::new(facts.clone())))
    }

    pub(super) fn set_production_branch(
        &mut self,
        target: &ProjectTarget,
        branch: &str,
    ) -> Result<HostingDone, PortError> {
        let facts = &mut self.of(target)?.facts;
        if facts.repository_id.is_none() {
            return Err(rejected("bad_request", "The project is not connected to a Git repository.".into()));
        }
        facts.production_branch = Some(branch.into());
        Ok(HostingDone::Project(Box::new(facts.clone())))
    }

    /// Makes it; one that has the slug already is set to the branch.
    pub(super) fn create_environment(
        &mut self,
        target: &ProjectTarget,
        slug: &str,
        branch: &str,
    ) -> Result<HostingDone, PortError> {
        let limit = self.environment_limit;
        let environments = &self.of(target)?.facts.environments;
        if let Some(same) = environments.iter().find(|environment| environment.slug == slug) {
            let id = same.id.clone();
            return self.update_environment(target, &id, branch);
        }
        if environments.len() >= limit {
            let message = format!("The plan is limited to {limit} custom environments per project.");
            return Err(PortError::PlanUnsupported { provider: Provider::Vercel, message });
        }
        let environment = CustomEnvironment { id: self.id("env_"), slug: slug.into(), branch: Some(branch.into()) };
        self.of(target)?.facts.environments.push(environment.clone());
        Ok(HostingDone::Environment(environment))
    }

    pub(super) fn update_environment(
        &mut self,
        target: &ProjectTarget,
        id: &str,
        branch: &str,
    ) -> Result<HostingDone, PortError> {
        let mut environments = self.of(target)?.facts.environments.iter_mut();
        let found = environments.find(|environment| environment.id == id);
        let environment = found.ok_or_else(|| not_found(format!("environment {id}")))?;
        environment.branch = Some(branch.into());
        Ok(HostingDone::Environment(environment.clone()))
    }

    /// Deletes it with its domains and the variables that belong to nothing else.
    pub(super) fn delete_environment(&mut self, target: &ProjectTarget, id: &str) -> Result<HostingDone, PortError> {
        let project = self.of(target)?;
        project.facts.environments.retain(|environment| environment.id != id);
        for row in &mut project.facts.env {
            row.custom_environment_ids.retain(|other| other != id);
        }
        project.facts.env.retain(|row| !row.targets.is_empty() || !row.custom_environment_ids.is_empty());
        project.domains.retain(|domain| domain.custom_environment_id.as_deref() != Some(id));
        Ok(HostingDone::Nothing)
    }

    fn check_name(&self, team: &str, name: &str, own: Option<&str>) -> Result<(), PortError> {
        let taken = |facts: &ProjectFacts| facts.team == team && facts.name == name && own != Some(facts.id.as_str());
        if self.projects.values().any(|project| taken(&project.facts)) {
            let message = format!("A project with the name \"{name}\" already exists, please use a new name.");
            return Err(conflict(message));
        }
        Ok(())
    }

    fn check_visible(&self, repository: &str) -> Result<(), PortError> {
        if self.hidden_repositories.contains(repository) {
            let message = format!("The repository \"{repository}\" couldn't be found in your linked GitHub account.");
            return Err(rejected("repo_not_found", message));
        }
        Ok(())
    }
}

fn set(setting: &mut Option<String>, patch: Option<&Option<String>>) {
    if let Some(value) = patch {
        setting.clone_from(value);
    }
}
