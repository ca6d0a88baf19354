//! The web page: the fleet at a glance, one page for each Fork, and status pages for everybody. Nothing on it changes
//! anything: what a person can do is told as a command.

mod access;
mod assets;
mod live;
mod plot;
mod sources;
#[cfg(test)]
mod tests;
mod view;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use askama::Template;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use forkable_core::store::{Kind, ObjectRef, Store};
use forkable_crds::Fork;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use self::access::{Door, Verdict};
pub use self::view::health::Shell;
use self::view::{
    availability::days,
    fleet::{self, Count, Row, Skew, Survey},
    health::{GivenUp, given_up},
    product::Product,
    public::{Public, asked},
};
use super::{Server, limit::Limit};

/// How long what is known of the fleet together is good for: many may look at once.
const SURVEY: Duration = Duration::from_millis(500);
/// How long browsers and caches keep a status page.
const PUBLIC: &str = "public, max-age=60";

/// For pages with the script.
const HEADERS: [(&str, &str); 3] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];
/// For status pages.
const PUBLIC_HEADERS: [(&str, &str); 1] = [(
    "content-security-policy",
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
)];

/// What the pages keep between two requests.
pub(super) struct Kept {
    survey: Mutex<Option<(Instant, Arc<Survey>)>>,
    streams: Arc<Semaphore>,
    logins: Limit,
    /// Status pages, which anybody may ask for.
    visits: Limit,
}

impl Default for Kept {
    fn default() -> Self {
        let (logins, visits) = (Limit::new(10, 1), Limit::new(200, 50));
        Self { survey: Mutex::default(), streams: Arc::new(Semaphore::new(live::STREAMS)), logins, visits }
    }
}

/// The pages of an address.
pub(super) fn router<S: Store>(server: &Arc<Server<S>>, is_loopback: bool) -> Router<Arc<Server<S>>> {
    let door = Arc::new(Door::new(server.access.web.clone(), is_loopback));
    let guarded = {
        let (server, door) = (server.clone(), door.clone());
        move |uri: Uri, request: Request, next: Next| {
            let (server, door) = (server.clone(), door.clone());
            async move {
                match door.judge(request.headers(), server.context.clock.now()) {
                    Verdict::Welcome => next.run(request).await,
                    refused => refuse(refused, &uri, request.headers()),
                }
            }
        }
    };
    let inside = Router::new()
        .route("/", get(overview::<S>))
        .route("/forks/{namespace}/{name}", get(product::<S>))
        .route("/events", get(live::events::<S>))
        .route_layer(middleware::from_fn(guarded));
    let login = {
        let door = door.clone();
        move |server: State<Arc<Server<S>>>, headers: HeaderMap, body: Bytes| async move {
            login(&server, &door, &headers, &body)
        }
    };
    let status = move |server: State<Arc<Server<S>>>, path: Path<(String, String)>, headers: HeaderMap, uri: Uri| {
        let door = door.clone();
        async move { status(&server, &door, path, &headers, &uri).await }
    };
    Router::new()
        .route("/status/{namespace}/{name}", get(status))
        .route("/assets/{name}", get(assets::asset))
        .route("/login", post(login))
        .route("/logout", post(logout))
        .merge(inside)
}

/// What every page has.
struct Frame {
    style: &'static str,
    script: &'static str,
    icon: &'static str,
    version: &'static str,
    /// Whether there is a session that can be ended.
    has_session: bool,
}

impl Frame {
    fn new(has_session: bool) -> Self {
        Self {
            style: assets::STYLE_PATH.as_str(),
            script: assets::SCRIPT_PATH.as_str(),
            icon: assets::ICON_PATH.as_str(),
            version: env!("CARGO_PKG_VERSION"),
            has_session,
        }
    }
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    /// What to say of the whole fleet.
    headline: String,
    /// Messages that no channel took.
    given_up: Vec<GivenUp>,
    counts: Vec<Count>,
    query: fleet::Query,
    rows: Vec<Row>,
    /// Numbers of the first and last row, and of all.
    range: (usize, usize, usize),
    before: Option<String>,
    after: Option<String>,
    /// There is no Fork at all.
    is_empty: bool,
    shell: Shell,
}

#[derive(Template)]
#[template(path = "product.html")]
struct ProductPage {
    frame: Frame,
    product: Product,
}

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage {
    frame: Frame,
    page: Public,
}

/// A page with a few words.
#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    frame: Frame,
    title: &'static str,
    text: String,
    /// Whether the page asks for itself again.
    again: bool,
    /// Where a form leads to that asks for the token.
    login: Option<String>,
}

impl MessagePage {
    fn new(title: &'static str, text: impl Into<String>) -> Self {
        Self { frame: Frame::new(false), title, text: text.into(), again: false, login: None }
    }

    fn answer(&self, status: StatusCode) -> Response {
        page(status, self)
    }
}

fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, HEADERS, Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be made");
            (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be made\n").into_response()
        }
    }
}

fn refuse(verdict: Verdict, uri: &Uri, headers: &HeaderMap) -> Response {
    match verdict {
        Verdict::Welcome | Verdict::OtherHost => MessagePage::new(
            "Not here",
            "On this address the page answers to names of this machine only: open it at localhost, 127.0.0.1 or [::1]. With \
             FORKABLE_WEB_TOKEN set it answers to every name, and asks for the token.",
        )
        .answer(StatusCode::MISDIRECTED_REQUEST),
        Verdict::Shut => MessagePage::new(
            "The page is shut",
            "This address can be reached from other machines, and no token is set that keeps strangers out. Set \
             FORKABLE_WEB_TOKEN (with the chart: web.existingSecret), and restart.",
        )
        .answer(StatusCode::UNAUTHORIZED),
        Verdict::Stranger => {
            let to = uri.path_and_query().map_or("/", |path| access::own_path(path.as_str()));
            let mut page = MessagePage::new("Sign in", "The token is the one in FORKABLE_WEB_TOKEN.");
            page.login = Some(to.to_owned());
            // A strict cookie is not sent by a browser that comes from elsewhere, and is by one that goes on from here.
            page.again = headers.get("sec-fetch-site").is_some_and(|site| site.as_bytes() == b"cross-site");
            let mut answer = page.answer(StatusCode::UNAUTHORIZED);
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            answer
        }
    }
}

fn login<S: Store>(server: &Server<S>, door: &Door, headers: &HeaderMap, body: &Bytes) -> Response {
    let Door::Token(token) = door else {
        return MessagePage::new("Nothing to sign in to", "No FORKABLE_WEB_TOKEN is set.")
            .answer(StatusCode::NOT_FOUND);
    };
    let field = |name: &str| url::form_urlencoded::parse(body).find(|(field, _)| field == name).map(|(_, value)| value);
    let to = field("to").unwrap_or_default();
    let to = access::own_path(&to);
    if !server.pages.logins.admits(Instant::now()) {
        let text = "There were too many attempts: wait a few seconds.";
        return MessagePage::new("Not now", text).answer(StatusCode::TOO_MANY_REQUESTS);
    }
    if !access::is_token(field("token").unwrap_or_default().trim(), token) {
        let mut page = MessagePage::new("Sign in", "That is not the token. It is the one in FORKABLE_WEB_TOKEN.");
        page.login = Some(to.to_owned());
        return page.answer(StatusCode::UNAUTHORIZED);
    }
    lead(to, access::begin(token, headers, server.context.clock.now()))
}

async fn logout(headers: HeaderMap) -> Response {
    lead("/", access::end(&headers))
}

fn lead(to: &str, cookie: Option<HeaderValue>) -> Response {
    let mut answer = StatusCode::SEE_OTHER.into_response();
    let place = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    answer.headers_mut().insert(header::LOCATION, place);
    answer.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    answer
}

/// What is answered while nothing is known: by a replica that stands by, or has just started.
fn not_here() -> Response {
    let mut page = MessagePage::new(
        "One moment",
        "This replica stands by or has just started; the next try may reach the one that works.",
    );
    page.again = true;
    let mut answer = page.answer(StatusCode::SERVICE_UNAVAILABLE);
    // The next request takes another connection, which may lead to another replica.
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

fn not_found(what: &str) -> Response {
    MessagePage::new("Not found", format!("There is no {what}.")).answer(StatusCode::NOT_FOUND)
}

impl<S: Store> Server<S> {
    fn survey(&self) -> Arc<Survey> {
        let mut kept = self.pages.survey.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((at, survey)) if at.elapsed() < SURVEY => survey.clone(),
            _ => {
                let survey = Arc::new(sources::survey(&self.context));
                *kept = Some((Instant::now(), survey.clone()));
                survey
            }
        }
    }

    fn frame(&self) -> Frame {
        Frame::new(self.access.web.is_some())
    }
}

async fn overview<S: Store>(State(server): State<Arc<Server<S>>>, query: Query<fleet::Query>) -> Response {
    if !server.context.is_loaded() {
        return not_here();
    }
    let Query(query) = query;
    let (context, now) = (&server.context, server.context.clock.now());
    let survey = server.survey();
    let selection = survey.select(&query);
    let shown: Vec<_> = selection.shown.iter().map(|entry| entry.fork.reference()).collect();
    let spells = sources::spells_of(context, shown.clone(), now).await;
    let row = |(fork, spells): (&ObjectRef, &Vec<_>)| {
        let gathered = sources::gathered(context, fork)?;
        let known = gathered.known(now);
        Some(Row::new(&known, survey.skew(&gathered.fork), &days(spells, now)))
    };
    let rows: Vec<Row> = shown.iter().zip(&spells).filter_map(row).collect();
    let at = |page: usize| fleet::Query { page, ..query.clone() }.href();
    page(
        StatusCode::OK,
        &OverviewPage {
            frame: server.frame(),
            headline: survey.headline(),
            given_up: given_up(&context.fleet.rules(), now),
            counts: survey.counts(&query),
            range: (selection.first + 1, selection.first + rows.len(), selection.total),
            before: (selection.page > 1).then(|| at(selection.page - 1)),
            after: (selection.page < selection.pages).then(|| at(selection.page + 1)),
            is_empty: survey.len() == 0,
            shell: server.access.shell.clone(),
            query,
            rows,
        },
    )
}

fn reference((namespace, name): (String, String)) -> ObjectRef {
    ObjectRef::new(Fork::KIND, namespace, name)
}

async fn product<S: Store>(State(server): State<Arc<Server<S>>>, Path(path): Path<(String, String)>) -> Response {
    if !server.context.is_loaded() {
        return not_here();
    }
    let fork = reference(path);
    let Some(gathered) = sources::gathered(&server.context, &fork) else {
        return not_found(&format!("Fork {}/{}", fork.namespace, fork.name));
    };
    let now = server.context.clock.now();
    let mut read = sources::read(&server.context, &gathered, now).await;
    read.skew = Some(server.survey().skew(&gathered.fork));
    let product = Product::new(&gathered.known(now), read, &server.access.shell);
    page(StatusCode::OK, &ProductPage { frame: server.frame(), product })
}

/// The same answer whether there is no such Fork or it asks for no page: strangers do not learn which.
async fn status<S: Store>(
    server: &Server<S>,
    door: &Door,
    Path(path): Path<(String, String)>,
    headers: &HeaderMap,
    uri: &Uri,
) -> Response {
    if !server.context.is_loaded() {
        return not_here();
    }
    if !server.pages.visits.admits(Instant::now()) {
        let busy = (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], "too many at once\n");
        return busy.into_response();
    }
    let now = server.context.clock.now();
    let gathered = sources::gathered(&server.context, &reference(path));
    let Some((gathered, wish)) = gathered.as_ref().and_then(|it| Some((it, asked(&it.fork)?))) else {
        return not_found("such status page");
    };
    if !wish.is_public {
        match door.judge(headers, now) {
            Verdict::Welcome => {}
            refused => return refuse(refused, uri, headers),
        }
    }
    // To the minute, so that the page is the same for so long.
    let now = jiff::Timestamp::from_second(now.as_second().div_euclid(60) * 60).unwrap_or(now);
    let spells = sources::spells(&server.context, &gathered.fork.reference(), now).await;
    let public = Public::new(&gathered.fork, wish, &gathered.standings, &spells, now);
    let Ok(text) = (StatusPage { frame: Frame::new(false), page: public }).render() else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be made\n").into_response();
    };
    let tag = format!("\"{}\"", hex::encode(&Sha256::digest(&text)[..12]));
    let cached = [
        (header::CACHE_CONTROL, if wish.is_public { PUBLIC } else { "private, max-age=60" }.to_owned()),
        (header::ETAG, tag.clone()),
    ];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    if known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag) {
        return (StatusCode::NOT_MODIFIED, cached).into_response();
    }
    (cached, PUBLIC_HEADERS, Html(text)).into_response()
}
