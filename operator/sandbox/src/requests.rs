//! The log of every call that arrived, and the call as the gates and handlers see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whose API a call is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// `/github`
    Github,
    /// `/vercel`
    Vercel,
    /// `/slack`
    Slack,
    /// `/pagerduty`
    Pagerduty,
    /// `/statuspage`
    Statuspage,
    /// `/sentry`
    Sentry,
}

/// One call on its way through the sandbox. Handlers get it as `Extension<Arc<Call>>`.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its number in the log.
    pub(crate) seq: u64,
    /// Whose API it is meant for.
    pub(crate) provider: Provider,
    /// The HTTP method.
    pub(crate) method: Method,
    /// The path below the provider's prefix.
    pub(crate) path: String,
    /// The raw query.
    pub(crate) query: String,
    /// `METHOD /template/{of}/path`, or `graphql query NAME`.
    pub(crate) operation: String,
    /// Whether it asks for a change.
    pub(crate) write: bool,
    /// As they arrived.
    pub(crate) headers: HeaderMap,
    /// As it arrived.
    pub(crate) body: Bytes,
    /// The sandbox's time of arrival.
    pub(crate) now: Timestamp,
    /// Where this sandbox is reached: `http://127.0.0.1:PORT`.
    pub(crate) base: Arc<str>,
}

impl Call {
    /// The body as JSON; `None` when there is none or it is not JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// A parameter of the query, percent-decoded.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// One line of the log.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Counts from 1 and is never used again, not even after the log was cleared.
    pub seq: u64,
    /// The sandbox's time of arrival.
    pub at: Timestamp,
    /// Whose API it was meant for.
    pub provider: Provider,
    /// The HTTP method.
    pub method: String,
    /// The path below the provider's prefix.
    pub path: String,
    /// The raw query.
    pub query: String,
    /// The stable name of the operation.
    pub operation: String,
    /// Whether it asked for a change.
    pub write: bool,
    /// The status that was answered, or would have been had the connection not been cut.
    pub status: Option<u16>,
    /// The fault that hit it.
    pub fault: Option<u64>,
    /// Whether the change was made.
    pub committed: bool,
    /// Without the credentials.
    pub headers: BTreeMap<String, String>,
    /// JSON, or text when it is not.
    pub body: Value,
    /// Kept when `settings.recordResponses` is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Value>,
}

/// Everything that arrived, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RequestLog {
    last: u64,
    /// Not in a snapshot: the log tells what this run of the server saw.
    #[serde(skip)]
    entries: Vec<Entry>,
}

impl RequestLog {
    /// The number that the next call gets.
    pub(crate) fn next_seq(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(crate) fn push(&mut self, call: &Call) {
        self.entries.push(Entry {
            seq: call.seq,
            at: call.now,
            provider: call.provider,
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query.clone(),
            operation: call.operation.clone(),
            write: call.write,
            status: None,
            fault: None,
            committed: false,
            headers: logged_headers(&call.headers),
            body: logged_body(&call.body),
            response: None,
        });
    }

    pub(crate) fn update(&mut self, seq: u64, change: impl FnOnce(&mut Entry)) {
        if let Ok(at) = self.entries.binary_search_by_key(&seq, |entry| entry.seq) {
            change(&mut self.entries[at]);
        }
    }

    /// The calls after number `seq`.
    pub fn since(&self, seq: u64) -> &[Entry] {
        &self.entries[self.entries.partition_point(|entry| entry.seq <= seq)..]
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

fn logged_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter(|(name, _)| *name != http::header::AUTHORIZATION && *name != http::header::COOKIE)
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

pub(crate) fn logged_body(body: &[u8]) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into())
}
