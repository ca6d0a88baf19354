//! Probes over TLS on loopback, written down: how many in a second of one core, and how late 20,000 of them are.
//!
//! The sites are another process; what the prober costs is the processor time of this one.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use forkable::{
    clock::Clock,
    metrics::Metrics,
    monitoring::{Record, Recorder, Scheduler},
};
use forkable_core::{
    monitoring::{Ask, Expect, HttpAsk, Series, Target, phase},
    sites::To,
    store::{Kind as _, ObjectRef},
};
use forkable_crds::{Fork, fork::Redirects};
use forkable_providers::{journal::SqliteJournal, probe::NetworkProber};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::blackbox;

/// Argument that makes this program the sites.
pub(crate) const SITES: &str = "--sites";
const PROBES: usize = 20_000;
/// Loopback addresses that the sites have, as there are not ports enough for the connections of one.
const HOSTS: u8 = 40;
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";

/// The sites: they print their port and their certificate, and serve until they are killed.
pub(crate) async fn sites() {
    let names = (1..=HOSTS).map(|last| Ipv4Addr::new(127, 0, 0, last).to_string()).collect::<Vec<_>>();
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(names).expect("names").self_signed(&key).expect("a certificate");
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate.der().clone()], private).expect("a pair");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    println!("{port} {}", hex::encode(certificate.der()));
    while let Ok((connection, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut connection = acceptor.accept(connection).await?;
            let mut request = [0; 1024];
            let _read = connection.read(&mut request).await?;
            connection.write_all(OK).await?;
            connection.shutdown().await
        });
    }
}

struct Sites {
    process: Child,
    port: u16,
    root: CertificateDer<'static>,
}

impl Sites {
    fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut process = Command::new(program).arg(SITES).stdout(Stdio::piped()).spawn().expect("it runs");
        let stdout = process.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("it says its port");
        let (port, root) = line.trim().split_once(' ').expect("a port and a certificate");
        let root = CertificateDer::from(hex::decode(root).expect("hex"));
        Self { process, port: port.parse().expect("a port"), root }
    }
}

impl Drop for Sites {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// What a while of probing came to.
struct Figures {
    rate: f64,
    /// Runs for each second of processor time.
    per_core: f64,
    failed: usize,
    lateness: Vec<Duration>,
    skipped: i64,
}

pub(crate) fn probes() {
    // On one thread beside that of the journal, as everything has to fit on one core.
    let figures = |interval, lasts| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(probe(interval, lasts))
    };
    println!("probes over TLS on loopback, each written down");
    // More than can be: what is due waits for its turn.
    let Figures { rate, per_core, failed, skipped, .. } = figures(Duration::from_secs(5), Duration::from_secs(15));
    println!(
        "  as many as can be: {rate:.0} /s, {per_core:.0} for a second of one core, {failed} failed, {skipped} skipped   \
         goal: ≥ 3000, none failed"
    );
    beside_blackbox(per_core);
    let Figures { rate, per_core, failed, mut lateness, skipped } =
        figures(Duration::from_secs(30), Duration::from_secs(65));
    lateness.sort();
    let [p50, p99] = [50, 99].map(|percent| lateness[lateness.len() * percent / 100]);
    println!("  {PROBES} at 30s: {rate:.0} /s ({:.0} % of a core), {failed} failed", rate / per_core * 100.0);
    println!("  late at p50 {p50:.1?}, p99 {p99:.1?}, {skipped} skipped   goal: p99 ≤ 20ms, none skipped");
}

/// The same sites by blackbox exporter.
fn beside_blackbox(per_core: f64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let sites = Sites::start();
    match runtime.block_on(blackbox::probed(HOSTS, sites.port, &sites.root)) {
        Some(blackbox::Figures { per_core: theirs, rate, failed }) => println!(
            "  blackbox exporter: {rate:.0} /s, {theirs:.0} for a second of one core, {failed} failed; {:.1} times as many here",
            per_core / theirs
        ),
        None => println!("  left out: blackbox exporter beside it, install prometheus-blackbox-exporter to have it"),
    }
}

async fn probe(interval: Duration, lasts: Duration) -> Figures {
    let sites = Sites::start();
    let prober = NetworkProber::trusting(None, &[], [sites.root.clone()]).expect("a prober");
    let folder = tempfile::tempdir().expect("a folder");
    let journal = SqliteJournal::open(&folder.path().join("journal.db")).await.expect("a journal");
    let (clock, metrics) = (Clock::default(), Metrics::default());
    let mut scheduler = Scheduler::new(clock.clone(), Arc::new(prober), metrics.clone());
    let stop = CancellationToken::new();
    let (recorder, records) = Recorder::new(Arc::new(journal), clock, metrics);
    let recording = tokio::spawn(recorder.run(stop.clone()));
    for number in 0..PROBES {
        let fork = fork(&format!("f{number}"));
        let reference = fork.reference();
        scheduler.put(reference.clone(), Some(fork), vec![target(reference, number, sites.port, interval)]);
    }
    let me = std::process::id();
    let (began, cpu) = (Instant::now(), processor(me));
    let (mut runs, mut failed, mut lateness) = (0_u32, 0, Vec::new());
    let mut slots = HashMap::<Series, (i64, i64, i64)>::new();
    while let Ok(outcome) = tokio::time::timeout_at((began + lasts).into(), scheduler.next()).await {
        let Some(outcome) = outcome else { continue };
        runs += 1;
        let (series, at) = (outcome.standing.series.clone(), outcome.standing.newest.at);
        failed += usize::from(outcome.standing.newest.verdict != forkable_core::monitoring::Verdict::Up);
        let (interval, phase) = (millis(interval), millis(phase(&series, interval)));
        let since = at.as_millisecond() - phase;
        lateness.push(Duration::from_millis(since.rem_euclid(interval).unsigned_abs()));
        let slot = since.div_euclid(interval);
        let (_, last, count) = slots.entry(series).or_insert((slot, slot, 0));
        (*last, *count) = (slot, *count + 1);
        let Ok(()) = records.send(Record {
            sample: (outcome.standing.series.clone(), outcome.standing.newest.clone()),
            spells: outcome.spells,
            standing: outcome.before.is_some().then_some(outcome.standing),
        }) else {
            panic!("the recorder is gone")
        };
    }
    let took = began.elapsed();
    drop(records);
    stop.cancel();
    recording.await.expect("all is written down");
    let cpu = processor(me).saturating_sub(cpu);
    Figures {
        rate: f64::from(runs) / took.as_secs_f64(),
        per_core: f64::from(runs) / cpu.as_secs_f64(),
        failed,
        lateness,
        skipped: slots.values().map(|(first, last, count)| last - first + 1 - count).sum(),
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("short")
}

fn fork(name: &str) -> Arc<Fork> {
    let spec = serde_json::json!({
        "template": {"owner": "o", "repo": "t"}, "repository": {"owner": "o", "name": name}, "project": {"name": name},
    });
    Arc::new(Fork::new(name, serde_json::from_value(spec).expect("a spec")))
}

fn target(fork: ObjectRef, number: usize, port: u16, interval: Duration) -> Target {
    let host = Ipv4Addr::new(127, 0, 0, 1 + u8::try_from(number % usize::from(HOSTS)).expect("few hosts"));
    let expect = Expect { statuses: vec![200..=299], ..Expect::default() };
    let ask = HttpAsk {
        method: "GET",
        to: To::Url(format!("https://{host}:{port}/")),
        headers: Vec::new(),
        body: None,
        redirects: Redirects::Follow,
        expect,
    };
    let series = Series { fork, probe: "home".into() };
    Target { series, interval, timeout: Duration::from_secs(4), confirmations: 2, ask: Ok(Ask::Http(ask)) }
}

/// Processor time of a process, all of its threads together, in the kernel and out of it.
pub(crate) fn processor(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux tells");
    let (_, fields) = stat.rsplit_once(") ").expect("the name is in brackets");
    let ticks: u64 = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().expect("ticks")).sum();
    // Of which there are 100 in a second, on every architecture that Linux tells of.
    Duration::from_millis(ticks * 10)
}
