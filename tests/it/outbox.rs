//! Alerts on their way through the whole binary: a rule fires and ends, messages go out and stay right through kill -9.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, routing::any};
use forkable_tests::{Call, Running, World, eventually};
use futures::stream::{self, StreamExt as _};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Executor as _, sqlite::SqliteConnectOptions};
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_mins(1);
const DUTY: &str = "sandbox0pagerduty0integration0ke";

/// What a Prometheus server would say, as the test wants it.
#[derive(Clone, Default)]
struct Signal(Arc<AtomicBool>);

impl Signal {
    /// Answers where it is.
    async fn serve(&self) -> String {
        let bad = self.0.clone();
        let answer = async move || {
            let value = if bad.load(Ordering::SeqCst) { "1" } else { "0" };
            let result = json!([{ "metric": {}, "value": [1, value] }]);
            Json(json!({ "status": "success", "data": { "resultType": "vector", "result": result } }))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new().route("/api/v1/query", any(answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}")
    }

    fn is(&self, bad: bool) {
        self.0.store(bad, Ordering::SeqCst);
    }
}

/// The reference fork, with a rule about the signal that tells by these channels.
async fn world(signal: &Signal, notify: &str) -> World {
    let mut world = World::with_reference_fork().await;
    // What is asked every 15 s is asked every second.
    world.arguments.push("--time-scale=15".into());
    let address = signal.serve().await;
    let rule = format!(
        "apiVersion: forkable.dev/v1alpha1\nkind: AlertRule\nmetadata: {{ name: errors }}\nspec:\n  \
         signal: {{ prometheus: {{ address: \"{address}\", query: up }} }}\n  \
         condition: {{ operator: GreaterThan, threshold: 0.5 }}\n  severity: Critical\n  \
         annotations: {{ summary: \"{{{{ displayName }}}} has errors\", runbook_url: \"https://example.com/errors\" }}\n  \
         grouping: {{ waitSeconds: 0 }}\n  notify:\n{notify}"
    );
    world.write("rule.yaml", &rule);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "people" },
        "stringData": { "token": "xoxb-sandbox", "bad": "xoxb-nobody-knows", "routing": DUTY },
    });
    world.write("people.json", &secret.to_string());
    world
}

const BOT: &str = "    - { name: chat, slack: { botTokenSecretRef: { name: people, key: token }, channel: alerts } }\n";

/// The messages of #alerts.
async fn chat(world: &World) -> Vec<Value> {
    let there = world.inventory().await;
    there["slack"]["C0ALERTS"]["messages"].as_array().cloned().unwrap_or_default()
}

/// Waits until the channel is as it should be.
async fn until(world: &World, what: &str, is: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually(what, PATIENCE, || async { Some(chat(world).await).filter(|messages| is(messages)) }).await
}

fn text(message: &Value) -> &str {
    message["content"]["text"].as_str().unwrap_or_default()
}

fn is_over(messages: &[Value]) -> bool {
    messages.iter().any(|message| message["threadTs"].is_null() && text(message).starts_with("[RESOLVED]"))
        && messages.iter().any(|message| !message["threadTs"].is_null())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_told_with_all_that_is_known_and_its_end_where_it_began() {
    let signal = Signal::default();
    let duty = "    - { name: duty, pagerduty: { routingKeySecretRef: { name: people, key: routing } } }\n";
    let world = world(&signal, &format!("{BOT}{duty}")).await;
    world.converge().await;
    signal.is(true);
    let running = world.up();
    let messages = until(&world, "a message", |messages| messages.len() == 1).await;
    assert_eq!(text(&messages[0]), "[CRITICAL] Acme AI has errors");
    let block = messages[0]["content"]["blocks"].to_string();
    for known in [
        "*Acme AI (acme)*",
        "since: ",
        "value: 1",
        "https://acme.example.com",
        "release: acme-",
        "commit ",
        "runbook: https://example.com/errors",
        "roll back: `forkable rollback acme`",
    ] {
        assert!(block.contains(known), "{known}: {block}");
    }
    let incident = async || world.inventory().await["pagerduty"][DUTY].clone();
    eventually("an incident", PATIENCE, || async { (incident().await[0]["status"] == "triggered").then_some(()) })
        .await;
    signal.is(false);
    let messages = until(&world, "its end", is_over).await;
    assert_eq!(
        (messages.len(), text(&messages[0]), &messages[0]["edits"]),
        (2, "[RESOLVED] Acme AI has errors", &json!(1))
    );
    assert_eq!((&messages[1]["threadTs"], text(&messages[1])), (&messages[0]["ts"], "over: Acme AI (acme)"));
    eventually("it is resolved", PATIENCE, || async { (incident().await[0]["status"] == "resolved").then_some(()) })
        .await;
    assert_eq!(incident().await.as_array().map(Vec::len), Some(1));
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_fails_is_told_of_by_another_and_shown() {
    let signal = Signal::default();
    let broken = BOT.replace("name: chat", "name: broken").replace("key: token", "key: bad");
    let world = world(&signal, &format!("{broken}{BOT}")).await;
    world.converge().await;
    signal.is(true);
    let running = world.up();
    let messages = until(&world, "two messages", |messages| messages.len() == 2).await;
    let word = "[WARNING] slack/broken of the alert rule default/errors fails: its messages do not arrive";
    let found = messages.iter().find(|message| text(message) == word).unwrap_or_else(|| panic!("{messages:#?}"));
    let blocks = found["content"]["blocks"].to_string();
    assert!(blocks.contains("chat.postMessage: invalid_auth. See `forkable alert test errors`"), "{blocks}");
    assert!(!running.stderr().contains("xoxb-"), "{}", running.stderr());
    let notified = async || {
        let stored = world.stored().await;
        let rule = stored.into_iter().find(|object| object.kind == "AlertRule")?;
        let mut conditions = rule.status["conditions"].as_array()?.clone().into_iter();
        let condition = conditions.find(|condition| condition["type"] == "Notified")?;
        Some((condition["status"].as_str()? == "True", condition["message"].as_str()?.to_owned()))
    };
    let why = (false, "broken: chat.postMessage: invalid_auth".to_owned());
    eventually("the rule says so", PATIENCE, || async { (notified().await.as_ref() == Some(&why)).then_some(()) })
        .await;
    world.edit("people.json", "xoxb-nobody-knows", "xoxb-sandbox");
    until(&world, "what waited, and word of it", |messages| {
        messages.len() == 4 && messages.iter().any(|it| text(it).starts_with("[RESOLVED] slack/broken"))
    })
    .await;
    let well = || async { notified().await.filter(|(well, _)| *well).map(drop) };
    eventually("the rule says that it works", PATIENCE, well).await;
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_ends_with_its_fork() {
    let signal = Signal::default();
    let world = world(&signal, BOT).await;
    world.converge().await;
    signal.is(true);
    let running = world.up();
    until(&world, "a message", |messages| messages.len() == 1).await;
    std::fs::remove_file(world.path("acme.yaml")).expect("it is there");
    let output = world.run(&["delete", "acme", "--dir", "."]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let messages = until(&world, "its end", is_over).await;
    assert_eq!(messages.len(), 2, "{messages:#?}");
    running.kill().await;
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Point {
    /// The call arrived and is not carried out.
    Before,
    /// It was carried out, and the answer never arrives.
    Committed,
    /// It was answered while the outbox takes no writes.
    Answered,
}

/// Runs the program into a call to Slack, counted from 1, and kills it there.
async fn kill_at(world: &World, signal: &Signal, nth: usize, point: Point) {
    let hold = if point == Point::Before { "before" } else { "after" };
    let fault = json!({ "match": { "provider": "slack", "nth": nth }, "effect": { "hold": hold } });
    let fault = world.fault(fault).await;
    signal.is(true);
    let running = Running::start(world.up_command(&[]));
    if nth > 1 {
        until(world, "the first message", |messages| !messages.is_empty()).await;
        // It is on record, or the end would be told by a message of its own.
        let noted = || async { (in_state(world, "sent").await == 1).then_some(()) };
        eventually("the first message is noted", PATIENCE, noted).await;
        signal.is(false);
    }
    eventually("the call is held", PATIENCE, || async { (world.held(fault).await > 0).then_some(()) }).await;
    if point == Point::Answered {
        let options = SqliteConnectOptions::new().filename(world.path(".forkable/journal.db")).busy_timeout(PATIENCE);
        let mut connection = options.connect().await.expect("the outbox can be opened");
        connection.execute("BEGIN IMMEDIATE").await.expect("the outbox can be locked");
        world.release(fault).await;
        eventually("the answer is out", PATIENCE, || async { (world.held(fault).await == 0).then_some(()) }).await;
        // It shall have arrived; what becomes of it cannot be written.
        tokio::time::sleep(Duration::from_millis(100)).await;
        running.kill().await;
    } else {
        running.kill().await;
    }
    world.remove_faults().await;
}

/// Messages of the outbox in a state.
async fn in_state(world: &World, state: &str) -> i64 {
    let options = SqliteConnectOptions::new().filename(world.path(".forkable/journal.db"));
    let Ok(mut connection) = options.read_only(true).busy_timeout(PATIENCE).connect().await else { return 0 };
    let count = sqlx::query_scalar("SELECT count(*) FROM messages WHERE state = ?").bind(state);
    count.fetch_one(&mut connection).await.unwrap_or_default()
}

/// How often each message was posted, by its key.
fn posted(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in calls.iter().filter(|call| call.committed && call.operation == "POST /api/chat.postMessage") {
        let id = call.body["metadata"]["event_payload"]["message_id"].as_str().expect("each has its key");
        *counts.entry(id.to_owned()).or_default() += 1;
    }
    counts
}

/// The calls of one alert: its message; at its end, a change of that message and a word in its thread.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_lost_by_kill_9_and_one_at_most_is_twice() {
    let first = Signal::default();
    let prepared = world(&first, BOT).await;
    prepared.converge().await;
    let cells = (1..=3).flat_map(|nth| [Point::Before, Point::Committed, Point::Answered].map(|point| (nth, point)));
    let failures: Vec<String> = stream::iter(cells)
        .map(|(nth, point)| {
            let prepared = &prepared;
            async move {
                let signal = Signal::default();
                let world = prepared.copy().await;
                let manifest = std::fs::read_to_string(world.path("rule.yaml")).expect("it is there");
                let at = manifest.find("http://").expect("an address");
                let end = at + manifest[at..].find('"').expect("its end");
                world.edit("rule.yaml", &manifest[at..end], &signal.serve().await);
                kill_at(&world, &signal, nth, point).await;
                // Over while nothing runs, whether or not the alert is on record by then.
                signal.is(false);
                let running = world.up();
                until(&world, "the end", is_over).await;
                eventually("all is noted", PATIENCE, || async {
                    (in_state(&world, "pending").await == 0).then_some(())
                })
                .await;
                running.kill().await;
                let counts = posted(&world.calls().await);
                let twice = counts.values().filter(|count| **count > 1).count();
                let right = counts.len() == 2 && counts.values().all(|count| *count <= 2) && twice <= 1;
                let none_twice = point == Point::Before && twice > 0;
                (!right || none_twice).then(|| format!("call {nth}, {point:?}: {counts:?}"))
            }
        })
        .buffer_unordered(3)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
