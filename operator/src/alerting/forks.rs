//! The Forks of one pass over the rules, and what becomes of those that go to another process.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
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
    /// Those that were here a moment ago, and that may come up at another process, or at this one.
    on_the_way: HashMap<String, BTreeMap<String, Arc<Fork>>>,
}

/// Where a Fork is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    Ours,
    /// Another process works on it.
    Elsewhere,
    OnTheWay,
    Gone,
}

impl Forks {
    pub(super) fn of(&self, namespace: &str) -> impl Iterator<Item = (&String, &Seen)> {
        self.ours.get(namespace).into_iter().flatten()
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Fork>> {
        self.ours.get(namespace)?.get(name).map(|seen| &seen.fork)
    }

    pub(super) fn whereabouts(&self, namespace: &str, name: &str) -> Whereabouts {
        let is_in = |all: &HashMap<String, BTreeMap<String, Arc<Fork>>>| {
            all.get(namespace).is_some_and(|forks| forks.contains_key(name))
        };
        match () {
            () if self.get(namespace, name).is_some() => Whereabouts::Ours,
            () if is_in(&self.others) => Whereabouts::Elsewhere,
            () if is_in(&self.on_the_way) => Whereabouts::OnTheWay,
            () => Whereabouts::Gone,
        }
    }

    fn is_gone(&self, namespace: &str, name: &str) -> bool {
        self.whereabouts(namespace, name) == Whereabouts::Gone
    }

    /// Those of all processes, with namespace and name.
    fn all(&self) -> impl Iterator<Item = (&String, &String, &Arc<Fork>)> {
        let ours = self
            .ours
            .iter()
            .flat_map(|(namespace, forks)| forks.iter().map(move |(name, seen)| (namespace, name, &seen.fork)));
        let others = self
            .others
            .iter()
            .flat_map(|(namespace, forks)| forks.iter().map(move |(name, fork)| (namespace, name, fork)));
        ours.chain(others)
    }

    pub(super) fn selected_elsewhere(&self, rule: &AlertRule, namespace: &str) -> BTreeSet<String> {
        let all = [&self.others, &self.on_the_way].into_iter().filter_map(|all| all.get(namespace)).flatten();
        let fits = |fork: &Fork| selects(rule.spec.selector.as_ref(), fork.metadata.labels.as_ref());
        all.filter(|(_, fork)| fits(fork)).map(|(name, _)| name.clone()).collect()
    }
}

/// What there was lately.
#[derive(Debug, Default)]
pub(super) struct Lately {
    /// The Forks of the last pass.
    had: Forks,
    /// Forks that left whoever had them, and when. Two watches tell of it: one that a Fork is not of its owner any more,
    /// another whose it is.
    left: HashMap<ObjectRef, (Timestamp, Arc<Fork>)>,
    /// When the first pass was.
    began: Option<Timestamp>,
}

impl Lately {
    /// The Forks of a new pass.
    pub(super) fn look(&mut self, fleet: &Fleet, now: Timestamp) -> Forks {
        self.began.get_or_insert(now);
        let mut all = Forks::default();
        let mut deleted = HashSet::new();
        fleet.with_all_forks(|fork, is_ours| {
            if fork.is_deleting() {
                deleted.insert(fork.reference());
                return;
            }
            let (namespace, name) = (fork.namespace().to_owned(), fork.name().to_owned());
            if is_ours {
                all.ours.entry(namespace).or_default().insert(name, Seen::new(fork.clone()));
            } else {
                all.others.entry(namespace).or_default().insert(name, fork.clone());
            }
        });
        for (namespace, name, fork) in self.had.all() {
            if all.is_gone(namespace, name) {
                self.left.entry(fork.reference()).or_insert_with(|| (now, fork.clone()));
            }
        }
        self.left.retain(|fork, (at, _)| {
            all.is_gone(&fork.namespace, &fork.name) && !deleted.contains(fork) && now.duration_since(*at) < ON_THE_WAY
        });
        for (left, (_, fork)) in &self.left {
            all.on_the_way.entry(left.namespace.clone()).or_default().insert(left.name.clone(), fork.clone());
        }
        all
    }

    /// Ends a pass.
    pub(super) fn keep(&mut self, forks: Forks) {
        self.had = forks;
        self.had.ours.values_mut().flat_map(BTreeMap::values_mut).for_each(Seen::forget);
    }

    /// A Fork that was ours in the last pass.
    pub(super) fn had(&self, namespace: &str, name: &str) -> Option<&Arc<Fork>> {
        self.had.get(namespace, name)
    }

    /// Whether the process began so short ago that a Fork may be on the way since before.
    pub(super) fn is_settling(&self, now: Timestamp) -> bool {
        self.began.is_none_or(|at| now.duration_since(at) < ON_THE_WAY)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        Whereabouts::{Elsewhere, Gone, OnTheWay, Ours},
        *,
    };

    fn fork(name: &str) -> Arc<Fork> {
        let fork = json!({
            "apiVersion": "forkable.dev/v1alpha1", "kind": "Fork", "metadata": { "name": name, "namespace": "default" },
            "spec": {
                "template": { "owner": "forkable-ai", "repo": "framework" },
                "repository": { "owner": "acme-inc", "name": name },
                "project": { "name": name },
            },
        });
        Arc::new(serde_json::from_value(fork).expect("a Fork"))
    }

    #[test]
    fn a_fork_that_changes_hands_is_never_gone() {
        let (fleet, mut lately) = (Fleet::default(), Lately::default());
        let at = |second| Timestamp::from_second(second).expect("a time");
        let mut look = |fleet: &Fleet, second| {
            let forks = lately.look(fleet, at(second));
            let found = ["one", "two"].map(|name| forks.whereabouts("default", name));
            lately.keep(forks);
            found
        };
        fleet.put_fork(&fork("one"));
        fleet.put_other(&fork("two"));
        assert_eq!(look(&fleet, 0), [Ours, Elsewhere]);
        // Each leaves whoever had it, and nobody has it yet.
        fleet.remove_fork(&fork("one").reference(), None);
        fleet.remove_fork(&fork("two").reference(), None);
        assert_eq!(look(&fleet, 10), [OnTheWay, OnTheWay]);
        assert_eq!(look(&fleet, 69), [OnTheWay, OnTheWay]);
        fleet.put_fork(&fork("two"));
        assert_eq!(look(&fleet, 69), [OnTheWay, Ours]);
        assert_eq!(look(&fleet, 70), [Gone, Ours], "nobody took it over");
        assert_eq!(look(&fleet, 71), [Gone, Ours]);
        let mut deleted = Fork::clone(&fork("two"));
        deleted.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(72)));
        fleet.put_fork(&Arc::new(deleted));
        assert_eq!(look(&fleet, 72), [Gone, Gone], "it is deleted");
    }
}
