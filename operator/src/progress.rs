//! What happens, told while it happens, to whoever shows it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use forkable_core::{Facet, store::ObjectRef};
use tokio::sync::broadcast;

/// News that a listener may be behind.
const BACKLOG: usize = 4096;

/// How an object stands after a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As the manifest says.
    Ready,
    /// Work is under way, or is tried again by itself.
    Working,
    /// A person must act; nothing is done before that.
    Person,
    /// It is gone.
    Gone,
}

/// How one facet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Done,
    Working,
    Failed,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Progress {
    StepBegan {
        object: ObjectRef,
        facet: &'static str,
        step: String,
    },
    StepEnded {
        object: ObjectRef,
        facet: &'static str,
        step: String,
        error: Option<String>,
        took: Duration,
    },
    PassEnded {
        object: ObjectRef,
        standing: Standing,
        reason: String,
        message: String,
        url: Option<String>,
        facets: Vec<(Facet, Mark)>,
    },
}

impl Progress {
    pub(crate) fn gone(object: &ObjectRef) -> Self {
        Self::PassEnded {
            object: object.clone(),
            standing: Standing::Gone,
            reason: "Gone".into(),
            message: "deleted".into(),
            url: None,
            facets: Vec::new(),
        }
    }
}

/// Where progress is told, and how every object stood last since somebody listened first. Nobody has to.
#[derive(Clone, Debug, Default)]
pub struct Teller {
    /// Made for the first listener: room for thousands of news is worth nothing where nobody listens.
    listeners: Arc<OnceLock<broadcast::Sender<Progress>>>,
    standings: Arc<Mutex<HashMap<ObjectRef, Standing>>>,
    rests: Arc<AtomicBool>,
}

impl Teller {
    pub fn tell(&self, progress: Progress) {
        let Some(listeners) = self.listeners.get() else { return };
        if let Progress::PassEnded { object, standing, .. } = &progress {
            let mut standings = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
            standings.insert(object.clone(), *standing);
        }
        // No listener is no error.
        let _ = listeners.send(progress);
    }

    pub fn listen(&self) -> broadcast::Receiver<Progress> {
        self.listeners.get_or_init(|| broadcast::Sender::new(BACKLOG)).subscribe()
    }

    /// Notes whether no pass runs and none is due, so that every standing is of what is stored.
    pub(crate) fn rests(&self, rests: bool) {
        self.rests.store(rests, Ordering::Relaxed);
    }

    /// Whether no pass runs and none is due.
    pub fn is_at_rest(&self) -> bool {
        self.rests.load(Ordering::Relaxed)
    }

    /// How an object stood after its last pass since somebody listened first.
    pub fn standing(&self, object: &ObjectRef) -> Option<Standing> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner).get(object).copied()
    }
}
