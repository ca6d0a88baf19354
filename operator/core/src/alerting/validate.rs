//! What is wrong with a rule that its schema cannot tell.

use forkable_crds::{
    AlertRuleSpec,
    alert_rule::{AlertCondition, ProbeMetric, ReleaseMetric, SentryMetric, Signal, VercelMetric},
    rollout::Comparison,
};

use super::{facts, select, sentry};
use crate::release::rollout::freeze;

/// Every field that cannot be honoured, and why.
pub fn problems(rule: &AlertRuleSpec) -> Vec<String> {
    let mut problems = facts::problems(rule);
    problems.extend(rule.selector.as_ref().and_then(select::problem));
    problems.extend(rule.signal.sentry.as_ref().and_then(sentry::problem));
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
    let errors_a_minute = ("errors a minute are from 0 on", 0.0, f64::INFINITY);
    let (what, low, high) = match &rule.signal {
        Signal { incident: Some(_), .. } => {
            ("the impact of an incident is 0 (none), 1 (minor), 2 (major) or 3 (critical)", 0.0, 3.0)
        }
        Signal { sentry: Some(sentry), .. } => match sentry.metric {
            SentryMetric::ErrorsPerMinute => errors_a_minute,
            SentryMetric::NewIssues => ("new issues are counted from 0 to 25", 0.0, f64::from(sentry::MOST_ISSUES)),
        },
        Signal { vercel: Some(vercel), .. } => match vercel.metric {
            VercelMetric::ErrorsPerMinute => errors_a_minute,
            VercelMetric::ServerErrorRatio => ("ServerErrorRatio is a share from 0 to 1 (5 % is 0.05)", 0.0, 1.0),
        },
        Signal { probe: Some(probe), .. } => match probe.metric {
            ProbeMetric::Up => ("Up is 0 or 1", 0.0, 1.0),
            ProbeMetric::FailureRatio => ("FailureRatio is a share from 0 to 1 (5 % is 0.05)", 0.0, 1.0),
            ProbeMetric::LatencyMilliseconds => ("LatencyMilliseconds is from 0 on", 0.0, f64::INFINITY),
        },
        Signal { release: Some(release), .. } => match release.metric {
            ReleaseMetric::Failed => ("Failed is 0 or 1", 0.0, 1.0),
            ReleaseMetric::PendingSeconds | ReleaseMetric::DurationSeconds => {
                ("a number of seconds is from 0 on", 0.0, f64::INFINITY)
            }
        },
        _ => return None,
    };
    outside(condition, what, low, high)
}

fn outside(condition: &AlertCondition, what: &str, low: f64, high: f64) -> Option<String> {
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
