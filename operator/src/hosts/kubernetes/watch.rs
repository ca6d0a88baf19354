//! The watches that fill the caches. Each has its own connection, errors and back-off, so that none waits for another.

use std::{fmt, pin::pin, sync::Arc, time::Duration};

use futures::StreamExt as _;
use kube::{
    Api, Resource, ResourceExt as _,
    api::{ListParams, WatchEvent, WatchParams},
    core::{Request, Status},
    runtime::watcher::{DefaultBackoff, Event},
};
use serde::de::DeserializeOwned;
use tokio::{sync::watch, time::Instant};

use super::list;
use crate::metrics::Metrics;

/// Seconds that one watch call lasts: shorter than what load balancers between here and the apiserver cut silently.
const CALL: u32 = 200;
/// The longest time without a word in a call of the watch.
const SILENCE: Duration = Duration::from_secs(CALL as u64 + 30);
/// The shortest time between two calls of a watch.
const SHORTEST: Duration = Duration::from_secs(1);
/// What a watch begins from is not known any more.
const GONE: u16 = 410;

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
    let mut was_listed = false;
    loop {
        let generation = readiness.generation();
        let mut is_listed = false;
        let mut complained = String::new();
        // Where the next call of the watch begins. `None`: there is nothing to begin from but a list.
        let mut version = None;
        let mut pauses = DefaultBackoff::default();
        let watched = async {
            loop {
                let result = match &mut version {
                    None => {
                        told(Event::Init);
                        list(&api, labels.as_deref(), |item| told(Event::InitApply(item))).await.map(|listed| {
                            told(Event::InitDone);
                            version = Some(listed);
                            if !is_listed {
                                (is_listed, was_listed) = (true, true);
                                readiness.is_listed(generation);
                            }
                        })
                    }
                    Some(version) => watch(&api, labels.as_deref(), version, &mut told).await,
                };
                let Err(error) = result else {
                    complained.clear();
                    continue;
                };
                metrics.watch_broke(scope.resource);
                let message = explained(&scope, &error);
                // Once, however often it is tried.
                if complained != message {
                    tracing::warn!(watch = %scope, "{message}");
                    complained = message;
                }
                if let Some(status) = refusal(&error) {
                    if status.is_forbidden() && !was_listed {
                        readiness.is_forbidden(Forbidden::new(&scope, status));
                    }
                    if status.code == GONE {
                        version = None;
                    }
                }
                tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            }
        };
        tokio::select! {
            () = watched => return,
            () = readiness.beyond(generation) => {}
        }
    }
}

/// Tells all objects as they are now, and answers the version of that.
async fn list<K>(api: &Api<K>, labels: Option<&str>, told: impl FnMut(K)) -> kube::Result<String>
where
    K: Resource + Clone + DeserializeOwned + fmt::Debug,
{
    let params = ListParams { label_selector: labels.map(str::to_owned), ..ListParams::default() };
    let request = Request::new(api.resource_url());
    let request = if K::metadata_api() { request.list_metadata(&params) } else { request.list(&params) };
    let text = api.clone().into_client().request_stream(request.map_err(kube::Error::BuildRequest)?).await?;
    list::read(text, told).await
}

/// Tells changes after `version`, and moves that along, until the call ends.
async fn watch<K>(
    api: &Api<K>,
    labels: Option<&str>,
    version: &mut String,
    mut told: impl FnMut(Event<K>),
) -> kube::Result<()>
where
    K: Resource + Clone + DeserializeOwned + fmt::Debug + Send + 'static,
{
    let params = WatchParams { label_selector: labels.map(str::to_owned), ..WatchParams::default() }.timeout(CALL);
    let began = Instant::now();
    let mut events = pin!(api.watch(&params, version).await?);
    // One that is silent for longer than it was to last is a connection that is dead.
    while let Ok(Some(event)) = tokio::time::timeout(SILENCE, events.next()).await {
        let (object, event): (_, fn(K) -> Event<K>) = match event? {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => (object, Event::Apply),
            WatchEvent::Deleted(object) => (object, Event::Delete),
            WatchEvent::Bookmark(mark) => {
                *version = mark.metadata.resource_version;
                continue;
            }
            WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
        };
        if let Some(newer) = object.resource_version() {
            *version = newer;
        }
        told(event(object));
    }
    // What ends each call at once is not asked again at once.
    tokio::time::sleep_until(began + SHORTEST).await;
    Ok(())
}

fn explained(scope: &Scope, error: &kube::Error) -> String {
    match refusal(error) {
        Some(status) if status.is_not_found() => format!(
            "the kind {}.{} does not exist yet; waiting for it: install the CRDs with the chart, or with \
             `forkable crds | kubectl apply --server-side -f -`",
            scope.resource, scope.group
        ),
        Some(status) if status.code == GONE => "the watch fell behind; listing anew".into(),
        Some(status) => format!("{}; trying again", status.message),
        None => format!("{error}; trying again"),
    }
}

/// What the apiserver says, if it was reached.
fn refusal(error: &kube::Error) -> Option<&Status> {
    match error {
        kube::Error::Api(status) => Some(status),
        _ => None,
    }
}
