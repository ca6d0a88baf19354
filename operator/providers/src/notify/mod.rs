//! Channels behind [`Notifier`], one file each.
//!
//! A new one: copy the smallest file, add its member to `Notify` in `crds/src/alert_rule/notify.rs` with its bounds and
//! the CEL rule that keeps exactly one set; the compiler then asks for it in `secrets_of` and `kind_of` of the core and
//! in [`Notifiers::send`].

mod alertmanager;
mod email;
mod http;
mod pagerduty;
mod slack;
mod webhook;

use async_trait::async_trait;
use forkable_core::{
    alerting::{Envelope, Notifier, Receipt, Secrets, Trouble, Undelivered, secrets_of},
    secret::redact,
};
use forkable_crds::alert_rule::Notify;

use self::http::Http;

/// Where services are that have one address for everybody.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// `https://slack.com/api`
    pub slack: String,
    /// `https://events.pagerduty.com`
    pub pagerduty: String,
}

/// All channels. They share connections.
pub struct Notifiers {
    http: Http,
    endpoints: Endpoints,
}

impl Notifiers {
    /// A process-wide rustls provider must be installed before this.
    ///
    /// # Errors
    /// The machine's root certificates cannot be read.
    pub fn new(endpoints: Endpoints) -> reqwest::Result<Self> {
        Ok(Self { http: Http::new()?, endpoints })
    }
}

#[async_trait]
impl Notifier for Notifiers {
    async fn send(&self, channel: &Notify, secrets: &Secrets, envelope: &Envelope) -> Result<Receipt, Undelivered> {
        let Notify { name: _, severities: _, slack, email, webhook, alertmanager, pagerduty } = channel;
        let sent = if let Some(slack) = slack {
            slack::send(&self.http, &self.endpoints.slack, slack, secrets, envelope).await
        } else if let Some(email) = email {
            email::send(email, secrets, envelope).await
        } else if let Some(webhook) = webhook {
            webhook::send(&self.http, webhook, secrets, envelope).await
        } else if let Some(alertmanager) = alertmanager {
            alertmanager::send(&self.http, alertmanager, secrets, envelope).await
        } else if let Some(pagerduty) = pagerduty {
            pagerduty::send(&self.http, &self.endpoints.pagerduty, pagerduty, secrets, envelope).await
        } else {
            Err(Undelivered::new(Trouble::Refused, "it names no kind of channel that this version knows"))
        };
        // Servers repeat what they were sent.
        let values: Vec<_> = secrets_of(channel)
            .into_iter()
            .filter_map(|key| secrets.0.get(&(key.name.clone(), key.key.clone())))
            .collect();
        let clean = |text: &str| redact(text, values.iter().copied());
        match sent {
            Ok(receipt) => Ok(Receipt { answer: clean(&receipt.answer), ..receipt }),
            Err(error) => Err(Undelivered { message: clean(&error.message), ..error }),
        }
    }
}
