//! The HTTP side of the process: health, metrics, webhooks, the web page. It changes nothing; webhooks are hints.
//!
//! Who may see what: health and status pages are open; webhooks are signed; the other pages are open on the loopback
//! address, and need the token elsewhere, and everywhere if there is one; `/metrics` is open on the loopback address, on an address
//! of its own, and where the host says that a network policy keeps strangers out, and needs the bearer token
//! elsewhere, and everywhere if there is one.

mod limit;
mod pages;
mod serve;
#[cfg(test)]
mod tests;
mod webhooks;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use forkable_core::{Secret, store::Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use limit::Limit;
pub use pages::Shell;
use webhooks::Seen;

/// The largest body that is read: GitHub and Vercel send at most this for what is subscribed to.
const LARGEST_BODY: usize = 1 << 20;
/// How long a request may take, its body included.
const REQUEST: Duration = Duration::from_secs(10);
/// Unless a page says otherwise, answers say nothing to a browser but text, and are kept nowhere.
const HEADERS: [(&str, &str); 5] = [
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// Who may see what.
#[derive(Clone, Debug)]
pub struct Access {
    /// Signs webhooks of both providers; without it none is taken.
    pub webhooks: Option<Secret>,
    /// Bearer token for metrics.
    pub metrics: Option<Secret>,
    /// Whether a network policy keeps strangers from the port, as in a cluster.
    pub is_guarded: bool,
    /// Token for the web page.
    pub web: Option<Secret>,
    /// Where a person enters the commands that the page tells.
    pub shell: Shell,
}

/// What is served on an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pages {
    /// Health, webhooks, the web page and metrics.
    All,
    /// Health, webhooks and the web page.
    NoMetrics,
    /// Health and metrics.
    Metrics,
}

/// What handlers look at.
pub struct Server<S> {
    context: Arc<Context<S>>,
    access: Access,
    seen: Seen,
    /// A large fleet that is pushed to at once is within it.
    webhooks: [Limit; 2],
    scrapes: Limit,
    pages: pages::Kept,
    /// Answers that go on for long end now.
    ending: CancellationToken,
}

impl<S: Store> Server<S> {
    pub fn new(context: Arc<Context<S>>, access: Access) -> Arc<Self> {
        let webhooks = [Limit::new(2000, 200), Limit::new(2000, 200)];
        let (seen, scrapes) = (Seen::default(), Limit::new(20, 5));
        let (pages, ending) = (pages::Kept::default(), CancellationToken::new());
        Arc::new(Self { context, access, seen, webhooks, scrapes, pages, ending })
    }

    /// Serves until `shutdown`, metrics on a listener of their own if there is one. Errors: the listener has no address.
    pub async fn run(
        self: Arc<Self>,
        listener: TcpListener,
        metrics: Option<TcpListener>,
        shutdown: CancellationToken,
    ) -> std::io::Result<()> {
        let is_loopback = listener.local_addr()?.ip().is_loopback();
        let (ending, ended) = (self.ending.clone(), shutdown.clone());
        let end = async move {
            ended.cancelled().await;
            ending.cancel();
        };
        let pages = if metrics.is_some() { Pages::NoMetrics } else { Pages::All };
        let main = serve::serve(listener, self.clone().router(pages, is_loopback), shutdown.clone());
        let own = async {
            if let Some(listener) = metrics {
                serve::serve(listener, self.router(Pages::Metrics, true), shutdown).await;
            }
        };
        tokio::join!(main, own, end);
        Ok(())
    }

    fn router(self: Arc<Self>, pages: Pages, is_trusted: bool) -> Router {
        let mut router = Router::new().route("/livez", get(|| async { "ok\n" })).route("/readyz", get(readyz::<S>));
        if pages != Pages::Metrics {
            router = router
                .route("/webhooks/github", post(webhooks::github::<S>))
                .route("/webhooks/vercel", post(webhooks::vercel::<S>))
                .merge(pages::router(&self, is_trusted));
        }
        if pages != Pages::NoMetrics {
            let is_open = is_trusted || self.access.is_guarded;
            let handler = move |State(server): State<Arc<Self>>, headers: HeaderMap| async move {
                metrics(&server, &headers, is_open)
            };
            router = router.route("/metrics", get(handler));
        }
        router
            .fallback(|| async { (StatusCode::NOT_FOUND, "no such page\n") })
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .layer(middleware::from_fn(within_time))
            .layer(middleware::map_response(with_headers))
            .with_state(self)
    }
}

async fn within_time(request: Request, next: Next) -> Response {
    let late = |_| (StatusCode::REQUEST_TIMEOUT, "the request took too long\n").into_response();
    tokio::time::timeout(REQUEST, next.run(request)).await.unwrap_or_else(late)
}

async fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

async fn readyz<S: Store>(State(server): State<Arc<Server<S>>>) -> impl IntoResponse {
    if server.context.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not all objects are read yet\n")
    }
}

fn metrics<S: Store>(server: &Server<S>, headers: &HeaderMap, is_open: bool) -> Response {
    const LOCKED: &str = "metrics need the bearer token in FORKABLE_METRICS_TOKEN; \
                          --metrics-listen gives them an address of their own\n";
    let may = server.access.metrics.as_ref().map_or(is_open, |token| has_token(headers, token));
    if !may {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], LOCKED).into_response();
    }
    if !server.scrapes.admits(Instant::now()) {
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], "too many scrapes\n").into_response();
    }
    let text = server.context.metrics.text(&server.context.fleet, &server.context.brake, &server.context.monitor);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// Compares in constant time.
fn has_token(headers: &HeaderMap, token: &Secret) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    let same = |given| aws_lc_rs::constant_time::verify_slices_are_equal(given, token.expose().as_bytes()).is_ok();
    given.is_some_and(same)
}
