//! Releases of the fake that get a project's visitors step by step.

use super::{Project, World, conflict, not_found, rejected};
use crate::{
    PortError,
    error::Provider,
    hosting::{BuildState, HostingDone, ProjectTarget, Split, SplitState},
};

pub(super) fn not_in_plan() -> PortError {
    let message = "Rolling Releases are not available on your plan.".into();
    PortError::PlanUnsupported { provider: Provider::Vercel, message }
}

impl World {
    pub(super) fn set_steps(
        &mut self,
        target: &ProjectTarget,
        steps: Option<&[i64]>,
    ) -> Result<HostingDone, PortError> {
        if self.no_steps && steps.is_some() {
            return Err(not_in_plan());
        }
        if steps.is_some_and(|steps| steps.is_empty() || !steps.is_sorted_by(|a, b| a < b)) {
            return Err(rejected("bad_request", "Stages must ascend.".into()));
        }
        self.of(target)?.steps = steps.map(<[i64]>::to_vec);
        Ok(HostingDone::Nothing)
    }

    pub(super) fn start_steps(&mut self, target: &ProjectTarget, id: &str) -> Result<HostingDone, PortError> {
        let started_at = self.tick();
        let project = self.of(target)?;
        let found = project.deployments.iter().find(|deployment| deployment.facts.id == id);
        let found = found.ok_or_else(|| not_found(format!("deployment {id}")))?;
        if found.facts.state != BuildState::Ready {
            return Err(rejected("bad_request", "The deployment is not READY.".into()));
        }
        match project.active() {
            Some((split, _)) if split.canary == id => return Ok(HostingDone::Nothing),
            Some(_) => return Err(conflict("A rolling release is already in progress.".into())),
            None => {}
        }
        let base = project.facts.production_deployment.clone().filter(|base| base != id);
        let (Some(steps), Some(base)) = (project.steps.clone(), base) else {
            let message = "Rolling Releases are not enabled, or there is nothing to roll from.";
            return Err(rejected("unprocessable_entity", message.into()));
        };
        let state = SplitState::Active { stage: 0 };
        let split = Split { canary: id.into(), base: Some(base), state, queued: None, started_at };
        project.split = Some((split, steps));
        Ok(HostingDone::Nothing)
    }

    /// To a stage, or to all visitors.
    pub(super) fn next_step(
        &mut self,
        target: &ProjectTarget,
        id: &str,
        stage: Option<usize>,
    ) -> Result<HostingDone, PortError> {
        let project = self.of(target)?;
        let Some((split, steps)) = project.active().filter(|(split, _)| split.canary == id) else {
            return Err(not_found(format!("a rolling release of {id}")));
        };
        let SplitState::Active { stage: at } = split.state else { unreachable!("it is active") };
        match stage {
            Some(stage) if stage != at + 1 || stage >= steps.len() => {
                return Err(rejected("bad_request", format!("The next stage is not {stage}.")));
            }
            Some(stage) => split.state = SplitState::Active { stage },
            None => {
                split.state = SplitState::Complete;
                project.facts.production_deployment = Some(id.into());
                if let Some(done) = project.deployments.iter_mut().find(|deployment| deployment.facts.id == id) {
                    done.promoted = true;
                }
            }
        }
        Ok(HostingDone::Nothing)
    }
}

impl Project {
    fn active(&mut self) -> Option<(&mut Split, &[i64])> {
        let (split, steps) = self.split.as_mut()?;
        matches!(split.state, SplitState::Active { .. }).then_some((split, steps.as_slice()))
    }

    /// Whether there was something to abort.
    pub(super) fn abort_steps(&mut self) -> bool {
        let active = self.active();
        active.map(|(split, _)| split.state = SplitState::Aborted).is_some()
    }
}
