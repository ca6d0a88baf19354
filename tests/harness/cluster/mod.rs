//! A real kube-apiserver with etcd and kube-controller-manager, with kubectl and helm to use it: no nodes, no pods.

mod audit;
mod guard;
mod namespace;
mod proxy;
mod servers;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command, sync::OnceCell};

pub use audit::{Audited, is_write};
pub use namespace::{Namespace, condition, is_ready};
pub use proxy::{ApiCall, Effect, Proxy, Side};

use crate::{Output, eventually, install_crypto};
use guard::Guarded;
use servers::Servers;

/// The CRDs as they are committed.
pub const CRDS: &str = include_str!("../../../crds/forkable.dev.yaml");

/// How long a start and one call of kubectl or helm may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(5);

/// An apiserver with what belongs to it. It is gone when dropped, or with the test process.
pub struct Cluster {
    servers: Mutex<Servers>,
    folder: PathBuf,
    url: String,
    namespaces: AtomicUsize,
    audited: Mutex<audit::Read>,
    /// Dropped last: the others write into the folder.
    _sweeper: Guarded,
}

/// Where the programs lie.
fn tools() -> &'static Path {
    static TOOLS: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    TOOLS.get_or_init(|| made("FORKABLE_CLUSTER_TOOLS", "tools"))
}

/// The path in a variable that make sets, or else the one that a target of make prints last, when it has made it.
pub fn made(variable: &str, target: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let output = std::process::Command::new("make")
        .args(["--silent", "--no-print-directory", "--directory"])
        .args([concat!(env!("CARGO_MANIFEST_DIR"), "/.."), target])
        .stderr(Stdio::inherit())
        .output()
        .expect("make can be started");
    assert!(output.status.success(), "make {target} fails: see above");
    let said = String::from_utf8(output.stdout).expect("a path is text");
    said.lines().last().expect("the path is printed last").into()
}

/// `helm`, `kubectl` and their like.
pub fn tool(name: &str) -> PathBuf {
    tools().join(name)
}

impl Cluster {
    /// The one that all tests of a binary share, with the CRDs in it. Each takes a [`Namespace`] of its own.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED
            .get_or_init(|| async {
                let cluster = Self::start().await;
                cluster.apply(CRDS, &["--server-side"]).await;
                let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
                cluster.kubectl(&established).await;
                cluster
            })
            .await
    }

    /// A fresh one with nothing in it, for tests that break it or change what all share.
    pub async fn start() -> Self {
        install_crypto();
        let folder = tempfile::Builder::new().prefix("forkable-cluster-").tempdir().expect("a temporary folder").keep();
        let sweeper = Guarded::sweep(&folder).expect("sh can be started");
        let folder_of_servers = folder.clone();
        let servers = tokio::task::spawn_blocking(move || Servers::prepare(tools(), &folder_of_servers))
            .await
            .expect("nothing panics");
        let url = servers.url();
        let cluster = Self {
            servers: Mutex::new(servers),
            folder,
            url,
            namespaces: AtomicUsize::new(0),
            audited: Mutex::default(),
            _sweeper: sweeper,
        };
        cluster.servers().start_store();
        cluster.start_apiserver().await;
        std::fs::write(cluster.kubeconfig(), cluster.kubeconfig_for(servers::ADMIN_TOKEN, "default"))
            .expect("the folder can be written");
        cluster.servers().start_controllers();
        // Namespaces get their ServiceAccount from the controllers.
        let ready = ["get", "serviceaccount", "default"];
        eventually("the controllers are at work", PATIENCE, || async {
            let output = cluster.try_kubectl(&ready).await;
            assert!(!cluster.servers().controllers_ended(), "{}", cluster.servers().logs());
            (output.code == Some(0)).then_some(())
        })
        .await;
        cluster
    }

    /// Starts the apiserver (again) and waits until it is ready.
    pub async fn start_apiserver(&self) {
        self.servers().start_apiserver();
        eventually("the apiserver is ready", PATIENCE, || async {
            assert!(!self.servers().apiserver_ended(), "the apiserver ended:\n{}", self.servers().logs());
            matches!(self.try_get("/readyz").await, Some((200, _))).then_some(())
        })
        .await;
    }

    /// SIGKILL to the apiserver; what it stored stays.
    pub fn kill_apiserver(&self) {
        self.servers().kill_apiserver();
    }

    /// Forgets every version but the newest of each object, as etcd does every few minutes: a watch from an older
    /// version is answered 410 once the apiserver was started again.
    pub async fn compact(&self) {
        let etcd = self.servers().etcd_url();
        let client = reqwest::Client::new();
        let call = async |path: &str, body: Value| -> Value {
            let response = client.post(format!("{etcd}/v3/kv/{path}")).json(&body).send().await.expect("etcd answers");
            let text = response.error_for_status().expect("etcd takes it").text().await.expect("etcd answers");
            serde_json::from_str(&text).expect("etcd says JSON")
        };
        let revision = call("range", json!({ "key": "AA==" })).await["header"]["revision"].clone();
        call("compaction", json!({ "revision": revision, "physical": true })).await;
    }

    fn servers(&self) -> std::sync::MutexGuard<'_, Servers> {
        self.servers.lock().expect("nothing panics while it holds them")
    }

    /// A namespace with a sandbox of its own, so that tests run side by side. The hint makes its name readable.
    pub async fn namespace(&self, hint: &str) -> Namespace<'_> {
        let name = format!("{hint}-{}", self.namespaces.fetch_add(1, Ordering::Relaxed));
        let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        let path = format!("/api/v1/namespaces/{name}?fieldManager=kubectl");
        self.send(reqwest::Method::PATCH, &path, Some(manifest.to_string())).await;
        Namespace::new(self, name).await
    }

    /// A proxy in front of the apiserver that logs, holds and cuts calls.
    pub async fn proxy(&self) -> Proxy {
        Proxy::start(self.url.clone(), self.client()).await
    }

    // ---- reading and writing ----

    /// The answer to a GET with all rights: status and body. `None` when there is no answer at all.
    async fn try_get(&self, path: &str) -> Option<(u16, String)> {
        // The certificate is not written before the apiserver is nearly up.
        std::fs::metadata(self.certificate()).ok()?;
        let request = self.client().get(format!("{}{path}", self.url)).bearer_auth(servers::ADMIN_TOKEN);
        let response = request.send().await.ok()?;
        Some((response.status().as_u16(), response.text().await.ok()?))
    }

    /// An object by its path, cheaper than kubectl; `Null` if there is none.
    pub async fn get(&self, path: &str) -> Value {
        match self.try_get(path).await {
            Some((404, _)) => Value::Null,
            Some((200, text)) => serde_json::from_str(&text).expect("the apiserver says JSON"),
            other => panic!("GET {path}: {other:?}"),
        }
    }

    /// A write with all rights, cheaper than kubectl, which must succeed. A PATCH is a server-side apply of YAML.
    pub async fn send(&self, method: reqwest::Method, path: &str, body: Option<String>) {
        let request = self.client().request(method, format!("{}{path}", self.url)).bearer_auth(servers::ADMIN_TOKEN);
        let request = match body {
            Some(body) => request.header("content-type", "application/apply-patch+yaml").body(body),
            None => request,
        };
        let response = request.send().await.expect("the apiserver answers");
        let status = response.status();
        let text = response.text().await.expect("the apiserver answers");
        assert!(status.is_success(), "{path}: {status}: {text}");
    }

    /// kubectl with all rights, which must succeed; what it printed.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        succeed("kubectl", arguments, self.try_kubectl(arguments).await)
    }

    /// kubectl with all rights, however it ends.
    pub async fn try_kubectl(&self, arguments: &[&str]) -> Output {
        self.run("kubectl", arguments, "").await
    }

    /// helm with all rights, which must succeed; what it printed.
    pub async fn helm(&self, arguments: &[&str]) -> String {
        succeed("helm", arguments, self.try_helm(arguments).await)
    }

    pub async fn try_helm(&self, arguments: &[&str]) -> Output {
        self.run("helm", arguments, "").await
    }

    /// `kubectl apply` of a text, which must succeed.
    pub async fn apply(&self, manifest: &str, arguments: &[&str]) -> String {
        succeed("kubectl apply", arguments, self.try_apply(manifest, arguments).await)
    }

    /// `kubectl apply` of a text, however it ends.
    pub async fn try_apply(&self, manifest: &str, arguments: &[&str]) -> Output {
        self.run("kubectl", &[&["apply", "-f", "-"], arguments].concat(), manifest).await
    }

    /// kubectl or helm with this standard input, however it ends.
    pub async fn run(&self, program: &str, arguments: &[&str], stdin: &str) -> Output {
        let mut child = Command::new(tool(program))
            .args(arguments)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
        let mut pipe = child.stdin.take().expect("it is piped");
        // One that ends without reading is judged by what it says.
        let _ = pipe.write_all(stdin.as_bytes()).await;
        drop(pipe);
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("{program} {arguments:?} takes longer than {PATIENCE:?}"));
        let output = output.expect("a child can be waited for");
        let text = |bytes| String::from_utf8(bytes).expect("it prints text");
        Output { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// What a person with all rights has set.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let home = self.folder.display().to_string();
        let kubeconfig = self.kubeconfig().display().to_string();
        [("PATH", path), ("HOME", home), ("KUBECONFIG", kubeconfig)].map(|(name, value)| (name.into(), value)).into()
    }

    // ---- who may do what ----

    /// The kubeconfig of a person with all rights.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// A kubeconfig of somebody who has only a token.
    pub fn kubeconfig_for(&self, token: &str, namespace: &str) -> String {
        let cluster = json!({ "server": self.url, "certificate-authority": self.certificate() });
        kubeconfig(&cluster, token, namespace)
    }

    /// A token of a ServiceAccount, as a pod gets one.
    pub async fn token(&self, namespace: &str, service_account: &str) -> String {
        self.kubectl(&["create", "token", service_account, "--namespace", namespace]).await.trim().to_owned()
    }

    fn certificate(&self) -> PathBuf {
        servers::certificate(&self.folder)
    }

    /// A client that keeps no connection: each test has a runtime of its own, and one that ends takes them along.
    fn client(&self) -> reqwest::Client {
        let pem = std::fs::read(self.certificate()).expect("the apiserver wrote its certificate");
        let roots = reqwest::Certificate::from_pem_bundle(&pem).expect("a certificate");
        let builder = reqwest::Client::builder().tls_certs_only(roots).pool_max_idle_per_host(0).no_proxy();
        builder.build().expect("a client")
    }
}

/// A kubeconfig; JSON is YAML.
pub(super) fn kubeconfig(cluster: &Value, token: &str, namespace: &str) -> String {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test", "namespace": namespace } }],
        "clusters": [{ "name": "test", "cluster": cluster }],
        "users": [{ "name": "test", "user": { "token": token } }],
    })
    .to_string()
}

fn succeed(program: &str, arguments: &[&str], output: Output) -> String {
    assert_eq!(output.code, Some(0), "{program} {arguments:?} says:\n{}{}", output.stdout, output.stderr);
    output.stdout
}
