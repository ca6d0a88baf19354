//! The same sites probed by blackbox exporter, asked as a Prometheus server asks it. `FORKABLE_BLACKBOX` is its program.

use std::{
    net::Ipv4Addr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls::pki_types::CertificateDer;

use super::{free_port, probes::processor};

/// Questions at once.
const AT_ONCE: usize = 32;
const LASTS: Duration = Duration::from_secs(15);

/// What it came to.
pub(super) struct Figures {
    /// Probes for each second of its processor time.
    pub(super) per_core: f64,
    pub(super) rate: f64,
    pub(super) failed: usize,
}

struct Exporter(Child);

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// `None`: there is no such program.
pub(super) async fn probed(hosts: u8, port: u16, root: &CertificateDer<'_>) -> Option<Figures> {
    let program = PathBuf::from(std::env::var_os("FORKABLE_BLACKBOX")?);
    if !program.exists() {
        return None;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let authority = folder.path().join("ca.pem");
    let pem = BASE64_STANDARD.encode(root);
    let text = format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n");
    std::fs::write(&authority, text).expect("the folder can be written");
    let config = folder.path().join("blackbox.yml");
    let module = format!(
        "modules:\n  site:\n    prober: http\n    timeout: 4s\n    http:\n      preferred_ip_protocol: ip4\n      \
         fail_if_not_ssl: true\n      tls_config: {{ ca_file: {} }}\n",
        authority.display()
    );
    std::fs::write(&config, module).expect("the folder can be written");
    let listen = free_port();
    let exporter = Command::new(program)
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--web.listen-address=127.0.0.1:{listen}"))
        .arg("--log.level=error")
        .stderr(Stdio::null())
        .spawn();
    let exporter = Exporter(exporter.expect("it runs"));
    let address = format!("http://127.0.0.1:{listen}");
    let client = reqwest::Client::new();
    let begin = Instant::now();
    while client.get(format!("{address}/-/healthy")).send().await.is_err() {
        assert!(begin.elapsed() < Duration::from_secs(10), "blackbox exporter does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (began, cpu) = (Instant::now(), processor(exporter.0.id()));
    let (runs, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let asker = async || {
        while began.elapsed() < LASTS {
            let number = runs.fetch_add(1, Ordering::Relaxed);
            let last = 1 + u8::try_from(number % usize::from(hosts)).expect("few hosts");
            let target = format!("https://{}:{port}/", Ipv4Addr::new(127, 0, 0, last));
            let answer = client.get(format!("{address}/probe?module=site&target={target}")).send().await;
            let answer = answer.expect("an answer").text().await.expect("text");
            if !answer.contains("\nprobe_success 1") {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    futures::future::join_all((0..AT_ONCE).map(|_| asker())).await;
    let took = began.elapsed();
    let cpu = processor(exporter.0.id()).saturating_sub(cpu);
    let runs = f64::from(u32::try_from(runs.into_inner()).expect("some thousands"));
    Some(Figures { per_core: runs / cpu.as_secs_f64(), rate: runs / took.as_secs_f64(), failed: failed.into_inner() })
}
