//! How fast webhooks are answered while the process is at work.

use std::time::{Duration, Instant};

use forkable_tests::{Running, reference_fork, reference_secret};
use hmac::{Hmac, Mac as _};

use super::{SECRET, world_with_webhooks};

const DELIVERIES: usize = 1_000;
/// How long a webhook's answer may take.
const GOAL: Duration = Duration::from_millis(20);

/// Prints percentiles of the time from a delivery to its answer, connection included.
pub(super) async fn answers() {
    let (world, port) = world_with_webhooks().await;
    world.write("secret.yaml", &reference_secret());
    world.write("acme.yaml", &reference_fork());
    let running: Running = world.up();
    running.says("ready in", Duration::from_mins(1)).await;
    let body = serde_json::json!({
        "ref": "refs/heads/main",
        "after": "0123456789abcdef0123456789abcdef01234567",
        "repository": { "id": 1, "full_name": "acme-inc/acme", "default_branch": "main" },
        "commits": vec![serde_json::json!({ "message": "x".repeat(500), "added": ["a", "b"] }); 20],
    })
    .to_string();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let client = reqwest::Client::new();
    let mut took = Vec::with_capacity(DELIVERIES);
    for _ in 0..DELIVERIES {
        let request = client
            .post(format!("http://127.0.0.1:{port}/webhooks/github"))
            .header("content-type", "application/json")
            .header("x-github-event", "push")
            .header("x-github-delivery", uuid::Uuid::new_v4().to_string())
            .header("x-hub-signature-256", &signature)
            .body(body.clone());
        let began = Instant::now();
        let answer = request.send().await.expect("an answer");
        took.push(began.elapsed());
        assert_eq!(answer.status(), 202, "every delivery is taken");
    }
    running.kill().await;
    took.sort();
    let (median, p99, last) = (took[DELIVERIES / 2], took[DELIVERIES * 99 / 100], took[DELIVERIES - 1]);
    println!("webhook → answer, {DELIVERIES} signed pushes of {} KiB one after the other", body.len() / 1024);
    println!("  p50 {median:.1?}   p99 {p99:.1?}   max {last:.1?}   goal: p99 ≤ {GOAL:?}");
}
