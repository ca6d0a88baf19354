//! A caller of GitHub's half and of the admin API: every answer with its headers.

use std::time::{Duration, Instant};

use forkable_sandbox::{Options, Server, Settings};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

pub(crate) type Result<T = ()> = anyhow::Result<T>;

/// A sandbox of its own, and the tokens to call it with.
pub(crate) struct Caller {
    pub(crate) server: Server,
    pub(crate) http: reqwest::Client,
    pub(crate) token: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body, if the status is the expected one.
    pub(crate) fn expect(self, status: u16) -> Result<Value> {
        anyhow::ensure!(self.status == status, "expected {status}, got {}: {}", self.status, self.body);
        Ok(self.body)
    }
}

impl Caller {
    /// With rate limits off and nothing slow.
    pub(crate) async fn start() -> Result<Self> {
        Self::with(Settings { limits: false, ..Settings::default() }).await
    }

    pub(crate) async fn with(settings: Settings) -> Result<Self> {
        Self::open(Options { settings, ..Options::default() }).await
    }

    pub(crate) async fn open(options: Options) -> Result<Self> {
        let server = forkable_sandbox::start(options).await?;
        let http = reqwest::Client::builder().user_agent("sandbox-tests").redirect(reqwest::redirect::Policy::none());
        Ok(Self { server, http: http.build()?, token: "sandbox-github-token".to_owned() })
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Answer> {
        let answer = request.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, headers, body })
    }

    /// A request to GitHub's half; `call` is `METHOD /path`.
    pub(crate) fn github_request(&self, call: &str) -> RequestBuilder {
        let (method, path) = call.split_once(' ').unwrap_or(("GET", call));
        let method: Method = method.parse().unwrap_or(Method::GET);
        let url = format!("{}{path}", self.server.github_url());
        let request = self.http.request(method, url).header("x-github-api-version", "2022-11-28");
        if self.token.is_empty() { request } else { request.bearer_auth(&self.token) }
    }

    pub(crate) async fn github(&self, call: &str, body: Value) -> Result<Answer> {
        let request = self.github_request(call);
        self.send(if body.is_null() { request } else { request.json(&body) }).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        self.github(&format!("GET {path}"), Value::Null).await
    }

    pub(crate) async fn graphql(&self, query: &str, variables: Value) -> Result<Value> {
        self.github("POST /graphql", json!({ "query": query, "variables": variables })).await?.expect(200)
    }

    /// A request to `/_sandbox`.
    pub(crate) async fn admin(&self, call: &str, body: Value) -> Result<Answer> {
        let (method, path) = call.split_once(' ').unwrap_or(("GET", call));
        let request = self.http.request(method.parse()?, format!("{}/_sandbox{path}", self.server.url()));
        self.send(if body.is_null() { request } else { request.json(&body) }).await
    }

    /// Adds a token and calls with it from now on.
    pub(crate) async fn use_token(&mut self, token: Value) -> Result {
        self.admin("POST /tokens", token.clone()).await?.expect(201)?;
        token["token"].as_str().unwrap_or_default().clone_into(&mut self.token);
        Ok(())
    }

    /// Writes one file as a person would.
    pub(crate) async fn commit_file(&self, repo: &str, path: &str, text: &str) -> Result<Value> {
        let existing = self.get(&format!("/repos/{repo}/contents/{path}")).await?;
        let content = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, text);
        let mut body = json!({ "message": format!("Write {path}"), "content": content });
        if existing.status.is_success() {
            body["sha"] = existing.body["sha"].clone();
        }
        let answer = self.github(&format!("PUT /repos/{repo}/contents/{path}"), body).await?;
        anyhow::ensure!(answer.status.is_success(), "{}", answer.body);
        Ok(answer.body)
    }

    /// A repository made from the seeded template.
    pub(crate) async fn generate(&self, name: &str) -> Result<Value> {
        let body = json!({ "owner": "acme-inc", "name": name, "private": true });
        self.github("POST /repos/forkable-ai/framework/generate", body).await?.expect(201)
    }
}

/// Asks until the answer is there, at most ten seconds.
pub(crate) async fn eventually<T, F: Future<Output = Result<Option<T>>>>(mut ask: impl FnMut() -> F) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = ask().await? {
            return Ok(found);
        }
        anyhow::ensure!(Instant::now() < deadline, "it did not happen within ten seconds");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
