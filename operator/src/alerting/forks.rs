//! The Forks of one pass over the rules, and what becomes of those that go to another process.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use forkable_core::{
    alerting::selects,
    store::{Kind as _, ObjectRef},
};
use forkable_crds::{AlertRule, Fork};
use jiff::{SignedDuration, Timestamp};

use super::signals::Seen;
use crate::fleet::Fleet;

/// How long a Fork may take from one process to another.
const ON_THE_WAY: SignedDuration = SignedDuration::from_mins(1);

/// All Forks that are not being deleted, by namespace and name.
#[derive(Debug, Default)]
pub(super) struct Forks {
    ours: HashMap<String, BTreeMap<String, Seen>>,
    /// Those that other processes work on.
    others: HashMap<String, BTreeMap<String, Arc<Fork>>>,
}

impl Forks {
    pub(super) fn of(&self, namespace: &str) -> impl Iterator<Item = (&String, &Seen)> {
        self.ours.get(namespace).into_iter().flatten()
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Fork>> {
        self.ours.get(namespace)?.get(name).map(|seen| &seen.fork)
    }

    fn has(&self, fork: &Fork) -> bool {
        let ObjectRef { namespace, name, .. } = fork.reference();
        self.get(&namespace, &name).is_some() || self.others.get(&namespace).is_some_and(|all| all.contains_key(&name))
    }

    pub(super) fn selected_elsewhere(&self, rule: &AlertRule, namespace: &str) -> BTreeSet<String> {
        let others = self.others.get(namespace).into_iter().flatten();
        let fits = |fork: &Fork| selects(rule.spec.selector.as_ref(), fork.metadata.labels.as_ref());
        others.filter(|(_, fork)| fits(fork)).map(|(name, _)| name.clone()).collect()
    }
}

/// What there was lately.
#[derive(Debug, Default)]
pub(super) struct Lately {
    /// The Forks of the last pass.
    had: Forks,
    /// Forks that left, and when. Two watches tell of it: one that a Fork is not ours any more, another whose it is.
    left: Vec<(Timestamp, Arc<Fork>)>,
}

impl Lately {
    /// The Forks of a new pass.
    pub(super) fn look(&mut self, fleet: &Fleet, now: Timestamp) -> Forks {
        let mut all = Forks::default();
        fleet.with_all_forks(|fork, is_ours| {
            if !fork.is_deleting() {
                let ObjectRef { namespace, name, .. } = fork.reference();
                if is_ours {
                    all.ours.entry(namespace).or_default().insert(name, Seen::new(fork.clone()));
                } else {
                    all.others.entry(namespace).or_default().insert(name, fork.clone());
                }
            }
        });
        let had = self.had.ours.values().flat_map(BTreeMap::values).map(|seen| &seen.fork);
        let gone = had.filter(|fork| !all.has(fork) && fleet.fork(&fork.reference()).is_none());
        self.left.extend(gone.map(|fork| (now, fork.clone())));
        self.left.retain(|(at, fork)| !all.has(fork) && now.duration_since(*at) < ON_THE_WAY);
        for (_, fork) in &self.left {
            let ObjectRef { namespace, name, .. } = fork.reference();
            all.others.entry(namespace).or_default().insert(name, fork.clone());
        }
        all
    }

    /// Ends a pass.
    pub(super) fn keep(&mut self, forks: Forks) {
        self.had = forks;
        self.had.ours.values_mut().flat_map(BTreeMap::values_mut).for_each(Seen::forget);
    }

    /// Whether a Fork was ours in the last pass.
    pub(super) fn had(&self, namespace: &str, name: &str) -> bool {
        self.had.get(namespace, name).is_some()
    }
}
