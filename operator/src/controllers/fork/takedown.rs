//! Taking away a preview: what was built for it at the provider, then its object.

use forkable_core::{
    PortError,
    hosting::{BuildState, DeploymentFacts, HostingChange, ProjectTarget},
    store::{Kind, ObjectRef, Store, StoreError},
};
use forkable_crds::Deployment;

use crate::{accounts::Account, context::Context};

/// What was built by somebody else's wish, such as that of Vercel's Git integration, is left. The object goes last, so
/// that an interrupted pass is gone on with.
pub(super) async fn take_away<S: Store>(
    context: &Context<S>,
    account: &Account,
    target: &ProjectTarget,
    preview: &ObjectRef,
) -> Result<Result<(), PortError>, StoreError> {
    // Whatever its own pass has asked for is there to be found, and it asks for nothing more.
    let _turn = context.builds.turn(preview).await;
    let Some(release) = context.store.get::<Deployment>(&preview.namespace, &preview.name).await? else {
        context.fleet.remove_release(preview);
        return Ok(Ok(()));
    };
    if let Err(error) = unbuild(account, target, &release).await {
        return Ok(Err(error));
    }
    context.store.delete(&release).await?;
    context.fleet.remove_release(preview);
    context.builds.forget(preview);
    Ok(Ok(()))
}

async fn unbuild(account: &Account, target: &ProjectTarget, release: &Deployment) -> Result<(), PortError> {
    if target.id.is_none() {
        return Ok(());
    }
    let mut found = account.hosting.deployments(target, release.spec.source.commit.as_deref()).await?;
    let recorded = release.status.as_ref().and_then(|status| status.deployment_id.as_deref());
    if let Some(id) = recorded.filter(|id| found.iter().all(|found| found.id != *id)) {
        found.extend(account.hosting.deployment(target, id).await?);
    }
    let is_ours = |found: &&DeploymentFacts| found.request.as_deref() == Some(release.uid());
    for DeploymentFacts { id, state, .. } in found.iter().filter(is_ours) {
        if matches!(state, BuildState::Queued | BuildState::Building) {
            account.change_project(target, &HostingChange::CancelDeployment { id: id.clone() }).await?;
        }
        account.change_project(target, &HostingChange::DeleteDeployment { id: id.clone() }).await?;
    }
    Ok(())
}
