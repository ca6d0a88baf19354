//! Watches the products: runs their probes on time, keeps what is confirmed, tells of it and writes it down.

mod recorder;
mod scheduler;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use forkable_core::{
    monitoring::{self, AVAILABLE, Prober, Series, Standing, Verdict},
    release::analysis::Secrets,
    store::{EventType, Kind as _, ObjectRef, Store},
};
use forkable_crds::Fork;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
pub use recorder::{Record, Recorder};
pub use scheduler::{Outcome, Scheduler};

/// What probes found, for everybody who asks.
#[derive(Debug, Default)]
pub struct Monitor {
    /// Those of a Fork by the names of their probes. A list, as most Forks have one: a map has room for eleven at once.
    standings: RwLock<BTreeMap<ObjectRef, Vec<Standing>>>,
    changed: Notify,
    /// Forks that may be another now.
    touched: Mutex<HashSet<ObjectRef>>,
    woken: Notify,
}

impl Monitor {
    /// What is known of the probes of a Fork; nothing of those that have not run yet.
    pub fn standings(&self, fork: &ObjectRef) -> Vec<Standing> {
        let standings = self.standings.read().unwrap_or_else(PoisonError::into_inner);
        standings.get(fork).cloned().unwrap_or_default()
    }

    /// Looks at all standings, by Fork and probe.
    pub fn with_standings<T>(&self, look: impl FnOnce(&mut dyn Iterator<Item = &Standing>) -> T) -> T {
        let standings = self.standings.read().unwrap_or_else(PoisonError::into_inner);
        look(&mut standings.values().flatten())
    }

    /// Woken when a confirmed verdict changed. Who was not waiting then is woken as soon as they do.
    pub fn changed(&self) -> &Notify {
        &self.changed
    }

    /// A Fork, or a Secret that it refers to, may have changed.
    pub(crate) fn touch(&self, fork: &ObjectRef) {
        if fork.kind == Fork::KIND {
            self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(fork.clone());
            self.woken.notify_one();
        }
    }

    fn tell_changed(&self) {
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    pub(crate) fn put(&self, standing: Standing) {
        let mut standings = self.standings.write().unwrap_or_else(PoisonError::into_inner);
        let Series { fork, probe } = &standing.series;
        let Some(known) = standings.get_mut(fork) else {
            standings.insert(fork.clone(), vec![standing]);
            return;
        };
        match known.binary_search_by(|other| other.series.probe.cmp(probe)) {
            Ok(at) => known[at] = standing,
            Err(at) => known.insert(at, standing),
        }
    }

    /// Keeps of a Fork only what is known of these probes. Answers whether something went.
    fn retain(&self, fork: &ObjectRef, probes: &HashSet<&str>) -> bool {
        let mut standings = self.standings.write().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = standings.get_mut(fork) else { return false };
        let before = known.len();
        known.retain(|standing| probes.contains(standing.series.probe.as_str()));
        let went = known.len() < before;
        if known.is_empty() {
            standings.remove(fork);
        }
        went
    }

    /// Watches all products of the fleet until `stop`. What was known when the process ended is taken up again.
    pub async fn run<S: Store>(context: Arc<Context<S>>, prober: Arc<dyn Prober>, stop: CancellationToken) {
        let known = context.history.standings().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what probes found before this start is not known");
            Vec::new()
        });
        let mut watch = Watch {
            scheduler: Scheduler::new(context.clock.clone(), prober, context.metrics.clone()),
            known: known.into_iter().map(|standing| (standing.series.clone(), standing)).collect(),
            context,
        };
        let context = watch.context.clone();
        let (recorder, records) =
            Recorder::new(context.history.clone(), context.clock.clone(), context.metrics.clone());
        let recording = tokio::spawn(recorder.run(stop.clone()));
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = context.monitor.woken.notified() => watch.sync().await,
                outcome = watch.scheduler.next() => {
                    if let Some(record) = watch.take(outcome) {
                        // The recorder ends after this.
                        drop(records.send(record));
                    }
                }
            }
        }
        drop(records);
        if let Err(error) = recording.await {
            tracing::error!(%error, "the history of probes was lost");
        }
    }
}

struct Watch<S> {
    context: Arc<Context<S>>,
    scheduler: Scheduler,
    /// What was known before this start, of probes that did not come up yet. A tree gives memory back as it empties.
    known: BTreeMap<Series, Standing>,
}

impl<S: Store> Watch<S> {
    /// Probes what is to be probed of the Forks that may be another now.
    async fn sync(&mut self) {
        let touched = std::mem::take(&mut *self.context.monitor.touched.lock().unwrap_or_else(PoisonError::into_inner));
        let mut went = false;
        for reference in touched {
            let fork = self.context.fleet.fork(&reference);
            let targets = match &fork {
                Some(fork) => monitoring::targets(fork, &self.secrets(fork).await),
                None => Vec::new(),
            };
            let probes = targets.iter().map(|target| target.series.probe.as_str()).collect();
            went |= self.context.monitor.retain(&reference, &probes);
            for target in &targets {
                if let Some(standing) = self.known.remove(&target.series) {
                    self.scheduler.restore(&standing);
                    self.context.monitor.put(standing);
                }
            }
            self.scheduler.put(reference, fork, targets);
        }
        if went {
            self.context.monitor.tell_changed();
            self.context.fleet.changed();
        }
    }

    /// The Secrets that probes need; what is missing is absent.
    async fn secrets(&self, fork: &Fork) -> Secrets {
        let namespace = fork.namespace();
        let mut found = Secrets::new();
        for name in monitoring::secrets(&fork.spec) {
            match self.context.store.secret(namespace, name).await {
                Ok(data) => found.extend(data.map(|data| (name.to_owned(), data))),
                Err(error) => tracing::warn!(%error, secret = name, "a Secret of a probe cannot be read"),
            }
        }
        found
    }

    /// Takes in what a run came to; answers what is to be written down.
    fn take(&self, outcome: Option<Outcome>) -> Option<Record> {
        let Outcome { standing, before, spells } = outcome?;
        self.context.monitor.put(standing.clone());
        if let Some(before) = &before {
            self.context.monitor.tell_changed();
            self.context.fleet.changed();
            self.tell(&standing, before);
        }
        let sample = (standing.series.clone(), standing.newest.clone());
        Some(Record { sample, spells, standing: before.is_some().then_some(standing) })
    }

    /// Tells people of a verdict that is another now.
    fn tell(&self, standing: &Standing, before: &monitoring::Confirmed) {
        let Standing { series: Series { fork, probe }, verdict, since, why, .. } = standing;
        tracing::info!(object = %fork, probe, ?verdict, why, "a probe changed");
        let standings = self.context.monitor.standings(fork);
        let event = match (verdict, before.verdict) {
            (Verdict::Down, _) => Some((EventType::Warning, "ProductDown", format!("{probe}: {why}"))),
            (Verdict::Up, Verdict::Down) if standings.iter().all(|other| other.verdict != Verdict::Down) => {
                let took = since.duration_since(before.since);
                Some((EventType::Normal, "ProductUp", format!("{probe} works again; it was down for {took:#.0}")))
            }
            _ => None,
        };
        if let Some((event_type, reason, message)) = event {
            let (context, fork) = (self.context.clone(), fork.clone());
            tokio::spawn(async move { context.store.event(&fork, event_type, reason, &message).await });
        }
        let Some(known) = self.context.fleet.fork(fork) else { return };
        let conditions = known.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let wanted = monitoring::available(conditions, &standings, known.generation(), self.context.clock.now());
        if wanted.as_ref() != conditions.iter().find(|condition| condition.type_ == AVAILABLE) {
            self.context.wake(fork.clone());
        }
    }
}
