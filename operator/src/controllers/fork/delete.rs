//! A Fork that is being deleted: its deletion policy is applied, then it may go.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use forkable_core::{
    Facet, Plan, Step,
    condition::{self, Report, State},
    forge::RepositoryTarget,
    fork::{absorb, deletion},
    hosting::ProjectTarget,
    plan::{Effect, Outcome},
    store::{Kind, ObjectRef, Store, StoreError},
};
use forkable_crds::{
    FINALIZER, Fork, ForkStatus,
    fork::{DeletionPolicy, ManagementPolicy},
};

use super::{
    abandon,
    perform::{self, Targets},
    report, resolve,
};
use crate::{
    brake,
    clock::until,
    context::Context,
    controllers::Passed,
    observe::{self, Ask, View, What},
    progress::{Progress, Standing},
};

/// Condition of a Fork that cannot go yet.
const DELETED: &str = "Deleted";

pub(super) async fn pass<S: Store>(
    context: &Context<S>,
    object: &ObjectRef,
    fork: Arc<Fork>,
    view: &mut View,
) -> Result<Passed, StoreError> {
    if !fork.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER) {
        return Ok(Passed::default()); // Somebody else keeps it.
    }
    if is_anything_to_do(&fork)
        && let Some(outcome) = remove(context, object, &fork, view).await?
    {
        match abandon::why(&fork, &outcome, context) {
            Ok(why) => abandon::tell(context, &fork, &outcome, &why).await,
            Err(wait) => return keep(context, object, fork, view, outcome, wait).await,
        }
    }
    let fork = context.store.set_finalizer(&fork, false).await?;
    tracing::info!(%object, policy = ?fork.spec.deletion_policy, "deleted");
    Ok(Passed::default())
}

/// Whether the deletion may have to wait for something to be done outside.
pub(super) fn needs_finalizer(fork: &Fork) -> bool {
    fork.spec.deletion_policy != DeletionPolicy::Retain && fork.spec.management_policy == ManagementPolicy::Full
}

/// Whether the policy wants anything of what is on record.
pub(super) fn is_anything_to_do(fork: &Fork) -> bool {
    let made =
        |status: &ForkStatus| status.repository.is_some() || status.project.is_some() || !status.pending.is_empty();
    needs_finalizer(fork) && fork.status.as_ref().is_some_and(made)
}

/// Applies the policy; answers what stands in the way, if anything does.
async fn remove<S: Store>(
    context: &Context<S>,
    object: &ObjectRef,
    fork: &Fork,
    view: &mut View,
) -> Result<Option<Outcome>, StoreError> {
    let now = context.clock.now();
    let known = view.ask.as_ref().and_then(|ask| context.accounts.by_key(&ask.account));
    let account = match (resolve::account(context, fork).await?, known) {
        // Where a whole namespace goes, the Secret may go before the Fork.
        (Ok(account), _) | (Err(_), Some(account)) => account,
        (Err(invalid), None) => {
            let message = format!("{}: {}", invalid.field, invalid.message);
            return Ok(Some(Outcome::Withheld { reason: invalid.reason, message }));
        }
    };
    view.holds.begin(resolve::fingerprint(fork, &forkable_core::fork::validate::Resolved::default(), &account));
    for what in [What::Observation, What::Steps(Facet::Project), What::Steps(Facet::Repository)] {
        if let Some(outcome) = view.holds.outcome(what, now) {
            return Ok(Some(outcome.clone()));
        }
    }
    view.asks(Ask::of(&account.key, fork));
    let seen = observe::refresh(&account, view, &context.clock).await;
    let seen = seen.map_err(|error| Outcome::Failed { step: "look at what exists".into(), error });
    if let Err(outcome) = seen {
        view.holds.note(What::Observation, &outcome, context.clock.now());
        return Ok(Some(outcome));
    }
    view.holds.note(What::Observation, &Outcome::Applied, now);
    while let Some(step) = next(&deletion::plan(fork, &view.observed)) {
        if step.effect() == Effect::Destroy && !context.brake.admit(context.clock.now()) {
            let message = brake::message(&step.to_string());
            return Ok(Some(Outcome::Withheld { reason: brake::BLOCKED, message }));
        }
        let facet = step.facet;
        perform::tell_began(context, object, &step);
        let tried = perform::outside(&account, targets(fork, view), step).await;
        perform::tell_ended(context, object, &tried).await;
        match &tried.result {
            Ok(done) => absorb::absorb(&mut view.observed, &tried.step.change, done),
            Err(error) => {
                view.doubt(facet);
                let outcome = Outcome::Failed { step: tried.step.to_string(), error: error.clone() };
                view.holds.note(What::Steps(facet), &outcome, context.clock.now());
                return Ok(Some(outcome));
            }
        }
    }
    Ok(None)
}

/// The project goes first: a repository without a project harms nobody.
fn next(plan: &Plan) -> Option<Step> {
    let facets: BTreeMap<_, _> = plan.facets.iter().map(|(facet, plan)| (*facet == Facet::Repository, plan)).collect();
    facets.into_values().flat_map(|plan| &plan.steps).next().cloned()
}

fn targets(fork: &Fork, view: &View) -> Targets {
    let seen = view.observed.repository.as_ref();
    let full_name = seen.map_or("", |repository| repository.full_name.as_str());
    let (owner, name) = full_name.split_once('/').unwrap_or((&fork.spec.repository.owner, &fork.spec.repository.name));
    let repository = RepositoryTarget {
        id: seen.map(|repository| repository.id),
        node_id: seen.map(|repository| repository.node_id.clone()),
        owner: owner.into(),
        name: name.into(),
        head: None,
    };
    let seen = view.observed.project.as_ref();
    let project = ProjectTarget {
        team: fork.spec.project.team_id.clone(),
        id: seen.map(|project| project.id.clone()),
        name: seen.map_or_else(|| fork.spec.project.name.clone(), |project| project.name.clone()),
        repository: None,
    };
    Targets { repository, project }
}

/// Says what stands in the way, and comes back: at the latest when it is given up.
async fn keep<S: Store>(
    context: &Context<S>,
    object: &ObjectRef,
    fork: Arc<Fork>,
    view: &View,
    outcome: Outcome,
    given_up_in: Option<Duration>,
) -> Result<Passed, StoreError> {
    let now = context.clock.now();
    let (state, reason, message, standing) = match &outcome {
        Outcome::Failed { step, error } => {
            let message = format!("{}: {}", step.trim(), report::remedied(error));
            let (state, standing) = report::state_of(error, now);
            (state, error.reason(), message, standing)
        }
        Outcome::Withheld { reason, message } => (State::PersonNeeded, *reason, message.clone(), Standing::Person),
        Outcome::Applied | Outcome::Blocked { .. } => return Ok(Passed::default()),
    };
    let report = Report { condition: DELETED, state, reason: reason.into(), message: message.clone() };
    let previous = fork.status.clone().unwrap_or_default();
    let conditions = condition::summarize(&previous.conditions, &[report], fork.generation(), now);
    let status = ForkStatus { observed_generation: Some(fork.generation()), conditions, ..previous };
    if fork.status.as_ref() != Some(&status) {
        let fork = context.store.write_status(&fork, status).await?;
        context.fleet.put_fork(&fork);
    }
    let (object, reason) = (object.clone(), reason.to_owned());
    context.progress.tell(Progress::PassEnded { object, standing, reason, message, url: None, facets: Vec::new() });
    let failed = match &outcome {
        Outcome::Failed { error, .. } => Some(error.reason()),
        _ => None,
    };
    let next = Some(view.holds.until(now).map_or(super::PERSON_RECHECK, |at| until(now, at)));
    Ok(Passed { next: next.into_iter().chain(given_up_in).min(), failed })
}
