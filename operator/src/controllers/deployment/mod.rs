//! The pass of a Deployment: one release is built, waited for without blocking, and told about.

mod builds;
mod errand;
mod polls;
mod repository;
mod rollout;
mod rules;

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

use forkable_core::{
    PortError, condition, forge,
    hosting::{DeploymentRequest, HostingChange, HostingDone, ProjectTarget},
    plan::{Effect, Outcome},
    release::{self, Input, Look, Next, Observed, rollout::is_promoted},
    secret::redact,
    store::{Kind, ObjectRef, Store, StoreError},
};
use forkable_crds::{Deployment, DeploymentStatus, Fork};
use jiff::Timestamp;
use tracing::Instrument as _;

use builds::Build;
pub use builds::Builds;

use super::fork::{Made, resolve, withheld};
use crate::{
    accounts::Account, clock::until, context::Context, controllers::Passed, fleet::fork_of, observe::What, panics,
    progress::Progress, spans,
};

/// Rounds of planning within one pass; create, read the log and wait are three.
const ROUNDS: usize = 4;
/// Facet that a release's steps are told and journalled under.
const BUILD: &str = "build";

pub(crate) async fn pass<S: Store>(context: &Context<S>, object: &ObjectRef) -> Result<Passed, StoreError> {
    let Some(release) = context.store.get::<Deployment>(&object.namespace, &object.name).await? else {
        context.builds.forget(object);
        return Ok(Passed::default());
    };
    // A preview may be taken away meanwhile, and must not be built thereafter.
    let turn = match &release.spec.pull_request {
        Some(_) => Some(context.builds.turn(object).await),
        None => None,
    };
    let release = match &turn {
        Some(_) => context.store.get::<Deployment>(&object.namespace, &object.name).await?,
        None => Some(release),
    };
    let Some(release) = release else { return Ok(Passed::default()) };
    spans::generation(release.generation());
    panics::generation(release.generation());
    context.fleet.put_release(release.clone());
    if release.is_deleting() {
        return Ok(Passed::default());
    }
    let owner = fork_of(&release);
    if context.store.other(&owner).is_some() {
        return Ok(Passed::default()); // It changes hands, and its Fork wakes it.
    }
    let fork = context.store.get::<Fork>(&owner.namespace, &owner.name).await?.filter(|fork| !fork.is_deleting());
    let Some(fork) = fork.map(|fork| context.unsaved.on(fork)) else {
        let input = Input { release: &release, fork: None, siblings: &[], now: context.clock.now() };
        let status = release::status(input, &Observed::default(), None);
        write(context, release, status).await?;
        return Ok(Passed::default());
    };
    // The Fork says what is wrong with its credentials, and wakes its releases once it is mended.
    let Ok(account) = resolve::account(context, &fork).await? else { return Ok(Passed::default()) };
    let mut build = context.builds.take(object);
    let siblings = context.fleet.releases(&owner);
    let pass = Pass { context, account: &account, object, target: target(&fork), fork: &fork, siblings };
    let passed = if is_promoted(&release) {
        pass.roll_out(&owner, &mut build).await
    } else {
        pass.run(release, &mut build).await
    };
    context.builds.put(object, build);
    passed
}

/// The project of a Fork.
pub(crate) fn target(fork: &Fork) -> ProjectTarget {
    let project = fork.status.as_ref().and_then(|status| status.project.as_ref());
    ProjectTarget {
        team: fork.spec.project.team_id.clone(),
        id: project.map(|project| project.id.clone()),
        name: project.map_or_else(|| fork.spec.project.name.clone(), |project| project.name.clone()),
        repository: None,
    }
}

/// Digest of what may let a failed call succeed: another spec, other credentials.
fn fingerprint(release: &Deployment, account: &Account) -> u64 {
    let mut hasher = DefaultHasher::new();
    (release.generation(), &account.key).hash(&mut hasher);
    hasher.finish()
}

struct Pass<'a, S> {
    context: &'a Context<S>,
    account: &'a Account,
    object: &'a ObjectRef,
    fork: &'a Fork,
    target: ProjectTarget,
    /// All Deployments of the Fork, newest first.
    siblings: Vec<Arc<Deployment>>,
}

impl<S: Store> Pass<'_, S> {
    fn input<'b>(&'b self, release: &'b Deployment, now: Timestamp) -> Input<'b> {
        Input { release, fork: Some(self.fork), siblings: &self.siblings, now }
    }

    async fn run(&self, mut release: Arc<Deployment>, build: &mut Build) -> Result<Passed, StoreError> {
        let now = self.context.clock.now();
        build.holds.begin(fingerprint(&release, self.account));
        if let Some(Outcome::Failed { .. }) = build.holds.outcome(What::Observation, now) {
            return Ok(Passed::after(build.holds.until(now).map(|at| until(now, at))));
        }
        // observe
        let mut error = self.observe(&release, build).await.err();
        let mut next = None;
        for _ in 0..ROUNDS {
            if error.is_some() {
                break;
            }
            // plan
            let now = self.context.clock.now();
            match release::plan(self.input(&release, now), &build.sight.build) {
                Next::Wait(wait) => {
                    next = wait;
                    break;
                }
                Next::ReadLog(id) => match self.account.hosting.build_log(&self.target, &id).await {
                    Ok(log) => build.sight.build.log = Some(self.redacted(&log).await?),
                    Err(failed) => error = Some(failed),
                },
                // A Fork that is suspended or only observed wakes its releases when that ends.
                Next::Create(_) if withheld(self.fork, now).is_some() => break,
                // One that is live as soon as it is built. It is woken once nothing of the kind fires.
                Next::Create(_) if self.context.alerts.freezes(&self.fork.reference()).is_some() => break,
                Next::Create(request) => {
                    (release, error) = self.create(release, request, build).await?;
                }
            }
        }
        self.report(release, build, error, next).await
    }

    /// Looks at the build, unless that was done a moment ago.
    async fn observe(&self, release: &Deployment, build: &mut Build) -> Result<(), PortError> {
        let now = self.context.clock.now();
        build.sight.build.head = self.head(release);
        if build.look_at.is_some_and(|at| at > now) || self.target.id.is_none() {
            return Ok(());
        }
        let input = self.input(release, now);
        match release::look(input, build.is_untried) {
            Look::Nothing => {}
            Look::Deployment(id) => {
                let at = (self.account, &self.target, &self.context.clock);
                let looked =
                    self.context.builds.polls.look(at, &id, &mut build.sight.build, &mut build.seen_at).await?;
                build.look_at = looked.or(build.look_at);
            }
            Look::Find { commit } => {
                let found = self.account.hosting.deployments(&self.target, commit.as_deref()).await?;
                build.sight.build.deployment = release::find(input, found);
                build.seen_at = Some(now);
            }
        }
        Ok(())
    }

    /// The head of the production branch, if that is what the release is of.
    fn head(&self, release: &Deployment) -> Option<forkable_core::forge::Head> {
        let source = &release.spec.source;
        self.context.cache.peek(&self.fork.reference(), |view| {
            let repository = view.observed.repository.as_ref()?;
            let head = repository.head.as_ref()?;
            let named = source.git_ref.is_some() && source.git_ref == repository.default_branch;
            (named || source.commit.as_ref() == Some(&head.oid)).then(|| head.clone())
        })?
    }

    /// A log without what the build was given and must not be seen: builds print their environment.
    async fn redacted(&self, log: &[String]) -> Result<Vec<String>, StoreError> {
        let resolved = resolve::references(&self.context.store, self.fork).await?;
        Ok(log.iter().map(|line| redact(line, resolved.values())).collect())
    }

    /// Begins the build and stores its id. The object is the intent: its uid goes with the request.
    async fn create(
        &self,
        release: Arc<Deployment>,
        request: DeploymentRequest,
        build: &mut Build,
    ) -> Result<(Arc<Deployment>, Option<PortError>), StoreError> {
        build.is_untried = false;
        let what = request.commit.as_deref().map_or(request.branch.as_str(), forge::short);
        let step = format!("+ {BUILD:<11} build {what} for {}", request.environment);
        let change = HostingChange::CreateDeployment(request);
        let call = self.account.change_project(&self.target, &change);
        let error = match self.attempt(BUILD, Effect::Create, step, call).await {
            Ok(HostingDone::Deployment(facts)) => {
                build.sight.build.deployment = Some(facts);
                build.seen_at = Some(self.context.clock.now());
                None
            }
            // An answer of another kind tells nothing: the next look finds it.
            Ok(_) => None,
            Err(error) => Some(error),
        };
        let status =
            release::status(self.input(&release, self.context.clock.now()), &build.sight.build, error.as_ref());
        Ok((write(self.context, release, status).await?, error))
    }

    /// Makes a change at a provider, and tells and writes down what became of it.
    async fn attempt<T>(
        &self,
        facet: &'static str,
        effect: Effect,
        step: String,
        call: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        let fork = self.fork.reference();
        let at = self.context.clock.now();
        let span = spans::step(facet, &step);
        span.in_scope(|| tracing::info!("begins"));
        self.context.progress.tell(Progress::StepBegan { object: fork.clone(), facet, step: step.clone() });
        let began = Instant::now();
        let result = call.instrument(span.clone()).await;
        let took = began.elapsed();
        let error = result.as_ref().err();
        spans::ended(&span, error.map(ToString::to_string).as_deref(), took);
        let made = Made { fork: &fork, object: self.object, facet, effect, step, at, took };
        made.tell(self.context, error).await;
        result
    }

    async fn report(
        &self,
        release: Arc<Deployment>,
        build: &mut Build,
        error: Option<PortError>,
        next: Option<Duration>,
    ) -> Result<Passed, StoreError> {
        let now = self.context.clock.now();
        let status = release::status(self.input(&release, now), &build.sight.build, error.as_ref());
        let was_finished = release::is_finished(&release);
        let written = write(self.context, release, status).await?;
        if !was_finished && release::is_finished(&written) {
            // Those of another environment may have waited for it.
            for sibling in self.siblings.iter().filter(|sibling| sibling.metadata.name != written.metadata.name) {
                self.context.wake(sibling.reference());
            }
        }
        let failed = error.as_ref().map(PortError::reason);
        if let Some(error) = &error {
            tracing::warn!(%error, "failed");
        }
        let outcome = error.map_or(Outcome::Applied, |error| Outcome::Failed { step: BUILD.into(), error });
        build.holds.note(What::Observation, &outcome, now);
        let next = match build.holds.until(now) {
            Some(at) => Some(until(now, at)),
            // Nothing was seen, so that nothing is good enough for a while.
            None if self.target.id.is_none() => next,
            None => build.wait(next, now),
        };
        Ok(Passed { next, failed })
    }
}

/// Stores a status if it differs, unless it only tells more of a build that is known to be under way.
async fn write<S: Store>(
    context: &Context<S>,
    release: Arc<Deployment>,
    status: DeploymentStatus,
) -> Result<Arc<Deployment>, StoreError> {
    let stored = release.status.clone().unwrap_or_default();
    let gathers = condition::gathers_until(&stored.conditions, &status.conditions, context.clock.now());
    if stored == status || (gathers.is_some() && stored.deployment_id == status.deployment_id) {
        return Ok(release);
    }
    store(context, &release, status).await
}

/// Stores a status, and counts what the release has come to by it.
async fn store<S: Store>(
    context: &Context<S>,
    release: &Arc<Deployment>,
    status: DeploymentStatus,
) -> Result<Arc<Deployment>, StoreError> {
    let written = context.store.write_status(release, status).await?;
    context.metrics.released(release.status.as_ref(), &written, context.clock.now());
    context.fleet.put_release(written.clone());
    Ok(written)
}
