//! Slack, as far as messages go: `chat.postMessage`, `chat.update` and incoming webhooks, with the refusals that are
//! published at <https://docs.slack.dev/reference/methods/chat.postMessage> and
//! <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Extension, Path, State as Shared};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::limits::Rule;
use crate::requests::Call;
use crate::sandbox::{Sandbox, World};

/// About one message a second to a channel, and short bursts:
/// <https://docs.slack.dev/apis/web-api/rate-limits>.
const POSTS: Rule = Rule { limit: 5, window: 5 };
const LONGEST_TEXT: usize = 40_000;
const MOST_BLOCKS: usize = 50;
const LONGEST_SECTION: usize = 3000;

/// A message of a channel.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The moment that is its name in its channel.
    pub ts: String,
    /// What it answers to.
    pub thread_ts: Option<String>,
    /// Whether the channel sees it too, though it is in a thread.
    pub broadcast: bool,
    /// How often it was changed.
    pub edits: u32,
    /// Text, blocks and metadata as they were sent last.
    pub content: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Channel {
    name: String,
    /// Whether the bot was invited.
    joined: bool,
    archived: bool,
    messages: Vec<Message>,
}

/// The workspace.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// Tokens of bots, and whether each may write.
    tokens: BTreeMap<String, bool>,
    /// Paths of incoming webhooks below `/services/`, and their channels.
    hooks: BTreeMap<String, String>,
    channels: BTreeMap<String, Channel>,
    last: u64,
}

impl Default for State {
    /// A workspace with a bot that is in `#alerts` and `#ops` and not in `#random`, and a webhook to `#alerts`.
    fn default() -> Self {
        let channel =
            |name: &str, joined, archived| Channel { name: name.into(), joined, archived, messages: Vec::new() };
        Self {
            tokens: BTreeMap::from([("xoxb-sandbox".into(), true), ("xoxb-sandbox-read-only".into(), false)]),
            hooks: BTreeMap::from([("T0SANDBOX/B0SANDBOX/sandbox".into(), "C0ALERTS".into())]),
            channels: BTreeMap::from([
                ("C0ALERTS".into(), channel("alerts", true, false)),
                ("C0OPS".into(), channel("ops", true, false)),
                ("C0RANDOM".into(), channel("random", false, false)),
                ("C0OLD".into(), channel("old", true, true)),
            ]),
            last: 0,
        }
    }
}

type Refused = &'static str;

impl State {
    fn find(&self, channel: &str) -> Option<String> {
        let name = channel.trim_start_matches('#');
        let is = |(id, known): &(&String, &Channel)| id.as_str() == channel || known.name == name;
        self.channels.iter().find(is).map(|(id, _)| id.clone())
    }

    fn post(&mut self, id: &str, body: &Value, now: Timestamp) -> Result<Message, Refused> {
        let content = content(body)?;
        self.last += 1;
        let ts = format!("{}.{:06}", now.as_second(), self.last);
        let channel = self.channels.get_mut(id).ok_or("channel_not_found")?;
        let thread_ts = body["thread_ts"].as_str().map(str::to_owned);
        if let Some(thread) = &thread_ts
            && !channel.messages.iter().any(|message| message.ts == *thread)
        {
            return Err("thread_not_found");
        }
        let broadcast = body["reply_broadcast"] == true;
        let message = Message { ts, thread_ts, broadcast, edits: 0, content };
        channel.messages.push(message.clone());
        Ok(message)
    }
}

pub(crate) fn router() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/api/chat.postMessage", post(method))
        .route("/api/chat.update", post(method))
        .route("/services/{team}/{app}/{secret}", post(hook))
}

pub(crate) fn inventory(world: &World) -> Value {
    json!(world.slack.channels)
}

async fn method(Shared(sandbox): Shared<Arc<Sandbox>>, Extension(call): Extension<Arc<Call>>) -> Response {
    sandbox.write(|world, now| {
        let done = if call.path.ends_with("chat.update") { update(world, &call) } else { posted(world, &call, now) };
        match done {
            Ok(answer) => Json(answer).into_response(),
            Err("ratelimited") => {
                let body = Json(json!({ "ok": false, "error": "ratelimited" }));
                (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], body).into_response()
            }
            Err("missing_scope") => {
                let body =
                    json!({ "ok": false, "error": "missing_scope", "needed": "chat:write", "provided": "chat:read" });
                Json(body).into_response()
            }
            // Slack refuses with 200.
            Err(error) => Json(json!({ "ok": false, "error": error })).into_response(),
        }
    })
}

/// Body and channel of a call by a bot that may write there.
fn admitted(world: &World, call: &Call) -> Result<(Value, String), Refused> {
    let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).ok_or("not_authed")?;
    match world.slack.tokens.get(token) {
        None => return Err("invalid_auth"),
        Some(false) => return Err("missing_scope"),
        Some(true) => {}
    }
    if !call.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Err("invalid_post_type");
    }
    let body = call.json().filter(Value::is_object).ok_or("invalid_json")?;
    let channel = body["channel"].as_str().ok_or("channel_not_found")?;
    let id = world.slack.find(channel).ok_or("channel_not_found")?;
    let known = &world.slack.channels[&id];
    match (known.archived, known.joined) {
        (true, _) => Err("is_archived"),
        (_, false) => Err("not_in_channel"),
        _ => Ok((body, id)),
    }
}

fn posted(world: &mut World, call: &Call, now: Timestamp) -> Result<Value, Refused> {
    let (body, id) = admitted(world, call)?;
    if world.settings.limits && world.buckets.take(&format!("slack:{id}"), POSTS, 1, now).is_err() {
        return Err("ratelimited");
    }
    let message = world.slack.post(&id, &body, now)?;
    Ok(json!({ "ok": true, "channel": id, "ts": message.ts, "message": message.content }))
}

fn update(world: &mut World, call: &Call) -> Result<Value, Refused> {
    let (body, id) = admitted(world, call)?;
    let ts = body["ts"].as_str().ok_or("message_not_found")?;
    // Its id, not its name.
    let channel = world.slack.channels.get_mut(&id).filter(|_| body["channel"] == id).ok_or("channel_not_found")?;
    let message = channel.messages.iter_mut().find(|message| message.ts == ts).ok_or("message_not_found")?;
    message.content = content(&body)?;
    message.edits += 1;
    Ok(json!({ "ok": true, "channel": id, "ts": ts, "text": body["text"] }))
}

async fn hook(
    Shared(sandbox): Shared<Arc<Sandbox>>,
    Path((team, app, secret)): Path<(String, String, String)>,
    Extension(call): Extension<Arc<Call>>,
) -> Response {
    sandbox.write(|world, now| {
        let Some(id) = world.slack.hooks.get(&format!("{team}/{app}/{secret}")).cloned() else {
            return (StatusCode::FORBIDDEN, "invalid_token").into_response();
        };
        if world.settings.limits && world.buckets.take(&format!("slack:{id}"), POSTS, 1, now).is_err() {
            return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], "rate_limited").into_response();
        }
        let Some(body) = call.json().filter(Value::is_object) else {
            return (StatusCode::BAD_REQUEST, "invalid_payload").into_response();
        };
        match world.slack.post(&id, &body, now) {
            Ok(_) => "ok".into_response(),
            Err(error) => (StatusCode::BAD_REQUEST, error).into_response(),
        }
    })
}

/// What of a body is the message, if Slack would show it.
fn content(body: &Value) -> Result<Value, Refused> {
    let text = body["text"].as_str().unwrap_or_default();
    if text.chars().count() > LONGEST_TEXT {
        return Err("msg_too_long");
    }
    let blocks = match &body["blocks"] {
        Value::Null => &[][..],
        Value::Array(blocks) => blocks,
        _ => return Err("invalid_blocks_format"),
    };
    if text.is_empty() && blocks.is_empty() {
        return Err("no_text");
    }
    if blocks.len() > MOST_BLOCKS || !blocks.iter().all(is_block) {
        return Err("invalid_blocks");
    }
    if let Some(metadata) = body.get("metadata")
        && !(metadata["event_type"].is_string() && metadata["event_payload"].is_object())
    {
        return Err("invalid_metadata_format");
    }
    Ok(json!({ "text": text, "blocks": blocks, "metadata": body["metadata"] }))
}

fn is_block(block: &Value) -> bool {
    let text = &block["text"];
    match block["type"].as_str() {
        Some("divider") => true,
        Some("header") => text["type"] == "plain_text" && text["text"].as_str().is_some_and(|text| text.len() <= 150),
        Some("section") => {
            let length = text["text"].as_str().unwrap_or_default().chars().count();
            ["mrkdwn", "plain_text"].iter().any(|kind| text["type"] == *kind) && (1..=LONGEST_SECTION).contains(&length)
        }
        _ => false,
    }
}
