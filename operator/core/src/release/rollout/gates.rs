//! What a release waits for: its turn, its gates, its approval.

use std::sync::Arc;

use forkable_crds::{
    APPROVE_ANNOTATION, Deployment,
    rollout::{Approval, ApprovalStatus, Supersede},
};

use super::{
    super::{
        Input,
        machine::{self, Gates, Turn},
        status::whole_seconds,
    },
    is_promoted, phase,
};

impl Input<'_> {
    pub(super) fn turn(&self) -> Turn {
        let environment = &self.release.spec.environment;
        let same = |release: &&Arc<Deployment>| {
            release.spec.environment == *environment
                && (is_promoted(release) || release.metadata.name == self.release.metadata.name)
        };
        let releases: Vec<_> = self.siblings.iter().rev().filter(same).collect();
        let own = releases.iter().position(|release| release.metadata.name == self.release.metadata.name);
        // What this pass holds may be newer than what the others were listed with.
        let phases: Vec<_> = releases
            .iter()
            .enumerate()
            .map(|(index, release)| if Some(index) == own { self.phase() } else { phase(release) })
            .collect();
        let replace = self.release.spec.supersede == Some(Supersede::Replace);
        own.map_or(Turn::Ours, |own| machine::turn(&phases, own, replace))
    }

    /// Who approved the candidate, if somebody did; the error says what is wrong with an approval.
    pub(super) fn approval(&self) -> Result<Option<ApprovalStatus>, String> {
        let Some(text) = self.annotation(APPROVE_ANNOTATION) else { return Ok(None) };
        let (hash, by) = text.split_once(" by ").map_or((text, None), |(hash, by)| (hash, Some(by.trim())));
        let candidate = self.record().candidate.unwrap_or_default();
        if hash.trim() != candidate {
            return Err(format!(
                "the approval is for the candidate {}, and this is {candidate}: look at it and approve anew",
                hash.trim()
            ));
        }
        let by = by.map(|by| by.chars().take(128).collect());
        Ok(Some(ApprovalStatus { by, at: Some(whole_seconds(self.now)) }))
    }

    pub(super) fn needs_approval(&self) -> bool {
        self.release.spec.gates.as_ref().is_some_and(|gates| gates.approval == Approval::Required)
    }

    pub(super) fn gates(&self, since: &str) -> Gates {
        let timeout = self.release.spec.gates.as_ref().and_then(|gates| gates.timeout_seconds);
        let waited = self.since(since).map_or(0, |since| self.now.duration_since(since).as_secs());
        if timeout.is_some_and(|timeout| waited > timeout) { Gates::TimedOut } else { Gates::Open }
    }
}
