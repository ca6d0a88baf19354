//! A proxy before the apiserver: it logs what is asked through it and holds, cuts or answers calls, so that a process
//! can be killed on both sides of every write. Plain HTTP on the loopback address; the token goes through.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// One call that came through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiCall {
    /// Verb and resource as RBAC names them: `patch forks/status`.
    pub operation: String,
    pub path: String,
    pub write: bool,
    /// `None` while there is no answer.
    pub status: Option<u16>,
}

/// Before the apiserver gets the call, or after it carried it out and before the answer arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// What happens to the call that is hit.
#[derive(Clone, Debug)]
pub enum Effect {
    /// It waits until the fault is gone.
    Hold(Side),
    /// The connection is closed without an answer.
    Cut(Side),
    /// It is answered so, and the apiserver never sees it. A watch is told so as apiservers do: by its first event.
    Answer(u16),
}

/// The call that is hit once: the n-th from now on (from 1), of an operation if one is named, else of all writes.
struct Fault {
    operation: Option<String>,
    left: usize,
    effect: Effect,
    hit: bool,
}

#[derive(Default)]
struct State {
    calls: Vec<ApiCall>,
    /// So many of them are forgotten.
    forgotten: usize,
    fault: Option<Fault>,
    held: usize,
}

struct Shared {
    target: String,
    client: reqwest::Client,
    state: Mutex<State>,
    /// Increased when what is held may go on.
    released: watch::Sender<usize>,
    /// Increased when every connection ends.
    cut: watch::Sender<usize>,
}

/// The proxy; gone when dropped.
pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, reqwest::Error>>>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("cut")]
struct Cut;

impl Proxy {
    pub(super) async fn start(target: String, client: reqwest::Client) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (released, cut) = (watch::Sender::new(0), watch::Sender::new(0));
        let shared = Arc::new(Shared { target, client, state: Mutex::default(), released, cut });
        let task = tokio::spawn(serve(listener, shared.clone()));
        Self { url, shared, task }
    }

    /// A kubeconfig that leads through it.
    pub fn kubeconfig_for(&self, token: &str, namespace: &str) -> String {
        super::kubeconfig(&json!({ "server": self.url }), token, namespace)
    }

    /// Every call since the log was last cleared.
    pub fn calls(&self) -> Vec<ApiCall> {
        let state = self.shared.state();
        state.calls[state.forgotten..].to_vec()
    }

    pub fn forget_calls(&self) {
        let mut state = self.shared.state();
        state.forgotten = state.calls.len();
    }

    /// The n-th fitting call from now on (from 1) is hit: of an operation if one is named, else of all writes.
    pub fn fault(&self, operation: Option<&str>, nth: usize, effect: Effect) {
        let operation = operation.map(str::to_owned);
        self.shared.state().fault = Some(Fault { operation, left: nth, effect, hit: false });
    }

    /// Whether the fault has met its call.
    pub fn was_hit(&self) -> bool {
        self.shared.state().fault.as_ref().is_some_and(|fault| fault.hit)
    }

    /// Calls that are held right now.
    pub fn held(&self) -> usize {
        self.shared.state().held
    }

    /// Ends every connection that there is, and with it every watch.
    pub fn cut_all(&self) {
        self.shared.cut.send_modify(|count| *count += 1);
    }

    /// No fault any more; what is held goes on.
    pub fn release(&self) {
        self.shared.state().fault = None;
        self.shared.released.send_modify(|count| *count += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds it")
    }

    /// Waits while the fault lasts. A caller that goes away ends the wait.
    async fn hold(&self) {
        struct Held<'a>(&'a Shared);
        impl Drop for Held<'_> {
            fn drop(&mut self) {
                self.0.state().held -= 1;
            }
        }
        let mut released = self.released.subscribe();
        self.state().held += 1;
        let _held = Held(self);
        // The sender lives as long as `self`.
        let _ = released.changed().await;
    }

    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let operation = operation(&parts.method, &path);
        let write = parts.method != Method::GET;
        let (index, effect) = {
            let mut state = self.state();
            state.calls.push(ApiCall { operation: operation.clone(), path: path.clone(), write, status: None });
            (state.calls.len() - 1, state.effect_on(&operation, write))
        };
        let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        match effect {
            Some(Effect::Hold(Side::Before)) => self.hold().await,
            Some(Effect::Cut(Side::Before)) => return Err(Cut),
            Some(Effect::Answer(code)) => {
                let is_watch = operation.starts_with("watch ");
                self.state().calls[index].status = Some(code);
                return Ok(failure(code, is_watch));
            }
            _ => {}
        }
        let mut forwarded = self.client.request(parts.method, format!("{}{path}", self.target)).body(body);
        for (name, value) in parts.headers.iter().filter(|(name, _)| *name != http::header::HOST) {
            forwarded = forwarded.header(name, value);
        }
        let answer = forwarded.send().await.map_err(|_| Cut)?;
        self.state().calls[index].status = Some(answer.status().as_u16());
        match effect {
            Some(Effect::Hold(Side::After)) => self.hold().await,
            Some(Effect::Cut(Side::After)) => return Err(Cut),
            _ => {}
        }
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers().iter().filter(|(name, _)| *name != http::header::TRANSFER_ENCODING) {
            response = response.header(name, value);
        }
        let chunks = futures::stream::try_unfold(answer, |mut answer| async {
            Ok(answer.chunk().await?.map(|chunk| (Frame::data(chunk), answer)))
        });
        Ok(response.body(StreamBody::new(chunks.boxed())).expect("what was answered is an answer"))
    }
}

impl State {
    fn effect_on(&mut self, operation: &str, write: bool) -> Option<Effect> {
        let fault = self.fault.as_mut()?;
        let fits = fault.operation.as_ref().map_or(write, |wanted| wanted == operation);
        if fault.hit || !fits {
            return None;
        }
        fault.left = fault.left.saturating_sub(1);
        if fault.left > 0 {
            return None;
        }
        fault.hit = true;
        Some(fault.effect.clone())
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with the task, and with it every connection.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(|request| shared.handle(request));
            let mut cut = shared.cut.subscribe();
            tokio::select! {
                // A connection that is cut ends in an error, as it should.
                _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service) => {}
                _ = cut.changed() => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

fn failure(code: u16, is_watch: bool) -> Response<Body> {
    let status =
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "injected", "code": code });
    let (code, body) = match is_watch {
        true => (200, json!({ "type": "ERROR", "object": status })),
        false => (code, status),
    };
    let body = futures::stream::once(async move { Ok::<_, Infallible>(Frame::data(Bytes::from(body.to_string()))) });
    let body = body.map_err(|never| match never {}).boxed();
    let response = Response::builder().status(code).header(http::header::CONTENT_TYPE, "application/json");
    response.body(StreamBody::new(body)).expect("a status that exists")
}

/// Verb and resource of a call: `/apis/GROUP/VERSION[/namespaces/NS]/RESOURCE[/NAME[/SUBRESOURCE]]`.
fn operation(method: &Method, path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    parts.drain(..parts.len().min(if path.starts_with("/api/") { 2 } else { 3 }));
    if parts.len() > 2 && parts[0] == "namespaces" {
        parts.drain(..2);
    }
    let verb = match *method {
        Method::GET if query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1") => "watch",
        Method::GET if parts.len() < 2 => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    };
    let resource = parts.first().unwrap_or(&"");
    parts.get(2).map_or_else(|| format!("{verb} {resource}"), |sub| format!("{verb} {resource}/{sub}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_named_as_rbac_names_them() {
        for (method, path, named) in [
            (Method::GET, "/api/v1/secrets?limit=500", "list secrets"),
            (Method::GET, "/apis/forkable.dev/v1alpha1/forks?watch=true&x=1", "watch forks"),
            (Method::GET, "/apis/forkable.dev/v1alpha1/namespaces/a/forks/b", "get forks"),
            (Method::PATCH, "/apis/forkable.dev/v1alpha1/namespaces/a/forks/b/status?force=true", "patch forks/status"),
            (Method::POST, "/api/v1/namespaces/a/secrets", "create secrets"),
            (Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", "update leases"),
            (Method::DELETE, "/api/v1/namespaces/a", "delete namespaces"),
        ] {
            assert_eq!(operation(&method, path), named);
        }
    }
}
