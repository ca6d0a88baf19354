//! How GitHub answers: bodies of refusals, and the headers every answer has.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

/// The page that refusals point to.
const DOCS: &str = "https://docs.github.com/rest";

/// Why GitHub refuses a call.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
    pub(crate) errors: Option<Value>,
    pub(crate) headers: Box<HeaderMap>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), errors: None, headers: Box::default() }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// `Validation Failed`, with one error of GitHub's `custom` code.
    pub(crate) fn invalid(resource: &str, field: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        let error = json!({ "resource": resource, "code": "custom", "field": field, "message": message });
        Self { errors: Some(json!([error])), ..Self::unprocessable("Validation Failed") }
    }

    /// `Validation Failed`, with errors as plain sentences.
    pub(crate) fn invalid_because(reasons: impl IntoIterator<Item = String>) -> Self {
        let reasons: Vec<_> = reasons.into_iter().collect();
        Self { errors: Some(json!(reasons)), ..Self::unprocessable("Validation Failed") }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({
            "message": self.message,
            "documentation_url": DOCS,
            "status": self.status.as_u16().to_string(),
        });
        if let Some(errors) = self.errors {
            body["errors"] = errors;
        }
        (self.status, *self.headers, Json(body)).into_response()
    }
}
