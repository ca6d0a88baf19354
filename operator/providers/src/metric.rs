//! A metric as a value: the registry, the documentation and the checks of rules and dashboards read the same one.

use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, Result, core::Collector,
};

/// What a metric is called, what it counts and by what.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// Every one of them has few values: none is the name of an object.
    pub labels: &'static [&'static str],
    /// One sentence or two, with the unit.
    pub help: &'static str,
}

/// How a metric behaves.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Only grows, from 0 when the process starts.
    Counter,
    Gauge,
    /// Upper bounds of its buckets.
    Histogram(&'static [f64]),
}

impl Kind {
    /// As in `# TYPE`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Metric {
    /// Registers it as a counter. Errors: the name is taken or wrong.
    pub fn counter(&self, registry: &Registry) -> Result<IntCounterVec> {
        let counter = IntCounterVec::new(self.opts(), self.labels)?;
        if self.labels.is_empty() {
            // Seen from the start, so that its first increase is one.
            counter.with_label_values::<&str>(&[]);
        }
        registered(registry, counter)
    }

    /// Registers it as a gauge. Errors: the name is taken or wrong.
    pub fn gauge(&self, registry: &Registry) -> Result<IntGaugeVec> {
        registered(registry, IntGaugeVec::new(self.opts(), self.labels)?)
    }

    /// Registers it as a gauge of fractions. Errors: the name is taken or wrong.
    pub fn ratio(&self, registry: &Registry) -> Result<GaugeVec> {
        registered(registry, GaugeVec::new(self.opts(), self.labels)?)
    }

    /// Registers it as a histogram. Errors: the name is taken or wrong.
    pub fn histogram(&self, registry: &Registry) -> Result<HistogramVec> {
        let Kind::Histogram(buckets) = self.kind else {
            return Err(prometheus::Error::Msg(format!("{} is no histogram", self.name)));
        };
        let opts = HistogramOpts::new(self.name, self.help).buckets(buckets.to_vec());
        registered(registry, HistogramVec::new(opts, self.labels)?)
    }

    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
