//! How releases are judged: by a real Prometheus server, with headers that nobody sees, and what is refused.

use std::{
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use axum::{Router, routing::get};
use forkable_tests::{World, eventually, fleet_fork, releases::promoted_fork};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Child};

const PATIENCE: Duration = Duration::from_mins(2);

fn prometheus() -> PathBuf {
    static PROMETHEUS: OnceLock<PathBuf> = OnceLock::new();
    PROMETHEUS.get_or_init(|| forkable_tests::made("FORKABLE_PROMETHEUS", "prometheus")).clone()
}

/// A Prometheus server that scrapes a page of the test. It ends with the test.
struct Monitoring {
    url: String,
    page: Arc<Mutex<String>>,
    _server: Child,
    _folder: TempDir,
}

impl Monitoring {
    async fn start() -> Self {
        let page = Arc::new(Mutex::new(String::new()));
        let shown = page.clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let target = listener.local_addr().expect("an address");
        let app = Router::new().route("/metrics", get(move || async move { shown.lock().expect("a page").clone() }));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs:\n  - job_name: site\n    static_configs: [{{ targets: ['{target}'] }}]\n"
        );
        std::fs::write(folder.path().join("prometheus.yml"), config).expect("the folder can be written");
        let port =
            TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address").port();
        let server = tokio::process::Command::new(prometheus())
            .arg(format!("--config.file={}", folder.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus runs");
        Self { url: format!("http://127.0.0.1:{port}"), page, _server: server, _folder: folder }
    }

    /// Shows a page, and waits until the server knows of it.
    async fn shows(&self, text: &str, query: &str) {
        text.clone_into(&mut self.page.lock().expect("a page"));
        let client = reqwest::Client::new();
        let mut url = reqwest::Url::parse(&format!("{}/api/v1/query", self.url)).expect("a URL");
        url.query_pairs_mut().append_pair("query", query);
        eventually(&format!("Prometheus knows {query}"), PATIENCE, || async {
            let asked = client.get(url.clone()).send().await.ok()?;
            let answer: Value = asked.json().await.ok()?;
            answer["data"]["result"].as_array().filter(|found| !found.is_empty()).map(drop)
        })
        .await;
    }
}

/// The reference fork, whose releases are judged so, with its first release live.
fn judged(world: &mut World, analysis: &str) {
    world.arguments.push("--resync=1s".into());
    let analysis = format!("    analysis:\n      intervalSeconds: 1\n      count: 2\n{analysis}");
    world.write("acme.yaml", &promoted_fork(&analysis));
}

async fn push(world: &World, text: &str) -> String {
    world.push_file("acme-inc/acme", "app/page.tsx", &format!("export default () => '{text}'\n")).await
}

async fn release(world: &World, commit: &str) -> Value {
    let stored = world.stored().await;
    let of = |stored: &&forkable_tests::Stored| stored.kind == "Deployment" && stored.status["commit"]["sha"] == commit;
    stored.iter().find(of).map_or(Value::Null, |stored| stored.status.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_server_judges_a_release() {
    let monitoring = Monitoring::start().await;
    monitoring.shows("error_rate{site=\"acme\"} 0.01\n", "error_rate == 0.01").await;
    let mut world = World::with_reference_fork().await;
    world.environment.insert("FORKABLE_PROMETHEUS_URL".into(), monitoring.url.clone());
    let query = "      prometheus:\n        - { name: error-rate, query: 'error_rate{site=\"{{ fork }}\"}', operator: LessThan, threshold: 0.1 }\n";
    judged(&mut world, query);
    world.converge().await;
    let output = world.run(&["why", "acme"]).await;
    assert!(
        output.stdout.contains("Candidate: 2 good, 0 bad") && output.stdout.contains("error-rate is 0.01"),
        "{output:?}"
    );

    monitoring.shows("error_rate{site=\"acme\"} 0.5\n", "error_rate == 0.5").await;
    let bad = push(&world, "bad").await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &bad).await;
    assert_eq!(status["phase"], "Failed", "{status:#}");
    assert_eq!(status["analysisRuns"][0]["measurements"][0]["metric"], "error-rate");
    assert!(status.to_string().contains("error-rate is 0.5, and has to be less than 0.1"), "{status:#}");

    // Nothing is known of the next: that is not good.
    world.edit("acme.yaml", "site=\"{{ fork }}\"", "site=\"{{ commit }}\"");
    world.edit("acme.yaml", "count: 2", "count: 2\n      inconclusiveLimit: 1");
    let unknown = push(&world, "unknown").await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &unknown).await;
    assert_eq!((&status["phase"], &status["analysisRuns"][0]["inconclusive"]), (&"Failed".into(), &2.into()));
    assert!(status.to_string().contains("error-rate has no samples"), "{status:#}");

    // What the server says is shown.
    world.edit("acme.yaml", "error_rate{", "error_rate{{");
    let output = world.run(&["plan"]).await;
    assert!(format!("{output:?}").contains("spec.release.analysis.prometheus[0].query"), "{output:?}");
    world.edit("acme.yaml", "error_rate{{site=\"{{ commit }}\"}", "rate(error_rate)");
    let broken = push(&world, "broken").await;
    assert_eq!(world.up_once().await.code, Some(1));
    let status = release(&world, &broken).await;
    assert!(status.to_string().contains("was refused by Prometheus: bad_data"), "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_without_a_server_is_told_before_anything_is_built() {
    let mut world = World::with_reference_fork().await;
    let query = "      prometheus: [{ name: errors, query: up, operator: LessThan, threshold: 1 }]\n";
    judged(&mut world, query);
    let output = world.up_once().await;
    assert_eq!(output.code, Some(1));
    let (_, reason, message) = world.condition("acme", "Ready").await.expect("a condition");
    assert!(reason == "AnalysisInvalid" && message.contains("FORKABLE_PROMETHEUS_URL"), "{reason}: {message}");
    assert_eq!(world.counts().await.get("POST /v13/deployments"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_behind_a_login_is_judged_with_a_secret_that_nobody_sees() {
    let mut world = World::with_reference_fork().await;
    let bypass = "bypassbypassbypassbypassbypass32";
    let probe = "      http:\n        - path: /\n          requestHeaders:\n            - name: x-vercel-protection-bypass\n              \
                 valueFrom: { secretKeyRef: { name: probes, key: bypass } }\n";
    judged(&mut world, probe);
    world.edit("acme.yaml", "login: \"Off\"", "login: Standard");
    let output = world.run(&["plan"]).await;
    assert!(format!("{output:?}").contains("Secret probes is missing"), "{output:?}");
    let secret = |value: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{ name: probes }}\nstringData: {{ bypass: {value} }}\n")
    };
    world.write("probes.yaml", &secret("wrong-wrong-wrong-wrong-wrong-99"));
    assert_eq!(world.up_once().await.code, Some(1), "Vercel does not know it");
    let told = world.stored().await.iter().map(|stored| stored.status.to_string()).collect::<String>();
    assert!(told.contains("answered 401") && told.contains("x-vercel-protection-bypass"), "{told}");
    world.write("probes.yaml", &secret(bypass));
    let body = serde_json::json!({ "generate": { "secret": bypass } });
    let path = "/v1/projects/acme/protection-bypass?teamId=team_acme";
    world.person("vercel", reqwest::Method::PATCH, path, Some(body)).await;
    push(&world, "good").await;
    let output = world.converge().await;
    let told = world.stored().await.iter().map(|stored| stored.status.to_string()).collect::<String>();
    assert!(!told.contains(bypass) && !format!("{output:?}").contains(bypass), "it is a secret");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_that_tells_nothing_is_refused() {
    for (analysis, expected) in [
        ("      http: []\n", "analysis needs a metric"),
        ("      http: [{ path: / }, { path: / }]\n", "two metrics have one name"),
        (
            "      http: [{ name: a }]\n      prometheus: [{ name: a, query: up, operator: LessThan, threshold: 1 }]\n",
            "two metrics have one name",
        ),
        ("      http: [{ bodyMatches: '(' }]\n", "spec.release.analysis.http[0].bodyMatches"),
    ] {
        let mut world = World::with_reference_fork().await;
        judged(&mut world, analysis);
        let output = world.run(&["plan"]).await;
        assert_ne!(output.code, Some(0), "{analysis}");
        assert!(format!("{output:?}").contains(expected), "{expected}: {output:?}");
        assert_eq!(world.writes().await.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_builds_at_once_are_polled_as_one() {
    const BUILDS: usize = 10;
    let world = World::with(serde_json::json!({
        "limits": false, "autoDns": true,
        "latencies": { "requestMs": 0, "generateMs": 0, "forkMs": 0, "buildMs": 12_000, "promoteMs": 0, "dnsMs": 0, "certMs": 0 },
    }))
    .await;
    for n in 0..BUILDS {
        world.write(&format!("f{n}.yaml"), &fleet_fork(n));
    }
    let began = std::time::Instant::now();
    world.converge().await;
    let took = began.elapsed().as_secs();
    let calls = world.calls().await;
    let count = |operation: &str| calls.iter().filter(|call| call.operation == operation).count();
    assert_eq!(count("POST /v13/deployments"), BUILDS);
    let (lists, reads) = (count("GET /v7/deployments"), count("GET /v13/deployments/{idOrUrl}"));
    println!("{BUILDS} builds of 12 s: {lists} lists and {reads} reads in {took} s");
    assert_eq!(reads, BUILDS, "each is read once, when it has ended");
    assert!(lists >= 2 && lists <= usize::try_from(took / 5 + 1).unwrap_or_default(), "{lists} lists in {took} s");
}
