//! Applies what is missing: after every step the plan is made anew, and whatever may run, runs at once.
//!
//! Nothing is read in between: the answers to our own writes keep the observation true. The one exception is the DNS
//! of a domain that was just added, which no answer tells.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use forkable_core::{
    Change, Facet, Plan, PortError, Step,
    fork::{self, Desired, Input, absorb, record, targets},
    hosting::{DomainConfiguration, HostingChange},
    plan::{Done, Effect, Outcome, StoreChange, Verdict},
    store::{Kind, ObjectRef, Store, StoreError},
};
use forkable_crds::{Deployment, Fork, ForkStatus, fork::PendingCreate};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};

use super::{
    perform::{self, Targets, Tried},
    takedown,
};
use crate::{
    accounts::Account,
    brake,
    context::Context,
    observe::{self, View},
};

/// Why nothing may be changed outside now.
#[derive(Clone, Debug)]
pub(crate) struct Withheld {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// One pass over the changes of one Fork.
pub(super) struct Apply<'a, S> {
    pub(super) context: &'a Context<S>,
    pub(super) account: &'a Account,
    pub(super) object: &'a ObjectRef,
    pub(super) desired: &'a Desired,
    pub(super) view: &'a mut View,
    pub(super) withheld: Option<Withheld>,
    /// As last read or written.
    pub(super) fork: Arc<Fork>,
    /// What the status says once it is written.
    pub(super) record: ForkStatus,
    /// Facets of which no step may run (any more), and why.
    pub(super) outcomes: BTreeMap<Facet, Outcome>,
    pub(super) progress: State,
}

/// What a pass has come to so far.
#[derive(Default)]
pub(super) struct State {
    applied: Vec<Step>,
    looked: BTreeSet<String>,
    /// Facets of which a step failed in this pass because the outside is not as it was seen.
    surprised: BTreeSet<Facet>,
    /// The object was changed while the pass ran: nothing new begins, and the next pass begins at once.
    pub(super) overtaken: bool,
    /// The store failed: nothing new begins.
    broken: Option<StoreError>,
}

enum Ended {
    Tried { tried: Box<Tried>, intent: Option<Vec<PendingCreate>> },
    Looked { name: String, result: Result<DomainConfiguration, PortError> },
}

type Running<'a> = FuturesUnordered<BoxFuture<'a, Ended>>;

impl<'a, S: Store> Apply<'a, S> {
    pub(super) fn input(&self) -> Input<'_> {
        Input {
            desired: self.desired,
            observed: &self.view.observed,
            record: &self.record,
            now: self.context.clock.now(),
        }
    }

    /// Runs until nothing more can be done now. Answers the plan of what is left, with an outcome for each facet in it.
    pub(super) async fn run(&mut self) -> Result<Plan, StoreError> {
        let mut running = Running::new();
        let mut busy = BTreeSet::new();
        self.withhold();
        loop {
            let plan = self.plan();
            if self.start(&plan, &mut running, &mut busy).await {
                continue;
            }
            match running.next().await {
                None => break,
                Some(Ended::Tried { tried, intent }) => {
                    busy.remove(&tried.step.facet);
                    self.take_in(*tried, intent).await;
                }
                Some(Ended::Looked { name, result }) => self.saw_domain(&name, result),
            }
        }
        if self.progress.overtaken {
            self.save().await;
        }
        match self.progress.broken.take() {
            Some(error) => Err(error),
            None => Ok(self.conclude()),
        }
    }

    /// If steps failed because the outside is not as it was seen: looks at it again, after which they may run once more.
    /// Answers whether it did.
    pub(super) async fn look_again(&mut self) -> bool {
        let surprised = std::mem::take(&mut self.progress.surprised);
        if surprised.is_empty() || self.progress.overtaken {
            return false;
        }
        if observe::refresh(self.account, self.view, &self.context.clock).await.is_err() {
            return false;
        }
        self.outcomes.retain(|facet, outcome| {
            !surprised.contains(facet) && !matches!(outcome, Outcome::Applied | Outcome::Blocked { .. })
        });
        true
    }

    fn withhold(&mut self) {
        let Some(Withheld { reason, message }) = self.withheld.clone() else { return };
        for (facet, plan) in self.plan().facets {
            if !plan.steps.is_empty() {
                self.outcomes.insert(facet, Outcome::Withheld { reason, message: message.clone() });
            }
        }
    }

    /// What is missing. A step that was made in this pass is not made again, whatever its answer said.
    fn plan(&self) -> Plan {
        let now = self.context.clock.now();
        let verify = self.view.domains_may_be_verified(now);
        fork::plan(self.input()).filtered(|step| {
            !self.progress.applied.contains(step)
                && (verify || !matches!(step.change, Change::Hosting(HostingChange::VerifyDomain { .. })))
        })
    }

    /// Starts everything that may run. Answers whether something was done at once, so that the plan is different now.
    async fn start(&mut self, plan: &Plan, running: &mut Running<'a>, busy: &mut BTreeSet<Facet>) -> bool {
        let mut changed = false;
        for step in self.runnable(plan, busy) {
            let Some(intent) = self.admit(&step).await else { continue };
            if let Change::Store(change) = &step.change {
                self.change_store(&step, change).await;
                changed = true;
                continue;
            }
            busy.insert(step.facet);
            perform::tell_began(self.context, self.object, &step);
            let targets =
                Targets { repository: targets::repository(self.input()), project: targets::project(self.input()) };
            let account = self.account;
            running.push(Box::pin(async move {
                Ended::Tried { tried: Box::new(perform::outside(account, targets, step).await), intent }
            }));
        }
        self.look_at_domains(running);
        changed
    }

    fn runnable(&self, plan: &Plan, busy: &BTreeSet<Facet>) -> Vec<Step> {
        if self.progress.overtaken || self.progress.broken.is_some() {
            return Vec::new();
        }
        plan.runnable(busy, |facet| self.outcomes.contains_key(facet)).into_iter().cloned().collect()
    }

    /// Asks the brake, and stores the intent of a creation with the first conditions. `None`: the step may not run.
    async fn admit(&mut self, step: &Step) -> Option<Option<Vec<PendingCreate>>> {
        let now = self.context.clock.now();
        if step.effect() == Effect::Destroy && !self.context.brake.admit(now) {
            let message = brake::message(&step.to_string());
            self.outcomes.insert(step.facet, Outcome::Withheld { reason: brake::BLOCKED, message });
            return None;
        }
        if !step.needs_intent() {
            return Some(None);
        }
        let before = record::begin(&mut self.record, self.desired, step, now);
        let generation = self.fork.generation();
        let status = fork::report::status(self.input(), &self.plan(), &self.outcomes, generation);
        self.record.conditions.clone_from(&status.conditions);
        self.record.observed_generation = status.observed_generation;
        match self.context.store.write_status(&self.fork, self.record.clone()).await {
            Ok(fork) => self.stored(fork),
            Err(error) => {
                self.record.pending = before;
                self.failed(error);
                return None;
            }
        }
        Some(Some(before))
    }

    async fn change_store(&mut self, step: &Step, change: &StoreChange) {
        // A release begins at once, with what is known of repository and project by now.
        self.context.unsaved.hold(&self.fork, self.record.clone());
        let done = match change {
            StoreChange::DropPreview { name, .. } => match self.take_away(step, name).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => {
                    let step = step.to_string();
                    self.outcomes.insert(Facet::Previews, Outcome::Failed { step, error });
                    return;
                }
                Err(error) => Err(error),
            },
            _ => perform::inside(self.context, &self.fork, change).await,
        };
        match done {
            Ok(()) => {
                tracing::info!(facet = step.facet.name(), %step, "done");
                absorb::absorb(&mut self.view.observed, &step.change, &Done::Store);
                self.view.observed.releases = self.context.fleet.releases(self.object);
                self.progress.applied.push(step.clone());
            }
            Err(error) => self.failed(error),
        }
    }

    async fn take_away(&self, step: &Step, name: &str) -> Result<Result<(), PortError>, StoreError> {
        let preview = ObjectRef::new(Deployment::KIND, self.object.namespace.clone(), name);
        perform::tell_began(self.context, self.object, step);
        let (began, target) = (Instant::now(), targets::project(self.input()));
        let result = takedown::take_away(self.context, self.account, &target, &preview).await?;
        let tried = Tried { step: step.clone(), result: result.clone().map(|()| Done::Store), took: began.elapsed() };
        perform::tell_ended(self.context, self.object, &tried).await;
        Ok(result)
    }

    fn look_at_domains(&mut self, running: &mut Running<'a>) {
        let Some(target) = self.view.project_target() else { return };
        if self.outcomes.contains_key(&Facet::Domains) {
            return;
        }
        for name in self.view.never_looked_at() {
            if self.progress.looked.insert(name.clone()) {
                let (account, target) = (self.account, target.clone());
                running.push(Box::pin(async move {
                    let result = account.hosting.domain_configuration(&target, &name).await;
                    Ended::Looked { name, result }
                }));
            }
        }
    }

    fn saw_domain(&mut self, name: &str, result: Result<DomainConfiguration, PortError>) {
        match result {
            Ok(configuration) => self.view.saw_configuration(name, configuration),
            Err(error) => {
                let step = format!("look at the DNS of {name}");
                self.outcomes.insert(Facet::Domains, Outcome::Failed { step, error });
            }
        }
    }

    async fn take_in(&mut self, tried: Tried, intent: Option<Vec<PendingCreate>>) {
        perform::tell_ended(self.context, self.object, &tried).await;
        let Tried { step, result, .. } = tried;
        match result {
            Ok(done) => {
                absorb::absorb(&mut self.view.observed, &step.change, &done);
                record::done(&mut self.record, self.desired, &self.view.observed, &step.change, &done);
                self.view.wrote(step.facet, self.context.clock.now());
                self.progress.applied.push(step);
            }
            Err(error) if record::adapted(&mut self.record, self.desired, &self.view.observed, &step, &error) => {}
            Err(error) => {
                if let Some(before) = intent {
                    record::failed(&mut self.record, before, &error);
                }
                if matches!(error, PortError::Conflict { .. } | PortError::Stale { .. }) {
                    self.progress.surprised.insert(step.facet);
                }
                if leaves_doubt(&step, &error) {
                    self.view.doubt(step.facet);
                }
                self.outcomes.insert(step.facet, Outcome::Failed { step: step.to_string(), error });
            }
        }
    }

    /// Stores the record. The status is ours alone, so that it is also stored on an object that was changed meanwhile.
    async fn save(&mut self) {
        let store = &self.context.store;
        let written = match store.write_status(&self.fork, self.record.clone()).await {
            Err(StoreError::Conflict(_)) => {
                self.progress.overtaken = true;
                match store.get::<Fork>(&self.object.namespace, &self.object.name).await {
                    Ok(Some(fork)) if fork.uid() == self.fork.uid() => {
                        store.write_status(&fork, self.record.clone()).await
                    }
                    Ok(_) => return,
                    Err(error) => Err(error),
                }
            }
            written => written,
        };
        match written {
            Ok(fork) => self.stored(fork),
            Err(error) => self.failed(error),
        }
    }

    fn stored(&mut self, fork: Arc<Fork>) {
        self.context.unsaved.forget(self.object);
        self.fork = fork;
    }

    fn failed(&mut self, error: StoreError) {
        if matches!(error, StoreError::Conflict(_)) {
            self.progress.overtaken = true;
        } else {
            self.progress.broken = Some(error);
        }
    }

    /// The plan of what is left, and an outcome for every facet in it.
    fn conclude(&mut self) -> Plan {
        let plan = self.plan();
        for (facet, left) in &plan.facets {
            if self.outcomes.contains_key(facet) {
                continue;
            }
            let undone = |need: &&Facet| plan.facets.get(need).is_some_and(|left| !left.is_done());
            let outcome = match plan.needs(*facet).iter().find(undone) {
                Some(by) if !left.steps.is_empty() || matches!(left.verdict, Verdict::Waiting { .. }) => {
                    Outcome::Blocked { by: *by }
                }
                _ => Outcome::Applied,
            };
            self.outcomes.insert(*facet, outcome);
        }
        plan
    }
}

/// Whether the outside may not be as it is known after this error.
fn leaves_doubt(step: &Step, error: &PortError) -> bool {
    match error {
        PortError::Unavailable { .. }
        | PortError::Stale { .. }
        | PortError::Conflict { .. }
        | PortError::NotFound { .. } => true,
        // A batch may be half done.
        PortError::Rejected { .. } => matches!(step.change, Change::Hosting(HostingChange::UpsertEnv(_))),
        PortError::Unauthorized { .. }
        | PortError::Forbidden { .. }
        | PortError::PlanUnsupported { .. }
        | PortError::RateLimited { .. } => false,
    }
}
