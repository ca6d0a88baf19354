//! Requests to Vercel: addresses, credentials and team in, JSON or a [`Failure`] out.

use http::Method;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::errors::{self, Failure};

/// One request. The operation is the method and Vercel's path template, which is also its name in metrics.
pub(super) struct Request {
    operation: &'static str,
    team: Option<String>,
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    what: String,
    background: bool,
}

impl Request {
    pub(super) fn new(operation: &'static str, team: Option<&str>) -> Self {
        Self {
            operation,
            team: team.map(str::to_owned),
            segments: Vec::new(),
            query: Vec::new(),
            body: None,
            what: String::new(),
            background: false,
        }
    }

    /// Fills the next parameter of the path.
    pub(super) fn at(mut self, segment: &str) -> Self {
        self.segments.push(segment.to_owned());
        self
    }

    pub(super) fn query(mut self, name: &'static str, value: &str) -> Self {
        self.query.push((name, value.to_owned()));
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

    /// Leaves quota to requests that somebody waits for.
    pub(super) fn in_background(mut self) -> Self {
        self.background = true;
        self
    }

    fn method(&self) -> Method {
        let method = self.operation.split(' ').next().unwrap_or_default();
        method.parse().expect("an operation starts with a method")
    }

    /// The address below `base`, parameters filled in and encoded, for the request's team or else the given one.
    fn url(&self, base: &Url, team: Option<&str>) -> Url {
        let mut url = base.clone();
        let (_, template) = self.operation.split_once(' ').expect("an operation is METHOD /path");
        let mut values = self.segments.iter();
        {
            let mut path = url.path_segments_mut().expect("the base address is http(s)");
            path.pop_if_empty();
            for segment in template.trim_start_matches('/').split('/') {
                let value = segment.starts_with('{').then(|| values.next().expect("one value for each parameter"));
                path.push(value.map_or(segment, String::as_str));
            }
        }
        let team = self.team.as_deref().or(team).map(|team| ("teamId", team));
        let query = self.query.iter().map(|(name, value)| (*name, value.as_str()));
        let all: Vec<(&str, &str)> = team.into_iter().chain(query).collect();
        if !all.is_empty() {
            url.query_pairs_mut().extend_pairs(all);
        }
        url
    }
}

/// Sends requests with a token, for a team unless the request names one.
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    token: SecretString,
    team: Option<String>,
}

impl Client {
    pub(super) fn new(http: reqwest::Client, base: Url, token: SecretString, team: Option<String>) -> Self {
        Self { http, base, token, team }
    }

    pub(super) async fn send<T: DeserializeOwned>(&self, request: Request) -> Result<T, Failure> {
        let operation = request.operation;
        let body = self.exchange(request).await?;
        let unreadable = |error| errors::unavailable(format!("the answer to {operation} cannot be read: {error}"));
        Ok(serde_json::from_slice(&body).map_err(unreadable)?)
    }

    /// For answers of which nothing but the success matters.
    pub(super) async fn send_for_nothing(&self, request: Request) -> Result<(), Failure> {
        self.exchange(request).await.map(drop)
    }

    async fn exchange(&self, request: Request) -> Result<bytes::Bytes, Failure> {
        let url = request.url(&self.base, self.team.as_deref());
        let mut call = self.http.request(request.method(), url).bearer_auth(self.token.expose_secret());
        if let Some(body) = &request.body {
            call = call.json(body);
        }
        let answer = call.send().await.map_err(|error| errors::unavailable(error.to_string()))?;
        let status = answer.status();
        let headers = answer.headers().clone();
        let body = answer.bytes().await.map_err(|error| errors::unavailable(error.to_string()))?;
        if status.is_success() {
            return Ok(body);
        }
        Err(Failure::read(status, &headers, &body, &request.what, Timestamp::now()))
    }
}
