//! The prober behind [`Prober`]: a connection of its own for every run, each phase timed by itself, and a full TLS
//! handshake with the certificate verified. No proxy is used.

mod certificate;
mod dns;
mod exchange;
mod reference;
#[cfg(test)]
mod tests;
mod trust;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use forkable_core::{
    monitoring::{Answer, Ask, DnsAsk, Finding, HttpAsk, Phases, Prober, TcpAsk, judge_certificate},
    sites::To,
};
use forkable_crds::fork::Redirects;
use http::Method;
use jiff::Timestamp;
use rustls::{
    CipherSuite, ClientConfig,
    client::Resumption,
    pki_types::{CertificateDer, ServerName},
};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use url::{Host, Url};

use reference::References;
use trust::Trust;

/// Redirects that are followed.
const HOPS: usize = 5;

/// Probes over the network, or at a stand-in.
pub struct NetworkProber {
    tls: TlsConnector,
    stand_in: Option<String>,
    references: References,
}

impl NetworkProber {
    /// With `stand_in`, `https://HOST/path` of a product is probed at `stand_in/HOST/path`. `references` always answer,
    /// each as `HOST:PORT` or a URL; without any, the prober is never held to be cut off.
    ///
    /// # Errors
    /// The machine's root certificates cannot be read, or a reference is neither.
    pub fn new(stand_in: Option<String>, references: &[String]) -> Result<Self, String> {
        Self::trusting(stand_in, references, [])
    }

    /// One that trusts these roots too.
    ///
    /// # Errors
    /// As those of [`NetworkProber::new`].
    pub fn trusting(
        stand_in: Option<String>,
        references: &[String],
        roots: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, String> {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        // First what browsers ask for first: processors know its hash themselves, which is a tenth of what a probe takes.
        provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
        let provider = Arc::new(provider);
        let told = |error: rustls::Error| format!("the machine's root certificates cannot be used: {error}");
        let verifier = Verifier::new_with_extra_roots(roots, provider.clone()).map_err(told)?;
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = versions
            .map_err(told)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trust::new(verifier)))
            .with_no_client_auth();
        // A visitor who comes for the first time has nothing to resume.
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stand_in = stand_in.map(|url| url.trim_end_matches('/').to_owned());
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), stand_in, references: References::parse(references)? })
    }

    async fn http(&self, ask: &HttpAsk, run: &mut Run) -> Result<(), String> {
        let address = match (&ask.to, &self.stand_in) {
            (To::Url(url), _) => url.clone(),
            (To::Site { host, path }, Some(stand_in)) => format!("{stand_in}/{host}{path}"),
            (To::Site { host, path }, None) => format!("https://{host}{path}"),
        };
        let first = Url::parse(&address).map_err(|error| format!("{address} is no address: {error}"))?;
        let (mut url, mut hop) = (first.clone(), exchange::Hop { ask, method: method(ask.method), is_at_home: true });
        for _ in 0..=HOPS {
            let (answer, location) = self.exchange(&url, &hop, run).await?;
            let Some(location) = location.filter(|_| ask.redirects != Redirects::Answer) else {
                run.latency = Some(run.began.elapsed());
                judge_certificate(run.certificate_ends, ask.expect.minimum_certificate_days, Timestamp::now())?;
                return ask.expect.judge(&answer);
            };
            if ask.redirects == Redirects::Refuse {
                run.latency = Some(run.began.elapsed());
                return Err(format!("answered {} with a redirect to {location}", answer.status));
            }
            url = url.join(&location).map_err(|error| format!("redirects to {location:?}, no address: {error}"))?;
            // As browsers do.
            if answer.status == 303 || (matches!(answer.status, 301 | 302) && hop.method == Method::POST) {
                hop.method = Method::GET;
            }
            hop.is_at_home = url.origin() == first.origin();
        }
        Err(format!("redirects more than {HOPS} times, lastly to {url}"))
    }

    async fn exchange(
        &self,
        url: &Url,
        hop: &exchange::Hop<'_>,
        run: &mut Run,
    ) -> Result<(Answer, Option<String>), String> {
        let is_https = match url.scheme() {
            "https" => true,
            "http" => false,
            other => return Err(format!("leads to {url}, and {other} is no HTTP")),
        };
        let host = url.host().ok_or_else(|| format!("{url} has no host"))?;
        let port = url.port_or_known_default().unwrap_or_default();
        let (name, server) = match host {
            Host::Domain(name) => (name.to_owned(), ServerName::try_from(name.to_owned()).ok()),
            Host::Ipv4(address) => (address.to_string(), Some(ServerName::from(std::net::IpAddr::V4(address)))),
            Host::Ipv6(address) => (address.to_string(), Some(ServerName::from(std::net::IpAddr::V6(address)))),
        };
        let connection = connect(&name, port, run).await?;
        if !is_https {
            return exchange::exchange(connection, url, hop, run).await;
        }
        let server = server.ok_or_else(|| format!("{name} is no name that a certificate can have"))?;
        let connection = self.handshake(connection, server, run).await?;
        exchange::exchange(connection, url, hop, run).await
    }

    async fn tcp(&self, ask: &TcpAsk, run: &mut Run) -> Result<(), String> {
        let connection = connect(&ask.host, ask.port, run).await?;
        if ask.tls {
            let server = ServerName::try_from(ask.host.clone())
                .map_err(|_| format!("{} is no name that a certificate can have", ask.host))?;
            self.handshake(connection, server, run).await?;
        }
        run.latency = Some(run.began.elapsed());
        judge_certificate(run.certificate_ends, ask.minimum_certificate_days, Timestamp::now())
    }

    async fn dns(&self, ask: &DnsAsk, run: &mut Run) -> Result<(), String> {
        let answer = dns::exchange(ask, run).await?;
        run.latency = Some(run.began.elapsed());
        ask.judge(&answer)
    }

    async fn handshake(
        &self,
        connection: TcpStream,
        server: ServerName<'static>,
        run: &mut Run,
    ) -> Result<TlsStream<TcpStream>, String> {
        let began = run.begin("shake hands over TLS");
        let shaken = self.tls.connect(server, connection).await;
        add(&mut run.phases.tls, began);
        let stream = shaken.map_err(|error| format!("TLS: {}", io_cause(&error)))?;
        let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
        run.certificate_ends = certificates.first().and_then(|first| certificate::ends(first)).or(run.certificate_ends);
        Ok(stream)
    }
}

/// One run, as far as it is.
struct Run {
    began: Instant,
    phases: Phases,
    /// What it is about to do.
    stage: &'static str,
    latency: Option<Duration>,
    certificate_ends: Option<Timestamp>,
    is_challenged: bool,
}

impl Run {
    fn begin(&mut self, stage: &'static str) -> Instant {
        self.stage = stage;
        Instant::now()
    }
}

/// Of redirects, each phase counts what all of them took.
fn add(phase: &mut Option<Duration>, began: Instant) {
    *phase = Some(phase.unwrap_or_default() + began.elapsed());
}

async fn resolve(host: &str, port: u16, run: &mut Run) -> Result<Vec<SocketAddr>, String> {
    let began = run.begin("resolve the name");
    let addresses = tokio::net::lookup_host((host, port)).await;
    add(&mut run.phases.resolve, began);
    Ok(addresses.map_err(|error| format!("{host} cannot be resolved: {}", io_cause(&error)))?.collect())
}

async fn connect(host: &str, port: u16, run: &mut Run) -> Result<TcpStream, String> {
    let addresses = resolve(host, port, run).await?;
    let began = run.begin("connect");
    let connected = TcpStream::connect(&addresses[..]).await;
    add(&mut run.phases.connect, began);
    let connection = connected.map_err(|error| format!("cannot connect to {host}:{port}: {}", io_cause(&error)))?;
    connection.set_nodelay(true).map_err(|error| format!("the connection broke: {}", io_cause(&error)))?;
    Ok(connection)
}

/// The error without the number that the system has for it.
fn io_cause(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

fn method(name: &str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap_or_default()
}

#[async_trait]
impl Prober for NetworkProber {
    async fn probe(&self, ask: &Ask, timeout: Duration) -> Finding {
        let mut run = Run {
            began: Instant::now(),
            phases: Phases::default(),
            stage: "begin",
            latency: None,
            certificate_ends: None,
            is_challenged: false,
        };
        let asked = async {
            match ask {
                Ask::Http(ask) => self.http(ask, &mut run).await,
                Ask::Tcp(ask) => self.tcp(ask, &mut run).await,
                Ask::Dns(ask) => self.dns(ask, &mut run).await,
            }
        };
        let ended = tokio::time::timeout(timeout, asked).await;
        let result =
            ended.unwrap_or_else(|_| Err(format!("took longer than {timeout:?}, having begun to {}", run.stage)));
        let Run { phases, latency, certificate_ends, is_challenged, .. } = run;
        Finding { result, latency, phases, certificate_ends, is_challenged }
    }

    async fn is_cut_off(&self) -> bool {
        self.references.are_out_of_reach().await
    }
}
