//! All Forks and their Deployments as last read from the store, so that no pass has to list them.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use forkable_core::{
    fork::claims::{self, Claim},
    store::{Kind, ObjectRef},
};
use forkable_crds::{AlertRule, Deployment, Fork};
use tokio::sync::watch;

/// All objects of the kinds that are worked on.
#[derive(Debug, Default)]
pub struct Fleet {
    objects: RwLock<Objects>,
    /// Counts changes of anything.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Objects {
    forks: Vec<Arc<Fork>>,
    index: HashMap<ObjectRef, usize>,
    releases: HashMap<ObjectRef, Vec<Arc<Deployment>>>,
    rules: HashMap<ObjectRef, Arc<AlertRule>>,
    /// Name of the Fork of each Deployment, which is asked for when the Deployment is gone.
    owners: HashMap<ObjectRef, Box<str>>,
    /// Forks that other processes work on; only what they claim matters.
    others: HashMap<ObjectRef, Arc<Fork>>,
    /// All Forks by what they claim.
    holders: HashMap<u64, Vec<Arc<Fork>>>,
    /// Counts changes of what Forks claim.
    claims: u64,
}

impl Objects {
    /// Takes in that a Fork is another now. Answers whether what it claims may be different.
    fn holds(&mut self, before: Option<&Arc<Fork>>, now: Option<&Arc<Fork>>) -> Change {
        for key in before.into_iter().flat_map(|fork| claims::keys(fork)) {
            if let Some(holders) = self.holders.get_mut(&key) {
                holders.retain(|holder| before.is_none_or(|before| !Arc::ptr_eq(holder, before)));
                if holders.is_empty() {
                    self.holders.remove(&key);
                }
            }
        }
        for (key, fork) in now.into_iter().flat_map(|fork| claims::keys(fork).into_iter().map(move |key| (key, fork))) {
            add(&mut self.holders, key, fork.clone());
        }
        let claims = |fork: &Arc<Fork>| (fork.uid().to_owned(), fork.generation(), fork.is_deleting());
        if before.map(claims) == now.map(claims) {
            return Change::Other;
        }
        self.claims += 1;
        Change::Claims
    }
}

/// How a Fork differs from what was known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// New, gone, or with another spec: what it claims may be different.
    Claims,
    /// Only its status or metadata.
    Other,
}

/// The Fork that a Deployment is of.
pub fn fork_of(release: &Deployment) -> ObjectRef {
    ObjectRef::new(Fork::KIND, release.namespace(), &release.spec.fork_ref.name)
}

fn owner(release: &ObjectRef, fork: &str) -> ObjectRef {
    ObjectRef::new(Fork::KIND, &release.namespace, fork)
}

/// Adds one of several. Mostly it is the only one, and then has no room to spare.
fn add<K: Eq + Hash, V>(all: &mut HashMap<K, Vec<V>>, key: K, value: V) {
    match all.entry(key) {
        Entry::Vacant(free) => {
            free.insert(vec![value]);
        }
        Entry::Occupied(mut held) => held.get_mut().push(value),
    }
}

impl Fleet {
    fn read(&self) -> RwLockReadGuard<'_, Objects> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Objects> {
        self.changes.send_modify(|changes| *changes += 1);
        self.objects.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whoever looks on that something is different, also if it is not kept here.
    pub fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Hears of changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub fn put_fork(&self, fork: &Arc<Fork>) -> Change {
        let mut objects = self.write();
        let reference = fork.reference();
        if let Some(other) = objects.others.remove(&reference) {
            objects.holds(Some(&other), None);
        }
        if let Some(&index) = objects.index.get(&reference) {
            let before = std::mem::replace(&mut objects.forks[index], fork.clone());
            return objects.holds(Some(&before), Some(fork));
        }
        let next = objects.forks.len();
        objects.index.insert(reference, next);
        objects.forks.push(fork.clone());
        objects.holds(None, Some(fork))
    }

    /// Takes in a Fork that another process works on.
    pub fn put_other(&self, fork: &Arc<Fork>) {
        let mut objects = self.write();
        let before = objects.others.insert(fork.reference(), fork.clone());
        objects.holds(before.as_ref(), Some(fork));
    }

    /// Forgets a Fork that is not there or not ours any more, and answers it as it was known. Whoever looks finds it
    /// either here or, if there is one, with the other process: never at neither.
    pub fn remove_fork(&self, fork: &ObjectRef, other: Option<&Arc<Fork>>) -> Option<Arc<Fork>> {
        let mut objects = self.write();
        let before = match other {
            Some(other) => objects.others.insert(fork.clone(), other.clone()),
            None => objects.others.remove(fork),
        };
        objects.holds(before.as_ref(), other);
        let index = objects.index.remove(fork)?;
        let removed = objects.forks.swap_remove(index);
        objects.holds(Some(&removed), None);
        if let Some(moved) = objects.forks.get(index).map(|fork| fork.reference()) {
            objects.index.insert(moved, index);
        }
        Some(removed)
    }

    /// Which credentials calls for an object are made with: namespace and name of a Secret, `None` for the process's own.
    pub fn credential_of(&self, object: &ObjectRef) -> Option<(String, String)> {
        let objects = self.read();
        let fork = if object.kind == Fork::KIND { object } else { &owner(object, objects.owners.get(object)?) };
        let fork = &objects.forks[*objects.index.get(fork)?];
        let secret = fork.spec.credentials_ref.as_ref()?;
        Some((fork.metadata.namespace.clone().unwrap_or_default(), secret.name.clone()))
    }

    pub fn put_release(&self, release: Arc<Deployment>) {
        let (reference, fork) = (release.reference(), fork_of(&release));
        let mut objects = self.write();
        objects.owners.insert(reference, fork.name.clone().into());
        let releases = objects.releases.get_mut(&fork);
        match releases.into_iter().flatten().find(|known| known.metadata.name == release.metadata.name) {
            Some(known) => *known = release,
            None => add(&mut objects.releases, fork, release),
        }
    }

    /// Forgets a Deployment and answers the Fork that it was of.
    pub fn remove_release(&self, release: &ObjectRef) -> Option<ObjectRef> {
        let mut objects = self.write();
        let fork = owner(release, &objects.owners.remove(release)?);
        if let Some(releases) = objects.releases.get_mut(&fork) {
            releases.retain(|known| known.metadata.name.as_ref() != Some(&release.name));
        }
        Some(fork)
    }

    /// The Deployments of a Fork, newest first.
    pub fn releases(&self, fork: &ObjectRef) -> Vec<Arc<Deployment>> {
        let mut releases = self.read().releases.get(fork).cloned().unwrap_or_default();
        let age = |release: &Arc<Deployment>| release.metadata.creation_timestamp.as_ref().map(|time| time.0);
        // By revision where the clock is too coarse to tell.
        let newest_first = |a: &Arc<Deployment>, b: &Arc<Deployment>| {
            (age(b), revision(b)).cmp(&(age(a), revision(a))).then_with(|| a.metadata.name.cmp(&b.metadata.name))
        };
        releases.sort_by(newest_first);
        releases
    }

    pub fn fork(&self, fork: &ObjectRef) -> Option<Arc<Fork>> {
        let objects = self.read();
        objects.index.get(fork).map(|&index| objects.forks[index].clone())
    }

    /// Grows whenever a Fork may claim something else.
    pub fn claims(&self) -> u64 {
        self.read().claims
    }

    /// What an older Fork holds of what this one claims.
    pub fn conflict(&self, fork: &Fork) -> Option<Claim> {
        let objects = self.read();
        let holders = claims::keys(fork).into_iter().filter_map(|key| objects.holders.get(&key));
        claims::conflict(fork, &holders.flatten().cloned().collect::<Vec<_>>())
    }

    /// Looks at all Forks.
    pub fn with_forks<T>(&self, look: impl FnOnce(&[Arc<Fork>]) -> T) -> T {
        look(&self.read().forks)
    }

    /// Looks at all Forks, and at those of other processes.
    pub fn with_all_forks(&self, mut look: impl FnMut(&Arc<Fork>, bool)) {
        let objects = self.read();
        objects.forks.iter().for_each(|fork| look(fork, true));
        objects.others.values().for_each(|fork| look(fork, false));
    }

    /// Looks at all Deployments.
    pub fn with_releases<T>(&self, look: impl FnOnce(&mut dyn Iterator<Item = &Arc<Deployment>>) -> T) -> T {
        let objects = self.read();
        look(&mut objects.releases.values().flatten())
    }

    pub fn put_rule(&self, rule: Arc<AlertRule>) {
        self.write().rules.insert(rule.reference(), rule);
    }

    pub fn remove_rule(&self, rule: &ObjectRef) {
        self.write().rules.remove(rule);
    }

    pub fn rule(&self, rule: &ObjectRef) -> Option<Arc<AlertRule>> {
        self.read().rules.get(rule).cloned()
    }

    /// All AlertRules, in no order.
    pub fn rules(&self) -> Vec<Arc<AlertRule>> {
        self.read().rules.values().cloned().collect()
    }

    pub fn references(&self) -> Vec<ObjectRef> {
        let objects = self.read();
        objects.index.keys().chain(objects.owners.keys()).cloned().collect()
    }
}

/// Which release of its Fork a Deployment is: 1 is the first. Deployments that people made have none and sort last.
pub fn revision(release: &Deployment) -> i64 {
    let annotations = release.metadata.annotations.as_ref();
    let annotated = || annotations?.get(REVISION_ANNOTATION)?.parse().ok();
    release.spec.revision.or_else(annotated).unwrap_or_default()
}

/// Where the number was before `spec.revision` was.
const REVISION_ANNOTATION: &str = "forkable.dev/revision";
