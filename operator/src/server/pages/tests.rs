//! Who gets which page, and in which form.

use axum::{body::Body, http::Request};
use forkable_core::Secret;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;
use crate::{
    hosts::local::LocalStore,
    server::{Access, Pages, tests as server},
};

/// Status, headers and body of an answer.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

async fn ask(server: &Arc<Server<LocalStore>>, is_loopback: bool, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    let request = request.body(Body::empty()).expect("a request");
    let router = server.clone().router(Pages::All, is_loopback);
    let answer = router.oneshot(request).await.expect("an answer");
    let (head, body) = answer.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let body = String::from_utf8(body.to_vec()).expect("text");
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

const HERE: &[(&str, &str)] = &[("host", "127.0.0.1:8674")];

#[tokio::test]
async fn pages_are_open_on_this_machine_and_shut_elsewhere_without_a_token() {
    let served = server::served(server::access(), Pages::All).await;
    served.context.fleet.put_fork(&Arc::new(server::fork()));
    let page = ask(&served.server, true, "/", HERE).await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("Acme") && page.header("content-type").starts_with("text/html"), "{}", page.body);
    for (name, value) in
        [("cache-control", "no-store"), ("x-content-type-options", "nosniff"), ("x-frame-options", "DENY")]
    {
        assert_eq!(page.header(name), value);
    }
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(ask(&served.server, true, "/forks/default/acme", HERE).await.status, 200);
    let missing = ask(&served.server, true, "/forks/default/%3Cscript%3E", HERE).await;
    assert_eq!(missing.status, 404);
    assert!(!missing.body.contains("<script>") && missing.body.contains("&#60;script&#62;"), "{}", missing.body);
    assert_eq!(ask(&served.server, true, "/", &[("host", "evil.example")]).await.status, 421);
    for path in ["/", "/forks/default/acme", "/events"] {
        let shut = ask(&served.server, false, path, HERE).await;
        assert_eq!(shut.status, 401, "{path}");
        assert!(shut.body.contains("FORKABLE_WEB_TOKEN") && !shut.body.contains("Acme"), "{}", shut.body);
    }
}

#[tokio::test]
async fn a_token_opens_the_pages_everywhere() {
    let access = Access { web: Some(Secret::new("t0ken")), ..server::access() };
    let served = server::served(access, Pages::All).await;
    for is_loopback in [true, false] {
        let asked = ask(&served.server, is_loopback, "/forks/a/b?c=%22", &[("host", "forks.example.com")]).await;
        assert_eq!(asked.status, 401);
        assert!(asked.body.contains(r#"value="/forks/a/b?c=%22""#), "where to go after: {}", asked.body);
        assert_eq!(asked.header("www-authenticate"), "Bearer");
        let bearer = [("host", "forks.example.com"), ("authorization", "Bearer t0ken")];
        assert_eq!(ask(&served.server, is_loopback, "/", &bearer).await.status, 200);
        assert_eq!(ask(&served.server, is_loopback, "/", &[("authorization", "Bearer t0ke")]).await.status, 401);
    }
    let style = ask(&served.server, false, &assets::STYLE_PATH, &[]).await;
    assert_eq!(style.status, 200, "what the form is made of is open");
    assert_eq!(style.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(ask(&served.server, false, "/assets/other.css", &[]).await.status, 404);
}

#[tokio::test]
async fn a_form_begins_a_session_and_guesses_are_limited() {
    let access = Access { web: Some(Secret::new("t0ken")), ..server::access() };
    let served = server::served(access, Pages::All).await;
    let post = async |body: &'static str| {
        let request = Request::post("/login").body(Body::from(body)).expect("a request");
        served.server.clone().router(Pages::All, false).oneshot(request).await.expect("an answer")
    };
    let wrong = post("token=guess&to=/").await;
    assert_eq!(wrong.status(), 401);
    assert!(!wrong.headers().contains_key(header::SET_COOKIE));
    let right = post("token=t0ken&to=//evil.example").await;
    assert_eq!((right.status().as_u16(), right.headers()[header::LOCATION].as_bytes()), (303, &b"/"[..]));
    let cookie = right.headers()[header::SET_COOKIE].to_str().expect("text");
    let cookie = cookie.split(';').next().expect("a value");
    assert_eq!(ask(&served.server, false, "/", &[("cookie", cookie)]).await.status, 200);
    while served.server.pages.logins.admits(Instant::now() + Duration::from_hours(1)) {}
    assert_eq!(post("token=t0ken&to=/").await.status(), 429, "even the right one");
}

#[tokio::test]
async fn a_replica_that_stands_by_has_the_browser_ask_another() {
    let served = server::starting(server::access(), Pages::All).await;
    for path in ["/", "/forks/default/acme", "/status/default/acme"] {
        let page = ask(&served.server, true, path, HERE).await;
        assert_eq!((page.status, page.header("connection")), (503, "close"), "{path}");
        assert!(page.body.contains(r#"http-equiv="refresh""#), "{}", page.body);
    }
}

#[tokio::test]
async fn a_status_page_is_there_if_it_is_asked_for_and_for_whom() {
    let served = server::served(server::access(), Pages::All).await;
    let put = |page: serde_json::Value| {
        let mut fork = serde_json::to_value(server::fork()).expect("JSON");
        fork["spec"]["monitoring"] = serde_json::json!({ "statusPage": page });
        served.context.fleet.put_fork(&Arc::new(serde_json::from_value(fork).expect("a Fork")));
    };
    served.context.fleet.put_fork(&Arc::new(server::fork()));
    let stranger = [("host", "status.example.com")];
    let missing = ask(&served.server, false, "/status/default/acme", &stranger).await;
    let none = ask(&served.server, false, "/status/default/nobody", &stranger).await;
    assert_eq!((missing.status, &missing.body), (404, &none.body), "nobody learns that there is such a Fork");
    put(serde_json::json!({ "title": "Our <product>" }));
    let page = ask(&served.server, false, "/status/default/acme", &stranger).await;
    assert_eq!((page.status, page.header("cache-control")), (200, PUBLIC));
    assert!(page.body.contains("Our &#60;product&#62;") && !page.body.contains("acme-inc"), "{}", page.body);
    let tag = page.header("etag").to_owned();
    let again = ask(&served.server, false, "/status/default/acme", &[("if-none-match", &format!("W/{tag}"))]).await;
    // The minute may have ended in between.
    assert!(again.status == 304 || again.header("etag") != tag);
    while served.server.pages.visits.admits(Instant::now() + Duration::from_hours(1)) {}
    let flooded = ask(&served.server, false, "/status/default/acme", &stranger).await;
    assert_eq!((flooded.status, flooded.header("retry-after")), (429, "1"));
}

#[tokio::test]
async fn a_status_page_that_is_not_public_is_for_who_may_see_the_others() {
    let served = server::served(server::access(), Pages::All).await;
    let mut fork = serde_json::to_value(server::fork()).expect("JSON");
    fork["spec"]["monitoring"] = serde_json::json!({ "statusPage": { "isPublic": false } });
    served.context.fleet.put_fork(&Arc::new(serde_json::from_value(fork).expect("a Fork")));
    let stranger = [("host", "status.example.com")];
    assert_eq!(ask(&served.server, false, "/status/default/acme", &stranger).await.status, 401);
    assert_eq!(ask(&served.server, true, "/status/default/acme", HERE).await.status, 200);
}
