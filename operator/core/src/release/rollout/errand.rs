//! Runs of workflows beside the way of a release: a job that judges it, and a run that waits for the reviewers of a
//! GitHub environment. Which is due, and what is next about it. The intent to have a run is on record before it is
//! asked for; one that nobody needs any more is canceled once the release is over.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use forkable_crds::{
    DeploymentStatus,
    rollout::{AnalysisRun, ApprovalStatus, WorkflowRun},
};

use super::{
    super::{
        Input,
        analysis::{self, Subject},
        machine::{Check, Phase},
        pause, reason,
        status::whole_seconds,
    },
    CANDIDATE, LIVE, Sight, Told, migration,
};
use crate::{
    sites::host_of,
    store::Kind as _,
    workflows::{self, APPEARS, Demands, Dispatch, Found, RunAsk, RunFacts, RunReview, RunState},
};

/// What is on record of a run that was canceled for taking too long, or as nobody needs it any more.
const TIMED_OUT: &str = "timed_out";
const CANCELED: &str = "canceled";
/// Longest comment of a reviewer that is kept.
const MAX_COMMENT: usize = 512;

/// What a run is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To judge the release in this stage.
    Job(String),
    /// To let reviewers approve it.
    Approval,
}

/// What is next about the runs of a release.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Look at runs, when it is time to, and at what people said of the one that is found.
    Look {
        ask: RunAsk,
        reviews: bool,
    },
    /// Put this on record: the intent to have a run. It is dispatched next.
    Intend(Box<DeploymentStatus>),
    Dispatch(Purpose, Dispatch),
    /// Put on record what was seen.
    Record(Box<DeploymentStatus>),
    /// Cancel the run, then put this on record.
    Cancel(i64, Box<DeploymentStatus>),
}

/// What was seen of the run that is under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errand {
    /// `None`: not looked at.
    pub found: Option<Found>,
    /// It cannot have been asked for yet: this process has just put on record that it will be.
    pub is_untried: bool,
    pub reviews: Vec<RunReview>,
    /// Why GitHub does not do, or tell, what it is asked for.
    pub trouble: Option<String>,
}

impl Input<'_> {
    /// What a run is wanted for in the phase that it is in.
    fn wanted(&self, sight: &Sight) -> Option<Purpose> {
        let analysis = self.release.spec.analysis.as_ref();
        let judges = |stage: &str| analysis.is_some_and(|it| analysis::is_job_for(it, analysis::kind(stage)));
        let stage = match self.phase() {
            Phase::Verifying if self.verification() == Check::Running => CANDIDATE,
            Phase::Shifting if self.watch(sight, false) == Check::Running => self.step_stage()?,
            Phase::Baking if self.bake() == Check::Running => LIVE,
            Phase::AwaitingApproval => return self.reviewers().map(|_| Purpose::Approval),
            _ => return None,
        };
        judges(stage).then(|| Purpose::Job(stage.into()))
    }

    /// The environment whose reviewers may approve it.
    pub(super) fn reviewers(&self) -> Option<&forkable_crds::rollout::ApprovalEnvironment> {
        self.release.spec.gates.as_ref()?.approval_environment.as_ref()
    }

    /// What reviewers of the environment said of the candidate, as long as it waits for them.
    fn said<'b>(&self, sight: &'b Sight) -> impl Iterator<Item = &'b RunReview> {
        let environment = self.reviewers().filter(|_| self.phase() == Phase::AwaitingApproval);
        let environment = environment.map(|it| it.name.to_lowercase());
        sight.errand.reviews.iter().filter(move |review| {
            environment.as_ref().is_some_and(|own| review.environments.iter().any(|it| it.to_lowercase() == *own))
        })
    }

    /// The approvals of reviewers.
    pub(super) fn reviewed(&self, sight: &Sight) -> Vec<ApprovalStatus> {
        let name = self.reviewers().map(|it| it.name.clone());
        let approval = |review: &RunReview| ApprovalStatus {
            by: Some(short(&review.by, 128)),
            at: Some(whole_seconds(self.now)),
            environment: name.clone(),
            comment: Some(short(&review.comment, MAX_COMMENT)).filter(|comment| !comment.is_empty()),
        };
        self.said(sight).filter(|review| review.approves).map(approval).collect()
    }

    /// Who rejected the candidate, in words.
    pub(super) fn rejection(&self, sight: &Sight) -> Option<String> {
        let review = self.said(sight).find(|review| !review.approves)?;
        let name = &self.reviewers()?.name;
        let comment = short(&review.comment, MAX_COMMENT);
        let comment = if comment.is_empty() { String::new() } else { format!(": {comment}") };
        Some(format!("rejected by {} in the GitHub environment {name}{comment}", review.by))
    }

    /// The run to begin.
    fn dispatch(&self, purpose: &Purpose) -> Option<Dispatch> {
        let default = self.fork?.status.as_ref()?.repository.as_ref()?.default_branch.clone();
        let default = || default.unwrap_or_else(|| "main".into());
        let record = self.record();
        let commit = record.commit.map(|commit| commit.sha).or_else(|| self.release.spec.source.commit.clone())?;
        let release = self.release.name();
        let own = host_of(record.url.as_deref()?).to_owned();
        match purpose {
            Purpose::Job(stage) => {
                let job = self.release.spec.analysis.as_ref()?.job.as_ref()?;
                let host = if stage == LIVE { self.live_host()? } else { own };
                let subject = Subject { host, commit, fork: self.release.spec.fork_ref.name.clone() };
                let inputs = analysis::fill_job(job, &subject, release, stage).ok()?;
                let git_ref = job.git_ref.clone().unwrap_or_else(default);
                Some(Dispatch { workflow: job.workflow.clone(), git_ref, inputs })
            }
            Purpose::Approval => {
                let inputs = [("release", release.to_owned()), ("commit", commit), ("url", format!("https://{own}"))];
                let inputs: BTreeMap<_, _> = inputs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                Some(Dispatch { workflow: self.reviewers()?.workflow.clone(), git_ref: default(), inputs })
            }
        }
    }

    fn workflow(&self, purpose: &Purpose) -> Option<String> {
        match purpose {
            Purpose::Job(_) => Some(self.release.spec.analysis.as_ref()?.job.as_ref()?.workflow.clone()),
            Purpose::Approval => Some(self.reviewers()?.workflow.clone()),
        }
    }
}

fn short(text: &str, most: usize) -> String {
    text.trim().chars().take(most).collect()
}

/// The run that is on record for a purpose.
fn recorded<'a>(record: &'a DeploymentStatus, purpose: &Purpose) -> Option<&'a WorkflowRun> {
    match purpose {
        Purpose::Job(stage) => record.analysis_runs.iter().find(|run| run.stage == *stage)?.job.as_ref(),
        Purpose::Approval => record.approval_run.as_deref(),
    }
}

fn put(record: &mut DeploymentStatus, purpose: &Purpose, run: WorkflowRun) {
    match purpose {
        Purpose::Job(stage) => stage_of(record, stage).job = Some(run),
        Purpose::Approval => record.approval_run = Some(run.into()),
    }
}

/// The analysis of a stage on record, begun if there is none.
pub(super) fn stage_of<'a>(record: &'a mut DeploymentStatus, stage: &str) -> &'a mut AnalysisRun {
    let runs = &mut record.analysis_runs;
    let index = runs.iter().position(|run| run.stage == stage).unwrap_or_else(|| {
        runs.push(AnalysisRun { stage: stage.into(), ..AnalysisRun::default() });
        runs.len() - 1
    });
    &mut runs[index]
}

/// A run that is on record, has not ended as far as is known, and that nobody waits for.
fn left_over(record: &DeploymentStatus) -> Option<Purpose> {
    let is_open = |run: Option<&WorkflowRun>| run.is_some_and(|run| run.conclusion.is_none());
    let job =
        record.analysis_runs.iter().find(|run| is_open(run.job.as_ref())).map(|run| Purpose::Job(run.stage.clone()));
    job.or_else(|| is_open(record.approval_run.as_deref()).then_some(Purpose::Approval))
}

/// What is next. `None`: nothing.
pub fn next(input: Input<'_>, sight: &Sight) -> Option<Next> {
    let record = input.record();
    let phase = input.phase();
    let Some(purpose) = input.wanted(sight) else {
        let is_at_rest = phase.is_over() || phase == Phase::Frozen;
        return left_over(&record).filter(|_| is_at_rest).map(|purpose| tidy(input, sight, &purpose));
    };
    let is_approved = || matches!(input.approval(sight), Ok(Some(_)));
    if purpose == Purpose::Approval && (!input.needs_approval() || is_approved()) {
        return None;
    }
    let intend = || {
        let mut next = record.clone();
        put(&mut next, &purpose, migration::intent(input));
        Some(Next::Intend(Box::new(next)))
    };
    let Some(run) = recorded(&record, &purpose) else { return intend() };
    if sight.errand.is_untried {
        return input.dispatch(&purpose).map(|dispatch| Next::Dispatch(purpose, dispatch));
    }
    let is_job = matches!(purpose, Purpose::Job(_));
    // One that was not good is followed by another, as long as the limits allow.
    if is_job && run.conclusion.is_some() {
        return intend();
    }
    let look = || Some(Next::Look { ask: ask(input, run, &purpose)?, reviews: !is_job });
    match &sight.errand.found {
        None => look(),
        Some(Found::Run(found)) => {
            let mut known = run.clone();
            known.id = Some(found.id);
            known.url = Some(short(&found.url, 512));
            let ended = found.conclusion.clone().filter(|_| found.state != RunState::Running);
            known.conclusion = ended.map(|word| short(&word, 32));
            match known.conclusion.clone() {
                Some(conclusion) if is_job => {
                    Some(Next::Record(Box::new(concluded(input, &purpose, known, &conclusion))))
                }
                None if is_job && is_late(input, run) => {
                    Some(Next::Cancel(found.id, Box::new(concluded(input, &purpose, known, TIMED_OUT))))
                }
                _ if known == *run => look(),
                _ => {
                    let mut next = record.clone();
                    put(&mut next, &purpose, known);
                    Some(Next::Record(Box::new(next)))
                }
            }
        }
        Some(Found::Absent | Found::Unclear) if run.id.is_some() && is_job => {
            Some(Next::Record(Box::new(concluded(input, &purpose, run.clone(), analysis::GONE))))
        }
        Some(Found::Absent | Found::Unclear) if is_young(input, run) => look(),
        Some(Found::Absent | Found::Unclear) => intend(),
    }
}

/// Puts on record what reviewers have decided: their run ends by itself.
pub(super) fn settle(input: Input<'_>, sight: &Sight, record: &mut DeploymentStatus) {
    let approved = record.approval.as_ref().and_then(|approval| approval.environment.as_ref()).map(|_| "approved");
    let word = approved.or_else(|| input.rejection(sight).map(|_| "rejected"));
    if let (Some(run), Some(word)) = (&mut record.approval_run, word) {
        run.conclusion = Some(word.into());
    }
}

/// Cancels a run that nobody waits for, once it is known which it is.
fn tidy(input: Input<'_>, sight: &Sight, purpose: &Purpose) -> Next {
    let record = input.record();
    let run = recorded(&record, purpose).cloned().unwrap_or_else(|| migration::intent(input));
    let ended = || {
        let mut next = record.clone();
        put(&mut next, purpose, WorkflowRun { conclusion: Some(short(CANCELED, 32)), ..run.clone() });
        Box::new(next)
    };
    match (run.id, &sight.errand.found) {
        (Some(id), _) => Next::Cancel(id, ended()),
        (None, Some(Found::Run(found))) => Next::Cancel(found.id, ended()),
        (None, Some(_)) if !is_young(input, &run) => Next::Record(ended()),
        (None, _) if sight.errand.is_untried => Next::Record(ended()),
        (None, _) => match ask(input, &run, purpose) {
            Some(ask) => Next::Look { ask, reviews: false },
            // The spec does not name the workflow any more.
            None => Next::Record(ended()),
        },
    }
}

fn ask(input: Input<'_>, run: &WorkflowRun, purpose: &Purpose) -> Option<RunAsk> {
    Some(match run.id {
        Some(id) => RunAsk::Id(id),
        None => RunAsk::Dispatched { workflow: input.workflow(purpose)?, since: workflows::since(run.intended_at.0) },
    })
}

fn age(input: Input<'_>, run: &WorkflowRun) -> i64 {
    input.now.duration_since(run.intended_at.0).as_secs()
}

fn is_young(input: Input<'_>, run: &WorkflowRun) -> bool {
    age(input, run) < i64::try_from(APPEARS.as_secs()).unwrap_or(i64::MAX)
}

fn is_late(input: Input<'_>, run: &WorkflowRun) -> bool {
    let job = input.release.spec.analysis.as_ref().and_then(|analysis| analysis.job.as_ref());
    job.is_some_and(|job| age(input, run) > job.timeout_seconds)
}

/// The record with a job that ended so, as a measurement of its stage.
fn concluded(input: Input<'_>, purpose: &Purpose, run: WorkflowRun, conclusion: &str) -> DeploymentStatus {
    let mut record = input.record();
    let (Purpose::Job(stage), Some(analysis)) = (purpose, &input.release.spec.analysis) else { return record };
    let Some(job) = &analysis.job else { return record };
    let judged = analysis::job_judged(job, conclusion, run.url.as_deref(), analysis.on_no_data);
    let of = stage_of(&mut record, stage);
    of.job = Some(WorkflowRun { conclusion: Some(short(conclusion, 32)), ..run });
    of.jobs_ended += 1;
    analysis::note(of, judged, input.now);
    record
}

/// The record once GitHub has refused for good to begin a run. A job that cannot run is a measurement that is neither
/// good nor bad; `None`: people are told, and it is asked for again later.
pub fn refused(input: Input<'_>, purpose: &Purpose, why: &str) -> Option<DeploymentStatus> {
    let run = recorded(&input.record(), purpose)?.clone();
    let is_job = matches!(purpose, Purpose::Job(_));
    is_job.then(|| {
        let mut record = concluded(input, purpose, run, "refused");
        if let Purpose::Job(stage) = purpose
            && let Some(measurement) = stage_of(&mut record, stage).measurements.last_mut()
        {
            measurement.message = short(&format!("its run was refused: {why}"), 500);
        }
        record
    })
}

/// The record with the run that the answer to a dispatch told.
pub fn begun(input: Input<'_>, purpose: &Purpose, id: i64, url: &str) -> DeploymentStatus {
    let mut record = input.record();
    let run = recorded(&record, purpose).cloned().unwrap_or_else(|| migration::intent(input));
    put(&mut record, purpose, WorkflowRun { id: Some(id), url: Some(short(url, 512)), ..run });
    record
}

/// Which of the runs that were looked at is the one that was asked for last. Those that are known to be of something
/// else of this release are none.
pub fn found(input: Input<'_>, ask: &RunAsk, runs: Vec<RunFacts>) -> Found {
    let (id, since) = match ask {
        RunAsk::Id(id) => (Some(*id), None),
        RunAsk::Dispatched { since, .. } => (None, Some(*since)),
    };
    if id.is_some() {
        return runs.into_iter().find(|run| Some(run.id) == id).map_or(Found::Absent, Found::Run);
    }
    let record = input.record();
    let jobs = record.analysis_runs.iter().filter_map(|run| run.job.as_ref());
    let known = jobs.chain(record.migration.as_deref()).chain(record.approval_run.as_deref());
    let known: Vec<_> = known.filter_map(|run| run.id).collect();
    let fresh: Vec<_> = runs.into_iter().filter(|run| !known.contains(&run.id)).collect();
    let name = input.release.name();
    workflows::find_own(name, since.unwrap_or(input.now), &fresh).map_or(Found::Absent, Found::Run)
}

/// Time until the next look.
pub fn poll(input: Input<'_>) -> Duration {
    let record = input.record();
    let jobs = record.analysis_runs.iter().filter_map(|run| run.job.as_ref());
    let open = jobs.chain(record.approval_run.as_deref()).filter(|run| run.conclusion.is_none());
    let newest = open.map(|run| run.intended_at.0).max();
    pause(newest.map_or(i64::MAX, |at| input.now.duration_since(at).as_secs()))
}

/// What the workflows of this release must have, before it begins.
pub fn demands(input: Input<'_>) -> Vec<Demands> {
    if input.phase() != Phase::Pending {
        return Vec::new();
    }
    let job = input.release.spec.analysis.as_ref().and_then(|analysis| analysis.job.as_ref()).map(|job| Demands {
        workflow: job.workflow.clone(),
        git_ref: job.git_ref.clone(),
        inputs: job.inputs.keys().cloned().chain(["release".into()]).collect(),
        environment: None,
    });
    let approval = input.reviewers().map(|it| Demands {
        workflow: it.workflow.clone(),
        git_ref: None,
        inputs: ["release", "commit", "url"].map(str::to_owned).to_vec(),
        environment: Some(it.name.clone()),
    });
    let migration = input.release.spec.migration.as_ref().map(|migration| Demands {
        workflow: migration.workflow.clone(),
        inputs: ["release", "commit"].map(str::to_owned).to_vec(),
        ..Demands::default()
    });
    job.into_iter().chain(approval).chain(migration).collect()
}

/// Why a workflow cannot be run, as people are told. `parsed` is its file; `None`: there is none.
pub fn unfit(demands: &Demands, parsed: Option<&Result<serde_json::Value, String>>) -> Option<Told> {
    let path = demands.path();
    let branch = demands.git_ref.as_deref().unwrap_or("the default branch");
    let message = match parsed {
        None => format!("there is no workflow {path} on {branch} of the repository: add it"),
        Some(Err(error)) => format!("{path} on {branch} is no YAML: {error}"),
        Some(Ok(workflow)) => demands.lacking(workflow)?,
    };
    Some(Told { reason: reason::WORKFLOW_INVALID, message })
}

/// What is wrong with an environment that nobody has to review.
pub fn without_reviewers(name: &str) -> Told {
    Told {
        reason: reason::WORKFLOW_INVALID,
        message: format!(
            "the repository has no environment {name} with required reviewers, so that nobody would be asked: declare it \
             in repository.environments, or at GitHub"
        ),
    }
}

/// How it stands with the run that the phase waits for, for people; empty if there is none.
pub(super) fn told(input: Input<'_>, status: &DeploymentStatus, sight: &Sight) -> String {
    let trouble = sight.errand.trouble.as_ref().map_or_else(String::new, |why| format!(" (GitHub: {why})"));
    let Some(purpose) = input.wanted(sight) else { return String::new() };
    let Some(workflow) = input.workflow(&purpose) else { return String::new() };
    let Some(run) = recorded(status, &purpose) else { return trouble };
    let at = run.url.as_deref().map_or_else(String::new, |url| format!(" at {url}"));
    match (&purpose, &run.conclusion) {
        (Purpose::Job(_), None) => format!("; {workflow} runs{at}{trouble}"),
        (Purpose::Job(_), Some(_)) => trouble,
        (Purpose::Approval, None) => format!(", or a review{at}{trouble}"),
        (Purpose::Approval, Some(conclusion)) => {
            format!("; {workflow} ended with {conclusion} and without a review, so run it again{at}{trouble}")
        }
    }
}
