//! How a release is judged: which visits are due, and what they came to.

use std::time::Duration;

use forkable_crds::{
    DeploymentStatus,
    rollout::{Analysis, AnalysisRun},
};

use super::{
    super::{
        Input, analysis,
        machine::{Check, Phase},
    },
    CANDIDATE, LIVE,
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
        let runs = self.record().analysis_runs;
        runs.into_iter().find(|run| run.stage == stage).unwrap_or_default()
    }

    /// Whether the live site has not been watched for long enough; `None` if it is not watched.
    pub(super) fn bakes(&self) -> Option<bool> {
        let seconds = self.release.spec.bake.as_ref()?.duration_seconds;
        let baked = self.since("Promoted").map_or(0, |since| self.now.duration_since(since).as_secs());
        Some(baked < seconds)
    }

    pub(super) fn verification(&self) -> Check {
        let analysis = self.release.spec.analysis.as_ref();
        analysis.map_or(Check::Passed, |analysis| analysis::verdict(analysis, &self.run(CANDIDATE), None))
    }

    pub(super) fn bake(&self) -> Check {
        match (&self.release.spec.analysis, self.bakes()) {
            (Some(analysis), Some(lasts)) => analysis::verdict(analysis, &self.run(LIVE), Some(lasts)),
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
    pub(super) fn round(self) -> Option<Round<'a>> {
        let record = self.record();
        let phase = self.phase();
        let analysis = self.release.spec.analysis.as_ref()?;
        let (stage, host) = match phase {
            Phase::Verifying if self.verification() == Check::Running => (CANDIDATE, host_of(record.url.as_deref()?)),
            Phase::Baking if self.bake() == Check::Running => (LIVE, self.live_host()?),
            _ => return None,
        };
        let interval = Duration::from_secs(u64::try_from(analysis.interval_seconds).unwrap_or(10));
        Some(Round { analysis, stage, host, interval })
    }
}

fn host_of(url: &str) -> String {
    url.trim_start_matches("https://").trim_end_matches('/').into()
}

/// The record with one more measurement.
pub fn measured(input: Input<'_>, round: &Round<'_>, visits: &[crate::sites::Visit]) -> DeploymentStatus {
    let mut record = input.record();
    let (worth, message) = analysis::judge(round.analysis, &round.host, visits);
    let index = record.analysis_runs.iter().position(|run| run.stage == round.stage).unwrap_or_else(|| {
        record.analysis_runs.push(AnalysisRun { stage: round.stage.into(), ..AnalysisRun::default() });
        record.analysis_runs.len() - 1
    });
    analysis::note(&mut record.analysis_runs[index], worth, &message, input.now);
    record
}
