//! Custom environments of a project.

use forkable_core::{
    PortError,
    hosting::{CustomEnvironment, HostingDone, ProjectTarget},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Vercel, id,
    models::{Environment, EnvironmentList},
    projects::{gone, project},
};

impl Vercel {
    pub(super) async fn read_environments(
        &self,
        team: Option<&str>,
        id: &str,
        name: &str,
    ) -> Result<Vec<CustomEnvironment>, PortError> {
        let request = project(("GET /v9/projects/{idOrName}/custom-environments", team), id, name);
        let list: EnvironmentList = self.client.send(request).await?;
        Ok(list.environments.into_iter().map(Into::into).collect())
    }

    /// Makes it; one that has the slug already, made by a try whose answer was lost, is set to the branch instead.
    pub(super) async fn create_environment(
        &self,
        target: &ProjectTarget,
        slug: &str,
        branch: &str,
    ) -> Result<HostingDone, PortError> {
        let team = target.team.as_deref();
        let request = project(("POST /v9/projects/{idOrName}/custom-environments", team), id(target)?, &target.name);
        let body = json!({ "slug": slug, "branchMatcher": matcher(branch) });
        let failure = match self.client.send::<Environment>(request.json(body)).await {
            Ok(environment) => return Ok(self.made(target, environment.into())),
            Err(failure) => failure,
        };
        if !failure.is(StatusCode::BAD_REQUEST) && !failure.is(StatusCode::CONFLICT) {
            return Err(failure.error);
        }
        let existing = self.read_environments(team, id(target)?, &target.name).await?;
        match existing.into_iter().find(|environment| environment.slug == slug) {
            Some(same) if same.branch.as_deref() == Some(branch) => Ok(self.made(target, same)),
            Some(other) => self.update_environment(target, &other.id, branch).await,
            None => Err(failure.error),
        }
    }

    pub(super) async fn update_environment(
        &self,
        target: &ProjectTarget,
        environment: &str,
        branch: &str,
    ) -> Result<HostingDone, PortError> {
        let operation = "PATCH /v9/projects/{idOrName}/custom-environments/{environmentSlugOrId}";
        let request = project((operation, target.team.as_deref()), id(target)?, &target.name).at(environment);
        let environment: Environment =
            self.client.send(request.json(json!({ "branchMatcher": matcher(branch) }))).await?;
        Ok(self.made(target, environment.into()))
    }

    /// Deletes it with the variables that belong to nothing else.
    pub(super) async fn delete_environment(
        &self,
        target: &ProjectTarget,
        environment: &str,
    ) -> Result<HostingDone, PortError> {
        let operation = "DELETE /v9/projects/{idOrName}/custom-environments/{environmentSlugOrId}";
        let request = project((operation, target.team.as_deref()), id(target)?, &target.name).at(environment);
        let body = json!({ "deleteUnassignedEnvironmentVariables": true });
        gone(self.client.send_for_nothing(request.json(body)).await)?;
        self.forget_environments(target);
        Ok(HostingDone::Nothing)
    }

    fn made(&self, target: &ProjectTarget, environment: CustomEnvironment) -> HostingDone {
        self.forget_environments(target);
        HostingDone::Environment(environment)
    }

    fn forget_environments(&self, target: &ProjectTarget) {
        if let Some(id) = &target.id {
            self.memory().environments.remove(id);
        }
    }
}

fn matcher(branch: &str) -> Value {
    json!({ "type": "equals", "pattern": branch })
}
