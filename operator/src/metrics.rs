//! Figures for Prometheus about the work itself; the providers' are in their transport.

use std::time::Duration;

use forkable_core::store::Kind;
use forkable_crds::{Deployment, Fork};
use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::fleet::Fleet;

/// Figures of this process. The registry is shared with the transport.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    durations: HistogramVec,
    errors: IntCounterVec,
    queue: IntGauge,
    objects: IntGaugeVec,
    journal: IntCounter,
    leads: IntGaugeVec,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new().expect("the names of all metrics are valid and differ")
    }
}

impl Metrics {
    fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let metrics = Self {
            durations: HistogramVec::new(
                HistogramOpts::new("forkable_reconcile_duration_seconds", "How long passes take.")
                    .buckets(vec![0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0]),
                &["kind"],
            )?,
            errors: IntCounterVec::new(
                Opts::new("forkable_reconcile_errors_total", "Passes that failed, by the reason of the first error."),
                &["kind", "reason"],
            )?,
            queue: IntGauge::new("forkable_queue_depth", "Objects that wait for a pass, now or later.")?,
            objects: IntGaugeVec::new(
                Opts::new("forkable_objects", "Objects by the status of their condition Ready."),
                &["kind", "ready"],
            )?,
            journal: IntCounter::new("forkable_journal_errors_total", "Entries that the journal did not take.")?,
            leads: IntGaugeVec::new(
                Opts::new("leader_election_master_status", "Whether this process leads: 1 if it holds the Lease."),
                &["name"],
            )?,
            registry,
        };
        let build = IntGaugeVec::new(Opts::new("forkable_build_info", "Always 1; the label tells."), &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        metrics.registry.register(Box::new(build))?;
        metrics.registry.register(Box::new(metrics.durations.clone()))?;
        metrics.registry.register(Box::new(metrics.errors.clone()))?;
        metrics.registry.register(Box::new(metrics.queue.clone()))?;
        metrics.registry.register(Box::new(metrics.objects.clone()))?;
        metrics.registry.register(Box::new(metrics.journal.clone()))?;
        metrics.registry.register(Box::new(metrics.leads.clone()))?;
        Ok(metrics)
    }

    /// Where the transport registers its own.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn passed(&self, kind: &'static str, took: Duration, error: Option<&'static str>) {
        self.durations.with_label_values(&[kind]).observe(took.as_secs_f64());
        if let Some(reason) = error {
            self.errors.with_label_values(&[kind, reason]).inc();
        }
    }

    pub(crate) fn queued(&self, depth: usize) {
        self.queue.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    pub(crate) fn leads(&self, lease: &str, leads: bool) {
        self.leads.with_label_values(&[lease]).set(i64::from(leads));
    }

    pub(crate) fn journal_failed(&self) {
        self.journal.inc();
    }

    /// All figures in the text format, objects counted now.
    pub fn text(&self, fleet: &Fleet) -> String {
        self.objects.reset();
        fleet.with_forks(|forks| {
            for fork in forks {
                let conditions = fork.status.as_ref().map_or(&[][..], |status| &status.conditions);
                self.objects.with_label_values(&[Fork::KIND, ready(conditions)]).inc();
            }
        });
        fleet.with_releases(|releases| {
            for release in releases {
                let conditions = release.status.as_ref().map_or(&[][..], |status| &status.conditions);
                self.objects.with_label_values(&[Deployment::KIND, ready(conditions)]).inc();
            }
        });
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be written");
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn ready(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]) -> &str {
    conditions.iter().find(|condition| condition.type_ == "Ready").map_or("Unknown", |condition| &condition.status)
}
