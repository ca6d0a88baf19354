use std::sync::Mutex;

use futures::future::BoxFuture;
use http::StatusCode;
use tower::service_fn;

use super::*;

/// Goes with tokio's paused time.
struct Paused(tokio::time::Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(1_000_000) + self.0.elapsed()
    }
}

type Script = Arc<Mutex<Vec<Answer>>>;

/// A transport whose client gives these answers, then empty 200s; and what is left of the answers.
fn transport(provider: Provider, windows: Vec<Window>, answers: Vec<Answer>) -> (Transport, Script) {
    measured(provider, windows, answers, &prometheus::Registry::new())
}

fn measured(
    provider: Provider,
    windows: Vec<Window>,
    answers: Vec<Answer>,
    registry: &prometheus::Registry,
) -> (Transport, Script) {
    let script: Script = Arc::new(Mutex::new(answers.into_iter().rev().collect()));
    let answers = Arc::clone(&script);
    let client = service_fn(move |_: Call| -> BoxFuture<'static, Result<Answer, PortError>> {
        let answer = answers.lock().expect("not poisoned").pop().unwrap_or_default();
        Box::pin(async { Ok(answer) })
    });
    let metrics = Metrics::register(registry).expect("an empty registry");
    let limits = Limits { provider, windows, concurrent: 10 };
    (Transport::over(client, limits, &metrics, Arc::new(Paused(tokio::time::Instant::now()))), script)
}

fn call(bucket: &'static str, priority: Priority) -> Call {
    Call { operation: "GET /thing", bucket, priority, write: false, request: http::Request::default(), lines: None }
}

fn write() -> Call {
    Call { write: true, ..call("core", Priority::Create) }
}

fn answer(status: u16, headers: &[(&'static str, i64)], body: &'static str) -> Answer {
    let mut answer = Answer::new(Bytes::from_static(body.as_bytes()));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        answer.headers_mut().insert(*name, (*value).into());
    }
    answer
}

fn quota(limit: i64, remaining: i64, reset: i64) -> Vec<(&'static str, i64)> {
    vec![("x-ratelimit-limit", limit), ("x-ratelimit-remaining", remaining), ("x-ratelimit-reset", reset)]
}

fn limited(outcome: Result<Answer, PortError>) -> i64 {
    match outcome {
        Err(PortError::RateLimited { until, .. }) => until.as_second() - 1_000_000,
        other => panic!("not limited: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn lower_priorities_stop_before_a_quota_is_used_up() {
    let told = answer(200, &quota(100, 4, 1_000_600), "");
    let (transport, _) = transport(Provider::GitHub, vec![], vec![told]);
    transport.send(call("core", Priority::Drift)).await.expect("nothing is known yet");
    assert_eq!(limited(transport.send(call("core", Priority::Drift)).await), 600);
    assert_eq!(limited(transport.send(call("core", Priority::Create)).await), 600);
    transport.send(call("core", Priority::Promote)).await.expect("three are left, two are kept for rollbacks");
    transport.send(call("core", Priority::Rollback)).await.expect("there is some left");
    transport.send(call("graphql", Priority::Drift)).await.expect("another bucket");
    tokio::time::advance(Duration::from_mins(10)).await;
    transport.send(call("core", Priority::Drift)).await.expect("a new window");
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_by_the_clock_of_the_provider() {
    // Ours shows 1,000,000; theirs is an hour ahead, or two seconds, which may be the way.
    for (date, reset) in [("Mon, 12 Jan 1970 14:46:40 GMT", 1_004_200), ("Mon, 12 Jan 1970 13:46:42 GMT", 1_000_600)] {
        let mut told = answer(403, &quota(100, 0, reset), "");
        told.headers_mut().insert("date", date.parse().expect("a header"));
        let (transport, _) = transport(Provider::GitHub, vec![], vec![told]);
        assert_eq!(limited(transport.send(call("core", Priority::Create)).await), 600);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_since_the_last_answer_counts() {
    let told = answer(200, &quota(10, 2, 1_000_600), "");
    let (transport, _) = transport(Provider::Vercel, vec![], vec![told]);
    for _ in 0..3 {
        transport.send(call("list", Priority::Rollback)).await.expect("within the quota");
    }
    assert_eq!(limited(transport.send(call("list", Priority::Rollback)).await), 600);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_overtaken_does_not_raise_a_quota() {
    let answers = vec![answer(200, &quota(100, 50, 1_000_600), ""), answer(200, &quota(100, 90, 1_000_600), "")];
    let registry = prometheus::Registry::new();
    let (transport, _) = measured(Provider::GitHub, vec![], answers, &registry);
    transport.send(call("core", Priority::Create)).await.expect("sent");
    transport.send(call("core", Priority::Create)).await.expect("sent");
    let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).expect("text");
    let quota = r#"forkable_provider_quota_remaining{bucket="core",provider="github"} 49"#;
    assert!(text.contains(quota), "{text}");
    let count = r#"forkable_provider_requests_total{code="200",operation="GET /thing",provider="github"} 2"#;
    assert!(text.contains(count), "{text}");
}

#[tokio::test(start_paused = true)]
async fn short_waits_are_waited_and_long_ones_are_told() {
    let windows = vec![
        Window::new(Duration::from_secs(1), 2, |call| u32::from(call.write)),
        Window::new(Duration::from_hours(1), 6, |call| u32::from(call.write)),
    ];
    let (transport, _) = transport(Provider::GitHub, windows, vec![]);
    let begun = tokio::time::Instant::now();
    for _ in 0..6 {
        transport.send(write()).await.expect("a short wait");
    }
    assert_eq!(begun.elapsed().as_secs(), 2, "two a second");
    assert_eq!(limited(transport.send(write()).await), 3600);
    transport.send(call("core", Priority::Create)).await.expect("reading is another matter");
}

#[tokio::test(start_paused = true)]
async fn limits_are_told_from_refusals_by_headers_and_words() {
    let primary = quota(5000, 0, 1_000_900);
    let secondary = r#"{"message":"You have exceeded a secondary rate limit."}"#;
    let in_body = r#"{"error":{"code":"rate_limited","limit":{"reset":1000300}}}"#;
    let cases = [
        (Provider::GitHub, answer(403, &primary, "{}"), Some(900), "the hour's quota is used up"),
        (Provider::GitHub, answer(403, &[("retry-after", 30)], "{}"), Some(30), "a secondary limit with its time"),
        (Provider::GitHub, answer(429, &[], "{}"), Some(60), "a secondary limit without its time"),
        (Provider::GitHub, answer(403, &quota(5000, 9, 1_000_900), secondary), Some(60), "told by its words only"),
        (Provider::GitHub, answer(403, &[], r#"{"message":"Resource not accessible"}"#), None, "a permission"),
        (Provider::Vercel, answer(429, &[("retry-after", 5)], in_body), Some(300), "the body is the most exact"),
        (Provider::Vercel, answer(429, &[("retry-after", 5)], "{}"), Some(5), "the header"),
        (Provider::Vercel, answer(429, &[("retry-after", -7)], "{}"), Some(1), "waits below zero are nonsense"),
        (Provider::Vercel, answer(429, &[], "<html>"), Some(60), "nothing is told"),
        (Provider::Vercel, answer(403, &[("retry-after", 5)], "{}"), None, "forbidden is forbidden"),
    ];
    for (provider, answer, until, why) in cases {
        let (transport, script) = transport(provider, vec![], vec![answer.clone()]);
        let outcome = transport.send(call("core", Priority::Rollback)).await;
        let Some(until) = until else {
            assert_eq!(outcome.expect(why).status(), answer.status(), "{why}");
            continue;
        };
        assert_eq!(limited(outcome), until, "{why}");
        script.lock().expect("not poisoned").push(Answer::default());
        let again = transport.send(call("core", Priority::Rollback)).await;
        if until > 2 {
            assert_eq!(limited(again), until, "{why}: and is not asked again");
            assert_eq!(script.lock().expect("not poisoned").len(), 1, "{why}: nothing was sent");
        } else {
            again.expect("a wait of a second is waited");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn untold_limits_in_a_row_are_waited_out_longer_and_longer() {
    let limit = || answer(429, &[], "{}");
    let answers = vec![limit(), limit(), Answer::default(), limit()];
    let (transport, _) = transport(Provider::GitHub, vec![], answers);
    let mut waits = Vec::new();
    for _ in 0..4 {
        let begun = transport.now();
        if let Err(PortError::RateLimited { until, .. }) = transport.send(write()).await {
            waits.push(until.duration_since(begun).as_secs());
            tokio::time::advance(Duration::try_from(until.duration_since(begun)).expect("ahead")).await;
        }
    }
    assert_eq!(waits, [60, 120, 60]);
}

#[tokio::test(start_paused = true)]
async fn a_secondary_limit_silences_the_credential_and_a_primary_one_its_bucket() {
    let (transport, _) = transport(Provider::GitHub, vec![], vec![answer(403, &[("retry-after", 30)], "{}")]);
    limited(transport.send(write()).await);
    assert_eq!(limited(transport.send(call("graphql", Priority::Rollback)).await), 30);
    tokio::time::advance(Duration::from_secs(30)).await;
    transport.send(write()).await.expect("the time is over");
    transport.exhausted("graphql", transport.now() + Duration::from_secs(90));
    assert_eq!(limited(transport.send(call("graphql", Priority::Rollback)).await), 120);
    transport.send(write()).await.expect("another bucket");
}

#[tokio::test]
async fn a_body_that_is_cut_or_late_or_not_json_is_unavailable() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let timeouts = Timeouts { connect: Duration::from_secs(5), call: Duration::from_millis(200) };
    let network = Network::new(&prometheus::Registry::new(), timeouts, Arc::new(SystemClock)).expect("a client");
    let transport = network.transport(Limits { provider: Provider::Vercel, windows: vec![], concurrent: 10 });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let answers = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\n";
        for (text, stays_open) in [(head.to_owned() + "{\"cut", false), (head.to_owned(), true)] {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let read = stream.read(&mut [0; 1024]).await.expect("a request");
            assert!(read > 0, "a request");
            stream.write_all(text.as_bytes()).await.expect("an answer");
            if stays_open {
                // Until the client gives up.
                drop(stream.read(&mut [0; 1]).await);
            }
        }
    });
    let mut answers = Some(answers);
    for expected in ["the connection broke", "no answer within 200ms", "no connection"] {
        if expected == "no connection" {
            answers.take().expect("once").await.expect("the listener is done and gone");
        }
        let request = http::Request::get(&url).body(Bytes::new()).expect("a request");
        let call = Call { request, ..call("any", Priority::Create) };
        match transport.send(call).await {
            Err(PortError::Unavailable { message, .. }) => assert!(message.starts_with(expected), "{message}"),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let error = json::<u32>(Provider::Vercel, &answer(200, &[], "<html>secret")).expect_err("not JSON");
    assert_eq!(error.reason(), "ProviderUnavailable");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn the_message_of_an_error_is_found_and_shortened() {
    for (body, message) in [
        (r#"{"error":{"code":"x","message":"one"}}"#, "one"),
        (r#"{"err":{"message":"two"}}"#, "two"),
        (r#"{"message":"three\n  lines"}"#, "three lines"),
        (r#"{"message":""}"#, "HTTP 502 Bad Gateway"),
        ("<html>", "HTTP 502 Bad Gateway"),
    ] {
        assert_eq!(message_of(&answer(502, &[], body)), message, "{body}");
    }
    assert_eq!(shortened(&"é".repeat(600)).chars().count(), 501);
}
