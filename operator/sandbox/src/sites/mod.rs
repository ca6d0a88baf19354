//! The deployed sites, by host: which deployment a visitor gets, or why none.

mod page;

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::response::{Html, IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::vercel::{self, Deployment, Project, ReadyState, State};

/// What a visitor of a host gets.
enum Visit<'a> {
    /// Another domain of the project.
    Redirect { to: &'a str, status: u16 },
    /// A deployment, whatever its state.
    Deployment { deployment: &'a Deployment, project: &'a Project },
    /// Nobody has this host, or it serves nothing yet.
    Nothing,
}

/// Answers a request for `host`; `path` is the path on that host.
pub(crate) fn serve(sandbox: &Arc<Sandbox>, host: &str, path: &str, request: &Request) -> Response {
    let headers = request.headers();
    let bucket = bucket(headers);
    let mut ran = None;
    let answer = sandbox.write(|world, now| match visit(&mut world.vercel, host, bucket) {
        Visit::Redirect { to, status } => redirect(&location(request, to, path), status),
        Visit::Nothing => {
            let text = "This deployment cannot be found.";
            page::refusal(StatusCode::NOT_FOUND, "DEPLOYMENT_NOT_FOUND", text)
        }
        Visit::Deployment { deployment, project } => {
            if let Some(refusal) = refuse(project, deployment, host, headers) {
                return refusal;
            }
            ran = Some((deployment.id.clone(), now));
            let commit = deployment.git.as_ref().map(|git| git.sha.as_str()).unwrap_or_default();
            match world.degraded.get(commit) {
                Some(degraded) if !degraded.live_only || host != deployment.url => {
                    let status = StatusCode::from_u16(degraded.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    page::refusal(status, "FUNCTION_INVOCATION_FAILED", "This deployment does not work.")
                }
                _ => answer(project, deployment, host, path),
            }
        }
    });
    if let Some((deployment, at)) = ran {
        let (method, status) = (request.method().to_string(), answer.status().as_u16());
        let visit = vercel::Visit { deployment, host: host.into(), method, path: path.into(), status, at };
        // It matters only to those who follow.
        let _ = sandbox.visits.send(Arc::new(visit));
    }
    answer
}

/// Who serves `host`: a redirect, the deployment an alias points to, or the deployment whose own URL it is.
fn visit<'a>(state: &'a mut State, host: &str, bucket: Option<u64>) -> Visit<'a> {
    let bucket = bucket.unwrap_or_else(|| state.next_bucket());
    let state: &'a State = state;
    let domain = state.domain_by_host(host).map(|(_, domain)| domain);
    if let Some((to, status)) = domain.and_then(|domain| Some((domain.redirect.as_deref()?, domain.redirect_status?))) {
        return Visit::Redirect { to, status };
    }
    let alias = state.aliases.get(host).or_else(|| state.aliases.get(domain?.name.as_str()));
    let id = alias.map(|alias| &alias.deployment).or_else(|| state.hosts.get(host));
    let id = state.canary(host, bucket).or(id);
    let Some(deployment) = id.and_then(|id| state.deployments.get(id)) else { return Visit::Nothing };
    match state.projects.get(&deployment.project) {
        Some(project) => Visit::Deployment { deployment, project },
        None => Visit::Nothing,
    }
}

/// The visitor's bucket, which a cookie keeps: which of two deployments a rolling release shows.
fn bucket(headers: &HeaderMap) -> Option<u64> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut all = cookies.flat_map(|cookies| cookies.split(';'));
    all.find_map(|cookie| cookie.trim().strip_prefix("_vcrr_sandbox=")?.parse().ok())
}

/// Why this visitor does not get the page: not built, paused, or protected.
fn refuse(project: &Project, deployment: &Deployment, host: &str, headers: &HeaderMap) -> Option<Response> {
    let refuse = |status, code: &str, text: &str| Some(page::refusal(status, code, text));
    match deployment.state {
        ReadyState::Ready => {}
        ReadyState::Error | ReadyState::Canceled => {
            return refuse(StatusCode::NOT_FOUND, "DEPLOYMENT_FAILED", "This deployment was not built.");
        }
        ReadyState::Queued | ReadyState::Initializing | ReadyState::Building => {
            let text = "This deployment is being built.";
            return refuse(StatusCode::NOT_FOUND, "DEPLOYMENT_NOT_READY_REDIRECTING", text);
        }
    }
    if project.paused && deployment.production {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "DEPLOYMENT_PAUSED", "This project is paused.");
    }
    if project.attack_mode.is_some() {
        let mut challenge = page::refusal(StatusCode::FORBIDDEN, "CHALLENGE", "Vercel Security Checkpoint");
        challenge.headers_mut().insert("x-vercel-mitigated", HeaderValue::from_static("challenge"));
        return Some(challenge);
    }
    let bypass = headers.get("x-vercel-protection-bypass").and_then(|secret| secret.to_str().ok());
    let bypassed = bypass.is_some_and(|secret| project.bypass.contains_key(secret));
    if is_protected(project, deployment, host) && !bypassed {
        let text = "This deployment is protected: log in to Vercel, or send the protection bypass secret.";
        return refuse(StatusCode::UNAUTHORIZED, "AUTHENTICATION_REQUIRED", text);
    }
    None
}

/// <https://vercel.com/docs/deployment-protection>: what of a project asks visitors for a login or a password.
fn is_protected(project: &Project, deployment: &Deployment, host: &str) -> bool {
    let own_url = host == deployment.url;
    let live_domain = deployment.production && project.domains.iter().any(|domain| domain.name == host);
    let covers = |name: &str| {
        let scope = project.settings.get(name).map_or(&Value::Null, |setting| &setting["deploymentType"]);
        match scope.as_str() {
            Some("all") => true,
            Some("preview") => !deployment.production,
            Some("prod_deployment_urls_and_all_previews") => !deployment.production || own_url,
            Some("all_except_custom_domains") => !live_domain,
            _ => false,
        }
    };
    covers("ssoProtection") || covers("passwordProtection")
}

fn answer(project: &Project, deployment: &Deployment, host: &str, path: &str) -> Response {
    if path == "/healthz" {
        let commit = deployment.git.as_ref().map(|git| git.sha.as_str());
        let health = json!({ "status": "ok", "project": project.name, "deployment": deployment.id, "commit": commit });
        return Json(health).into_response();
    }
    let mut answer = Html(page::site(project, deployment, host)).into_response();
    let served = HeaderValue::from_str(&deployment.id).ok();
    answer.headers_mut().insert("server", HeaderValue::from_static("Vercel"));
    if let Some(id) = served {
        answer.headers_mut().insert("x-vercel-id", id);
    }
    answer
}

/// Where `to` is for this visitor: by `.localhost` or by path when the visitor came that way, else on the internet.
fn location(request: &Request, to: &str, path: &str) -> String {
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    if request.uri().path().starts_with("/_sites/") {
        return format!("/_sites/{to}{path}{query}");
    }
    let came_to = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match came_to.split_once(".localhost") {
        Some((_, port)) => format!("http://{to}.localhost{port}{path}{query}"),
        None => format!("https://{to}{path}{query}"),
    }
}

fn redirect(to: &str, status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::PERMANENT_REDIRECT);
    match HeaderValue::from_str(to) {
        Ok(location) => (status, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}
