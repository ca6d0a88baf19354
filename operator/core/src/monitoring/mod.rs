//! Whether products work: what probes found, what of it is confirmed, and the history of both.

mod available;
mod dns;
mod probe;
mod schedule;
mod tally;
mod targets;
#[cfg(test)]
mod tests;
mod verdict;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

pub use self::{
    available::{AVAILABLE, available},
    dns::{DnsAnswer, DnsAsk},
    probe::{Answer, Finding, Phases, Prober, judge_certificate},
    schedule::{next, phase},
    tally::{Spell, Tally, uptime},
    targets::{Ask, Expect, HttpAsk, Target, TcpAsk, faults, maintenance, references, secrets, targets},
    verdict::Confirmed,
};
use crate::{journal::JournalError, store::ObjectRef};

/// Whether a target works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    Up,
    Down,
    /// The prober itself may be cut off, or could not ask.
    Unknown,
}

/// One probe of one Fork.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Series {
    pub fork: ObjectRef,
    /// Name of the probe; that of a default probe is its host name.
    pub probe: String,
}

/// One run of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it began.
    pub at: Timestamp,
    pub verdict: Verdict,
    /// Time to the whole answer, if there was one.
    pub latency: Option<Duration>,
}

/// What is known of one probe now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub series: Series,
    /// Confirmed: one failed run does not make it Down.
    pub verdict: Verdict,
    /// Since when.
    pub since: Timestamp,
    pub newest: Sample,
    /// Why it is not Up, for people; empty if it is.
    pub why: String,
    /// When the certificate ends that was shown last.
    pub certificate_ends: Option<Timestamp>,
}

/// Samples of a stretch of time, rolled up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// Beginning of the stretch.
    pub at: Timestamp,
    pub up: u32,
    pub down: u32,
    pub unknown: u32,
    /// Sum and greatest of the latencies of runs that had an answer, and how many these are.
    pub latency_sum: Duration,
    pub latency_max: Duration,
    pub answered: u32,
}

impl Point {
    /// Takes in a sample.
    pub fn add(&mut self, sample: &Sample) {
        match sample.verdict {
            Verdict::Up => self.up += 1,
            Verdict::Down => self.down += 1,
            Verdict::Unknown => self.unknown += 1,
        }
        if let Some(latency) = sample.latency {
            self.answered += 1;
            self.latency_sum += latency;
            self.latency_max = self.latency_max.max(latency);
        }
    }

    /// Takes in the samples of another.
    pub fn merge(&mut self, other: &Self) {
        self.up += other.up;
        self.down += other.down;
        self.unknown += other.unknown;
        self.answered += other.answered;
        self.latency_sum += other.latency_sum;
        self.latency_max = self.latency_max.max(other.latency_max);
    }
}

/// How long a Fork was well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uptime {
    /// Time of which it is known, without maintenance.
    pub observed: Duration,
    /// Time of it that it was down.
    pub down: Duration,
}

impl Uptime {
    /// Share of the observed time that it was well, from 0 to 1; `None` if nothing was observed.
    pub fn ratio(&self) -> Option<f64> {
        (!self.observed.is_zero()).then(|| 1.0 - self.down.as_secs_f64() / self.observed.as_secs_f64())
    }
}

/// The history of probes: raw for a day, rolled up by the minute and by the hour after that.
#[async_trait]
pub trait History: Send + Sync {
    /// Keeps samples.
    async fn add(&self, samples: &[(Series, Sample)]) -> Result<(), JournalError>;

    /// Rolled up by `step` from `from` until before `to`, oldest first; stretches without samples are left out.
    async fn points(
        &self,
        series: &Series,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
    ) -> Result<Vec<Point>, JournalError>;

    /// Keeps spells; one that is known by its Fork and beginning gets a later end.
    async fn add_spells(&self, spells: &[Spell]) -> Result<(), JournalError>;

    /// Keeps what is known of probes, for the next start.
    async fn put_standings(&self, standings: &[Standing]) -> Result<(), JournalError>;

    /// What was kept of all probes, with their newest samples.
    async fn standings(&self) -> Result<Vec<Standing>, JournalError>;

    /// Drops what is older than it is kept for, and rolls up what goes on in less detail.
    async fn tidy(&self, now: Timestamp) -> Result<(), JournalError>;

    /// Spells of a Fork that are at least in part between the two, oldest first.
    async fn spells(&self, fork: &ObjectRef, from: Timestamp, to: Timestamp) -> Result<Vec<Spell>, JournalError>;

    /// Of all probes of a Fork together: it is down while one of them is.
    async fn uptime(&self, fork: &ObjectRef, from: Timestamp, to: Timestamp) -> Result<Uptime, JournalError> {
        let spells = self.spells(fork, from, to).await?;
        Ok(uptime(spells.into_iter().map(|spell| (spell.from, spell.to, spell.is_down)), from, to))
    }
}
