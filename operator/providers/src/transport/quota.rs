//! What is left of a quota, as values: sliding windows that the documents tell, and quotas that answers tell.

use std::{collections::VecDeque, time::Duration};

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use super::{Call, Priority};

/// Clocks that differ by less are the same.
const COARSE: Duration = Duration::from_secs(5);

/// At most so much in any span of so long.
#[derive(Clone, Debug)]
pub struct Window {
    per: Duration,
    at_most: u32,
    cost: fn(&Call) -> u32,
    drawn: VecDeque<(Timestamp, u32)>,
    sum: u32,
}

impl Window {
    /// `cost` is what a call takes of it; 0: it does not concern the call.
    pub fn new(per: Duration, at_most: u32, cost: fn(&Call) -> u32) -> Self {
        Self { per, at_most, cost, drawn: VecDeque::new(), sum: 0 }
    }

    /// When there is room for a call: `None` is now.
    pub(super) fn room(&mut self, now: Timestamp, call: &Call) -> Option<Timestamp> {
        while let Some(&(at, cost)) = self.drawn.front()
            && at + self.per <= now
        {
            self.drawn.pop_front();
            self.sum -= cost;
        }
        let cost = (self.cost)(call);
        let mut over = (self.sum + cost).saturating_sub(self.at_most);
        if cost == 0 || over == 0 {
            return None;
        }
        let frees_enough = |&&(_, cost): &&(Timestamp, u32)| {
            over = over.saturating_sub(cost);
            over == 0
        };
        self.drawn.iter().find(frees_enough).map(|(at, _)| *at + self.per)
    }

    pub(super) fn draw(&mut self, now: Timestamp, call: &Call) {
        let cost = (self.cost)(call);
        if cost > 0 {
            self.drawn.push_back((now, cost));
            self.sum += cost;
        }
    }
}

/// A quota as the last answer told it, minus what was sent since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    limit: u32,
    remaining: u32,
    reset: Timestamp,
}

impl Quota {
    pub(super) fn used_up(until: Timestamp) -> Self {
        Self { limit: 0, remaining: 0, reset: until }
    }

    /// From `x-ratelimit-*`; `None` unless all three are there.
    pub(super) fn told(headers: &HeaderMap, now: Timestamp) -> Option<Self> {
        let count = |name| number(headers, name).map(|count| u32::try_from(count.max(0)).unwrap_or(u32::MAX));
        Some(Self {
            limit: count("x-ratelimit-limit")?,
            remaining: count("x-ratelimit-remaining")?,
            reset: reset(headers, now)?,
        })
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    pub(super) fn remaining(&self) -> u32 {
        self.remaining
    }

    pub(super) fn reset(&self) -> Timestamp {
        self.reset
    }

    /// When there is room for a call of this priority: `None` is now.
    pub(super) fn room(&self, now: Timestamp, priority: Priority) -> Option<Timestamp> {
        let kept_free = match priority {
            Priority::Rollback => 0,
            Priority::Promote => self.limit / 50,
            Priority::Create => self.limit / 20,
            Priority::Drift => self.limit / 5,
        };
        (self.reset > now && self.remaining <= kept_free).then_some(self.reset)
    }

    pub(super) fn draw(&mut self) {
        self.remaining = self.remaining.saturating_sub(1);
    }

    /// What holds after an answer. Answers overtake each other: within one window the lower count is the newer one.
    pub(super) fn learn(self, told: Self) -> Self {
        let apart = self.reset.duration_since(told.reset).unsigned_abs();
        let is_same_window = apart <= COARSE && self.limit == told.limit;
        let remaining = if is_same_window { self.remaining.min(told.remaining) } else { told.remaining };
        Self { remaining, ..told }
    }
}

/// When a quota is full again by `x-ratelimit-reset`, by our clock.
pub fn reset(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    Some(ours(moment(number(headers, "x-ratelimit-reset")?)?, headers, now))
}

/// A moment of the provider's clock, which the header `date` tells, by ours: one of the two may be wrong. What the second
/// that `date` has for its unit and the way of the answer may make of it is no difference.
pub(super) fn ours(moment: Timestamp, headers: &HeaderMap, now: Timestamp) -> Timestamp {
    let date = || jiff::fmt::rfc2822::parse(headers.get(http::header::DATE)?.to_str().ok()?).ok();
    let ahead = date().map(|date| date.timestamp().duration_since(now)).unwrap_or_default();
    let ahead = if ahead.unsigned_abs() <= COARSE { SignedDuration::ZERO } else { ahead };
    moment.checked_sub(ahead).unwrap_or(moment)
}

fn number(headers: &HeaderMap, name: &str) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// A moment as headers write it: seconds since 1970, or milliseconds.
pub(super) fn moment(number: i64) -> Option<Timestamp> {
    if number > 100_000_000_000 { Timestamp::from_millisecond(number) } else { Timestamp::from_second(number) }.ok()
}

/// `retry-after`: seconds, which may be nonsense below zero, or a date.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Timestamp> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse::<i64>() {
        Ok(seconds) => Some(now + Duration::from_secs(u64::try_from(seconds).unwrap_or(0).clamp(1, 86_400))),
        Err(_) => Some(ours(jiff::fmt::rfc2822::parse(text).ok()?.timestamp(), headers, now)),
    }
}
