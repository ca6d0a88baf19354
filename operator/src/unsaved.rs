//! What is known of Forks that are being made and is not stored yet, so that a creation costs the store few writes.
//!
//! A crash loses it and nothing else: until it is stored, the stored intent and the deterministic names find again
//! what was made.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use forkable_core::store::{Kind, ObjectRef};
use forkable_crds::{Fork, ForkStatus};

/// Statuses that are newer than the stored ones.
#[derive(Debug, Default)]
pub struct Unsaved(Mutex<HashMap<ObjectRef, Held>>);

#[derive(Debug)]
struct Held {
    /// Another Fork of the same name is not meant.
    uid: String,
    status: ForkStatus,
}

impl Unsaved {
    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectRef, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a Fork.
    pub(crate) fn status(&self, fork: &Fork) -> ForkStatus {
        let held = self.lock();
        let newer = held.get(&fork.reference()).filter(|held| held.uid == fork.uid());
        newer.map(|held| &held.status).or(fork.status.as_ref()).cloned().unwrap_or_default()
    }

    /// The Fork with what is known of it.
    pub(crate) fn on(&self, fork: Arc<Fork>) -> Arc<Fork> {
        let status = self.status(&fork);
        if fork.status.as_ref() == Some(&status) {
            return fork;
        }
        Arc::new(Fork { status: Some(status), ..Arc::unwrap_or_clone(fork) })
    }

    pub(crate) fn hold(&self, fork: &Fork, status: ForkStatus) {
        self.lock().insert(fork.reference(), Held { uid: fork.uid().to_owned(), status });
    }

    pub(crate) fn forget(&self, fork: &ObjectRef) {
        self.lock().remove(fork);
    }
}
