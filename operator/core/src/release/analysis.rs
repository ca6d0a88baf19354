//! Whether a release is good: from requests and answers to measurements, from measurements to a verdict.

mod asks;
mod job;
mod judge;
#[cfg(test)]
mod tests;

use forkable_crds::rollout::{Analysis, AnalysisRun, JobStage, Measurement, OnNoData};
use jiff::Timestamp;

use super::{machine::Check, status::whole_seconds};
pub(crate) use asks::header_values;
pub use asks::{Secrets, Subject, ask_prometheus, asks, faults, references, secrets};
pub(crate) use job::GONE;
pub use job::{fill as fill_job, has_passed as has_job_passed, is_for as is_job_for, judged as job_judged};
pub(crate) use judge::wrong_header;
pub use judge::{RuleStanding, compares, judge, numbers};

/// Measurements that are kept for people.
const KEPT: usize = 10;
/// Longest message of a measurement, in characters.
const MAX_MESSAGE: usize = 500;

/// What one measurement is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    Success,
    Failure,
    NoData,
}

impl Worth {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Failure => "Failure",
            Self::NoData => "NoData",
        }
    }
}

/// What one measurement came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub worth: Worth,
    /// The first metric that made it so, unless it is good.
    pub metric: Option<String>,
    /// What was wrong, or what was seen if that is short.
    pub message: String,
}

impl Judged {
    /// Of metrics with what each is worth: bad if one is, without data if one has none.
    fn of<'a>(metrics: impl Iterator<Item = (&'a str, Worth, String)>, on_no_data: OnNoData) -> Self {
        let worst = |worth| match worth {
            Worth::NoData if on_no_data == OnNoData::Fail => Worth::Failure,
            worth => worth,
        };
        let metrics: Vec<_> = metrics.map(|(name, worth, message)| (name, worst(worth), message)).collect();
        let is = |worth| metrics.iter().find(|(_, one, _)| *one == worth);
        let (worth, metric) = match (is(Worth::Failure), is(Worth::NoData)) {
            (Some((name, ..)), _) => (Worth::Failure, Some(*name)),
            (None, Some((name, ..))) => (Worth::NoData, Some(*name)),
            _ => (Worth::Success, None),
        };
        let tells = |(_, one, _): &&(&str, Worth, String)| *one != Worth::Success || metrics.len() == 1;
        let told: Vec<_> = metrics.iter().filter(tells).map(|(.., message)| message.as_str()).collect();
        Self { worth, metric: metric.map(str::to_owned), message: told.join("; ") }
    }
}

/// Takes a measurement in.
pub fn note(run: &mut AnalysisRun, judged: Judged, at: Timestamp) {
    let Judged { worth, metric, message } = judged;
    match worth {
        Worth::Success => run.successes += 1,
        Worth::Failure => run.failures += 1,
        Worth::NoData => run.inconclusive += 1,
    }
    let message = message.chars().take(MAX_MESSAGE).collect();
    run.measurements.push(Measurement { at: whole_seconds(at), result: worth.name().into(), metric, message });
    let extra = run.measurements.len().saturating_sub(KEPT);
    run.measurements.drain(..extra);
}

/// What kind of stage it is, of `Candidate`, `Step 1` and so on, and `Live`.
pub fn kind(stage: &str) -> JobStage {
    match stage {
        "Candidate" => JobStage::Candidate,
        "Live" => JobStage::Live,
        _ => JobStage::Step,
    }
}

/// Whether sites, servers or rules are asked in a stage, beside the run of a job. Rules are about what visitors get.
pub fn has_rounds(analysis: &Analysis, stage: JobStage) -> bool {
    let asks = !analysis.http.is_empty() || !analysis.prometheus.is_empty();
    asks || (stage != JobStage::Candidate && !analysis.alert_rules.is_empty())
}

/// Rounds of asking that there were.
pub fn rounds(run: &AnalysisRun) -> i64 {
    run.successes + run.failures + run.inconclusive - run.jobs_ended
}

/// Whether enough is known. `lasts` says whether a live site is watched that has not been watched for long enough yet.
pub fn verdict(analysis: &Analysis, stage: JobStage, run: &AnalysisRun, lasts: Option<bool>) -> Check {
    if run.failures > analysis.failure_limit || run.inconclusive > analysis.inconclusive_limit {
        return Check::Failed;
    }
    let has_passed = job::has_passed(run);
    let good = run.successes - i64::from(has_passed);
    let needed = if has_rounds(analysis, stage) { lasts.map_or(analysis.count, |_| 1) } else { 0 };
    let is_enough = lasts != Some(true) && good >= needed && (has_passed || !job::is_for(analysis, stage));
    if is_enough { Check::Passed } else { Check::Running }
}

/// How far it is, for people.
pub fn progress(run: &AnalysisRun) -> String {
    let counts = format!("{} good, {} bad, {} without data", run.successes, run.failures, run.inconclusive);
    match run.measurements.iter().rev().find(|it| it.result != Worth::Success.name()) {
        Some(last) => format!("{counts}; {}", last.message),
        None => counts,
    }
}
