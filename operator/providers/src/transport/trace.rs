//! What is told about each call: a trace event and metrics, and never a header or a body.

use std::{
    task::{Context, Poll},
    time::Instant,
};

use forkable_core::{PortError, error::Provider};
use futures::future::BoxFuture;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};
use tower::Service;

use super::{Answer, Call};

/// Metrics of all calls outside.
#[derive(Clone)]
pub struct Metrics {
    requests: IntCounterVec,
    duration: HistogramVec,
    pub(super) quota: IntGaugeVec,
}

impl Metrics {
    /// Errors: they are registered there already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new(
                "forkable_provider_requests_total",
                "Calls to a provider by operation and HTTP status, or the reason why there is none.",
            ),
            &["provider", "operation", "code"],
        )?;
        let duration = HistogramVec::new(
            HistogramOpts::new(
                "forkable_provider_request_duration_seconds",
                "Time from asking for a call to its whole answer, waiting for the budget included.",
            )
            .buckets(vec![0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
            &["provider"],
        )?;
        let quota = IntGaugeVec::new(
            Opts::new("forkable_provider_quota_remaining", "Calls left of a provider's quota, as last told by it."),
            &["provider", "bucket"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(duration.clone()))?;
        registry.register(Box::new(quota.clone()))?;
        Ok(Self { requests, duration, quota })
    }
}

/// The provider as a metric label.
pub fn provider_label(provider: Provider) -> &'static str {
    match provider {
        Provider::GitHub => "github",
        Provider::Vercel => "vercel",
    }
}

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
        let (provider, metrics, operation) = (provider_label(self.provider), self.metrics.clone(), call.operation);
        let begun = Instant::now();
        let answer = self.inner.call(call);
        Box::pin(async move {
            let outcome = answer.await;
            let took = begun.elapsed();
            let code = match &outcome {
                Ok(answer) => answer.status().as_str().to_owned(),
                Err(error) => error.reason().to_owned(),
            };
            metrics.requests.with_label_values(&[provider, operation, code.as_str()]).inc();
            metrics.duration.with_label_values(&[provider]).observe(took.as_secs_f64());
            let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            tracing::debug!(provider, operation, code, duration_ms, "called");
            outcome
        })
    }
}
