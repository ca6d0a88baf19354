//! What becomes of alerts when Forks, or the process, come and go: whatever was told of goes on, and its end is told once.

use std::sync::Arc;

use forkable_core::{alerting::Alert, store::Kind as _};
use forkable_crds::{
    AlertRule, Fork,
    alert_rule::{AlertState, AlertStatus},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    evaluator::{Rule, is_firing},
    forks::{Forks, Lately, Whereabouts},
};
use crate::notify::Word;

/// An alert, its Fork, and what is to be known of it.
type Settled = (AlertStatus, Arc<Fork>, fn(Alert) -> Word);

impl Rule {
    /// Takes in the alerts that are on record of a rule that is new to this process, and of a Fork that another one worked
    /// on before. `told`: what the outbox has of before this process began, which was on its way to the record then.
    pub(super) fn take_in(&mut self, rule: &AlertRule, forks: &Forks, lately: &Lately, told: &[Alert]) {
        let (namespace, name) = (rule.namespace(), rule.name());
        let is_new = self.uid != rule.uid();
        if is_new {
            *self = Self::default();
            self.uid = rule.uid().into();
        }
        let is_ours = |fork: &str| forks.get(namespace, fork).is_some();
        for alert in rule.status.iter().flat_map(|status| &status.alerts).filter(|alert| is_ours(&alert.fork)) {
            if is_new || lately.had(namespace, &alert.fork).is_none() {
                if alert.notified && is_firing(alert) {
                    self.adopted.push(alert.fork.clone());
                }
                self.alerts.insert(alert.fork.clone(), alert.clone());
            }
        }
        if is_new {
            let key = format!("{}/", self.uid);
            let is_of =
                |alert: &&Alert| alert.namespace == namespace && alert.rule == name && alert.key.starts_with(&key);
            for alert in told.iter().filter(is_of).filter(|alert| is_ours(&alert.fork)) {
                let known = self.alerts.get(&alert.fork).is_some_and(is_firing);
                if !known {
                    self.alerts.insert(alert.fork.clone(), on_record(alert));
                }
            }
        }
    }

    /// Notes alerts whose Fork left. Answers those of which it is known by now what became of them, and what that is.
    pub(super) fn let_go(
        &mut self,
        namespace: &str,
        left: Vec<(AlertStatus, Arc<Fork>)>,
        forks: &Forks,
    ) -> Vec<Settled> {
        self.away.extend(left);
        let mut settled = Vec::new();
        self.away.retain(|(alert, fork)| {
            let word: fn(Alert) -> Word = match forks.whereabouts(namespace, &alert.fork) {
                Whereabouts::OnTheWay => return true,
                // It came back, and its alert with it.
                Whereabouts::Ours => return false,
                Whereabouts::Elsewhere => Word::Elsewhere,
                Whereabouts::Gone => Word::News,
            };
            settled.push((alert.clone(), fork.clone(), word));
            false
        });
        settled
    }

    /// Forks on record of which this process does not know yet whether they are gone.
    pub(super) fn look_for_strangers(&mut self, rule: &AlertRule, forks: &Forks, lately: &Lately, now: Timestamp) {
        self.strangers.clear();
        if lately.is_settling(now) {
            let namespace = rule.namespace();
            let is_stranger = |fork: &&String| forks.whereabouts(namespace, fork) == Whereabouts::Gone;
            let all = rule.status.iter().flat_map(|status| &status.alerts).map(|alert| &alert.fork);
            self.strangers = all.filter(is_stranger).cloned().collect();
        }
    }
}

/// An alert that people know of, as a status has it.
fn on_record(alert: &Alert) -> AlertStatus {
    AlertStatus {
        fork: alert.fork.clone(),
        state: AlertState::Firing,
        since: Time(alert.since),
        fired_at: Some(Time(alert.fired_at)),
        well_since: None,
        value: Some(alert.value.clone()),
        notified: true,
        suppressed: None,
        actions: alert.actions.clone(),
        flaps: alert.flaps,
    }
}
