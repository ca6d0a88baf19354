//! The way to the providers: one stack of trace → budget → timeout → client under both adapters.
//!
//! It sends a call at most once and never retries: the driver's requeue is the only retry layer of the program.
//! Redirects are not followed either, because a followed `DELETE` of a renamed repository deletes it.

mod answer;
mod budget;
mod client;
mod metrics;
mod quota;
#[cfg(test)]
mod tests;
mod tls;
mod trace;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use forkable_core::{PortError, error::Provider};
use jiff::Timestamp;
use tokio::sync::mpsc;
use tower::{Layer as _, Service, ServiceExt as _, layer::layer_fn, util::BoxCloneSyncService};

pub(crate) use self::tls::client;
pub use answer::{json, message_of, shortened, unreadable};
use budget::{Budget, Budgeted};
use client::Client;
pub use metrics::{METRICS, Metrics, provider_label};
pub use quota::{Window, reset};
use trace::Traced;

/// An answer, read whole.
pub type Answer = http::Response<Bytes>;

/// What is sent, and what it draws on.
#[derive(Clone)]
pub struct Call {
    /// Template of the call such as `GET /repos/{owner}/{repo}`, without ids: the label of traces and metrics.
    pub operation: &'static str,
    /// The provider's quota that it draws on; answers teach how much of it is left.
    pub bucket: &'static str,
    pub priority: Priority,
    /// Whether it changes anything.
    pub write: bool,
    pub request: http::Request<Bytes>,
    /// Where the body of a successful answer goes, line by line as it comes; the [`Answer`] is then its head, with no
    /// body. It ends when nobody listens any more.
    pub lines: Option<mpsc::Sender<Line>>,
}

/// A line of an answer that goes on; after an error there are no more.
pub type Line = Result<String, PortError>;

impl fmt::Debug for Call {
    /// Without the request, whose body may have secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// Who goes first when a quota runs low: the lower ones stop earlier and leave the rest to the higher ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Looking at a fleet.
    Drift,
    /// Making or changing one fork.
    Create,
    /// Making a build live.
    Promote,
    /// Taking a bad build off.
    Rollback,
}

/// Tells the time; tests bring their own.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;

    /// How long a span of this clock takes in the real world.
    fn real(&self, span: Duration) -> Duration {
        span
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    pub connect: Duration,
    /// From sending to the last byte of the answer.
    pub call: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), call: Duration::from_secs(30) }
    }
}

/// What a provider allows one credential, as far as its answers do not tell it.
#[derive(Clone, Debug)]
pub struct Limits {
    pub provider: Provider,
    /// All of them hold at once.
    pub windows: Vec<Window>,
    /// Calls under way at one time.
    pub concurrent: usize,
}

/// What the transports of one process share: connections, metrics, clock.
#[derive(Clone)]
pub struct Network {
    client: Client,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
}

/// No client could be made: the machine's root certificates cannot be read, or the metrics are registered already.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("making the HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    #[error("registering metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Network {
    /// A process-wide rustls provider must be installed before this.
    pub fn new(
        registry: &prometheus::Registry,
        timeouts: Timeouts,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, NetworkError> {
        Ok(Self { client: Client::new(timeouts)?, metrics: Metrics::register(registry)?, clock })
    }

    /// A transport for one credential, whose budget it keeps.
    pub fn transport(&self, limits: Limits) -> Transport {
        let client = self.client.clone().of(limits.provider);
        Transport::over(client, limits, &self.metrics, Arc::clone(&self.clock))
    }
}

/// Sends the calls of one credential within its budget. Clones share the budget.
#[derive(Clone)]
pub struct Transport {
    provider: Provider,
    stack: BoxCloneSyncService<Call, Answer, PortError>,
    budget: Arc<Budget>,
}

impl Transport {
    /// The stack over any client, such as one that a test wrote.
    pub fn over<S>(client: S, limits: Limits, metrics: &Metrics, clock: Arc<dyn Clock>) -> Self
    where
        S: Service<Call, Response = Answer, Error = PortError> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        let provider = limits.provider;
        let budget = Arc::new(Budget::new(limits, metrics.clone(), clock));
        let stack = (
            layer_fn(|inner| Traced::new(inner, provider, metrics.clone())),
            layer_fn(|inner| Budgeted::new(inner, Arc::clone(&budget))),
        )
            .layer(client);
        Self { provider, stack: BoxCloneSyncService::new(stack), budget }
    }

    /// Sends a call once. Any HTTP status but a rate limit is an `Ok`.
    ///
    /// Errors: [`PortError::RateLimited`] without sending when the budget has no room within two seconds, or as
    /// answered; [`PortError::Unavailable`] when no whole answer came.
    pub async fn send(&self, call: Call) -> Result<Answer, PortError> {
        self.stack.clone().oneshot(call).await
    }

    /// Whom it speaks to.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// The time of the clock that the budget goes by.
    pub fn now(&self) -> Timestamp {
        self.budget.now()
    }

    /// A limit that only the body of a successful answer told (GraphQL): nothing of this bucket is sent before `until`.
    pub fn exhausted(&self, bucket: &'static str, until: Timestamp) -> PortError {
        self.budget.exhausted(bucket, until);
        PortError::RateLimited { provider: self.provider, until }
    }
}
