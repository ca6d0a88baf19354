//! Webhooks: verified, told apart from repeats, and turned into hints for the Forks they are about.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use forkable_core::store::{Kind, ObjectRef, Store};
use forkable_crds::Fork;
use hmac::{Hmac, Mac};
use serde_json::Value;

use super::Server;
use crate::observe::Hint;

/// Deliveries that are remembered.
const REMEMBERED: usize = 4096;

/// Ids of the latest deliveries, of both providers.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<(HashSet<String>, VecDeque<String>)>);

impl Seen {
    /// Whether this delivery is new; it is remembered from now on.
    fn is_new(&self, id: &str) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (ids, order) = &mut *seen;
        if !ids.insert(id.to_owned()) {
            return false;
        }
        order.push_back(id.to_owned());
        if order.len() > REMEMBERED
            && let Some(oldest) = order.pop_front()
        {
            ids.remove(&oldest);
        }
        true
    }
}

/// What is answered: the status, and why for people who look into the provider's delivery log.
type Answer = (StatusCode, &'static str);

const TAKEN: Answer = (StatusCode::ACCEPTED, "taken\n");
const REPEATED: Answer = (StatusCode::OK, "taken before\n");
const NO_SECRET: Answer = (StatusCode::NOT_FOUND, "webhooks are off: no FORKABLE_WEBHOOK_SECRET is set\n");
const UNSIGNED: Answer = (StatusCode::UNAUTHORIZED, "the signature is missing or wrong\n");
const NOT_JSON: Answer = (StatusCode::BAD_REQUEST, "the body is not JSON\n");

/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
pub(super) async fn github<S: Store>(State(server): State<Arc<Server<S>>>, headers: HeaderMap, body: Bytes) -> Answer {
    let Some(secret) = &server.secret else { return NO_SECRET };
    let signature = text(&headers, "x-hub-signature-256").and_then(|signature| signature.strip_prefix("sha256="));
    if !verified::<Hmac<sha2::Sha256>>(secret.expose(), &body, signature) {
        return UNSIGNED;
    }
    let delivery = text(&headers, "x-github-delivery").unwrap_or_default();
    if !server.seen.is_new(&format!("github/{delivery}")) {
        return REPEATED;
    }
    let Ok(payload) = serde_json::from_slice::<Value>(&body) else { return NOT_JSON };
    let event = text(&headers, "x-github-event").unwrap_or_default();
    if let Some(hint) = github_hint(event, &payload) {
        let forks = of_repository(&server, &payload["repository"]);
        tracing::debug!(event, forks = forks.len(), "webhook");
        hint_all(&server, forks, &hint);
    }
    TAKEN
}

fn github_hint(event: &str, payload: &Value) -> Option<Hint> {
    match event {
        "push" => {
            let branch = payload["ref"].as_str()?.strip_prefix("refs/heads/")?;
            let default = payload["repository"]["default_branch"].as_str() == Some(branch);
            default.then(|| Hint::Pushed(payload["after"].as_str().unwrap_or_default().to_owned()))
        }
        // Whoever made it knows, and the content comes later with a push.
        "repository" if payload["action"] == "created" => None,
        _ => payload.get("repository").map(|_| Hint::Repository),
    }
}

fn of_repository<S: Store>(server: &Server<S>, repository: &Value) -> Vec<ObjectRef> {
    let id = repository["id"].as_i64();
    let full_name = repository["full_name"].as_str().unwrap_or_default().to_ascii_lowercase();
    server.context.fleet.with_forks(|forks| {
        let is_of = |fork: &&Arc<Fork>| {
            let spec = &fork.spec.repository;
            match fork.status.as_ref().and_then(|status| status.repository.as_ref()) {
                Some(known) => Some(known.id) == id,
                None => format!("{}/{}", spec.owner, spec.name).to_ascii_lowercase() == full_name,
            }
        };
        forks.iter().filter(is_of).map(|fork| fork.reference()).collect()
    })
}

/// <https://vercel.com/docs/webhooks/webhooks-api#securing-webhooks>
pub(super) async fn vercel<S: Store>(State(server): State<Arc<Server<S>>>, headers: HeaderMap, body: Bytes) -> Answer {
    let Some(secret) = &server.secret else { return NO_SECRET };
    if !verified::<Hmac<sha1::Sha1>>(secret.expose(), &body, text(&headers, "x-vercel-signature")) {
        return UNSIGNED;
    }
    let Ok(event) = serde_json::from_slice::<Value>(&body) else { return NOT_JSON };
    if !server.seen.is_new(&format!("vercel/{}", event["id"].as_str().unwrap_or_default())) {
        return REPEATED;
    }
    let name = event["type"].as_str().unwrap_or_default();
    let payload = &event["payload"];
    let project = payload["project"]["id"].as_str().or(payload["projectId"].as_str()).unwrap_or_default();
    let forks = of_project(&server, project);
    tracing::debug!(event = name, forks = forks.len(), "webhook");
    match name {
        "deployment.promoted" | "deployment.rollback" => hint_all(&server, forks, &Hint::Project),
        _ if name.starts_with("deployment.") => {
            for fork in &forks {
                hint_builds(&server, fork, payload["deployment"]["id"].as_str());
            }
        }
        _ if name.starts_with("project.domain.") => hint_all(&server, forks, &Hint::Domains),
        _ if name.starts_with("project.") => hint_all(&server, forks, &Hint::Project),
        _ => {}
    }
    TAKEN
}

fn of_project<S: Store>(server: &Server<S>, project: &str) -> Vec<ObjectRef> {
    server.context.fleet.with_forks(|forks| {
        let is_of = |fork: &&Arc<Fork>| {
            let known = fork.status.as_ref().and_then(|status| status.project.as_ref());
            known.is_some_and(|known| known.id == project)
        };
        forks.iter().filter(is_of).map(|fork| fork.reference()).collect()
    })
}

fn hint_all<S: Store>(server: &Server<S>, forks: Vec<ObjectRef>, hint: &Hint) {
    let context = &server.context;
    for fork in forks {
        context.cache.hint(&fork, hint.clone(), context.clock.now());
        context.wake(fork);
    }
}

/// Releases that the deployment is of, or may be of because they do not know theirs yet.
fn hint_builds<S: Store>(server: &Server<S>, fork: &ObjectRef, deployment: Option<&str>) {
    for release in server.context.fleet.releases(fork) {
        let known = release.status.as_ref().and_then(|status| status.deployment_id.as_deref());
        if known.is_none() || known == deployment {
            server.context.builds.hint(&release.reference());
            server.context.wake(release.reference());
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether the hex signature is that of the raw body; compares in constant time.
fn verified<M: Mac + hmac::digest::KeyInit>(secret: &str, body: &[u8], signature: Option<&str>) -> bool {
    let Some(signature) = signature.and_then(|signature| hex::decode(signature).ok()) else { return false };
    let mut mac = <M as Mac>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(body);
    mac.verify_slice(&signature).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_right_signature_of_the_raw_body_is_taken() {
        // The example of GitHub's documentation.
        let secret = "It's a Secret to Everybody";
        let signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        assert!(verified::<Hmac<sha2::Sha256>>(secret, b"Hello, World!", Some(signature)));
        assert!(!verified::<Hmac<sha2::Sha256>>(secret, b"Hello, World?", Some(signature)));
        assert!(!verified::<Hmac<sha2::Sha256>>(secret, b"Hello, World!", Some(&signature[..62])));
        assert!(!verified::<Hmac<sha2::Sha256>>(secret, b"Hello, World!", None));
    }

    #[test]
    fn repeats_are_told_apart_within_bounds() {
        let seen = Seen::default();
        assert!(seen.is_new("first"));
        assert!(!seen.is_new("first"));
        for n in 0..REMEMBERED {
            assert!(seen.is_new(&n.to_string()));
        }
        assert!(seen.is_new("first"), "forgotten by now");
    }

    #[test]
    fn only_pushes_to_the_default_branch_are_hints() {
        let push = |branch: &str| {
            let payload = json!({ "ref": branch, "after": "abc", "repository": { "default_branch": "main" } });
            github_hint("push", &payload)
        };
        assert_eq!(push("refs/heads/main"), Some(Hint::Pushed("abc".into())));
        assert_eq!(push("refs/heads/other"), None);
        assert_eq!(push("refs/tags/main"), None);
        let created = json!({ "action": "created", "repository": {} });
        assert_eq!(github_hint("repository", &created), None);
        assert_eq!(github_hint("repository_ruleset", &json!({ "repository": {} })), Some(Hint::Repository));
        assert_eq!(github_hint("ping", &json!({})), None);
    }
}
