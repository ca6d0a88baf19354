//! The way to an OpenTelemetry collector, over the HTTP client that calls to the providers use.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::runtime::Handle;

use crate::transport;

/// The largest answer of a collector that is read.
const LARGEST: usize = 1 << 20;

/// Sends from any thread; the work is done by the runtime that was current when it was made.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

impl Client {
    /// Must be called within a runtime, and after a process-wide rustls provider was installed.
    pub fn new(timeout: Duration) -> reqwest::Result<Self> {
        let http = transport::client().timeout(timeout).build()?;
        Ok(Self { http, runtime: Handle::current() })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let answer = http.execute(request.try_into()?).await.map_err(reqwest::Error::without_url)?;
            let (parts, body) = http::Response::from(answer).into_parts();
            let body = http_body_util::BodyExt::collect(http_body_util::Limited::new(body, LARGEST)).await?;
            Ok::<_, HttpError>(http::Response::from_parts(parts, body.to_bytes()))
        });
        sent.await?
    }
}
