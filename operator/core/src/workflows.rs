//! Runs of GitHub workflows that Forkable asks for: what to ask, what is seen, and which run is ours.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// One run to begin, by the event `workflow_dispatch`. Not idempotent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// File name below `.github/workflows`.
    pub workflow: String,
    /// Branch whose version of the workflow runs.
    pub git_ref: String,
    /// Inputs, all of which the workflow has to declare.
    pub inputs: BTreeMap<String, String>,
}

/// Which runs to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunAsk {
    Id(i64),
    /// Runs of a workflow that were dispatched at a time or later, the newest first, up to 100.
    Dispatched {
        workflow: String,
        since: Timestamp,
    },
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Queued, waiting for a reviewer, or at work.
    Running,
    Succeeded,
    /// Failed, canceled, timed out, skipped.
    Failed,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFacts {
    pub id: i64,
    /// What `run-name` of the workflow makes of the inputs; else the workflow's name.
    pub title: String,
    pub state: RunState,
    /// GitHub's word for how it ended, such as `timed_out`.
    pub conclusion: Option<String>,
    /// The page for people.
    pub url: String,
    pub created_at: Timestamp,
}

/// What a person said of a run that waits for the reviewers of an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunReview {
    /// Whether they approve; otherwise they reject.
    pub approves: bool,
    /// Their login.
    pub by: String,
    pub comment: String,
    /// The environments that it is about.
    pub environments: Vec<String>,
}

/// What a workflow must have for a run of it that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// File name below `.github/workflows`.
    pub workflow: String,
    /// Branch or tag whose version runs; the default branch if absent.
    pub git_ref: Option<String>,
    /// Inputs that it is given, `release` among them.
    pub inputs: Vec<String>,
    /// The environment that a job of it has to wait for.
    pub environment: Option<String>,
}

impl Demands {
    /// Path of the workflow in the repository.
    pub fn path(&self) -> String {
        format!(".github/workflows/{}", self.workflow)
    }

    /// Why a run of this workflow, as it was read from its file, would be refused or not be found again.
    pub fn lacking(&self, workflow: &Value) -> Option<String> {
        let path = self.path();
        // A parser that takes `on` for a truth value, as YAML 1.1 does, calls it `true`.
        let on = workflow.get("on").unwrap_or(&workflow["true"]);
        let has = |name| {
            on == name || on.as_array().is_some_and(|all| all.iter().any(|one| one == name)) || on.get(name).is_some()
        };
        if !has("workflow_dispatch") {
            return Some(format!("{path} does not have the trigger workflow_dispatch: add it below on:"));
        }
        let declared = on["workflow_dispatch"]["inputs"].as_object().cloned().unwrap_or_default();
        if let Some(input) = self.inputs.iter().find(|input| !declared.contains_key(*input)) {
            return Some(format!(
                "{path} does not declare the input {input}: add it below on.workflow_dispatch.inputs"
            ));
        }
        let is_missing = |(name, input): &(&String, &Value)| {
            input["required"] == true && input["default"].is_null() && !self.inputs.contains(name)
        };
        if let Some((input, _)) = declared.iter().find(is_missing) {
            return Some(format!(
                "{path} requires the input {input}, which it is not given: name it, or give it a default"
            ));
        }
        if !workflow["run-name"].as_str().is_some_and(|name| name.contains("inputs.release")) {
            return Some(format!(
                "{path} needs run-name: … ${{{{ inputs.release }}}}, by which its run is found again after an interruption"
            ));
        }
        let environment = self.environment.as_ref()?;
        let jobs = workflow["jobs"].as_object().cloned().unwrap_or_default();
        let waits = |job: &Value| {
            let own = job["environment"].as_str().or(job["environment"]["name"].as_str());
            own.is_some_and(|own| own.eq_ignore_ascii_case(environment))
        };
        let message = || format!("no job of {path} has environment: {environment}, so that nobody would be asked");
        (!jobs.values().any(waits)).then(message)
    }
}

/// How long after it was asked for a run may be missing from the list; GitHub needs seconds.
pub const APPEARS: Duration = Duration::from_secs(30);
/// How far GitHub's clock may be behind ours.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Which of the dispatched runs is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Run(RunFacts),
    /// There is none.
    Absent,
    /// There are runs that nothing tells apart.
    Unclear,
}

/// When the list to search must begin, for a run that was asked for at a time.
pub fn since(asked_at: Timestamp) -> Timestamp {
    asked_at.checked_sub(SKEW).unwrap_or(asked_at)
}

/// The run that was dispatched for `name` at `asked_at` or later: the oldest whose title has the name as a word of its
/// own. A run whose title has no such name at all may be anybody's, ours too.
pub fn find(name: &str, known: &[&str], asked_at: Timestamp, runs: &[RunFacts]) -> Found {
    let since = since(asked_at);
    if let Some(run) = find_own(name, since, runs) {
        return Found::Run(run);
    }
    let mut recent = runs.iter().filter(|run| run.created_at >= since);
    let is_of_others = |run: &RunFacts| known.iter().any(|other| names(run, other));
    if recent.all(is_of_others) { Found::Absent } else { Found::Unclear }
}

/// The oldest run since then whose title has the name as a word of its own, for workflows whose runs are known to.
pub fn find_own(name: &str, since: Timestamp, runs: &[RunFacts]) -> Option<RunFacts> {
    let own = runs.iter().filter(|run| run.created_at >= since && names(run, name));
    own.min_by_key(|run| run.created_at).cloned()
}

fn names(run: &RunFacts, name: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    run.title.split(|c| !is_part(c)).any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(id: i64, title: &str, second: i64) -> RunFacts {
        RunFacts {
            id,
            title: title.into(),
            state: RunState::Running,
            conclusion: None,
            url: String::new(),
            created_at: Timestamp::from_second(second).expect("a time"),
        }
    }

    #[test]
    fn what_a_workflow_lacks_is_named_before_it_is_asked_for() {
        let demands = Demands {
            workflow: "e2e.yml".into(),
            inputs: vec!["release".into(), "url".into()],
            environment: Some("production".into()),
            ..Demands::default()
        };
        let inputs =
            json!({ "release": { "required": true }, "url": null, "suite": { "required": true, "default": "all" } });
        let good = json!({
            "run-name": "Judge ${{ inputs.release }}",
            "on": { "workflow_dispatch": { "inputs": inputs } },
            "jobs": { "build": {}, "ask": { "environment": { "name": "Production" } } },
        });
        assert_eq!(demands.lacking(&good), None);
        for (path, value, expected) in [
            ("/on", json!("push"), "does not have the trigger workflow_dispatch"),
            ("/on", json!(["push", "workflow_dispatch"]), "does not declare the input release"),
            ("/on/workflow_dispatch/inputs", json!({ "release": {} }), "does not declare the input url"),
            ("/on/workflow_dispatch/inputs/suite", json!({ "required": true }), "requires the input suite"),
            ("/run-name", json!("Judge"), "needs run-name: … ${{ inputs.release }}"),
            ("/jobs/ask", json!({ "environment": "staging" }), "has environment: production"),
        ] {
            let mut workflow = good.clone();
            *workflow.pointer_mut(path).expect("it is there") = value;
            let lacking = demands.lacking(&workflow).expect(expected);
            assert!(lacking.contains(".github/workflows/e2e.yml") && lacking.contains(expected), "{lacking}");
        }
    }

    #[test]
    fn a_run_is_ours_only_if_it_says_so() {
        let at = Timestamp::from_second(1000).expect("a time");
        let ours = run(2, "Migrate for acme-2", 1001);
        let cases = [
            ("nothing was dispatched", vec![], Found::Absent),
            ("ours", vec![ours.clone()], Found::Run(ours.clone())),
            ("of another release", vec![run(1, "Migrate for acme-1", 1001)], Found::Absent),
            ("a longer name is another one", vec![run(3, "Migrate for acme-2-b", 1001)], Found::Unclear),
            ("without a name", vec![run(3, "Migrate", 1001)], Found::Unclear),
            ("an old one", vec![run(2, "Migrate for acme-2", 900)], Found::Absent),
            ("ours beside others", vec![run(3, "Migrate", 1001), ours.clone()], Found::Run(ours)),
        ];
        for (why, runs, expected) in cases {
            assert_eq!(find("acme-2", &["acme-1"], at, &runs), expected, "{why}");
        }
    }
}
