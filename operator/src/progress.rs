//! What happens, told while it happens, to whoever shows it.

use std::time::Duration;

use forkable_core::{Facet, store::ObjectRef};
use tokio::sync::broadcast;

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
        facet: Facet,
        step: String,
    },
    StepEnded {
        object: ObjectRef,
        facet: Facet,
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
    /// Something about the folder or the process itself that a person should read.
    Notice {
        message: String,
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

/// Where progress is told. Nobody has to listen.
#[derive(Clone, Debug)]
pub struct Teller(broadcast::Sender<Progress>);

impl Default for Teller {
    fn default() -> Self {
        Self(broadcast::Sender::new(4096))
    }
}

impl Teller {
    pub fn tell(&self, progress: Progress) {
        // No listener is no error.
        let _ = self.0.send(progress);
    }

    pub fn listen(&self) -> broadcast::Receiver<Progress> {
        self.0.subscribe()
    }
}
