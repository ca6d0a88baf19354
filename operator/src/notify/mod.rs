//! Tells people: alerts go into the outbox, and from there to their channels.

mod dispatcher;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use forkable_core::{
    alerting::{Alert, Group, Secrets, key_of, secrets_of},
    journal::JournalError,
    store::{Store, StoreError},
};
use forkable_crds::{AlertRule, alert_rule::Notify};

pub use dispatcher::Dispatcher;

use crate::context::Context;

/// Takes on to tell people of alerts of a rule that fire or are over. `Ok` means that it is on disk and will be told; an
/// alert that is known so is not told again.
pub async fn announce<S: Store>(
    context: &Context<S>,
    rule: &AlertRule,
    alerts: Vec<Alert>,
) -> Result<(), JournalError> {
    if rule.spec.notify.is_empty() {
        return Ok(());
    }
    let mut groups: BTreeMap<String, Vec<Alert>> = BTreeMap::new();
    for alert in alerts {
        groups.entry(key_of(&rule.spec.grouping, &alert)).or_default().push(alert);
    }
    for (key, alerts) in groups {
        // Until nobody else changed it in between.
        loop {
            let now = context.clock.now();
            let known = context.outbox.group(&key).await?;
            let mut group = known.unwrap_or_else(|| Group::new(key.clone(), &alerts[0], now));
            let mut is_news = group.follow(&rule.spec);
            for alert in &alerts {
                is_news |= group.hear(alert.clone(), now);
            }
            if !is_news || context.outbox.save(&group, &[]).await? {
                break;
            }
        }
    }
    context.posted.notify_one();
    Ok(())
}

/// What a channel needs of Secrets, as they are now.
pub(crate) async fn secrets<S: Store>(store: &S, namespace: &str, channel: &Notify) -> Result<Secrets, StoreError> {
    let mut secrets = Secrets::default();
    for reference in secrets_of(channel) {
        let values = store.secret(namespace, &reference.name).await?;
        if let Some(value) = values.and_then(|mut values| values.remove(&reference.key)) {
            secrets.0.insert((reference.name.clone(), reference.key.clone()), value);
        }
    }
    Ok(secrets)
}
