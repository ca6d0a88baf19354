//! What was last seen of each build, so that a pass that is early asks nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use forkable_core::{release::rollout::Sight, store::ObjectRef};
use jiff::Timestamp;

use super::polls::Polls;
use crate::{
    clock::{after, until},
    observe::Holds,
};

/// What was last seen of each build.
#[derive(Debug, Default)]
pub struct Builds {
    seen: Mutex<HashMap<ObjectRef, Slot>>,
    turns: Mutex<HashMap<ObjectRef, Arc<tokio::sync::Mutex<()>>>>,
    pub(super) polls: Polls,
}

#[derive(Debug)]
enum Slot {
    /// Boxed: most of the map is room for more of them.
    Resting(Box<Build>),
    /// Lent to a pass, and whether a hint came meanwhile.
    Lent { is_hinted: bool },
}

/// What was last seen of one build.
#[derive(Clone, Debug, Default)]
pub(super) struct Build {
    pub(super) sight: Sight,
    /// Before this, what was seen is good enough.
    pub(super) look_at: Option<Timestamp>,
    /// When what was seen was so. `None`: it has to be read anew.
    pub(super) seen_at: Option<Timestamp>,
    pub(super) holds: Holds,
    /// This process made the object, and has not asked for its build.
    pub(super) is_untried: bool,
    /// When a release that is promoted is to be measured next.
    pub(super) measure_at: Option<Timestamp>,
    /// Before this, what was seen of the run of a workflow, or of workflows, is good enough.
    pub(super) errand_at: Option<Timestamp>,
    /// When its commit was last looked at.
    pub(super) commit_at: Option<Timestamp>,
}

impl Build {
    /// Notes when to look again; a look that is already due sooner stays.
    pub(super) fn wait(&mut self, wait: Option<Duration>, now: Timestamp) -> Option<Duration> {
        let at = after(now, wait?);
        let at = self.look_at.filter(|sooner| *sooner > now).map_or(at, |sooner| sooner.min(at));
        self.look_at = Some(at);
        Some(until(now, at))
    }

    /// Whether the next pass may as well begin anew: of most releases nothing is asked any more.
    fn is_nothing(&self) -> bool {
        let Self { sight, look_at, seen_at, holds, is_untried, measure_at, errand_at, commit_at } = self;
        let is_asked = [look_at, seen_at, measure_at, errand_at, commit_at].into_iter().any(Option::is_some);
        !is_asked && !is_untried && holds.is_empty() && *sight == Sight::default()
    }

    /// Something happened to it or to its commit: what was seen is good for nothing more.
    fn hint(&mut self) {
        self.look_at = None;
        self.commit_at = None;
        self.errand_at = None;
        self.seen_at = None;
    }
}

impl Builds {
    /// Waits until no other release of the Fork is looked at and decided on: two that read each other's status at the
    /// same time could both take their turn. Likewise for one release, until nobody else works on it.
    pub(crate) async fn turn(&self, fork: &ObjectRef) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(fork.clone()).or_default().clone();
        turn.lock_owned().await
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<ObjectRef, Slot>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lends what is known of a release to its pass.
    pub(super) fn take(&self, release: &ObjectRef) -> Build {
        match self.slots().insert(release.clone(), Slot::Lent { is_hinted: false }) {
            Some(Slot::Resting(build)) => *build,
            // A pass that was cut off has kept it: begin anew.
            Some(Slot::Lent { .. }) | None => Build::default(),
        }
    }

    /// Takes it back, with a hint that came meanwhile.
    pub(super) fn put(&self, release: &ObjectRef, mut build: Build) {
        let mut slots = self.slots();
        let Some(slot) = slots.get_mut(release) else { return };
        if matches!(slot, Slot::Lent { is_hinted: true }) {
            build.hint();
        }
        // Each pass looks it up where it is kept.
        build.sight.build.head = None;
        if build.is_nothing() {
            slots.remove(release);
        } else {
            *slot = Slot::Resting(Box::new(build));
        }
    }

    /// Notes that this process made the object just now, unless a pass of it was faster and knows more.
    pub(crate) fn made(&self, release: &ObjectRef) {
        let new = || Slot::Resting(Box::new(Build { is_untried: true, ..Build::default() }));
        self.slots().entry(release.clone()).or_insert_with(new);
    }

    pub(crate) fn forget(&self, release: &ObjectRef) {
        self.slots().remove(release);
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).remove(release);
    }

    /// Something happened to the build or to its commit: the next pass looks at it.
    pub(crate) fn hint(&self, release: &ObjectRef) {
        match self.slots().get_mut(release) {
            Some(Slot::Resting(build)) => build.hint(),
            Some(Slot::Lent { is_hinted }) => *is_hinted = true,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_heard_while_a_pass_is_at_work() {
        let release = ObjectRef::new("Deployment", "default", "acme-1");
        let builds = Builds::default();
        let looked = || Build { look_at: Some(Timestamp::MAX), commit_at: Some(Timestamp::MIN), ..Build::default() };
        drop(builds.take(&release));
        builds.put(&release, looked());
        assert!(builds.take(&release).commit_at.is_some());
        builds.hint(&release);
        builds.put(&release, looked());
        let build = builds.take(&release);
        assert_eq!((build.look_at, build.commit_at), (None, None));
    }

    #[test]
    fn a_release_of_which_nothing_is_known_is_not_kept() {
        let release = ObjectRef::new("Deployment", "default", "acme-1");
        let builds = Builds::default();
        let mut build = builds.take(&release);
        build.sight.build.head = Some(forkable_core::forge::Head::default());
        builds.put(&release, build);
        assert!(builds.slots().is_empty(), "each pass looks its commit up");
        builds.made(&release);
        let build = builds.take(&release);
        assert!(build.is_untried);
        builds.put(&release, build);
        assert!(builds.take(&release).is_untried, "that nobody asked for it yet is known");
    }
}
