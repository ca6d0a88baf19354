//! The AlertRules that a release is judged by.

use forkable_core::{
    release::{Input, analysis::RuleStanding},
    store::{EventType, Kind as _, ObjectRef, Store},
};
use forkable_crds::AlertRule;

use super::Pass;

/// Rules that a message names at most.
const NAMED: usize = 20;

impl<S: Store> Pass<'_, S> {
    fn reference(&self, rule: &str) -> ObjectRef {
        ObjectRef::new(AlertRule::KIND, self.object.namespace.clone(), rule)
    }

    /// How these rules stand about the Fork.
    pub(super) fn rules(&self, names: &[String]) -> Vec<(String, RuleStanding)> {
        let standing = |name: &String| {
            let standing = match self.context.fleet.rule(&self.reference(name)) {
                Some(rule) => self.context.alerts.standing(&rule, self.fork),
                None => RuleStanding::NoData(self.unknown(name)),
            };
            (name.clone(), standing)
        };
        names.iter().map(standing).collect()
    }

    fn unknown(&self, name: &str) -> String {
        let all = self.context.fleet.rules().into_iter().map(|rule| rule.reference());
        let mut there: Vec<_> =
            all.filter(|rule| rule.namespace == self.object.namespace).map(|rule| rule.name.clone()).collect();
        there.sort_unstable();
        there.truncate(NAMED);
        let there = if there.is_empty() { "none".into() } else { there.join(", ") };
        format!("there is no AlertRule {name} in the namespace {}, which has {there}", self.object.namespace)
    }

    /// Warns of rules that are not there, once in each stage.
    pub(super) async fn warn_of_rules(&self, input: Input<'_>, names: &[String]) {
        let runs = input.release.status.iter().flat_map(|status| &status.analysis_runs);
        let told: Vec<_> = runs.flat_map(|run| &run.measurements).map(|it| it.message.as_str()).collect();
        for name in names.iter().filter(|name| self.context.fleet.rule(&self.reference(name)).is_none()) {
            let message = self.unknown(name);
            if !told.iter().any(|told| told.contains(&message)) {
                self.context.store.event(self.object, EventType::Warning, "UnknownAlertRule", &message).await;
            }
        }
    }
}
