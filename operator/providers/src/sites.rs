//! Deployed sites behind [`Sites`]: plain GET requests, as visitors make them.

use std::{error::Error as _, time::Duration};

use async_trait::async_trait;
use forkable_core::sites::{Sites, Visit};
use tokio::time::Instant;

/// The longest that a visit may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The part of a page that is read, in bytes.
const LARGEST: usize = 64 << 10;

/// Visits sites over HTTPS, or at a stand-in.
pub struct Visitor {
    http: reqwest::Client,
    stand_in: Option<String>,
}

impl Visitor {
    /// With `stand_in`, `https://HOST/path` is visited at `stand_in/HOST/path`.
    ///
    /// # Errors
    /// The machine's root certificates cannot be read.
    pub fn new(stand_in: Option<String>) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent("forkable")
            .timeout(PATIENCE)
            .build()?;
        Ok(Self { http, stand_in })
    }

    fn address(&self, host: &str, path: &str) -> String {
        match &self.stand_in {
            Some(stand_in) => format!("{}/{host}{path}", stand_in.trim_end_matches('/')),
            None => format!("https://{host}{path}"),
        }
    }

    async fn visit(&self, host: &str, path: &str) -> reqwest::Result<Visit> {
        let began = Instant::now();
        let mut response = self.http.get(self.address(host, path)).send().await?;
        let latency = began.elapsed();
        let mut body = Vec::new();
        while body.len() < LARGEST
            && let Some(chunk) = response.chunk().await?
        {
            body.extend_from_slice(&chunk);
        }
        body.truncate(LARGEST);
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Visit::Answer { status: response.status().as_u16(), latency, body })
    }
}

#[async_trait]
impl Sites for Visitor {
    async fn get(&self, host: &str, path: &str) -> Visit {
        self.visit(host, path).await.unwrap_or_else(|error| {
            if error.is_timeout() {
                return Visit::Nothing(format!("it took longer than {PATIENCE:?}"));
            }
            let mut cause = error.source();
            while let Some(deeper) = cause.and_then(std::error::Error::source) {
                cause = Some(deeper);
            }
            Visit::Nothing(cause.map_or_else(|| "the connection broke".into(), ToString::to_string))
        })
    }
}
