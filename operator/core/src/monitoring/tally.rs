//! How long a Fork was well, from the runs of all of its probes.

use std::time::Duration;

use jiff::Timestamp;
use litemap::LiteMap;

use super::{Uptime, Verdict};
use crate::store::ObjectRef;

/// A time in which a Fork was Up or Down throughout. What is Unknown has no spell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spell {
    pub fork: ObjectRef,
    /// With the Fork, what tells it from others: a spell that goes on is the same with a later end.
    pub from: Timestamp,
    pub to: Timestamp,
    pub is_down: bool,
}

/// What the probes of one Fork found last, and the spells that follow from it.
#[derive(Clone, Debug)]
pub struct Tally {
    fork: ObjectRef,
    /// What each probe found last, and until when that stands for should nothing follow.
    probes: LiteMap<String, (Verdict, Timestamp)>,
    /// Until when it is told.
    told: Timestamp,
    current: Option<Spell>,
}

impl Tally {
    pub fn new(fork: ObjectRef) -> Self {
        Self { fork, probes: LiteMap::with_capacity(1), told: Timestamp::MIN, current: None }
    }

    /// Takes in a run that began then. It stands for the time until the next run of its probe, which comes before
    /// `stands`. Answers the spells that are new or longer now, of which the last may go on.
    pub fn take(&mut self, probe: &str, at: Timestamp, found: Verdict, stands: Timestamp) -> Vec<Spell> {
        let mut spells = Vec::new();
        while self.told < at {
            self.probes.retain(|_, (_, until)| *until > self.told);
            let known = || self.probes.values().filter(|(verdict, _)| *verdict != Verdict::Unknown);
            let until = self.probes.values().map(|(_, until)| *until).min().unwrap_or(at).min(at);
            if known().next().is_some() {
                let is_down = known().any(|(verdict, _)| *verdict == Verdict::Down);
                self.extend(is_down, until, &mut spells);
            } else {
                self.current = None;
            }
            self.told = until;
        }
        // Runs that overlap end in another order than they began in: each counts from what is told already.
        self.probes.insert(probe.into(), (found, stands));
        spells
    }

    fn extend(&mut self, is_down: bool, to: Timestamp, spells: &mut Vec<Spell>) {
        match &mut self.current {
            Some(spell) if spell.is_down == is_down => spell.to = to,
            current => *current = Some(Spell { fork: self.fork.clone(), from: self.told, to, is_down }),
        }
        if let Some(spell) = &self.current {
            spells.retain(|known| known.from != spell.from);
            spells.push(spell.clone());
        }
    }
}

/// How long it was well from `from` until `to`.
pub fn uptime(
    spells: impl IntoIterator<Item = (Timestamp, Timestamp, bool)>,
    from: Timestamp,
    to: Timestamp,
) -> Uptime {
    let mut uptime = Uptime::default();
    for (began, ended, is_down) in spells {
        let within = Duration::try_from(ended.min(to).duration_since(began.max(from))).unwrap_or_default();
        uptime.observed += within;
        uptime.down += if is_down { within } else { Duration::ZERO };
    }
    uptime
}
