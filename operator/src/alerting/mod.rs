//! Follows all AlertRules in one pass over them: what their signals say, which alerts fire, who has to be told and what
//! has to be done. What fires is on record in the status of its rule, so that a restart neither tells again nor forgets.

mod act;
mod evaluator;
mod report;
mod signals;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use forkable_core::store::ObjectRef;
use forkable_crds::alert_rule::AlertStatus;
use tokio::sync::Notify;

pub use evaluator::Evaluator;

/// What fires, for all who want to know.
#[derive(Debug, Default)]
pub struct Alerts {
    wake: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Alerts that wait or fire, by rule and by name of the Fork.
    active: HashMap<ObjectRef, HashMap<String, AlertStatus>>,
    /// The rule that keeps releases of a Fork from going live.
    freezes: HashMap<ObjectRef, String>,
}

impl Alerts {
    /// Rules, Forks or releases are others now: the next pass comes at once.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rule of which a firing alert keeps releases of a Fork from going live.
    pub fn freezes(&self, fork: &ObjectRef) -> Option<String> {
        self.state().freezes.get(fork).cloned()
    }

    /// The alert of a Fork, if the rule has one.
    pub fn alert(&self, rule: &ObjectRef, fork: &str) -> Option<AlertStatus> {
        self.state().active.get(rule)?.get(fork).cloned()
    }

    /// The alerts of a Fork with their rules, the most recent first.
    pub fn of_fork(&self, fork: &ObjectRef) -> Vec<(ObjectRef, AlertStatus)> {
        let state = self.state();
        let of = |(rule, alerts): (&ObjectRef, &HashMap<String, AlertStatus>)| {
            (rule.namespace == fork.namespace).then(|| Some((rule.clone(), alerts.get(&fork.name)?.clone()))).flatten()
        };
        let mut all: Vec<_> = state.active.iter().filter_map(of).collect();
        all.sort_by_key(|(_, alert)| std::cmp::Reverse(alert.since.0));
        all
    }
}
