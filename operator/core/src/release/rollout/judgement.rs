//! How a release is judged: which visits are due, and what they came to.

use std::{collections::BTreeMap, time::Duration};

use forkable_crds::{
    DeploymentStatus,
    rollout::{Analysis, AnalysisRun, JobStage},
};

use super::{
    super::{
        Input,
        analysis::{self, RuleStanding, Secrets, Subject},
        machine::{Check, Phase},
    },
    CANDIDATE, LIVE, Sight,
    errand::stage_of,
};
use crate::{
    secret::redact,
    sites::{Request, Visit, host_of},
};

/// A round of visits that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Round<'a> {
    pub analysis: &'a Analysis,
    pub stage: &'static str,
    pub host: String,
    /// Time until the next one.
    pub interval: Duration,
}

impl<'a> Input<'a> {
    pub(super) fn run(&self, stage: &str) -> AnalysisRun {
        let mut runs = self.release.status.iter().flat_map(|status| &status.analysis_runs);
        runs.find(|run| run.stage == stage).cloned().unwrap_or_default()
    }

    /// Seconds for which the live site is yet to be watched, none or less if that was enough; `None` if it is not watched.
    pub(super) fn bakes_for(&self) -> Option<i64> {
        let seconds = self.release.spec.bake.as_ref()?.duration_seconds;
        let baked = self.since("Promoted").map_or(0, |since| self.now.duration_since(since).as_secs());
        Some(seconds - baked)
    }

    pub(super) fn verification(&self) -> Check {
        let analysis = self.release.spec.analysis.as_deref();
        let verdict = |it| analysis::verdict(it, JobStage::Candidate, &self.run(CANDIDATE), None);
        analysis.map_or(Check::Passed, verdict)
    }

    pub(super) fn bake(&self) -> Check {
        match (&self.release.spec.analysis, self.bakes_for()) {
            (Some(analysis), Some(rest)) => {
                analysis::verdict(analysis, JobStage::Live, &self.run(LIVE), Some(rest > 0))
            }
            _ => Check::Passed,
        }
    }

    /// Where visitors of production come to.
    pub(super) fn live_host(&self) -> Option<String> {
        let fork = self.fork?;
        let serves = |domain: &&forkable_crds::fork::Domain| {
            let is_production = domain.environment.as_deref().is_none_or(|environment| environment == "Production");
            domain.redirect_to.is_none() && is_production && !domain.name.starts_with('*')
        };
        let domain = fork.spec.domains.iter().find(serves).map(|domain| domain.name.clone());
        let project = || Some(format!("{}.vercel.app", fork.status.as_ref()?.project.as_ref()?.name));
        domain.or_else(project)
    }

    /// The round of visits that the phase asks for, whether it is due or not.
    pub(super) fn round(self, sight: &Sight) -> Option<Round<'a>> {
        let record = self.record();
        let phase = self.phase();
        let analysis = self.release.spec.analysis.as_ref()?;
        let (stage, host) = match phase {
            Phase::Verifying if self.verification() == Check::Running => {
                (CANDIDATE, host_of(record.url.as_deref()?).into())
            }
            Phase::Shifting if self.watch(sight, false) == Check::Running => {
                let stage = self.step_stage()?;
                (stage, self.step_host(stage)?)
            }
            Phase::Baking if self.bake() == Check::Running => (LIVE, self.live_host()?),
            _ => return None,
        };
        if !analysis::has_rounds(analysis, analysis::kind(stage)) {
            return None;
        }
        let interval = Duration::from_secs(u64::try_from(analysis.interval_seconds).unwrap_or(10));
        Some(Round { analysis, stage, host, interval })
    }
}

/// What a round of visits asks.
///
/// # Errors
/// Why it cannot be asked.
pub fn asks(
    input: Input<'_>,
    round: &Round<'_>,
    secrets: &Secrets,
    prometheus: Option<&str>,
) -> Result<Vec<Request>, String> {
    let commit = input.record().commit.map(|commit| commit.sha).unwrap_or_default();
    let fork = input.release.spec.fork_ref.name.clone();
    analysis::asks(round.analysis, &Subject { host: round.host.clone(), commit, fork }, secrets, prometheus)
}

/// Why a release that has not begun could not be judged later.
pub fn unready(input: Input<'_>, secrets: &Secrets, prometheus: Option<&str>) -> Option<String> {
    let analysis = input.release.spec.analysis.as_ref()?;
    analysis::asks(analysis, &Subject::default(), secrets, prometheus).err()
}

/// The AlertRules that are part of a round.
pub fn rules<'a>(round: &Round<'a>) -> &'a [String] {
    if round.stage == CANDIDATE { &[] } else { &round.analysis.alert_rules }
}

/// The record with one more measurement: what was visited, and how the [`rules`] stand.
pub fn measured(
    input: Input<'_>,
    round: &Round<'_>,
    visits: &[Visit],
    rules: &[(String, RuleStanding)],
    secrets: &Secrets,
) -> DeploymentStatus {
    let mut record = input.record();
    let since = record.intended_at.as_ref().map_or(input.now, |at| at.0);
    let run = stage_of(&mut record, round.stage);
    let mut judged = analysis::judge(round.analysis, run, &round.host, visits, rules, since);
    // Somebody may repeat what they were sent.
    judged.message = redact(&judged.message, secrets.values().flat_map(BTreeMap::values));
    analysis::note(run, judged, input.now);
    record
}
