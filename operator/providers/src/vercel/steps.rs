//! Rolling releases: a deployment gets a project's visitors step by step. <https://vercel.com/docs/rolling-releases>
//!
//! Steps are never advanced by Vercel's clock (`manual-approval`): each is advanced, or not, by a call. Their removal
//! does not touch a release that is under way.

use forkable_core::{
    PortError,
    error::Provider,
    hosting::{HostingDone, ProjectTarget, Split, SplitState},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Vercel, errors, id, projects::project};

/// What every answer but that about the plan is wrapped in.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<T> {
    rolling_release: Option<T>,
}

/// Whether the plan has them; `reason` is `plan_not_supported`, `no_available_slots`, `available_slots` or
/// `unlimited_slots`.
#[derive(Deserialize)]
struct Billing {
    reason: String,
    message: String,
}

#[derive(Deserialize)]
struct Config {
    stages: Option<Vec<Stage>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stage {
    index: Option<usize>,
    target_percentage: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Release {
    state: String,
    current_deployment: Option<Deployment>,
    canary_deployment: Option<Deployment>,
    queued_deployment_id: Option<String>,
    active_stage: Option<Stage>,
    started_at: i64,
}

#[derive(Deserialize)]
struct Deployment {
    id: String,
}

impl Vercel {
    pub(super) async fn plan_allows_steps(&self, target: &ProjectTarget) -> Result<(), PortError> {
        let operation = "GET /v1/projects/{idOrName}/rolling-release/billing";
        let request = project((operation, target.team.as_deref()), id(target)?, &target.name);
        let billing: Billing = self.client.send(request).await?;
        match billing.reason.as_str() {
            "plan_not_supported" | "no_available_slots" => {
                Err(PortError::PlanUnsupported { provider: Provider::Vercel, message: billing.message })
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn read_steps(&self, target: &ProjectTarget) -> Result<Option<Vec<i64>>, PortError> {
        let operation = "GET /v1/projects/{idOrName}/rolling-release/config";
        let request = project((operation, target.team.as_deref()), id(target)?, &target.name);
        let answer: Answer<Config> = self.client.send(request).await?;
        let stages = answer.rolling_release.and_then(|config| config.stages).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "a percentage")]
        let weights = stages.iter().map(|stage| stage.target_percentage.round() as i64);
        let weights: Vec<_> = weights.filter(|weight| *weight < 100).collect();
        Ok(Some(weights).filter(|_| !stages.is_empty()))
    }

    pub(super) async fn read_split(&self, target: &ProjectTarget) -> Result<Option<Split>, PortError> {
        let operation = "GET /v1/projects/{idOrName}/rolling-release";
        let request = project((operation, target.team.as_deref()), id(target)?, &target.name);
        let answer: Answer<Release> = self.client.send(request).await?;
        Ok(answer.rolling_release.and_then(split))
    }

    pub(super) async fn set_steps(
        &self,
        target: &ProjectTarget,
        steps: Option<&[i64]>,
    ) -> Result<HostingDone, PortError> {
        let request =
            |operation| Ok::<_, PortError>(project((operation, target.team.as_deref()), id(target)?, &target.name));
        let request = match steps {
            None => request("DELETE /v1/projects/{idOrName}/rolling-release/config")?,
            Some(steps) => {
                let stage = |weight: &i64| json!({ "targetPercentage": weight, "requireApproval": true });
                let last = json!({ "targetPercentage": 100 });
                let stages: Vec<Value> = steps.iter().map(stage).chain([last]).collect();
                let body = json!({ "enabled": true, "advancementType": "manual-approval", "stages": stages });
                request("PATCH /v1/projects/{idOrName}/rolling-release/config")?.json(body)
            }
        };
        self.client.send_for_nothing(request).await?;
        Ok(HostingDone::Nothing)
    }

    pub(super) async fn start_steps(&self, target: &ProjectTarget, canary: &str) -> Result<HostingDone, PortError> {
        let operation = "POST /v1/projects/{idOrName}/rolling-release/start";
        let request = project((operation, target.team.as_deref()), id(target)?, &target.name);
        match self.client.send_for_nothing(request.json(json!({ "canaryDeploymentId": canary }))).await {
            Ok(()) => Ok(HostingDone::Nothing),
            Err(failure) if failure.is(StatusCode::CONFLICT) => match self.read_split(target).await? {
                Some(Split { canary: own, state: SplitState::Active { .. }, .. }) if own == canary => {
                    Ok(HostingDone::Nothing)
                }
                _ => Err(errors::stale("another rolling release is in progress")),
            },
            Err(failure) => Err(failure.error),
        }
    }

    pub(super) async fn next_step(
        &self,
        target: &ProjectTarget,
        canary: &str,
        stage: usize,
    ) -> Result<HostingDone, PortError> {
        let operation = "POST /v1/projects/{idOrName}/rolling-release/approve-stage";
        let request = project((operation, target.team.as_deref()), id(target)?, &target.name);
        let body = json!({ "nextStageIndex": stage, "canaryDeploymentId": canary });
        self.client.send_for_nothing(request.json(body)).await?;
        Ok(HostingDone::Nothing)
    }

    pub(super) async fn complete_steps(&self, target: &ProjectTarget, canary: &str) -> Result<HostingDone, PortError> {
        let operation = "POST /v1/projects/{idOrName}/rolling-release/complete";
        let request = project((operation, target.team.as_deref()), id(target)?, &target.name);
        self.client.send_for_nothing(request.json(json!({ "canaryDeploymentId": canary }))).await?;
        Ok(HostingDone::Nothing)
    }
}

fn split(release: Release) -> Option<Split> {
    let state = match (release.state.as_str(), release.active_stage) {
        ("ACTIVE", stage) => SplitState::Active { stage: stage.and_then(|stage| stage.index).unwrap_or_default() },
        ("COMPLETE", _) => SplitState::Complete,
        _ => SplitState::Aborted,
    };
    Some(Split {
        canary: release.canary_deployment?.id,
        base: release.current_deployment.map(|base| base.id),
        state,
        queued: release.queued_deployment_id,
        started_at: release.started_at,
    })
}
