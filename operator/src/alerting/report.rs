//! The status of a rule.

use std::{collections::BTreeMap, sync::Arc};

use forkable_core::{
    alerting::{Letter, named},
    condition::{self, Report, State},
    store::{EventType, Kind as _, Store, StoreError},
};
use forkable_crds::{
    AlertRule, AlertRuleStatus,
    alert_rule::Undelivered,
    condition::{Condition, ConditionStatus},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::evaluator::{Rule, is_firing, recorded};
use crate::context::Context;

/// Whether the rule can be honoured.
const VALID: &str = "Valid";
/// Whether it watches anything.
const SELECTS: &str = "SelectsForks";
/// Whether its signal says something.
const EVALUATED: &str = "Evaluated";
/// Whether messages arrive; only of a rule that tells somebody.
const NOTIFIED: &str = "Notified";
/// Labels that are told of at most, for a rule that selects nothing.
const TOLD: usize = 10;
/// Messages that were given up that a status shows at most.
pub(super) const UNDELIVERED: usize = 10;
/// Characters of what was wrong with one of them.
const LONGEST: usize = 256;

/// Writes the status of a rule, if it differs: what is known of this process's Forks, and for one of the processes also how
/// the rule itself is.
pub(super) async fn write<S: Store>(context: &Arc<Context<S>>, rule: &Arc<AlertRule>, known: &Rule, now: Timestamp) {
    let reference = rule.reference();
    let before = rule.status.clone().unwrap_or_default();
    let mut status = of_alerts(known, &before);
    if context.store.reports(&reference) {
        status.observed_generation = Some(rule.generation());
        status.conditions = conditions(context, rule, known, &before, now, status.selected > 0);
        status.undelivered.clone_from(&known.undelivered);
    }
    if status == before {
        return;
    }
    match context.store.write_status(rule, status).await {
        Ok(rule) => {
            tell(context, &before, &rule).await;
            context.fleet.put_rule(rule);
        }
        // The next pass works on it as it is by now, which the store has read and tells nobody of any more.
        Err(StoreError::Conflict(_) | StoreError::NotFound(_)) => {
            if let Ok(Some(rule)) = context.store.get::<AlertRule>(&reference.namespace, &reference.name).await {
                context.fleet.put_rule(rule);
            }
            context.alerts.wake();
        }
        Err(error) => tracing::warn!(rule = %reference, %error, "the status of a rule cannot be written yet"),
    }
}

/// Tells people once of a rule that cannot be honoured, or watches nothing.
async fn tell<S: Store>(context: &Context<S>, before: &AlertRuleStatus, rule: &AlertRule) {
    for condition in rule.status.iter().flat_map(|status| &status.conditions) {
        let is_news = condition::find(&before.conditions, &condition.type_).is_none_or(|old| *old != *condition);
        if [VALID, SELECTS, NOTIFIED].contains(&condition.type_.as_str())
            && condition.status == ConditionStatus::False
            && is_news
        {
            let reference = rule.reference();
            tracing::warn!("{reference}: {}", condition.message);
            let reason = match condition.type_.as_str() {
                VALID => "Invalid",
                NOTIFIED if condition.reason == "GivenUp" => "GivenUp",
                NOTIFIED => "ChannelFails",
                _ => "NoForks",
            };
            context.store.event(&reference, EventType::Warning, reason, &condition.message).await;
        }
    }
}

fn of_alerts(known: &Rule, before: &AlertRuleStatus) -> AlertRuleStatus {
    let alerts = recorded(known, &before.alerts);
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let whole = |at: &Timestamp| Time(whole_seconds_of(*at));
    let own = known.alerts.values().filter(|alert| is_firing(alert)).count();
    let others = alerts.iter().filter(|alert| is_firing(alert) && !known.alerts.contains_key(&alert.fork)).count();
    AlertRuleStatus {
        selected: count(known.selected + known.elsewhere.len()),
        firing: count(own + others),
        alerts,
        acted: known.acted.iter().map(whole).collect(),
        ..before.clone()
    }
}

fn conditions<S: Store>(
    context: &Context<S>,
    rule: &AlertRule,
    known: &Rule,
    before: &AlertRuleStatus,
    now: Timestamp,
    selects: bool,
) -> Vec<Condition> {
    let generation = rule.generation();
    let report =
        |condition, state, reason: &str, message: String| Report { condition, state, reason: reason.into(), message };
    let mut reports = Vec::new();
    if known.problems.is_empty() {
        reports.push(report(VALID, State::Ready, "Valid", "every field can be honoured".into()));
        reports.push(match (&known.mute, &known.untold) {
            (_, Some(why)) => {
                report(EVALUATED, State::Retrying, "NotRecorded", format!("people cannot be told: {why}"))
            }
            // A query that is wrong stays wrong.
            (Some((_, why)), None) if why.contains("was refused by") || why.starts_with("signal.") => {
                report(EVALUATED, State::PersonNeeded, "QueryFailed", why.clone())
            }
            (Some((fork, why)), None) => report(EVALUATED, State::Progressing, "NoData", format!("{fork}: {why}")),
            (None, None) => report(EVALUATED, State::Ready, "Evaluated", "the signal is known of every Fork".into()),
        });
    } else {
        reports.push(report(VALID, State::Stalled, "Invalid", known.problems.join("; ")));
    }
    let mut conditions = condition::summarize(&before.conditions, &reports, generation, now);
    let selects = if selects {
        report(SELECTS, State::Ready, "Selects", "the selector fits at least one Fork".into())
    } else {
        let message = nothing(context, rule.namespace());
        report(SELECTS, State::PersonNeeded, "NoForks", message)
    };
    condition::add_aside(&mut conditions, &before.conditions, &selects, generation, now);
    if !rule.spec.notify.is_empty() {
        let name = rule.name();
        let notified = match &known.undelivered[..] {
            _ if !known.failing.is_empty() => {
                report(NOTIFIED, State::PersonNeeded, "ChannelFails", known.failing.join("; "))
            }
            [] => report(NOTIFIED, State::Ready, "Notified", "no channel fails".into()),
            [newest, ..] => {
                let Undelivered { channel, headline, error, .. } = newest;
                let text = format!(
                    "a message to {channel} was given up ({error}): {headline}; `forkable alert resend {name}` sends again \
                     what was given up"
                );
                report(NOTIFIED, State::PersonNeeded, "GivenUp", text)
            }
        };
        condition::add_aside(&mut conditions, &before.conditions, &notified, generation, now);
    }
    conditions
}

/// A message that was given up, for people.
pub(super) fn undelivered(letter: &Letter) -> Undelivered {
    let Letter { envelope, error, given_up_at } = letter;
    let short = |text: &str| text.chars().take(LONGEST).collect();
    Undelivered {
        id: envelope.message_id(),
        channel: named(&envelope.channel),
        headline: short(&envelope.message.headline),
        since: Time(whole_seconds_of(envelope.created_at)),
        given_up_at: Time(whole_seconds_of(*given_up_at)),
        error: short(error),
    }
}

fn whole_seconds_of(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// What a rule could select that selects nothing.
fn nothing<S: Store>(context: &Context<S>, namespace: &str) -> String {
    let mut labels: BTreeMap<String, usize> = BTreeMap::new();
    let mut forks = 0;
    context.fleet.with_forks(|all| {
        for fork in all.iter().filter(|fork| fork.namespace() == namespace) {
            forks += 1;
            for (name, value) in fork.metadata.labels.iter().flatten() {
                *labels.entry(format!("{name}={value}")).or_default() += 1;
            }
        }
    });
    if forks == 0 {
        return format!("there is no Fork in the namespace {namespace} yet");
    }
    let known: Vec<_> = labels.into_keys().take(TOLD).collect();
    let known = if known.is_empty() { "they have no labels".into() } else { format!("they have {}", known.join(", ")) };
    format!("none of the {forks} Forks of the namespace {namespace} fits the selector: {known}")
}
