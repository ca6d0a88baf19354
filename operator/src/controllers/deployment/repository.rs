//! What a release that is promoted does in its repository: the run of its migration, and the pull request that takes its
//! commit back.

use forkable_core::{
    Change, PortError,
    forge::{ForgeChange, ForgeDone, RepositoryTarget},
    release::{
        Input,
        rollout::{self, revert::Due},
    },
    store::{EventType, Store, StoreError},
    workflows::{Found, RunFacts, RunState},
};

use super::{
    Pass,
    builds::Build,
    rollout::{SOON, Stepped, is_refusal},
};
use crate::clock::after;

impl<S: Store> Pass<'_, S> {
    /// Begins the run of the migration. Its intent is on record.
    pub(super) async fn migrate(&self, input: Input<'_>, build: &mut Build) -> Result<(), PortError> {
        build.sight.is_run_untried = false;
        build.sight.run = None;
        build.look_at = Some(after(input.now, SOON));
        let Some(dispatch) = rollout::dispatch(input) else { return Ok(()) };
        match self.change_repository(ForgeChange::DispatchWorkflow(dispatch)).await {
            Ok(ForgeDone::Dispatched { run: Some((id, url)) }) => {
                let title = String::new();
                let (state, created_at) = (RunState::Running, input.now);
                let run = RunFacts { id, title, state, conclusion: None, url, created_at };
                build.sight.run = Some(Found::Run(run));
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) if is_refusal(&error) => {
                build.sight.refused = Some(error.to_string());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Opens the pull request that takes back what was rolled back, if that is wanted. It is found again by its branch.
    pub(super) async fn revert(&self, input: Input<'_>, build: &Build) -> Result<Stepped, StoreError> {
        let outcome = match rollout::revert::due(input) {
            None => return Ok(Stepped::Waits),
            Some(Due::Impossible(reason)) => Err(reason),
            Some(Due::Open(revert)) => match self.change_repository(ForgeChange::OpenRevert(revert)).await {
                Ok(ForgeDone::PullRequest { number, url }) => Ok((number, url)),
                Ok(_) => return Ok(Stepped::Waits),
                Err(error) if is_refusal(&error) || matches!(error, PortError::Stale { .. }) => Err(error.to_string()),
                Err(error) => return Ok(Stepped::Failed(error)),
            },
        };
        let (event_type, message) = match &outcome {
            Ok((_, url)) => (EventType::Normal, format!("opened {url} to take the commit back")),
            Err(reason) => (EventType::Warning, format!("no pull request takes the commit back: {reason}")),
        };
        let record = rollout::revert::reverted(input, outcome);
        let next = self.write_record(input, record, build, None).await?;
        self.context.store.event(self.object, event_type, "Revert", &message).await;
        Ok(Stepped::On(next))
    }

    /// The Fork's repository, as it is on record.
    pub(super) fn repository(&self) -> RepositoryTarget {
        let known = self.fork.status.as_ref().and_then(|status| status.repository.as_ref());
        known.map_or_else(RepositoryTarget::default, |known| {
            let (owner, name) = known.full_name.split_once('/').unwrap_or_default();
            let (id, node_id) = (Some(known.id), Some(known.node_id.clone()));
            RepositoryTarget { id, node_id, owner: owner.into(), name: name.into(), head: None }
        })
    }

    pub(super) async fn change_repository(&self, change: ForgeChange) -> Result<ForgeDone, PortError> {
        let repository = self.repository();
        let call = self.account.change_repository(&repository, &change);
        self.made(Change::Forge(change.clone()), call).await
    }
}
