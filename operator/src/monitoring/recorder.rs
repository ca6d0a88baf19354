//! Writes down what probes found: in one go about every second, so that runs never wait for the disk.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use forkable_core::{
    journal::JournalError,
    monitoring::{History, Sample, Series, Spell, Standing},
    store::ObjectRef,
};
use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, metrics::Metrics};

/// Time between two writes.
const FLUSH: Duration = Duration::from_secs(1);
/// Time between two times that the history is tidied up.
const TIDY: Duration = Duration::from_hours(1);
/// When it is tidied up first, so that a start has no more to do than it must.
const FIRST_TIDY: Duration = Duration::from_mins(2);
/// Runs that wait to be written while the journal takes nothing; older ones are lost.
const WAITING: usize = 100_000;

/// What one run leaves to be written down.
#[derive(Debug)]
pub struct Record {
    pub sample: (Series, Sample),
    pub spells: Vec<Spell>,
    /// What is confirmed, if that changed.
    pub standing: Option<Standing>,
}

/// Writes down what it is sent until nobody sends any more.
pub struct Recorder {
    history: Arc<dyn History>,
    clock: Clock,
    metrics: Metrics,
    records: mpsc::UnboundedReceiver<Record>,
    samples: Vec<(Series, Sample)>,
    spells: BTreeMap<(ObjectRef, Timestamp), Spell>,
    standings: HashMap<Series, Standing>,
}

impl Recorder {
    pub fn new(history: Arc<dyn History>, clock: Clock, metrics: Metrics) -> (Self, mpsc::UnboundedSender<Record>) {
        let (sender, records) = mpsc::unbounded_channel();
        let (samples, spells, standings) = (Vec::new(), BTreeMap::new(), HashMap::new());
        (Self { history, clock, metrics, records, samples, spells, standings }, sender)
    }

    pub async fn run(mut self, stop: CancellationToken) {
        let tidying = tokio::spawn(tidy(self.history.clone(), self.clock.clone(), stop));
        let mut more = true;
        while more {
            more = self.gather().await;
            self.flush().await;
        }
        if let Err(error) = tidying.await {
            tracing::error!(%error, "the history of probes was not tidied up");
        }
    }

    /// Gathers for a while from the first record on, but no longer once a verdict changed: a process that is killed then
    /// must know it when it starts again. Answers whether more may come.
    async fn gather(&mut self) -> bool {
        let Some(first) = self.records.recv().await else { return false };
        let mut is_urgent = self.take(first);
        let end = Instant::now() + FLUSH;
        while !is_urgent {
            match timeout_at(end, self.records.recv()).await {
                Ok(Some(record)) => is_urgent = self.take(record),
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
        while let Ok(record) = self.records.try_recv() {
            self.take(record);
        }
        true
    }

    /// Answers whether a verdict changed.
    fn take(&mut self, Record { sample, spells, standing }: Record) -> bool {
        let is_urgent = standing.is_some();
        self.samples.push(sample);
        self.spells.extend(spells.into_iter().map(|spell| ((spell.fork.clone(), spell.from), spell)));
        self.standings.extend(standing.map(|standing| (standing.series.clone(), standing)));
        is_urgent
    }

    /// What cannot be written waits for the next time.
    async fn flush(&mut self) {
        if let Err(error) = self.write().await {
            self.metrics.journal_failed();
            tracing::warn!(%error, "what probes found is not written down yet");
            let extra = self.samples.len().saturating_sub(WAITING);
            self.samples.drain(..extra);
        }
    }

    async fn write(&mut self) -> Result<(), JournalError> {
        // What is confirmed goes first: it decides whether people are told again after a restart.
        if !self.standings.is_empty() {
            let standings: Vec<_> = self.standings.values().cloned().collect();
            self.history.put_standings(&standings).await?;
            self.standings.clear();
        }
        if !self.samples.is_empty() {
            self.history.add(&self.samples).await?;
            self.samples.clear();
        }
        if !self.spells.is_empty() {
            let spells: Vec<_> = self.spells.values().cloned().collect();
            self.history.add_spells(&spells).await?;
            self.spells.clear();
        }
        Ok(())
    }
}

async fn tidy(history: Arc<dyn History>, clock: Clock, stop: CancellationToken) {
    let mut wait = FIRST_TIDY;
    while stop.run_until_cancelled(sleep(wait)).await.is_some() {
        if let Err(error) = history.tidy(clock.now()).await {
            tracing::warn!(%error, "the history of probes is not tidied up");
        }
        wait = TIDY;
    }
}
