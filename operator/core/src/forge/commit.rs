//! What checks and people say of a commit.

/// A commit as people write it.
pub fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

/// What to look at of a commit. Each takes permissions of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitAsk {
    /// Full id.
    pub commit: String,
    pub checks: bool,
    pub reviews: bool,
}

/// What checks and people say of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitFacts {
    /// Whoever wrote it: login (of an account that has the e-mail address), e-mail address and name, as far as known.
    pub authors: Vec<String>,
    /// Check runs and commit statuses; of check runs of one App and name the newest only.
    pub checks: Vec<CheckFacts>,
    /// Merged pull requests that brought it in.
    pub pulls: Vec<Pull>,
}

/// A check run or a commit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckFacts {
    pub name: String,
    /// App that reports it; `None` for a commit status, which does not tell.
    pub app_id: Option<i64>,
    pub state: CheckState,
    /// Where more is said.
    pub url: Option<String>,
}

/// How a check stands, by GitHub's own rule for required checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckState {
    Running,
    /// Successful, neutral or skipped.
    Passed,
    /// Everything else that ends a check.
    Failed,
}

impl CheckState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "under way",
            Self::Passed => "passed",
            Self::Failed => "failed",
        }
    }
}

/// A merged pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    pub number: i64,
    pub url: String,
    pub author: String,
    /// The newest review with an opinion of each reviewer who has write access.
    pub reviews: Vec<Review>,
}

/// What a reviewer thinks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    pub reviewer: String,
    /// Otherwise changes are requested.
    pub approves: bool,
}
