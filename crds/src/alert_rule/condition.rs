//! When a signal is not as it should be.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rollout::Comparison;

/// Fires while the signal compares so with the threshold.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AlertCondition {
    /// How.
    pub operator: Comparison,
    /// With what, in the unit of the signal.
    pub threshold: f64,
    /// How long it has to be so before it fires.
    #[serde(default)]
    #[schemars(range(min = 0, max = 86_400))]
    pub for_seconds: i64,
    /// How long it goes on firing after it was so for the last time, so that it does not flap.
    #[serde(default)]
    #[schemars(range(min = 0, max = 86_400))]
    pub keep_firing_for_seconds: i64,
    /// What it is worth that there is no number.
    #[serde(default)]
    pub on_no_data: NoData,
}

/// What it is worth that there is no number.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NoData {
    /// Nothing changes: what fires goes on firing, what waits goes on waiting.
    #[default]
    Keep,
    /// As if it compared.
    Alert,
    /// As if it did not.
    Ok,
}

/// How much of the time it has to be well. Fires when the error budget burns too fast in a long and in a short window
/// at once: 14.4 times in 1 h and 5 min, 6 times in 6 h and 30 min, once in 3 d and 6 h, for a window of 30 days; as the
/// Site Reliability Workbook has it: <https://sre.google/workbook/alerting-on-slos/>.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Slo {
    /// Per cent of probes that have to be good.
    #[schemars(range(min = 50, max = 99.999))]
    pub objective_percent: f64,
    /// Days that the objective is for.
    #[serde(default = "window_days")]
    #[schemars(range(min = 1, max = 90))]
    pub window_days: i32,
    /// Failed probes that a window needs to count: fewer are no sign of anything.
    #[serde(default = "minimum_failures")]
    #[schemars(range(min = 1, max = 1000))]
    pub minimum_failures: i64,
}

fn window_days() -> i32 {
    30
}

fn minimum_failures() -> i64 {
    3
}
