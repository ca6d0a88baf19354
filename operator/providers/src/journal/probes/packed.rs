//! Runs and rollups as bytes: five for a run, about six for a minute.

use std::time::Duration;

use forkable_core::monitoring::{Point, Sample, Verdict};
use jiff::Timestamp;

/// Seconds of a chunk of runs, and of one of minutes.
pub(super) const HOUR: i64 = 3600;
/// Seconds of a chunk of hours.
pub(super) const DAY: i64 = 86_400;
/// Latencies are kept in steps of 100 microseconds.
const TICK_US: u128 = 100;

/// The beginning of the stretch of so many seconds that a time is in.
pub(super) fn floor(second: i64, step: i64) -> i64 {
    second - second.rem_euclid(step)
}

pub(super) fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}

pub(super) fn number(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Up => 0,
        Verdict::Down => 1,
        Verdict::Unknown => 2,
    }
}

pub(super) fn verdict(number: i64) -> Verdict {
    match number {
        0 => Verdict::Up,
        1 => Verdict::Down,
        _ => Verdict::Unknown,
    }
}

/// Appends a run to a chunk that begins at that second.
pub(super) fn put_sample(data: &mut Vec<u8>, start: i64, sample: &Sample) {
    let offset = (sample.at.as_millisecond() - start * 1000).clamp(0, HOUR * 1000 - 1);
    let word = u32::try_from(offset).unwrap_or_default() << 2 | u32::from(number(sample.verdict));
    data.extend_from_slice(&word.to_be_bytes()[1..]);
    put(data, sample.latency.map_or(0, |latency| ticks(latency) + 1));
}

/// The runs of a chunk, in the order in which they were written.
pub(super) fn samples(start: i64, mut data: &[u8]) -> Vec<Sample> {
    let mut samples = Vec::new();
    while let Some((word, rest)) = data.split_first_chunk::<3>() {
        let word = i64::from(u32::from_be_bytes([0, word[0], word[1], word[2]]));
        data = rest;
        let Some(latency) = take(&mut data) else { break };
        samples.push(Sample {
            at: Timestamp::from_millisecond(start * 1000 + (word >> 2)).unwrap_or_default(),
            verdict: verdict(word & 3),
            latency: latency.checked_sub(1).map(duration),
        });
    }
    samples
}

/// Appends a rollup to a chunk of that step: 60 or 3600 seconds.
pub(super) fn put_point(data: &mut Vec<u8>, step: i64, point: &Point) {
    let span = if step == HOUR { DAY } else { HOUR };
    data.push(u8::try_from(point.at.as_second().rem_euclid(span) / step).unwrap_or_default());
    let Point { up, down, unknown, answered, .. } = *point;
    let is_plain = down == 0 && unknown == 0 && answered == up;
    put(data, u64::from(up) << 1 | u64::from(!is_plain));
    if !is_plain {
        for count in [down, unknown, answered] {
            put(data, count.into());
        }
    }
    put(data, ticks(point.latency_sum));
    put(data, ticks(point.latency_max));
}

/// The rollups of a chunk.
pub(super) fn points(start: i64, step: i64, mut data: &[u8]) -> Vec<Point> {
    let mut points = Vec::new();
    while let Some(point) = point(start, step, &mut data) {
        points.push(point);
    }
    points
}

fn point(start: i64, step: i64, data: &mut &[u8]) -> Option<Point> {
    let (index, rest) = data.split_first()?;
    *data = rest;
    let up = take(data)?;
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let (up, is_plain) = (count(up >> 1), up & 1 == 0);
    let mut more = |plain| if is_plain { Some(plain) } else { take(data).map(count) };
    let (down, unknown, answered) = (more(0)?, more(0)?, more(up)?);
    let (latency_sum, latency_max) = (duration(take(data)?), duration(take(data)?));
    let at = time(start + i64::from(*index) * step);
    Some(Point { at, up, down, unknown, latency_sum, latency_max, answered })
}

fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros() / TICK_US).unwrap_or(u64::MAX - 1)
}

fn duration(ticks: u64) -> Duration {
    Duration::from_micros(ticks.saturating_mul(100))
}

/// A number in groups of seven bits, the least first.
fn put(data: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        data.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    data.push(number.to_le_bytes()[0]);
}

fn take(data: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = data.split_first()?;
        *data = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
