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

/// What is to be known of an alert.
#[derive(Clone, Debug)]
pub enum Word {
    /// It fires, or is over: people are told, once.
    News(Alert),
    /// It fires, and people were told before.
    Known(Alert),
    /// Another process tells its end.
    Elsewhere(Alert),
}

impl Word {
    fn alert(&self) -> &Alert {
        let (Self::News(alert) | Self::Known(alert) | Self::Elsewhere(alert)) = self;
        alert
    }
}

/// Takes on to tell people of alerts of a rule that fire or are over. `Ok` means that it is on disk and will be told; an
/// alert that is known so is not told again.
pub async fn announce<S: Store>(context: &Context<S>, rule: &AlertRule, words: Vec<Word>) -> Result<(), JournalError> {
    if rule.spec.notify.is_empty() {
        return Ok(());
    }
    let mut groups: BTreeMap<String, Vec<Word>> = BTreeMap::new();
    for word in words {
        groups.entry(key_of(&rule.spec.grouping, word.alert())).or_default().push(word);
    }
    for (key, words) in groups {
        // Until nobody else changed it in between.
        loop {
            let now = context.clock.now();
            let known = context.outbox.group(&key).await?;
            let mut group = known.unwrap_or_else(|| Group::new(key.clone(), words[0].alert(), now));
            let mut is_news = group.follow(&rule.spec);
            for word in &words {
                is_news |= match word.clone() {
                    Word::News(alert) => group.hear(alert, now),
                    Word::Known(alert) => group.adopt(alert, now),
                    Word::Elsewhere(alert) => group.forget(&alert.key),
                };
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
