//! What a release waits for: its turn, its gates, its approval.

use std::{sync::Arc, time::Duration};

use forkable_crds::{
    APPROVE_ANNOTATION, Deployment,
    rollout::{Approval, ApprovalStatus, Supersede},
};
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::{
    super::{
        Input,
        machine::{self, Gates, Phase, Turn},
        reason,
        status::whole_seconds,
    },
    Sight, is_promoted, phase,
    requirements::wrote,
};
use crate::forge::CommitAsk;

/// How often a commit is looked at while a check runs, and while nothing is known to happen.
const RUNNING: Duration = Duration::from_secs(15);
const SAFETY: Duration = Duration::from_mins(1);

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

    /// Who approved the candidate, if somebody did who may; the error says what is wrong with an approval.
    pub(super) fn approval(&self, sight: &Sight) -> Result<Option<ApprovalStatus>, String> {
        let mut wrong = None;
        for approval in self.named_approval().transpose().into_iter().chain(self.reviewed(sight).into_iter().map(Ok)) {
            let counts = approval.and_then(|approval| {
                let counts = if self.separates_duties() { is_independent(&approval, sight) } else { Ok(()) };
                counts.map(|()| approval)
            });
            match counts {
                Ok(approval) => return Ok(Some(approval)),
                Err(why) => wrong = wrong.or(Some(why)),
            }
        }
        wrong.map_or(Ok(None), Err)
    }

    pub(super) fn separates_duties(&self) -> bool {
        self.release.spec.gates.as_ref().is_some_and(|gates| gates.separation_of_duties)
    }

    /// Who approved the candidate by their own account, whoever wrote the commit.
    pub(super) fn named_approval(&self) -> Result<Option<ApprovalStatus>, String> {
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
        Ok(Some(ApprovalStatus { by, at: Some(whole_seconds(self.now)), ..ApprovalStatus::default() }))
    }

    pub(super) fn needs_approval(&self) -> bool {
        self.release.spec.gates.as_ref().is_some_and(|gates| gates.approval == Approval::Required)
    }

    /// Whether it is approved by somebody who may, or needs no approval.
    pub(super) fn is_approved(&self, sight: &Sight) -> bool {
        !self.needs_approval() || matches!(self.approval(sight), Ok(Some(_)))
    }

    /// The same, whoever wrote the commit.
    pub(super) fn is_named_approved(&self, sight: &Sight) -> bool {
        let is_reviewed = || !self.reviewed(sight).is_empty();
        !self.needs_approval() || matches!(self.named_approval(), Ok(Some(_))) || is_reviewed()
    }

    /// How the gates stand before the build and before the promotion.
    pub(super) fn gates(&self, sight: &Sight) -> Gates {
        let is_before_build = match self.phase() {
            Phase::Gated => true,
            Phase::AwaitingApproval => false,
            _ => return Gates::Open,
        };
        let is_open = self.closed(sight).is_empty();
        match self.gates_time_out_at() {
            _ if is_open && (is_before_build || self.is_approved(sight)) => Gates::Open,
            Some(at) if self.now > at => Gates::TimedOut,
            _ if is_open => Gates::Open,
            _ => Gates::Closed,
        }
    }

    fn gates_time_out_at(&self) -> Option<Timestamp> {
        let timeout = self.release.spec.gates.as_ref()?.timeout_seconds?;
        let since = self.since(if self.phase() == Phase::Gated { "Admitted" } else { "Verified" })?;
        Some(since.saturating_add(SignedDuration::from_secs(timeout)).unwrap_or(Timestamp::MAX))
    }

    /// When the gates are to be looked at again, should nothing wake the release: exactly when a freeze or their time is
    /// over, and every now and then while somebody else's word is waited for.
    pub(super) fn gates_recheck(&self, sight: &Sight) -> Duration {
        let freeze = self.freeze().ok().flatten().and_then(|freeze| freeze.until);
        let deadline = self.gates_time_out_at().map(|at| at.saturating_add(1.second()).unwrap_or(at));
        let others = if self.closed(sight).iter().all(|closed| closed.reason == reason::FREEZE_WINDOW) {
            freeze.is_none().then_some(SAFETY)
        } else {
            Some(self.commit_is_good_for(sight))
        };
        let until = |at: Timestamp| Duration::try_from(self.now.duration_until(at)).unwrap_or_default();
        let freeze = freeze.filter(|_| self.phase() == Phase::AwaitingApproval);
        [freeze.map(until), deadline.map(until), others].into_iter().flatten().min().unwrap_or(SAFETY)
    }

    /// What to ask of the commit, if a gate depends on it.
    pub(super) fn commit_ask(&self) -> Option<CommitAsk> {
        let gates = self.release.spec.gates.as_ref()?;
        let (checks, reviews) = match self.phase() {
            Phase::Gated | Phase::AwaitingApproval => {
                (!gates.checks.is_empty(), gates.reviews.is_some() || gates.separation_of_duties)
            }
            // Who wrote it may not be the only one who approves its step.
            Phase::Shifting => (false, gates.separation_of_duties && self.named_step_approval().is_some()),
            _ => (false, false),
        };
        let commit = self.release.spec.source.commit.clone()?;
        (checks || reviews).then_some(CommitAsk { commit, checks, reviews })
    }

    /// How long what was seen of the commit is good enough: not for long while it may change by itself or is about to
    /// decide.
    pub fn commit_is_good_for(&self, sight: &Sight) -> Duration {
        let is_running = || self.closed(sight).iter().any(|closed| closed.reason == reason::CHECKS_RUNNING);
        let decides = match self.phase() {
            Phase::AwaitingApproval => self.is_named_approved(sight),
            phase => phase == Phase::Shifting,
        };
        if decides || is_running() { RUNNING } else { SAFETY }
    }
}

/// Whether whoever wrote the commit is not the only one who approved it.
pub(super) fn is_independent(approval: &ApprovalStatus, sight: &Sight) -> Result<(), String> {
    let Some(facts) = &sight.commit else { return Err("who wrote the commit is not known yet".into()) };
    let Some(by) = &approval.by else {
        return Err("separationOfDuties: the approval does not say whose it is, as in CANDIDATE by NAME".into());
    };
    let reviews = facts.pulls.iter().flat_map(|pull| &pull.reviews);
    let mut others = reviews.filter(|review| review.approves && !wrote(facts, &review.reviewer));
    if wrote(facts, by) && others.next().is_none() {
        return Err(format!(
            "separationOfDuties: {by} wrote the commit and cannot be the only one who approves it: another person has \
             to, here or by a review of its pull request"
        ));
    }
    Ok(())
}
