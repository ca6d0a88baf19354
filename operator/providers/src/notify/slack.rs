//! Slack, by an incoming webhook or by a bot. The bot keeps one message for each incident as things are, and tells in its
//! thread what changes.

use forkable_core::alerting::{Envelope, Message, Occasion, Receipt, Secrets, Told, Trouble, Undelivered};
use forkable_crds::alert_rule::Slack;
use serde_json::{Value, json};

use super::http::{Answer, Http};

/// The longest text of a block, in characters: <https://docs.slack.dev/reference/block-kit/blocks/section-block>.
const BLOCK: usize = 2900;
/// Blocks of a message, below the 50 that are taken.
const BLOCKS: usize = 48;

pub(super) async fn send(
    http: &Http,
    endpoint: &str,
    slack: &Slack,
    secrets: &Secrets,
    envelope: &Envelope,
) -> Result<Receipt, Undelivered> {
    let message = &envelope.message;
    if let Some(reference) = &slack.webhook_url_secret_ref {
        let address = secrets.value(reference)?;
        let answer = http.post(&address, &[], content(message).to_string()).await?;
        // A webhook answers `ok` in plain text, or the name of an error.
        return match answer.status.as_u16() {
            200 => Ok(Receipt { answer: answer.said(), reference: None }),
            400 | 404 | 410 | 403 => {
                Err(Undelivered::new(trouble(&String::from_utf8_lossy(&answer.body)), answer.said()))
            }
            _ => Err(answer.refused()),
        };
    }
    let (Some(reference), Some(channel)) = (&slack.bot_token_secret_ref, &slack.channel) else {
        return Err(Undelivered::new(Trouble::Misconfigured, "it has neither a webhook nor a bot"));
    };
    let bot = Bot { http, endpoint, token: secrets.value(reference)?, key: envelope.message_id() };
    let mut body = content(message);
    // `channel:ts` of the incident's message, as it was answered.
    let Some((id, ts)) = envelope.reference.as_deref().and_then(|reference| reference.split_once(':')) else {
        body["channel"] = channel.clone().into();
        let posted = bot.call("chat.postMessage", body).await?;
        let text = |name: &str| posted[name].as_str().unwrap_or_default().to_owned();
        let (id, ts) = (text("channel"), text("ts"));
        return Ok(Receipt { answer: format!("posted to {id} at {ts}"), reference: Some(format!("{id}:{ts}")) });
    };
    (body["channel"], body["ts"]) = (id.into(), ts.into());
    bot.call("chat.update", body).await?;
    let mut reply = json!({ "channel": id, "thread_ts": ts, "text": change(message) });
    if matches!(message.occasion, Occasion::Reminder | Occasion::Resolved) {
        reply["reply_broadcast"] = true.into();
    }
    bot.call("chat.postMessage", reply).await?;
    Ok(Receipt { answer: format!("updated {ts} in {id}, and its thread"), reference: envelope.reference.clone() })
}

struct Bot<'a> {
    http: &'a Http,
    endpoint: &'a str,
    token: String,
    key: String,
}

impl Bot<'_> {
    /// Slack answers 200 with `ok: false` when it refuses.
    async fn call(&self, method: &str, mut body: Value) -> Result<Value, Undelivered> {
        body["metadata"] = json!({ "event_type": "forkable_alert", "event_payload": { "message_id": self.key } });
        (body["unfurl_links"], body["unfurl_media"]) = (false.into(), false.into());
        let headers = [("authorization".to_owned(), format!("Bearer {}", self.token))];
        let address = format!("{}/{method}", self.endpoint.trim_end_matches('/'));
        let answer = self.http.post(&address, &headers, body.to_string()).await?;
        if !answer.status.is_success() {
            return Err(answer.refused());
        }
        let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if said["ok"] == true { Ok(said) } else { Err(refused(method, &said, &answer)) }
    }
}

fn refused(method: &str, said: &Value, answer: &Answer) -> Undelivered {
    let Some(error) = said["error"].as_str() else {
        return Undelivered::new(
            Trouble::Unavailable,
            format!("{method}: an answer that is not Slack's: {}", answer.said()),
        );
    };
    let needed = said["needed"].as_str().map(|scope| format!(" (the bot needs the scope {scope})")).unwrap_or_default();
    let trouble = if error == "ratelimited" { Trouble::Limited(answer.retry_after()) } else { trouble(error) };
    Undelivered::new(trouble, format!("{method}: {error}{needed}"))
}

/// What the name of an error means: <https://docs.slack.dev/reference/methods/chat.postMessage>.
fn trouble(error: &str) -> Trouble {
    match error.trim() {
        "invalid_blocks"
        | "invalid_blocks_format"
        | "msg_too_long"
        | "no_text"
        | "invalid_payload"
        | "invalid_arguments"
        | "msg_blocks_too_long"
        | "too_many_attachments"
        | "message_not_found"
        | "cant_update_message" => Trouble::Refused,
        "fatal_error" | "internal_error" | "service_unavailable" | "request_timeout" | "rollup_error" => {
            Trouble::Unavailable
        }
        // Tokens, scopes and channels.
        _ => Trouble::Misconfigured,
    }
}

/// The text is what notifications and screen readers have; blocks are what is seen.
fn content(message: &Message) -> Value {
    let mut paragraphs = vec![format!("{} *{}*", sign(message), escaped(&message.headline))];
    paragraphs.extend(message.lines.iter().map(|line| escaped(line)));
    paragraphs.extend(message.alerts.iter().map(|told| paragraph(message, told)));
    let section = |text: String| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
    let blocks: Vec<_> = packed(paragraphs).into_iter().take(BLOCKS).map(section).collect();
    json!({ "text": escaped(&message.headline), "blocks": blocks })
}

/// Paragraphs in as few blocks as they fit in.
fn packed(paragraphs: Vec<String>) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    for paragraph in paragraphs {
        let paragraph: String = paragraph.chars().take(BLOCK).collect();
        match blocks.last_mut() {
            Some(block) if block.chars().count() + paragraph.chars().count() < BLOCK => {
                block.push('\n');
                block.push_str(&paragraph);
            }
            _ => blocks.push(paragraph),
        }
    }
    blocks
}

fn paragraph(message: &Message, told: &Told) -> String {
    let title = escaped(&told.title());
    if !message.is_in_full() {
        return format!("• *{title}*: {}", escaped(&told.row()));
    }
    let facts = told.facts().into_iter().map(|fact| match fact.name {
        "roll back" => format!("{}: `{}`", fact.name, escaped(&fact.value)),
        name => format!("{name}: {}", escaped(&fact.value)),
    });
    std::iter::once(format!("*{title}*")).chain(facts).collect::<Vec<_>>().join("\n")
}

/// What the thread is told.
fn change(message: &Message) -> String {
    let new = |firing: bool| -> Vec<String> {
        let new = message.alerts.iter().filter(|told| told.new && told.alert.is_firing() == firing);
        new.map(|told| escaped(&told.name())).collect()
    };
    let list = |verb: &str, forks: Vec<String>| (!forks.is_empty()).then(|| format!("{verb}: {}", forks.join(", ")));
    let lines = [list("now firing", new(true)), list("over", new(false))];
    let lines: Vec<_> = lines.into_iter().flatten().collect();
    let text = if lines.is_empty() { escaped(&message.headline) } else { lines.join("\n") };
    text.chars().take(BLOCK).collect()
}

fn sign(message: &Message) -> &'static str {
    match (message.is_firing(), message.occasion, message.severity_name()) {
        (_, Occasion::Test, _) => ":wave:",
        (false, ..) => ":large_green_circle:",
        (true, _, "critical") => ":red_circle:",
        (true, _, "warning") => ":large_orange_circle:",
        (true, ..) => ":large_blue_circle:",
    }
}

/// Slack's three characters: <https://docs.slack.dev/messaging/formatting-message-text>.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
