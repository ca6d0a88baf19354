//! The port to channels, and what a rule refers to for them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use forkable_crds::{alert_rule::Notify, fork::KeyRef, rollout::RequestHeader};

use super::Envelope;
use crate::Secret;

/// Sends messages. One implementation knows all channels; each is told by the value that declares it.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends a message once, whole or not at all as far as the channel can. The same envelope may be sent again after a
    /// crash: its key goes with it wherever the channel takes one.
    async fn send(&self, channel: &Notify, secrets: &Secrets, envelope: &Envelope) -> Result<Receipt, Undelivered>;
}

/// What the channel answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// For people.
    pub answer: String,
    /// What the next message of the same incident is told to refer to, such as the thread.
    pub reference: Option<String>,
}

/// Why a message is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Undelivered {
    pub trouble: Trouble,
    /// What was wrong, in the server's own words where there are any; without secrets.
    pub message: String,
}

/// What happens next with a message that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The channel will never take this message.
    Refused,
    /// A person is needed: a Secret, a token, a channel, a name is wrong.
    Misconfigured,
    /// Not before so many seconds.
    Limited(u64),
    /// Nobody was there, or something broke.
    Unavailable,
}

impl Undelivered {
    pub fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self { trouble, message: message.into() }
    }
}

/// Values of keys of Secrets, by name and key. What is missing is absent.
#[derive(Clone, Debug, Default)]
pub struct Secrets(pub BTreeMap<(String, String), Secret>);

impl Secrets {
    /// The value, without the line end that files have. Errors: it is missing or empty.
    pub fn value(&self, reference: &KeyRef) -> Result<String, Undelivered> {
        let KeyRef { name, key } = reference;
        let value = self.0.get(&(name.clone(), key.clone())).map(|value| value.expose().trim().to_owned());
        value.filter(|value| !value.is_empty()).ok_or_else(|| {
            let message = format!("the Secret {name} has no key {key}, or there is no such Secret: add it");
            Undelivered::new(Trouble::Misconfigured, message)
        })
    }

    /// Headers of a request. Errors: a value is missing.
    pub fn headers(&self, headers: &[RequestHeader]) -> Result<Vec<(String, String)>, Undelivered> {
        let value = |header: &RequestHeader| match &header.value_from {
            Some(source) => self.value(&source.secret_key_ref),
            None => Ok(header.value.clone().unwrap_or_default()),
        };
        headers.iter().map(|header| Ok((header.name.clone(), value(header)?))).collect()
    }
}

/// Keys of Secrets that a channel needs.
pub fn secrets_of(channel: &Notify) -> Vec<&KeyRef> {
    let Notify { name: _, severities: _, slack, email, webhook, alertmanager, pagerduty } = channel;
    let slack = slack.iter().flat_map(|slack| slack.webhook_url_secret_ref.iter().chain(&slack.bot_token_secret_ref));
    let email = email.iter().flat_map(|email| email.username_secret_ref.iter().chain(&email.password_secret_ref));
    let webhook = webhook.iter().flat_map(|hook| std::iter::once(&hook.url_secret_ref).chain(&hook.signing_secret_ref));
    let headers = alertmanager.iter().flat_map(|alertmanager| secret_headers(&alertmanager.request_headers));
    let pagerduty = pagerduty.iter().map(|service| &service.routing_key_secret_ref);
    slack.chain(email).chain(webhook).chain(headers).chain(pagerduty).collect()
}

fn secret_headers(headers: &[RequestHeader]) -> impl Iterator<Item = &KeyRef> {
    headers.iter().filter_map(|header| header.value_from.as_ref()).map(|source| &source.secret_key_ref)
}

/// What kind of channel it is: label of metrics, and what is said of it.
pub fn kind_of(channel: &Notify) -> &'static str {
    let Notify { name: _, severities: _, slack, email, webhook, alertmanager, pagerduty } = channel;
    [
        (slack.is_some(), "slack"),
        (email.is_some(), "email"),
        (webhook.is_some(), "webhook"),
        (alertmanager.is_some(), "alertmanager"),
        (pagerduty.is_some(), "pagerduty"),
    ]
    .into_iter()
    .find_map(|(is, name)| is.then_some(name))
    .unwrap_or("none")
}

/// A channel for people: `slack/ops`.
pub fn named(channel: &Notify) -> String {
    format!("{}/{}", kind_of(channel), channel.name)
}
