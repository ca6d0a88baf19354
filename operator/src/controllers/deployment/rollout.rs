//! The pass of a release that is promoted: look, decide, put on record, call. An intent is on record before its call.

use std::{sync::Arc, time::Duration};

use forkable_core::{
    Change, Facet, PortError, Retry, Step,
    forge::ForgeChange,
    hosting::{HostingChange, HostingDone, ProjectAsk},
    journal::Entry,
    plan::Outcome,
    release::{
        self, Input, Look,
        analysis::{self, Secrets},
        machine::{Call, Decision, Event, Phase, Row},
        reason::UNKNOWN_CHECK,
        rollout::{self, Production, Round, canary, errand},
    },
    sites::Visit,
    store::{EventType, Kind, ObjectRef, Store, StoreError},
};
use forkable_crds::{Deployment, DeploymentStatus, condition::ConditionStatus, rollout::Analysis};
use futures::future::join_all;

use super::{Pass, builds::Build, fingerprint, store, withheld};
use crate::{
    clock::{after, until},
    controllers::{Passed, fork::resolve},
    observe::What,
};

/// Lines of the table, calls and measurements in one pass; a release has no more phases.
const ROUNDS: usize = 16;
/// How often a call is looked at that the provider works on.
pub(super) const SOON: Duration = Duration::from_secs(1);
/// How often a release is looked at that waits for others or for a person, who wake it in any case.
const SAFETY: Duration = Duration::from_mins(1);
/// How often it is asked whether what was refused is allowed by now.
const REFUSED: Duration = Duration::from_mins(5);

impl<S: Store> Pass<'_, S> {
    pub(super) async fn roll_out(&self, owner: &ObjectRef, build: &mut Build) -> Result<Passed, StoreError> {
        let _turn = self.context.builds.turn(owner).await;
        // As it is now that nobody else is at it.
        let Some(mut release) = self.context.store.get::<Deployment>(&self.object.namespace, &self.object.name).await?
        else {
            return Ok(Passed::default());
        };
        self.context.fleet.put_release(release.clone());
        build.holds.begin(fingerprint(&release, self.account));
        let began = self.context.clock.now();
        if let Some(Outcome::Failed { .. }) = build.holds.outcome(What::Observation, began) {
            return Ok(Passed::after(build.holds.until(began).map(|at| until(began, at))));
        }
        build.sight.production = None;
        // A plan or a project may be changed by a person.
        if matches!(build.sight.offer, Some(Err(_))) && build.look_at.is_none_or(|at| at <= began) {
            build.sight.offer = None;
        }
        let mut failed = None;
        let mut made = None;
        for _ in 0..ROUNDS {
            let step = self.step(owner, &release, build, &mut made).await?;
            match step {
                Stepped::On(next) => release = next,
                Stepped::Waits => break,
                Stepped::Failed(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        self.conclude(owner, release, build, failed).await
    }

    /// One line of the table, one call or one measurement.
    async fn step(
        &self,
        owner: &ObjectRef,
        release: &Arc<Deployment>,
        build: &mut Build,
        made: &mut Option<Call>,
    ) -> Result<Stepped, StoreError> {
        let siblings = self.context.fleet.releases(owner);
        let now = self.context.clock.now();
        let input = Input { release, fork: Some(self.fork), siblings: &siblings, now };
        if let Some(analysis) = release.spec.analysis.as_ref().filter(|_| rollout::phase(release) == Phase::Pending) {
            let secrets = self.secrets(analysis).await?;
            build.sight.unready = rollout::unready(input, &secrets, self.context.services.prometheus.as_deref());
        }
        if let Err(error) = self.look(input, build).await {
            return Ok(Stepped::Failed(error));
        }
        if withheld(self.fork, now).is_some() {
            return Ok(Stepped::Waits);
        }
        let known = rollout::known(input, &build.sight);
        if release.status.as_ref().is_some_and(|status| status.migration != known.migration) {
            return Ok(Stepped::On(self.write_record(input, known, build, None).await?));
        }
        let needs = rollout::needs(input, &build.sight, build.is_untried);
        if let Some(round) = &needs.round
            && build.measure_at.is_none_or(|at| at <= now)
        {
            build.measure_at = Some(after(now, round.interval));
            let secrets = self.secrets(round.analysis).await?;
            let visits = self.visit(input, round, &secrets).await;
            let rules = self.rules(rollout::rules(round));
            let record = rollout::measured(input, round, &visits, &rules, &secrets);
            self.warn_of_rules(input, rollout::rules(round)).await;
            let measured = self.write_record(input, record, build, None).await?;
            return Ok(Stepped::On(measured));
        }
        if let Some(stepped) = self.run_errand(input, build).await? {
            return Ok(stepped);
        }
        match rollout::decide(input, &build.sight) {
            Decision::Wait => self.revert(input, build).await,
            // It was heard, or the next look tells.
            Decision::Make(call) if *made == Some(call) => Ok(Stepped::Waits),
            Decision::Make(Call::Migrate) if !build.sight.is_run_untried => {
                // An intent for each try, so that an earlier one that was heard late is told from it.
                let record = rollout::intends_run(input);
                let next = self.write_record(input, record, build, None).await?;
                build.sight.is_run_untried = true;
                Ok(Stepped::On(next))
            }
            Decision::Make(call) => {
                *made = Some(call);
                match self.make(input, build, call).await {
                    Ok(()) if matches!(call, Call::Build | Call::Migrate) && build.sight.refused.is_none() => {
                        let record = rollout::known(input, &build.sight);
                        Ok(Stepped::On(self.write_record(input, record, build, None).await?))
                    }
                    Ok(()) if build.sight.refused.is_some() => Ok(Stepped::On(release.clone())),
                    Ok(()) => Ok(Stepped::Waits),
                    Err(error) => Ok(Stepped::Failed(error)),
                }
            }
            Decision::Go(row) => self.go(input, build, *row).await,
        }
    }

    async fn go(&self, input: Input<'_>, build: &mut Build, row: Row) -> Result<Stepped, StoreError> {
        if row.event == Event::BuildFailed
            && build.sight.build.log.is_none()
            && let Some(facts) = &build.sight.build.deployment
        {
            match self.account.hosting.build_log(&self.target, &facts.id).await {
                Ok(log) => build.sight.build.log = Some(self.redacted(&log).await?),
                Err(error) => return Ok(Stepped::Failed(error)),
            }
        }
        // A rollback to a build that is gone would end in a failure, with nothing left to try.
        if let Some(to) = rollout::way_back(input, &row) {
            match self.account.hosting.deployment(&self.target, &to.deployment_id).await {
                Ok(Some(_)) => {}
                Ok(None) if build.sight.gone.as_ref() == Some(&to.deployment_id) => return Ok(Stepped::Waits),
                Ok(None) => {
                    build.sight.gone = Some(to.deployment_id);
                    return Ok(Stepped::On(Arc::new(input.release.clone())));
                }
                Err(error) => return Ok(Stepped::Failed(error)),
            }
        }
        if let Some(call) = row.first
            && let Err(error) = self.make(input, build, call).await
        {
            return Ok(Stepped::Failed(error));
        }
        let record = rollout::record(input, &build.sight, &row);
        let next = self.write_record(input, record, build, Some(&row)).await?;
        build.sight.refused = None;
        build.sight.is_run_untried = row.to == Phase::Migrating;
        if build.sight.is_run_untried {
            build.sight.run = None;
            build.look_at = None;
        }
        build.measure_at = None;
        build.errand_at = None;
        build.sight.errand = errand::Errand::default();
        self.tell(&next, &row).await;
        // Others may have waited for it.
        for sibling in input.siblings.iter().filter(|sibling| sibling.metadata.name != next.metadata.name) {
            self.context.wake(sibling.reference());
        }
        Ok(Stepped::On(next))
    }

    /// Looks at what the phase depends on.
    async fn look(&self, input: Input<'_>, build: &mut Build) -> Result<(), PortError> {
        build.sight.build.head = self.head(input.release);
        build.sight.frozen_by = self.context.alerts.freezes(&self.fork.reference());
        self.look_at_workflows(input, build).await?;
        if self.target.id.is_none() {
            build.sight.is_looked_for = false;
            return Ok(());
        }
        let needs = rollout::needs(input, &build.sight, build.is_untried);
        let is_due = build.look_at.is_none_or(|at| at <= input.now);
        match needs.build {
            Look::Nothing => build.sight.is_looked_for = build.is_untried,
            Look::Deployment(id) if is_due || build.sight.build.deployment.is_none() => {
                let at = (self.account, &self.target, &self.context.clock);
                let (observed, seen_at) = (&mut build.sight.build, &mut build.seen_at);
                let looked = self.context.builds.polls.look(at, &id, observed, seen_at).await?;
                build.sight.is_looked_for = true;
                let next = || after(input.now, rollout::poll(input, &build.sight));
                build.look_at = Some(looked.unwrap_or_else(next));
            }
            Look::Deployment(_) => {}
            Look::Find { commit } => {
                let found = self.account.hosting.deployments(&self.target, commit.as_deref()).await?;
                build.sight.build.deployment = release::find(input, found);
                build.seen_at = Some(input.now);
                build.sight.is_looked_for = true;
            }
        }
        if let Some(ask) = &needs.commit {
            let good_for = input.commit_is_good_for(&build.sight);
            if build.commit_at.is_none_or(|at| after(at, good_for) <= input.now) {
                build.sight.commit = self.account.forge.commit(&self.repository(), ask).await?;
                build.commit_at = Some(input.now);
            }
        }
        if needs.offer && build.sight.offer.is_none() {
            let allowed = self.account.hosting.allows_steps(&self.target).await;
            let present = self.account.hosting.steps(&self.target).await?;
            build.sight.offer = Some(canary::offer(allowed, present.as_deref())?);
            build.look_at = matches!(build.sight.offer, Some(Err(_))).then(|| after(input.now, REFUSED));
        }
        if let Some(ask) = needs.run.filter(|_| is_due && !build.sight.is_run_untried) {
            let runs = self.account.forge.runs(&self.repository(), &ask).await?;
            build.sight.run = Some(rollout::found_run(input, &ask, &runs));
            build.look_at = Some(after(input.now, rollout::poll_run(input)));
        }
        if needs.production && build.sight.production.is_none() {
            let ask = ProjectAsk {
                id: self.target.id.clone(),
                name: self.target.name.clone(),
                team: self.target.team.clone(),
                environments: false,
            };
            let split = if needs.split { self.account.hosting.split(&self.target).await? } else { None };
            let seen = self.account.hosting.observe(&[ask]).await?.into_iter().next().flatten();
            build.sight.production = seen.map(|project| Production {
                serving: project.production_deployment,
                moved: project.moved.map(|moved| *moved),
                split,
            });
        }
        Ok(())
    }

    /// The Secrets that an analysis needs; what is missing is absent.
    async fn secrets(&self, analysis: &Analysis) -> Result<Secrets, StoreError> {
        resolve::secrets(&self.context.store, &self.object.namespace, &analysis::secrets(analysis)).await
    }

    async fn visit(&self, input: Input<'_>, round: &Round<'_>, secrets: &Secrets) -> Vec<Visit> {
        match rollout::asks(input, round, secrets, self.context.services.prometheus.as_deref()) {
            Ok(asks) => join_all(asks.iter().map(|ask| self.account.sites.get(ask))).await,
            Err(why) => {
                let metrics = round.analysis.http.len() + round.analysis.prometheus.len();
                vec![Visit::Nothing(why); metrics]
            }
        }
    }

    /// Makes a call. One that is refused for good is no error, but seen.
    async fn make(&self, input: Input<'_>, build: &mut Build, call: Call) -> Result<(), PortError> {
        let status = input.release.status.clone().unwrap_or_default();
        let steps = canary::weights(input.release);
        let is_stepwise = !steps.is_empty() && status.rollback_to.is_some();
        if matches!(call, Call::RestoreAssignment | Call::RemoveSteps) && is_stepwise {
            match self.remove_steps(&steps).await {
                // Where the provider refuses all of it, the release is over all the same; the journal tells.
                Err(error) if call == Call::RemoveSteps && is_refusal(&error) => {}
                done => done?,
            }
        }
        let own = status.deployment_id.unwrap_or_default();
        let change = match call {
            Call::Migrate => return self.migrate(input, build).await,
            Call::CancelMigration => {
                let Some(id) = status.migration.and_then(|run| run.id) else { return Ok(()) };
                return self.change_repository(ForgeChange::CancelRun { id }).await.map(drop);
            }
            Call::Build => {
                build.is_untried = false;
                match rollout::request(input) {
                    Ok(request) => HostingChange::CreateDeployment(request),
                    Err(_) => return Ok(()),
                }
            }
            Call::CancelBuild if own.is_empty() => return Ok(()),
            Call::CancelBuild => HostingChange::CancelDeployment { id: own },
            Call::Promote if is_stepwise => {
                let set = match self.account.hosting.steps(&self.target).await? {
                    Some(present) if present == steps => Ok(HostingDone::Nothing),
                    Some(present) => {
                        build.sight.refused = Some(canary::taken(&present).message);
                        return Ok(());
                    }
                    None => self.change_project(HostingChange::SetSteps(Some(steps))).await,
                };
                match set {
                    Ok(_) => HostingChange::StartSteps { id: own },
                    Err(error) if is_refusal(&error) => {
                        build.sight.refused = Some(error.to_string());
                        return Ok(());
                    }
                    Err(error) => return Err(error),
                }
            }
            Call::Promote => HostingChange::Promote { id: own },
            Call::Advance => {
                let step = status.canary.map_or(0, |canary| canary.step);
                match usize::try_from(step - 1) {
                    Ok(stage) if stage < steps.len() => HostingChange::NextStep { id: own, stage },
                    _ => HostingChange::CompleteSteps { id: own },
                }
            }
            Call::RemoveSteps => return Ok(()),
            Call::RestoreAssignment => HostingChange::AssignDomains(false),
            Call::RollBack => {
                HostingChange::RollBack { id: status.rollback_to.map(|to| to.deployment_id).unwrap_or_default() }
            }
        };
        build.sight.production = None;
        match self.change_project(change).await {
            Ok(HostingDone::Deployment(facts)) if call == Call::Build => {
                build.sight.build.deployment = Some(facts);
                build.seen_at = Some(self.context.clock.now());
                build.look_at = Some(after(input.now, SOON));
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) if matches!(call, Call::Promote | Call::Advance | Call::RollBack) && is_refusal(&error) => {
                build.sight.refused = Some(error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Removes the steps of the project if they are these: only those that this release made.
    async fn remove_steps(&self, own: &[i64]) -> Result<(), PortError> {
        if self.account.hosting.steps(&self.target).await?.as_deref() == Some(own) {
            self.change_project(HostingChange::SetSteps(None)).await?;
        }
        Ok(())
    }

    async fn change_project(&self, change: HostingChange) -> Result<HostingDone, PortError> {
        let call = self.account.change_project(&self.target, &change);
        self.made(Change::Hosting(change.clone()), call).await
    }

    /// Makes a change of the release, as its plan would print it.
    pub(super) async fn made<T>(
        &self,
        change: Change,
        call: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        let step = Step { facet: Facet::Release, change };
        self.attempt(step.facet.name(), step.effect(), step.to_string(), call).await
    }

    /// Stores a record with its conditions, after a line of the table if there is one.
    pub(super) async fn write_record(
        &self,
        input: Input<'_>,
        record: DeploymentStatus,
        build: &Build,
        row: Option<&Row>,
    ) -> Result<Arc<Deployment>, StoreError> {
        let marks = rollout::marks(&record);
        let marks = row.map_or(marks, |row| marks.after(row));
        let status = rollout::status(input, record, marks, &build.sight, row, None);
        store(self.context, &Arc::new(input.release.clone()), status).await
    }

    /// Tells people that a line of the table came true.
    async fn tell(&self, release: &Deployment, row: &Row) {
        let conditions = release.status.iter().flat_map(|status| &status.conditions);
        let mut last = conditions.filter(|condition| !["Ready", "Reconciling"].contains(&condition.type_.as_str()));
        let is_bad = matches!(row.to, Phase::Failed | Phase::Frozen | Phase::RollingBack | Phase::RolledBack);
        let message =
            last.rfind(|condition| condition.status == ConditionStatus::True).map(|last| last.message.clone());
        let let_live = release.status.as_ref().filter(|_| row.to == Phase::Promoting).and_then(let_live);
        let in_freeze = release.status.as_ref().filter(|_| row.to == Phase::Advancing).and_then(overrode);
        let let_live = let_live.or(in_freeze);
        if let Some(step) = &let_live {
            let entry = Entry {
                at: self.context.clock.now(),
                object: self.object.clone(),
                facet: Facet::Release.name(),
                step: step.clone(),
                outcome: "done".into(),
                duration_ms: 0,
            };
            self.context.record(entry).await;
        }
        let step = matches!(row.to, Phase::Shifting | Phase::Advancing).then(|| canary::news(release)).flatten();
        let message =
            let_live.or(step).unwrap_or_else(|| format!("{}: {}", row.event.name(), message.unwrap_or_default()));
        let event_type = if is_bad { EventType::Warning } else { EventType::Normal };
        self.context.store.event(self.object, event_type, row.to.name(), &message).await;
    }

    /// Warns of a check that nobody reports, which may be a name that is wrong, once it turns out so.
    async fn warn(&self, release: &Deployment, status: &DeploymentStatus) {
        let unknown = |status: &DeploymentStatus| {
            let mut conditions = status.conditions.iter();
            conditions.find(|condition| condition.reason == UNKNOWN_CHECK).map(|condition| condition.message.clone())
        };
        let before = release.status.as_ref().and_then(unknown);
        if let Some(message) = unknown(status).filter(|message| before.as_ref() != Some(message)) {
            self.context.store.event(self.object, EventType::Warning, UNKNOWN_CHECK, &message).await;
        }
    }

    async fn conclude(
        &self,
        owner: &ObjectRef,
        release: Arc<Deployment>,
        build: &mut Build,
        error: Option<PortError>,
    ) -> Result<Passed, StoreError> {
        let now = self.context.clock.now();
        let siblings = self.context.fleet.releases(owner);
        let input = Input { release: &release, fork: Some(self.fork), siblings: &siblings, now };
        let record = rollout::known(input, &build.sight);
        let status =
            rollout::status(input, record.clone(), rollout::marks(&record), &build.sight, None, error.as_ref());
        let recheck = rollout::recheck(input, &build.sight);
        if release.status.as_ref() != Some(&status) {
            self.warn(&release, &status).await;
            store(self.context, &release, status).await?;
        }
        let failed = error.as_ref().map(PortError::reason);
        if let Some(error) = &error {
            tracing::warn!(%error, "failed");
        }
        let outcome = error.map_or(Outcome::Applied, |error| Outcome::Failed { step: "release".into(), error });
        build.holds.note(What::Observation, &outcome, now);
        let due = match recheck {
            rollout::Recheck::Never => None,
            rollout::Recheck::Soon => Some(SOON),
            rollout::Recheck::Build | rollout::Recheck::Run => Some(build.look_at.map_or(SOON, |at| until(now, at))),
            rollout::Recheck::Measure(rest) => {
                let next = build.measure_at.map_or(Duration::ZERO, |at| until(now, at));
                Some(rest.map_or(next, |rest| rest.min(next)))
            }
            rollout::Recheck::Later(rest) => Some(rest),
            rollout::Recheck::Others => Some(SAFETY),
            rollout::Recheck::Gates(wait) => Some(wait),
        };
        let errand = build.errand_at.filter(|_| withheld(self.fork, now).is_none());
        let errand = errand.map(|at| until(now, at).max(Duration::from_millis(50)));
        let due = due.into_iter().chain(errand).min();
        let next = build.holds.until(now).map(|at| until(now, at)).or(due);
        Ok(Passed { next, failed })
    }
}

/// Which people let a release go live, and how.
fn let_live(status: &DeploymentStatus) -> Option<String> {
    let candidate = status.candidate.as_deref().unwrap_or_default();
    let by = status.approval.as_ref().and_then(|approval| approval.by.as_ref());
    let there = status.approval.as_ref().and_then(|approval| approval.environment.as_ref());
    let there = there.map_or_else(String::new, |name| format!(" in the GitHub environment {name}"));
    let comment = status.approval.as_ref().and_then(|approval| approval.comment.as_ref());
    let comment = comment.map_or_else(String::new, |comment| format!(": {comment}"));
    let approved = by.map(|by| format!("candidate {candidate} was approved by {by}{there}{comment}"));
    let told: Vec<_> = approved.into_iter().chain(overrode(status)).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

fn overrode(status: &DeploymentStatus) -> Option<String> {
    let freeze = status.freeze_override.as_ref()?;
    let candidate = status.candidate.as_deref().unwrap_or_default();
    Some(format!("freeze window {} was overridden for {candidate}: {}", freeze.windows.join(", "), freeze.reason))
}

/// What a step came to.
pub(super) enum Stepped {
    On(Arc<Deployment>),
    Waits,
    Failed(PortError),
}

/// Whether the provider will say the same again, whoever asks.
pub(super) fn is_refusal(error: &PortError) -> bool {
    let has_lost = matches!(error, PortError::NotFound { .. });
    let is_about_us = matches!(error, PortError::Unauthorized { .. });
    has_lost || (error.retry(jiff::Timestamp::UNIX_EPOCH) == Retry::Never && !is_about_us)
}
