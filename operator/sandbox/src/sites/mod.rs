//! The deployed sites, by host.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

use crate::sandbox::Sandbox;

/// Answers a request for `host`; `path` is the path on that host.
pub(crate) async fn serve(_sandbox: &Arc<Sandbox>, _host: &str, _path: &str, _request: Request) -> Response {
    (StatusCode::NOT_FOUND, "DEPLOYMENT_NOT_FOUND").into_response()
}
