//! What is told about each call: a span, a log line and metrics, and never a header or a body.

use std::{
    task::{Context, Poll},
    time::Instant,
};

use forkable_core::{PortError, error::Provider};
use futures::future::BoxFuture;
use tower::Service;
use tracing::{Instrument as _, Span, field::Empty};

use super::{Answer, Call, Metrics, provider_label};

#[derive(Clone)]
pub(super) struct Traced<S> {
    inner: S,
    provider: Provider,
    metrics: Metrics,
}

impl<S> Traced<S> {
    pub(super) fn new(inner: S, provider: Provider, metrics: Metrics) -> Self {
        Self { inner, provider, metrics }
    }
}

/// The names of the fields that traces take are those of OpenTelemetry's conventions for HTTP clients.
fn span(provider: Provider, call: &Call) -> Span {
    tracing::info_span!(
        "call",
        otel.name = call.operation,
        otel.kind = "client",
        otel.status_code = Empty,
        provider = provider_label(provider),
        operation = call.operation,
        http.request.method = call.request.method().as_str(),
        server.address = call.request.uri().host().unwrap_or_default(),
        http.response.status_code = Empty,
        error.type = Empty,
    )
}

impl<S> Service<Call> for Traced<S>
where
    S: Service<Call, Response = Answer, Error = PortError>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = PortError;
    type Future = BoxFuture<'static, Result<Answer, PortError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PortError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let (provider, metrics, operation) = (self.provider, self.metrics.clone(), call.operation);
        let span = span(provider, &call);
        let begun = Instant::now();
        let answer = self.inner.call(call);
        let told = async move {
            let outcome = answer.await;
            let took = begun.elapsed();
            let (code, failed) = match &outcome {
                Ok(answer) => (answer.status().as_str().to_owned(), answer.status().as_u16() >= 400),
                Err(error) => (error.reason().to_owned(), true),
            };
            let span = Span::current();
            if let Ok(answer) = &outcome {
                span.record("http.response.status_code", answer.status().as_u16());
            }
            if failed {
                span.record("error.type", &code);
                span.record("otel.status_code", "ERROR");
            }
            metrics.called(provider, operation, &code, took);
            let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::debug!(provider = provider_label(provider), operation, code, duration_ms, "called");
            outcome
        };
        Box::pin(told.instrument(span))
    }
}
