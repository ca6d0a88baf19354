//! What every provider call passes: the log, faults, the provider's gate, the handler, and the way out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use http::header::DATE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::SignedDuration;
use jiff::fmt::rfc2822;

use crate::connection::Connection;
use crate::faults::{Effect, Limit, Phase};
use crate::requests::{Call, Provider, logged_body};
use crate::sandbox::Sandbox;
use crate::tokens::Actor;
use crate::{github, vercel};

/// The largest body that is read: more than any of the providers takes in one call.
const MAX_BODY: usize = 64 << 20;

/// Where each provider is.
const PREFIXES: [(&str, Provider); 6] = [
    ("/github", Provider::Github),
    ("/vercel", Provider::Vercel),
    ("/slack", Provider::Slack),
    ("/pagerduty", Provider::Pagerduty),
    ("/statuspage", Provider::Statuspage),
    ("/sentry", Provider::Sentry),
];

/// What a provider's gate lets in: who calls, and the headers that its answer carries.
pub(crate) struct Admitted {
    pub(crate) actor: Actor,
    pub(crate) headers: HeaderMap,
}

/// Put on an answer of a handler that answered 200 and yet made no change, as GraphQL does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotCommitted;

/// Put on an answer that goes on after its head: it is passed on as it comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GoesOn;

/// Says what the clock is, as every server on the way does.
pub(crate) async fn dated(State(sandbox): State<Arc<Sandbox>>, request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let now = sandbox.read(|_, now| now);
    let date = rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now);
    if let Some(date) = date.ok().and_then(|date| HeaderValue::from_str(&date).ok()) {
        answer.headers_mut().insert(DATE, date);
    }
    answer
}

pub(crate) async fn provider_call(
    State(sandbox): State<Arc<Sandbox>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
    next: Next,
) -> Response {
    let Ok((call, request)) = arrive(&sandbox, request).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let fault = sandbox.note(|world, _| {
        let fault = world.faults.hit(&call);
        world.requests.update(call.seq, |entry| entry.fault = fault.as_ref().map(|(id, _)| *id));
        fault
    });
    let (fault_id, effect) = fault.map_or((0, None), |(id, effect)| (id, Some(effect)));

    let answered = |answer: &Response| {
        let status = answer.status().as_u16();
        sandbox.note(|world, _| world.requests.update(call.seq, |entry| entry.status = Some(status)));
    };
    if let Some(answer) = before(&sandbox, &connection, fault_id, effect.as_ref(), &call).await {
        answered(&answer);
        return answer;
    }
    // Held until the answer is out, as GitHub counts.
    let slot = (call.provider == Provider::Github).then(|| sandbox.slots.try_acquire());
    let crowded = slot.as_ref().is_some_and(Result::is_err) && sandbox.read(|world, _| world.settings.limits);
    let answer =
        if crowded { github::secondary_limit_answer(Some(60)) } else { handle(&sandbox, &call, request, next).await };
    if answer.extensions().get::<GoesOn>().is_some() {
        answered(&answer);
        return after(&sandbox, &connection, fault_id, effect.as_ref(), answer, Bytes::new()).await;
    }
    let (mut parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(Body::new(body), usize::MAX).await.unwrap_or_default();
    let committed = call.write && parts.status.as_u16() < 400 && parts.extensions.remove::<NotCommitted>().is_none();
    if committed && let Err(error) = sandbox.persist() {
        tracing::error!(%error, "the snapshot was not written");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let latency = sandbox.note(|world, _| {
        let keep = world.settings.record_responses;
        world.requests.update(call.seq, |entry| {
            entry.status = Some(parts.status.as_u16());
            entry.committed = committed;
            entry.response = keep.then(|| logged_body(&body));
        });
        let latency = i64::try_from(world.settings.latencies.request_ms).unwrap_or(i64::MAX);
        world.clock.real(SignedDuration::from_millis(latency))
    });
    let answer = Response::from_parts(parts, Body::from(body.clone()));
    let answer = after(&sandbox, &connection, fault_id, effect.as_ref(), answer, body).await;
    wait(&sandbox, latency).await;
    drop(slot);
    answer
}

/// Reads the call whole, names it, and gives it its number.
async fn arrive(sandbox: &Arc<Sandbox>, request: Request) -> Result<(Arc<Call>, Request), axum::Error> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY).await?;
    let full = parts.uri.path();
    let of = |(prefix, provider)| full.strip_prefix(prefix).map(|path| (provider, path));
    let (provider, path) = PREFIXES.into_iter().find_map(of).unwrap_or((Provider::Github, full));
    let template = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    let template = template.and_then(|full| PREFIXES.iter().find_map(|(prefix, _)| full.strip_prefix(prefix)));
    let template = template.unwrap_or(path).replace("{*", "{");
    let (operation, write) = match provider {
        Provider::Github if template == "/graphql" => github::graphql_operation(&body),
        _ => (format!("{} {template}", parts.method), !parts.method.is_safe()),
    };
    // Numbered and logged under one lock, so that the log is in the order of its numbers.
    let call = sandbox.note(|world, now| {
        let call = Call {
            seq: world.requests.next_seq(),
            provider,
            method: parts.method.clone(),
            path: path.to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            operation,
            write,
            headers: parts.headers.clone(),
            body: body.clone(),
            now,
            base: Arc::clone(&sandbox.base),
        };
        world.requests.push(&call);
        call
    });
    let call = Arc::new(call);
    let mut request = Request::from_parts(parts, Body::from(body));
    request.extensions_mut().insert(Arc::clone(&call));
    Ok((call, request))
}

/// Passes the provider's gate and then its handler.
async fn handle(sandbox: &Arc<Sandbox>, call: &Arc<Call>, mut request: Request, next: Next) -> Response {
    let gate = sandbox.note(|world, now| match call.provider {
        Provider::Github => github::admit(world, call, now),
        Provider::Vercel => vercel::admit(world, call, now),
        // Their handlers know whom they let in.
        Provider::Slack | Provider::Pagerduty | Provider::Statuspage | Provider::Sentry => {
            Ok(Admitted { actor: Actor::Anonymous, headers: HeaderMap::new() })
        }
    });
    match gate {
        Ok(admitted) => {
            request.extensions_mut().insert(admitted.actor);
            let mut answer = next.run(request).await;
            for (name, value) in &admitted.headers {
                answer.headers_mut().entry(name).or_insert_with(|| value.clone());
            }
            answer
        }
        Err(refused) => *refused,
    }
}

/// What a fault does before anything is committed; an answer ends the call.
async fn before(
    sandbox: &Sandbox,
    connection: &Connection,
    id: u64,
    effect: Option<&Effect>,
    call: &Call,
) -> Option<Response> {
    match effect? {
        Effect::Delay { delay_ms } => {
            wait(sandbox, Duration::from_millis(*delay_ms)).await;
            None
        }
        Effect::Status { status, headers, body, phase: Phase::Before } => {
            Some(answer_with(*status, headers, body.as_ref()))
        }
        Effect::Cut { cut: Phase::Before } => {
            connection.cut();
            Some(StatusCode::BAD_GATEWAY.into_response())
        }
        Effect::RateLimited { rate_limited, retry_after } => Some(match rate_limited {
            Limit::Primary => github::primary_limit_answer(call.now, *retry_after),
            Limit::Secondary => github::secondary_limit_answer(*retry_after),
            Limit::Vercel => vercel::limit_answer(call.now, *retry_after),
        }),
        Effect::Hang { hang: true } => {
            sandbox.shutdown.cancelled().await;
            None
        }
        Effect::Hold { hold: Phase::Before } => {
            hold(sandbox, id).await;
            None
        }
        _ => None,
    }
}

/// What a fault does to an answer whose change is committed.
async fn after(
    sandbox: &Sandbox,
    connection: &Connection,
    id: u64,
    effect: Option<&Effect>,
    answer: Response,
    body: Bytes,
) -> Response {
    match effect {
        Some(Effect::Status { status, headers, body, phase: Phase::After }) => {
            answer_with(*status, headers, body.as_ref())
        }
        Some(Effect::Cut { cut: Phase::After }) => {
            connection.cut();
            answer
        }
        Some(Effect::Truncate { truncate: true }) => {
            let (mut parts, _) = answer.into_parts();
            parts.headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(body.len()));
            let half = futures::stream::iter([Ok(body.slice(..body.len() / 2))]);
            // The pause between the two lets the half out before the end of the connection drops what is buffered.
            let end = futures::stream::once(async {
                tokio::task::yield_now().await;
                Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof))
            });
            Response::from_parts(parts, Body::from_stream(half.chain(end)))
        }
        Some(Effect::Malformed { malformed: true }) => {
            let (mut parts, _) = answer.into_parts();
            parts.headers.remove(http::header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from("<html><body>502 Bad Gateway</body>{\"id\":"))
        }
        Some(Effect::Hold { hold: Phase::After }) => {
            hold(sandbox, id).await;
            answer
        }
        _ => answer,
    }
}

fn answer_with(
    status: u16,
    headers: &std::collections::BTreeMap<String, String>,
    body: Option<&serde_json::Value>,
) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = match body {
        Some(body) => (status, axum::Json(body)).into_response(),
        None => status.into_response(),
    };
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// Waits until the fault is released or removed.
async fn hold(sandbox: &Sandbox, id: u64) {
    let _held = Held::begin(sandbox, id);
    let mut released = sandbox.released.subscribe();
    let free = released.wait_for(|released| released.contains(&id));
    let _ = sandbox.shutdown.run_until_cancelled(free).await;
}

/// A call that is held; ends with the wait, also when the caller goes away.
struct Held<'a> {
    sandbox: &'a Sandbox,
    fault: u64,
}

impl<'a> Held<'a> {
    fn begin(sandbox: &'a Sandbox, fault: u64) -> Self {
        sandbox.note(|world, _| world.faults.count_held(fault, true));
        Self { sandbox, fault }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.sandbox.note(|world, _| world.faults.count_held(self.fault, false));
    }
}

async fn wait(sandbox: &Sandbox, duration: Duration) {
    if !duration.is_zero() {
        sandbox.shutdown.run_until_cancelled(tokio::time::sleep(duration)).await;
    }
}
