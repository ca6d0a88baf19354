//! What is wrong with a rule that its schema cannot tell.

use forkable_crds::{
    AlertRuleSpec,
    alert_rule::{ProbeMetric, ReleaseMetric},
    rollout::Comparison,
};

use super::{facts, select};
use crate::release::rollout::freeze;

/// Every field that cannot be honoured, and why.
pub fn problems(rule: &AlertRuleSpec) -> Vec<String> {
    let mut problems = facts::problems(rule);
    problems.extend(rule.selector.as_ref().and_then(select::problem));
    problems.extend(threshold(rule));
    for (index, wrong) in freeze::problems(&rule.maintenance) {
        let field = index.map_or_else(|| "maintenance".into(), |index| format!("maintenance[{index}]"));
        problems.push(format!("{field}: {wrong}"));
    }
    problems
}

/// A threshold that is never or always met, for what the signal is.
fn threshold(rule: &AlertRuleSpec) -> Option<String> {
    let condition = rule.condition.as_ref()?;
    let (what, low, high) = match (&rule.signal.probe, &rule.signal.release) {
        (Some(probe), _) => match probe.metric {
            ProbeMetric::Up => ("Up is 0 or 1", 0.0, 1.0),
            ProbeMetric::FailureRatio => ("FailureRatio is a share from 0 to 1 (5 % is 0.05)", 0.0, 1.0),
            ProbeMetric::LatencyMilliseconds => ("LatencyMilliseconds is from 0 on", 0.0, f64::INFINITY),
        },
        (_, Some(release)) => match release.metric {
            ReleaseMetric::Failed => ("Failed is 0 or 1", 0.0, 1.0),
            ReleaseMetric::PendingSeconds | ReleaseMetric::DurationSeconds => {
                ("a number of seconds is from 0 on", 0.0, f64::INFINITY)
            }
        },
        _ => return None,
    };
    let limit = condition.threshold;
    let (never, always) = match condition.operator {
        Comparison::LessThan => (limit <= low, limit > high),
        Comparison::LessThanOrEqual => (limit < low, limit >= high),
        Comparison::GreaterThan => (limit >= high, limit < low),
        Comparison::GreaterThanOrEqual => (limit > high, limit <= low),
    };
    let when = if never { "never" } else { "always" };
    (never || always).then(|| format!("condition.threshold: {what}: compared with {limit} it would {when} fire"))
}
