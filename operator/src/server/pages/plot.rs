//! Plots, drawn as SVG without a style of their own: the style sheet colours them.

use std::{fmt::Write as _, time::Duration};

use forkable_core::monitoring::{Point, Uptime};
use jiff::{SignedDuration, Timestamp};

use super::view::{
    availability::{DAYS, day},
    fleet::ratio_text,
    time::long,
};

/// Width of a day in a strip, with the gap to the next one, and its height.
const DAY: usize = 3;
const HEIGHT: usize = 20;
/// A day with less uptime is one that people noticed.
const BAD: f64 = 0.99;

/// How a day was: name of its class.
fn class(day: &Uptime) -> &'static str {
    match day.ratio() {
        None => "none",
        Some(ratio) if ratio >= 1.0 => "up",
        Some(ratio) if ratio >= BAD => "part",
        Some(_) => "down",
    }
}

/// One bar for each day, without words. Days in a row that are alike are one dashed line, which is what makes it small. Where there is no room, the oldest are left out.
pub(super) fn strip(days: &[Uptime]) -> String {
    let mut lines = String::new();
    let mut at = 0;
    for run in days.chunk_by(|a, b| class(a) == class(b)) {
        let (from, to) = (at * DAY, (at + run.len()) * DAY - 1);
        // Writing to a String cannot fail.
        let _ = write!(lines, r#"<path class="{}" d="M{from} 10H{to}"/>"#, class(&run[0]));
        at += run.len();
    }
    format!(
        r#"<svg class="strip" viewBox="0 0 {} {HEIGHT}" preserveAspectRatio="xMaxYMid slice" aria-hidden="true">{lines}</svg>"#,
        DAYS * DAY - 1
    )
}

/// One bar for each day, which says how the day was.
pub(super) fn strip_with_days(days: &[Uptime], now: Timestamp) -> String {
    let mut bars = String::new();
    for (index, uptime) in days.iter().enumerate() {
        let date = day(now, days.len() - 1 - index).strftime("%-d %b");
        let told = match uptime.ratio() {
            None => "no data".into(),
            Some(ratio) if uptime.down.is_zero() => ratio_text(ratio),
            Some(ratio) => format!("{}, down for {}", ratio_text(ratio), long(uptime.down)),
        };
        let _ = write!(
            bars,
            r#"<rect class="{}" x="{}" width="7" height="34" rx="1.5"><title>{date}: {told}</title></rect>"#,
            class(uptime),
            index * 9,
        );
    }
    let known = days.iter().filter(|day| day.ratio().is_some()).count();
    let bad = days.iter().filter(|day| !day.down.is_zero()).count();
    let label = format!("Uptime of the last {} days: {known} observed, {bad} with an outage", days.len());
    format!(
        r#"<svg class="days" viewBox="0 0 {} 34" preserveAspectRatio="none" role="img" aria-label="{label}">{bars}</svg>"#,
        (days.len() * 9).saturating_sub(2)
    )
}

/// A plot of latencies, and in words what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Latency {
    pub(super) svg: String,
    pub(super) mean: String,
    pub(super) greatest: String,
}

/// Time that the plot is of.
pub(super) const SPAN: SignedDuration = SignedDuration::from_hours(24);
/// Time that one point of it is of.
pub(super) const STEP: Duration = Duration::from_mins(10);
const WIDE: f64 = 720.0;
const HIGH: f64 = 120.0;
/// Room for the scale, which is at the right: where there is no room for all, it stays with what is newest.
const RIGHT: f64 = 56.0;
const BOTTOM: f64 = 18.0;
const TOP: f64 = 8.0;

/// Latencies of the last day: the mean as a line, the greatest as a shade behind it, outages as marks at the bottom.
/// `None` if there are fewer than two points.
pub(super) fn latency(points: &[Point], now: Timestamp) -> Option<Latency> {
    let from = now.checked_sub(SPAN).ok()?;
    let points: Vec<_> = points.iter().filter(|point| point.at >= from && point.at <= now).collect();
    let answered: Vec<_> = points.iter().filter(|point| point.answered > 0).collect();
    if answered.len() < 2 {
        return None;
    }
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let mean = |point: &Point| milliseconds(point.latency_sum) / f64::from(point.answered);
    let greatest = answered.iter().map(|point| milliseconds(point.latency_max)).fold(0.0, f64::max);
    let sum: Duration = answered.iter().map(|point| point.latency_sum).sum();
    let count: u32 = answered.iter().map(|point| point.answered).sum();
    let overall = milliseconds(sum) / f64::from(count);
    let top = nice(greatest);
    let x = |at: Timestamp| {
        let into = at.duration_since(from).as_secs_f64() / SPAN.as_secs_f64();
        into * (WIDE - RIGHT)
    };
    let y = |value: f64| TOP + (1.0 - (value / top).min(1.0)) * (HIGH - TOP - BOTTOM);
    let mut svg = format!(
        r#"<svg class="plot" viewBox="0 0 {WIDE} {HIGH}" preserveAspectRatio="xMaxYMid slice" role="img" aria-label="Latency of the last 24 hours: mean {}, greatest {}">"#,
        told(overall),
        told(greatest),
    );
    for value in [0.0, top / 2.0, top] {
        let at = y(value);
        let _ = write!(
            svg,
            r#"<path class="grid" d="M0 {at:.1}H{:.0}"/><text x="{:.0}" y="{:.1}">{}</text>"#,
            WIDE - RIGHT,
            WIDE - RIGHT + 8.0,
            at + 3.5,
            told(value)
        );
    }
    for hours in [20, 16, 12, 8, 4] {
        let Ok(at) = now.checked_sub(SignedDuration::from_hours(hours)) else { continue };
        let label = at.strftime("%H:%M");
        let _ = write!(svg, r#"<text x="{:.0}" y="{HIGH}" text-anchor="middle">{label}</text>"#, x(at));
    }
    // A stretch without an answer is a gap, not a line across it.
    let gap = SignedDuration::try_from(STEP * 2).unwrap_or(SPAN);
    for run in answered.chunk_by(|a, b| b.at.duration_since(a.at) < gap) {
        let place = |point: &Point, value: f64| format!("{:.1} {:.1}", x(point.at), y(value));
        let line: Vec<_> = run.iter().map(|point| place(point, mean(point))).collect();
        let above: Vec<_> = run.iter().rev().map(|point| place(point, milliseconds(point.latency_max))).collect();
        let (line, above) = (line.join("L"), above.join("L"));
        let _ = write!(svg, r#"<path class="shade" d="M{line}L{above}Z"/><path class="line" d="M{line}"/>"#);
    }
    for point in points.iter().filter(|point| point.down > 0) {
        let _ = write!(svg, r#"<path class="outage" d="M{:.1} {:.1}v6"/>"#, x(point.at), HIGH - BOTTOM - 6.0);
    }
    svg.push_str("</svg>");
    Some(Latency { svg, mean: told(overall), greatest: told(greatest) })
}

/// The next of 1, 2, 5, 10, … that is not less.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|nice| *nice >= value).unwrap_or(value)
}

/// `0`, `250 ms`, `1.5 s`.
fn told(milliseconds: f64) -> String {
    match milliseconds {
        0.0 => "0".into(),
        ..10.0 => format!("{milliseconds:.1} ms"),
        ..1000.0 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.1} s", milliseconds / 1000.0),
    }
}
