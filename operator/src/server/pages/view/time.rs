//! Times for people.

use std::time::Duration;

use jiff::Timestamp;

/// A point in time, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Moment {
    /// For machines: RFC 3339.
    pub(in crate::server) exact: String,
    /// For people: in UTC, to the minute.
    pub(in crate::server) full: String,
    /// How long ago.
    pub(in crate::server) ago: String,
}

impl Moment {
    pub(in crate::server) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { exact: format!("{at:.0}"), full: at.strftime("%Y-%m-%d %H:%M UTC").to_string(), ago: ago(at, now) }
    }
}

/// `just now`, `5 min ago`, `in 3 d`.
pub(in crate::server) fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - at.as_second();
    let short = short(Duration::from_secs(seconds.unsigned_abs()));
    match seconds {
        -29..30 => "just now".into(),
        30.. => format!("{short} ago"),
        _ => format!("in {short}"),
    }
}

/// The greatest unit alone: `45 s`, `5 min`, `3 h`, `12 d`.
pub(in crate::server) fn short(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// The two greatest units: `45 s`, `5 min 12 s`, `3 h 5 min`.
pub(in crate::server) fn long(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (greater, less, names) = match seconds {
        0..60 => return format!("{seconds} s"),
        60..3600 => (seconds / 60, seconds % 60, ["min", "s"]),
        3600..86_400 => (seconds / 3600, seconds % 3600 / 60, ["h", "min"]),
        _ => (seconds / 86_400, seconds % 86_400 / 3600, ["d", "h"]),
    };
    if less == 0 { format!("{greater} {}", names[0]) } else { format!("{greater} {} {less} {}", names[0], names[1]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_with_the_units_that_matter() {
        for (seconds, expected_short, expected_long) in [
            (0, "0 s", "0 s"),
            (59, "59 s", "59 s"),
            (60, "1 min", "1 min"),
            (312, "5 min", "5 min 12 s"),
            (3600, "1 h", "1 h"),
            (11_100, "3 h", "3 h 5 min"),
            (172_799, "47 h", "1 d 23 h"),
            (777_600, "9 d", "9 d"),
        ] {
            let duration = Duration::from_secs(seconds);
            assert_eq!((short(duration).as_str(), long(duration).as_str()), (expected_short, expected_long));
        }
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let at = |second| Timestamp::from_second(second).expect("a time");
        assert_eq!(ago(at(1_000_000), now), "just now");
        assert_eq!(ago(at(999_900), now), "1 min ago");
        assert_eq!(ago(at(1_864_000), now), "in 10 d");
    }
}
