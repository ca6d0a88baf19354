//! A release that gets production's visitors step by step (`strategy.type: Canary`): how its step stands, what it may
//! be refused for before anything is built, and in words how far it is.

#[cfg(test)]
mod tests;

use forkable_crds::{
    APPROVE_ANNOTATION, Deployment, DeploymentStatus,
    condition::ConditionStatus,
    deployment::StrategyType,
    rollout::{Approval, ApprovalStatus, CanaryStatus, CanaryStep, JobStage, RollbackTarget},
};
use jiff::{SignedDuration, Timestamp};

use super::{
    super::{
        Input, analysis,
        machine::{Check, Phase},
        reason,
        status::whole_seconds,
    },
    Sight, Told, errand,
    gates::is_independent,
    phase,
};
use crate::{
    PortError,
    condition::State,
    hosting::{Split, SplitState},
    sites::host_of,
};

/// Stages of the analyses of the steps.
const STAGES: [&str; 9] = ["Step 1", "Step 2", "Step 3", "Step 4", "Step 5", "Step 6", "Step 7", "Step 8", "Step 9"];

/// The steps of a canary; none for other releases.
pub fn steps(release: &Deployment) -> &[CanaryStep] {
    let strategy = &release.spec.strategy;
    match &strategy.steps {
        Some(steps) if strategy.strategy_type == StrategyType::Canary => steps,
        _ => &[],
    }
}

/// What part of the visitors a canary gets, step by step, in percent.
pub fn weights(release: &Deployment) -> Vec<i64> {
    steps(release).iter().map(|step| step.weight).collect()
}

/// Whether the project may be given the steps of a canary, and if not, why. `present` are those that it has.
///
/// # Errors
/// An answer that may be another one soon.
pub fn offer(allowed: Result<(), PortError>, present: Option<&[i64]>) -> Result<Result<(), Told>, PortError> {
    match (allowed, present) {
        (Err(error @ PortError::PlanUnsupported { .. }), _) => Ok(Err(Told {
            reason: error.reason(),
            message: format!("strategy.type Canary needs rolling releases: {error}; use BlueGreen, or another plan"),
        })),
        (Err(error), _) => Err(error),
        (Ok(()), Some(present)) => Ok(Err(taken(present))),
        (Ok(()), None) => Ok(Ok(())),
    }
}

/// Steps that are there and that this release did not make.
pub fn taken(present: &[i64]) -> Told {
    let present: Vec<_> = present.iter().map(|weight| format!("{weight} %")).collect();
    Told {
        reason: reason::STEPS_TAKEN,
        message: format!(
            "the project has rolling releases configured ({}) that this release did not make, and they are left as they \
             are: disable them at Vercel, or use strategy.type BlueGreen",
            present.join(", ")
        ),
    }
}

/// What an approval must name just now: the candidate, or the candidate and its step. `None`: nothing is to be approved.
pub fn approvable(release: &Deployment) -> Option<String> {
    let status = release.status.as_ref()?;
    let candidate = status.candidate.clone()?;
    match phase(release) {
        Phase::AwaitingApproval => Some(candidate),
        Phase::Shifting => {
            let step = status.canary.as_ref()?.step;
            let asks = at(release, step)?.approval == Approval::Required;
            asks.then(|| format!("{candidate}/{step}"))
        }
        _ => None,
    }
}

/// The step with this number, from 1.
fn at(release: &Deployment, step: i64) -> Option<&CanaryStep> {
    steps(release).get(usize::try_from(step).ok()?.checked_sub(1)?)
}

/// `canary 25 % (step 2 of 4)`.
fn name(release: &Deployment, canary: &CanaryStatus) -> String {
    format!("canary {} % (step {} of {})", canary.weight, canary.step, steps(release).len())
}

/// When the pause of the present step is over.
fn pause_ends(release: &Deployment) -> Option<Timestamp> {
    let canary = release.status.as_ref()?.canary.as_ref()?;
    let pause = at(release, canary.step)?.pause_seconds;
    canary.reached_at.as_ref()?.0.checked_add(SignedDuration::from_secs(pause)).ok()
}

/// How far a canary is: `canary 25 % (step 2 of 4), watched for 40 s more`. `None`: it is not at a step.
pub fn standing(release: &Deployment, now: Timestamp) -> Option<String> {
    if phase(release) != Phase::Shifting {
        return None;
    }
    let name = name(release, release.status.as_ref()?.canary.as_ref()?);
    let rest = pause_ends(release)?.duration_since(now).as_secs();
    Some(if rest > 0 { format!("{name}, watched for {rest} s more") } else { format!("{name}, its time is over") })
}

/// What an event says of a step that was just reached or passed.
pub fn news(release: &Deployment) -> Option<String> {
    let status = release.status.as_ref()?;
    let canary = status.canary.as_ref()?;
    if canary.reached_at.is_some() {
        return Some(name(release, canary));
    }
    let passed = canary.step - 1;
    let approved = at(release, passed).is_some_and(|step| step.approval == Approval::Required);
    let by = status.approval.as_ref().and_then(|approval| approval.by.clone()).filter(|_| approved);
    let by = by.map_or_else(String::new, |by| format!(", approved by {by}"));
    Some(format!("step {passed} is over{by}; next: {} %", canary.weight))
}

impl Input<'_> {
    pub(super) fn is_canary(&self) -> bool {
        self.release.spec.strategy.strategy_type == StrategyType::Canary
    }

    /// Time until the pause of the step is over.
    pub(super) fn pause(&self) -> Option<std::time::Duration> {
        let rest = pause_ends(self.release)?.duration_since(self.now);
        std::time::Duration::try_from(rest).ok().filter(|rest| !rest.is_zero())
    }

    /// Time until the pause is over, until the freeze is, or until the step may not be held up any more.
    pub(super) fn step_turns_in(&self) -> Option<std::time::Duration> {
        let thaws = self.freeze().ok().flatten().and_then(|freeze| freeze.until);
        let ends = [self.step_times_out_at(), thaws];
        let until = |at: Timestamp| std::time::Duration::try_from(at.duration_since(self.now)).ok();
        let next = ends.into_iter().flatten().filter_map(until).filter(|rest| !rest.is_zero()).min();
        self.pause().or(next)
    }

    /// Until when the step may wait for an approval or the end of a freeze; `None`: for ever.
    fn step_times_out_at(&self) -> Option<Timestamp> {
        let timeout = self.release.spec.gates.as_ref()?.timeout_seconds?;
        Some(pause_ends(self.release)?.saturating_add(SignedDuration::from_secs(timeout)).unwrap_or(Timestamp::MAX))
    }

    /// Whether the step was held up for too long.
    pub(super) fn is_step_overdue(&self, sight: &Sight) -> bool {
        self.is_held(sight, false) && self.step_times_out_at().is_some_and(|at| self.now >= at)
    }

    /// Who let the step pass, if somebody did who may; the error says what is wrong with an approval.
    fn step_approval(&self, sight: &Sight) -> Result<Option<ApprovalStatus>, String> {
        let approval = self.named_step_approval();
        if let Some(approval) = approval.as_ref().filter(|_| self.separates_duties()) {
            is_independent(approval, sight)?;
        }
        Ok(approval)
    }

    /// Who let the step pass by their own account, whoever wrote the commit. An approval of an earlier step or of the
    /// promotion is none.
    pub(super) fn named_step_approval(&self) -> Option<ApprovalStatus> {
        let text = self.annotation(APPROVE_ANNOTATION)?;
        let (named, by) = text.split_once(" by ").map_or((text, None), |(named, by)| (named, Some(by.trim())));
        let by = by.map(|by| by.chars().take(128).collect());
        let is_it = Some(named.trim()) == approvable(self.release).as_deref();
        is_it.then(|| ApprovalStatus { by, at: Some(whole_seconds(self.now)), ..ApprovalStatus::default() })
    }

    /// Whether a person is waited for before the next step, or the end of a freeze. Where everybody is trusted an
    /// approval counts, whoever gave it.
    fn is_held(&self, sight: &Sight, trusts: bool) -> bool {
        let is_approved = if trusts {
            self.named_step_approval().is_some()
        } else {
            matches!(self.step_approval(sight), Ok(Some(_)))
        };
        (approvable(self.release).is_some() && !is_approved) || !self.frozen(sight).is_empty()
    }

    /// How the step stands. Where everybody is trusted an approval counts, whoever gave it.
    pub(super) fn watch(&self, sight: &Sight, trusts: bool) -> Check {
        let Some(stage) = self.step_stage() else { return Check::Running };
        if !trusts && self.is_step_overdue(sight) {
            return Check::Failed;
        }
        let lasts = self.pause().is_some() || self.is_held(sight, trusts);
        match &self.release.spec.analysis {
            Some(analysis) => {
                let run = self.run(stage);
                // Both the candidate and the live site are asked in every step, however short it is.
                let asks = analysis::has_rounds(analysis, JobStage::Step) && analysis::rounds(&run) < 2;
                analysis::verdict(analysis, JobStage::Step, &run, Some(lasts || asks))
            }
            None if lasts => Check::Running,
            None => Check::Passed,
        }
    }

    /// Stage of the analysis of the step that it is at.
    pub(super) fn step_stage(&self) -> Option<&'static str> {
        let canary = self.record().canary.filter(|canary| canary.reached_at.is_some())?;
        STAGES.get(usize::try_from(canary.step).ok()?.checked_sub(1)?).copied()
    }

    /// Who is asked next: the candidate itself, of which the live site shows little yet, and the live site in turn.
    pub(super) fn step_host(&self, stage: &str) -> Option<String> {
        let run = self.run(stage);
        if analysis::rounds(&run) % 2 == 1 {
            self.live_host()
        } else {
            Some(host_of(self.record().url.as_deref()?).into())
        }
    }

    /// Whether another release of the environment is made that can go on in place of one that is refused, or has.
    pub(super) fn has_heir(&self) -> bool {
        self.newer().iter().any(|newer| {
            let phase = phase(newer);
            newer.spec.environment == self.release.spec.environment && (phase == Phase::Healthy || !phase.is_over())
        })
    }
}

/// Whether a release may not be given its steps, so that nothing of it is built.
pub fn is_refused(release: &Deployment) -> bool {
    let conditions = release.status.iter().flat_map(|status| &status.conditions);
    let mut stalled =
        conditions.filter(|condition| condition.type_ == "Stalled" && condition.status == ConditionStatus::True);
    phase(release) == Phase::Gated
        && stalled.any(|stalled| [reason::STEPS_TAKEN, reason::PLAN_UNSUPPORTED].contains(&&*stalled.reason))
}

/// The step that the provider has this release at, from 1.
pub(super) fn step(own: Option<&str>, split: Option<&Split>) -> Option<u8> {
    match split {
        Some(Split { canary, state: SplitState::Active { stage }, .. }) if own == Some(canary) => {
            u8::try_from(stage + 1).ok()
        }
        _ => None,
    }
}

/// Puts on record what a line of the table means for a canary.
pub(super) fn record(input: Input<'_>, sight: &Sight, to: Phase, record: &mut DeploymentStatus) {
    let now = Some(whole_seconds(input.now));
    let weight = |step| at(input.release, step).map_or(100, |step| step.weight);
    match (to, &mut record.canary) {
        (Phase::Shifting, None) => {
            record.canary = Some(CanaryStatus { step: 1, weight: weight(1), reached_at: now }.into());
            let base = sight.production.as_ref().and_then(|production| production.split.as_ref()?.base.clone());
            if record.rollback_to.is_none() {
                record.rollback_to = base.map(|deployment_id| RollbackTarget { deployment_id, release: None }.into());
            }
        }
        (Phase::Advancing, Some(canary)) => {
            canary.step += 1;
            canary.weight = weight(canary.step);
            canary.reached_at = None;
            // It went on in a freeze, maybe in another one than before.
            record.freeze_override = input.freeze_override().or(record.freeze_override.take());
            if let Ok(Some(approval)) = input.step_approval(sight) {
                record.approval = Some(Box::new(approval));
            }
        }
        (Phase::Shifting | Phase::Baking, Some(canary)) => canary.reached_at = now,
        _ => {}
    }
}

/// How it stands with the step, for people.
pub(super) fn awaited(
    input: Input<'_>,
    status: &DeploymentStatus,
    sight: &Sight,
    phase: Phase,
) -> (State, String, String) {
    let going = |message| (State::Progressing, phase.name().to_owned(), message);
    let canary = status.canary.clone().unwrap_or_default();
    let fork = &input.release.spec.fork_ref.name;
    if phase == Phase::Advancing {
        let part =
            if canary.weight == 100 { "all visitors".into() } else { format!("{} % of the visitors", canary.weight) };
        return going(format!("Vercel leads {part} to it; stop with: forkable abort {fork}"));
    }
    let release = Deployment { status: Some(status.clone()), ..input.release.clone() };
    let input = Input { release: &release, ..input };
    let name = name(&release, &canary);
    let counts = match (&release.spec.analysis, input.step_stage()) {
        (Some(_), Some(stage)) => format!(": {}", analysis::progress(&input.run(stage))),
        _ => String::new(),
    };
    let counts = format!("{counts}{}", errand::told(input, status, sight));
    let stop = format!("stop with: forkable abort {fork}");
    let until = input.step_times_out_at().map_or_else(String::new, |at| format!(", until {}", clock(at)));
    match (input.pause(), approvable(&release)) {
        (Some(_), _) => {
            let until = clock(pause_ends(&release).unwrap_or(input.now));
            going(format!("{name}, watched until {until}{counts}; {stop}"))
        }
        (None, Some(named)) if !matches!(input.step_approval(sight), Ok(Some(_))) => {
            let wrong = input.step_approval(sight).err().map_or_else(String::new, |wrong| format!("{wrong}; "));
            let frozen: Vec<_> =
                input.frozen(sight).into_iter().map(|it| format!("; even then: {}", it.message)).collect();
            let frozen = frozen.concat();
            (
                State::PersonNeeded,
                reason::APPROVAL_REQUIRED.into(),
                format!(
                    "{wrong}{name} waits for approval of what comes next{until}: forkable approve {fork} \
                     (candidate {named}); {stop}{frozen}"
                ),
            )
        }
        (None, _) if let Some(first) = input.frozen(sight).into_iter().next() => {
            let message = format!("{name} waits{until}: {}; {stop}", first.message);
            (first.state, first.reason.into(), message)
        }
        _ => going(format!("{name}, its time is over{counts}; {stop}")),
    }
}

fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
