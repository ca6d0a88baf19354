//! Requests to GitHub: templates filled in, signed, sent once, and answers as JSON or as an error.

use std::fmt::Display;

use bytes::Bytes;
use forkable_core::{PortError, error::Provider};
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

use super::{auth::Auth, errors};
use crate::transport::{self, Answer, Call, Priority, Transport};

/// Bucket of REST calls, and of GraphQL's points.
const CORE: &str = "core";
const GRAPHQL: &str = "graphql";

/// The version of the REST API whose shapes are relied on.
const API_VERSION: &str = "2022-11-28";

/// One REST request. The operation is the method and GitHub's path template, which is also its name in metrics.
#[derive(Clone)]
pub(super) struct Request {
    operation: &'static str,
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    what: String,
    priority: Priority,
}

impl Request {
    /// `what` names for people what it is about.
    pub(super) fn new(operation: &'static str, what: impl Into<String>) -> Self {
        Self {
            operation,
            segments: Vec::new(),
            query: Vec::new(),
            body: None,
            what: what.into(),
            priority: Priority::Create,
        }
    }

    /// Fills the next parameter of the path.
    pub(super) fn at(mut self, segment: impl Display) -> Self {
        self.segments.push(segment.to_string());
        self
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Display) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    pub(super) fn json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Names for people what it is about.
    pub(super) fn about(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    pub(super) fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    pub(super) fn what(&self) -> &str {
        &self.what
    }

    fn method(&self) -> Method {
        let method = self.operation.split(' ').next().unwrap_or_default();
        method.parse().expect("an operation starts with a method")
    }

    /// The address below `base`, parameters encoded: a slash in a value stays one, which branch names need.
    fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        let (_, template) = self.operation.split_once(' ').expect("an operation is METHOD /path");
        let mut values = self.segments.iter();
        {
            let mut path = url.path_segments_mut().expect("the base address is http(s)");
            path.pop_if_empty();
            for segment in template.trim_start_matches('/').split('/') {
                if segment.starts_with("{+") {
                    path.extend(values.next().expect("one value for each parameter").split('/'));
                } else if segment.starts_with('{') {
                    path.push(values.next().expect("one value for each parameter"));
                } else {
                    path.push(segment);
                }
            }
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(self.query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        url
    }
}

/// One GraphQL request.
pub(super) struct GraphRequest<'a> {
    /// Label of metrics, such as `graphql query ForkFleet`.
    pub(super) operation: &'static str,
    /// Name of the operation in the document.
    pub(super) name: &'static str,
    pub(super) document: &'a str,
    pub(super) variables: Value,
    pub(super) write: bool,
    pub(super) priority: Priority,
}

/// What GraphQL answers: data, and errors beside it.
#[derive(Debug, Deserialize)]
pub(super) struct GraphAnswer {
    #[serde(default)]
    pub(super) data: Value,
    #[serde(default)]
    pub(super) errors: Vec<GraphError>,
}

#[derive(Debug, Deserialize)]
pub(super) struct GraphError {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) path: Vec<Value>,
    #[serde(default)]
    pub(super) message: String,
}

/// Sends requests for one credential.
pub(super) struct Client {
    transport: Transport,
    rest: Url,
    graphql: Url,
    pub(super) auth: Auth,
}

impl Client {
    pub(super) fn new(transport: Transport, rest: Url, graphql: Url, auth: Auth) -> Self {
        Self { transport, rest, graphql, auth }
    }

    /// Sends a request and reads the JSON of its answer; every status that is not 2xx is an error.
    pub(super) async fn send<T: DeserializeOwned>(&self, request: &Request) -> Result<T, PortError> {
        let answer = self.succeed(request).await?;
        transport::json(Provider::GitHub, &answer)
    }

    /// For answers of which nothing but the success matters.
    pub(super) async fn run(&self, request: &Request) -> Result<(), PortError> {
        self.succeed(request).await.map(drop)
    }

    async fn succeed(&self, request: &Request) -> Result<Answer, PortError> {
        let answer = self.exchange(request).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(errors::of(&answer, &request.what)) }
    }

    /// Sends a request; the caller looks at the status.
    pub(super) async fn exchange(&self, request: &Request) -> Result<Answer, PortError> {
        let bearer = self.auth.bearer(self).await?;
        let answer = self.dispatch(request, &bearer, CORE).await?;
        self.auth.learn(&answer)?;
        Ok(answer)
    }

    /// Sends a request with credentials other than the usual ones.
    pub(super) async fn dispatch(
        &self,
        request: &Request,
        bearer: &HeaderValue,
        bucket: &'static str,
    ) -> Result<Answer, PortError> {
        let method = request.method();
        let call = Call {
            operation: request.operation,
            bucket,
            priority: request.priority,
            write: method != Method::GET,
            request: http(method, &request.url(&self.rest), bearer, request.body.as_ref()),
            lines: None,
        };
        self.transport.send(call).await
    }

    /// All items of a list, page by page. `items` is the field that the list is in; empty: the answer is the list.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        request: &Request,
        items: &str,
        page_size: usize,
    ) -> Result<Vec<T>, PortError> {
        let mut all = Vec::new();
        for page in 1.. {
            let request = request.clone().query("per_page", page_size).query("page", page);
            let mut answer: Value = self.send(&request).await?;
            let list = if items.is_empty() { answer } else { answer[items].take() };
            let list: Vec<T> =
                serde_json::from_value(list).map_err(|error| transport::unreadable(Provider::GitHub, &error))?;
            let is_last = list.len() < page_size;
            all.extend(list);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    /// Sends a GraphQL request. Errors beside data are the caller's to judge, but for a used-up quota.
    pub(super) async fn graph(&self, request: GraphRequest<'_>) -> Result<GraphAnswer, PortError> {
        let bearer = self.auth.bearer(self).await?;
        let body = serde_json::json!({
            "query": request.document,
            "operationName": request.name,
            "variables": request.variables,
        });
        let call = Call {
            operation: request.operation,
            bucket: GRAPHQL,
            priority: request.priority,
            write: request.write,
            request: http(Method::POST, &self.graphql, &bearer, Some(&body)),
            lines: None,
        };
        let answer = self.transport.send(call).await?;
        self.auth.learn(&answer)?;
        if answer.status() != StatusCode::OK {
            return Err(errors::of(&answer, "GraphQL"));
        }
        let read: GraphAnswer = transport::json(Provider::GitHub, &answer)?;
        if read.errors.iter().any(|error| error.kind.as_deref() == Some("RATE_LIMITED")) {
            return Err(self.transport.exhausted(GRAPHQL, errors::reset(&answer, self.transport.now())));
        }
        Ok(read)
    }

    pub(super) fn now(&self) -> jiff::Timestamp {
        self.transport.now()
    }
}

fn http(method: Method, url: &Url, bearer: &HeaderValue, body: Option<&Value>) -> http::Request<Bytes> {
    let builder = http::Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(header::USER_AGENT, concat!("forkable/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "application/vnd.github+json")
        .header("x-github-api-version", API_VERSION)
        .header(header::AUTHORIZATION, bearer);
    let (builder, body) = match body {
        Some(body) => (builder.header(header::CONTENT_TYPE, "application/json"), body.to_string()),
        None => (builder, String::new()),
    };
    builder.body(Bytes::from(body)).expect("a URL and checked headers make a request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_carry_parameters_encoded() {
        let base = Url::parse("http://127.0.0.1:1/github/").expect("an address");
        let request =
            Request::new("GET /repos/{owner}/{repo}/environments/{name}/secrets", "").at("o").at("r").at("a b/c");
        let address = "http://127.0.0.1:1/github/repos/o/r/environments/a%20b%2Fc/secrets?page=2";
        assert_eq!(request.query("page", 2).url(&base).as_str(), address);
        let request = Request::new("PATCH /repos/{owner}/{repo}/git/refs/{+ref}", "").at("o").at("r").at("heads/a/b#1");
        assert_eq!(request.url(&base).as_str(), "http://127.0.0.1:1/github/repos/o/r/git/refs/heads/a/b%231");
    }
}
