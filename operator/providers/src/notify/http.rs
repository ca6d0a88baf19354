//! One POST of JSON, with a deadline, to an address that may be a secret itself.

use std::{error::Error as _, time::Duration};

use bytes::Bytes;
use forkable_core::alerting::{Trouble, Undelivered};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use url::Url;

use crate::transport::{self, shortened};

/// The longest that a call may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The part of an answer that is read, in bytes.
const LARGEST: usize = 64 << 10;

/// Clients for the outside and for this very machine.
pub(super) struct Http {
    outside: reqwest::Client,
    /// Goes through no proxy.
    loopback: reqwest::Client,
}

/// What was answered, whatever it says.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Http {
    pub(super) fn new() -> reqwest::Result<Self> {
        let builder = || transport::client().user_agent("forkable").timeout(PATIENCE).tcp_nodelay(true);
        Ok(Self { outside: builder().build()?, loopback: builder().no_proxy().build()? })
    }

    /// Posts JSON. Errors: the address or a header is wrong, or no whole answer came.
    pub(super) async fn post(
        &self,
        address: &str,
        headers: &[(String, String)],
        body: String,
    ) -> Result<Answer, Undelivered> {
        let wrong = |message: &str| Undelivered::new(Trouble::Misconfigured, message);
        let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.ok_or_else(|| wrong("the address is no URL that begins with https:// or http://"))?;
        let client = match url.host_str() {
            Some("127.0.0.1" | "localhost" | "[::1]") => &self.loopback,
            _ => &self.outside,
        };
        let mut request = client.post(url).header(header::CONTENT_TYPE, "application/json; charset=utf-8").body(body);
        for (name, value) in headers {
            let name = HeaderName::try_from(name).map_err(|_| wrong("a header has a name that none may have"))?;
            let value = HeaderValue::try_from(value);
            let mut value = value
                .map_err(|_| wrong(&format!("the value of the header {name} has characters that none may have")))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(|error| unavailable(&error))?;
        let (parts, body) = http::Response::from(answer).into_parts();
        let body = Limited::new(body, LARGEST).collect().await;
        // What a channel says beside its status is for people only.
        let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }
}

impl Answer {
    /// Status and body on one line.
    pub(super) fn said(&self) -> String {
        let body = shortened(&String::from_utf8_lossy(&self.body));
        format!("HTTP {} {body}", self.status.as_u16()).trim_end().to_owned()
    }

    /// Seconds of `Retry-After`.
    pub(super) fn retry_after(&self) -> u64 {
        let value = self.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        value.and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// What an answer without success means, for a server that goes by HTTP.
    pub(super) fn refused(&self) -> Undelivered {
        let trouble = match self.status.as_u16() {
            429 => Trouble::Limited(self.retry_after()),
            // A redirect is not followed: the address is to be mended.
            300..=399 | 401 | 403 | 404 | 405 | 407 | 410 => Trouble::Misconfigured,
            400 | 413 | 415 | 422 => Trouble::Refused,
            _ => Trouble::Unavailable,
        };
        Undelivered::new(trouble, self.said())
    }
}

/// Names the cause and never the address.
fn unavailable(error: &reqwest::Error) -> Undelivered {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    let cause = cause.map_or_else(|| "unknown cause".into(), ToString::to_string);
    let message = if error.is_connect() {
        format!("no connection: {cause}")
    } else if error.is_timeout() {
        format!("no answer within {PATIENCE:?}")
    } else {
        format!("the connection broke: {cause}")
    };
    Undelivered::new(Trouble::Unavailable, message)
}
