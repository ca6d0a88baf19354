//! The views of all Forks: lent to passes, kept fresh by sweeps, put in doubt by hints.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use forkable_core::store::{Kind, ObjectRef};
use forkable_crds::Fork;
use jiff::Timestamp;

use super::view::{Ask, Hint, View};

/// The views of all Forks.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    views: HashMap<ObjectRef, Slot>,
    /// Counts returns of views, so that a sweep does not overwrite what a pass learnt since the sweep began.
    returns: u64,
}

#[derive(Debug)]
enum Slot {
    Resting {
        view: Box<View>,
        since: u64,
    },
    /// Lent to a pass, with the hints that came meanwhile.
    Lent(Vec<Hint>),
}

/// A Fork that a sweep may look at, and what decides how. What is known of it stays where it is: a copy of all that is
/// known of a large fleet would be the largest thing in memory.
#[derive(Debug)]
pub(crate) struct Resting {
    pub(crate) object: ObjectRef,
    pub(crate) ask: Arc<Ask>,
    pub(crate) since: u64,
    pub(crate) has_domains: bool,
    pub(crate) lacks_certificate: bool,
    pub(crate) domains_at: Option<Timestamp>,
    pub(crate) deep_at: Option<Timestamp>,
}

impl Cache {
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends the view of an object to its pass.
    pub(crate) fn take(&self, object: &ObjectRef) -> View {
        match self.slots().views.insert(object.clone(), Slot::Lent(Vec::new())) {
            Some(Slot::Resting { view, .. }) => *view,
            // A pass that was cut off has kept its view: begin anew.
            Some(Slot::Lent(_)) | None => View::default(),
        }
    }

    /// Takes the view back. Hints that came meanwhile are judged by what the pass has learnt.
    pub(crate) fn put(&self, object: &ObjectRef, mut view: View, now: Timestamp) {
        // The next pass is told of them anew; until then they would only keep older states of them alive.
        view.observed.releases = Vec::new();
        let mut slots = self.slots();
        slots.returns += 1;
        let since = slots.returns;
        let Some(slot) = slots.views.get_mut(object) else { return };
        if let Slot::Lent(hints) = slot {
            for hint in std::mem::take(hints) {
                view.hint(&hint, now);
            }
        }
        *slot = Slot::Resting { view: Box::new(view), since };
    }

    pub(crate) fn forget(&self, object: &ObjectRef) {
        self.slots().views.remove(object);
    }

    /// Notes that something may have changed outside.
    pub(crate) fn hint(&self, object: &ObjectRef, hint: Hint, now: Timestamp) {
        match self.slots().views.get_mut(object) {
            Some(Slot::Resting { view, .. }) => view.hint(&hint, now),
            Some(Slot::Lent(hints)) => hints.push(hint),
            None => {}
        }
    }

    /// How many Forks are looked at.
    pub(crate) fn len(&self) -> usize {
        self.slots().views.len()
    }

    /// Forks that no pass is working on, in a stable order.
    pub(crate) fn resting(&self) -> Vec<Resting> {
        let slots = self.slots();
        let mut resting: Vec<_> = slots
            .views
            .iter()
            .filter_map(|(object, slot)| match slot {
                Slot::Resting { view, since } => Some(Resting {
                    object: object.clone(),
                    ask: view.ask.clone()?,
                    since: *since,
                    has_domains: view.has_domains(),
                    lacks_certificate: view.lacks_certificate(),
                    domains_at: view.domains_at,
                    deep_at: view.deep_at,
                }),
                Slot::Lent(_) => None,
            })
            .collect();
        resting.sort_by(|a, b| a.object.cmp(&b.object));
        resting
    }

    /// Takes in what a sweep saw, unless a pass had the view since. `see` answers whether anything is new.
    pub(crate) fn install(&self, object: &ObjectRef, since: u64, see: impl FnOnce(&mut View) -> bool) -> bool {
        match self.slots().views.get_mut(object) {
            Some(Slot::Resting { view, since: now }) if *now == since => see(view),
            _ => false,
        }
    }

    /// Takes the domains of a Fork that was all ready to be as they were when that was written down, until a sweep reads
    /// them: a large fleet would else cost a call for each Fork whenever the process starts.
    pub(crate) fn trust_domains(&self, fork: &Fork, now: Timestamp) {
        if let Some(Slot::Resting { view, .. }) = self.slots().views.get_mut(&fork.reference()) {
            view.trust_domains(fork, now);
        }
    }

    /// Looks at a view without borrowing it.
    pub(crate) fn peek<T>(&self, object: &ObjectRef, look: impl FnOnce(&View) -> T) -> Option<T> {
        match self.slots().views.get(object) {
            Some(Slot::Resting { view, .. }) => Some(look(view)),
            _ => None,
        }
    }
}
