//! The port to deployed sites, as a visitor sees them.

use std::time::Duration;

use async_trait::async_trait;

use crate::Secret;

/// Host name of the address of a deployed site.
pub fn host_of(url: &str) -> &str {
    url.trim_start_matches("https://").trim_end_matches('/')
}

/// Visits sites.
#[async_trait]
pub trait Sites: Send + Sync {
    /// One GET, without following redirects.
    async fn get(&self, request: &Request) -> Visit;
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub to: To,
    /// Names and values.
    pub headers: Vec<(String, Secret)>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// `https://host/path`.
    Site { host: String, path: String },
    /// A URL that is no deployed site.
    Url(String),
}

/// What a visitor got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visit {
    /// An answer, whatever it says.
    Answer {
        status: u16,
        latency: Duration,
        /// Names in lower case, and values.
        headers: Vec<(String, String)>,
        /// At most its first 64 KiB, of a URL that is no site its first MiB.
        body: String,
    },
    /// No answer; why.
    Nothing(String),
}
