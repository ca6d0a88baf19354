//! PagerDuty, by the Events API v2: <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>.

use forkable_core::alerting::{Envelope, Message, Occasion, Receipt, Secrets, Trouble, Undelivered};
use forkable_crds::alert_rule::PagerDuty;
use serde_json::{Map, Value, json};

use super::http::{Answer, Http};

/// The longest summary that is taken, in characters.
const SUMMARY: usize = 1024;
/// Alerts whose details are sent: an event has 512 KB at most.
const DETAILED: usize = 100;

pub(super) async fn send(
    http: &Http,
    endpoint: &str,
    service: &PagerDuty,
    secrets: &Secrets,
    envelope: &Envelope,
) -> Result<Receipt, Undelivered> {
    let key = secrets.value(&service.routing_key_secret_ref)?;
    let address = format!("{}/v2/enqueue", endpoint.trim_end_matches('/'));
    // The same for the whole incident, so that it can be resolved even if what was kept of it is lost.
    let dedup = format!("forkable-{}", envelope.group_id());
    let message = &envelope.message;
    let resolve = json!({ "routing_key": key, "event_action": "resolve", "dedup_key": dedup });
    if !message.is_firing() {
        return answered(&http.post(&address, &[], resolve.to_string()).await?);
    }
    let trigger = json!({
        "routing_key": key,
        "event_action": "trigger",
        "dedup_key": dedup,
        "client": "Forkable",
        "links": links(message),
        "payload": {
            "summary": message.headline.chars().take(SUMMARY).collect::<String>(),
            "source": source(message),
            "severity": message.severity_name(),
            "timestamp": envelope.created_at,
            "component": message.rule,
            "group": message.namespace,
            "class": "forkable",
            "custom_details": details(message, &envelope.message_id()),
        },
    });
    let receipt = answered(&http.post(&address, &[], trigger.to_string()).await?)?;
    if message.occasion == Occasion::Test {
        answered(&http.post(&address, &[], resolve.to_string()).await?)?;
    }
    Ok(receipt)
}

fn source(message: &Message) -> String {
    match &message.alerts[..] {
        [told] => told.alert.url.clone().unwrap_or_else(|| told.alert.fork.clone()),
        _ => format!("{}/{}", message.namespace, message.rule),
    }
}

fn links(message: &Message) -> Vec<Value> {
    let mut links: Vec<(&str, &str)> = Vec::new();
    for told in &message.alerts {
        for (name, text) in [("graph_url", "Graph"), ("runbook_url", "Runbook")] {
            links.extend(told.alert.annotations.get(name).map(|href| (text, href.as_str())));
        }
    }
    links.sort_unstable();
    links.dedup();
    links.into_iter().take(20).map(|(text, href)| json!({ "href": href, "text": text })).collect()
}

fn details(message: &Message, id: &str) -> Value {
    let mut details = Map::from_iter([("message_id".to_owned(), Value::from(id))]);
    if !message.lines.is_empty() {
        details.insert("about".into(), message.lines.join("\n").into());
    }
    for told in message.alerts.iter().take(DETAILED) {
        let value: Value = if message.is_in_full() {
            told.facts()
                .into_iter()
                .map(|fact| (fact.name.to_owned(), Value::from(fact.value)))
                .collect::<Map<_, _>>()
                .into()
        } else {
            told.row().into()
        };
        details.insert(told.title(), value);
    }
    details.into()
}

fn answered(answer: &Answer) -> Result<Receipt, Undelivered> {
    match answer.status.as_u16() {
        202 => Ok(Receipt { answer: answer.said(), reference: None }),
        // A key that PagerDuty does not know is a bad request to it.
        400 if String::from_utf8_lossy(&answer.body).contains("routing") => {
            Err(Undelivered::new(Trouble::Misconfigured, answer.said()))
        }
        _ => Err(answer.refused()),
    }
}
