//! A collector gets the traces of a create, log lines lead to them, and no secret is in either.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, routing::post};
use forkable_tests::{Output, Running, World, reference_fork};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, any_value},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message as _;
use serde_json::Value;

const CANARY: &str = "canary-51c0ff-do-not-trace";

/// A collector that keeps what it gets.
struct Collector {
    url: String,
    bodies: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    async fn start() -> Self {
        let bodies: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let kept = bodies.clone();
        let take = move |body: Bytes| async move {
            kept.lock().expect("no handler panics").push(body);
            ExportTraceServiceResponse::default().encode_to_vec()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, bodies }
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let bodies = self.bodies.lock().expect("no handler panics");
        bodies.iter().map(|body| ExportTraceServiceRequest::decode(body.clone()).expect("OTLP")).collect()
    }

    fn spans(&self) -> Vec<Span> {
        let scopes = self.requests().into_iter().flat_map(|request| request.resource_spans);
        scopes.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }
}

fn text(value: Option<&AnyValue>) -> Option<&str> {
    match value?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn attribute<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    text(span.attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref())
}

async fn create(collector: &Collector, sampler: &str) -> (World, Output) {
    let mut world = World::start().await;
    world.write("acme.yaml", &reference_fork());
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{ name: acme }}\nstringData: {{ stripe: {CANARY}-stripe, deploy: {CANARY}-deploy }}\n"
    );
    world.write("secret.yaml", &secret);
    world.environment.insert("OTEL_EXPORTER_OTLP_ENDPOINT".into(), collector.url.clone());
    world.environment.insert("OTEL_SERVICE_NAME".into(), "forkable-of-a-test".into());
    world.environment.insert("OTEL_TRACES_SAMPLER".into(), sampler.into());
    let command = world.up_command(&["--once", "-v", "--log-format", "json"]);
    let output = Running::start(command).finish(std::time::Duration::from_mins(1)).await;
    assert_eq!(output.code, Some(0), "{}\n{}", output.stdout, output.stderr);
    (world, output)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_is_traced_from_the_pass_to_each_call() {
    let collector = Collector::start().await;
    let (world, output) = create(&collector, "always_on").await;
    let spans = collector.spans();
    let by_id: BTreeMap<_, _> = spans.iter().map(|span| (span.span_id.clone(), span)).collect();

    // Every call is in a trace, once.
    let client = |span: &&Span| span.kind() == SpanKind::Client;
    let calls: Vec<_> = spans.iter().filter(client).collect();
    assert_eq!(calls.len(), world.calls().await.len());

    // What changes something is in a step of a pass of the Fork.
    let generate = calls.iter().find(|span| span.name.ends_with("/generate")).expect("the repository was generated");
    assert_eq!(attribute(generate, "provider"), Some("github"));
    let step = by_id[&generate.parent_span_id];
    assert_eq!(step.name, "step repository");
    assert!(attribute(step, "step").is_some_and(|step| step.contains("forkable-ai/framework")), "{step:#?}");
    let pass = by_id[&step.parent_span_id];
    assert_eq!((pass.name.as_str(), pass.parent_span_id.as_slice()), ("pass Fork", &[][..]));
    assert_eq!(attribute(pass, "object"), Some("fork/acme"));
    assert!([step, pass].iter().all(|span| span.trace_id == generate.trace_id), "one trace");
    assert!(spans.iter().any(|span| span.name == "step build"), "the release is traced too");

    let resource = collector.requests()[0].resource_spans[0].resource.clone().expect("a resource");
    let service = resource.attributes.iter().find(|attribute| attribute.key == "service.name").expect("a name");
    assert_eq!(text(service.value.as_ref()), Some("forkable-of-a-test"));

    // Every line of a pass says what it is about, and leads to its trace.
    let traces: BTreeSet<_> = spans.iter().map(|span| hex::encode(&span.trace_id)).collect();
    let lines: Vec<Value> =
        output.stderr.lines().map(|line| serde_json::from_str(line).expect("every line is JSON")).collect();
    let of_passes: Vec<_> = lines.iter().filter(|line| line["message"] == "done").collect();
    assert!(of_passes.len() >= 8, "{lines:#?}");
    for line in of_passes {
        for field in ["object", "kind", "namespace", "name", "step", "facet"] {
            assert!(line[field].is_string(), "{field} in {line:#}");
        }
        assert!(line["generation"].is_number(), "{line:#}");
        assert!(traces.contains(line["trace_id"].as_str().expect("a trace")), "{line:#}");
    }

    for body in collector.bodies.lock().expect("no handler panics").iter() {
        let found = body.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
        assert!(!found, "a secret is in a trace");
    }
    assert!(!output.stderr.contains(CANARY), "a secret is in the log");
    assert_eq!(world.variable("acme", "STRIPE_KEY").await["value"], format!("{CANARY}-stripe"), "it did arrive");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sampler_decides_and_a_collector_that_is_gone_is_no_matter() {
    let collector = Collector::start().await;
    let (_, output) = create(&collector, "always_off").await;
    assert!(collector.spans().is_empty());
    assert!(!output.stderr.contains("trace_id"), "{}", output.stderr);
    let gone = Collector { url: "http://127.0.0.1:9".into(), bodies: Arc::default() };
    create(&gone, "always_on").await;
}
