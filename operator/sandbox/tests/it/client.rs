//! A sandbox of a test's own, and short ways to call it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use forkable_sandbox::{Options, Server, Settings, start};
use serde_json::{Value, json};

/// A running sandbox and a client for it.
pub(crate) struct Lab {
    /// The sandbox.
    pub(crate) server: Server,
    http: reqwest::Client,
}

/// An answer: status and JSON body, `Null` when there is none.
pub(crate) type Answer = (u16, Value);

impl Lab {
    /// A fresh sandbox; its Vercel App is also installed on `forkable-ai`, so that the seeded template can be linked.
    pub(crate) async fn start(settings: Value) -> anyhow::Result<Self> {
        Self::start_at(settings, None).await
    }

    /// The same, with the world kept in a file.
    pub(crate) async fn start_at(settings: Value, snapshot: Option<PathBuf>) -> anyhow::Result<Self> {
        let settings: Settings = serde_json::from_value(settings)?;
        let server = start(Options { settings, snapshot, ..Options::default() }).await?;
        server.sandbox().write(|world, _| world.vercel.github_installations.insert("forkable-ai".to_owned()));
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { server, http })
    }

    /// Calls Vercel with the seeded token.
    pub(crate) async fn vercel(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Answer> {
        self.call(method, &format!("/vercel{path}"), body, "sandbox-vercel-token").await
    }

    /// Calls GitHub with the seeded token.
    pub(crate) async fn github(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Answer> {
        self.call(method, &format!("/github{path}"), body, "sandbox-github-token").await
    }

    /// Calls anything below the sandbox's origin with a bearer token.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        token: &str,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}{path}", self.server.url());
        let mut request = self.http.request(method.parse()?, url).bearer_auth(token).header("user-agent", "test");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).context(text)? };
        Ok((status, body))
    }

    /// Asks a site by its host name.
    pub(crate) async fn site(&self, host: &str, path: &str) -> anyhow::Result<reqwest::Response> {
        self.site_with(host, path, &[]).await
    }

    /// Asks a site by its host name with headers.
    pub(crate) async fn site_with(
        &self,
        host: &str,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> anyhow::Result<reqwest::Response> {
        let mut request = self.http.get(format!("{}{path}", self.server.url())).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(request.send().await?)
    }

    /// Pushes the sandbox's clock forward.
    pub(crate) async fn advance(&self, seconds: f64) -> anyhow::Result<()> {
        let (status, body) =
            self.call("PUT", "/_sandbox/clock", Some(json!({ "advanceSeconds": seconds })), "").await?;
        anyhow::ensure!(status == 200, "{status} {body}");
        Ok(())
    }

    /// Publishes DNS records of one name.
    pub(crate) async fn publish(&self, name: &str, kind: &str, value: &str) -> anyhow::Result<()> {
        let records = json!({ "records": [{ "type": kind, "value": value }] });
        let (status, body) = self.call("PUT", &format!("/_sandbox/dns/{name}"), Some(records), "").await?;
        anyhow::ensure!(status == 204, "{status} {body}");
        Ok(())
    }

    /// The id of a seeded repository of `forkable-ai`.
    pub(crate) fn repo_id(&self, name: &str) -> u64 {
        let found =
            |world: &forkable_sandbox::World| world.github.repo_by_name("forkable-ai", name).map(|repo| repo.id);
        self.server.sandbox().read(|world, _| found(world)).expect("a seeded repository")
    }

    /// A project linked to the seeded template; returns its id.
    pub(crate) async fn project(&self, name: &str) -> anyhow::Result<String> {
        let body = json!({
            "name": name,
            "framework": "nextjs",
            "gitRepository": { "type": "github", "repo": "forkable-ai/framework" },
        });
        let (status, body) = self.vercel("POST", "/v11/projects?teamId=team_acme", Some(body)).await?;
        anyhow::ensure!(status == 200, "{status} {body}");
        Ok(body["id"].as_str().context("an id")?.to_owned())
    }

    /// Deploys the template's main branch; returns the answer's body.
    pub(crate) async fn deploy(&self, project: &str, extra: Value) -> anyhow::Result<Value> {
        let mut body = json!({
            "name": project,
            "project": project,
            "target": "production",
            "gitSource": { "type": "github", "repoId": self.repo_id("framework"), "ref": "main" },
        });
        if let (Value::Object(body), Value::Object(extra)) = (&mut body, extra) {
            body.extend(extra);
        }
        let (status, body) = self.vercel("POST", "/v13/deployments?teamId=team_acme&forceNew=1", Some(body)).await?;
        anyhow::ensure!(status == 200, "{status} {body}");
        Ok(body)
    }

    /// Waits until `path` answers something that `done` accepts.
    pub(crate) async fn until(&self, path: &str, done: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let (_, body) = self.vercel("GET", path, None).await?;
            if done(&body) {
                return Ok(body);
            }
            anyhow::ensure!(Instant::now() < deadline, "still {body}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Vercel's error code, or nothing.
pub(crate) fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}
