//! (stand-in until the parts meet)
use forkable_core::{alerting::Alert, journal::JournalError, store::Store};
use forkable_crds::AlertRule;

use crate::context::Context;

pub async fn announce<S: Store>(_: &Context<S>, _: &AlertRule, alerts: Vec<Alert>) -> Result<(), JournalError> {
    for alert in alerts {
        tracing::info!(alert.key, firing = alert.is_firing(), "{}", alert.summary());
    }
    Ok(())
}
