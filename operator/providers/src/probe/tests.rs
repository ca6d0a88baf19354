//! The prober against real sockets: phases, TLS, redirects, and everything that can be wrong.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use forkable_core::{
    Secret,
    monitoring::{Ask, Expect, Finding, HttpAsk, Prober as _, TcpAsk},
    sites::To,
};
use forkable_crds::fork::Redirects;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

/// What a server answers to a request; nothing if that is empty.
type Answers = fn(&str) -> String;

fn page(status: &str, more: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{more}\r\n{body}", body.len())
}

async fn answer(mut connection: impl AsyncRead + AsyncWrite + Unpin, answers: Answers) {
    let mut request = vec![0; 4096];
    let length = connection.read(&mut request).await.unwrap_or_default();
    let answer = answers(&String::from_utf8_lossy(&request[..length]));
    if answer.is_empty() {
        std::future::pending::<()>().await;
    }
    drop(connection.write_all(answer.as_bytes()).await);
    drop(connection.shutdown().await);
}

async fn serve(answers: Answers) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(answer(connection, answers));
        }
    });
    address
}

/// A server with a certificate for `name`, and the root to trust.
async fn serve_tls(name: &str, answers: Answers) -> (SocketAddr, CertificateDer<'static>) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut parameters = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
    parameters.not_after = rcgen::date_time_ymd(2049, 12, 31);
    let certificate = parameters.self_signed(&key).expect("a certificate").der().clone();
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], private)
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(connection) = acceptor.accept(connection).await {
                    answer(connection, answers).await;
                }
            });
        }
    });
    (address, certificate)
}

fn prober() -> NetworkProber {
    NetworkProber::new(None, &[]).expect("a prober")
}

fn get(url: String) -> HttpAsk {
    let expect = Expect { statuses: vec![200..=299], ..Expect::default() };
    let (headers, body) = (Vec::new(), None);
    HttpAsk { method: "GET", to: To::Url(url), headers, body, redirects: Redirects::Follow, expect }
}

async fn probe(ask: HttpAsk) -> Finding {
    prober().probe(&Ask::Http(ask), TIMEOUT).await
}

fn failed(finding: &Finding) -> &str {
    finding.result.as_ref().expect_err("it fails")
}

#[tokio::test]
async fn the_phases_of_a_visit_over_tls_are_timed_and_the_certificate_is_read() {
    let (address, root) = serve_tls("127.0.0.1", |_| page("200 OK", "", "hello")).await;
    let ask = Ask::Http(HttpAsk {
        expect: Expect { body_contains: Some("hello".into()), ..get(String::new()).expect },
        ..get(format!("https://{address}/"))
    });
    let prober = NetworkProber::trusting(None, &[], [root]).expect("a prober");
    let finding = prober.probe(&ask, TIMEOUT).await;
    assert_eq!(finding.result, Ok(()));
    assert_eq!(finding.certificate_ends.map(|ends| ends.to_string()), Some("2049-12-31T00:00:00Z".into()));
    let phases = finding.phases.named().map(|(name, took)| took.unwrap_or_else(|| panic!("{name} has no time")));
    let sum: Duration = phases.iter().sum();
    assert!(finding.latency.is_some_and(|all| all >= sum), "{finding:?}");
    let untrusted = super::tests::prober().probe(&ask, TIMEOUT).await;
    assert!(failed(&untrusted).contains("TLS: invalid peer certificate"), "{untrusted:?}");
    let tcp = |host: &str| {
        let (host, port) = (host.to_owned(), address.port());
        Ask::Tcp(TcpAsk { host, port, tls: true, minimum_certificate_days: Some(100_000) })
    };
    let short = prober.probe(&tcp("127.0.0.1"), TIMEOUT).await;
    assert!(failed(&short).contains("100000 are the least"), "{short:?}");
    let other = prober.probe(&tcp("localhost"), TIMEOUT).await;
    assert!(failed(&other).contains("not valid for name"), "{other:?}");
}

#[tokio::test]
async fn what_is_wrong_is_said_by_the_phase_that_it_is_in() {
    let silent = serve(|_| String::new()).await;
    let finding = prober().probe(&Ask::Http(get(format!("http://{silent}/"))), Duration::from_millis(200)).await;
    assert_eq!(failed(&finding), "took longer than 200ms, having begun to wait for an answer");
    assert!(finding.phases.connect.is_some() && finding.latency.is_none());
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let finding = probe(get(format!("http://{closed}/"))).await;
    assert_eq!(failed(&finding), format!("cannot connect to {closed}: Connection refused"));
    let finding = probe(get("http://no-such-name.invalid/".into())).await;
    assert!(failed(&finding).starts_with("no-such-name.invalid cannot be resolved"), "{finding:?}");
    let garbled = serve(|_| "SMTP 220\r\n\r\n".into()).await;
    let finding = probe(get(format!("http://{garbled}/"))).await;
    assert!(failed(&finding).starts_with("the connection broke: "), "{finding:?}");
    let server = serve(|_| page("503 Busy", "", "")).await;
    let finding = probe(get(format!("http://{server}/"))).await;
    assert_eq!(failed(&finding), "answered 503 instead of 200-299");
    assert!(finding.latency.is_some(), "it was an answer");
}

#[tokio::test]
async fn headers_and_body_are_sent_and_stay_with_their_host() {
    let server = serve(|request| {
        let said = format!("{}|{}", request.contains("x-key: hush"), request.ends_with("\r\n\r\nping"));
        page("200 OK", "", &said)
    })
    .await;
    let ask = |url: String, says: &str| HttpAsk {
        method: "POST",
        headers: vec![("x-key".into(), Secret::new("hush"))],
        body: Some("ping".into()),
        expect: Expect { body_contains: Some(says.into()), ..get(String::new()).expect },
        ..get(url)
    };
    assert_eq!(probe(ask(format!("http://{server}/"), "true|true")).await.result, Ok(()));
    // Another port is another origin.
    let away = serve(|request| {
        let to = request.split(' ').nth(1).unwrap_or_default();
        page("307 Elsewhere", &format!("location: http:/{to}\r\n"), "")
    })
    .await;
    assert_eq!(probe(ask(format!("http://{away}/{server}"), "false|false")).await.result, Ok(()));
    let bad = HttpAsk { headers: vec![("x-key".into(), Secret::new("a\nb"))], ..get(format!("http://{server}/")) };
    assert_eq!(failed(&probe(bad).await), "the value of the header x-key has characters that none may have");
}

#[tokio::test]
async fn redirects_are_followed_refused_or_taken_as_they_are() {
    let server = serve(|request| match request.split(' ').nth(1) {
        Some("/ring") => page("302 Found", "location: /ring\r\n", ""),
        Some("/old") => page("301 Moved", "location: new\r\n", ""),
        _ => page("200 OK", "", ""),
    })
    .await;
    let ask = |path: &str, redirects| HttpAsk { redirects, ..get(format!("http://{server}{path}")) };
    assert_eq!(probe(ask("/old", Redirects::Follow)).await.result, Ok(()));
    assert_eq!(failed(&probe(ask("/old", Redirects::Refuse)).await), "answered 301 with a redirect to new");
    assert_eq!(failed(&probe(ask("/old", Redirects::Answer)).await), "answered 301 instead of 200-299");
    let endless = probe(ask("/ring", Redirects::Follow)).await;
    assert_eq!(failed(&endless), format!("redirects more than 5 times, lastly to http://{server}/ring"));
}

#[tokio::test]
async fn a_stand_in_is_asked_by_host_and_references_tell_who_is_cut_off() {
    let stand_in = serve(|request| page("200 OK", "", request.split(' ').nth(1).unwrap_or_default())).await;
    let to = To::Site { host: "acme.dev".into(), path: "/a?b".into() };
    let expect = Expect { body_contains: Some("/_sites/acme.dev/a?b".into()), ..get(String::new()).expect };
    let ask = Ask::Http(HttpAsk { to, expect, ..get(String::new()) });
    let prober = NetworkProber::new(Some(format!("http://{stand_in}/_sites/")), &[]).expect("a prober");
    assert_eq!(prober.probe(&ask, TIMEOUT).await.result, Ok(()));
    assert!(!prober.is_cut_off().await, "without references it never is");
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    let prober = |references: &[String]| NetworkProber::new(None, references);
    assert!(prober(&[closed.to_string()]).expect("a prober").is_cut_off().await);
    let one = prober(&[closed.to_string(), format!("http://{stand_in}/x")]).expect("a prober");
    assert!(!one.is_cut_off().await, "one that answers is enough");
    assert!(prober(&["nonsense".into()]).is_err_and(|error| error.contains("write HOST:PORT")));
}
