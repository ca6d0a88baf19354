//! Starting and stopping the sandbox, and which part of it a request goes to.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::task::JoinHandle;

use crate::connection::{Connection, CuttableListener};
use crate::sandbox::{Sandbox, World};
use crate::settings::Options;
use crate::{admin, github, middleware, pagerduty, sentry, sites, slack, statuspage, vercel, webhooks};

/// How often due things happen while nobody asks. Real time: a tick with nothing due costs a lock.
const TICK: Duration = Duration::from_millis(10);

/// A running sandbox; dropping it stops it.
pub struct Server {
    sandbox: Arc<Sandbox>,
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The origin, without a trailing slash.
    pub fn url(&self) -> String {
        self.sandbox.base.to_string()
    }

    /// What GitHub clients take as `baseUrl`; GraphQL is at `/graphql` below it.
    pub fn github_url(&self) -> String {
        format!("{}/github", self.sandbox.base)
    }

    /// What Vercel clients take as server URL.
    pub fn vercel_url(&self) -> String {
        format!("{}/vercel", self.sandbox.base)
    }

    /// The state, for callers in the same process.
    pub fn sandbox(&self) -> &Arc<Sandbox> {
        &self.sandbox
    }

    /// Writes the last snapshot and closes the port. Calls that are held or hang are dropped.
    pub async fn stop(mut self) {
        self.sandbox.shutdown.cancel();
        for task in std::mem::take(&mut self.tasks) {
            // A connection that a client keeps open must not keep the sandbox.
            let abort = task.abort_handle();
            if tokio::time::timeout(Duration::from_secs(1), task).await.is_err() {
                abort.abort();
            }
        }
        if let Err(error) = self.sandbox.persist() {
            tracing::error!(%error, "the last snapshot was not written");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.sandbox.shutdown.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts a sandbox. Errors: the port is taken, or the snapshot is there and cannot be read.
pub async fn start(options: Options) -> anyhow::Result<Server> {
    let mut world = match &options.snapshot {
        Some(path) if path.exists() => load(path)?,
        _ => World::seeded(options.settings.clone()),
    };
    world.settings = options.settings;
    let listener = tokio::net::TcpListener::bind(options.listen).await;
    let listener = listener.with_context(|| format!("listening on {}", options.listen))?;
    let address = listener.local_addr().context("the listening address")?;
    let (sandbox, queue) = Sandbox::new(world, options.snapshot, format!("http://{address}"));

    let shutdown = sandbox.shutdown.clone();
    let service = router(&sandbox).into_make_service_with_connect_info::<Connection>();
    let serve = axum::serve(CuttableListener(listener), service);
    let serve = serve.with_graceful_shutdown(async move { shutdown.cancelled().await });
    let tasks = vec![
        tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(%error, "the sandbox stopped serving");
            }
        }),
        tokio::spawn(tick(Arc::clone(&sandbox))),
        tokio::spawn(deliver_until(Arc::clone(&sandbox), queue, options.webhooks)),
    ];
    Ok(Server { sandbox, address, tasks })
}

fn load(path: &Path) -> anyhow::Result<World> {
    let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not a snapshot of this version", path.display()))
}

async fn deliver_until(
    sandbox: Arc<Sandbox>,
    queue: tokio::sync::mpsc::UnboundedReceiver<webhooks::Event>,
    target: Option<crate::WebhookTarget>,
) {
    let stopped = sandbox.shutdown.clone();
    stopped.run_until_cancelled(webhooks::deliver(queue, target)).await;
}

async fn tick(sandbox: Arc<Sandbox>) {
    let mut timer = tokio::time::interval(TICK);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    while sandbox.shutdown.run_until_cancelled(timer.tick()).await.is_some() {
        sandbox.tick();
    }
}

fn router(sandbox: &Arc<Sandbox>) -> Router {
    let providers = Router::new()
        .merge(github::root())
        .nest("/github", github::router())
        .nest("/vercel", vercel::router())
        .nest("/slack", slack::router())
        .nest("/pagerduty", pagerduty::router())
        .nest("/statuspage", statuspage::router())
        .nest("/sentry", sentry::router())
        .layer(from_fn_with_state(Arc::clone(sandbox), middleware::provider_call))
        .layer(from_fn_with_state(Arc::clone(sandbox), middleware::dated));
    let all = Router::new().nest("/_sandbox", admin::router()).merge(providers).with_state(Arc::clone(sandbox));
    // Around the whole router, because a site may own any path.
    Router::new().fallback_service(all).layer(from_fn_with_state(Arc::clone(sandbox), by_host))
}

/// Sends requests for deployed sites to them, and leaves the rest to the APIs.
async fn by_host(State(sandbox): State<Arc<Sandbox>>, request: Request, next: Next) -> Response {
    if let Some(rest) = request.uri().path().strip_prefix("/_sites/") {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, path) = (host.to_owned(), format!("/{path}"));
        return sites::serve(&sandbox, &host, &path, &request);
    }
    let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
    match host.and_then(site_host) {
        Some(host) => {
            let path = request.uri().path().to_owned();
            sites::serve(&sandbox, &host, &path, &request)
        }
        None => next.run(request).await,
    }
}

/// The site that a `Host` header names: none for loopback names; `x.localhost` is `x`.
fn site_host(header: &str) -> Option<String> {
    if header.parse::<SocketAddr>().is_ok() || header.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let name = header.rsplit_once(':').map_or(header, |(name, _)| name).to_ascii_lowercase();
    if name == "localhost" || name.parse::<std::net::IpAddr>().is_ok() || name.starts_with('[') {
        return None;
    }
    Some(name.strip_suffix(".localhost").unwrap_or(&name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::site_host;

    #[test]
    fn a_host_header_names_a_site_unless_it_is_loopback() {
        for loopback in ["127.0.0.1:80", "localhost:8080", "localhost", "[::1]:80", "127.0.0.1"] {
            assert_eq!(site_host(loopback), None, "{loopback}");
        }
        assert_eq!(site_host("Acme.example.com").as_deref(), Some("acme.example.com"));
        assert_eq!(site_host("acme.example.com.localhost:8080").as_deref(), Some("acme.example.com"));
    }
}
