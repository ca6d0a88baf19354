//! The end of the stack: one HTTP exchange with a deadline and a bounded answer.

use std::{
    error::Error as _,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use forkable_core::{PortError, error::Provider};
use futures::future::BoxFuture;
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use serde::de::IgnoredAny;
use tower::Service;

use super::{Answer, Call, Timeouts};

/// The largest answer that is read: more than a page of anything that is asked for.
const LARGEST: usize = 32 << 20;

#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    /// Goes through no proxy, for this very machine.
    loopback: reqwest::Client,
    within: Duration,
    provider: Provider,
}

impl Client {
    pub(super) fn new(timeouts: Timeouts) -> reqwest::Result<Self> {
        let builder =
            || super::tls::client().connect_timeout(timeouts.connect).timeout(timeouts.call).tcp_nodelay(true);
        let (http, loopback) = (builder().build()?, builder().no_proxy().build()?);
        Ok(Self { http, loopback, within: timeouts.call, provider: Provider::GitHub })
    }

    pub(super) fn of(self, provider: Provider) -> Self {
        Self { provider, ..self }
    }

    async fn exchange(self, request: http::Request<Bytes>) -> Result<Answer, PortError> {
        let is_loopback = request.uri().host().is_some_and(|host| matches!(host, "127.0.0.1" | "localhost" | "[::1]"));
        let client = if is_loopback { &self.loopback } else { &self.http };
        let sent = async { client.execute(request.try_into()?).await };
        let answer = sent.await.map_err(|error| self.unavailable(&error))?;
        let (parts, body) = http::Response::from(answer).into_parts();
        let body = Limited::new(body, LARGEST).collect().await.map_err(|error| {
            let message = match error.downcast_ref::<reqwest::Error>() {
                Some(error) => return self.unavailable(error),
                None => format!("its answer is larger than {} MiB", LARGEST >> 20),
            };
            PortError::Unavailable { provider: self.provider, message }
        })?;
        let body = body.to_bytes();
        if is_foreign(parts.status, &body) {
            let message = format!("something in between answers HTTP {} in another form than JSON", parts.status);
            return Err(PortError::Unavailable { provider: self.provider, message });
        }
        Ok(Answer::from_parts(parts, body))
    }

    /// Names the cause and never the address, which may carry names of things.
    fn unavailable(&self, error: &reqwest::Error) -> PortError {
        let message = if error.is_connect() {
            format!("no connection: {}", innermost(error))
        } else if error.is_timeout() {
            format!("no answer within {:?}", self.within)
        } else {
            format!("the connection broke: {}", innermost(error))
        };
        PortError::Unavailable { provider: self.provider, message }
    }
}

/// Both providers refuse in JSON. A page that says "not found" or "who are you" comes from a proxy or an edge, and
/// tells nothing of what exists: read as the provider's word, it would have things made twice.
fn is_foreign(status: StatusCode, body: &[u8]) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::GONE)
        && !body.is_empty()
        && serde_json::from_slice::<IgnoredAny>(body).is_err()
}

fn innermost(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| "unknown cause".into(), ToString::to_string)
}

impl Service<Call> for Client {
    type Response = Answer;
    type Error = PortError;
    type Future = BoxFuture<'static, Result<Answer, PortError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), PortError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        Box::pin(self.clone().exchange(call.request))
    }
}
