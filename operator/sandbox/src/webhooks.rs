//! Webhooks: a queue of events, and their signed delivery. Best effort and without retries, as a receiver must expect.

use std::sync::Arc;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::requests::Provider;
use crate::settings::WebhookTarget;

/// A receiver that was registered through a provider's own API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    /// Where to post.
    pub url: String,
    /// What to sign with; without it there is no signature.
    pub secret: Option<String>,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Whose event it is.
    pub provider: Provider,
    /// GitHub: `push`, `repository`, …; Vercel: `deployment.ready`, …
    pub name: String,
    /// The whole body.
    pub payload: Value,
    /// Receivers beside the configured target.
    pub receivers: Vec<Receiver>,
}

/// Signs `body` as the provider does and returns the header's name and value.
pub(crate) fn sign(provider: Provider, secret: &str, body: &[u8]) -> (&'static str, String) {
    const ANY_LENGTH: &str = "HMAC takes keys of any length";
    match provider {
        Provider::Github => {
            let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect(ANY_LENGTH);
            mac.update(body);
            ("x-hub-signature-256", format!("sha256={}", hex::encode(mac.finalize().into_bytes())))
        }
        Provider::Vercel => {
            let mut mac = Hmac::<sha1::Sha1>::new_from_slice(secret.as_bytes()).expect(ANY_LENGTH);
            mac.update(body);
            ("x-vercel-signature", hex::encode(mac.finalize().into_bytes()))
        }
        Provider::Slack | Provider::Pagerduty | Provider::Statuspage | Provider::Sentry => {
            unreachable!("they have no events here")
        }
    }
}

/// Posts events one after the other, in the order in which they happened.
pub(crate) async fn deliver(mut queue: mpsc::UnboundedReceiver<Event>, target: Option<WebhookTarget>) {
    let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(10)).build();
    let Ok(client) = client else {
        tracing::warn!("no HTTP client: webhooks are not delivered");
        return;
    };
    let target = target.map(Arc::new);
    while let Some(event) = queue.recv().await {
        let mut receivers = event.receivers.clone();
        if let Some(target) = &target {
            let url = match event.provider {
                Provider::Github => target.github_url.clone(),
                Provider::Vercel => target.vercel_url.clone(),
                Provider::Slack | Provider::Pagerduty | Provider::Statuspage | Provider::Sentry => continue,
            };
            let secret = Some(target.secret.clone());
            receivers.push(Receiver { url, secret });
        }
        for receiver in receivers {
            if let Err(error) = post(&client, &event, &receiver).await {
                tracing::debug!(url = receiver.url, event = event.name, %error, "webhook not delivered");
            }
        }
    }
}

async fn post(client: &reqwest::Client, event: &Event, receiver: &Receiver) -> Result<(), reqwest::Error> {
    let body = event.payload.to_string();
    let mut request = client.post(&receiver.url).header("content-type", "application/json");
    if let Some(secret) = &receiver.secret {
        let (name, value) = sign(event.provider, secret, body.as_bytes());
        request = request.header(name, value);
    }
    request = match event.provider {
        Provider::Github => request
            .header("user-agent", "GitHub-Hookshot/sandbox")
            .header("x-github-event", &event.name)
            .header("x-github-delivery", uuid::Uuid::new_v4().to_string()),
        Provider::Vercel => request.header("user-agent", "Vercel-Webhooks/sandbox"),
        Provider::Slack | Provider::Pagerduty | Provider::Statuspage | Provider::Sentry => request,
    };
    request.body(body).send().await?.error_for_status()?;
    Ok(())
}
