//! What was last seen of each build, so that a pass that is early asks nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use forkable_core::{
    release::{Observed, rollout::Sight},
    store::ObjectRef,
};
use jiff::Timestamp;

use super::polls::Polls;
use crate::{
    clock::{after, until},
    observe::Holds,
};

/// What was last seen of each build.
#[derive(Debug, Default)]
pub struct Builds {
    /// Boxed: most of the map is room for more of them.
    seen: Mutex<HashMap<ObjectRef, Box<Build>>>,
    turns: Mutex<HashMap<ObjectRef, Arc<tokio::sync::Mutex<()>>>>,
    pub(super) polls: Polls,
}

/// What was last seen of one build.
#[derive(Clone, Debug, Default)]
pub(super) struct Build {
    pub(super) observed: Observed,
    /// Before this, what was seen is good enough.
    pub(super) look_at: Option<Timestamp>,
    /// When what was seen was so. `None`: it has to be read anew.
    pub(super) seen_at: Option<Timestamp>,
    pub(super) holds: Holds,
    /// This process made the object, and has not asked for its build.
    pub(super) is_untried: bool,
    /// Of a release that is promoted: what was seen of it, and when it is to be measured next.
    pub(super) sight: Sight,
    pub(super) measure_at: Option<Timestamp>,
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
}

impl Builds {
    /// Waits until no other release of the Fork is looked at and decided on: two that read each other's status at the
    /// same time could both take their turn. Likewise for one release, until nobody else works on it.
    pub(crate) async fn turn(&self, fork: &ObjectRef) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = self.turns.lock().unwrap_or_else(PoisonError::into_inner).entry(fork.clone()).or_default().clone();
        turn.lock_owned().await
    }

    pub(super) fn take(&self, release: &ObjectRef) -> Build {
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(release);
        known.map(|build| *build).unwrap_or_default()
    }

    pub(super) fn put(&self, release: &ObjectRef, build: Build) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(release.clone(), Box::new(build));
    }

    /// Notes that this process made the object just now, unless a pass of it was faster and knows more.
    pub(crate) fn made(&self, release: &ObjectRef) {
        let mut builds = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        builds.entry(release.clone()).or_insert_with(|| Box::new(Build { is_untried: true, ..Build::default() }));
    }

    pub(crate) fn forget(&self, release: &ObjectRef) {
        self.take(release);
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).remove(release);
    }

    /// Something happened to the build or to its commit: the next pass looks at it.
    pub(crate) fn hint(&self, release: &ObjectRef) {
        if let Some(build) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get_mut(release) {
            build.look_at = None;
            build.commit_at = None;
            build.seen_at = None;
        }
    }
}
