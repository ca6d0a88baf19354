//! Faults that a test injects: which calls they hit, and what happens to those.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::requests::{Call, Provider};

/// Which calls a fault hits; every field that is given must fit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Match {
    provider: Option<Provider>,
    method: Option<String>,
    operation: Option<String>,
    path_contains: Option<String>,
    write: Option<bool>,
    /// The first hit is the n-th fitting call from now on, counted from 1.
    nth: Option<u64>,
}

impl Match {
    fn fits(&self, call: &Call) -> bool {
        self.provider.is_none_or(|provider| provider == call.provider)
            && self.method.as_ref().is_none_or(|method| call.method.as_str().eq_ignore_ascii_case(method))
            && self.operation.as_ref().is_none_or(|operation| *operation == call.operation)
            && self.path_contains.as_ref().is_none_or(|part| call.path.contains(part))
            && self.write.is_none_or(|write| write == call.write)
    }
}

/// Before the change is committed, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    Before,
    After,
}

/// Which of the providers' limits a call runs into.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Limit {
    Primary,
    Secondary,
    Vercel,
}

/// What happens to a call that is hit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged, rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Effect {
    /// It takes so much longer, in real milliseconds.
    Delay { delay_ms: u64 },
    /// It is answered so; nothing is committed unless `phase` is `after`.
    Status {
        status: u16,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[serde(default)]
        body: Option<serde_json::Value>,
        #[serde(default = "before")]
        phase: Phase,
    },
    /// The connection is dropped without an answer.
    Cut { cut: Phase },
    /// Half of the answer arrives.
    Truncate { truncate: bool },
    /// A rate limit's answer, of the real shape.
    RateLimited {
        rate_limited: Limit,
        #[serde(default)]
        retry_after: Option<i64>,
    },
    /// No answer ever.
    Hang { hang: bool },
    /// The answer is not JSON.
    Malformed { malformed: bool },
    /// It waits until the fault is released.
    Hold { hold: Phase },
}

fn before() -> Phase {
    Phase::Before
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewFault {
    #[serde(default, rename = "match")]
    matching: Match,
    /// How many calls it hits; null means every one until it is deleted.
    #[serde(default = "once")]
    times: Option<u64>,
    effect: Effect,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn once() -> Option<u64> {
    Some(1)
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fault {
    pub(crate) id: u64,
    #[serde(rename = "match")]
    matching: Match,
    times: Option<u64>,
    pub(crate) effect: Effect,
    /// Calls that fitted, hit or not.
    seen: u64,
    /// Calls that were hit.
    hits: u64,
    /// Calls that are held right now; one whose caller is gone is not.
    held: u64,
}

/// All faults, oldest first; the first one that hits a call decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    last: u64,
    list: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, new: NewFault) -> u64 {
        self.last += 1;
        self.list.push(Fault {
            id: self.last,
            matching: new.matching,
            times: new.times,
            effect: new.effect,
            seen: 0,
            hits: 0,
            held: 0,
        });
        self.last
    }

    /// Counts the call against every fault and tells which one hits it.
    pub(crate) fn hit(&mut self, call: &Call) -> Option<(u64, Effect)> {
        let mut first = None;
        for fault in self.list.iter_mut().filter(|fault| fault.matching.fits(call)) {
            fault.seen += 1;
            let due = fault.seen >= fault.matching.nth.unwrap_or(1);
            let left = fault.times.is_none_or(|times| fault.hits < times);
            if first.is_none() && due && left {
                fault.hits += 1;
                first = Some((fault.id, fault.effect.clone()));
            }
        }
        first
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.list
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Fault> {
        self.list.iter().find(|fault| fault.id == id)
    }

    /// Counts a call that begins, or ceases, to be held.
    pub(crate) fn count_held(&mut self, id: u64, begins: bool) {
        if let Some(fault) = self.list.iter_mut().find(|fault| fault.id == id) {
            fault.held = if begins { fault.held + 1 } else { fault.held.saturating_sub(1) };
        }
    }

    /// Removes one fault, or all; tells their ids.
    pub(crate) fn remove(&mut self, id: Option<u64>) -> Vec<u64> {
        let gone = self.list.extract_if(.., |fault| id.is_none_or(|id| fault.id == id));
        gone.map(|fault| fault.id).collect()
    }
}
