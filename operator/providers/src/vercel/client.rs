//! Requests to Vercel: addresses, credentials and team in, JSON or a [`Failure`] out.

use bytes::Bytes;
use forkable_core::{PortError, Secret, error::Provider};
use http::{HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::sync::{OnceCell, mpsc};
use url::Url;

use super::errors::Failure;
use crate::transport::{self, Answer, Call, Line, Priority, Transport};

/// One request. The operation is the method and Vercel's path template, which is also its name in metrics.
pub(super) struct Request {
    operation: &'static str,
    team: Option<String>,
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    what: String,
    background: bool,
    hidden: Vec<Secret>,
    lines: Option<mpsc::Sender<Line>>,
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
            hidden: Vec::new(),
            lines: None,
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

    /// Values that no message about a failure may repeat.
    pub(super) fn hiding(mut self, values: impl IntoIterator<Item = Secret>) -> Self {
        self.hidden.extend(values);
        self
    }

    /// Leaves quota to requests that somebody waits for.
    pub(super) fn in_background(mut self) -> Self {
        self.background = true;
        self
    }

    /// The answer goes on, as lines of JSON: they come here once the request was answered.
    pub(super) fn lines(mut self) -> (Self, mpsc::Receiver<Line>) {
        let (sender, receiver) = mpsc::channel(64);
        self.lines = Some(sender);
        (self, receiver)
    }

    fn method(&self) -> Method {
        let method = self.operation.split(' ').next().unwrap_or_default();
        method.parse().expect("an operation starts with a method")
    }

    /// The address below `base`, parameters filled in and encoded, for a team.
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
        let team = team.map(|team| ("teamId", team));
        let query = self.query.iter().map(|(name, value)| (*name, value.as_str()));
        let all: Vec<(&str, &str)> = team.into_iter().chain(query).collect();
        if !all.is_empty() {
            url.query_pairs_mut().extend_pairs(all);
        }
        url
    }
}

#[derive(Deserialize)]
struct Owner {
    user: User,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    default_team_id: Option<String>,
}

/// Sends requests with a token, for a team unless the request names one.
pub(super) struct Client {
    transport: Transport,
    base: Url,
    token: Secret,
    team: Option<String>,
    /// The token's default team, asked for once if there is no other: it may be changed while this runs, and calls
    /// that name none would follow it. `None`: an old personal account, which has no team.
    default_team: OnceCell<Option<String>>,
}

impl Client {
    pub(super) fn new(transport: Transport, base: Url, token: Secret, team: Option<String>) -> Self {
        Self { transport, base, token, team, default_team: OnceCell::new() }
    }

    pub(super) async fn send<T: DeserializeOwned>(&self, request: Request) -> Result<T, Failure> {
        let answer = self.exchange(request).await?;
        Ok(transport::json(Provider::Vercel, &answer)?)
    }

    /// For answers of which nothing but the success matters.
    pub(super) async fn send_for_nothing(&self, request: Request) -> Result<(), Failure> {
        self.exchange(request).await.map(drop)
    }

    async fn exchange(&self, request: Request) -> Result<Answer, Failure> {
        let team = match request.team.as_ref().or(self.team.as_ref()) {
            Some(team) => Some(team.clone()),
            None => self.default_team.get_or_try_init(|| self.ask_default_team()).await?.clone(),
        };
        let answer = self.transport.send(self.call(&request, team.as_deref())?).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(Failure::read(&answer, &request.what, &request.hidden))
    }

    async fn ask_default_team(&self) -> Result<Option<String>, Failure> {
        let request = Request::new("GET /v2/user", None).about("the user of the token");
        let answer = self.transport.send(self.call(&request, None)?).await?;
        match answer.status() {
            status if status.is_success() => {}
            // Not every token may ask.
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(Failure::read(&answer, &request.what, &[])),
        }
        Ok(transport::json::<Owner>(Provider::Vercel, &answer)?.user.default_team_id)
    }

    /// The request as it is sent, for a team.
    fn call(&self, request: &Request, team: Option<&str>) -> Result<Call, PortError> {
        let method = request.method();
        let accept = if request.lines.is_some() { "application/stream+json" } else { "application/json" };
        let write = method != Method::GET;
        let builder = http::Request::builder()
            .method(method)
            .uri(request.url(&self.base, team).as_str())
            .header(header::USER_AGENT, concat!("forkable/", env!("CARGO_PKG_VERSION")))
            .header(header::ACCEPT, accept)
            .header(header::AUTHORIZATION, self.bearer()?);
        let (builder, body) = match &request.body {
            Some(body) => (builder.header(header::CONTENT_TYPE, "application/json"), body.to_string()),
            None => (builder, String::new()),
        };
        Ok(Call {
            operation: request.operation,
            // Vercel counts each of its endpoints by itself.
            bucket: request.operation,
            priority: if request.background { Priority::Drift } else { Priority::Create },
            write,
            request: builder.body(Bytes::from(body)).expect("a URL and checked headers make a request"),
            lines: request.lines.clone(),
        })
    }

    fn bearer(&self) -> Result<HeaderValue, PortError> {
        let value = HeaderValue::from_str(&format!("Bearer {}", self.token.expose()));
        let mut value = value.map_err(|_| PortError::Unauthorized {
            provider: Provider::Vercel,
            message: "the token has characters that no token has".into(),
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_carry_parameters_encoded_and_the_team() {
        let base = Url::parse("http://127.0.0.1:1/vercel/").expect("an address");
        let request = Request::new("GET /v9/projects/{idOrName}/domains/{domain}", None).at("a/b").at("*.x.com");
        assert_eq!(request.url(&base, None).as_str(), "http://127.0.0.1:1/vercel/v9/projects/a%2Fb/domains/*.x.com");
        let request = Request::new("GET /v10/projects", None).query("from", "a b&c");
        assert_eq!(
            request.url(&base, Some("team_a")).as_str(),
            "http://127.0.0.1:1/vercel/v10/projects?teamId=team_a&from=a+b%26c"
        );
        let request = Request::new("GET /v8/certs", None);
        assert_eq!(request.url(&base, Some("team_default")).query(), Some("teamId=team_default"));
    }
}
