//! From what is announced to what is sent, on a real outbox, with channels that do as they are told.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use forkable_core::{
    DigestKey, Secret,
    alerting::{Alert, Envelope, Notifier, Occasion, Receipt, Secrets, Trouble, Undelivered},
};
use forkable_crds::{AlertRule, alert_rule::Notify};
use forkable_providers::journal::SqliteJournal;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Dispatcher, Word, announce};
use crate::{
    accounts::{Accounts, Clients, Connect, Credentials, GitHubCredentials},
    clock::Clock,
    context::{Context, NoJournal, Parts},
    hosts::local::{LocalHost, LocalStore},
    metrics::Metrics,
};

const PATIENCE: Duration = Duration::from_secs(20);
/// Time runs this much faster.
const SCALE: u32 = 20;

struct Nobody;

impl Connect for Nobody {
    fn connect(&self, _: &Credentials) -> Result<Clients, String> {
        Err("nobody is there".into())
    }
}

/// Channels that fail as scripted and else note what they are sent.
#[derive(Default)]
struct Channels {
    sent: Mutex<Vec<Envelope>>,
    /// By channel: what its next tries come to.
    fails: Mutex<HashMap<String, Vec<Trouble>>>,
}

#[async_trait]
impl Notifier for Channels {
    async fn send(&self, channel: &Notify, _: &Secrets, envelope: &Envelope) -> Result<Receipt, Undelivered> {
        let mut fails = self.fails.lock().expect("no test panics here");
        if let Some(trouble) = fails.get_mut(&channel.name).and_then(Vec::pop) {
            return Err(Undelivered::new(trouble, "the token is wrong"));
        }
        self.sent.lock().expect("no test panics here").push(envelope.clone());
        Ok(Receipt { answer: "ok".into(), reference: Some("thread".into()) })
    }
}

struct World {
    context: Arc<Context<LocalStore>>,
    channels: Arc<Channels>,
    stop: CancellationToken,
    running: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

fn rule(spec: &Value) -> AlertRule {
    let mut all = json!({ "signal": { "certificate": {} } });
    all.as_object_mut().expect("an object").extend(spec.as_object().expect("an object").clone());
    let metadata = json!({ "name": "down", "namespace": "default", "uid": "u" });
    serde_json::from_value(
        json!({ "apiVersion": "forkable.dev/v1alpha1", "kind": "AlertRule", "metadata": metadata, "spec": all }),
    )
    .expect("a rule")
}

/// Two channels, whose groups wait for so many seconds of a clock that runs fast.
fn two(wait: i64) -> AlertRule {
    let channel = |name: &str| json!({ "name": name, "webhook": { "urlSecretRef": { "name": "s", "key": "url" } } });
    rule(
        &json!({ "grouping": { "waitSeconds": wait, "intervalSeconds": 20 }, "notify": [channel("ops"), channel("chat")] }),
    )
}

fn alert(fork: &str) -> Alert {
    let now = Timestamp::UNIX_EPOCH;
    serde_json::from_value(json!({
        "key": format!("u/{fork}"), "namespace": "default", "rule": "down", "fork": fork, "display_name": fork,
        "severity": "Critical", "since": now, "fired_at": now, "value": "0", "labels": {},
        "annotations": { "summary": format!("{fork} is down") }, "template": "o/r@0123456789", "actions": [],
    }))
    .expect("an alert")
}

impl World {
    async fn start(rule: Option<&AlertRule>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let host = LocalHost::open(folder.path()).await.expect("the folder can be opened");
        let outbox = SqliteJournal::open(&folder.path().join("outbox.db")).await.expect("an outbox");
        let github = GitHubCredentials::Token(Secret::new("unused"));
        let credentials = Credentials { github, vercel: Secret::new("unused"), team: None };
        let key = DigestKey::new(Secret::new("7".repeat(32)));
        let (context, _) = Context::new(Parts {
            store: host.store(),
            accounts: Accounts::new(Box::new(Nobody), credentials, key),
            journal: Arc::new(NoJournal),
            history: Arc::new(NoJournal),
            outbox: Arc::new(outbox),
            clock: Clock::scaled(SCALE),
            metrics: Metrics::default(),
            abandon_after: Duration::from_mins(10),
            services: crate::context::Services::default(),
        });
        context.loaded();
        if let Some(rule) = rule {
            context.fleet.put_rule(Arc::new(rule.clone()));
        }
        let channels = Arc::new(Channels::default());
        let stop = CancellationToken::new();
        let running = tokio::spawn(Dispatcher::new(context.clone(), channels.clone()).run(stop.clone()));
        Self { context, channels, stop, running, _folder: folder }
    }

    fn fail(&self, channel: &str, troubles: &[Trouble]) {
        self.channels.fails.lock().expect("no test panics here").insert(channel.into(), troubles.to_vec());
    }

    /// Waits for so many messages by a channel and answers all of them, in order.
    async fn sent(&self, channel: &str, count: usize) -> Vec<Envelope> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let sent = self.channels.sent.lock().expect("no test panics here").clone();
            let sent: Vec<_> = sent.into_iter().filter(|envelope| envelope.channel.name == channel).collect();
            if sent.len() >= count {
                return sent;
            }
            assert!(Instant::now() < deadline, "{count} messages by {channel}: {sent:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.expect("it ends");
    }
}

fn over(fork: &str) -> Alert {
    Alert { resolved_at: Some(Timestamp::UNIX_EPOCH), ..alert(fork) }
}

#[tokio::test]
async fn fifty_forks_from_one_cause_are_one_message_by_each_channel() {
    let rule = two(60);
    let world = World::start(Some(&rule)).await;
    for chunk in 0..5 {
        let alerts = (chunk * 10..chunk * 10 + 10).map(|n| Word::News(alert(&format!("fork-{n}")))).collect();
        announce(&world.context, &rule, alerts).await.expect("announced");
    }
    let sent = world.sent("ops", 1).await.remove(0).message;
    assert_eq!((sent.occasion, sent.alerts.len()), (Occasion::First, 50));
    assert!(sent.lines[0].starts_with("Cause: the same version of the template: all 50"), "{:?}", sent.lines);
    announce(&world.context, &rule, vec![Word::News(alert("fork-1"))]).await.expect("announced again");
    announce(&world.context, &rule, (0..50).map(|n| Word::News(over(&format!("fork-{n}")))).collect())
        .await
        .expect("announced");
    let sent = world.sent("chat", 2).await;
    assert_eq!(sent.iter().map(|it| it.message.occasion).collect::<Vec<_>>(), [Occasion::First, Occasion::Resolved]);
    assert_eq!(sent[1].reference.as_deref(), Some("thread"), "it goes on where the first was");
    let text = world.context.metrics.text(&world.context.fleet, &world.context.brake, &world.context.monitor);
    assert!(text.contains(r#"forkable_notifications_total{channel="webhook",outcome="sent"}"#), "{text}");
    world.end().await;
}

#[tokio::test]
async fn a_message_that_fails_goes_out_later_with_the_same_key_and_before_the_next() {
    let rule = two(1);
    let world = World::start(Some(&rule)).await;
    world.fail("ops", &[Trouble::Unavailable, Trouble::Limited(1)]);
    announce(&world.context, &rule, vec![Word::News(alert("acme"))]).await.expect("announced");
    let first = world.sent("chat", 1).await.remove(0);
    announce(&world.context, &rule, vec![Word::News(over("acme"))]).await.expect("announced");
    let sent = world.sent("ops", 2).await;
    assert_eq!(sent.iter().map(|it| it.message.occasion).collect::<Vec<_>>(), [Occasion::First, Occasion::Resolved]);
    assert_eq!((&sent[0].key, sent[0].attempts), (&first.key, 2));
    assert_eq!(world.context.outbox.failing().await.expect("read"), [], "two tries are no failure yet");
    world.end().await;
}

#[tokio::test]
async fn a_channel_that_fails_is_told_of_by_the_others_and_so_is_its_recovery() {
    let rule = two(1);
    let world = World::start(Some(&rule)).await;
    world.fail("ops", &[Trouble::Misconfigured; 2]);
    announce(&world.context, &rule, vec![Word::News(alert("acme"))]).await.expect("announced");
    let sent = world.sent("chat", 3).await;
    assert_eq!(
        sent.iter().map(|it| it.message.occasion).collect::<Vec<_>>(),
        [Occasion::First, Occasion::Trouble, Occasion::Recovered]
    );
    assert!(sent[1].message.headline.contains("webhook/ops of the alert rule default/down fails"), "{:?}", sent[1]);
    assert!(sent[1].message.lines[0].starts_with("the token is wrong."), "{:?}", sent[1]);
    assert_eq!(world.sent("ops", 1).await.len(), 1);
    assert_eq!(world.context.outbox.failing().await.expect("read"), []);
    world.end().await;
}

#[tokio::test]
async fn what_a_channel_refuses_is_a_dead_letter_and_what_nobody_wants_is_gone() {
    let mut rule = two(1);
    let world = World::start(Some(&rule)).await;
    world.fail("ops", &[Trouble::Refused]);
    world.fail("chat", &[Trouble::Misconfigured; 3]);
    announce(&world.context, &rule, vec![Word::News(alert("acme"))]).await.expect("announced");
    let told = world.sent("ops", 1).await.remove(0).message;
    assert_eq!(told.occasion, Occasion::Trouble, "the other one fails, and this one works for that word");
    let letters = world.context.outbox.dead(10).await.expect("read");
    assert_eq!((letters.len(), &*letters[0].error), (1, "the token is wrong"));
    rule.spec.notify.truncate(1);
    world.context.fleet.put_rule(Arc::new(rule));
    let deadline = Instant::now() + PATIENCE;
    while world.context.outbox.depth().await.expect("read").pending > 0 {
        assert!(Instant::now() < deadline, "messages of a channel that is gone from the rule stay");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.end().await;
}

#[tokio::test]
async fn alerts_of_a_rule_that_is_gone_are_told_to_be_over() {
    let rule = two(1);
    let world = World::start(Some(&rule)).await;
    announce(&world.context, &rule, vec![Word::News(alert("acme"))]).await.expect("announced");
    world.sent("ops", 1).await;
    world.context.fleet.remove_rule(&forkable_core::store::Kind::reference(&rule));
    // Its reminder would be due after four hours: the same is due at once for one that is new.
    announce(&world.context, &rule, vec![Word::News(alert("globex"))]).await.expect("announced");
    let sent = world.sent("ops", 2).await;
    assert_eq!(sent[1].message.occasion, Occasion::Resolved);
    world.end().await;
}
