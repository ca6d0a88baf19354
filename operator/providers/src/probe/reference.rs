//! What always answers, and tells a product that is down from a prober that is cut off.

use std::time::{Duration, Instant};

use futures::future::select_ok;
use tokio::{net::TcpStream, sync::Mutex};
use url::Url;

/// The longest that a reference may take to take a connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long an answer is good for, so that many failures at once ask once.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// References, and what was found last.
pub(super) struct References {
    addresses: Vec<(String, u16)>,
    last: Mutex<Option<(Instant, bool)>>,
}

impl References {
    pub(super) fn parse(texts: &[String]) -> Result<Self, String> {
        let addresses = texts.iter().map(|text| address(text)).collect::<Result<_, _>>()?;
        Ok(Self { addresses, last: Mutex::default() })
    }

    /// Whether none of them takes a connection. Never, if there is none.
    pub(super) async fn are_out_of_reach(&self) -> bool {
        if self.addresses.is_empty() {
            return false;
        }
        let mut last = self.last.lock().await;
        if let Some((at, found)) = *last
            && at.elapsed() < GOOD_FOR
        {
            return found;
        }
        let connects = self.addresses.iter().map(|(host, port)| Box::pin(TcpStream::connect((host.as_str(), *port))));
        let connected = tokio::time::timeout(PATIENCE, select_ok(connects)).await;
        let found = !matches!(connected, Ok(Ok(_)));
        *last = Some((Instant::now(), found));
        found
    }
}

fn address(text: &str) -> Result<(String, u16), String> {
    let url = if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("tcp://{text}")) };
    let parsed = url.ok().and_then(|url| {
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some((host, url.port_or_known_default()?))
    });
    parsed.ok_or_else(|| format!("{text:?} is no address: write HOST:PORT or a URL"))
}
