//! Builds of commits: beginning, finding and cancelling them, and the end of their log.

use forkable_core::{
    PortError,
    hosting::{DeploymentFacts, DeploymentRequest, HostingDone, LogLine, ProjectAsk, ProjectTarget, RuntimeLog},
};
use futures::StreamExt as _;
use http::StatusCode;
use serde_json::json;

use super::{
    Vercel,
    client::Request,
    errors, id,
    models::{Deployment, DeploymentPage, Event, LogRow, REQUEST_META},
    projects::project,
};

/// Lines of a build's log that tell people why it failed.
const TAIL: usize = 20;

impl Vercel {
    /// Begins a build. Vercel has no idempotency key: the request's id goes into `meta`, to be found again.
    /// Without `force`, Vercel may answer with a build of the same commit that it made before.
    pub(super) async fn create_deployment(
        &self,
        target: &ProjectTarget,
        request: &DeploymentRequest,
    ) -> Result<HostingDone, PortError> {
        let mut body = json!({
            "name": target.name,
            "project": id(target)?,
            "gitSource": {
                "type": "github",
                "repoId": request.repository_id,
                "ref": request.branch,
            },
            "meta": { REQUEST_META: request.request },
        });
        if let Some(commit) = &request.commit {
            body["gitSource"]["sha"] = json!(commit);
        }
        if !request.goes_live {
            // What `vercel deploy --skip-domain` sends.
            body["autoAssignCustomDomains"] = json!(false);
        }
        match request.environment.as_str() {
            "Production" => body["target"] = json!("production"),
            "Preview" => {}
            slug => body["customEnvironmentSlugOrId"] = json!(slug),
        }
        let call = Request::new("POST /v13/deployments", target.team.as_deref())
            .about(format!("project {}", target.name))
            .query("skipAutoDetectionConfirmation", "1");
        let call = if request.force { call.query("forceNew", "1") } else { call };
        let deployment: Deployment = self.client.send(call.json(body)).await?;
        Ok(HostingDone::Deployment(read(deployment)?))
    }

    /// Begins to lead production's domains to a deployment. <https://vercel.com/docs/deployments/promoting-a-deployment>
    pub(super) async fn promote(&self, target: &ProjectTarget, deployment: &str) -> Result<HostingDone, PortError> {
        let call = ("POST /v10/projects/{projectId}/promote/{deploymentId}", target.team.as_deref());
        self.lead(target, project(call, id(target)?, &target.name).at(deployment).json(json!({})), deployment).await
    }

    /// Begins to lead them back. <https://vercel.com/docs/instant-rollback>
    pub(super) async fn roll_back(&self, target: &ProjectTarget, deployment: &str) -> Result<HostingDone, PortError> {
        let call = ("POST /v1/projects/{projectId}/rollback/{deploymentId}", target.team.as_deref());
        self.lead(target, project(call, id(target)?, &target.name).at(deployment), deployment).await
    }

    async fn lead(&self, target: &ProjectTarget, request: Request, deployment: &str) -> Result<HostingDone, PortError> {
        match self.client.send_for_nothing(request).await {
            Ok(()) => Ok(HostingDone::Nothing),
            // It serves already, or another one is being led to: only a look tells.
            Err(failure) if failure.is(StatusCode::CONFLICT) => {
                let ask = ProjectAsk {
                    id: target.id.clone(),
                    name: target.name.clone(),
                    team: target.team.clone(),
                    environments: false,
                };
                let seen = self.look(&[ask]).await?.into_iter().next().flatten();
                match seen.and_then(|facts| facts.production_deployment) {
                    Some(serving) if serving == deployment => Ok(HostingDone::Nothing),
                    _ => Err(errors::stale("another promotion or rollback is in progress")),
                }
            }
            Err(failure) => Err(failure.error),
        }
    }

    /// Stops a build; one that ended before is left as it ended.
    pub(super) async fn cancel_deployment(
        &self,
        target: &ProjectTarget,
        deployment: &str,
    ) -> Result<HostingDone, PortError> {
        let request = about("PATCH /v12/deployments/{id}/cancel", target, deployment);
        let failure = match self.client.send::<Deployment>(request).await {
            Ok(deployment) => return Ok(HostingDone::Deployment(read(deployment)?)),
            Err(failure) => failure,
        };
        if !failure.is(StatusCode::BAD_REQUEST) {
            return Err(failure.error);
        }
        let ended = self.read_deployment(target, deployment).await?;
        ended.map(HostingDone::Deployment).ok_or(failure.error)
    }

    /// Takes it away for good, with the addresses that lead to it.
    pub(super) async fn delete_deployment(
        &self,
        target: &ProjectTarget,
        deployment: &str,
    ) -> Result<HostingDone, PortError> {
        let request = about("DELETE /v13/deployments/{id}", target, deployment);
        match self.client.send_for_nothing(request).await {
            Err(failure) if !failure.is(StatusCode::NOT_FOUND) => Err(failure.error),
            _ => Ok(HostingDone::Nothing),
        }
    }

    pub(super) async fn read_deployment(
        &self,
        target: &ProjectTarget,
        deployment: &str,
    ) -> Result<Option<DeploymentFacts>, PortError> {
        let request = about("GET /v13/deployments/{idOrUrl}", target, deployment);
        match self.client.send::<Deployment>(request).await {
            Ok(deployment) if deployment.is_deleted() => Ok(None),
            Ok(deployment) => read(deployment).map(Some),
            Err(failure) if failure.is(StatusCode::NOT_FOUND) => Ok(None),
            Err(failure) => Err(failure.error),
        }
    }

    pub(super) async fn list_deployments(
        &self,
        target: &ProjectTarget,
        commit: Option<&str>,
    ) -> Result<Vec<DeploymentFacts>, PortError> {
        let project = id(target)?;
        let list = |operation| {
            let request = Request::new(operation, target.team.as_deref())
                .about(format!("project {}", target.name))
                .query("projectId", project);
            match commit {
                Some(commit) => request.query("sha", commit),
                None => request,
            }
        };
        self.list(list).await
    }

    pub(super) async fn list_builds(&self, team: Option<&str>) -> Result<Vec<DeploymentFacts>, PortError> {
        let list = |operation| {
            let request = Request::new(operation, team).about("the builds of the team");
            request.query("state", "QUEUED,INITIALIZING,BUILDING")
        };
        let builds = self.list(list).await?;
        Ok(builds.into_iter().filter(|facts| facts.state.is_under_way()).collect())
    }

    /// The newest 100 of a list, newest first.
    async fn list(&self, request: impl Fn(&'static str) -> Request) -> Result<Vec<DeploymentFacts>, PortError> {
        let list = |operation| self.client.send::<DeploymentPage>(request(operation).query("limit", "100"));
        let page = match list("GET /v7/deployments").await {
            // Not every description of the API has the newer version.
            Err(failure) if failure.is(StatusCode::NOT_FOUND) => list("GET /v6/deployments").await?,
            page => page?,
        };
        let there = page.deployments.into_iter().filter(|deployment| !deployment.is_deleted());
        let mut deployments: Vec<DeploymentFacts> = there.map(read).collect::<Result<_, _>>()?;
        deployments.sort_by_key(|deployment| std::cmp::Reverse(deployment.created_at));
        Ok(deployments)
    }

    pub(super) async fn log_tail(&self, target: &ProjectTarget, deployment: &str) -> Result<Vec<String>, PortError> {
        let request = about("GET /v3/deployments/{idOrUrl}/events", target, deployment)
            .query("limit", "-1")
            .query("builds", "1")
            .query("direction", "forward");
        let events: Vec<Option<Event>> = self.client.send(request).await?;
        let texts = events.into_iter().flatten().filter_map(Event::text);
        let lines =
            texts.flat_map(|text| plain(&text).lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>());
        let mut lines: Vec<String> = lines.filter(|line| !line.trim().is_empty()).collect();
        lines.drain(..lines.len().saturating_sub(TAIL));
        Ok(lines)
    }

    /// Lines from now on, for five minutes. <https://vercel.com/docs/rest-api/logs/get-logs-for-a-deployment>
    pub(super) async fn follow_log(&self, target: &ProjectTarget, deployment: &str) -> Result<RuntimeLog, PortError> {
        let operation = "GET /v1/projects/{projectId}/deployments/{deploymentId}/runtime-logs";
        let request = project((operation, target.team.as_deref()), id(target)?, &target.name).at(deployment);
        let (request, mut lines) = request.in_background().lines();
        self.client.send_for_nothing(request).await?;
        let lines = futures::stream::poll_fn(move |context| lines.poll_recv(context));
        Ok(lines.filter_map(async |line| line.and_then(|line| logged(&line)).transpose()).boxed())
    }
}

/// What a line of a log says; `None` if it is of the log itself, or empty.
fn logged(line: &str) -> Result<Option<LogLine>, PortError> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let row: LogRow = serde_json::from_str(line)
        .map_err(|error| errors::unavailable(format!("a line of the log is not as it should be: {error}")))?;
    Ok(row.line())
}

fn about(operation: &'static str, target: &ProjectTarget, deployment: &str) -> Request {
    Request::new(operation, target.team.as_deref()).at(deployment).about(format!("deployment {deployment}"))
}

fn read(deployment: Deployment) -> Result<DeploymentFacts, PortError> {
    deployment.facts().ok_or_else(|| errors::unavailable("the answer about a deployment has no id"))
}

/// The text without escape sequences of terminals and other control characters.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\u{1b}' => skip_escape(&mut chars),
            // A progress line that overwrites itself.
            '\r' if chars.peek() != Some(&'\n') => plain.push('\n'),
            '\n' | '\t' => plain.push(char),
            _ if char.is_control() => {}
            _ => plain.push(char),
        }
    }
    plain
}

/// Skips the rest of an escape sequence.
fn skip_escape(chars: &mut impl Iterator<Item = char>) {
    match chars.next() {
        // CSI: parameters, then one letter or sign.
        Some('[') => drop(chars.find(|c| ('\u{40}'..='\u{7e}').contains(c))),
        // OSC: a string, up to BEL or to ESC and the backslash behind it.
        Some(']') => {
            let end = chars.find(|c| matches!(c, '\u{7}' | '\u{1b}'));
            end.filter(|end| *end == '\u{1b}').and_then(|_| chars.next());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn logs_lose_colours_links_and_control_characters() {
        assert_eq!(
            plain("\u{1b}[31;1mError:\u{1b}[0m no \u{1b}]8;;https://x\u{7}link\u{1b}]8;;\u{1b}\\ é\u{8}"),
            "Error: no link é"
        );
        assert_eq!(plain("10%\r20%\r\ndone"), "10%\n20%\ndone");
    }
}
