//! Vercel's error answers: `{"error":{"code","message",…}}` with a status.

use serde_json::{Map, Value, json};

/// A successful answer: status and body (`Null` sends no body).
#[derive(Debug)]
pub(super) struct Reply(pub u16, pub Value);

impl From<Value> for Reply {
    fn from(body: Value) -> Self {
        Self(200, body)
    }
}

/// What a route returns.
pub(super) type Outcome = Result<Reply, Problem>;

/// A refusal.
#[derive(Debug, Clone)]
pub struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Vercel's machine-readable code.
    pub code: String,
    /// The sentence for people.
    pub message: String,
    extra: Map<String, Value>,
    beside: Map<String, Value>,
}

impl Problem {
    /// A refusal with a code of its own.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), extra: Map::new(), beside: Map::new() }
    }

    /// 400 `bad_request`.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "bad_request", message)
    }

    /// 404 `not_found`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "not_found", message)
    }

    /// 403 `forbidden`.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "forbidden", message)
    }

    /// 402, for what the team's plan does not include.
    pub fn plan(message: impl Into<String>) -> Self {
        Self::new(402, "payment_required", message)
    }

    /// Adds a member beside `code` and `message`.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a member beside `error`.
    pub fn beside(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.beside.insert(name.to_owned(), value.into());
        self
    }

    /// The inner object: `{code, message, …}`.
    pub fn error(&self) -> Value {
        let mut error = self.extra.clone();
        error.insert("code".to_owned(), json!(self.code));
        error.insert("message".to_owned(), json!(self.message));
        Value::Object(error)
    }

    /// The whole body.
    pub fn body(&self) -> Value {
        let mut body = self.beside.clone();
        body.insert("error".to_owned(), self.error());
        Value::Object(body)
    }
}
