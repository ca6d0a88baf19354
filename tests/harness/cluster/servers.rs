//! The three servers: their arguments, files and ports, all on the loopback address.

use std::{
    fmt::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    encoding::{AsDer, EcPrivateKeyRfc5915Der},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::guard::Guarded;

/// Token of a person with all rights.
pub(super) const ADMIN_TOKEN: &str = "admin-token";

/// Everything that is done is logged, when it is done; a watch also when it begins.
const AUDIT_POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - { level: None, users: ["system:apiserver"] }
  - { level: Metadata }
"#;

pub(super) struct Servers {
    tools: PathBuf,
    folder: PathBuf,
    /// etcd for clients, etcd for its peers, apiserver.
    ports: [u16; 3],
    etcd: Option<Guarded>,
    apiserver: Option<Guarded>,
    controllers: Option<Guarded>,
}

pub(super) fn certificate(folder: &Path) -> PathBuf {
    folder.join("certificates/apiserver.crt")
}

pub(super) fn audit_log(folder: &Path) -> PathBuf {
    folder.join("audit.log")
}

impl Servers {
    pub(super) fn prepare(tools: &Path, folder: &Path) -> Self {
        let write =
            |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("the folder can be written");
        write("tokens.csv", &format!("{ADMIN_TOKEN},admin,1,\"system:masters\"\n"));
        write("audit-policy.yaml", AUDIT_POLICY);
        write("service-accounts.key", &private_key());
        let (tools, folder) = (tools.to_owned(), folder.to_owned());
        Self { tools, folder, ports: free_ports(), etcd: None, apiserver: None, controllers: None }
    }

    pub(super) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports[2])
    }

    pub(super) fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    pub(super) fn start_store(&mut self) {
        let peers = format!("http://127.0.0.1:{}", self.ports[1]);
        let clients = self.etcd_url();
        let arguments = [
            "--unsafe-no-fsync".into(),
            "--log-level=warn".into(),
            format!("--data-dir={}", self.path("etcd")),
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
        ];
        self.etcd = Some(self.start("etcd", &arguments));
    }

    pub(super) fn start_apiserver(&mut self) {
        let arguments = [
            format!("--etcd-servers={}", self.etcd_url()),
            format!("--secure-port={}", self.ports[2]),
            "--bind-address=127.0.0.1".into(),
            "--endpoint-reconciler-type=none".into(),
            format!("--cert-dir={}", self.path("certificates")),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-key-file={}", self.path("service-accounts.key")),
            format!("--service-account-signing-key-file={}", self.path("service-accounts.key")),
            format!("--token-auth-file={}", self.path("tokens.csv")),
            "--authorization-mode=RBAC".into(),
            "--service-cluster-ip-range=10.0.0.0/24".into(),
            "--disable-admission-plugins=ServiceAccount".into(),
            // Asks whether who makes an object may block the deletion of its owner.
            "--enable-admission-plugins=OwnerReferencesPermissionEnforcement".into(),
            format!("--audit-policy-file={}", self.path("audit-policy.yaml")),
            format!("--audit-log-path={}", audit_log(&self.folder).display()),
            // In one file, in MB.
            "--audit-log-maxsize=4096".into(),
        ];
        self.apiserver = Some(self.start("kube-apiserver", &arguments));
    }

    pub(super) fn kill_apiserver(&mut self) {
        self.apiserver = None;
    }

    pub(super) fn start_controllers(&mut self) {
        let kubeconfig = self.path("admin.kubeconfig");
        // What a chart and its objects need; the others are about pods.
        let controllers = [
            "clusterrole-aggregation-controller",
            "garbage-collector-controller",
            "namespace-controller",
            "serviceaccount-controller",
            "serviceaccount-token-controller",
        ];
        let arguments = [
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            format!("--service-account-private-key-file={}", self.path("service-accounts.key")),
            "--use-service-account-credentials=true".into(),
            format!("--controllers={}", controllers.join(",")),
            "--secure-port=0".into(),
            "--leader-elect=false".into(),
        ];
        self.controllers = Some(self.start("kube-controller-manager", &arguments));
    }

    pub(super) fn apiserver_ended(&mut self) -> bool {
        self.apiserver.as_mut().is_none_or(Guarded::has_ended) || self.etcd.as_mut().is_none_or(Guarded::has_ended)
    }

    pub(super) fn controllers_ended(&mut self) -> bool {
        self.controllers.as_mut().is_none_or(Guarded::has_ended)
    }

    /// The last lines of each.
    pub(super) fn logs(&self) -> String {
        let mut said = String::new();
        for program in ["etcd", "kube-apiserver", "kube-controller-manager"] {
            let log = std::fs::read_to_string(self.path(&format!("{program}.log"))).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(20)..].join("\n");
            write!(said, "--- {program} ---\n{last}\n").expect("writing to a String cannot fail");
        }
        said
    }

    fn start(&self, program: &str, arguments: &[String]) -> Guarded {
        let log = self.folder.join(format!("{program}.log"));
        Guarded::start(&self.tools.join(program), arguments, &log).expect("sh can be started")
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

/// Ports that were free a moment ago; held together, so that they differ.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a port is free"));
    listeners.map(|listener| listener.local_addr().expect("it is bound").port())
}

/// A key that signs tokens of ServiceAccounts, as PEM; of EC keys the apiserver reads only this form.
fn private_key() -> String {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
    let key: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().expect("a key has a form");
    format!("-----BEGIN EC PRIVATE KEY-----\n{}\n-----END EC PRIVATE KEY-----\n", BASE64_STANDARD.encode(key.as_ref()))
}
