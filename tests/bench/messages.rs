//! How long it takes from a probe that fails to the message about it, with two confirmations.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use forkable_tests::{World, eventually, reference_fork};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Probes of one Fork, each with a rule of its own.
const PROBES: usize = 20;
/// Of one process: what begins to fire more often flaps, and goes on firing for a while.
const ROUNDS: usize = 2;
const PROCESSES: usize = 3;
const PATIENCE: Duration = Duration::from_mins(2);
const GOAL: Duration = Duration::from_millis(3_500);

/// What is probed, and who is told.
#[derive(Clone, Default)]
struct Ends {
    is_down: Arc<AtomicBool>,
    /// When the first probe of each name failed in this round.
    failed: Arc<Mutex<HashMap<String, Instant>>>,
    /// When people were told of it, and when that it is over.
    told: Arc<Mutex<HashMap<String, Instant>>>,
    over: Arc<Mutex<HashMap<String, Instant>>>,
}

impl Ends {
    async fn serve(&self) -> String {
        let site = async |State(ends): State<Self>, Path(name): Path<String>| {
            if ends.is_down.load(Ordering::SeqCst) {
                ends.failed.lock().expect("nobody panics").entry(name).or_insert_with(Instant::now);
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            StatusCode::OK
        };
        let hook = async |State(ends): State<Self>, Json(message): Json<Value>| {
            let map = if message["status"] == "firing" { &ends.told } else { &ends.over };
            let rule = message["rule"].as_str().unwrap_or_default().to_owned();
            map.lock().expect("nobody panics").entry(rule).or_insert_with(Instant::now);
        };
        let app = Router::new().route("/site/{name}", get(site)).route("/hook", post(hook)).with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}")
    }

    async fn all(&self, what: &str, map: &Mutex<HashMap<String, Instant>>) {
        eventually(what, PATIENCE, || async { (map.lock().expect("nobody panics").len() == PROBES).then_some(()) })
            .await;
    }
}

/// Prints the time from the first probe that fails to the message.
pub(super) async fn told() {
    let mut took = Vec::new();
    for _ in 0..PROCESSES {
        took.extend(rounds().await);
    }
    took.sort();
    let [p50, p99] = [50, 99].map(|percent| took[took.len() * percent / 100]);
    println!("a probe fails → its message arrives, two confirmations a second apart, {} times", took.len());
    println!("  p50 {p50:.2?}, p99 {p99:.2?}   goal: p99 ≤ {GOAL:?}");
}

async fn rounds() -> Vec<Duration> {
    let ends = Ends::default();
    let url = ends.serve().await;
    let world = World::with_reference_fork().await;
    let probe = |n| format!("      - {{ name: p{n}, intervalSeconds: 5, http: {{ url: \"{url}/site/p{n}\" }} }}\n");
    let probes: String = (0..PROBES).map(probe).collect();
    world.write("acme.yaml", &format!("{}  monitoring:\n    probes:\n{probes}", reference_fork()));
    let rule = |n| {
        format!(
            "apiVersion: forkable.dev/v1alpha1\nkind: AlertRule\nmetadata: {{ name: p{n} }}\nspec:\n  \
             signal: {{ probe: {{ name: p{n}, metric: Up }} }}\n  condition: {{ operator: LessThan, threshold: 1 }}\n  \
             grouping: {{ waitSeconds: 0 }}\n  \
             notify: [{{ name: hook, webhook: {{ urlSecretRef: {{ name: people, key: url }} }} }}]\n---\n"
        )
    };
    world.write("rules.yaml", &(0..PROBES).map(rule).collect::<String>());
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "people" },
        "stringData": { "url": format!("{url}/hook") },
    });
    world.write("people.json", &secret.to_string());
    let running = world.up();
    for n in 0..PROBES {
        eventually("it is probed", PATIENCE, || async {
            (world.recorded("acme", &format!("p{n}")).await > 0).then_some(())
        })
        .await;
    }
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        ends.is_down.store(true, Ordering::SeqCst);
        ends.all("all are told of", &ends.told).await;
        ends.is_down.store(false, Ordering::SeqCst);
        ends.all("all are over", &ends.over).await;
        let (failed, told) = (std::mem::take(&mut *ends.failed.lock().expect("nobody panics")), ends.told.lock());
        took.extend(told.expect("nobody panics").drain().map(|(name, at)| at.duration_since(failed[&name])));
        ends.over.lock().expect("nobody panics").clear();
    }
    running.kill().await;
    took
}
