//! A release that is promoted (`strategy.type: BlueGreen` or `Canary`): from its object and what was seen to what [`machine`]
//! decides on, and from its decision to what is put on record.

pub mod canary;
pub mod errand;
pub mod freeze;
mod gates;
mod judgement;
mod migration;
mod requirements;
pub mod revert;
mod status;
#[cfg(test)]
mod tests;
mod wishes;

use std::{sync::Arc, time::Duration};

use forkable_crds::{
    Deployment, DeploymentStatus,
    deployment::StrategyType,
    rollout::{ApprovalStatus, JobStage, RollbackTarget},
};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    Input, Look, Observed, analysis,
    machine::{self, Build, Check, Event, Gates, Marks, Moving, Phase, Row, Seen, Terms, Turn, Wish},
    request,
    status::whole_seconds,
};
use crate::{
    condition::{self, is_true},
    forge::{CommitAsk, CommitFacts},
    hosting::{BuildState, DeploymentRequest, Move, Split, SplitState},
    workflows::{Found, RunAsk},
};
pub use judgement::{Round, asks, measured, rules, unready};
pub use migration::{dispatch, found_run, intends_run};
pub use requirements::problems;
pub use status::{Told, is_live, status};

/// Stage of an analysis before and after the promotion.
const CANDIDATE: &str = "Candidate";
const LIVE: &str = "Live";
/// How far the provider's clock may be behind ours.
const SKEW_MS: i64 = 60_000;

/// Whether a release is promoted, rather than live as soon as it is built.
pub fn is_promoted(release: &Deployment) -> bool {
    release.spec.strategy.strategy_type != StrategyType::Immediate
}

/// What production serves, and where it is being led.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Production {
    pub serving: Option<String>,
    pub moved: Option<Move>,
    /// Of a canary: how its visitors are split.
    pub split: Option<Split>,
}

/// What was seen of a release.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    pub build: Observed,
    /// The build was looked for, or can not have been asked for yet: if there is none in `build`, there is none.
    pub is_looked_for: bool,
    /// `None`: not looked at.
    pub production: Option<Production>,
    /// Why it could not be judged later: it does not begin before that is mended.
    pub unready: Option<String>,
    /// The run of the migration; `None`: not looked at.
    pub run: Option<Found>,
    /// The run cannot have been asked for yet: this process has just put on record that it will be.
    pub is_run_untried: bool,
    /// The provider refused the last call for good; why.
    pub refused: Option<String>,
    /// Whether the project may be given the steps of a canary. `None`: not looked at.
    pub offer: Option<Result<(), Told>>,
    /// A deployment that was to serve again, and is not there any more.
    pub gone: Option<String>,
    /// The AlertRule that keeps releases from going live.
    pub frozen_by: Option<String>,
    /// What checks and people say of the commit; `None`: not looked at, or GitHub does not know the commit.
    pub commit: Option<CommitFacts>,
    /// Whether its workflows can be run. `None`: not looked at.
    pub workflows: Option<Result<(), Told>>,
    /// The run that judges it or waits for reviewers.
    pub errand: errand::Errand,
}

impl Sight {
    fn is_there(&self, target: &RollbackTarget) -> bool {
        self.gone.as_ref() != Some(&target.deployment_id)
    }
}

/// What is on record, from conditions.
pub fn marks(status: &DeploymentStatus) -> Marks {
    let is = |type_| is_true(&status.conditions, type_);
    let canary = status.canary.as_ref();
    let migrates = status.migration.is_some();
    Marks {
        admitted: is("Admitted"),
        building: is("GatesOpen"),
        built: is("Built"),
        verified: is("Verified"),
        migrating: migrates && is("Approved"),
        promoting: is(if migrates { "Migrated" } else { "Approved" }),
        step: canary.map(|canary| u8::try_from(canary.step).unwrap_or(u8::MAX)),
        advancing: canary.is_some_and(|canary| canary.reached_at.is_none()),
        promoted: is("Promoted"),
        frozen: is("Frozen"),
        healthy: is("Healthy"),
        rolling_back: is("RollingBack"),
        rolled_back: is("RolledBack"),
        aborted: is("Aborted"),
        failed: is("ReleaseFailed"),
    }
}

/// The phase of any release, also of one that goes live by itself.
pub fn phase(release: &Deployment) -> Phase {
    let Some(status) = &release.status else { return Phase::Pending };
    if is_promoted(release) {
        return marks(status).phase();
    }
    match (status.finished_at.is_some(), is_true(&status.conditions, "Ready")) {
        (false, _) => Phase::Pending,
        (true, true) => Phase::Healthy,
        (true, false) => Phase::Failed,
    }
}

impl<'a> Input<'a> {
    fn annotation(&self, name: &str) -> Option<&'a str> {
        self.release.metadata.annotations.as_ref()?.get(name).map(String::as_str)
    }

    fn phase(&self) -> Phase {
        phase(self.release)
    }

    fn terms(&self) -> Terms {
        let automatic_rollback = self.release.spec.rollback.as_ref().is_none_or(|rollback| rollback.automatic);
        Terms { automatic_rollback, migration: self.migration() }
    }

    /// When a condition became what it is.
    fn since(&self, type_: &str) -> Option<Timestamp> {
        let found = condition::find(&self.release.status.as_ref()?.conditions, type_)?;
        Some(found.last_transition_time.0)
    }
}

/// What to look at before deciding.
#[derive(Clone, Debug, PartialEq)]
pub struct Needs<'a> {
    pub build: Look,
    pub production: bool,
    /// How visitors are split, with production.
    pub split: bool,
    /// Whether the project may be given the steps of a canary.
    pub offer: bool,
    /// What to ask GitHub of the commit, should what is known of it be too old.
    pub commit: Option<CommitAsk>,
    pub round: Option<Round<'a>>,
    /// Runs of the migration to look at.
    pub run: Option<RunAsk>,
}

/// What to look at for this release, given what is on record.
pub fn needs<'a>(input: Input<'a>, sight: &Sight, is_untried: bool) -> Needs<'a> {
    let record = input.record();
    let phase = input.phase();
    let build = match (phase, record.deployment_id) {
        (Phase::Building, Some(id)) => Look::Deployment(id),
        (Phase::Building, None) => super::look(input, is_untried),
        _ => Look::Nothing,
    };
    let production = match phase {
        Phase::AwaitingApproval => input.is_named_approved(sight),
        Phase::Migrating => input.has_migrated(),
        Phase::Promoting | Phase::Advancing | Phase::RollingBack => true,
        Phase::Shifting => input.wish(sight).is_some() || input.watch(sight, sight.commit.is_none()) != Check::Running,
        Phase::Frozen => input.wish(sight).is_some(),
        Phase::Baking => input.wish(sight).is_some() || input.bake() != Check::Running,
        Phase::Healthy => input.wish(sight) == Some(Wish::RollBack),
        _ => false,
    };
    let round = input.round(sight);
    let is_canary = input.is_canary();
    let offer = is_canary && phase == Phase::Gated;
    let split = production && is_canary;
    Needs { build, production, split, offer, commit: input.commit_ask(), round, run: input.ask_for_run() }
}

/// The build to ask for: one that stays away from production's domains.
pub fn request(input: Input<'_>) -> Result<DeploymentRequest, String> {
    match request::request(input) {
        Ok(request) => Ok(DeploymentRequest { goes_live: false, ..request }),
        Err(unready) => Err(unready.message),
    }
}

/// What happens next.
pub fn decide(input: Input<'_>, sight: &Sight) -> machine::Decision {
    let record = input.record();
    let phase = input.phase();
    let own = record.deployment_id.as_deref();
    let build = match sight.build.deployment.as_ref().map(|facts| facts.state) {
        None if sight.is_looked_for && record.deployment_id.is_some() => Build::Failed, // It was deleted.
        None if sight.is_looked_for => Build::Absent,
        None | Some(BuildState::Queued | BuildState::Building | BuildState::Blocked) => Build::Running,
        Some(BuildState::Ready) => Build::Ready,
        Some(BuildState::Failed | BuildState::Canceled) => Build::Failed,
    };
    let needs = needs(input, sight, false);
    let production = sight.production.as_ref();
    if needs.production && production.is_none() {
        return machine::Decision::Wait;
    }
    let can_run = errand::demands(input).is_empty() || sight.workflows == Some(Ok(()));
    let ready = request::request(input).is_ok() && sight.unready.is_none() && can_run;
    let turn = match input.turn() {
        // It would wait for a person, and hold up what may be allowed.
        Turn::Ours if matches!(sight.offer, Some(Err(_))) && phase == Phase::Gated && input.has_heir() => {
            Turn::Superseded
        }
        turn => turn,
    };
    let step = canary::step(own, production.and_then(|production| production.split.as_ref()));
    let seen = Seen {
        // Nothing begins before repository and project are there.
        turn: if phase == Phase::Pending && !ready && turn == Turn::Ours { Turn::Waits } else { turn },
        gates: match input.gates(sight) {
            Gates::Open if needs.offer && sight.offer != Some(Ok(())) => Gates::Closed,
            gates => gates,
        },
        build,
        verification: input.verification(),
        approved: input.is_approved(sight),
        migration: input.run_of_migration(sight),
        serves: production
            .is_none_or(|production| step.is_some() || (own.is_some() && production.serving.as_deref() == own)),
        has_previous: match phase {
            Phase::Healthy => input.rollback_target().ok().flatten().is_some_and(|to| sight.is_there(&to)),
            _ => record.rollback_to.as_ref().is_some_and(|to| sight.is_there(to)),
        },
        moving: production.map_or(Moving::Nothing, |production| moving(&record, production, sight)),
        step,
        watch: input.watch(sight, false),
        bake: input.bake(),
        wish: input.wish(sight),
    };
    machine::decide(marks(&record), input.terms(), &seen)
}

fn moving(record: &DeploymentStatus, production: &Production, sight: &Sight) -> Moving {
    let is_rollback = marks(record).rolling_back;
    if sight.refused.is_some() {
        return if is_rollback { Moving::RollbackFailed } else { Moving::PromotionFailed };
    }
    let intended = record.intended_at.as_ref().map_or(i64::MAX, |at| at.0.as_millisecond());
    let is_new = |at: i64| at.saturating_add(SKEW_MS) >= intended;
    if let Some(split) = &production.split {
        let is_own = record.deployment_id.as_ref() == Some(&split.canary);
        match split.state {
            SplitState::Active { .. } if !is_own => return Moving::Somewhere,
            SplitState::Active { .. } if !is_rollback => return Moving::Nothing,
            // Somebody was faster than the first look.
            SplitState::Aborted if is_own && record.canary.is_none() && !is_rollback && is_new(split.started_at) => {
                return Moving::PromotionFailed;
            }
            _ => {}
        }
        if split.queued.is_some() && split.queued == record.deployment_id {
            return Moving::Somewhere;
        }
    }
    let Some(moved) = &production.moved else { return Moving::Nothing };
    let to = record.rollback_to.as_ref().map(|to| to.deployment_id.as_str());
    let is_new = is_new(moved.requested_at);
    match moved.succeeded {
        None => Moving::Somewhere,
        Some(false) if is_new && moved.is_rollback && Some(moved.to.as_str()) == to => Moving::RollbackFailed,
        Some(false) if is_new && !moved.is_rollback && record.deployment_id.as_ref() == Some(&moved.to) => {
            Moving::PromotionFailed
        }
        Some(_) => Moving::Nothing,
    }
}

/// What is to serve again once this line of the table has come true.
pub fn way_back(input: Input<'_>, row: &Row) -> Option<Box<RollbackTarget>> {
    match row.event {
        _ if row.to != Phase::RollingBack => None,
        Event::RollbackAsked => input.rollback_target().ok().flatten(),
        _ => input.record().rollback_to,
    }
}

/// The record once a line of the table has come true, without its conditions.
pub fn record(input: Input<'_>, sight: &Sight, row: &Row) -> DeploymentStatus {
    let mut record = input.record();
    let now = Some(whole_seconds(input.now));
    know_build(&mut record, sight);
    match row.to {
        Phase::Building => record.requested_at.clone_from(&now),
        Phase::Verifying => {
            let commit = sight.build.deployment.as_ref().and_then(|facts| facts.commit.clone()).unwrap_or_default();
            let id = record.deployment_id.clone().unwrap_or_default();
            record.candidate = Some(hex::encode(Sha256::digest(format!("{commit}\n{id}")))[..12].into());
        }
        Phase::Migrating => {
            approve(input, sight, &mut record);
            record.migration = Some(migration::intent(input).into());
        }
        Phase::Promoting => {
            record.intended_at.clone_from(&now);
            record.freeze_override = input.freeze_override();
            approve(input, sight, &mut record);
            let serving = sight.production.as_ref().and_then(|production| production.serving.clone());
            let serving = serving.filter(|serving| Some(serving) != record.deployment_id.as_ref());
            record.rollback_to = serving.map(|deployment_id| {
                let of = |release: &&Arc<Deployment>| {
                    release.status.as_ref().and_then(|status| status.deployment_id.as_ref()) == Some(&deployment_id)
                };
                let release = input.siblings.iter().find(of).and_then(|release| release.metadata.name.clone());
                RollbackTarget { deployment_id, release }.into()
            });
        }
        Phase::RollingBack => {
            record.intended_at.clone_from(&now);
            record.finished_at = None;
            record.rollback_to = way_back(input, row);
        }
        _ => {}
    }
    errand::settle(input, sight, &mut record);
    if row.to.is_over() {
        record.finished_at = now;
    }
    canary::record(input, sight, row.to, &mut record);
    record
}

fn approve(input: Input<'_>, sight: &Sight, record: &mut DeploymentStatus) {
    let by = || {
        let nobody = || ApprovalStatus { at: Some(whole_seconds(input.now)), ..ApprovalStatus::default() };
        Box::new(input.approval(sight).ok().flatten().unwrap_or_else(nobody))
    };
    record.approval.get_or_insert_with(by);
}

/// The record with what is known of the build and of the migration.
pub fn known(input: Input<'_>, sight: &Sight) -> DeploymentStatus {
    let mut record = input.record();
    if input.phase() == Phase::Building {
        know_build(&mut record, sight);
    }
    migration::know(&mut record, sight);
    record
}

fn know_build(record: &mut DeploymentStatus, sight: &Sight) {
    if let Some(facts) = &sight.build.deployment {
        record.deployment_id = Some(facts.id.clone());
        record.url = Some(format!("https://{}", facts.url));
    }
}

/// When a release is to be looked at again, should nothing wake it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recheck {
    Never,
    /// The provider works on it.
    Soon,
    /// As its build is polled.
    Build,
    /// As its migration is polled.
    Run,
    /// At the next measurement, or at the end of the bake if that is sooner.
    Measure(Option<Duration>),
    /// When the time of a step is over.
    Later(Duration),
    /// Others are waited for, who wake it.
    Others,
    /// Gates or a person are waited for.
    Gates(Duration),
}

/// When to look again.
pub fn recheck(input: Input<'_>, sight: &Sight) -> Recheck {
    let analysis = input.release.spec.analysis.as_ref();
    let measures = |stage, turns: Option<Duration>| match analysis {
        Some(analysis) if analysis::has_rounds(analysis, stage) => Recheck::Measure(turns),
        _ => turns.map_or(Recheck::Others, Recheck::Later),
    };
    match input.phase() {
        Phase::Building => Recheck::Build,
        Phase::Migrating if !input.has_migrated() => Recheck::Run,
        Phase::Migrating | Phase::Promoting | Phase::Advancing | Phase::RollingBack => Recheck::Soon,
        Phase::Shifting => measures(JobStage::Step, input.step_turns_in()),
        Phase::Verifying => measures(JobStage::Candidate, None),
        Phase::Baking => {
            let rest = input.bakes_for().and_then(|rest| u64::try_from(rest).ok()).filter(|rest| *rest > 0);
            measures(JobStage::Live, rest.map(Duration::from_secs))
        }
        Phase::Pending | Phase::Frozen => Recheck::Others,
        Phase::Gated | Phase::AwaitingApproval => Recheck::Gates(input.gates_recheck(sight)),
        Phase::Healthy | Phase::RolledBack | Phase::Aborted | Phase::Failed => Recheck::Never,
    }
}

/// Time until the next look at the run of the migration.
pub fn poll_run(input: Input<'_>) -> Duration {
    let asked = input.record().migration.map_or(input.now, |run| run.intended_at.0);
    super::pause(input.now.duration_since(asked).as_secs())
}

/// Time until the next look at the build.
pub fn poll(input: Input<'_>, sight: &Sight) -> Duration {
    sight.build.deployment.as_ref().map_or(Duration::from_secs(1), |facts| super::poll(input, facts))
}
