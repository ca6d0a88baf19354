//! Rolling releases: a deployment gets production's visitors step by step.
//!
//! Steps advance by calls only: stages with a duration are kept as they are sent, and not advanced by the clock.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::Call;
use super::deployments::ReadyState;
use super::domains;
use super::model::{Millis, Project, State};
use super::problem::{Outcome, Problem};
use crate::VercelPlan;

/// Projects of a Pro team that may have rolling releases at the same time.
const PRO_SLOTS: usize = 1;

/// A rolling release, under way or over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rolling {
    /// `ACTIVE`, `COMPLETE` or `ABORTED`.
    pub state: String,
    /// What served before, and gets the other visitors.
    pub base: String,
    /// What gets more and more of them.
    pub canary: String,
    /// A promotion that waits for its end.
    pub queued: Option<String>,
    /// As they were configured when it began.
    pub stages: Vec<Value>,
    /// Index of the present one.
    pub stage: usize,
    /// When it began.
    pub started_at: Millis,
    /// Last change.
    pub updated_at: Millis,
}

impl Rolling {
    /// Whether visitors are split.
    pub fn is_active(&self) -> bool {
        self.state == "ACTIVE"
    }

    fn percentage(&self) -> f64 {
        self.stages.get(self.stage).and_then(|stage| stage["targetPercentage"].as_f64()).unwrap_or(100.0)
    }
}

/// The rolling release of a project, if visitors are split now.
pub(super) fn active(project: &Project) -> Option<&Rolling> {
    project.rolling.as_ref().filter(|rolling| rolling.is_active())
}

impl State {
    /// The canary that a visitor of a production domain gets instead of what the domain is assigned to. `bucket`, below
    /// 100, is the visitor's.
    pub fn canary(&self, host: &str, bucket: u64) -> Option<&String> {
        let (project, domain) = self.domain_by_host(host)?;
        let rolling = active(project).filter(|_| domains::is_production(domain))?;
        #[expect(clippy::cast_precision_loss, reason = "below 100")]
        let is_chosen = (bucket as f64) < rolling.percentage();
        is_chosen.then_some(&rolling.canary)
    }

    /// The next visitor's bucket: spread evenly, and the same in every run.
    pub fn next_bucket(&mut self) -> u64 {
        self.visitors += 1;
        (self.visitors - 1) * 37 % 100
    }

    /// Begins a rolling release as the project is configured; false if it has to go live at once.
    pub(super) fn begin_rolling(&mut self, canary: &str, now: Millis) -> bool {
        let Some(project) = self.deployments.get(canary).map(|canary| canary.project.clone()) else { return false };
        let Some(project) = self.projects.get_mut(&project) else { return false };
        let stages = project.rolling_config.as_ref().and_then(|config| config["stages"].as_array()).cloned();
        let (Some(stages), Some(base)) = (stages, project.production.clone()) else { return false };
        project.rolling = Some(Rolling {
            state: "ACTIVE".to_owned(),
            base,
            canary: canary.to_owned(),
            queued: None,
            stages,
            stage: 0,
            started_at: now,
            updated_at: now,
        });
        project.updated_at = project.updated_at.max(now);
        true
    }

    /// Ends the rolling release of a project: all visitors get the canary, or what they got before.
    pub(super) fn end_rolling(&mut self, project: &str, completed: bool, now: Millis) {
        let Some(rolling) = self.projects.get_mut(project).and_then(|project| project.rolling.as_mut()) else { return };
        if completed { "COMPLETE" } else { "ABORTED" }.clone_into(&mut rolling.state);
        rolling.updated_at = now;
        let (canary, queued) = (rolling.canary.clone(), rolling.queued.take());
        if completed {
            self.make_current(&canary, now);
            self.emit_deployment("deployment.promoted", &canary, now);
            if let Some(project) = self.projects.get_mut(project) {
                project.settings.insert("autoAssignCustomDomains".to_owned(), json!(true));
            }
        }
        if let Some(queued) = queued
            && !self.begin_rolling(&queued, now)
        {
            self.make_current(&queued, now);
        }
    }
}

/// `GET /v1/projects/{idOrName}/rolling-release/billing`.
pub(super) fn billing(call: &mut Call<'_>) -> Outcome {
    let project = call.project()?;
    let used: Vec<&str> = configured(call).filter(|other| other.id != project.id).map(|other| &*other.id).collect();
    let answer = match call.plan() {
        VercelPlan::Hobby => json!({
            "availableSlots": 0,
            "reason": "plan_not_supported",
            "message": "Rolling Releases are not available on the Hobby plan.",
        }),
        VercelPlan::Pro if used.len() >= PRO_SLOTS => json!({
            "availableSlots": 0,
            "reason": "no_available_slots",
            "message": "All Rolling Releases of your plan are in use by other projects.",
            "enabledProjects": used,
        }),
        VercelPlan::Pro => json!({
            "availableSlots": PRO_SLOTS - used.len(),
            "reason": "available_slots",
            "message": "Rolling Releases are available.",
        }),
        VercelPlan::Enterprise => json!({
            "availableSlots": "unlimited",
            "reason": "unlimited_slots",
            "message": "Rolling Releases are unlimited.",
        }),
    };
    Ok(answer.into())
}

/// Projects of the team for which rolling releases are configured.
fn configured<'a>(call: &'a Call<'_>) -> impl Iterator<Item = &'a Project> {
    call.state.projects.values().filter(|other| other.team == call.team && other.rolling_config.is_some())
}

/// `GET /v1/projects/{idOrName}/rolling-release/config`.
pub(super) fn config(call: &mut Call<'_>) -> Outcome {
    Ok(json!({ "rollingRelease": call.project()?.rolling_config }).into())
}

/// `PATCH /v1/projects/{idOrName}/rolling-release/config`.
pub(super) fn configure(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    if call.body["enabled"] != true {
        project.rolling_config = None;
        call.save(project);
        return Ok(json!({ "rollingRelease": null }).into());
    }
    let others = configured(call).filter(|other| other.id != project.id).count();
    match call.plan() {
        VercelPlan::Hobby => return Err(Problem::plan("Rolling Releases are not available on the Hobby plan.")),
        VercelPlan::Pro if others >= PRO_SLOTS => {
            return Err(Problem::plan("All Rolling Releases of your plan are in use by other projects."));
        }
        VercelPlan::Pro | VercelPlan::Enterprise => {}
    }
    let stages = call.body["stages"].as_array().cloned().unwrap_or_default();
    let percentages: Vec<f64> = stages.iter().filter_map(|stage| stage["targetPercentage"].as_f64()).collect();
    if !(2..=10).contains(&stages.len()) {
        return Err(Problem::bad_request("Rolling Releases need between 2 and 10 stages."));
    }
    if !percentages.is_sorted_by(|a, b| a < b) || percentages.last() != Some(&100.0) {
        return Err(Problem::bad_request("Stages must ascend, and the last one must have a targetPercentage of 100."));
    }
    project.rolling_config = Some(json!({ "target": "production", "stages": stages, "canaryResponseHeader": false }));
    project.settings.entry("skewProtectionMaxAge").or_insert(json!(43_200));
    let answer = json!({ "rollingRelease": { "stages": stages } });
    call.save(project);
    Ok(answer.into())
}

/// `DELETE /v1/projects/{idOrName}/rolling-release/config`.
pub(super) fn disable(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    project.rolling_config = None;
    call.save(project);
    Ok(json!({ "rollingRelease": null }).into())
}

/// `GET /v1/projects/{idOrName}/rolling-release`.
pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    let project = call.project()?;
    let wanted = call.query("state");
    let rolling = project.rolling.as_ref().filter(|rolling| wanted.is_none_or(|state| state == rolling.state));
    let view = rolling.map_or(Value::Null, |rolling| view(call.state, rolling));
    Ok(json!({ "rollingRelease": view }).into())
}

/// `POST /v1/projects/{idOrName}/rolling-release/start`.
pub(super) fn start(call: &mut Call<'_>) -> Outcome {
    let project = call.project()?.clone();
    let canary = call.deployment(call.body["canaryDeploymentId"].as_str().unwrap_or_default())?.clone();
    let refused = |message: &str| Err(Problem::new(422, "unprocessable_entity", message));
    if canary.project != project.id || !canary.production || canary.state != ReadyState::Ready {
        return refused("The deployment is not a READY production deployment of the project.");
    }
    match active(&project) {
        Some(rolling) if rolling.canary == canary.id => return answer(call),
        Some(_) => return Err(Problem::new(409, "conflict", "Another rolling release is in progress.")),
        None => {}
    }
    if project.production.as_ref() == Some(&canary.id) {
        return Err(Problem::new(409, "conflict", "The deployment is already the current production deployment."));
    }
    if !call.state.begin_rolling(&canary.id, call.now) {
        return refused("Rolling Releases are not enabled for the project, or it has no production deployment.");
    }
    answer(call)
}

/// `POST /v1/projects/{idOrName}/rolling-release/approve-stage`.
pub(super) fn approve(call: &mut Call<'_>) -> Outcome {
    let (mut project, rolling) = under_way(call)?;
    let next = rolling.stage + 1;
    if call.body["nextStageIndex"].as_u64() != u64::try_from(next).ok() {
        return Err(Problem::bad_request(format!("The next stage of the rolling release has the index {next}.")));
    }
    if next + 1 == rolling.stages.len() {
        call.state.end_rolling(&project.id, true, call.now);
    } else {
        project.rolling = Some(Rolling { stage: next, updated_at: call.now, ..rolling });
        call.save(project);
    }
    answer(call)
}

/// `POST /v1/projects/{idOrName}/rolling-release/complete`.
pub(super) fn complete(call: &mut Call<'_>) -> Outcome {
    let (project, _) = under_way(call)?;
    call.state.end_rolling(&project.id, true, call.now);
    answer(call)
}

/// The rolling release that is under way, which has to be the one of the canary that the body names.
fn under_way(call: &Call<'_>) -> Result<(Project, Rolling), Problem> {
    let project = call.project()?;
    let Some(rolling) = active(project) else {
        return Err(Problem::not_found("The project has no rolling release in progress."));
    };
    if call.body["canaryDeploymentId"] != *rolling.canary {
        return Err(Problem::bad_request("The deployment is not the canary of the rolling release in progress."));
    }
    Ok((project.clone(), rolling.clone()))
}

fn answer(call: &Call<'_>) -> Outcome {
    let rolling = call.project()?.rolling.as_ref();
    let view = rolling.map_or(Value::Null, |rolling| view(call.state, rolling));
    Ok(json!({ "rollingRelease": view }).into())
}

fn view(state: &State, rolling: &Rolling) -> Value {
    let deployment = |id: &str| {
        state.deployments.get(id).map(|found| {
            json!({
                "id": found.id,
                "name": found.name,
                "url": found.url,
                "target": "production",
                "createdAt": found.created_at,
                "readyState": found.state.name(),
            })
        })
    };
    let stage = |index: usize| {
        let stage = rolling.stages.get(index)?;
        let is_final = index + 1 == rolling.stages.len();
        let minutes = stage["duration"].as_f64().filter(|_| !is_final);
        Some(json!({
            "index": index,
            "isFinalStage": is_final,
            "targetPercentage": stage["targetPercentage"],
            "requireApproval": stage["requireApproval"] == true,
            "duration": minutes.map(|minutes| minutes * 60.0),
        }))
    };
    let is_over = !rolling.is_active();
    let at = if rolling.state == "COMPLETE" { rolling.stages.len() - 1 } else { rolling.stage };
    json!({
        "state": rolling.state,
        "currentDeployment": deployment(&rolling.base),
        "canaryDeployment": deployment(&rolling.canary),
        "queuedDeploymentId": rolling.queued,
        "advancementType": "manual-approval",
        "stages": (0..rolling.stages.len()).filter_map(stage).collect::<Vec<_>>(),
        "activeStage": stage(at).filter(|_| rolling.state != "ABORTED"),
        "nextStage": stage(at + 1).filter(|_| !is_over),
        "startedAt": rolling.started_at,
        "updatedAt": rolling.updated_at,
    })
}
