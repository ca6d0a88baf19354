//! The whole server on a real socket, without a world behind it.

use std::net::SocketAddr;

use forkable_core::{DigestKey, store::ObjectRef};
use hmac::{Hmac, Mac as _};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc::UnboundedReceiver,
};

use super::*;
use crate::{
    accounts::{Accounts, Clients, Connect, Credentials, GitHubCredentials},
    clock::Clock,
    context::{NoJournal, Parts},
    hosts::local::{LocalHost, LocalStore},
    metrics::Metrics,
};

const SECRET: &str = "webhook-secret";

/// Nobody is called here.
struct Nobody;

impl Connect for Nobody {
    fn connect(&self, _: &Credentials) -> Result<Clients, String> {
        Err("nobody is there".into())
    }
}

pub(super) struct Served {
    address: SocketAddr,
    pub(super) server: Arc<Server<LocalStore>>,
    pub(super) context: Arc<Context<LocalStore>>,
    woken: UnboundedReceiver<ObjectRef>,
    stop: CancellationToken,
    _folder: tempfile::TempDir,
}

/// A server that knows its objects.
pub(super) async fn served(access: Access, pages: Pages) -> Served {
    let served = starting(access, pages).await;
    served.context.loaded();
    served
}

pub(super) async fn starting(access: Access, pages: Pages) -> Served {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let host = LocalHost::open(folder.path()).await.expect("the folder can be opened");
    let key = DigestKey::new(Secret::new("7".repeat(32)));
    let github = GitHubCredentials::Token(Secret::new("unused"));
    let credentials = Credentials { github, vercel: Secret::new("unused"), team: None };
    let (context, woken) = Context::new(Parts {
        store: host.store(),
        accounts: Accounts::new(Box::new(Nobody), credentials, key),
        journal: Arc::new(NoJournal),
        history: Arc::new(NoJournal),
        outbox: Arc::new(NoJournal),
        clock: Clock::default(),
        metrics: Metrics::default(),
        abandon_after: Duration::from_mins(10),
        services: crate::context::Services::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let stop = CancellationToken::new();
    let server = Server::new(context.clone(), access);
    tokio::spawn(serve::serve(listener, server.clone().router(pages, true), stop.clone()));
    Served { address, server, context, woken, stop, _folder: folder }
}

pub(super) fn access() -> Access {
    Access { webhooks: None, metrics: None, is_guarded: false, web: None, shell: Shell::Folder(".".into()) }
}

fn signed() -> Access {
    Access { webhooks: Some(Secret::new(SECRET)), ..access() }
}

impl Served {
    /// Sends one request and answers status, head and body.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        let headers: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (headers, length) = (headers.concat(), body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("a head is taken");
        // A body that is refused may be cut short.
        drop(stream.write_all(body).await);
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, head.to_lowercase(), body.to_owned())
    }

    async fn github(&self, delivery: &str, body: &str) -> (u16, String, String) {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
        mac.update(body.as_bytes());
        let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
        let headers = [
            ("content-type", "application/json"),
            ("x-github-event", "push"),
            ("x-github-delivery", delivery),
            ("x-hub-signature-256", &signature),
        ];
        self.ask("POST", "/webhooks/github", &headers, body.as_bytes()).await
    }

    async fn vercel(&self, body: &str) -> u16 {
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(SECRET.as_bytes()).expect("a key");
        mac.update(body.as_bytes());
        let signature = hex::encode(mac.finalize().into_bytes());
        let headers = [("content-type", "application/json; charset=utf-8"), ("x-vercel-signature", &signature)];
        self.ask("POST", "/webhooks/vercel", &headers, body.as_bytes()).await.0
    }
}

pub(super) fn fork() -> forkable_crds::Fork {
    let manifest = json!({
        "apiVersion": "forkable.dev/v1alpha1",
        "kind": "Fork",
        "metadata": { "name": "acme", "namespace": "default" },
        "spec": {
            "displayName": "Acme",
            "template": { "owner": "forkable-ai", "repo": "framework" },
            "repository": { "owner": "acme-inc", "name": "acme" },
            "project": { "name": "acme" },
        },
    });
    serde_json::from_value(manifest).expect("a Fork")
}

#[tokio::test]
async fn health_tells_whether_the_process_lives_and_whether_it_knows_its_objects() {
    let served = starting(signed(), Pages::All).await;
    let (status, head, body) = served.ask("GET", "/livez", &[], b"").await;
    assert_eq!((status, body.as_str()), (200, "ok\n"));
    for (name, value) in HEADERS {
        assert!(head.contains(&format!("{name}: {}", value.to_lowercase())), "{name} in {head}");
    }
    assert_eq!(served.ask("GET", "/readyz", &[], b"").await.0, 503);
    served.context.ready();
    assert_eq!(served.ask("GET", "/readyz", &[], b"").await.0, 200, "also while it stands by");
    let (status, head, _) = served.github("d-1", "{}").await;
    assert!(status == 503 && head.contains("retry-after: 1"), "a hint is for the one that works: {status} {head}");
    assert_eq!(served.ask("GET", "/nothing", &[], b"").await.0, 404);
    assert_eq!(served.ask("POST", "/livez", &[], b"").await.0, 405);
}

#[tokio::test]
async fn a_signed_webhook_is_a_hint_once() {
    let mut served = served(signed(), Pages::All).await;
    served.context.fleet.put_fork(&Arc::new(fork()));
    let push = json!({ "ref": "refs/heads/main", "after": "abc", "repository": { "id": 1, "full_name": "Acme-Inc/acme", "default_branch": "main" } }).to_string();
    assert_eq!(served.github("d-1", &push).await.0, 202);
    let woken = served.woken.try_recv().expect("the Fork is woken");
    assert_eq!(woken.name, "acme");
    let (status, _, body) = served.github("d-1", &push).await;
    assert_eq!((status, body.as_str()), (200, "taken before\n"));
    assert!(served.woken.try_recv().is_err(), "a repeat wakes nobody");
    assert_eq!(served.github("", &push).await.0, 400, "no id");
    assert_eq!(served.github("d-2", "{").await.0, 400, "no JSON");

    let now = Clock::default().now().as_millisecond();
    let event = |id: &str, at: i64| json!({ "id": id, "type": "project.removed", "createdAt": at, "payload": {} });
    assert_eq!(served.vercel(&event("e-1", now).to_string()).await, 202);
    assert_eq!(served.vercel(&event("e-1", now).to_string()).await, 200, "a repeat");
    assert_eq!(served.vercel(&event("e-2", now - 3_600_000).to_string()).await, 400, "replayed an hour later");

    let text = served.context.metrics.text(&served.context.fleet, &served.context.brake, &served.context.monitor);
    for line in [
        r#"forkable_webhooks_total{outcome="taken",provider="github"} 1"#,
        r#"forkable_webhooks_total{outcome="repeated",provider="github"} 1"#,
        r#"forkable_webhooks_total{outcome="malformed",provider="github"} 2"#,
        r#"forkable_webhooks_total{outcome="stale",provider="vercel"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[tokio::test]
async fn what_is_no_webhook_is_told_why() {
    let off = served(access(), Pages::All).await;
    assert_eq!(off.github("d-1", "{}").await.0, 404, "no secret is set");
    let served = served(signed(), Pages::All).await;
    let json = ("content-type", "application/json");
    let form = ("content-type", "application/x-www-form-urlencoded");
    for path in ["/webhooks/github", "/webhooks/vercel"] {
        let (status, head, _) = served.ask("GET", path, &[], b"").await;
        assert_eq!(status, 405);
        assert!(head.contains("allow: post"), "{head}");
        let (status, _, body) = served.ask("POST", path, &[form], b"payload=%7B%7D").await;
        assert_eq!(status, 415);
        assert!(body.contains("application/json"), "{body}");
        assert_eq!(served.ask("POST", path, &[json], b"{}").await.0, 401, "unsigned");
        let large = vec![b' '; LARGEST_BODY + 1];
        assert_eq!(served.ask("POST", path, &[json], &large).await.0, 413);
    }
}

#[tokio::test]
async fn a_flood_is_limited_and_health_is_not() {
    let served = served(signed(), Pages::All).await;
    // Used up for a time that does not come while the test runs.
    while served.server.webhooks[0].admits(Instant::now() + Duration::from_hours(1)) {}
    let (status, head, _) = served.github("d-1", "{}").await;
    assert_eq!(status, 429);
    assert!(head.contains("retry-after: 1"), "{head}");
    assert_eq!(served.ask("GET", "/livez", &[], b"").await.0, 200);
}

#[tokio::test]
async fn metrics_are_open_only_where_strangers_are_not() {
    let token = Access { metrics: Some(Secret::new("scrape")), ..access() };
    let server = async |access: &Access| served(access.clone(), Pages::All).await;
    let open = server(&access()).await;
    let (status, head, body) = open.ask("GET", "/metrics", &[], b"").await;
    assert_eq!(status, 200, "on the loopback address");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains("forkable_build_info{version="), "{body}");
    let locked = server(&token).await;
    let (status, head, _) = locked.ask("GET", "/metrics", &[], b"").await;
    assert_eq!(status, 401);
    assert!(head.contains("www-authenticate: bearer"), "{head}");
    assert_eq!(locked.ask("GET", "/metrics", &[("authorization", "Bearer scrap")], b"").await.0, 401);
    assert_eq!(locked.ask("GET", "/metrics", &[("authorization", "Bearer scrape")], b"").await.0, 200);
    let elsewhere = served(access(), Pages::NoMetrics).await;
    assert_eq!(elsewhere.ask("GET", "/metrics", &[], b"").await.0, 404);
    let own = served(access(), Pages::Metrics).await;
    assert_eq!(own.ask("GET", "/metrics", &[], b"").await.0, 200);
    assert_eq!(own.ask("POST", "/webhooks/github", &[], b"").await.0, 404);
    // The address is no loopback one.
    for (is_guarded, status) in [(false, StatusCode::UNAUTHORIZED), (true, StatusCode::OK)] {
        let server = Server::new(open.context.clone(), Access { is_guarded, ..access() });
        let request = Request::get("/metrics").body(axum::body::Body::empty()).expect("a request");
        let answer = tower::ServiceExt::oneshot(server.router(Pages::All, false), request).await.expect("an answer");
        assert_eq!(answer.status(), status);
    }
}

/// Time stands still and jumps to the next deadline, so that nothing is really waited for.
#[tokio::test]
async fn slow_clients_are_let_go() {
    let served = served(signed(), Pages::All).await;
    tokio::time::pause();
    let read = async |sent: &[u8]| {
        let mut stream = TcpStream::connect(served.address).await.expect("a connection");
        stream.write_all(sent).await.expect("it is taken");
        let began = tokio::time::Instant::now();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        (String::from_utf8(answer).expect("text"), began.elapsed())
    };
    let (answer, took) = read(b"GET /livez HTTP/1.1\r\nhost:").await;
    assert!(!answer.starts_with("HTTP/1.1 200") && took < Duration::from_secs(10), "a head that never ends: {answer}");
    let (answer, took) = read(b"GET /livez HTTP/1.1\r\nhost: here\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200") && took < Duration::from_secs(20), "a connection that rests: {took:?}");
    let head = b"POST /webhooks/github HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\n{";
    let (answer, took) = read(head).await;
    assert!(answer.starts_with("HTTP/1.1 408") && took < Duration::from_secs(30), "a body that never ends: {answer}");
}

#[tokio::test]
async fn connections_have_an_end_and_shutdown_waits_for_answers() {
    let served = served(access(), Pages::All).await;
    tokio::time::pause();
    let mut held = Vec::new();
    for _ in 0..serve::CONNECTIONS {
        held.push(TcpStream::connect(served.address).await.expect("a connection"));
    }
    // The next one waits until one of them is let go.
    assert_eq!(served.ask("GET", "/livez", &[], b"").await.0, 200);
    served.stop.cancel();
    for mut stream in held {
        let mut rest = Vec::new();
        drop(stream.read_to_end(&mut rest).await);
    }
}
