//! Fixed-window counters, which both providers' rate limits are made of.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// So many points in so long a window.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Points in a window.
    pub limit: u64,
    /// Seconds.
    pub window: i64,
}

/// Where a counter stands.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Points in a window.
    pub limit: u64,
    /// Points taken in this window.
    pub used: u64,
    /// When the window ends.
    pub reset: Timestamp,
}

impl Quota {
    /// Points that are left.
    pub fn remaining(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Whole seconds until the window ends, at least one.
    pub fn retry_after(&self, now: Timestamp) -> i64 {
        (self.reset.as_second() - now.as_second()).max(1)
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Window {
    used: u64,
    reset: Timestamp,
}

/// All counters, by key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Buckets(BTreeMap<String, Window>);

impl Buckets {
    /// Takes `cost` points; `Err` when they are not there, and then takes none.
    pub fn take(&mut self, key: &str, rule: Rule, cost: u64, now: Timestamp) -> Result<Quota, Quota> {
        let before = self.peek(key, rule, now);
        if before.remaining() < cost {
            return Err(before);
        }
        let used = before.used + cost;
        let reset = before.reset;
        self.0.insert(key.to_owned(), Window { used, reset });
        Ok(Quota { used, ..before })
    }

    /// Where a counter stands, without taking.
    pub fn peek(&self, key: &str, rule: Rule, now: Timestamp) -> Quota {
        let window = self.0.get(key).filter(|window| window.reset > now);
        Quota {
            limit: rule.limit,
            used: window.map_or(0, |window| window.used),
            reset: window.map_or(now + SignedDuration::from_secs(rule.window), |window| window.reset),
        }
    }

    /// Gives points back, as GitHub does for a 304.
    pub fn refund(&mut self, key: &str, cost: u64) {
        if let Some(window) = self.0.get_mut(key) {
            window.used = window.used.saturating_sub(cost);
        }
    }
}
