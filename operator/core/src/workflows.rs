//! Runs of GitHub workflows that Forkable asks for: what to ask, what is seen, and which run is ours.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

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
pub fn find(name: &str, known: &[String], asked_at: Timestamp, runs: &[RunFacts]) -> Found {
    let since = since(asked_at);
    let recent = || runs.iter().filter(|run| run.created_at >= since);
    let names = |run: &RunFacts, name: &str| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        run.title.split(|c| !is_part(c)).any(|word| word == name)
    };
    if let Some(run) = recent().filter(|run| names(run, name)).min_by_key(|run| run.created_at) {
        return Found::Run(run.clone());
    }
    let is_of_others = |run: &&RunFacts| known.iter().any(|other| names(run, other));
    if recent().all(|run| is_of_others(&run)) { Found::Absent } else { Found::Unclear }
}

#[cfg(test)]
mod tests {
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
            assert_eq!(find("acme-2", &["acme-1".into()], at, &runs), expected, "{why}");
        }
    }
}
