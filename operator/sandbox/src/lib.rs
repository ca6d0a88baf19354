//! A stand-in for GitHub, Vercel, Slack and PagerDuty on one loopback port: real HTTP, real state, quotas, faults, and the deployed sites.
//!
//! ```no_run
//! # async fn run() -> anyhow::Result<()> {
//! let server = forkable_sandbox::start(forkable_sandbox::Options::default()).await?;
//! println!("GitHub at {}, Vercel at {}", server.github_url(), server.vercel_url());
//! server.stop().await;
//! # Ok(()) }
//! ```

mod admin;
mod clock;
mod connection;
mod faults;
pub mod github;
mod limits;
mod middleware;
pub mod pagerduty;
mod requests;
mod sandbox;
pub mod sentry;
mod server;
mod settings;
mod sites;
pub mod slack;
pub mod statuspage;
mod tokens;
pub mod vercel;
mod webhooks;

pub use clock::Clock;
pub use requests::{Entry, Provider};
pub use sandbox::{Degraded, DnsRecord, Sandbox, World};
pub use server::{Server, start};
pub use settings::{GithubPlan, Latencies, Options, Settings, VercelPlan, WebhookTarget};
pub use tokens::{Access, Actor, Token, TokenKind};
