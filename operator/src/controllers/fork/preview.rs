//! What a pass would do for a Fork, without doing any of it: for `forkable plan`.

use forkable_core::{
    Plan, PortError,
    fork::validate::Invalid,
    fork::{self, Input, Observed, claims::Claim, deletion, validate},
    store::{Kind, Store, StoreError},
};
use forkable_crds::Fork;

use super::{resolve, withheld};
use crate::{
    context::Context,
    observe::{self, Ask, View},
};

/// What a pass would come to.
pub(crate) enum Preview {
    /// Every change that is missing, why none of them would be made now if that is so, and what was seen.
    Plan {
        plan: Plan,
        withheld: Option<String>,
        observed: Box<Observed>,
    },
    Invalid(Vec<Invalid>),
    Conflict(Claim),
    Unobserved(PortError),
}

/// Every change that a Fork would make outside. Looks, and changes nothing.
pub(crate) async fn preview<S: Store>(context: &Context<S>, fork: &Fork) -> Result<Preview, StoreError> {
    if let Some(claim) = context.fleet.conflict(fork) {
        return Ok(Preview::Conflict(claim));
    }
    let resolved = resolve::references(&context.store, fork).await?;
    let key = context.store.digest_key().await?;
    let account = match resolve::account(context, fork).await? {
        Ok(account) => account,
        Err(invalid) => return Ok(Preview::Invalid(vec![invalid])),
    };
    let desired = match validate::validate(fork, &resolved, &key) {
        Ok(desired) => desired,
        Err(invalid) => return Ok(Preview::Invalid(invalid)),
    };
    let mut view = View::default();
    view.asks(Ask::of(&account.key, fork));
    if let Err(error) = observe::refresh(&account, &mut view, &context.clock).await {
        return Ok(Preview::Unobserved(error));
    }
    view.observed.releases = context.fleet.releases(&fork.reference());
    let record = fork.status.clone().unwrap_or_default();
    let now = context.clock.now();
    let plan = fork::plan(Input { desired: &desired, observed: &view.observed, record: &record, now });
    let withheld = withheld(fork, now).map(|withheld| withheld.message);
    Ok(Preview::Plan { plan, withheld, observed: Box::new(view.observed) })
}

/// Every change that the deletion of a Fork would make outside.
pub(crate) async fn preview_deletion<S: Store>(context: &Context<S>, fork: &Fork) -> Result<Preview, StoreError> {
    let account = match resolve::account(context, fork).await? {
        Ok(account) => account,
        Err(invalid) => return Ok(Preview::Invalid(vec![invalid])),
    };
    let mut view = View::default();
    if super::delete::is_anything_to_do(fork) {
        view.asks(Ask::of(&account.key, fork));
        if let Err(error) = observe::refresh(&account, &mut view, &context.clock).await {
            return Ok(Preview::Unobserved(error));
        }
    }
    let plan = deletion::plan(fork, &view.observed);
    Ok(Preview::Plan { plan, withheld: None, observed: Box::new(view.observed) })
}
