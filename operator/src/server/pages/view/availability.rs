//! How long a Fork was well: by day, and when it was not.

use std::time::Duration;

use forkable_core::monitoring::{Spell, Uptime};
use jiff::{SignedDuration, Timestamp};

/// Days that are shown, today among them.
pub(in crate::server) const DAYS: usize = 90;
/// Outages with less between them are one.
const JOINED: SignedDuration = SignedDuration::from_mins(5);

/// Beginning of the day (of UTC) that is so many days ago.
pub(in crate::server) fn day(now: Timestamp, ago: usize) -> Timestamp {
    let today = now.as_second().div_euclid(86_400);
    let ago = i64::try_from(ago).unwrap_or(i64::MAX);
    Timestamp::from_second(today.saturating_sub(ago).saturating_mul(86_400)).unwrap_or(Timestamp::MIN)
}

/// Each of the days, oldest first. `spells` are oldest first.
pub(in crate::server) fn days(spells: &[Spell], now: Timestamp) -> Vec<Uptime> {
    let mut days = vec![Uptime::default(); DAYS];
    let first = day(now, DAYS - 1);
    for spell in spells {
        let mut from = spell.from.max(first);
        while from < spell.to {
            let into = usize::try_from((from.as_second() - first.as_second()) / 86_400).unwrap_or(usize::MAX);
            let Some(uptime) = days.get_mut(into) else { break };
            let to =
                spell.to.min(day(now, DAYS - 1 - into).saturating_add(SignedDuration::from_hours(24)).unwrap_or(now));
            let within = Duration::try_from(to.duration_since(from)).unwrap_or_default();
            uptime.observed += within;
            uptime.down += if spell.is_down { within } else { Duration::ZERO };
            from = to;
        }
    }
    days
}

/// A time that it was down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Outage {
    pub(in crate::server) from: Timestamp,
    /// `None` while it goes on.
    pub(in crate::server) to: Option<Timestamp>,
}

/// When it was down, newest first. `down_since` is since when it is down now, if it is.
pub(in crate::server) fn outages(spells: &[Spell], down_since: Option<Timestamp>) -> Vec<Outage> {
    let mut outages: Vec<Outage> = Vec::new();
    for spell in spells.iter().filter(|spell| spell.is_down) {
        match outages.last_mut() {
            Some(last) if last.to.is_some_and(|to| spell.from.duration_since(to) < JOINED) => last.to = Some(spell.to),
            _ => outages.push(Outage { from: spell.from, to: Some(spell.to) }),
        }
    }
    if let Some(since) = down_since {
        let ends_down = spells.last().is_some_and(|spell| spell.is_down);
        match outages.last_mut().filter(|_| ends_down) {
            Some(last) => last.to = None,
            // It has only just begun.
            None => outages.push(Outage { from: since, to: None }),
        }
    }
    outages.reverse();
    outages
}

#[cfg(test)]
mod tests {
    use forkable_core::store::ObjectRef;

    use super::*;

    /// 1970-03-31, noon.
    const NOW: i64 = 89 * 86_400 + 43_200;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn spell(from: i64, to: i64, is_down: bool) -> Spell {
        let fork = ObjectRef::new("Fork", "default", "acme");
        Spell { fork, from: at(from), to: at(to), is_down }
    }

    #[test]
    fn each_day_has_its_part_of_a_spell() {
        let spells = [spell(-500, 90_000, false), spell(90_000, 93_600, true), spell(93_600, NOW, false)];
        let days = days(&spells, at(NOW));
        assert_eq!(days.len(), DAYS);
        let seconds = |day: &Uptime| (day.observed.as_secs(), day.down.as_secs());
        assert_eq!(seconds(&days[0]), (86_400, 0), "what was before is left out");
        assert_eq!(seconds(&days[1]), (86_400, 3600));
        assert_eq!(seconds(&days[88]), (86_400, 0));
        assert_eq!(seconds(&days[89]), (43_200, 0), "today is not over");
        let all: Duration = days.iter().map(|day| day.observed).sum();
        assert_eq!(all.as_secs(), NOW.unsigned_abs());
    }

    #[test]
    fn nothing_is_known_where_there_is_no_spell() {
        let days = days(&[spell(86_400, 86_460, true)], at(NOW));
        assert_eq!(days[0].ratio(), None);
        assert_eq!(days[1].ratio(), Some(0.0));
        assert_eq!(days.iter().filter(|day| day.ratio().is_some()).count(), 1);
        assert!(super::days(&[], at(NOW)).iter().all(|day| day.ratio().is_none()));
    }

    #[test]
    fn outages_are_told_newest_first_and_close_ones_as_one() {
        let spells = [
            spell(0, 100, true),
            spell(100, 200, false),
            spell(200, 300, true),
            spell(300, 5000, false),
            spell(5000, 6000, true),
        ];
        let ended = [Outage { from: at(5000), to: Some(at(6000)) }, Outage { from: at(0), to: Some(at(300)) }];
        assert_eq!(outages(&spells, None), ended);
        assert_eq!(outages(&spells, Some(at(5030)))[0], Outage { from: at(5000), to: None }, "it goes on");
        let new = Outage { from: at(4990), to: None };
        assert_eq!(outages(&spells[..4], Some(at(4990)))[0], new, "what is down now has no spell yet");
        assert_eq!(outages(&[], Some(at(4990))), [new]);
        assert!(outages(&[], None).is_empty());
    }
}
