//! The run of the workflow that changes the data for a release: what to ask, what to look at, and how it stands.

use std::collections::BTreeMap;

use forkable_crds::{DeploymentStatus, rollout::WorkflowRun};

use super::{
    super::{
        Input,
        machine::{Migration, Phase, Run},
        request,
        status::whole_seconds,
    },
    Sight,
};
use crate::{
    store::Kind as _,
    workflows::{self, APPEARS, Dispatch, Found, RunAsk, RunState},
};

/// GitHub's word for a run that did what it was to do.
const SUCCESS: &str = "success";
/// Longest page address and conclusion that are kept.
const MAX_URL: usize = 512;
const MAX_CONCLUSION: usize = 32;

impl Input<'_> {
    pub(super) fn migration(&self) -> Option<Migration> {
        let migration = self.release.spec.migration.as_ref()?;
        Some(if migration.reversible { Migration::Reversible } else { Migration::Irreversible })
    }

    /// What people have to know before a release with a migration goes live; empty if there is nothing.
    pub(super) fn no_way_back(&self) -> String {
        match (self.migration(), &self.release.spec.migration) {
            (Some(Migration::Irreversible), Some(migration)) => {
                format!(
                    "; its migration {} is irreversible: after it there is no automatic way back",
                    migration.workflow
                )
            }
            _ => String::new(),
        }
    }

    /// How its run stands, by what is on record and by the last look.
    pub(super) fn run_of_migration(&self, sight: &Sight) -> Run {
        let (Some(record), Some(spec)) = (self.record().migration, &self.release.spec.migration) else {
            return Run::Absent;
        };
        if sight.refused.is_some() {
            return Run::Failed;
        }
        if let Some(conclusion) = &record.conclusion {
            return if conclusion == SUCCESS { Run::Passed } else { Run::Failed };
        }
        let asked = self.now.duration_since(record.intended_at.0);
        let is_young = asked.as_secs() < i64::try_from(APPEARS.as_secs()).unwrap_or(i64::MAX);
        match &sight.run {
            _ if sight.is_run_untried => Run::Absent,
            None => Run::Unknown,
            Some(Found::Run(run)) => match run.state {
                RunState::Succeeded => Run::Passed,
                RunState::Failed => Run::Failed,
                RunState::Running if asked.as_secs() > spec.timeout_seconds => Run::TimedOut,
                RunState::Running => Run::Running,
            },
            // It was deleted, or nothing tells it from others: it must not run twice.
            Some(Found::Absent) if record.id.is_some() => Run::Failed,
            Some(Found::Absent | Found::Unclear) if is_young => Run::Unknown,
            Some(Found::Absent) => Run::Absent,
            Some(Found::Unclear) => Run::Failed,
        }
    }

    /// Which runs to look at.
    pub(super) fn ask_for_run(&self) -> Option<RunAsk> {
        let record = self.record().migration.filter(|_| self.phase() == Phase::Migrating)?;
        let spec = self.release.spec.migration.as_ref()?;
        match record.id {
            _ if record.conclusion.is_some() => None,
            Some(id) => Some(RunAsk::Id(id)),
            None => Some(RunAsk::Dispatched {
                workflow: spec.workflow.clone(),
                since: workflows::since(record.intended_at.0),
            }),
        }
    }

    pub(super) fn has_migrated(&self) -> bool {
        self.record().migration.and_then(|run| run.conclusion).as_deref() == Some(SUCCESS)
    }
}

/// Which of the runs that were looked at is the release's.
pub fn found_run(input: Input<'_>, ask: &RunAsk, runs: &[workflows::RunFacts]) -> Found {
    if let RunAsk::Id(id) = ask {
        let own = runs.iter().find(|run| run.id == *id).cloned();
        return own.map_or(Found::Absent, Found::Run);
    }
    let Some(record) = input.record().migration else { return Found::Absent };
    let own = input.release.name();
    let names = input.siblings.iter().map(|release| release.name());
    let others: Vec<_> = names.filter(|name| *name != own).collect();
    workflows::find(own, &others, record.intended_at.0, runs)
}

/// The run to begin; `None` as long as the repository is not known.
pub fn dispatch(input: Input<'_>) -> Option<Dispatch> {
    let migration = input.release.spec.migration.as_ref()?;
    let repository = input.fork?.status.as_ref()?.repository.as_ref()?;
    let sha = input.record().commit.map(|commit| commit.sha).or_else(|| request::request(input).ok()?.commit)?;
    Some(Dispatch {
        workflow: migration.workflow.clone(),
        git_ref: repository.default_branch.clone().unwrap_or_else(|| "main".into()),
        inputs: BTreeMap::from([("commit".into(), sha), ("release".into(), input.release.name().into())]),
    })
}

/// The record with a new intent to run the migration.
pub fn intends_run(input: Input<'_>) -> DeploymentStatus {
    let mut record = input.record();
    record.migration = Some(intent(input).into());
    record
}

pub(super) fn intent(input: Input<'_>) -> WorkflowRun {
    WorkflowRun { intended_at: whole_seconds(input.now), id: None, url: None, conclusion: None }
}

/// Puts what is known of the run on record.
pub(super) fn know(record: &mut DeploymentStatus, sight: &Sight) {
    let (Some(known), Some(Found::Run(run))) = (&mut record.migration, &sight.run) else { return };
    let short = |text: &str, most| text.chars().take(most).collect::<String>();
    known.id = Some(run.id);
    known.url = Some(short(&run.url, MAX_URL));
    known.conclusion = match run.state {
        RunState::Running => None,
        RunState::Succeeded => Some(SUCCESS.into()),
        RunState::Failed => Some(short(run.conclusion.as_deref().unwrap_or("failure"), MAX_CONCLUSION)),
    };
}

/// What became of the run, for people.
pub(super) fn told(input: Input<'_>, status: &DeploymentStatus, sight: &Sight) -> String {
    let workflow = input.release.spec.migration.as_ref().map_or("", |migration| migration.workflow.as_str());
    let run = status.migration.as_ref();
    let at = run.and_then(|run| run.url.as_deref()).map_or_else(String::new, |url| format!(" at {url}"));
    match (run.and_then(|run| run.conclusion.as_deref()), &sight.refused) {
        (_, Some(refused)) => format!("the migration {workflow} cannot be run: {refused}"),
        (Some(conclusion), _) => format!("the migration {workflow} ended with {conclusion}{at}"),
        (None, _) if sight.run == Some(Found::Unclear) => format!(
            "it cannot be told whether the migration {workflow} has run, as its runs have no names: give the workflow \
             run-name: Migrate for ${{{{ inputs.release }}}}, look at its runs, and make a new Deployment"
        ),
        (None, _) if sight.run == Some(Found::Absent) => format!("the run of the migration {workflow} was deleted{at}"),
        (None, _) => format!("the migration {workflow} runs{at}"),
    }
}
