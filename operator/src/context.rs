//! Everything that a pass works with.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use forkable_core::{
    alerting::{Depth, Envelope, Failing, Failure, Group, Letter, Outbox, Receipt},
    journal::{Entry, Journal, JournalError},
    monitoring::{History, Point, Sample, Series, Spell, Standing},
    store::{ObjectRef, Store},
};
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};

use crate::{
    accounts::Accounts, alerting::Alerts, brake::Brake, clock::Clock, controllers::deployment::Builds, fleet::Fleet,
    metrics::Metrics, monitoring::Monitor, observe::Cache, progress::Teller, schedule::Schedule, unsaved::Unsaved,
};

/// Everything that a pass works with.
pub struct Context<S> {
    pub alerts: Alerts,
    pub store: S,
    pub accounts: Accounts,
    pub journal: Arc<dyn Journal>,
    /// What probes found, and what they find.
    pub history: Arc<dyn History>,
    pub monitor: Monitor,
    pub outbox: Arc<dyn Outbox>,
    /// Something was put into the outbox, or is due there at another time.
    pub(crate) posted: Notify,
    pub clock: Clock,
    pub cache: Cache,
    pub builds: Builds,
    pub fleet: Fleet,
    pub brake: Brake,
    pub metrics: Metrics,
    pub progress: Teller,
    pub schedule: Schedule,
    pub unsaved: Unsaved,
    /// How long a Fork is kept whose deletion policy cannot be applied.
    pub abandon_after: Duration,
    pub services: Services,
    wakes: mpsc::UnboundedSender<ObjectRef>,
    ready: AtomicBool,
    loaded: AtomicBool,
}

/// The parts of a [`Context`] that differ between hosts.
pub struct Parts<S> {
    pub store: S,
    pub accounts: Accounts,
    pub journal: Arc<dyn Journal>,
    pub history: Arc<dyn History>,
    pub outbox: Arc<dyn Outbox>,
    pub clock: Clock,
    pub metrics: Metrics,
    pub abandon_after: Duration,
    pub services: Services,
}

/// Where is asked for what is known of products elsewhere.
#[derive(Clone, Debug)]
pub struct Services {
    /// The Prometheus server of queries that name none.
    pub prometheus: Option<String>,
    /// The status page of GitHub.
    pub github_status: String,
    /// The status page of Vercel.
    pub vercel_status: String,
    /// Sentry, for signals that name no other.
    pub sentry: String,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            prometheus: None,
            github_status: "https://www.githubstatus.com".into(),
            vercel_status: "https://www.vercel-status.com".into(),
            sentry: "https://sentry.io".into(),
        }
    }
}

impl<S: Store> Context<S> {
    /// The context, and the wishes for passes that the driver has to hear.
    pub fn new(parts: Parts<S>) -> (Arc<Self>, mpsc::UnboundedReceiver<ObjectRef>) {
        let Parts { store, accounts, journal, history, outbox, clock, metrics, abandon_after, services } = parts;
        let (wakes, woken) = mpsc::unbounded_channel();
        let context = Self {
            store,
            accounts,
            journal,
            history,
            monitor: Monitor::default(),
            outbox,
            posted: Notify::new(),
            clock,
            metrics,
            abandon_after,
            services,
            alerts: Alerts::default(),
            cache: Cache::default(),
            builds: Builds::default(),
            fleet: Fleet::default(),
            brake: Brake::default(),
            progress: Teller::default(),
            schedule: Schedule::default(),
            unsaved: Unsaved::default(),
            wakes,
            ready: AtomicBool::new(false),
            loaded: AtomicBool::new(false),
        };
        (Arc::new(context), woken)
    }

    /// Whether this process could work: its store knows all objects.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(crate) fn ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Whether this process works: every object of the store was read. One that stands by is only ready.
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    pub(crate) fn loaded(&self) {
        self.ready();
        self.loaded.store(true, Ordering::Release);
    }

    /// Asks for a pass of an object now.
    pub fn wake(&self, object: ObjectRef) {
        // The driver is gone only when the process ends.
        let _ = self.wakes.send(object);
    }

    /// Writes to the journal; losing it never matters to a pass.
    pub async fn record(&self, entry: Entry) {
        if let Err(error) = self.journal.record(entry).await {
            self.metrics.journal_failed();
            tracing::warn!(%error, "a step is missing in the journal");
        }
    }
}

/// No journal: for what changes nothing.
pub struct NoJournal;

#[async_trait]
impl Journal for NoJournal {
    async fn record(&self, _: Entry) -> Result<(), JournalError> {
        Ok(())
    }

    async fn newest(&self, _: &ObjectRef, _: u32) -> Result<Vec<Entry>, JournalError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl History for NoJournal {
    async fn add(&self, _: &[(Series, Sample)]) -> Result<(), JournalError> {
        Ok(())
    }

    async fn add_spells(&self, _: &[Spell]) -> Result<(), JournalError> {
        Ok(())
    }

    async fn put_standings(&self, _: &[Standing]) -> Result<(), JournalError> {
        Ok(())
    }

    async fn standings(&self) -> Result<Vec<Standing>, JournalError> {
        Ok(Vec::new())
    }

    async fn tidy(&self, _: Timestamp) -> Result<(), JournalError> {
        Ok(())
    }

    async fn points(&self, _: &Series, _: Timestamp, _: Timestamp, _: Duration) -> Result<Vec<Point>, JournalError> {
        Ok(Vec::new())
    }

    async fn spells(&self, _: &ObjectRef, _: Timestamp, _: Timestamp) -> Result<Vec<Spell>, JournalError> {
        Ok(Vec::new())
    }
}

/// Nobody is told.
#[async_trait]
impl Outbox for NoJournal {
    async fn group(&self, _: &str) -> Result<Option<Group>, JournalError> {
        Ok(None)
    }

    async fn groups(&self) -> Result<Vec<Group>, JournalError> {
        Ok(Vec::new())
    }

    async fn first(&self) -> Result<Option<Group>, JournalError> {
        Ok(None)
    }

    async fn save(&self, _: &Group, _: &[Envelope]) -> Result<bool, JournalError> {
        Err(JournalError("there is none".into()))
    }

    async fn heads(&self, _: u32) -> Result<Vec<Envelope>, JournalError> {
        Ok(Vec::new())
    }

    async fn sent(&self, _: &Envelope, _: &Receipt, _: jiff::Timestamp, _: &[Envelope]) -> Result<(), JournalError> {
        Ok(())
    }

    async fn failed(&self, _: &Envelope, _: &Failure, _: jiff::Timestamp, _: &[Envelope]) -> Result<(), JournalError> {
        Ok(())
    }

    async fn discard(&self, _: &Envelope) -> Result<(), JournalError> {
        Ok(())
    }

    async fn failing(&self) -> Result<Vec<Failing>, JournalError> {
        Ok(Vec::new())
    }

    async fn resend(&self, _: &str, _: &str, _: jiff::Timestamp, _: jiff::Timestamp) -> Result<u64, JournalError> {
        Ok(0)
    }

    async fn dead(&self, _: u32) -> Result<Vec<Letter>, JournalError> {
        Ok(Vec::new())
    }

    async fn depth(&self) -> Result<Depth, JournalError> {
        Ok(Depth::default())
    }
}
