//! The port to deployed sites, as a visitor sees them.

use std::time::Duration;

use async_trait::async_trait;

/// Visits sites.
#[async_trait]
pub trait Sites: Send + Sync {
    /// One GET of `https://host/path`, without following redirects.
    async fn get(&self, host: &str, path: &str) -> Visit;
}

/// What a visitor got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visit {
    /// An answer, whatever it says.
    Answer {
        status: u16,
        latency: Duration,
        /// At most its first 64 KiB.
        body: String,
    },
    /// No answer; why.
    Nothing(String),
}
