//! Somebody who is told of alerts by webhook.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The channel of a rule by which a receiver is told.
pub const HOOK: &str = "{ name: hook, webhook: { urlSecretRef: { name: people, key: url } } }";
/// A part of the address of a receiver that nobody may read.
pub const HUSH: &str = "T0PSECRET";

#[derive(Clone, Default)]
struct Inbox {
    refuses: Arc<AtomicBool>,
    got: Arc<Mutex<Vec<Value>>>,
}

/// Takes what is sent to it, or refuses it for good.
pub struct Receiver {
    url: String,
    inbox: Inbox,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/{HUSH}", listener.local_addr().expect("an address"));
        let inbox = Inbox::default();
        let take = async |State(inbox): State<Inbox>, Json(document): Json<Value>| {
            if inbox.refuses.load(Ordering::SeqCst) {
                return (StatusCode::UNPROCESSABLE_ENTITY, "no such team");
            }
            inbox.got.lock().expect("no test panics here").push(document);
            (StatusCode::OK, "ok")
        };
        let app = Router::new().route(&format!("/{HUSH}"), post(take)).with_state(inbox.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, inbox }
    }

    /// The Secret that [`HOOK`] refers to.
    pub fn secret(&self) -> String {
        let metadata = json!({ "name": "people" });
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": { "url": self.url } })
            .to_string()
    }

    pub fn refuse(&self, refuses: bool) {
        self.inbox.refuses.store(refuses, Ordering::SeqCst);
    }

    /// What it was told, oldest first.
    pub fn got(&self) -> Vec<Value> {
        self.inbox.got.lock().expect("no test panics here").clone()
    }
}
