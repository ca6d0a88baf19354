//! The watches that fill the caches. Each has its own connection, errors and back-off, so that none waits for another.

use std::{fmt, sync::Arc};

use futures::StreamExt as _;
use kube::{
    Api, Resource,
    core::Status,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use crate::metrics::Metrics;

/// Seconds that one watch call lasts: shorter than what load balancers between here and the apiserver cut silently.
const CALL: u32 = 200;
/// Objects in one answer to a list. Few lists are longer: an apiserver has the first page in its cache, but may have to
/// read all further ones from etcd, which costs it several times as much.
const PAGE: u32 = 10_000;

/// Why the objects cannot be watched, for a person to mend: nothing here does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} may not be listed: {message}; grant list and watch of {resource} to the ServiceAccount")]
pub struct Forbidden {
    what: Scope,
    resource: String,
    message: String,
}

impl Forbidden {
    fn new(scope: &Scope, status: &Status) -> Self {
        let group = if scope.group.is_empty() { String::new() } else { format!(".{}", scope.group) };
        Self { what: scope.clone(), resource: format!("{}{group}", scope.resource), message: status.message.clone() }
    }
}

/// What a watch is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// Plural of the kind.
    pub(super) resource: &'static str,
    pub(super) group: &'static str,
    /// `None`: all namespaces.
    pub(super) namespace: Option<String>,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, namespace, .. } = self;
        match namespace {
            Some(namespace) => write!(f, "{resource} in the namespace {namespace}"),
            None => write!(f, "{resource} in all namespaces"),
        }
    }
}

/// How far the watches are with their lists. A new generation of lists is asked for when what is known has to be at
/// least as new as now.
#[derive(Clone, Debug)]
pub(super) struct Readiness(Arc<watch::Sender<State>>);

#[derive(Clone, Debug)]
pub(super) struct State {
    watches: usize,
    /// Watches that have not told their whole list in this generation.
    waiting: usize,
    generation: u64,
    forbidden: Option<Forbidden>,
}

impl Readiness {
    pub(super) fn new(watches: usize) -> Self {
        Self(Arc::new(watch::Sender::new(State { watches, waiting: watches, generation: 0, forbidden: None })))
    }

    /// Waits until every watch has told its whole list.
    pub(super) async fn reached(&self) -> Result<(), Forbidden> {
        let mut states = self.0.subscribe();
        let decided = states.wait_for(|state| state.waiting == 0 || state.forbidden.is_some()).await;
        match decided.ok().and_then(|state| state.forbidden.clone()) {
            Some(forbidden) => Err(forbidden),
            None => Ok(()),
        }
    }

    /// Asks every watch to list once more.
    pub(super) fn list_anew(&self) {
        self.0.send_modify(|state| {
            state.generation += 1;
            state.waiting = state.watches;
        });
    }

    fn generation(&self) -> u64 {
        self.0.borrow().generation
    }

    async fn beyond(&self, generation: u64) {
        // The sender is in here: it does not end.
        drop(self.0.subscribe().wait_for(|state| state.generation > generation).await);
    }

    fn is_listed(&self, generation: u64) {
        self.0.send_if_modified(|state| {
            let counts = state.generation == generation;
            state.waiting -= usize::from(counts);
            counts
        });
    }

    fn is_forbidden(&self, forbidden: Forbidden) {
        self.0.send_modify(|state| state.forbidden = Some(forbidden));
    }
}

/// Watches for ever. A kind that does not exist yet is waited for.
pub(super) async fn follow<K>(
    api: Api<K>,
    labels: Option<String>,
    scope: Scope,
    readiness: Readiness,
    metrics: Metrics,
    mut told: impl FnMut(Event<K>),
) where
    K: Resource + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
{
    let config = watcher::Config { label_selector: labels, ..watcher::Config::default() };
    let config = config.timeout(CALL).page_size(PAGE);
    let mut was_listed = false;
    loop {
        let generation = readiness.generation();
        let events = watcher(api.clone(), config.clone()).default_backoff();
        let mut is_listed = false;
        let mut complained = String::new();
        let take_in = events.for_each(|event| {
            match event {
                Ok(event) => {
                    let is_whole = matches!(event, Event::InitDone);
                    told(event);
                    complained.clear();
                    if is_whole && !is_listed {
                        (is_listed, was_listed) = (true, true);
                        readiness.is_listed(generation);
                    }
                }
                Err(error) => {
                    metrics.watch_broke(scope.resource);
                    let message = explained(&scope, &error);
                    // Once, however often it is tried.
                    if complained != message {
                        tracing::warn!(watch = %scope, "{message}");
                        complained = message;
                    }
                    if let Some(status) = refusal(&error).filter(|status| status.is_forbidden() && !was_listed) {
                        readiness.is_forbidden(Forbidden::new(&scope, status));
                    }
                }
            }
            std::future::ready(())
        });
        tokio::select! {
            () = take_in => return,
            () = readiness.beyond(generation) => {}
        }
    }
}

fn explained(scope: &Scope, error: &watcher::Error) -> String {
    match refusal(error) {
        Some(status) if status.is_not_found() => format!(
            "the kind {}.{} does not exist yet; waiting for it: install the CRDs with the chart, or with \
             `forkable crds | kubectl apply --server-side -f -`",
            scope.resource, scope.group
        ),
        Some(status) if status.code == 410 => "the watch fell behind; listing anew".into(),
        Some(status) => format!("{}; trying again", status.message),
        None => format!("{error}; trying again"),
    }
}

/// What the apiserver says, if it was reached.
fn refusal(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    }
}
