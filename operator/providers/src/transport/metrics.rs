//! Metrics of all calls outside.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use forkable_core::error::Provider;
use jiff::Timestamp;
use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec, Registry};

use super::quota::Quota;
use crate::metric::{Kind, Metric};

const REQUESTS: Metric = Metric {
    name: "forkable_provider_requests_total",
    kind: Kind::Counter,
    labels: &["provider", "operation", "code"],
    help: "Calls to a provider, by operation and by HTTP status or the reason why there is none.",
};
const DURATION: Metric = Metric {
    name: "forkable_provider_request_duration_seconds",
    kind: Kind::Histogram(&[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
    labels: &["provider", "operation"],
    help: "Time from asking for a call to its whole answer, waiting for its turn included.",
};
const QUOTA_REMAINING: Metric = Metric {
    name: "forkable_provider_quota_remaining",
    kind: Kind::Gauge,
    labels: &["provider", "bucket"],
    help: "Calls left of a provider's quota as last told by it; of several credentials, the one that has the least left.",
};
const QUOTA_LIMIT: Metric = Metric {
    name: "forkable_provider_quota_limit",
    kind: Kind::Gauge,
    labels: &["provider", "bucket"],
    help: "The whole quota of which forkable_provider_quota_remaining is left.",
};

/// All metrics of this module.
pub const METRICS: [Metric; 4] = [REQUESTS, DURATION, QUOTA_REMAINING, QUOTA_LIMIT];

/// Metrics of all calls outside. Clones count together.
#[derive(Clone)]
pub struct Metrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    remaining: IntGaugeVec,
    limit: IntGaugeVec,
    quotas: Arc<Quotas>,
}

#[derive(Default)]
struct Quotas {
    budgets: AtomicU64,
    /// The quota of each budget, by provider and bucket.
    told: Mutex<BTreeMap<[&'static str; 2], HashMap<u64, Quota>>>,
}

impl Metrics {
    /// Errors: they are registered there already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            requests: REQUESTS.counter(registry)?,
            duration: DURATION.histogram(registry)?,
            remaining: QUOTA_REMAINING.gauge(registry)?,
            limit: QUOTA_LIMIT.gauge(registry)?,
            quotas: Arc::default(),
        })
    }

    pub(super) fn called(&self, provider: Provider, operation: &'static str, code: &str, took: Duration) {
        let provider = provider_label(provider);
        self.requests.with_label_values(&[provider, operation, code]).inc();
        self.duration.with_label_values(&[provider, operation]).observe(took.as_secs_f64());
    }

    /// A number for one budget, to tell its quotas apart from those of other credentials.
    pub(super) fn budget(&self) -> u64 {
        self.quotas.budgets.fetch_add(1, Ordering::Relaxed)
    }

    /// What is left to a budget; shown is the least of all of which it still holds.
    pub(super) fn left(&self, provider: Provider, bucket: &'static str, budget: u64, quota: Quota, now: Timestamp) {
        let labels = [provider_label(provider), bucket];
        let mut told = self.quotas.told.lock().unwrap_or_else(PoisonError::into_inner);
        let quotas = told.entry(labels).or_default();
        quotas.insert(budget, quota);
        quotas.retain(|of, quota| *of == budget || quota.reset() > now);
        let Some(least) = quotas.values().min_by_key(|quota| quota.remaining()) else { return };
        self.remaining.with_label_values(&labels).set(i64::from(least.remaining()));
        self.limit.with_label_values(&labels).set(i64::from(least.limit()));
    }
}

/// The provider as a metric label.
pub fn provider_label(provider: Provider) -> &'static str {
    match provider {
        Provider::GitHub => "github",
        Provider::Vercel => "vercel",
    }
}
