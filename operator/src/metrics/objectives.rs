//! Figures of objectives, by Fork and rule.

use std::time::Duration;

use forkable_core::alerting::Budget;
use prometheus::{GaugeVec, Registry};

use super::{Metrics, catalog};

/// Pairs of Fork and rule that have series of their own.
const TOLD: usize = 1000;

#[derive(Clone, Debug)]
pub(super) struct Objectives {
    objective: GaugeVec,
    remaining: GaugeVec,
    burn: GaugeVec,
}

impl Objectives {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            objective: catalog::SLO_OBJECTIVE.ratio(registry)?,
            remaining: catalog::SLO_REMAINING.ratio(registry)?,
            burn: catalog::SLO_BURN.ratio(registry)?,
        })
    }
}

impl Metrics {
    /// Tells how all budgets stand: by namespace, Fork and rule, in an order that stays. Those that are gone go.
    pub(crate) fn objectives<'a>(&self, all: impl Iterator<Item = ([&'a str; 3], &'a Budget)>) {
        let _alone = self.alone();
        let Objectives { objective, remaining, burn } = &self.objectives;
        objective.reset();
        remaining.reset();
        burn.reset();
        for (labels, budget) in all.take(TOLD) {
            objective.with_label_values(&labels).set(budget.objective);
            if let Some(left) = budget.remaining {
                remaining.with_label_values(&labels).set(left);
            }
            let [namespace, name, rule] = labels;
            for (length, rate) in &budget.burns {
                burn.with_label_values(&[namespace, name, rule, &window(*length)]).set(*rate);
            }
        }
    }
}

/// As Prometheus writes durations.
fn window(length: Duration) -> String {
    let minutes = length.as_secs() / 60;
    match minutes {
        0..60 => format!("{minutes}m"),
        60..1440 => format!("{}h", minutes / 60),
        _ => format!("{}d", minutes / 1440),
    }
}
