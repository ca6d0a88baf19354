//! Traces to an OpenTelemetry collector, if the environment names one: HTTP with protobuf, and nothing else.
//!
//! Everything is set by the variables of OpenTelemetry's specification: `OTEL_EXPORTER_OTLP_(TRACES_)ENDPOINT`,
//! `OTEL_EXPORTER_OTLP_(TRACES_)HEADERS`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER(_ARG)`,
//! `OTEL_BSP_*`, `OTEL_SDK_DISABLED`.

use std::{sync::OnceLock, time::Duration};

use anyhow::Context as _;
use forkable_providers::otlp::Client;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use crate::cli::environment::variable;

/// How long the sending of one batch may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last batch may take when the process ends.
const LAST: Duration = Duration::from_secs(3);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

fn is_asked_for() -> bool {
    let named = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"].map(variable);
    named.iter().any(Option::is_some)
        && variable("OTEL_SDK_DISABLED").is_none_or(|disabled| !disabled.eq_ignore_ascii_case("true"))
        && variable("OTEL_TRACES_EXPORTER").is_none_or(|exporter| exporter == "otlp")
}

/// What makes traces of spans; `None` if nobody asks for them.
pub(super) fn layer<S>() -> anyhow::Result<Option<impl Layer<S>>>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    if !is_asked_for() {
        return Ok(None);
    }
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        if let Some(protocol) = variable(name).filter(|protocol| protocol != "http/protobuf") {
            anyhow::bail!("{name} is {protocol:?}: only http/protobuf is spoken (port 4318 of a collector)");
        }
    }
    let client = Client::new(TIMEOUT).context("making the HTTP client")?;
    let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
    let exporter = exporter.context("OTEL_EXPORTER_OTLP_ENDPOINT or one of its kin is wrong")?;
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("forkable"))
        .with_threads(false)
        .with_location(false)
        .with_target(false)
        .with_tracked_inactivity(false);
    let ours =
        Targets::new().with_target("forkable", LevelFilter::INFO).with_target("forkable_sandbox", LevelFilter::OFF);
    drop(PROVIDER.set(provider));
    Ok(Some(layer.with_filter(ours)))
}

fn resource() -> Resource {
    let named = variable("OTEL_SERVICE_NAME").is_some()
        || variable("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
    let resource =
        Resource::builder().with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if named { resource.build() } else { resource.with_service_name("forkable").build() }
}

/// Sends what is left.
pub(super) fn finish() {
    if let Some(provider) = PROVIDER.get()
        && let Err(error) = provider.shutdown_with_timeout(LAST)
    {
        tracing::warn!(%error, "the last spans are lost");
    }
}
