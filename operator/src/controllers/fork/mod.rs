//! The pass of a Fork.

mod abandon;
mod apply;
mod credentials;
mod delete;
mod perform;
pub(crate) mod preview;
mod report;
pub(crate) mod resolve;
mod takedown;

use std::{sync::Arc, time::Duration};

use forkable_core::{
    PortError, condition,
    fork::{self, Desired, validate},
    plan::{Outcome, Verdict},
    store::{Kind, ObjectRef, Store, StoreError},
};
use forkable_crds::{
    FINALIZER, Fork,
    fork::{ForkStatus, ManagementPolicy},
};
use jiff::Timestamp;

use crate::{
    accounts::Account,
    brake,
    clock::until,
    context::Context,
    controllers::Passed,
    observe::{self, Ask, Sweeper, View, What},
    panics,
    progress::Progress,
    spans,
};
pub use abandon::PATIENCE as ABANDON_AFTER;
use apply::{Apply, State, Withheld};
pub(crate) use perform::Made;
use report::{Early, Planned};

/// How often a Fork is looked at that waits for a person, should nothing tell of what the person did.
const PERSON_RECHECK: Duration = Duration::from_mins(5);
/// Fleets beyond this size are looked at by pages when the process starts, smaller ones by the pass of each Fork.
const COLD_FLEET: usize = 20;

/// Before the first pass: the brake holds if it held, and a large fleet is looked at as a whole.
pub(crate) async fn begin<S: Store>(context: &Arc<Context<S>>, forks: &[Arc<Fork>]) {
    let blocked = |fork: &Arc<Fork>| {
        let mut conditions = fork.status.iter().flat_map(|status| &status.conditions);
        conditions.any(|condition| condition.reason == brake::BLOCKED)
    };
    if forks.iter().any(blocked) {
        context.brake.restore();
    }
    let known = |fork: &&Arc<Fork>| {
        let status = fork.status.as_ref();
        status.is_some_and(|status| status.repository.is_some() && status.project.is_some()) && !fork.is_deleting()
    };
    let known: Vec<_> = forks.iter().filter(known).collect();
    if known.len() <= COLD_FLEET {
        return;
    }
    let now = context.clock.now();
    for fork in &known {
        if let Ok(Ok(account)) = resolve::account(context, fork).await {
            let mut view = context.cache.take(&fork.reference());
            view.asks(Ask::of(&account.key, fork));
            context.cache.put(&fork.reference(), view, now);
        }
    }
    let mut sweeper = Sweeper::new(context.clone(), None);
    sweeper.sweep().await;
    for fork in known {
        context.cache.trust_domains(fork, now);
    }
    sweeper.look_at_certificates().await;
}

/// Forks that may go on once another Fork no longer claims what they claim.
pub(crate) fn in_conflict<S>(context: &Context<S>) -> Vec<ObjectRef> {
    context.fleet.with_forks(|forks| {
        let waits = |fork: &&Arc<Fork>| {
            let mut conditions = fork.status.iter().flat_map(|status| &status.conditions);
            conditions.any(|condition| condition.type_ == "Ready" && condition.reason == report::CONFLICT)
        };
        forks.iter().filter(waits).map(|fork| fork.reference()).collect()
    })
}

/// `resolve → validate → observe → plan → apply → report` for one Fork.
pub(crate) async fn pass<S: Store>(context: &Arc<Context<S>>, object: &ObjectRef) -> Result<Passed, StoreError> {
    let Some(fork) = context.store.get::<Fork>(&object.namespace, &object.name).await? else {
        context.cache.forget(object);
        context.unsaved.forget(object);
        context.fleet.remove_fork(object, context.store.other(object).as_ref());
        context.progress.tell(Progress::gone(object));
        return Ok(Passed::default());
    };
    spans::generation(fork.generation());
    panics::generation(fork.generation());
    context.fleet.put_fork(&fork);
    let mut view = context.cache.take(object);
    let passed = if fork.is_deleting() {
        delete::pass(context, object, context.unsaved.on(fork), &mut view).await
    } else {
        keep_true(context, object, fork, &mut view).await
    };
    context.cache.put(object, view, context.clock.now());
    passed
}

async fn keep_true<S: Store>(
    context: &Context<S>,
    object: &ObjectRef,
    fork: Arc<Fork>,
    view: &mut View,
) -> Result<Passed, StoreError> {
    let early = async |fork: Arc<Fork>, early: Early<'_>, next: Option<Duration>, failed| {
        let status = early.status(context.unsaved.status(&fork), fork.generation(), context.clock.now());
        report::write(context, object, fork, status, Err(early)).await?;
        Ok(Passed { next, failed })
    };
    let claims = context.fleet.claims();
    if view.unclaimed_at != Some(claims) {
        if let Some(claim) = context.fleet.conflict(&fork) {
            return early(fork, Early::Conflict(&claim), None, None).await;
        }
        view.unclaimed_at = Some(claims);
    }
    let has_finalizer = fork.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER);
    let needs_finalizer = delete::needs_finalizer(&fork);
    let fork = if has_finalizer == needs_finalizer {
        fork
    } else {
        context.store.set_finalizer(&fork, needs_finalizer).await?
    };
    // resolve
    let resolved = resolve::references(&context.store, &fork).await?;
    let key = context.store.digest_key().await?;
    // validate
    let valid = match resolve::account(context, &fork).await? {
        Ok(account) => validate::validate(&fork, &resolved, &key).map(|desired| (account, desired)),
        Err(invalid) => Err(vec![invalid]),
    };
    let (account, desired) = match valid {
        Ok(valid) => valid,
        Err(invalid) => {
            return early(fork, Early::Invalid(&invalid), Some(PERSON_RECHECK), Some(invalid[0].reason)).await;
        }
    };
    if view.holds.begin(resolve::fingerprint(&fork, &resolved, &account)) {
        // Its releases may wait for the same, such as other credentials.
        context.fleet.releases(object).iter().for_each(|release| context.wake(release.reference()));
    }
    // observe
    if let Err((error, next)) = observe(context, &account, &fork, view).await {
        // A quota that is used up says nothing of what is there.
        if matches!(error, PortError::RateLimited { .. }) && is_at_rest(&context.unsaved.status(&fork), &fork) {
            context.progress.tell(report::unlooked(object, &fork, &error));
            return Ok(Passed { next: Some(next), failed: Some(error.reason()) });
        }
        return early(fork, Early::Unobserved(&error), Some(next), Some(error.reason())).await;
    }
    view.observed.releases = context.fleet.releases(object);
    // plan, apply, report
    act(context, &account, object, fork, &desired, view).await
}

/// Whether all of it was as it should be when that was written down, and nothing else is wanted since.
fn is_at_rest(status: &ForkStatus, fork: &Fork) -> bool {
    status.observed_generation == Some(fork.generation()) && condition::is_true(&status.conditions, "Ready")
}

/// Makes the view fresh, unless that failed a moment ago; then, and when it fails now: the error and when to come back.
async fn observe<S>(
    context: &Context<S>,
    account: &Account,
    fork: &Fork,
    view: &mut View,
) -> Result<(), (PortError, Duration)> {
    let now = context.clock.now();
    let seen = if let Some(Outcome::Failed { error, .. }) = view.holds.outcome(What::Observation, now) {
        Err(error.clone())
    } else {
        view.asks(Ask::of(&account.key, fork));
        observe::refresh(account, view, &context.clock).await
    };
    let outcome = match &seen {
        Ok(()) => Outcome::Applied,
        Err(error) => Outcome::Failed { step: "look at what exists".into(), error: error.clone() },
    };
    let now = context.clock.now();
    view.holds.note(What::Observation, &outcome, now);
    seen.map_err(|error| (error, view.holds.until(now).map_or(PERSON_RECHECK, |at| until(now, at))))
}

async fn act<S: Store>(
    context: &Context<S>,
    account: &Account,
    object: &ObjectRef,
    fork: Arc<Fork>,
    desired: &Desired,
    view: &mut View,
) -> Result<Passed, StoreError> {
    let now = context.clock.now();
    let record = context.unsaved.status(&fork);
    let outcomes = view.holds.outcomes(now);
    let withheld = withheld(&fork, now);
    let progress = State::default();
    let mut apply = Apply { context, account, object, desired, view, withheld, fork, record, outcomes, progress };
    let mut plan = apply.run().await?;
    if apply.look_again().await {
        plan = apply.run().await?;
    }
    if apply.progress.overtaken {
        return Ok(Passed::after(Some(Duration::ZERO)));
    }
    let generation = apply.fork.generation();
    let mut status = fork::report::status(apply.input(), &plan, &apply.outcomes, generation);
    let Apply { view, fork, outcomes, .. } = apply;
    let credentials = credentials::report(&fork, &account.forge.permissions(), &outcomes);
    let before = context.unsaved.status(&fork).conditions;
    condition::add_aside(&mut status.conditions, &before, &credentials, generation, now);
    let failed = outcomes.values().find_map(|outcome| match outcome {
        Outcome::Failed { error, .. } => Some(error.reason()),
        _ => None,
    });
    let now = context.clock.now();
    for (facet, plan) in &plan.facets {
        if let Some(outcome) = outcomes.get(facet) {
            view.holds.note(What::Steps(*facet), outcome, now);
        }
        if let Verdict::Waiting { recheck, .. } | Verdict::PersonNeeded { recheck, .. } = &plan.verdict {
            view.look_again(*facet, *recheck, now);
        }
    }
    let next = [view.due(), view.holds.until(now), resumes_at(&fork, now)].into_iter().flatten().min();
    let planned = Planned { plan: &plan, outcomes: &outcomes };
    let gathers = report::write(context, object, fork, status, Ok(planned)).await?;
    Ok(Passed { next: next.into_iter().chain(gathers).min().map(|at| until(now, at)), failed })
}

/// Why nothing may be changed outside for this Fork now.
pub(crate) fn withheld(fork: &Fork, now: Timestamp) -> Option<Withheld> {
    if let Some(suspend) = &fork.spec.suspend
        && suspend.until.as_ref().is_none_or(|until| until.0 > now)
    {
        let until = suspend.until.as_ref().map(|until| format!(" until {}", until.0)).unwrap_or_default();
        return Some(Withheld { reason: "Suspended", message: format!("suspended{until}: {}", suspend.reason) });
    }
    (fork.spec.management_policy == ManagementPolicy::ObserveOnly).then(|| Withheld {
        reason: "ObserveOnly",
        message: "managementPolicy is ObserveOnly: differences are told and not changed".into(),
    })
}

fn resumes_at(fork: &Fork, now: Timestamp) -> Option<Timestamp> {
    let until = fork.spec.suspend.as_ref()?.until.as_ref()?.0;
    (until > now).then_some(until)
}
