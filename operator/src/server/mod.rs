//! The HTTP side of the process: health, metrics, webhooks. It changes nothing; webhooks are hints.

mod webhooks;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use forkable_core::{Secret, store::Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use webhooks::Seen;

/// The largest body that is read: GitHub and Vercel send at most this for what is subscribed to.
const LARGEST_BODY: usize = 1 << 20;

/// What handlers look at.
pub struct Server<S> {
    context: Arc<Context<S>>,
    /// Signs webhooks of both providers; without it none is taken.
    secret: Option<Secret>,
    seen: Seen,
}

impl<S: Store> Server<S> {
    pub fn new(context: Arc<Context<S>>, secret: Option<Secret>) -> Arc<Self> {
        Arc::new(Self { context, secret, seen: Seen::default() })
    }

    /// Serves until `shutdown`.
    pub async fn run(self: Arc<Self>, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
        let service = router(self).into_make_service_with_connect_info::<SocketAddr>();
        axum::serve(listener, service).with_graceful_shutdown(shutdown.cancelled_owned()).await
    }
}

fn router<S: Store>(server: Arc<Server<S>>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz::<S>))
        .route("/metrics", get(metrics::<S>))
        .route("/webhooks/github", post(webhooks::github::<S>))
        .route("/webhooks/vercel", post(webhooks::vercel::<S>))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(server)
}

async fn readyz<S: Store>(State(server): State<Arc<Server<S>>>) -> impl IntoResponse {
    if server.context.is_ready() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not all objects are read yet\n")
    }
}

async fn metrics<S: Store>(State(server): State<Arc<Server<S>>>) -> impl IntoResponse {
    let text = server.context.metrics.text(&server.context.fleet, &server.context.brake);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
