//! The spans of a pass: log lines and traces take from them what they are about.
//!
//! They have the highest level, so that a line of any level has them. A span is never entered across an await;
//! futures are instrumented with it.

use std::time::Duration;

use forkable_core::store::{Named, ObjectRef};
use opentelemetry::trace::TraceContextExt as _;
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The root: one pass of one object.
pub(crate) fn pass(object: &ObjectRef) -> Span {
    let Named { kind, namespace, name } = &**object;
    let span = tracing::error_span!(
        parent: None,
        "pass",
        otel.name = format_args!("pass {kind}"),
        otel.status_code = Empty,
        %object, kind, namespace, name,
        generation = Empty,
        trace_id = Empty,
    );
    let context = span.context();
    let trace = context.span().span_context().clone();
    if trace.is_sampled() {
        span.record("trace_id", tracing::field::display(trace.trace_id()));
    }
    span
}

/// The pass that runs is of this generation of its object.
pub(crate) fn generation(generation: i64) {
    Span::current().record("generation", generation);
}

/// The pass that runs failed.
pub(crate) fn failed() {
    Span::current().record("otel.status_code", "ERROR");
}

/// One step of a pass.
pub(crate) fn step(facet: &'static str, step: impl std::fmt::Display) -> Span {
    tracing::error_span!("step", otel.name = format_args!("step {facet}"), otel.status_code = Empty, facet, %step)
}

/// Logs what became of a step.
pub(crate) fn ended(step: &Span, error: Option<&str>, took: Duration) {
    let duration_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
    match error {
        None => step.in_scope(|| tracing::info!(duration_ms, "done")),
        Some(error) => {
            step.record("otel.status_code", "ERROR");
            step.in_scope(|| tracing::warn!(duration_ms, error, "failed"));
        }
    }
}
