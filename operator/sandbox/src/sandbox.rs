//! The world and its one lock: everything the sandbox knows, how it is changed, and how it is kept on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::faults::Faults;
use crate::limits::Buckets;
use crate::requests::RequestLog;
use crate::settings::Settings;
use crate::tokens::Tokens;
use crate::webhooks::Event;
use crate::{github, pagerduty, sentry, slack, statuspage, vercel};

/// What the world's DNS answers for a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsRecord {
    /// `A`, `AAAA`, `CNAME`, `TXT`, `NS`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The record's data.
    pub value: String,
}

/// How the sites of a commit answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Degraded {
    /// The status of every answer.
    pub status: u16,
    /// Only where visitors of production come to, not at the deployment's own address.
    #[serde(default)]
    pub live_only: bool,
}

/// Everything that is kept in a snapshot, and the faults of this run.
#[derive(Debug, Serialize, Deserialize)]
pub struct World {
    /// GitHub.
    pub github: github::State,
    /// Vercel.
    pub vercel: vercel::State,
    /// Slack.
    #[serde(default)]
    pub slack: slack::State,
    /// PagerDuty.
    #[serde(default)]
    pub pagerduty: pagerduty::State,
    /// Status pages of providers.
    #[serde(default)]
    pub statuspage: statuspage::State,
    /// Sentry.
    #[serde(default)]
    pub sentry: sentry::State,
    /// DNS: what was published for each name, and when.
    pub dns: BTreeMap<String, (Timestamp, Vec<DnsRecord>)>,
    /// The time.
    pub clock: Clock,
    /// What arrived.
    pub requests: RequestLog,
    /// Who may call.
    pub tokens: Tokens,
    /// Rate-limit counters of both providers.
    pub buckets: Buckets,
    /// Latencies, plans and switches.
    pub settings: Settings,
    /// Commits whose sites answer badly.
    #[serde(default)]
    pub degraded: BTreeMap<String, Degraded>,
    #[serde(skip)]
    pub(crate) faults: Faults,
    /// Where this sandbox is reached: `http://127.0.0.1:PORT`.
    #[serde(skip)]
    pub base: Arc<str>,
    /// Events that happened and have not been handed to delivery.
    #[serde(skip)]
    outbox: Vec<Event>,
}

impl World {
    /// A fresh world with the default seed.
    pub fn seeded(settings: Settings) -> Self {
        let clock = Clock::default();
        let now = clock.now();
        Self {
            github: github::State::seeded(now),
            vercel: vercel::State::seeded(now),
            slack: slack::State::default(),
            pagerduty: pagerduty::State::default(),
            statuspage: statuspage::State::default(),
            sentry: sentry::State::default(),
            dns: BTreeMap::new(),
            clock,
            requests: RequestLog::default(),
            tokens: Tokens::default(),
            buckets: Buckets::default(),
            settings,
            degraded: BTreeMap::new(),
            faults: Faults::default(),
            base: Arc::default(),
            outbox: Vec::new(),
        }
    }

    /// Queues a webhook; it is sent once the change is committed.
    pub fn emit(&mut self, event: Event) {
        self.outbox.push(event);
    }

    /// Makes what is due by `now` happen: repositories get their content, builds go on. True when something changed.
    pub(crate) fn tick(&mut self, now: Timestamp) -> bool {
        let github = github::tick(self, now);
        let vercel = vercel::tick(self, now);
        github || vercel
    }
}

#[derive(Debug, Default)]
struct Saved {
    written: u64,
}

/// A running sandbox: the world behind its lock, and what is needed around it.
#[derive(Debug)]
pub struct Sandbox {
    world: Mutex<World>,
    /// Counts changes, so that a snapshot that is already on disk is not written again.
    version: std::sync::atomic::AtomicU64,
    snapshot: Option<PathBuf>,
    saved: Mutex<Saved>,
    events: mpsc::UnboundedSender<Event>,
    /// GitHub answers so many calls at a time.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) released: watch::Sender<BTreeSet<u64>>,
    pub(crate) shutdown: CancellationToken,
    /// What visitors of deployments do, for those who follow it.
    pub(crate) visits: broadcast::Sender<Arc<vercel::Visit>>,
    /// Where this sandbox is reached: `http://127.0.0.1:PORT`.
    pub base: Arc<str>,
}

impl Sandbox {
    pub(crate) fn new(
        mut world: World,
        snapshot: Option<PathBuf>,
        base: String,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Event>) {
        let (events, queue) = mpsc::unbounded_channel();
        let base: Arc<str> = base.into();
        world.base = Arc::clone(&base);
        let sandbox = Self {
            world: Mutex::new(world),
            version: 1.into(),
            snapshot,
            saved: Mutex::default(),
            events,
            slots: Arc::new(Semaphore::new(github::CONCURRENT)),
            released: watch::Sender::default(),
            shutdown: CancellationToken::new(),
            visits: broadcast::Sender::new(1024),
            base,
        };
        (Arc::new(sandbox), queue)
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // A handler that panicked is a bug that its own caller sees; the others go on.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the world.
    pub fn read<R>(&self, look: impl FnOnce(&World, Timestamp) -> R) -> R {
        let world = self.lock();
        let now = world.clock.now();
        look(&world, now)
    }

    /// Changes the world; webhooks that this caused are sent afterwards.
    pub fn write<R>(&self, change: impl FnOnce(&mut World, Timestamp) -> R) -> R {
        let mut world = self.lock();
        let now = world.clock.now();
        world.tick(now);
        let result = change(&mut world, now);
        self.changed(&mut world);
        result
    }

    /// Changes what no snapshot keeps: the request log and the faults.
    pub(crate) fn note<R>(&self, change: impl FnOnce(&mut World, Timestamp) -> R) -> R {
        let mut world = self.lock();
        let now = world.clock.now();
        change(&mut world, now)
    }

    /// Makes due things happen even if nobody asks.
    pub(crate) fn tick(&self) {
        let mut world = self.lock();
        let now = world.clock.now();
        if world.tick(now) {
            self.changed(&mut world);
        }
    }

    fn changed(&self, world: &mut World) {
        self.version.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        for event in world.outbox.drain(..) {
            // The receiver is gone only when the sandbox stops.
            let _ = self.events.send(event);
        }
    }

    /// Writes the snapshot if something changed since the last one. Callers that wait here share one write.
    pub fn persist(&self) -> anyhow::Result<()> {
        let Some(path) = &self.snapshot else {
            return Ok(());
        };
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, bytes) = {
            let world = self.lock();
            let version = self.version.load(std::sync::atomic::Ordering::SeqCst);
            if version == saved.written {
                return Ok(());
            }
            (version, serde_json::to_vec(&*world).context("the world as JSON")?)
        };
        let temporary = path.with_extension("tmp");
        std::fs::write(&temporary, bytes).with_context(|| format!("writing {}", temporary.display()))?;
        std::fs::rename(&temporary, path).with_context(|| format!("renaming to {}", path.display()))?;
        saved.written = version;
        Ok(())
    }
}
