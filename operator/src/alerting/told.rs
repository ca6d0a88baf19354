//! An alert with all that is known of its Fork.

use forkable_core::{
    alerting::{self, Alert, Facts},
    store::{Kind as _, Store},
};
use forkable_crds::{AlertRule, Fork, alert_rule::AlertStatus};
use jiff::Timestamp;

use super::signals::{self, Signals};
use crate::context::Context;

/// The alert as people are told of it.
pub(super) fn told<S: Store>(
    context: &Context<S>,
    signals: &Signals,
    rule: &AlertRule,
    (alert, fork): (&AlertStatus, &Fork),
    resolved_at: Option<Timestamp>,
) -> Alert {
    let (namespace, name) = (rule.namespace(), rule.name());
    let provider_incident = signals.pages.behind(&rule.spec.signal, alert.since.0);
    let facts = Facts { fork, release: serving(context, fork), host: signals::host(fork), provider_incident };
    alerting::tell((namespace, name, rule.uid()), &rule.spec, alert, &facts, resolved_at)
}

/// The release that serves.
fn serving<S: Store>(context: &Context<S>, fork: &Fork) -> Option<alerting::Release> {
    let current = fork.status.as_ref()?.current_release.as_ref()?;
    let releases = context.fleet.releases(&fork.reference());
    let release = releases.iter().find(|release| release.metadata.name.as_ref() == Some(&current.name));
    let status = release.and_then(|release| release.status.as_ref());
    let commit = status.and_then(|status| status.commit.clone()).unwrap_or_default();
    let live = status.and_then(|status| forkable_core::condition::find(&status.conditions, "Live"));
    Some(alerting::Release {
        name: current.name.clone(),
        commit: current.commit.clone(),
        message: commit.message.unwrap_or_default(),
        author: commit.author.unwrap_or_default(),
        since: live.map(|live| live.last_transition_time.0),
    })
}
