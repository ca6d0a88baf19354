//! Runs of workflows: begun by a dispatch, looked at, canceled.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use forkable_core::{
    PortError,
    forge::{ForgeDone, RepositoryTarget},
    workflows::{Dispatch, RunAsk, RunFacts, RunReview, RunState},
};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{GitHub, errors, name, of};
use crate::transport;

/// GitHub's page of a list; more dispatches than this within moments are not ours to tell apart.
const PAGE: usize = 100;

/// What the answer to a dispatch tells, where `return_run_details` is heard.
#[derive(Deserialize)]
struct Dispatched {
    workflow_run_id: i64,
    html_url: String,
}

#[derive(Deserialize)]
struct Run {
    id: i64,
    #[serde(default)]
    display_title: String,
    status: Option<String>,
    conclusion: Option<String>,
    html_url: String,
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<Run>,
}

/// A file of up to 1 MB.
#[derive(Deserialize)]
struct Content {
    content: String,
}

/// What a reviewer of environments said of a run.
#[derive(Deserialize)]
struct Approval {
    state: String,
    #[serde(default)]
    comment: String,
    user: User,
    environments: Vec<Environment>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Environment {
    name: String,
}

impl Approval {
    fn review(self) -> Option<RunReview> {
        let approves = match self.state.as_str() {
            "approved" => true,
            "rejected" => false,
            _ => return None,
        };
        let environments = self.environments.into_iter().map(|environment| environment.name).collect();
        Some(RunReview { approves, by: self.user.login, comment: self.comment, environments })
    }
}

impl From<Run> for RunFacts {
    fn from(run: Run) -> Self {
        let is_over = run.status.as_deref() == Some("completed");
        let state = match run.conclusion.as_deref() {
            _ if !is_over => RunState::Running,
            Some("success") => RunState::Succeeded,
            _ => RunState::Failed,
        };
        Self {
            id: run.id,
            title: run.display_title,
            state,
            conclusion: run.conclusion.filter(|_| is_over),
            url: run.html_url,
            created_at: run.created_at,
        }
    }
}

impl GitHub {
    /// <https://docs.github.com/en/rest/actions/workflows#create-a-workflow-dispatch-event>: answers 204 where
    /// `return_run_details` is not known.
    pub(super) async fn dispatch(
        &self,
        target: &RepositoryTarget,
        dispatch: &Dispatch,
    ) -> Result<ForgeDone, PortError> {
        let Dispatch { workflow, git_ref, inputs } = dispatch;
        let request = of("POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches", target)?
            .at(workflow)
            .about(format!("the workflow .github/workflows/{workflow} on {git_ref} of {}", name(target)))
            .json(json!({ "ref": git_ref, "inputs": inputs, "return_run_details": true }));
        let answer = self.client.exchange(&request).await?;
        match answer.status() {
            StatusCode::NO_CONTENT => Ok(ForgeDone::Dispatched { run: None }),
            status if status.is_success() => {
                let done: Dispatched = transport::json(forkable_core::error::Provider::GitHub, &answer)?;
                Ok(ForgeDone::Dispatched { run: Some((done.workflow_run_id, done.html_url)) })
            }
            _ => Err(errors::of(&answer, request.what())),
        }
    }

    /// <https://docs.github.com/en/rest/actions/workflow-runs>
    pub(super) async fn look_at_runs(
        &self,
        target: &RepositoryTarget,
        ask: &RunAsk,
    ) -> Result<Vec<RunFacts>, PortError> {
        let found = match ask {
            RunAsk::Id(id) => {
                let request = of("GET /repos/{owner}/{repo}/actions/runs/{run_id}", target)?
                    .at(id)
                    .about(format!("the workflow run {id} of {}", name(target)));
                self.client.send::<Run>(&request).await.map(|run| vec![run])
            }
            RunAsk::Dispatched { workflow, since } => {
                let request = of("GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs", target)?
                    .at(workflow)
                    .query("event", "workflow_dispatch")
                    .query("created", format!(">={}", since.strftime("%Y-%m-%dT%H:%M:%SZ")))
                    .query("per_page", PAGE)
                    .about(format!("the workflow .github/workflows/{workflow} of {}", name(target)));
                self.client.send::<Runs>(&request).await.map(|runs| runs.workflow_runs)
            }
        };
        match found {
            Ok(runs) => Ok(runs.into_iter().map(RunFacts::from).collect()),
            Err(PortError::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// <https://docs.github.com/en/rest/actions/workflow-runs#get-the-review-history-for-a-workflow-run>. What is said
    /// without approving or rejecting is left out.
    pub(super) async fn look_at_run_reviews(
        &self,
        target: &RepositoryTarget,
        run: i64,
    ) -> Result<Vec<RunReview>, PortError> {
        let request = of("GET /repos/{owner}/{repo}/actions/runs/{run_id}/approvals", target)?
            .at(run)
            .about(format!("the reviews of the workflow run {run} of {}", name(target)));
        match self.client.send::<Vec<Approval>>(&request).await {
            Ok(all) => Ok(all.into_iter().filter_map(Approval::review).collect()),
            Err(PortError::NotFound { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// <https://docs.github.com/en/rest/repos/contents#get-repository-content>
    pub(super) async fn read_file(
        &self,
        target: &RepositoryTarget,
        path: &str,
        git_ref: Option<&str>,
    ) -> Result<Option<String>, PortError> {
        let mut request = of("GET /repos/{owner}/{repo}/contents/{+path}", target)?
            .at(path)
            .about(format!("the file {path} of {}", name(target)));
        if let Some(git_ref) = git_ref {
            request = request.query("ref", git_ref);
        }
        match self.client.send::<Content>(&request).await {
            Ok(content) => {
                let bytes: String = content.content.split_whitespace().collect();
                let bytes = BASE64_STANDARD.decode(bytes).unwrap_or_default();
                Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
            }
            Err(PortError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// <https://docs.github.com/en/rest/actions/workflow-runs#cancel-a-workflow-run>: a run that is over is a conflict.
    pub(super) async fn cancel_run(&self, target: &RepositoryTarget, id: i64) -> Result<ForgeDone, PortError> {
        let request = of("POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel", target)?.at(id);
        let answer = self.client.exchange(&request).await?;
        match answer.status() {
            StatusCode::CONFLICT | StatusCode::NOT_FOUND => Ok(ForgeDone::Nothing),
            status if status.is_success() => Ok(ForgeDone::Nothing),
            _ => Err(errors::of(&answer, request.what())),
        }
    }
}
