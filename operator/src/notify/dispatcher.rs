//! Sends what is in the outbox when it is due, in order for each group and channel, and tries again what failed.

use std::{collections::HashMap, sync::Arc, time::Duration};

use forkable_core::{
    alerting::{
        Envelope, Failure, Group, Notifier, Occasion, Receipt, Trouble, Undelivered, kind_of, named, retry,
        trouble_message,
    },
    journal::JournalError,
    store::{Kind as _, ObjectRef, Store},
};
use forkable_crds::{AlertRule, alert_rule::Notify};
use jiff::Timestamp;
use tokio::{
    task::{Id, JoinSet},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{clock::after, context::Context};

/// Messages that are under way at once.
const CONCURRENT: usize = 16;
/// Channels that are looked at in one round.
const HEADS: u32 = 100;
/// The longest that one try may take, whatever a channel does.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long to wait after the outbox failed.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest time between two looks at the outbox, so that its figures stay true.
const LOOK: Duration = Duration::from_secs(15);
/// How long messages under way may take to arrive when the process ends.
const GRACE: Duration = Duration::from_secs(3);

/// Sends messages until it is told to stop. There is one in a process, and one process for an outbox.
pub struct Dispatcher<S> {
    context: Arc<Context<S>>,
    notifier: Arc<dyn Notifier>,
}

impl<S: Store> Dispatcher<S> {
    pub fn new(context: Arc<Context<S>>, notifier: Arc<dyn Notifier>) -> Arc<Self> {
        Arc::new(Self { context, notifier })
    }

    /// Runs until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut sends = JoinSet::new();
        let mut flying = HashMap::new();
        let mut counted: Option<Instant> = None;
        loop {
            let now = self.context.clock.now();
            let next = match self.round(now, &mut sends, &mut flying).await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "messages cannot be sent yet");
                    after(now, PAUSE)
                }
            };
            if counted.is_none_or(|at| at.elapsed() >= PAUSE) {
                counted = Some(Instant::now());
                if let Ok(depth) = self.context.outbox.depth().await {
                    self.context.metrics.outbox(&depth, now);
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = sends.join_next_with_id() => {
                    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    flying.remove(&id);
                }
                () = self.context.posted.notified() => {}
                () = self.context.clock.sleep_until(next) => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        let arrive = async { while sends.join_next().await.is_some() {} };
        drop(timeout(GRACE, arrive).await);
    }

    /// Puts in messages of groups that are due and begins to send those that are. Answers when something is due next.
    async fn round(
        self: &Arc<Self>,
        now: Timestamp,
        sends: &mut JoinSet<()>,
        flying: &mut HashMap<Id, i64>,
    ) -> Result<Timestamp, JournalError> {
        let outbox = &self.context.outbox;
        let mut next = Timestamp::MAX;
        while let Some(mut group) = outbox.first().await? {
            let due = group.due().unwrap_or(Timestamp::MAX);
            if due > now {
                next = due;
                break;
            }
            if self.is_orphan(&group) {
                group.close(now);
            }
            let messages = group.flush(now);
            // One that changed in between comes again.
            outbox.save(&group, &messages).await?;
        }
        for envelope in outbox.heads(HEADS).await? {
            if flying.values().any(|id| *id == envelope.id) {
                continue;
            }
            if envelope.next_at > now {
                next = next.min(envelope.next_at);
            } else if flying.len() < CONCURRENT {
                let id = envelope.id;
                let handle = sends.spawn(self.clone().deliver(envelope));
                flying.insert(handle.id(), id);
            }
        }
        Ok(next)
    }

    fn rule(&self, namespace: &str, name: &str) -> Option<Arc<AlertRule>> {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.context.fleet.rule(&ObjectRef::new(AlertRule::KIND, namespace, name))
    }

    /// Whether its rule is gone, so that nobody will say that its alerts are over.
    fn is_orphan(&self, group: &Group) -> bool {
        self.context.is_loaded() && self.rule(&group.namespace, &group.rule).is_none()
    }

    /// Tries once to send a message, and notes what came of it.
    async fn deliver(self: Arc<Self>, mut envelope: Envelope) {
        let rule = self.rule(&envelope.message.namespace, &envelope.message.rule);
        // As the rule has it now: what was wrong with a channel may be mended.
        if let Some(rule) = &rule {
            let Some(channel) = rule.spec.notify.iter().find(|channel| channel.name == envelope.channel.name) else {
                while let Err(error) = self.context.outbox.discard(&envelope).await {
                    hold(&error).await;
                }
                return;
            };
            envelope.channel = channel.clone();
        }
        let sent = self.send(&envelope).await;
        let now = self.context.clock.now();
        let (kind, channel) = (kind_of(&envelope.channel), named(&envelope.channel));
        match sent {
            Ok(receipt) => {
                self.context.metrics.notified(kind, "sent");
                tracing::info!(
                    channel,
                    key = envelope.key,
                    answer = receipt.answer,
                    "told: {}",
                    envelope.message.headline
                );
                let recovered = self.others(rule.as_deref(), &envelope, None, now).await;
                while let Err(error) = self.context.outbox.sent(&envelope, &receipt, now, &recovered).await {
                    hold(&error).await;
                }
            }
            Err(Undelivered { trouble, message: error }) => {
                let attempts = envelope.attempts + 1;
                let next_at = retry::next(trouble, attempts, envelope.created_at, now, rand::random());
                self.context.metrics.notified(kind, if next_at.is_some() { "retried" } else { "dead" });
                tracing::warn!(
                    channel,
                    key = envelope.key,
                    attempts,
                    error,
                    dead = next_at.is_none(),
                    "a message does not arrive"
                );
                // A word of another channel that fails calls for none itself, or two channels would never be quiet.
                let is_word = matches!(envelope.message.occasion, Occasion::Trouble | Occasion::Recovered);
                let failing = !is_word && retry::is_failing(trouble, attempts);
                let others =
                    if failing { self.others(rule.as_deref(), &envelope, Some(&error), now).await } else { Vec::new() };
                let failure = Failure { error, next_at, failing };
                while let Err(error) = self.context.outbox.failed(&envelope, &failure, now, &others).await {
                    hold(&error).await;
                }
            }
        }
    }

    async fn send(&self, envelope: &Envelope) -> Result<Receipt, Undelivered> {
        let unavailable = |message: String| Undelivered::new(Trouble::Unavailable, message);
        let secrets = super::secrets(&self.context.store, &envelope.message.namespace, &envelope.channel).await;
        let secrets = secrets.map_err(|error| unavailable(error.to_string()))?;
        let sent = timeout(PATIENCE, self.notifier.send(&envelope.channel, &secrets, envelope)).await;
        sent.unwrap_or_else(|_| Err(unavailable(format!("it took longer than {PATIENCE:?}"))))
    }

    /// Words by the other channels of the rule that this one fails with `error`, or works again without one.
    async fn others(
        &self,
        rule: Option<&AlertRule>,
        envelope: &Envelope,
        error: Option<&str>,
        now: Timestamp,
    ) -> Vec<Envelope> {
        let message = &envelope.message;
        let channels: Vec<Notify> = match rule {
            Some(rule) => rule.spec.notify.clone(),
            None => match self.context.outbox.group(&envelope.group).await {
                Ok(Some(group)) => group.channels().to_vec(),
                Ok(None) | Err(_) => Vec::new(),
            },
        };
        let others = channels.into_iter().filter(|other| other.name != envelope.channel.name);
        let word = trouble_message(&message.namespace, &message.rule, &named(&envelope.channel), error);
        others.map(|other| Envelope::single(&envelope.channel.name, other, word.clone(), now)).collect()
    }
}

/// What became of a message has to be noted, however long that takes: else it is sent again.
async fn hold(error: &JournalError) {
    tracing::error!(%error, "what became of a message cannot be noted yet");
    tokio::time::sleep(PAUSE).await;
}
