//! An Alertmanager, by its API v2.

use std::collections::BTreeMap;

use forkable_core::alerting::{Envelope, Message, Occasion, REFRESH, Receipt, Secrets, Told, Undelivered};
use forkable_crds::alert_rule::Alertmanager;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::http::Http;

/// Times that an Alertmanager may miss to hear of an alert before it takes it for over.
const MISSES: i32 = 4;

pub(super) async fn send(
    http: &Http,
    alertmanager: &Alertmanager,
    secrets: &Secrets,
    envelope: &Envelope,
) -> Result<Receipt, Undelivered> {
    let headers = secrets.headers(&alertmanager.request_headers)?;
    let address = format!("{}/api/v2/alerts", alertmanager.url.trim_end_matches('/'));
    let alerts = alerts(&envelope.message, envelope.created_at, Timestamp::now());
    let answer = http.post(&address, &headers, Value::from(alerts).to_string()).await?;
    if answer.status.is_success() {
        return Ok(Receipt { answer: answer.said(), reference: None });
    }
    Err(answer.refused())
}

fn alerts(message: &Message, at: Timestamp, now: Timestamp) -> Vec<Value> {
    let until = |by: SignedDuration| now.checked_add(by).unwrap_or(Timestamp::MAX);
    if message.alerts.is_empty() {
        let name = if message.occasion == Occasion::Test { "ForkableTest" } else { "ForkableChannelFails" };
        let end = if message.is_firing() { until(SignedDuration::from_mins(1)) } else { now };
        let labels = json!({
            "alertname": name,
            "severity": message.severity_name(),
            "namespace": message.namespace,
            "rule": message.rule,
        });
        let annotations = json!({ "summary": message.headline, "description": message.lines.join("\n") });
        return vec![json!({ "labels": labels, "annotations": annotations, "startsAt": at, "endsAt": end })];
    }
    let alert = |told: &Told| {
        let alert = &told.alert;
        let end = alert.resolved_at.unwrap_or_else(|| until(REFRESH * MISSES));
        // Labels are who the alert is, to an Alertmanager: what changes while it fires goes to the annotations.
        let mut labels: BTreeMap<String, String> =
            alert.labels.iter().map(|(name, value)| (label_name(name), value.clone())).collect();
        labels.entry("alertname".into()).or_insert_with(|| alert.rule.clone());
        for (name, value) in
            [("severity", message.severity_name()), ("namespace", &alert.namespace), ("fork", &alert.fork)]
        {
            labels.insert(name.into(), value.into());
        }
        labels.retain(|_, value| !value.is_empty());
        let mut annotations: BTreeMap<String, String> =
            alert.annotations.iter().map(|(name, value)| (label_name(name), value.clone())).collect();
        annotations.extend(told.facts().into_iter().map(|fact| (fact.name.replace(' ', "_"), fact.value)));
        json!({
            "labels": labels,
            "annotations": annotations,
            "startsAt": alert.fired_at,
            "endsAt": end,
            "generatorURL": alert.annotations.get("graph_url").or(alert.url.as_ref()).filter(|url| is_url(url)),
        })
    };
    message.alerts.iter().map(alert).map(without_null).collect()
}

fn is_url(text: &str) -> bool {
    url::Url::parse(text).is_ok()
}

fn without_null(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}

/// Names of labels of Prometheus have letters, digits and `_` only.
fn label_name(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}
