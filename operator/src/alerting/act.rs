//! What is done about an alert.

use std::sync::Arc;

use forkable_core::{
    journal::Entry,
    release::rollout::{is_live, is_promoted},
    store::{EventType, Kind as _, ObjectRef, Store},
};
use forkable_crds::{
    AlertRule, Deployment, Fork, ROLLBACK_ANNOTATION,
    alert_rule::{Action, ActionType},
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::context::Context;

/// The time that limits are for.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// How long ago a release may have gone live that is taken to be behind an alert.
const RECENT: SignedDuration = SignedDuration::from_hours(24);
/// Times that are kept of what was done.
const KEPT: usize = 100;

/// Does what a rule says is to be done about an alert of a Fork. Answers what was done, or why it was not.
pub(super) async fn act<S: Store>(
    context: &Arc<Context<S>>,
    rule: &AlertRule,
    fork: &Fork,
    acted: &mut Vec<Timestamp>,
    now: Timestamp,
) -> Vec<String> {
    let mut all = Vec::new();
    for action in &rule.spec.actions {
        let (done, text) = one(context, rule, action, fork, acted, now).await;
        if done {
            acted.push(now);
            let excess = acted.len().saturating_sub(KEPT);
            acted.drain(..excess);
        }
        tracing::warn!(rule = %rule.reference(), fork = %fork.reference(), "{text}");
        all.push(text.chars().take(256).collect());
    }
    all
}

/// Takes in when actions were taken by the status, which is in whole seconds: by this process before it was restarted, or
/// by another one. The limit is one for all of them.
pub(super) fn remember<'a>(acted: &mut Vec<Timestamp>, status: impl Iterator<Item = &'a Time> + Clone) {
    for Time(at) in status.clone() {
        let told = status.clone().filter(|Time(other)| other == at).count();
        if acted.iter().filter(|other| other.as_second() == at.as_second()).count() < told {
            acted.push(*at);
        }
    }
    acted.sort_unstable();
    let excess = acted.len().saturating_sub(KEPT);
    acted.drain(..excess);
}

async fn one<S: Store>(
    context: &Arc<Context<S>>,
    rule: &AlertRule,
    action: &Action,
    fork: &Fork,
    acted: &[Timestamp],
    now: Timestamp,
) -> (bool, String) {
    let name = match action.action {
        ActionType::Rollback => "Rollback",
        ActionType::FreezeReleases => "FreezeReleases",
    };
    if action.dry_run {
        return (false, format!("{name} would be done now (dryRun)"));
    }
    let lately = acted.iter().filter(|at| now.duration_since(**at) < HOUR).count();
    if i64::try_from(lately).unwrap_or(i64::MAX) >= action.limit_per_hour {
        let text = format!(
            "{name} was not done: it was done {lately} times within an hour, and limitPerHour is {}; a person is needed",
            action.limit_per_hour
        );
        return (false, text);
    }
    match action.action {
        // In force as long as the alert fires; whoever promotes looks.
        ActionType::FreezeReleases => (true, "no release is promoted while this fires".into()),
        ActionType::Rollback => match roll_back(context, rule, fork, now).await {
            Ok(text) => (true, text),
            Err(why) => (false, format!("Rollback was not done: {why}")),
        },
    }
}

/// Asks for the rollback of the release that serves, as a person does with `forkable rollback`.
async fn roll_back<S: Store>(
    context: &Arc<Context<S>>,
    rule: &AlertRule,
    fork: &Fork,
    now: Timestamp,
) -> Result<String, String> {
    let reference = fork.reference();
    let releases = context.fleet.releases(&reference);
    let serves = |release: &&Arc<Deployment>| release.spec.environment == "Production" && is_live(release);
    let serving = releases.iter().find(serves).ok_or("no release is known to serve")?;
    let name = serving.reference().name;
    if !is_promoted(serving) {
        return Err(format!(
            "{name} went live by itself (strategy Immediate), and only what was promoted is rolled back"
        ));
    }
    let status = serving.status.clone().unwrap_or_default();
    let to = status.rollback_to.ok_or_else(|| format!("nothing served before {name}"))?;
    let is_irreversible = serving.spec.migration.as_ref().is_some_and(|migration| !migration.reversible);
    if is_irreversible && status.migration.is_some() {
        return Err(format!(
            "the migration of {name} is irreversible; a person has to decide: forkable rollback {}",
            reference.name
        ));
    }
    let live = forkable_core::condition::find(&status.conditions, "Live").map(|live| live.last_transition_time.0);
    if live.is_none_or(|live| now.duration_since(live) > RECENT) {
        return Err(format!("{name} has served for more than a day, so that it is hardly behind this"));
    }
    let began = std::time::Instant::now();
    let object = ObjectRef { kind: Deployment::KIND, ..serving.reference() };
    let current = context.store.get::<Deployment>(&object.namespace, &object.name).await;
    let current = current.map_err(|error| error.to_string())?.ok_or_else(|| format!("{name} is gone"))?;
    let wish = context.store.annotate(&current, ROLLBACK_ANNOTATION, "previous").await;
    let to = to.release.unwrap_or(to.deployment_id);
    let text = format!("{name} is being rolled back to {to}");
    context
        .record(Entry {
            at: now,
            object: object.clone(),
            facet: "release",
            step: format!("rollback for the alert {}", rule.reference().name),
            outcome: wish.as_ref().map_or_else(ToString::to_string, |_| "done".into()),
            duration_ms: i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX),
        })
        .await;
    wish.map_err(|error| error.to_string())?;
    context.wake(object);
    let message = format!("{text}, since the AlertRule {} fires", rule.reference().name);
    context.store.event(&reference, EventType::Warning, "RollbackByAlert", &message).await;
    Ok(text)
}
