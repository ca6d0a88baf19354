//! `forkable sandbox`: the stand-in for GitHub and Vercel alone.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use clap::ValueEnum;
use forkable_core::Secret;
pub(super) use forkable_sandbox::Server;
use forkable_sandbox::{GithubPlan, Latencies, Options, Settings, VercelPlan, WebhookTarget};

/// Why no sandbox can be started here.
pub(super) const ABSENT: Option<&str> = None;

/// Run a stand-in for GitHub and Vercel: real HTTP, real state, quotas, faults, deployed sites.
///
/// Its admin API is under /_sandbox, deployed sites under /_sites/HOST/. Tokens: sandbox-github-token,
/// sandbox-vercel-token (team team_acme).
///
/// Example: forkable sandbox --listen 127.0.0.1:9000, then in another terminal
/// forkable up DIR --sandbox=http://127.0.0.1:9000
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// File that keeps its state between runs.
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Settings of the stand-in; /_sandbox/settings changes them while it runs.
#[derive(Debug, clap::Args)]
pub(super) struct SettingsArguments {
    /// Added to every answer, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 20)]
    request_ms: u64,
    /// From "use this template" to the first commit.
    #[arg(long, value_name = "MS", default_value_t = 800)]
    generate_ms: u64,
    /// A build, from its start to its end.
    #[arg(long, value_name = "MS", default_value_t = 2500)]
    build_ms: u64,
    /// From a configured domain to its certificate.
    #[arg(long, value_name = "MS", default_value_t = 500)]
    cert_ms: u64,
    /// Domains resolve only once their DNS is set through /_sandbox/dns.
    #[arg(long)]
    manual_dns: bool,
    /// Do not enforce rate limits.
    #[arg(long)]
    no_limits: bool,
    #[arg(long, value_enum, default_value_t = Plan::Enterprise)]
    github_plan: Plan,
    #[arg(long, value_enum, default_value_t = Plan::Pro)]
    vercel_plan: Plan,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Plan {
    /// GitHub Free, Vercel Hobby.
    Free,
    /// GitHub Team, Vercel Pro.
    Pro,
    Enterprise,
}

impl SettingsArguments {
    /// A sandbox that keeps its state in a file and sends its webhooks to an address, signed with the secret.
    pub(super) async fn start(&self, snapshot: PathBuf, webhooks: SocketAddr) -> anyhow::Result<(Server, Secret)> {
        let secret = uuid::Uuid::new_v4().to_string();
        let options = Options {
            snapshot: Some(snapshot),
            webhooks: Some(WebhookTarget {
                github_url: format!("http://{webhooks}/webhooks/github"),
                vercel_url: format!("http://{webhooks}/webhooks/vercel"),
                secret: secret.clone(),
            }),
            settings: self.settings(),
            ..Options::default()
        };
        Ok((forkable_sandbox::start(options).await?, Secret::new(secret)))
    }

    fn settings(&self) -> Settings {
        Settings {
            latencies: Latencies {
                request_ms: self.request_ms,
                generate_ms: self.generate_ms,
                fork_ms: self.generate_ms,
                build_ms: self.build_ms,
                run_ms: self.build_ms,
                promote_ms: self.request_ms,
                dns_ms: 0,
                cert_ms: self.cert_ms,
            },
            limits: !self.no_limits,
            auto_dns: !self.manual_dns,
            github_plan: match self.github_plan {
                Plan::Free => GithubPlan::Free,
                Plan::Pro => GithubPlan::Team,
                Plan::Enterprise => GithubPlan::Enterprise,
            },
            vercel_plan: match self.vercel_plan {
                Plan::Free => VercelPlan::Hobby,
                Plan::Pro => VercelPlan::Pro,
                Plan::Enterprise => VercelPlan::Enterprise,
            },
            record_responses: false,
        }
    }
}

impl Arguments {
    pub(super) async fn run(self) -> anyhow::Result<u8> {
        let Self { listen, snapshot, settings } = self;
        let options = Options { listen, snapshot, webhooks: None, settings: settings.settings() };
        let server = forkable_sandbox::start(options).await?;
        super::say(format_args!("sandbox at {}", server.url()));
        super::say(format_args!("  GITHUB_API_URL={} GITHUB_TOKEN=sandbox-github-token", server.github_url()));
        super::say(format_args!(
            "  VERCEL_API_URL={} VERCEL_TOKEN=sandbox-vercel-token VERCEL_TEAM_ID=team_acme",
            server.vercel_url()
        ));
        super::up::stopped().await.context("waiting for a signal")?;
        server.stop().await;
        Ok(super::DONE)
    }
}
