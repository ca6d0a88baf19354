//! Makes one change: which port it goes to, what is noted of it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use forkable_core::{
    Change, PortError, Step,
    forge::RepositoryTarget,
    hosting::ProjectTarget,
    journal::Entry,
    plan::{Done, Effect, StoreChange},
    release,
    store::{Kind, ObjectRef, Store, StoreError},
};
use forkable_crds::{Deployment, DeploymentSpec, FORK_LABEL, Fork};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use tracing::Instrument as _;

use crate::{accounts::Account, context::Context, fleet::revision, progress::Progress, spans};

/// Where changes go.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    pub(super) repository: RepositoryTarget,
    pub(super) project: ProjectTarget,
}

/// A step that was tried.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) step: Step,
    pub(super) result: Result<Done, PortError>,
    pub(super) took: Duration,
}

/// Makes a change at a provider.
pub(super) async fn outside(account: &Account, targets: Targets, step: Step) -> Tried {
    let began = Instant::now();
    let apply = async {
        match &step.change {
            Change::Forge(change) => account.change_repository(&targets.repository, change).await.map(Done::Forge),
            Change::Hosting(change) => account.change_project(&targets.project, change).await.map(Done::Hosting),
            Change::Store(_) => Ok(Done::Store),
        }
    };
    let span = spans::step(step.facet.name(), &step);
    let result = apply.instrument(span.clone()).await;
    let took = began.elapsed();
    spans::ended(&span, result.as_ref().err().map(ToString::to_string).as_deref(), took);
    Tried { step, result, took }
}

/// Makes a change to the Deployments of a Fork.
pub(super) async fn inside<S: Store>(
    context: &Context<S>,
    fork: &Fork,
    change: &StoreChange,
) -> Result<(), StoreError> {
    let reference = fork.reference();
    let releases = context.fleet.releases(&reference);
    let mut made = match change {
        StoreChange::CreateRelease { name, commit, env_revision } => {
            let spec = release::production(fork, commit);
            object(fork, name, DeploymentSpec { env_revision: env_revision.clone(), ..spec })
        }
        StoreChange::CreatePreview { name, commit, env_revision, pull_request } => {
            let env_revision = Some(env_revision.clone());
            let pull_request = Some(pull_request.clone());
            let spec = release::immediate(&reference.name, commit, "Preview");
            object(fork, name, DeploymentSpec { env_revision, pull_request, ..spec })
        }
        StoreChange::DeleteRelease { name } | StoreChange::DropPreview { name, .. } => {
            if let Some(release) = releases.iter().find(|release| release.metadata.name.as_ref() == Some(name)) {
                context.store.delete(release).await?;
                context.fleet.remove_release(&release.reference());
            }
            return Ok(());
        }
    };
    made.spec.revision = releases.iter().map(|release| revision(release) + 1).max().or(Some(1));
    let name = made.name().to_owned();
    let release = match context.store.create(made).await {
        // Made by a pass that ended before it could take note: the name tells commit and variables.
        Err(StoreError::AlreadyExists(_)) => context.store.get(&reference.namespace, &name).await?,
        created => {
            let release = created?;
            context.builds.made(&release.reference());
            Some(release)
        }
    };
    if let Some(release) = release {
        context.fleet.put_release(release);
    }
    // One of them may give way to it.
    for release in releases.iter().filter(|release| !release::is_finished(release)) {
        context.wake(release.reference());
    }
    Ok(())
}

fn object(fork: &Fork, name: &str, spec: DeploymentSpec) -> Deployment {
    let fork_name = fork.metadata.name.clone().unwrap_or_default();
    let owner = OwnerReference {
        api_version: Fork::api_version(&()).into(),
        kind: Fork::kind(&()).into(),
        name: fork_name.clone(),
        uid: fork.uid().into(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    let mut release = Deployment::new(name, spec);
    release.metadata = ObjectMeta {
        namespace: fork.metadata.namespace.clone(),
        labels: Some(BTreeMap::from([(FORK_LABEL.into(), fork_name)])),
        owner_references: Some(vec![owner]),
        ..release.metadata
    };
    release
}

/// What the journal says of a try.
fn outcome(error: Option<&PortError>) -> String {
    error.map_or_else(|| "done".into(), |error| format!("{}: {error}", error.reason()))
}

/// Tells that a step begins.
pub(super) fn tell_began<S>(context: &Context<S>, object: &ObjectRef, step: &Step) {
    tracing::info!(facet = step.facet.name(), %step, "begins");
    context.progress.tell(Progress::StepBegan {
        object: object.clone(),
        facet: step.facet.name(),
        step: step.to_string(),
    });
}

/// Tells and writes down what became of a step.
pub(super) async fn tell_ended<S: Store>(context: &Context<S>, object: &ObjectRef, tried: &Tried) {
    let Tried { step, result, took } = tried;
    let made = Made {
        fork: object,
        object,
        facet: step.facet.name(),
        effect: step.effect(),
        step: step.to_string(),
        at: context.clock.now(),
        took: *took,
    };
    made.tell(context, result.as_ref().err()).await;
}

/// A step that was tried, as it is told of.
pub(crate) struct Made<'a> {
    /// Whose progress it is.
    pub(crate) fork: &'a ObjectRef,
    /// Whose journal it is in.
    pub(crate) object: &'a ObjectRef,
    pub(crate) facet: &'static str,
    pub(crate) effect: Effect,
    pub(crate) step: String,
    pub(crate) at: Timestamp,
    pub(crate) took: Duration,
}

impl Made<'_> {
    /// Tells whoever shows progress, the metrics and the journal.
    pub(crate) async fn tell<S: Store>(self, context: &Context<S>, error: Option<&PortError>) {
        let Self { fork, object, facet, effect, step, at, took } = self;
        context.metrics.stepped(facet, effect, error.map(PortError::reason));
        context.progress.tell(Progress::StepEnded {
            object: fork.clone(),
            facet,
            step: step.clone(),
            error: error.map(ToString::to_string),
            took,
        });
        let duration_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        context.record(Entry { at, object: object.clone(), facet, step, outcome: outcome(error), duration_ms }).await;
    }
}
