//! From runs to what is confirmed.

use jiff::Timestamp;

use super::Verdict;

/// What is confirmed of one probe, and what is not yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmed {
    pub verdict: Verdict,
    /// When the first of the runs began that made it so.
    pub since: Timestamp,
    /// Why it is not Up; empty if it is.
    pub why: String,
    /// The newest runs, if they found something else.
    doubt: Option<Doubt>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Doubt {
    verdict: Verdict,
    since: Timestamp,
    runs: u32,
}

impl Confirmed {
    pub fn new(verdict: Verdict, since: Timestamp, why: String) -> Self {
        Self { verdict, since, why, doubt: None }
    }

    /// Takes in what the newest run found; `confirmations` of a kind in a row count, one is enough for Up.
    /// Answers what was confirmed until now, if it is something else from now on.
    pub fn take(&mut self, at: Timestamp, found: Verdict, why: &str, confirmations: u32) -> Option<Self> {
        if found == self.verdict {
            self.doubt = None;
            return None;
        }
        let before = self.doubt.take().filter(|doubt| doubt.verdict == found);
        let doubt = before.map_or(Doubt { verdict: found, since: at, runs: 1 }, |Doubt { verdict, since, runs }| {
            Doubt { verdict, since, runs: runs + 1 }
        });
        if found != Verdict::Up && doubt.runs < confirmations {
            self.doubt = Some(doubt);
            return None;
        }
        Some(std::mem::replace(self, Self::new(found, doubt.since, why.to_owned())))
    }

    /// Whether the next run should come at once, since it tells whether it is so.
    pub fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }
}
