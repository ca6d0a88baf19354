//! Figures for Prometheus about the work itself; the providers' are in their transport.

mod catalog;
mod objectives;
mod probes;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use forkable_core::{
    alerting::Depth,
    condition,
    plan::Effect,
    store::{Kind, ObjectRef},
};
use forkable_crds::{
    AlertRule, Deployment, DeploymentStatus, Fork,
    alert_rule::Severity,
    condition::{Condition, ConditionStatus},
};
use jiff::Timestamp;
use prometheus::{Encoder as _, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder};

use crate::{brake::Brake, clock::until, controllers::Passed, fleet::Fleet, monitoring::Monitor};
pub use catalog::{all, document};

/// Kinds that have passes.
const KINDS: [&str; 2] = [Fork::KIND, Deployment::KIND];

/// Figures of this process. The registry is shared with the transport; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    errors: IntCounterVec,
    panics: IntCounterVec,
    durations: HistogramVec,
    active: IntGaugeVec,
    concurrency: IntGaugeVec,
    queue_depth: IntGaugeVec,
    queue_time: HistogramVec,
    leader: IntGaugeVec,
    objects: IntGaugeVec,
    conditions: IntGaugeVec,
    steps: IntCounterVec,
    release_time: HistogramVec,
    releases: IntCounterVec,
    brake: IntGaugeVec,
    journal: IntCounterVec,
    watches: IntCounterVec,
    alerts: IntGaugeVec,
    notifications: IntCounterVec,
    outbox: IntGaugeVec,
    outbox_age: IntGaugeVec,
    alerts_fired: IntCounterVec,
    alert_evaluation: HistogramVec,
    webhooks: IntCounterVec,
    webhook_time: HistogramVec,
    probes: probes::Probes,
    objectives: objectives::Objectives,
    /// Held while gauges of the fleet are counted and read.
    scrape: Arc<Mutex<()>>,
}

/// A pass that runs.
#[derive(Debug)]
#[must_use]
pub(crate) struct Running(IntGauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new().expect("the names of all metrics are valid and differ")
    }
}

impl Metrics {
    fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        catalog::BUILD_INFO.gauge(&registry)?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let metrics = Self {
            reconciles: catalog::RECONCILES.counter(&registry)?,
            errors: catalog::RECONCILE_ERRORS.counter(&registry)?,
            panics: catalog::RECONCILE_PANICS.counter(&registry)?,
            durations: catalog::RECONCILE_TIME.histogram(&registry)?,
            active: catalog::ACTIVE_WORKERS.gauge(&registry)?,
            concurrency: catalog::MAX_CONCURRENT.gauge(&registry)?,
            queue_depth: catalog::QUEUE_DEPTH.gauge(&registry)?,
            queue_time: catalog::QUEUE_TIME.histogram(&registry)?,
            leader: catalog::LEADER.gauge(&registry)?,
            objects: catalog::OBJECTS.gauge(&registry)?,
            conditions: catalog::CONDITIONS.gauge(&registry)?,
            steps: catalog::STEPS.counter(&registry)?,
            release_time: catalog::RELEASE_TIME.histogram(&registry)?,
            releases: catalog::RELEASES.counter(&registry)?,
            brake: catalog::BRAKE.gauge(&registry)?,
            journal: catalog::JOURNAL_ERRORS.counter(&registry)?,
            watches: catalog::WATCH_ERRORS.counter(&registry)?,
            alerts: catalog::ALERTS.gauge(&registry)?,
            notifications: catalog::NOTIFICATIONS.counter(&registry)?,
            outbox: catalog::OUTBOX.gauge(&registry)?,
            outbox_age: catalog::OUTBOX_AGE.gauge(&registry)?,
            alerts_fired: catalog::ALERTS_FIRED.counter(&registry)?,
            alert_evaluation: catalog::ALERT_EVALUATION.histogram(&registry)?,
            webhooks: catalog::WEBHOOKS.counter(&registry)?,
            webhook_time: catalog::WEBHOOK_TIME.histogram(&registry)?,
            probes: probes::Probes::new(&registry)?,
            objectives: objectives::Objectives::new(&registry)?,
            scrape: Arc::default(),
            registry,
        };
        // A counter that is there from the start shows its first increase.
        for controller in KINDS.map(controller) {
            for result in ["success", "requeue", "requeue_after", "error"] {
                metrics.reconciles.with_label_values(&[controller, result]);
            }
            metrics.panics.with_label_values(&[controller]);
        }
        for result in ["live", "failed"] {
            metrics.releases.with_label_values(&[result]);
        }
        Ok(metrics)
    }

    /// Where the transport registers its own.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// How many passes may run at once.
    pub(crate) fn may_run(&self, passes: usize) {
        for controller in KINDS.map(controller) {
            self.concurrency.with_label_values(&[controller]).set(number(passes));
        }
    }

    /// A pass begins, so long after it was due. It runs until the answer is dropped.
    pub(crate) fn began(&self, kind: &str, waited: Duration) -> Running {
        self.queue_time.with_label_values(&[controller(kind)]).observe(waited.as_secs_f64());
        let active = self.active.with_label_values(&[controller(kind)]);
        active.inc();
        Running(active)
    }

    /// A pass ended.
    pub(crate) fn passed(&self, kind: &str, took: Duration, passed: &Passed) {
        let controller = controller(kind);
        self.durations.with_label_values(&[controller]).observe(took.as_secs_f64());
        let result = match passed {
            Passed { failed: Some(_), .. } => "error",
            Passed { next: None, .. } => "success",
            Passed { next: Some(Duration::ZERO), .. } => "requeue",
            Passed { .. } => "requeue_after",
        };
        self.reconciles.with_label_values(&[controller, result]).inc();
        if let Some(reason) = passed.failed {
            self.errors.with_label_values(&[controller, reason]).inc();
        }
    }

    /// Passes of an object panicked, before this process began anew.
    pub(crate) fn panicked(&self, kind: &str, times: u32) {
        self.panics.with_label_values(&[controller(kind)]).inc_by(times.into());
    }

    /// The objects whose pass is due and has not begun.
    pub(crate) fn queued<'a>(&self, due: impl Iterator<Item = &'a ObjectRef>) {
        let mut depths = KINDS.map(|kind| (kind, 0));
        for object in due {
            depths.iter_mut().filter(|(kind, _)| *kind == object.kind).for_each(|(_, depth)| *depth += 1);
        }
        for (kind, depth) in depths {
            self.queue_depth.with_label_values(&[controller(kind)]).set(number(depth));
        }
    }

    /// Whether this process leads the Lease of this name.
    pub fn leads(&self, lease: &str, leads: bool) {
        self.leader.with_label_values(&[lease]).set(i64::from(leads));
    }

    /// The watch of a resource broke and begins anew.
    pub fn watch_broke(&self, resource: &str) {
        self.watches.with_label_values(&[resource]).inc();
    }

    /// A change outside was tried; without an error it is done.
    pub(crate) fn stepped(&self, facet: &str, effect: Effect, error: Option<&'static str>) {
        let effect = match effect {
            Effect::Create => "create",
            Effect::Update => "update",
            Effect::Destroy => "destroy",
        };
        self.steps.with_label_values(&[facet, effect, error.unwrap_or("done")]).inc();
    }

    /// What a release has come to, with its status as it was and as it is.
    pub(crate) fn released(&self, before: Option<&DeploymentStatus>, release: &Deployment, now: Timestamp) {
        let is = |status: Option<&DeploymentStatus>, condition| {
            status.is_some_and(|status| condition::is_true(&status.conditions, condition))
        };
        let after = release.status.as_ref();
        let began = |condition| !is(before, condition) && is(after, condition);
        let age = release.metadata.creation_timestamp.as_ref().map(|made| until(made.0, now));
        let observe = |stage| {
            if let Some(age) = age {
                self.release_time.with_label_values(&[stage]).observe(age.as_secs_f64());
            }
        };
        if began("Built") {
            observe("build");
        }
        // What served before may serve again, and was counted then.
        let is_first = before.is_none_or(|before| before.finished_at.is_none());
        if began("Live") && is_first {
            observe("live");
            self.releases.with_label_values(&["live"]).inc();
        }
        let failed = |status: Option<&DeploymentStatus>| {
            status.is_some_and(|status| status.phase.as_deref() == Some("Failed") && status.finished_at.is_some())
        };
        if !failed(before) && failed(after) {
            self.releases.with_label_values(&["failed"]).inc();
        }
    }

    /// An alert began to fire.
    pub(crate) fn alert_fired(&self, severity: Severity) {
        self.alerts_fired.with_label_values(&[severity_name(severity)]).inc();
    }

    /// A pass over all rules ended, with so many alerts by severity and whether they fire.
    pub(crate) fn alerts(&self, took: Duration, counts: &BTreeMap<(Severity, bool), usize>) {
        self.alert_evaluation.with_label_values::<&str>(&[]).observe(took.as_secs_f64());
        for severity in [Severity::Info, Severity::Warning, Severity::Critical] {
            for (is_firing, state) in [(false, "pending"), (true, "firing")] {
                let count = counts.get(&(severity, is_firing)).copied().unwrap_or_default();
                self.alerts.with_label_values(&[severity_name(severity), state]).set(number(count));
            }
        }
    }

    /// No scrape sees what is being counted anew.
    fn alone(&self) -> MutexGuard<'_, ()> {
        self.scrape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message was tried to be sent by a kind of channel.
    pub(crate) fn notified(&self, channel: &str, outcome: &str) {
        self.notifications.with_label_values(&[channel, outcome]).inc();
    }

    /// How much is in the outbox.
    pub(crate) fn outbox(&self, depth: &Depth, now: Timestamp) {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.outbox.with_label_values(&["pending"]).set(number(depth.pending));
        self.outbox.with_label_values(&["dead"]).set(number(depth.dead));
        let age = depth.oldest.map(|oldest| until(oldest, now).as_secs());
        self.outbox_age.with_label_values::<&str>(&[]).set(number(age.unwrap_or_default()));
    }

    pub(crate) fn journal_failed(&self) {
        self.journal.with_label_values::<&str>(&[]).inc();
    }

    /// A webhook was answered.
    pub(crate) fn webhook(&self, provider: &str, outcome: &str, took: Duration) {
        self.webhooks.with_label_values(&[provider, outcome]).inc();
        self.webhook_time.with_label_values(&[provider]).observe(took.as_secs_f64());
    }

    /// All figures in the text format; those of the fleet are counted now.
    pub fn text(&self, fleet: &Fleet, brake: &Brake, monitor: &Monitor) -> String {
        let _alone = self.alone();
        self.objects.reset();
        self.conditions.reset();
        fleet.with_forks(|forks| {
            self.count(Fork::KIND, forks.iter().map(|fork| fork.status.as_ref().map(|status| &*status.conditions)));
        });
        fleet.with_releases(|releases| {
            self.count(Deployment::KIND, releases.map(|release| release.status.as_ref().map(|s| &*s.conditions)));
        });
        let rules = fleet.rules();
        self.count(AlertRule::KIND, rules.iter().map(|rule| rule.status.as_ref().map(|status| &*status.conditions)));
        self.brake.with_label_values::<&str>(&[]).set(i64::from(brake.holds()));
        monitor.with_standings(|standings| self.probes.count(standings));
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be written");
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    fn count<'a>(&self, kind: &str, objects: impl Iterator<Item = Option<&'a [Condition]>>) {
        let mut ready =
            BTreeMap::from([(ConditionStatus::True, 0), (ConditionStatus::False, 0), (ConditionStatus::Unknown, 0)]);
        let mut counts = BTreeMap::new();
        for conditions in objects {
            let conditions = conditions.unwrap_or_default();
            let found = condition::find(conditions, "Ready");
            *ready.entry(found.map_or(ConditionStatus::Unknown, |found| found.status)).or_default() += 1;
            for Condition { type_, status, reason, .. } in conditions {
                *counts.entry([type_, status.as_str(), reason]).or_default() += 1;
            }
        }
        for (status, count) in ready {
            self.objects.with_label_values(&[kind, status.as_str()]).set(count);
        }
        for ([of, status, reason], count) in counts {
            self.conditions.with_label_values(&[kind, of, status, reason]).set(count);
        }
    }
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

/// A kind as controller-runtime calls its controller.
fn controller(kind: &str) -> &'static str {
    if kind == Fork::KIND { "fork" } else { "deployment" }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
