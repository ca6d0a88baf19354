//! The elector against an apiserver of one Lease.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;

const TIMES: Times =
    Times { duration: Duration::from_secs(1), deadline: Duration::from_millis(400), retry: Duration::from_millis(40) };
const PATIENCE: Duration = Duration::from_secs(20);

/// One Lease, or none; and whether anybody can get through to it.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    lease: Option<Value>,
    version: u64,
    is_down: bool,
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.expect("a body").to_bytes();
                let (status, answer) = server.answer(&parts.method, serde_json::from_slice(&body).ok());
                let body = Full::new(answer.to_string().into_bytes().into());
                Ok::<_, Infallible>(Response::builder().status(status).body(body).expect("a response"))
            }
        });
        Client::new(service, "default")
    }

    fn elector(&self, identity: &str) -> Elector {
        Elector::new(self.client(), "default", "forkable", identity, TIMES)
    }

    fn answer(&self, method: &Method, body: Option<Value>) -> (StatusCode, Value) {
        let mut state = self.0.lock().expect("no test panics here");
        let refused = |status: StatusCode, reason: &str| {
            let json = json!({ "kind": "Status", "status": "Failure", "reason": reason, "code": status.as_u16() });
            (status, json)
        };
        if state.is_down {
            return refused(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
        }
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].clone();
        match (method.as_str(), body, &state.lease) {
            ("GET", _, Some(lease)) => return (StatusCode::OK, lease.clone()),
            ("POST", Some(lease), None) => state.lease = Some(lease),
            ("POST", ..) => return refused(StatusCode::CONFLICT, "AlreadyExists"),
            ("PUT", Some(lease), Some(held)) if version(&lease) == version(held) => state.lease = Some(lease),
            ("PUT", _, Some(_)) => return refused(StatusCode::CONFLICT, "Conflict"),
            _ => return refused(StatusCode::NOT_FOUND, "NotFound"),
        }
        state.version += 1;
        let version = state.version.to_string();
        let lease = state.lease.as_mut().expect("just written");
        lease["metadata"]["resourceVersion"] = version.into();
        (StatusCode::OK, lease.clone())
    }

    fn edit(&self, edit: impl FnOnce(&mut Value)) {
        let mut state = self.0.lock().expect("no test panics here");
        state.version += 1;
        let version = state.version.to_string();
        let lease = state.lease.as_mut().expect("a Lease");
        edit(lease);
        lease["metadata"]["resourceVersion"] = version.into();
    }

    fn lease(&self) -> Value {
        self.0.lock().expect("no test panics here").lease.clone().expect("a Lease")
    }

    fn is_down(&self, is_down: bool) {
        self.0.lock().expect("no test panics here").is_down = is_down;
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("in time")
}

#[test]
fn what_may_be_done_with_a_lease() {
    let lease = |holder: Option<&str>, seconds: Option<i32>| {
        let spec = LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: seconds,
            ..LeaseSpec::default()
        };
        Lease { metadata: ObjectMeta::default(), spec: Some(spec) }
    };
    let since = Instant::now();
    let cases = [
        ("there is none", None, 0, Next::Create),
        ("it was released", Some(lease(None, Some(1))), 0, Next::Take),
        ("its holder is empty", Some(lease(Some(""), Some(15))), 0, Next::Take),
        ("it is ours, by an answer that was lost", Some(lease(Some("me"), Some(15))), 0, Next::Take),
        ("another just renewed it", Some(lease(Some("other"), Some(15))), 0, Next::Wait),
        ("another may still hold it", Some(lease(Some("other"), Some(15))), 14, Next::Wait),
        ("another was not heard of for so long", Some(lease(Some("other"), Some(15))), 15, Next::Take),
        ("another promised a longer time than ours", Some(lease(Some("other"), Some(60))), 15, Next::Wait),
        ("another does not say how long: ours counts", Some(lease(Some("other"), None)), 1, Next::Take),
        ("nobody ever wrote to it", Some(Lease::default()), 0, Next::Take),
    ];
    for (why, lease, seconds, expected) in cases {
        let seen = lease.map(|lease| Seen { lease, since });
        let now = since + Duration::from_secs(seconds);
        assert_eq!(next(seen.as_ref(), "me", TIMES.duration, now), expected, "{why}");
    }
}

#[tokio::test]
async fn one_leads_and_the_other_takes_over_once_it_is_silent() {
    let server = Server::default();
    let (mut first, mut second) = (server.elector("first"), server.elector("second"));
    soon(first.acquire()).await;
    assert_eq!(server.lease()["spec"]["holderIdentity"], "first");
    let silent_since = std::time::Instant::now();
    // The first renews for longer than the duration, then it is silent.
    let keeps = timeout(TIMES.duration * 2, first.keep(|_| {}, || {}));
    tokio::select! {
        lost = keeps => assert!(lost.is_err(), "it keeps the Lease while it renews"),
        () = second.acquire() => panic!("nobody takes a Lease that is renewed"),
    }
    soon(second.acquire()).await;
    assert!(silent_since.elapsed() + TIMES.retry * 2 >= TIMES.duration * 3, "not before it has expired");
    assert_eq!(server.lease()["spec"]["holderIdentity"], "second");
    assert_eq!(server.lease()["spec"]["leaseTransitions"], 2);
    assert!(matches!(soon(first.keep(|_| {}, || {})).await, Lost::NotRenewed(..) | Lost::Taken(..)));
}

#[tokio::test]
async fn who_cannot_renew_stops_before_another_may_begin() {
    let server = Server::default();
    let mut elector = server.elector("first");
    soon(elector.acquire()).await;
    server.is_down(true);
    let down = std::time::Instant::now();
    let lost = soon(elector.keep(|_| {}, || {})).await;
    assert!(matches!(lost, Lost::NotRenewed(..)), "{lost}");
    assert!(down.elapsed() < TIMES.duration, "{:?}", down.elapsed());
}

#[tokio::test]
async fn a_short_outage_is_lived_through() {
    let server = Server::default();
    let mut elector = server.elector("first");
    soon(elector.acquire()).await;
    let outage = async {
        server.is_down(true);
        sleep(TIMES.deadline / 3).await;
        server.is_down(false);
        sleep(TIMES.deadline * 2).await;
    };
    tokio::select! {
        lost = elector.keep(|_| {}, || {}) => panic!("{lost}"),
        () = outage => {}
    }
}

#[tokio::test]
async fn a_released_lease_is_taken_at_once() {
    let server = Server::default();
    let (mut first, mut second) = (server.elector("first"), server.elector("second"));
    soon(first.acquire()).await;
    first.release().await;
    timeout(TIMES.duration / 2, second.acquire()).await.expect("without waiting for it to expire");
    first.release().await;
    assert_eq!(server.lease()["spec"]["holderIdentity"], "second", "what is not held is not released");
}

#[tokio::test]
async fn a_taken_lease_is_lost_at_the_next_renewal() {
    let server = Server::default();
    let mut elector = server.elector("first");
    soon(elector.acquire()).await;
    server.edit(|lease| lease["spec"]["holderIdentity"] = "thief".into());
    let lost = soon(elector.keep(|_| {}, || {})).await;
    assert!(matches!(&lost, Lost::Taken(_, holder) if holder == "thief"), "{lost}");
}

#[tokio::test]
async fn a_person_resumes_once_by_annotation() {
    let server = Server::default();
    let mut elector = server.elector("first");
    soon(elector.acquire()).await;
    let resumed = AtomicU32::new(0);
    let person = async {
        server.edit(|lease| lease["metadata"]["annotations"] = json!({ RESUME_ANNOTATION: "now", "other": "stays" }));
        let began = std::time::Instant::now();
        while server.lease()["metadata"]["annotations"] != json!({ "other": "stays" }) {
            assert!(began.elapsed() < PATIENCE, "the annotation stays: {}", server.lease());
            sleep(TIMES.retry).await;
        }
        sleep(TIMES.retry * 3).await;
    };
    tokio::select! {
        lost = elector.keep(|_| {}, || { resumed.fetch_add(1, Ordering::Relaxed); }) => panic!("{lost}"),
        () = person => {}
    }
    assert_eq!(resumed.load(Ordering::Relaxed), 1);
}

#[test]
fn times_that_could_let_two_lead_are_refused() {
    TIMES.check().expect("they are in order");
    let second = Duration::from_secs(1);
    for (duration, deadline, retry) in [(10, 10, 2), (15, 2, 2), (15, 10, 0), (0, 0, 0)] {
        let times = Times { duration: second * duration, deadline: second * deadline, retry: second * retry };
        assert!(times.check().is_err(), "{times:?}");
    }
}
