//! What the tests that drive the real binary share: a sandbox, a folder of manifests, the process, and its calls.

mod cluster;
pub mod examples;
mod inventory;
pub mod people;
mod probes;
mod process;
pub mod releases;
mod world;

pub use cluster::{
    ApiCall, Audited, CRDS, Cluster, Effect, Namespace, Proxy, Side, condition, is_ready, is_write, made, tool,
};
pub use process::{Output, Running, binary};
pub use world::{Call, Counts, Stored, World, fleet_fork, reference_fork, reference_secret, updated_fork};

/// Must run before anything that speaks TLS; calling it twice is fine.
pub fn install_crypto() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// Waits for a condition with a deadline, and says what it waited for when it never came.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    within: std::time::Duration,
    mut look: impl FnMut() -> F,
) -> T {
    let deadline = tokio::time::Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "waited {within:?} in vain for: {what}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Waits until it is so; answers whether it came in time.
pub async fn within(patience: std::time::Duration, look: impl AsyncFn() -> bool) -> bool {
    let looks = async {
        while !look().await {
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
    };
    tokio::time::timeout(patience, looks).await.is_ok()
}
