//! The port to the outbox: what is to be told, kept until it was. It survives the process at every point.

use async_trait::async_trait;
use forkable_crds::alert_rule::Notify;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Group, Message, Receipt};
use crate::journal::JournalError;

/// One message on its way to one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Row of the outbox; 0 before it is in.
    #[serde(skip)]
    pub id: i64,
    /// The same for the same message, however often it is sent: group, incident, and its number.
    pub key: String,
    /// What began and is not over: messages of it belong together.
    pub incident: String,
    /// Messages of a group to a channel arrive in order.
    pub group: String,
    pub channel: Notify,
    pub message: Message,
    pub created_at: Timestamp,
    /// Tries so far.
    #[serde(skip)]
    pub attempts: u32,
    /// When it is sent next.
    #[serde(skip)]
    pub next_at: Timestamp,
    /// What the channel said to refer to when it took the message before of the same incident.
    #[serde(skip)]
    pub reference: Option<String>,
}

impl Envelope {
    pub(super) fn new(
        group: &str,
        began: Timestamp,
        number: u64,
        channel: Notify,
        message: Message,
        now: Timestamp,
    ) -> Self {
        let incident = format!("{group}@{}", began.as_millisecond());
        Self {
            id: 0,
            key: format!("{incident}#{number}"),
            incident,
            group: group.into(),
            channel,
            message,
            created_at: now,
            attempts: 0,
            next_at: now,
            reference: None,
        }
    }

    /// A message by itself, such as a test, or word of a channel that fails.
    pub fn single(topic: &str, channel: Notify, message: Message, now: Timestamp) -> Self {
        let group = format!("{}/{}!{topic}", message.namespace, message.rule);
        Self::new(&group, now, 1, channel, message, now)
    }

    /// Tells the message to this channel from every other one: 32 characters of hex.
    pub fn message_id(&self) -> String {
        digest(&[&self.key, &self.channel.name])
    }

    /// Tells the incident from every other one: 32 characters of hex.
    pub fn incident_id(&self) -> String {
        digest(&[&self.incident])
    }

    /// Tells the group from every other one, incident after incident: 32 characters of hex.
    pub fn group_id(&self) -> String {
        digest(&[&self.group])
    }
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex::encode(&hash.finalize()[..16])
}

/// What becomes of a message that could not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Why, without secrets.
    pub error: String,
    /// When it is tried again; a dead letter without.
    pub next_at: Option<Timestamp>,
    /// The channel counts as failing from now on, if it does not yet.
    pub failing: bool,
}

/// A channel that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    pub namespace: String,
    /// Name of the AlertRule.
    pub rule: String,
    /// Name of the channel.
    pub channel: String,
    pub since: Timestamp,
    /// What was wrong the last time.
    pub error: String,
}

/// A message that was given up.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    pub envelope: Envelope,
    pub error: String,
    pub given_up_at: Timestamp,
}

/// How much is in the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages to be sent.
    pub pending: u64,
    /// Messages that were given up.
    pub dead: u64,
    /// When the oldest of the pending ones was put in.
    pub oldest: Option<Timestamp>,
}

/// What is to be told. Each call is one transaction: what it answered `Ok` for is there after a crash.
#[async_trait]
pub trait Outbox: Send + Sync {
    async fn group(&self, key: &str) -> Result<Option<Group>, JournalError>;

    /// All groups.
    async fn groups(&self) -> Result<Vec<Group>, JournalError>;

    /// The group that is due first.
    async fn first(&self) -> Result<Option<Group>, JournalError>;

    /// Keeps a group as it is now, and messages of it; a message whose key is known is not put in again. A group without
    /// alerts is forgotten. Answers false, and does nothing, if the group is another than when it was read.
    async fn save(&self, group: &Group, messages: &[Envelope]) -> Result<bool, JournalError>;

    /// The oldest pending message of each group and channel, by when it is sent next; at most `limit` of them.
    async fn heads(&self, limit: u32) -> Result<Vec<Envelope>, JournalError>;

    /// The message has arrived. If the channel was failing, it is no more, and `recovered` are put in.
    async fn sent(
        &self,
        envelope: &Envelope,
        receipt: &Receipt,
        now: Timestamp,
        recovered: &[Envelope],
    ) -> Result<(), JournalError>;

    /// The message has not arrived. If the channel begins to fail by this, `trouble` are put in.
    async fn failed(
        &self,
        envelope: &Envelope,
        failure: &Failure,
        now: Timestamp,
        trouble: &[Envelope],
    ) -> Result<(), JournalError>;

    /// The message is not wanted any more, as its channel is gone from the rule.
    async fn discard(&self, envelope: &Envelope) -> Result<(), JournalError>;

    /// Channels that fail.
    async fn failing(&self) -> Result<Vec<Failing>, JournalError>;

    /// Messages that were given up, newest first.
    async fn dead(&self, limit: u32) -> Result<Vec<Letter>, JournalError>;

    /// Puts in again the messages of a rule that were given up until then. Answers how many these are.
    async fn resend(&self, namespace: &str, rule: &str, until: Timestamp, now: Timestamp) -> Result<u64, JournalError>;

    async fn depth(&self) -> Result<Depth, JournalError>;
}
