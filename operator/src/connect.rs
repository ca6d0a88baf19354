//! Clients of GitHub and Vercel from credentials.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use forkable_core::alerting::Notifier;
use forkable_providers::{
    github::{self, GitHub},
    notify::Notifiers,
    sites::Visitor,
    transport::{self, Network, NetworkError, Timeouts},
    vercel::{self, Vercel},
};

use crate::{
    accounts::{Clients, Connect, Credentials, GitHubCredentials},
    cli::Endpoints,
    clock::Clock,
    metrics::Metrics,
};

/// The shortest that a call may take before it is given up.
const SHORTEST: Duration = Duration::from_secs(3);

/// Makes clients that share connections and metrics; each credential has its own budget.
pub struct Connector {
    endpoints: Endpoints,
    network: Network,
}

impl Connector {
    /// Errors: the metrics are registered already, or the machine's root certificates cannot be read.
    pub fn new(endpoints: Endpoints, clock: Clock, metrics: &Metrics) -> Result<Self, NetworkError> {
        let network = Network::new(metrics.registry(), timeouts(clock.scale()), Arc::new(clock))?;
        Ok(Self { endpoints, network })
    }
}

/// What sends messages about alerts. Errors: the machine's root certificates cannot be read.
pub(crate) fn notifier(endpoints: &Endpoints) -> anyhow::Result<Arc<dyn Notifier>> {
    let notifiers = Notifiers::new(endpoints.notify.clone()).context("making the HTTP client of notifications")?;
    Ok(Arc::new(notifiers))
}

/// Shorter where time runs faster, but never so short that a busy machine is taken for a dead provider.
fn timeouts(scale: u32) -> Timeouts {
    let Timeouts { connect, call } = Timeouts::default();
    let shortest = SHORTEST.min(connect);
    Timeouts { connect: (connect / scale).max(shortest), call: (call / scale).max(shortest) }
}

impl Connect for Connector {
    fn connect(&self, credentials: &Credentials) -> Result<Clients, String> {
        let Credentials { github, vercel, team } = credentials;
        let github = match github.clone() {
            GitHubCredentials::Token(token) => github::Credentials::Token(token),
            GitHubCredentials::App { id, installation, private_key } => {
                github::Credentials::App { id, installation, private_key }
            }
        };
        let Endpoints { github: rest, graphql, vercel: vercel_url, sites, notify: _, services: _ } =
            self.endpoints.clone();
        let transport = self.network.transport(github::limits());
        let forge = GitHub::new(transport, rest, graphql, &github).map_err(|error| error.to_string())?;
        let transport = self.network.transport(vercel::limits());
        let hosting = Vercel::new(transport, vercel_url, vercel.clone(), team.clone());
        let sites = Visitor::new(sites).map_err(|error| error.to_string())?;
        Ok((Arc::new(forge), Arc::new(hosting), Arc::new(sites)))
    }
}

impl transport::Clock for Clock {
    fn now(&self) -> jiff::Timestamp {
        Self::now(self)
    }
}
