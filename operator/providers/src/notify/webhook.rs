//! A JSON document by POST, signed by the rules of <https://www.standardwebhooks.com>.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use forkable_core::alerting::{Envelope, Receipt, Secrets, Told, Trouble, Undelivered};
use forkable_crds::alert_rule::Webhook;
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;

use super::http::Http;

pub(super) async fn send(
    http: &Http,
    webhook: &Webhook,
    secrets: &Secrets,
    envelope: &Envelope,
) -> Result<Receipt, Undelivered> {
    let address = secrets.value(&webhook.url_secret_ref)?;
    let body = document(envelope).to_string();
    let id = format!("msg_{}", envelope.message_id());
    let timestamp = Timestamp::now().as_second().to_string();
    let mut headers = vec![("webhook-id".to_owned(), id.clone()), ("webhook-timestamp".into(), timestamp.clone())];
    if let Some(reference) = &webhook.signing_secret_ref {
        let key = key(&secrets.value(reference)?)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        headers.push(("webhook-signature".into(), format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))));
    }
    let answer = http.post(&address, &headers, body).await?;
    if answer.status.is_success() {
        return Ok(Receipt { answer: answer.said(), reference: None });
    }
    Err(answer.refused())
}

/// `whsec_` and Base64, or the bytes of any other text.
fn key(secret: &str) -> Result<Vec<u8>, Undelivered> {
    match secret.strip_prefix("whsec_") {
        None => Ok(secret.as_bytes().to_vec()),
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| {
            Undelivered::new(Trouble::Misconfigured, "the signing secret begins with whsec_ and goes on in no Base64")
        }),
    }
}

/// What receivers get. Members are added to it and never change their meaning.
fn document(envelope: &Envelope) -> Value {
    let message = &envelope.message;
    json!({
        "type": "forkable.alerts",
        "version": "1",
        "key": envelope.key,
        "incident": envelope.incident_id(),
        "occasion": message.occasion,
        "status": if message.is_firing() { "firing" } else { "resolved" },
        "severity": message.severity_name(),
        "namespace": message.namespace,
        "rule": message.rule,
        "headline": message.headline,
        "lines": message.lines,
        "text": message.text(),
        "at": envelope.created_at,
        "alerts": message.alerts.iter().map(alert).collect::<Vec<_>>(),
    })
}

fn alert(told: &Told) -> Value {
    let alert = &told.alert;
    json!({
        "key": alert.key,
        "new": told.new,
        "status": if alert.is_firing() { "firing" } else { "resolved" },
        "namespace": alert.namespace,
        "fork": alert.fork,
        "displayName": alert.display_name,
        "since": alert.since,
        "startsAt": alert.fired_at,
        "endsAt": alert.resolved_at,
        "value": alert.value,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "url": alert.url,
        "release": alert.release.as_ref().map(|release| json!({
            "name": release.name,
            "commit": release.commit,
            "message": release.message,
            "author": release.author,
            "since": release.since,
        })),
        "template": alert.template,
        "rollback": alert.rollback_command(),
        "actions": alert.actions,
        "flaps": alert.flaps,
    })
}
