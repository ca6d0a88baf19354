//! Deployed sites behind [`Sites`], and what is measured of them elsewhere: plain GET requests.

use std::{error::Error as _, time::Duration};

use async_trait::async_trait;
use forkable_core::sites::{Request, Sites, To, Visit};
use http::{HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::transport;

/// The longest that a visit may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The part of a page that is read, in bytes.
const LARGEST: usize = 64 << 10;
/// The part of what an API answers that is read, in bytes: cut off, it says nothing.
const LARGEST_ANSWER: usize = 1 << 20;

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
        let http = transport::client().user_agent("forkable").timeout(PATIENCE).build()?;
        Ok(Self { http, stand_in })
    }

    fn address(&self, to: &To) -> String {
        match (to, &self.stand_in) {
            (To::Url(url), _) => url.clone(),
            (To::Site { host, path }, Some(stand_in)) => format!("{}/{host}{path}", stand_in.trim_end_matches('/')),
            (To::Site { host, path }, None) => format!("https://{host}{path}"),
        }
    }

    async fn visit(&self, request: &Request) -> reqwest::Result<Visit> {
        let mut get = self.http.get(self.address(&request.to));
        for (name, value) in &request.headers {
            let name = HeaderName::try_from(name.as_str());
            let Ok(mut value) = HeaderValue::try_from(value.expose()) else {
                // Its value is not told.
                let name = name.map_or_else(|_| String::new(), |name| name.to_string());
                return Ok(Visit::Nothing(format!("the value of the header {name} has characters that none may have")));
            };
            value.set_sensitive(true);
            if let Ok(name) = name {
                get = get.header(name, value);
            }
        }
        let began = Instant::now();
        let mut response = get.send().await?;
        let latency = began.elapsed();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let largest = match request.to {
            To::Site { .. } => LARGEST,
            To::Url(_) => LARGEST_ANSWER,
        };
        let mut body = Vec::new();
        while body.len() < largest
            && let Some(chunk) = response.chunk().await?
        {
            body.extend_from_slice(&chunk);
        }
        body.truncate(largest);
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Visit::Answer { status: response.status().as_u16(), latency, headers, body })
    }
}

#[async_trait]
impl Sites for Visitor {
    async fn get(&self, request: &Request) -> Visit {
        self.visit(request).await.unwrap_or_else(|error| {
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
