//! How fast an error budget burns, in windows of several lengths:
//! <https://sre.google/workbook/alerting-on-slos/>, "multiwindow, multi-burn-rate alerts".

use std::{collections::BTreeMap, time::Duration};

use forkable_crds::alert_rule::{ProbeMetric, Slo};

use super::Reading;
use crate::monitoring::Point;

/// Long window, short window, and the share of the budget that may burn in the long one.
const PAIRS: [(Duration, Duration, f64); 3] = [
    (Duration::from_hours(1), Duration::from_mins(5), 0.02),
    (Duration::from_hours(6), Duration::from_mins(30), 0.05),
    (Duration::from_hours(72), Duration::from_hours(6), 0.1),
];

/// What probes came to in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub good: u64,
    pub bad: u64,
}

impl Window {
    /// What a stretch of probes came to; those of which nothing is known count for nothing.
    pub fn of(point: &Point) -> Self {
        Self { good: point.up.into(), bad: point.down.into() }
    }

    /// Share of the bad; `None` of nothing.
    pub fn ratio(self) -> Option<f64> {
        let all = self.good + self.bad;
        #[expect(clippy::cast_precision_loss, reason = "counts of probes are far below 2^52")]
        (all > 0).then(|| self.bad as f64 / all as f64)
    }
}

/// The windows that [`burn`] needs of an objective: those longer than its own are left out.
pub fn windows(slo: &Slo) -> Vec<Duration> {
    pairs(slo).flat_map(|(long, short, _)| [long, short]).collect()
}

/// The window that an objective is for.
pub fn whole(slo: &Slo) -> Duration {
    Duration::from_hours(24 * u64::from(slo.window_days.unsigned_abs()))
}

fn pairs(slo: &Slo) -> impl Iterator<Item = (Duration, Duration, f64)> {
    let whole = whole(slo);
    PAIRS.into_iter().filter(move |(long, ..)| *long <= whole)
}

/// How fast the budget burns against how fast it may, from windows in the order of [`windows`]: from 1 on too fast.
pub fn burn(slo: &Slo, seen: &[Window]) -> Reading {
    let budget = 1.0 - slo.objective_percent / 100.0;
    let mut worst: Option<(f64, String)> = None;
    let minimum = u64::try_from(slo.minimum_failures).unwrap_or(1);
    for ((long, short, share), seen) in pairs(slo).zip(seen.chunks_exact(2)) {
        let (Some(in_long), Some(in_short)) = (seen[0].ratio(), seen[1].ratio()) else { continue };
        let allowed = share * whole(slo).as_secs_f64() / long.as_secs_f64();
        let rate = in_long.min(in_short) / budget;
        let is_enough = seen[0].bad >= minimum;
        let burns = if is_enough { rate / allowed } else { 0.0 };
        if worst.as_ref().is_none_or(|(most, _)| burns > *most) {
            let text = format!(
                "{:.2} % of probes failed in {} and {:.2} % in {}: the error budget of {} % burns {:.1} times as fast as it is made",
                in_long * 100.0,
                length(long),
                in_short * 100.0,
                length(short),
                trimmed(slo.objective_percent),
                rate
            );
            worst = Some((burns, text));
        }
    }
    worst.map_or_else(|| Reading::NoData("no probe has run yet".into()), |(burns, text)| Reading::Value(burns, text))
}

/// How the error budget of an objective stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Budget {
    /// Share of probes that have to be good.
    pub objective: f64,
    /// Share of the budget that is left in the whole window, below 0 if more than all of it is used up; `None` before any
    /// probe ran.
    pub remaining: Option<f64>,
    /// How many times as fast as it is made it burns, by window. Those in which no probe ran are left out.
    pub burns: BTreeMap<Duration, f64>,
}

impl Budget {
    /// From windows in the order of [`windows`], and from the whole one.
    pub fn of(slo: &Slo, seen: &[Window], all: Window) -> Self {
        let objective = slo.objective_percent / 100.0;
        let rate = |seen: Window| seen.ratio().map(|ratio| ratio / (1.0 - objective));
        let burns = windows(slo).into_iter().zip(seen).filter_map(|(length, seen)| Some((length, rate(*seen)?)));
        Self { objective, remaining: rate(all).map(|used| 1.0 - used), burns: burns.collect() }
    }
}

/// What probes came to in a window, as a signal that is a mean or a share of it.
pub fn windowed(metric: ProbeMetric, length: Duration, seen: &Point) -> Reading {
    let (window, answered) = (Window::of(seen), seen.answered);
    let in_length = self::length(length);
    match metric {
        ProbeMetric::LatencyMilliseconds if answered > 0 => {
            let mean = seen.latency_sum.as_secs_f64() * 1000.0 / f64::from(answered);
            Reading::Value(mean, format!("{mean:.0} ms on average of {answered} probes in {in_length}"))
        }
        ProbeMetric::FailureRatio => match window.ratio() {
            Some(ratio) => {
                let (bad, all) = (window.bad, window.good + window.bad);
                Reading::Value(ratio, format!("{bad} of {all} probes failed in {in_length} ({:.1} %)", ratio * 100.0))
            }
            None => Reading::NoData(format!("no probe ran in {in_length}")),
        },
        _ => Reading::NoData(format!("no probe had an answer in {in_length}")),
    }
}

fn trimmed(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn length(of: Duration) -> String {
    let minutes = of.as_secs() / 60;
    if minutes < 60 { format!("{minutes} min") } else { format!("{} h", minutes / 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slo(objective_percent: f64, window_days: i32) -> Slo {
        Slo { objective_percent, window_days, minimum_failures: 3 }
    }

    fn seen(percent_bad: [u64; 6]) -> Vec<Window> {
        percent_bad.map(|bad| Window { good: 1000 - bad * 10, bad: bad * 10 }).into()
    }

    fn fires(slo: &Slo, seen: &[Window]) -> bool {
        matches!(burn(slo, seen), Reading::Value(burns, _) if burns >= 1.0)
    }

    #[test]
    fn the_budget_burns_too_fast_in_two_windows_at_once() {
        // Of 99.9 %, the budget is 0.1 %: 14.4 times is 1.44 %, 6 times 0.6 %, once 0.1 %.
        let strict = slo(99.9, 30);
        let cases = [
            ("an outage", [2, 2, 2, 2, 2, 2], true),
            ("it is over", [2, 0, 0, 0, 0, 0], false),
            ("it only began", [0, 100, 0, 9, 0, 1], false),
            ("slowly", [1, 1, 1, 1, 0, 0], true),
            ("very slowly", [0, 0, 0, 0, 1, 1], true),
            ("all is well", [0; 6], false),
        ];
        for (why, percent, expected) in cases {
            assert_eq!(fires(&strict, &seen(percent)), expected, "{why}");
        }
        assert!(!fires(&slo(90.0, 30), &seen([2; 6])), "a budget of 10 %");
    }

    #[test]
    fn a_budget_is_used_up_by_what_failed_in_the_whole_window() {
        let day = slo(99.0, 1);
        let all = Window { good: 1990, bad: 10 };
        let budget = Budget::of(&day, &seen([2, 0, 1, 0, 0, 0])[..4], all);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(budget.objective, 0.99) && budget.remaining.is_some_and(|left| near(left, 0.5)), "{budget:?}");
        let burns: Vec<_> = budget.burns.iter().map(|(length, burn)| (length.as_secs() / 60, burn.round())).collect();
        assert_eq!(burns, [(5, 0.0), (30, 0.0), (60, 2.0), (360, 1.0)]);
        let none = Budget::of(&day, &[Window::default(); 4], Window::default());
        assert!(none.remaining.is_none() && none.burns.is_empty(), "{none:?}");
        assert!(Budget::of(&day, &[], Window { good: 0, bad: 1 }).remaining.is_some_and(|left| near(left, -99.0)));
    }

    #[test]
    fn too_few_failures_are_no_sign() {
        let two = vec![Window { good: 10, bad: 2 }; 6];
        assert!(!fires(&slo(99.9, 30), &two));
        assert!(fires(&slo(99.9, 30), &[Window { good: 10, bad: 3 }; 6]));
        assert!(matches!(burn(&slo(99.9, 30), &[Window::default(); 6]), Reading::NoData(_)));
    }

    #[test]
    fn a_short_objective_has_only_windows_that_fit() {
        assert_eq!(windows(&slo(99.0, 1)).len(), 4);
        assert_eq!(windows(&slo(99.0, 7)).len(), 6);
        // In 1 day, 2 % of the budget in an hour is 0.48 times as fast as it is made.
        let text = burn(&slo(99.0, 1), &seen([2; 6])[..4]).text().to_owned();
        assert!(text.contains("burns 2.0 times"), "{text}");
    }
}
