//! How rules stand about a Fork, for releases that are judged by them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError},
};

use forkable_core::{
    alerting::selects,
    release::analysis::RuleStanding,
    store::{Kind as _, ObjectRef},
};
use forkable_crds::{AlertRule, Fork};
use jiff::Timestamp;

use super::{
    Alerts,
    evaluator::{Rule, is_firing},
};

/// What a pass has found of a rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    generation: Option<i64>,
    /// What is wrong with it.
    problem: Option<String>,
    /// Since when it fires and the number then, by name of the Fork.
    firing: BTreeMap<String, (Timestamp, String)>,
    /// Why nothing is known, by name of the Fork.
    unread: BTreeMap<String, String>,
}

impl Alerts {
    /// Notes what a pass has found of all rules.
    pub(super) fn note(&self, rules: &[Arc<AlertRule>], known: &HashMap<ObjectRef, Rule>) {
        let found = rules.iter().filter_map(|rule| {
            let reference = rule.reference();
            let known = known.get(&reference)?;
            let firing = known.alerts.iter().filter(|(_, alert)| is_firing(alert)).map(|(fork, alert)| {
                let since = alert.fired_at.as_ref().unwrap_or(&alert.since).0;
                (fork.clone(), (since, alert.value.clone().unwrap_or_default()))
            });
            let found = Found {
                generation: known.generation,
                problem: known.problems.first().cloned(),
                firing: firing.collect(),
                unread: known.unread.clone(),
            };
            Some((reference, found))
        });
        let found = found.collect();
        *self.standings.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    /// How a rule stands about a Fork of its namespace.
    pub fn standing(&self, rule: &AlertRule, fork: &Fork) -> RuleStanding {
        if !selects(rule.spec.selector.as_ref(), fork.metadata.labels.as_ref()) {
            return RuleStanding::NoData("it does not select this Fork".into());
        }
        let all = self.standings.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = all.get(&rule.reference()).filter(|found| found.generation == Some(rule.generation())) else {
            return RuleStanding::NoData("it was not looked at yet".into());
        };
        let name = fork.name();
        match (&found.problem, found.firing.get(name), found.unread.get(name)) {
            (_, Some((since, value)), _) => RuleStanding::Fires { since: *since, value: value.clone() },
            (Some(why), ..) | (_, _, Some(why)) => RuleStanding::NoData(why.clone()),
            _ => RuleStanding::Quiet,
        }
    }
}
