//! Figures of probes. Those of the whole fleet count every run; those of one probe are told of 1,000 at most.

use std::time::Duration;

use forkable_core::monitoring::{Phases, Standing, Verdict};
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Registry};

use super::{Metrics, catalog, number};

/// Probes that have series of their own, the first by Fork and name.
const TOLD: usize = 1000;
const VERDICTS: [Verdict; 3] = [Verdict::Up, Verdict::Down, Verdict::Unknown];

#[derive(Clone, Debug)]
pub(super) struct Probes {
    success: IntGaugeVec,
    certificates: IntGaugeVec,
    verdicts: IntGaugeVec,
    runs: IntCounterVec,
    skipped: IntCounter,
    time: Histogram,
    phases: HistogramVec,
    lateness: Histogram,
}

impl Probes {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let none: &[&str] = &[];
        let probes = Self {
            success: catalog::PROBE_SUCCESS.gauge(registry)?,
            certificates: catalog::PROBE_CERTIFICATE.gauge(registry)?,
            verdicts: catalog::PROBES.gauge(registry)?,
            runs: catalog::PROBE_RUNS.counter(registry)?,
            skipped: catalog::PROBE_SKIPPED.counter(registry)?.with_label_values(none),
            time: catalog::PROBE_TIME.histogram(registry)?.with_label_values(none),
            phases: catalog::PROBE_PHASES.histogram(registry)?,
            lateness: catalog::PROBE_LATENESS.histogram(registry)?.with_label_values(none),
        };
        for verdict in VERDICTS {
            probes.runs.with_label_values(&[name(verdict)]);
        }
        for (phase, _) in Phases::default().named() {
            probes.phases.with_label_values(&[phase]);
        }
        Ok(probes)
    }

    /// Counts what is known now.
    pub(super) fn count(&self, standings: &mut dyn Iterator<Item = &Standing>) {
        self.success.reset();
        self.certificates.reset();
        let mut counts = [0; VERDICTS.len()];
        for (index, Standing { series, verdict, certificate_ends, .. }) in standings.enumerate() {
            for (count, _) in counts.iter_mut().zip(VERDICTS).filter(|(_, of)| of == verdict) {
                *count += 1;
            }
            if index >= TOLD {
                continue;
            }
            let labels = [&series.fork.namespace, &series.fork.name, &series.probe];
            if *verdict != Verdict::Unknown {
                self.success.with_label_values(&labels).set(i64::from(*verdict == Verdict::Up));
            }
            if let Some(ends) = certificate_ends {
                self.certificates.with_label_values(&labels).set(ends.as_second());
            }
        }
        for (count, verdict) in counts.into_iter().zip(VERDICTS) {
            self.verdicts.with_label_values(&[name(verdict)]).set(number(count));
        }
    }
}

impl Metrics {
    /// A run began, so long after it was due.
    pub(crate) fn probe_began(&self, late: Duration) {
        self.probes.lateness.observe(late.as_secs_f64());
    }

    /// So many runs were left out.
    pub(crate) fn probes_skipped(&self, count: u64) {
        self.probes.skipped.inc_by(count);
    }

    /// A run ended.
    pub(crate) fn probe_ended(&self, found: Verdict, latency: Option<Duration>, phases: &Phases) {
        self.probes.runs.with_label_values(&[name(found)]).inc();
        if let Some(latency) = latency {
            self.probes.time.observe(latency.as_secs_f64());
        }
        for (phase, took) in phases.named().into_iter().filter_map(|(phase, took)| Some((phase, took?))) {
            self.probes.phases.with_label_values(&[phase]).observe(took.as_secs_f64());
        }
    }
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Up => "up",
        Verdict::Down => "down",
        Verdict::Unknown => "unknown",
    }
}
