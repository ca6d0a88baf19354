//! What every REST operation has in common: the route, the repository it is about, the body's check, and the answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawPathParams, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use axum::{Extension, Json, Router};
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::access::{self, Need};
use super::answer::Refusal;
use super::repo::Repo;
use super::{gate, validate};
use crate::requests::Call;
use crate::sandbox::{Sandbox, World};
use crate::tokens::{Actor, Token};

/// Everything that a handler works with.
pub(crate) struct Ctx<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) call: &'a Call,
    pub(crate) actor: &'a Actor,
    pub(crate) now: Timestamp,
    pub(crate) params: BTreeMap<String, String>,
    /// `Null` without a body.
    pub(crate) body: Value,
}

impl Ctx<'_> {
    /// A parameter of the path; empty when the route has none of that name.
    pub(crate) fn path(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// A number in the path.
    pub(crate) fn id(&self, name: &str) -> Result<u64, Refusal> {
        self.path(name).parse().map_err(|_| Refusal::not_found())
    }

    /// The login that the call acts for.
    pub(crate) fn login(&self) -> String {
        access::login(self.actor)
    }

    /// The token, which handlers that write always have.
    pub(crate) fn token(&self) -> Result<&Token, Refusal> {
        self.actor.token().ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "Requires authentication"))
    }

    /// The repository of a repository route.
    pub(crate) fn repo(&self, id: u64) -> &Repo {
        &self.world.github.repos[&id]
    }

    /// The repository of a repository route, to be changed.
    pub(crate) fn repo_mut(&mut self, id: u64) -> &mut Repo {
        self.world.github.repos.get_mut(&id).expect("the route resolved it under the same lock")
    }

    /// A text of the body.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.body[name].as_str()
    }

    /// A switch of the body.
    pub(crate) fn switch(&self, name: &str) -> Option<bool> {
        self.body[name].as_bool()
    }
}

/// What a handler answers.
#[derive(Debug)]
pub(crate) enum Reply {
    Json(StatusCode, Value),
    /// A list that is cut into pages.
    Page(Vec<Value>),
    /// A list inside an object, beside its `total_count`.
    PageIn(&'static str, Vec<Value>),
    Empty(StatusCode),
    Redirect(StatusCode, String),
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Self {
        Self::Json(StatusCode::OK, body)
    }

    pub(crate) fn created(body: Value) -> Self {
        Self::Json(StatusCode::CREATED, body)
    }

    pub(crate) fn no_content() -> Self {
        Self::Empty(StatusCode::NO_CONTENT)
    }
}

pub(crate) type Outcome = Result<Reply, Refusal>;

/// Who an operation is about.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// The whole of GitHub.
    Plain(fn(&mut Ctx<'_>) -> Outcome),
    /// A repository, which the caller may see and has this permission on.
    Repo(Need, fn(&mut Ctx<'_>, u64) -> Outcome),
}

/// One REST operation; the path of a repository's is what follows `/repos/{owner}/{repo}`.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    pub(crate) method: MethodFilter,
    pub(crate) path: &'static str,
    pub(crate) handler: Handler,
}

/// Mounts operations; those of repositories also by the repository's id.
pub(crate) fn mount(table: &[Route]) -> Router<Arc<Sandbox>> {
    let mut all = Router::new();
    for route in table {
        let handler = route.handler;
        let serve =
            async move |sandbox, call, actor, params: RawPathParams| serve(handler, sandbox, call, actor, &params);
        let prefixes: &[&str] = match handler {
            Handler::Plain(_) => &[""],
            Handler::Repo(..) => &["/repos/{owner}/{repo}", "/repositories/{repository_id}"],
        };
        for prefix in prefixes {
            all = all.route(&format!("{prefix}{}", route.path), on(route.method, serve));
        }
    }
    all
}

fn serve(
    handler: Handler,
    State(sandbox): State<Arc<Sandbox>>,
    Extension(call): Extension<Arc<Call>>,
    Extension(actor): Extension<Actor>,
    params: &RawPathParams,
) -> Response {
    let params = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    sandbox.write(|world, now| {
        let body = Value::Null;
        let mut ctx = Ctx { world, call: &call, actor: &actor, now, params, body };
        let outcome = run(handler, &mut ctx);
        let mut answer = match outcome {
            Ok(reply) => render(&ctx, reply),
            Err(refusal) => refusal.into_response(),
        };
        if let Handler::Repo(need, _) = handler
            && let Ok(value) = HeaderValue::from_str(&need.header())
        {
            answer.headers_mut().insert("x-accepted-github-permissions", value);
        }
        if answer.status() == StatusCode::NOT_MODIFIED {
            ctx.world.buckets.refund(&gate::primary_key("core", &actor), 1);
        }
        answer
    })
}

fn run(handler: Handler, ctx: &mut Ctx<'_>) -> Outcome {
    match handler {
        Handler::Plain(handle) => {
            ctx.body = body(ctx.call)?;
            handle(ctx)
        }
        Handler::Repo(need, handle) => {
            let id = match resolve(ctx)? {
                Found::Here(id) => id,
                Found::Moved(reply) => return Ok(reply),
            };
            let repo = ctx.repo(id);
            access::demand(&ctx.world.github, ctx.actor, repo, need)?;
            let archived = repo.archived;
            ctx.body = body(ctx.call)?;
            let itself = ["/{repo}", "/{repository_id}"].iter().any(|end| ctx.call.operation.ends_with(end));
            let allowed = itself && (ctx.call.method == Method::DELETE || ctx.body["archived"] == false);
            if archived && ctx.call.write && !allowed {
                return Err(Refusal::forbidden("Repository was archived so is read-only."));
            }
            handle(ctx, id)
        }
    }
}

enum Found {
    Here(u64),
    Moved(Reply),
}

fn resolve(ctx: &Ctx<'_>) -> Result<Found, Refusal> {
    let state = &ctx.world.github;
    if let Some(id) = ctx.params.get("repository_id") {
        let id = id.parse().ok().filter(|id| state.repos.contains_key(id));
        return id.map(Found::Here).ok_or_else(Refusal::not_found);
    }
    let (owner, name) = (ctx.path("owner"), ctx.path("repo"));
    if let Some(repo) = state.repo_by_name(owner, name) {
        return Ok(Found::Here(repo.id));
    }
    let moved = state.repo_by_former_name(owner, name).ok_or_else(Refusal::not_found)?;
    if !access::can_see(state, ctx.actor, moved) {
        return Err(Refusal::not_found());
    }
    let rest: String = ctx.call.path.split('/').skip(4).flat_map(|part| ["/", part]).collect();
    let query = if ctx.call.query.is_empty() { String::new() } else { format!("?{}", ctx.call.query) };
    let location = format!("{}/github/repositories/{}{rest}{query}", ctx.call.base, moved.id);
    let permanent = ctx.call.method.is_safe();
    let status = if permanent { StatusCode::MOVED_PERMANENTLY } else { StatusCode::TEMPORARY_REDIRECT };
    Ok(Found::Moved(Reply::Redirect(status, location)))
}

/// The body, checked against the published description.
fn body(call: &Call) -> Result<Value, Refusal> {
    let operation = call.operation.replace("/repositories/{repository_id}", "/repos/{owner}/{repo}");
    if !validate::takes_body(&operation) {
        return Ok(Value::Null);
    }
    let bad = |message| Refusal::new(StatusCode::BAD_REQUEST, message);
    let body: Value =
        if call.body.is_empty() { json!({}) } else { call.json().ok_or_else(|| bad("Problems parsing JSON"))? };
    if !body.is_object() && !body.is_null() {
        return Err(bad("Body should be a JSON object"));
    }
    let violations = validate::violations(&operation, &body);
    if violations.is_empty() {
        return Ok(body);
    }
    let all = violations.join("\n\n");
    Err(Refusal::unprocessable(format!("Invalid request.\n\n{all}")))
}

fn render(ctx: &Ctx<'_>, reply: Reply) -> Response {
    match reply {
        Reply::Empty(status) => status.into_response(),
        Reply::Redirect(StatusCode::SEE_OTHER, location) => {
            (StatusCode::SEE_OTHER, [(http::header::LOCATION, location)]).into_response()
        }
        Reply::Redirect(status, location) => {
            let message =
                if status == StatusCode::MOVED_PERMANENTLY { "Moved Permanently" } else { "Temporary Redirect" };
            let body =
                json!({ "message": message, "url": location, "documentation_url": "https://docs.github.com/rest" });
            (status, [(http::header::LOCATION, location)], Json(body)).into_response()
        }
        Reply::Json(status, body) => tagged(ctx, status, &body, None),
        Reply::Page(items) => {
            let page = Page::of(ctx.call, 30);
            let link = page.link(ctx.call, items.len());
            tagged(ctx, StatusCode::OK, &page.cut(items).into(), link)
        }
        Reply::PageIn(name, items) => {
            let page = Page::of(ctx.call, if name == "variables" { 10 } else { 30 });
            let link = page.link(ctx.call, items.len());
            let total = items.len();
            tagged(ctx, StatusCode::OK, &json!({ "total_count": total, name: page.cut(items) }), link)
        }
    }
}

/// An answer with its entity tag, or 304 when the caller has it already.
fn tagged(ctx: &Ctx<'_>, status: StatusCode, body: &Value, link: Option<String>) -> Response {
    let text = body.to_string();
    // GitHub binds tags to the token: a new one pays for every page once more.
    let digest = Sha256::new().chain_update(ctx.actor.key()).chain_update(&text).finalize();
    let tag = format!("W/\"{}\"", hex::encode(digest));
    let get = ctx.call.method.is_safe();
    let known = ctx.call.header("if-none-match").is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag));
    let mut answer = if get && known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        (status, [(http::header::CONTENT_TYPE, "application/json; charset=utf-8")], text).into_response()
    };
    let headers = answer.headers_mut();
    if get && let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(http::header::ETAG, tag);
        headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=60, s-maxage=60"));
    }
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        headers.insert(http::header::LINK, link);
    }
    answer
}

struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn of(call: &Call, default: usize) -> Self {
        let number = |name| call.param(name).and_then(|value| value.parse().ok()).filter(|value| *value > 0);
        Self { number: number("page").unwrap_or(1), size: number("per_page").unwrap_or(default).min(100) }
    }

    fn cut(&self, items: Vec<Value>) -> Vec<Value> {
        items.into_iter().skip((self.number - 1).saturating_mul(self.size)).take(self.size).collect()
    }

    fn link(&self, call: &Call, total: usize) -> Option<String> {
        let last = total.div_ceil(self.size).max(1);
        let url = |page: usize| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(url::form_urlencoded::parse(call.query.as_bytes()).filter(|(key, _)| key != "page"));
            query.append_pair("page", &page.to_string());
            format!("{}/github{}?{}", call.base, call.path, query.finish())
        };
        let mut links = Vec::new();
        if self.number > 1 {
            links.push(format!("<{}>; rel=\"prev\"", url((self.number - 1).min(last))));
        }
        if self.number < last {
            links.push(format!("<{}>; rel=\"next\"", url(self.number + 1)));
            links.push(format!("<{}>; rel=\"last\"", url(last)));
        }
        if self.number > 1 {
            links.push(format!("<{}>; rel=\"first\"", url(1)));
        }
        (!links.is_empty()).then(|| links.join(", "))
    }
}
