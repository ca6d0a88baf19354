//! Runs of workflows, and pull requests that take commits back.

use jiff::Timestamp;

use super::{not_found, rejected, world::Repository};
use crate::{
    PortError,
    error::Provider,
    forge::{ForgeDone, Revert},
    workflows::{Dispatch, RunAsk, RunFacts, RunState},
};

impl Repository {
    /// The workflow's `run-name` is `Run for` and its input `release`, the only one beside `commit` that it declares.
    pub(super) fn dispatch(&mut self, dispatch: &Dispatch, now: Timestamp, id: i64) -> Result<ForgeDone, PortError> {
        let path = format!(".github/workflows/{}", dispatch.workflow);
        let workflow = self.trees.get(&dispatch.git_ref).and_then(|tree| tree.get(&path));
        let workflow = workflow.ok_or_else(|| not_found(&path))?;
        if !workflow.contains("workflow_dispatch") {
            return Err(rejected("Workflow does not have 'workflow_dispatch' trigger"));
        }
        if let Some(unexpected) = dispatch.inputs.keys().find(|input| !workflow.contains(&format!("{input}:"))) {
            return Err(rejected(&format!("Unexpected inputs provided: [\"{unexpected}\"]")));
        }
        let name = dispatch.inputs.get("release").cloned().unwrap_or_default();
        let url = format!("{}/actions/runs/{id}", self.facts.html_url);
        self.runs.push(RunFacts {
            id,
            title: format!("Run for {name}"),
            state: RunState::Running,
            conclusion: None,
            url: url.clone(),
            created_at: now,
        });
        Ok(ForgeDone::Dispatched { run: Some((id, url)) })
    }

    pub(super) fn open_revert(&mut self, revert: &Revert) -> Result<ForgeDone, PortError> {
        let there = self.pulls.iter().position(|branch| *branch == revert.branch);
        let index = if let Some(index) = there {
            index
        } else {
            if self.heads.get(&revert.base).map(|head| &head.oid) != Some(&revert.bad) {
                let message = format!("{} has other commits on top of it by now", revert.base);
                return Err(PortError::Stale { provider: Provider::GitHub, message });
            }
            let tree = self.commits.get(&revert.good).cloned().ok_or_else(|| not_found(&revert.good))?;
            self.commit(&revert.branch, &revert.title, tree);
            self.pulls.push(revert.branch.clone());
            self.pulls.len() - 1
        };
        let number = i64::try_from(index + 1).unwrap_or_default();
        Ok(ForgeDone::PullRequest { number, url: format!("{}/pull/{number}", self.facts.html_url) })
    }

    pub(super) fn cancel(&mut self, id: i64) -> Result<ForgeDone, PortError> {
        let run = self.runs.iter_mut().find(|run| run.id == id).ok_or_else(|| not_found(&format!("run {id}")))?;
        if run.state == RunState::Running {
            (run.state, run.conclusion) = (RunState::Failed, Some("cancelled".into()));
        }
        Ok(ForgeDone::Nothing)
    }

    pub(super) fn asked_runs(&self, ask: &RunAsk) -> Vec<RunFacts> {
        let is_asked = |run: &&RunFacts| match ask {
            RunAsk::Id(id) => run.id == *id,
            RunAsk::Dispatched { since, .. } => run.created_at >= *since,
        };
        self.runs.iter().rev().filter(is_asked).cloned().collect()
    }
}
