//! The end of the stack: one HTTP exchange with a deadline and a bounded answer.

use std::{
    error::Error as _,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use forkable_core::{PortError, error::Provider};
use futures::{StreamExt as _, TryStreamExt as _, future::BoxFuture};
use http::StatusCode;
use http_body_util::{BodyExt as _, Limited};
use serde::de::IgnoredAny;
use tokio::sync::mpsc;
use tokio_util::{
    codec::{FramedRead, LinesCodec},
    io::StreamReader,
};
use tower::Service;

use super::{Answer, Call, Line, Timeouts};

/// The largest answer that is read: more than a page of anything that is asked for.
const LARGEST: usize = 32 << 20;
/// The longest line of an answer that goes on.
const LONGEST: usize = 1 << 20;
/// How long an answer may go on that nobody ends.
const ENDLESS: Duration = Duration::from_mins(10);

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

    async fn exchange(self, Call { request, lines, .. }: Call) -> Result<Answer, PortError> {
        let is_loopback = request.uri().host().is_some_and(|host| matches!(host, "127.0.0.1" | "localhost" | "[::1]"));
        let client = if is_loopback { &self.loopback } else { &self.http };
        let sent = async {
            let mut request = reqwest::Request::try_from(request)?;
            *request.timeout_mut() = lines.as_ref().map(|_| ENDLESS);
            client.execute(request).await
        };
        let answer = tokio::time::timeout(self.within, sent).await.map_err(|_| self.silent())?;
        let (parts, body) = http::Response::from(answer.map_err(|error| self.failed(&error))?).into_parts();
        if let Some(lines) = lines.filter(|_| parts.status.is_success()) {
            tokio::spawn(self.pass_on(body, lines));
            return Ok(Answer::from_parts(parts, Bytes::new()));
        }
        let body = Limited::new(body, LARGEST).collect().await.map_err(|error| {
            match error.downcast_ref::<reqwest::Error>() {
                Some(error) => self.failed(error),
                None => self.unavailable(format!("its answer is larger than {} MiB", LARGEST >> 20)),
            }
        })?;
        let body = body.to_bytes();
        if is_foreign(parts.status, &body) {
            let status = parts.status;
            let message = format!("something in between answers HTTP {status} in another form than JSON");
            return Err(self.unavailable(message));
        }
        Ok(Answer::from_parts(parts, body))
    }

    async fn pass_on(self, body: reqwest::Body, to: mpsc::Sender<Line>) {
        let pieces = body.into_data_stream().map_err(std::io::Error::other);
        let mut lines = FramedRead::new(StreamReader::new(pieces), LinesCodec::new_with_max_length(LONGEST));
        loop {
            let line = tokio::select! {
                () = to.closed() => return,
                line = lines.next() => line,
            };
            let Some(line) = line else { return };
            let line = line.map_err(|error| self.unavailable(format!("its answer broke off: {error}")));
            if line.is_err() | to.send(line).await.is_err() {
                return;
            }
        }
    }

    fn unavailable(&self, message: String) -> PortError {
        PortError::Unavailable { provider: self.provider, message }
    }

    fn silent(&self) -> PortError {
        self.unavailable(format!("no answer within {:?}", self.within))
    }

    /// Names the cause and never the address, which may carry names of things.
    fn failed(&self, error: &reqwest::Error) -> PortError {
        if error.is_connect() {
            self.unavailable(format!("no connection: {}", innermost(error)))
        } else if error.is_timeout() {
            self.silent()
        } else {
            self.unavailable(format!("the connection broke: {}", innermost(error)))
        }
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
        Box::pin(self.clone().exchange(call))
    }
}
