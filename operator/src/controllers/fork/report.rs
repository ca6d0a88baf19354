//! The one place that says what a pass has come to: status, events, progress. It runs on every exit.

use std::sync::Arc;

use forkable_core::{
    Facet, Plan, PortError, Retry,
    condition::{self, Report, State},
    fork::{claims::Claim, validate::Invalid},
    monitoring,
    plan::{Outcome, Verdict},
    store::{EventType, Kind, ObjectRef, Store, StoreError},
};
use forkable_crds::{
    Fork, ForkStatus,
    condition::{Condition, ConditionStatus},
    fork::ReleaseStatus,
};
use jiff::Timestamp;

use crate::{
    context::Context,
    progress::{Mark, Progress, Standing},
};

/// Condition of a Fork whose manifest cannot be honoured.
const VALID: &str = "Valid";
/// Condition of a Fork of which the outside cannot be seen.
const OBSERVED: &str = "Observed";
/// Condition that says whether the credentials may do what the manifest asks for.
pub(super) const CREDENTIALS: &str = "CredentialsValid";
/// Reason of a Fork that claims what an older one holds.
pub(super) const CONFLICT: &str = "Conflict";

/// A status after a pass that got as far as a plan.
pub(super) struct Planned<'a> {
    pub(super) plan: &'a Plan,
    pub(super) outcomes: &'a std::collections::BTreeMap<Facet, Outcome>,
}

/// Why a pass ended before there was a plan.
pub(super) enum Early<'a> {
    Invalid(&'a [Invalid]),
    Unobserved(&'a PortError),
    Conflict(&'a Claim),
}

impl Early<'_> {
    fn reports(&self, now: Timestamp) -> Vec<Report> {
        match self {
            Self::Invalid(invalid) => vec![invalid_report(invalid)],
            Self::Unobserved(error) => unobserved_reports(error, now),
            Self::Conflict(Claim { what, name, holder }) => vec![Report {
                condition: VALID,
                state: State::Stalled,
                reason: CONFLICT.into(),
                message: format!(
                    "the {what} {name} belongs to the older Fork {holder}; nothing is changed for this one until it \
                     claims another {what} or {holder} is gone"
                ),
            }],
        }
    }

    /// The status: what was known stays, conditions say why there is nothing new.
    pub(super) fn status(&self, previous: ForkStatus, generation: i64, now: Timestamp) -> ForkStatus {
        let mut conditions = condition::summarize(&previous.conditions, &self.reports(now), generation, now);
        let facets = Facet::ALL.map(Facet::condition);
        let kept = previous.conditions.iter().filter(|old| facets.contains(&old.type_.as_str()));
        conditions.extend(kept.cloned());
        ForkStatus { observed_generation: Some(generation), conditions, ..previous }
    }

    fn standing(&self, now: Timestamp) -> Standing {
        match self {
            Self::Invalid(_) | Self::Conflict(_) => Standing::Person,
            Self::Unobserved(error) => state_of(error, now).1,
        }
    }
}

fn invalid_report(invalid: &[Invalid]) -> Report {
    let transient = invalid.iter().all(|invalid| invalid.transient);
    let lines: Vec<_> = invalid.iter().map(|invalid| format!("{}: {}", invalid.field, invalid.message)).collect();
    Report {
        condition: VALID,
        state: if transient { State::PersonNeeded } else { State::Stalled },
        reason: invalid.first().map_or("Invalid", |first| first.reason).into(),
        message: lines.join("; "),
    }
}

fn unobserved_reports(error: &PortError, now: Timestamp) -> Vec<Report> {
    let condition = if is_about_credentials(error) { CREDENTIALS } else { OBSERVED };
    let (state, _) = state_of(error, now);
    vec![Report { condition, state, reason: error.reason().into(), message: remedied(error) }]
}

pub(super) fn is_about_credentials(error: &PortError) -> bool {
    matches!(error, PortError::Unauthorized { .. } | PortError::Forbidden { .. })
}

/// The error, and what a person can do about it if anything.
pub(super) fn remedied(error: &PortError) -> String {
    let provider = error.provider();
    match error {
        PortError::Unauthorized { .. } => format!("{error}; give it valid credentials for {provider}"),
        PortError::Forbidden { .. } => format!("{error}; grant it to the credentials for {provider}"),
        _ => error.to_string(),
    }
}

/// How it stands after an error.
pub(super) fn state_of(error: &PortError, now: Timestamp) -> (State, Standing) {
    match error.retry(now) {
        Retry::Never => (State::Stalled, Standing::Person),
        Retry::After(_) => (State::Progressing, Standing::Working),
        Retry::Backoff => (State::Retrying, Standing::Working),
    }
}

/// Stores a status if it differs and tells of transitions. While a Fork is being made, news may wait a moment to be
/// stored; answers until when, if they do.
pub(super) async fn write<S: Store>(
    context: &Context<S>,
    object: &ObjectRef,
    fork: Arc<Fork>,
    mut status: ForkStatus,
    planned: Result<Planned<'_>, Early<'_>>,
) -> Result<Option<Timestamp>, StoreError> {
    let known = context.unsaved.status(&fork);
    let now = context.clock.now();
    let (standing, facets) = match &planned {
        Ok(planned) => (planned.standing(&status.conditions, now), planned.marks()),
        Err(early) => (early.standing(now), Vec::new()),
    };
    status.conditions.extend(available(context, &fork, &known, now));
    let stored = fork.status.clone().unwrap_or_default();
    let gathers = if status.current_release.is_none() {
        condition::gathers_until(&stored.conditions, &status.conditions, now)
    } else {
        None
    };
    if stored == status {
        context.unsaved.forget(object);
    } else if gathers.is_some() {
        context.unsaved.hold(&fork, status.clone());
        context.fleet.put_fork(&context.unsaved.on(fork));
    } else {
        let fork = context.store.write_status(&fork, status.clone()).await?;
        context.unsaved.forget(object);
        context.fleet.put_fork(&fork);
    }
    if what_releases_wait_for(&known) != what_releases_wait_for(&status) {
        context.fleet.releases(object).iter().for_each(|release| context.wake(release.reference()));
    }
    context.monitor.touch(object);
    tell_transition(context, object, &known.conditions, &status.conditions).await;
    let ready = condition::find(&status.conditions, "Ready");
    context.progress.tell(Progress::PassEnded {
        object: object.clone(),
        standing,
        reason: ready.map(|ready| ready.reason.to_string()).unwrap_or_default(),
        message: ready.map(|ready| ready.message.clone()).unwrap_or_default(),
        url: status.url.clone(),
        facets,
    });
    Ok(gathers.filter(|_| stored != status))
}

/// What people see of a Fork that cannot be looked at yet, while its status stays as it is.
pub(super) fn unlooked(object: &ObjectRef, fork: &Fork, error: &PortError) -> Progress {
    Progress::PassEnded {
        object: object.clone(),
        standing: Standing::Working,
        reason: error.reason().into(),
        message: error.to_string(),
        url: fork.status.as_ref().and_then(|status| status.url.clone()),
        facets: Vec::new(),
    }
}

/// Whether probes reach the product, if that is a question.
fn available<S>(context: &Context<S>, fork: &Fork, known: &ForkStatus, now: Timestamp) -> Option<Condition> {
    fork.spec.monitoring.as_ref().is_none_or(|monitoring| monitoring.enabled).then_some(())?;
    let standings = context.monitor.standings(&fork.reference());
    monitoring::available(&known.conditions, &standings, fork.generation(), now)
}

/// What the releases of a Fork look at: they have a pass when it changes.
fn what_releases_wait_for(status: &ForkStatus) -> (Option<&ReleaseStatus>, Option<&str>, Option<i64>) {
    let project = status.project.as_ref().map(|project| project.id.as_str());
    (status.current_release.as_deref(), project, status.repository.as_ref().map(|repository| repository.id))
}

/// Tells of becoming ready and of everything that is in the way of it, not of the way there.
async fn tell_transition<S: Store>(context: &Context<S>, object: &ObjectRef, before: &[Condition], now: &[Condition]) {
    let (before, Some(now)) = (condition::find(before, "Ready"), condition::find(now, "Ready")) else { return };
    let (event_type, reason) = match (now.status, before) {
        (status, Some(before))
            if before.status == status && (status != ConditionStatus::False || before.reason == now.reason) =>
        {
            return;
        }
        (ConditionStatus::True, _) => (EventType::Normal, "Ready"),
        (ConditionStatus::Unknown, None) => return,
        (ConditionStatus::Unknown, Some(_)) => (EventType::Normal, "Progressing"),
        (ConditionStatus::False, _) => (EventType::Warning, "NotReady"),
    };
    context.store.event(object, event_type, reason, &format!("{}: {}", now.reason, now.message)).await;
}

impl Planned<'_> {
    fn standing(&self, conditions: &[Condition], now: Timestamp) -> Standing {
        if condition::is_true(conditions, "Ready") {
            return Standing::Ready;
        }
        let working = self.plan.facets.iter().any(|(facet, plan)| match self.outcomes.get(facet) {
            Some(Outcome::Failed { error, .. }) => state_of(error, now).1 == Standing::Working,
            Some(Outcome::Applied) => matches!(plan.verdict, Verdict::Waiting { .. }),
            _ => false,
        });
        if working { Standing::Working } else { Standing::Person }
    }

    fn marks(&self) -> Vec<(Facet, Mark)> {
        let mark = |(facet, plan): (&Facet, &forkable_core::plan::FacetPlan)| {
            let mark = match (self.outcomes.get(facet), &plan.verdict) {
                (Some(Outcome::Failed { .. } | Outcome::Withheld { .. }), _) => Mark::Failed,
                (Some(Outcome::Blocked { .. }), _) | (_, Verdict::Waiting { .. }) => Mark::Working,
                (_, Verdict::Synced { .. }) => Mark::Done,
                (_, Verdict::PersonNeeded { .. } | Verdict::Refused { .. }) => Mark::Failed,
            };
            (*facet, mark)
        };
        self.plan.facets.iter().map(mark).collect()
    }
}
