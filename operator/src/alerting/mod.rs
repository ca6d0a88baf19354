//! Follows all AlertRules in one pass over them: what their signals say, which alerts fire, who has to be told and what
//! has to be done. What fires is on record in the status of its rule, so that a restart neither tells again nor forgets.

mod act;
mod evaluator;
mod forks;
mod handover;
mod logs;
mod objectives;
mod pages;
mod report;
mod sentry;
mod signals;
mod standing;
mod told;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use forkable_core::store::{ObjectRef, Store};
use forkable_crds::Fork;
use tokio::sync::Notify;

use crate::{accounts::Account, context::Context, controllers::fork::resolve};
pub use evaluator::Evaluator;

/// What fires, for all who want to know.
#[derive(Debug, Default)]
pub struct Alerts {
    wake: Notify,
    /// The rule that keeps releases of a Fork from going live, by Fork.
    freezes: Mutex<HashMap<ObjectRef, String>>,
    /// What the last pass has found of each rule.
    standings: Mutex<HashMap<ObjectRef, standing::Found>>,
}

impl Alerts {
    /// Rules, Forks or releases are others now: the next pass comes at once.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, HashMap<ObjectRef, String>> {
        self.freezes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rule of which a firing alert keeps releases of a Fork from going live.
    pub fn freezes(&self, fork: &ObjectRef) -> Option<String> {
        self.state().get(fork).cloned()
    }
}

/// The account that is asked with for a Fork. The error says why there is none.
async fn account<S: Store>(context: &Context<S>, fork: &Fork) -> Result<Arc<Account>, String> {
    let account = resolve::account(context, fork).await.map_err(|error| error.to_string())?;
    account.map_err(|invalid| invalid.message)
}
