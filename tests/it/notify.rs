//! `forkable alert test`, by every channel: real servers where there are any, and what each refuses.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use forkable_tests::{Output, Running, World, eventually};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Command};

const PATIENCE: Duration = Duration::from_secs(30);
const SIGNING: &[u8] = b"a key of twenty-four byt";

fn rule(notify: &str) -> String {
    format!(
        "apiVersion: forkable.dev/v1alpha1\nkind: AlertRule\nmetadata: {{ name: down }}\nspec:\n  signal: {{ certificate: {{}} }}\n  \
         condition: {{ operator: LessThan, threshold: 14 }}\n  severity: Critical\n  notify:\n{notify}"
    )
}

/// A world with a rule that tells by these channels, and with Secrets for them.
async fn world(notify: &str, secrets: &[(&str, &str)]) -> World {
    let world = World::start().await;
    world.write("rule.yaml", &rule(notify));
    let data: serde_json::Map<_, _> =
        secrets.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" }, "stringData": data });
    world.write("secret.json", &secret.to_string());
    world
}

async fn try_out(world: &World) -> Output {
    world.run(&["alert", "test", "down", "--dir", "."]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_and_pagerduty_take_a_test() {
    let notify = "    - { name: hook, slack: { webhookUrlSecretRef: { name: s, key: hook } } }
    - { name: bot, slack: { botTokenSecretRef: { name: s, key: token }, channel: ops } }
    - { name: duty, pagerduty: { routingKeySecretRef: { name: s, key: routing } } }
";
    let world = world(notify, &[]).await;
    let hook = format!("{}/slack/services/T0SANDBOX/B0SANDBOX/sandbox", world.sandbox.url());
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "s" },
        "stringData": { "hook": hook, "token": "xoxb-sandbox\n", "routing": "sandbox0pagerduty0integration0ke" },
    });
    world.write("secret.json", &secret.to_string());
    let output = try_out(&world).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    for line in [
        "slack/hook: sent; the answer was: HTTP 200 ok",
        "slack/bot: sent; the answer was: posted to C0OPS at",
        "pagerduty/duty: sent",
    ] {
        assert!(output.stdout.contains(line), "{line}: {}", output.stdout);
    }
    let there = world.inventory().await;
    for channel in ["C0ALERTS", "C0OPS"] {
        let text = &there["slack"][channel]["messages"][0]["content"]["text"];
        assert!(text.as_str().is_some_and(|text| text.starts_with("[TEST] Forkable can reach slack/")), "{text}");
    }
    let incident = &there["pagerduty"]["sandbox0pagerduty0integration0ke"][0];
    assert_eq!((&incident["status"], &incident["payload"]["severity"]), (&json!("resolved"), &json!("critical")));
    let only = world.run(&["alert", "test", "down", "--dir", ".", "--channel", "bot"]).await;
    assert_eq!((only.code, only.stdout.lines().count()), (Some(0), 1), "{only:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_and_no_secret_is() {
    let notify = "    - { name: missing, webhook: { urlSecretRef: { name: s, key: nowhere } } }
    - { name: no-url, webhook: { urlSecretRef: { name: s, key: token } } }
    - { name: nobody, webhook: { urlSecretRef: { name: s, key: dead } } }
    - { name: token, slack: { botTokenSecretRef: { name: s, key: token }, channel: ops } }
    - { name: stranger, slack: { botTokenSecretRef: { name: s, key: good }, channel: random } }
    - { name: typo, slack: { botTokenSecretRef: { name: s, key: good }, channel: none } }
    - { name: reader, slack: { botTokenSecretRef: { name: s, key: reader }, channel: ops } }
    - { name: duty, pagerduty: { routingKeySecretRef: { name: s, key: token } } }
    - { name: mail, email: { to: [a@example.com], from: b@example.com, host: 127.0.0.1, port: 9, tls: None } }
    - { name: am, alertmanager: { url: \"http://127.0.0.1:9\" } }
";
    let dead = "http://127.0.0.1:9/very-secret-path";
    let secrets = [
        ("token", "xoxb-wrong-secret"),
        ("good", "xoxb-sandbox"),
        ("reader", "xoxb-sandbox-read-only"),
        ("dead", dead),
    ];
    let world = world(notify, &secrets).await;
    let output = try_out(&world).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    let lines = [
        "webhook/missing: not sent: the Secret s has no key nowhere, or there is no such Secret: add it",
        "webhook/no-url: not sent: the address is no URL that begins with https:// or http://",
        "webhook/nobody: not sent: no connection: Connection refused",
        "slack/token: not sent: chat.postMessage: invalid_auth",
        "slack/stranger: not sent: chat.postMessage: not_in_channel",
        "slack/typo: not sent: chat.postMessage: channel_not_found",
        "slack/reader: not sent: chat.postMessage: missing_scope (the bot needs the scope chat:write)",
        "pagerduty/duty: not sent: HTTP 400",
        "email/mail: not sent: ",
        "alertmanager/am: not sent: no connection: Connection refused",
    ];
    for (line, said) in lines.iter().zip(output.stdout.lines()) {
        assert!(said.starts_with(line), "{line}\n{said}");
    }
    assert_eq!(output.stdout.lines().count(), lines.len(), "{output:?}");
    let all = format!("{}{}", output.stdout, output.stderr);
    assert!(!all.contains("wrong-secret") && !all.contains("very-secret"), "{all}");
    for (arguments, said) in [
        (&["alert", "test", "up", "--dir", "."][..], "there is no alert rule up in the folder ."),
        (
            &["alert", "test", "down", "--dir", ".", "--channel", "x"],
            "alertrule/down has no channel x: it has missing, no-url",
        ),
    ] {
        let output = world.run(arguments).await;
        assert!(output.code == Some(1) && output.stderr.contains(said), "{said}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_no_channel_can_be_made_of_is_refused() {
    let table = [
        ("{ name: a }", "exactly one of slack, email, webhook, alertmanager and pagerduty must be set"),
        (
            "{ name: a, slack: { channel: ops } }",
            "exactly one of webhookUrlSecretRef and botTokenSecretRef must be set",
        ),
        ("{ name: a, slack: { botTokenSecretRef: { name: s, key: k } } }", "botTokenSecretRef needs channel"),
        (
            "{ name: a, email: { to: [a@b], from: a@b, host: h, tls: None, usernameSecretRef: { name: s, key: u }, passwordSecretRef: { name: s, key: p } } }",
            "a password is sent over TLS only: set tls to StartTls or Tls",
        ),
        ("{ name: a, email: { to: [], from: a@b, host: h } }", "should have at least 1 items"),
        ("{ name: A, webhook: { urlSecretRef: { name: s, key: u } } }", "spec.notify[0].name"),
    ];
    let world = World::start().await;
    world.write("rule.yaml", "kind: [AlertRule\n");
    let output = try_out(&world).await;
    assert!(output.code == Some(1) && output.stderr.contains("rule.yaml:"), "{output:?}");
    for (channel, said) in table {
        world.write("rule.yaml", &rule(&format!("    - {channel}\n")));
        let output = try_out(&world).await;
        assert!(output.code == Some(1) && output.stderr.contains(said), "{said}: {output:?}");
    }
}

type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_signed_as_its_receiver_expects() {
    let received = Received::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let take = async |State(received): State<Received>, headers: HeaderMap, body: Bytes| {
        received.lock().expect("no test panics here").push((headers, body));
    };
    let app = Router::new().route("/hook", post(take)).with_state(received.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let notify = "    - { name: hook, webhook: { urlSecretRef: { name: s, key: url }, signingSecretRef: { name: s, key: key } } }\n";
    let (url, key) = (format!("http://{address}/hook"), format!("whsec_{}", BASE64_STANDARD.encode(SIGNING)));
    let world = world(notify, &[("url", &url), ("key", &key)]).await;
    let output = try_out(&world).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    let (headers, body) = received.lock().expect("no test panics here").remove(0);
    let header = |name: &str| headers[name].to_str().expect("text").to_owned();
    let signed =
        [header("webhook-id"), header("webhook-timestamp"), String::from_utf8(body.to_vec()).expect("JSON")].join(".");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SIGNING).expect("any length");
    mac.update(signed.as_bytes());
    assert_eq!(header("webhook-signature"), format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())));
    let document: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(
        (&document["occasion"], &document["rule"], &document["severity"]),
        (&json!("Test"), &json!("down"), &json!("critical"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_smtp_server_takes_a_mail_over_starttls_from_its_user_only() {
    static SMTP: OnceLock<PathBuf> = OnceLock::new();
    let smtp = SMTP.get_or_init(|| forkable_tests::made("FORKABLE_SMTP", "smtp"));
    let mails = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(smtp);
    command.arg(mails.path()).args(["user", "pass-word"]);
    let server = Running::start(command);
    let address = server.line_with("127.0.0.1:", PATIENCE).await;
    let port = address.rsplit(':').next().expect("a port");
    let mail = |name: &str, to: &str, more: &str| {
        format!(
            "    - {{ name: {name}, email: {{ to: [{to}], from: \"Forkable <alerts@example.com>\", host: localhost, port: {port}{more} }} }}\n"
        )
    };
    let login = ", usernameSecretRef: { name: s, key: user }, passwordSecretRef: { name: s, key: PASS }";
    let (good, bad) = (login.replace("PASS", "pass"), login.replace("PASS", "bad"));
    let notify = [
        mail("good", "a@example.com, b@example.com", &good),
        mail("wrong", "a@example.com", &bad),
        mail("nameless", "a@example.com", ""),
        mail("unknown", "nobody@example.com", &good),
        mail("plain", "a@example.com", ", tls: Tls"),
    ];
    let mut world = world(&notify.concat(), &[("user", "user"), ("pass", "pass-word"), ("bad", "very-wrong")]).await;
    let authority = mails.path().join("ca.pem").display().to_string();
    let untrusted = world.run(&["alert", "test", "down", "--dir", ".", "--channel", "good"]).await;
    assert!(untrusted.code == Some(1) && untrusted.stdout.contains("certificate"), "{untrusted:?}");
    world.environment.insert("SSL_CERT_FILE".into(), authority);
    let output = try_out(&world).await;
    let lines = [
        "email/good: sent; the answer was: 250",
        "email/wrong: not sent: permanent error (535)",
        "email/nameless: not sent: permanent error (502)",
        "email/unknown: not sent: permanent error (550)",
        "email/plain: not sent: ",
    ];
    for (line, said) in lines.iter().zip(output.stdout.lines()) {
        assert!(said.starts_with(line), "{line}\n{output:?}");
    }
    assert!(!output.stdout.contains("very-wrong") && !output.stdout.contains("pass-word"), "{output:?}");
    let mail = std::fs::read_to_string(mails.path().join("1.eml")).expect("a mail");
    for text in [
        "X-Envelope-To: a@example.com, b@example.com\r\nX-Envelope-Tls: true",
        "Subject: [TEST] Forkable can reach email/good",
        "Auto-Submitted: auto-generated",
        "Content-Type: multipart/alternative",
        "Content-Type: text/plain",
        "Content-Type: text/html",
        "@example.com>",
    ] {
        assert!(mail.contains(text), "{text}\n{mail}");
    }
    assert!(!mails.path().join("2.eml").exists());
    server.kill().await;
}

/// A real Alertmanager that tells nobody. It ends with the test.
struct Alertmanager {
    url: String,
    _running: Running,
    _folder: TempDir,
}

impl Alertmanager {
    async fn start() -> Self {
        static ALERTMANAGER: OnceLock<PathBuf> = OnceLock::new();
        let program = ALERTMANAGER.get_or_init(|| forkable_tests::made("FORKABLE_ALERTMANAGER", "alertmanager"));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("config.yml");
        std::fs::write(&config, "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n")
            .expect("the folder can be written");
        let port =
            TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address").port();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=");
        let alertmanager =
            Self { url: format!("http://127.0.0.1:{port}"), _running: Running::start(command), _folder: folder };
        eventually("Alertmanager is ready", PATIENCE, || async {
            reqwest::get(format!("{}/-/ready", alertmanager.url)).await.ok()?.error_for_status().ok().map(drop)
        })
        .await;
        alertmanager
    }

    async fn alerts(&self) -> Vec<Value> {
        let alerts = reqwest::get(format!("{}/api/v2/alerts", self.url)).await.expect("it answers");
        alerts.json().await.expect("JSON")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alertmanager_takes_a_test() {
    let alertmanager = Alertmanager::start().await;
    let world = world(&format!("    - {{ name: am, alertmanager: {{ url: \"{}\" }} }}\n", alertmanager.url), &[]).await;
    let output = try_out(&world).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    let alerts = alertmanager.alerts().await;
    let labels = json!({ "alertname": "ForkableTest", "severity": "critical", "namespace": "default", "rule": "down" });
    assert_eq!((alerts.len(), &alerts[0]["labels"]), (1, &labels), "{alerts:#?}");
}
