//! What is done about an alert.

use std::sync::Arc;

use forkable_core::{
    fork::desired::{Challenge, Pause},
    journal::Entry,
    release::rollout::{is_live, is_promoted},
    store::{EventType, Kind as _, ObjectRef, Store, StoreError},
};
use forkable_crds::{
    AlertRule, CHALLENGE_ANNOTATION, Deployment, Fork, PAUSE_ANNOTATION, ROLLBACK_ANNOTATION,
    alert_rule::{Action, ActionType},
    fork::ProjectStatus,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{context::Context, controllers::fork::withheld};

/// The time that limits are for.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// How long ago a release may have gone live that is taken to be behind an alert.
const RECENT: SignedDuration = SignedDuration::from_hours(24);
/// How long visitors are challenged by a rule that does not say.
const CHALLENGE: SignedDuration = SignedDuration::from_hours(1);
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
    let lately = acted.iter().filter(|at| now.duration_since(**at) < HOUR).count();
    let mut is_done = false;
    for action in &rule.spec.actions {
        let (done, text) = one(context, rule, action, fork, lately, now).await;
        is_done |= done;
        tracing::warn!(rule = %rule.reference(), fork = %fork.reference(), "{text}");
        all.push(text.chars().take(256).collect());
    }
    // Once for all actions of the alert: one of them does not use up the limit of the next.
    if is_done {
        acted.push(now);
        keep_newest(acted);
    }
    all
}

/// Takes in when actions were taken by the status, which is in whole seconds: by this process before it was restarted, or
/// by another one. The limit is one for all of them.
pub(super) fn remember<'a>(acted: &mut Vec<Timestamp>, status: &(impl Iterator<Item = &'a Time> + Clone)) {
    for Time(at) in status.clone() {
        let told = status.clone().filter(|Time(other)| other == at).count();
        if acted.iter().filter(|other| other.as_second() == at.as_second()).count() < told {
            acted.push(*at);
        }
    }
    acted.sort_unstable();
    keep_newest(acted);
}

fn keep_newest(acted: &mut Vec<Timestamp>) {
    let excess = acted.len().saturating_sub(KEPT);
    acted.drain(..excess);
}

async fn one<S: Store>(
    context: &Arc<Context<S>>,
    rule: &AlertRule,
    action: &Action,
    fork: &Fork,
    lately: usize,
    now: Timestamp,
) -> (bool, String) {
    let name = match action.action {
        ActionType::Rollback => "Rollback",
        ActionType::FreezeReleases => "FreezeReleases",
        ActionType::PauseProject => "PauseProject",
        ActionType::AttackChallenge => "AttackChallenge",
    };
    if action.dry_run {
        return (false, format!("{name} would be done now (dryRun)"));
    }
    if i64::try_from(lately).unwrap_or(i64::MAX) >= action.limit_per_hour {
        let text = format!(
            "{name} was not done: it was done {lately} times within an hour, and limitPerHour is {}; a person is needed",
            action.limit_per_hour
        );
        return (false, text);
    }
    let done = match action.action {
        // In force as long as the alert fires; whoever promotes looks.
        ActionType::FreezeReleases => Ok("no release is promoted while this fires".into()),
        ActionType::Rollback => roll_back(context, rule, fork, now).await,
        ActionType::PauseProject => pause(context, rule, fork, now).await,
        ActionType::AttackChallenge => challenge(context, rule, action, fork, now).await,
    };
    match done {
        Ok(text) => (true, text),
        Err(why) => (false, format!("{name} was not done: {why}")),
    }
}

/// Asks the pass of the Fork to pause the project that is its own. It stays so until a person resumes it.
async fn pause<S: Store>(
    context: &Arc<Context<S>>,
    rule: &AlertRule,
    fork: &Fork,
    now: Timestamp,
) -> Result<String, String> {
    let (current, project) = subject(context, fork, now).await?;
    // A process that died may have asked already, and two rules need not.
    let earlier = wish_of(&current, PAUSE_ANNOTATION).and_then(|wish| Pause::parse(wish));
    let is_in_force = |wanted: &Pause| match project.pause.as_ref().filter(|pause| pause.wish == wanted.wish) {
        Some(done) => !done.resumed,
        None => wanted.is_fresh(now),
    };
    if let Some(earlier) = earlier.filter(is_in_force) {
        return Ok(format!("the project {} is paused already, by {}", project.name, earlier.wish));
    }
    let rule = rule.name();
    let wish = format!("the AlertRule {rule} at {now:.0}");
    let text = format!("the project {} is being paused: resume it in its settings at Vercel", project.name);
    ask(context, &current, (PAUSE_ANNOTATION, &wish), (rule, ("pause", "PausedByAlert"), &text), now).await?;
    Ok(text)
}

/// Asks the pass of the Fork to have visitors of its project challenged for a while.
async fn challenge<S: Store>(
    context: &Arc<Context<S>>,
    rule: &AlertRule,
    action: &Action,
    fork: &Fork,
    now: Timestamp,
) -> Result<String, String> {
    let (current, project) = subject(context, fork, now).await?;
    let earlier = wish_of(&current, CHALLENGE_ANNOTATION).and_then(|wish| Challenge::parse(wish));
    if let Some(earlier) = earlier.filter(|earlier| earlier.until > now) {
        return Ok(format!("visitors of {} are challenged already, by {}", project.name, earlier.wish));
    }
    let length = SignedDuration::from_secs(action.duration_seconds.unwrap_or(CHALLENGE.as_secs()));
    let until = now.checked_add(length).unwrap_or(Timestamp::MAX);
    let until = format!("{until:.0}");
    let rule = rule.name();
    let wish = format!("the AlertRule {rule} until {until}");
    let text = format!("visitors of {} are challenged until {until}", project.name);
    ask(context, &current, (CHALLENGE_ANNOTATION, &wish), (rule, ("challenge", "ChallengedByAlert"), &text), now)
        .await?;
    Ok(text)
}

fn wish_of<'a>(fork: &'a Fork, annotation: &str) -> Option<&'a String> {
    fork.metadata.annotations.as_ref()?.get(annotation)
}

/// The Fork as it is now, and the project that is on record as its own, if anything may be changed there.
async fn subject<S: Store>(
    context: &Context<S>,
    fork: &Fork,
    now: Timestamp,
) -> Result<(Arc<Fork>, ProjectStatus), String> {
    let (namespace, name) = (fork.namespace(), fork.name());
    let current = context.store.get::<Fork>(namespace, name).await.map_err(|error| error.to_string())?;
    let current = current.filter(|fork| !fork.is_deleting()).ok_or("the Fork is gone")?;
    if let Some(withheld) = withheld(&current, now) {
        return Err(withheld.message);
    }
    let project = current.status.as_ref().and_then(|status| status.project.clone());
    project.map(|project| (current, project)).ok_or_else(|| "it has no project yet".into())
}

/// Puts a wish on record before anything is called, and wakes the pass that fulfils it.
async fn ask<S: Store>(
    context: &Context<S>,
    fork: &Arc<Fork>,
    (annotation, wish): (&'static str, &str),
    (rule, (what, reason), text): (&str, (&str, &'static str), &str),
    now: Timestamp,
) -> Result<(), String> {
    let object = fork.reference();
    let began = std::time::Instant::now();
    let asked = context.store.annotate(fork, annotation, wish).await;
    note(context, &object, ("project", format!("{what} for the alert {rule}")), &asked, began, now).await;
    asked.map_err(|error| error.to_string())?;
    context.wake(object.clone());
    let message = format!("{text}, since the AlertRule {rule} fires");
    context.store.event(&object, EventType::Warning, reason, &message).await;
    Ok(())
}

/// Writes to the journal what a wish came to.
async fn note<S: Store, K>(
    context: &Context<S>,
    object: &ObjectRef,
    (facet, step): (&'static str, String),
    wish: &Result<K, StoreError>,
    began: std::time::Instant,
    at: Timestamp,
) {
    let outcome = wish.as_ref().map_or_else(ToString::to_string, |_| "done".into());
    let duration_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
    context.record(Entry { at, object: object.clone(), facet, step, outcome, duration_ms }).await;
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
    let name = serving.name();
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
    let object = serving.reference();
    let current = context.store.get::<Deployment>(&object.namespace, name).await;
    let current = current.map_err(|error| error.to_string())?.ok_or_else(|| format!("{name} is gone"))?;
    let wish = context.store.annotate(&current, ROLLBACK_ANNOTATION, "previous").await;
    let to = to.release.unwrap_or(to.deployment_id);
    let text = format!("{name} is being rolled back to {to}");
    let step = format!("rollback for the alert {}", rule.name());
    note(context, &object, ("release", step), &wish, began, now).await;
    wish.map_err(|error| error.to_string())?;
    context.wake(object);
    let message = format!("{text}, since the AlertRule {} fires", rule.name());
    context.store.event(&reference, EventType::Warning, "RollbackByAlert", &message).await;
    Ok(text)
}
