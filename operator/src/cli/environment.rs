//! Every environment variable that the program reads, in one place.

use std::sync::Arc;

use forkable_core::{Secret, monitoring::Prober};
use forkable_providers::{notify, probe::NetworkProber};
use url::Url;

use crate::{
    accounts::{Credentials, GitHubCredentials, OwnCredentials},
    context::Services,
};

/// For `--help`.
pub(super) const HELP: &str = "\
Environment:
  GITHUB_TOKEN                  token for GitHub (classic: scopes repo, workflow; fine-grained: see README)
  GITHUB_APP_ID, GITHUB_APP_INSTALLATION_ID, GITHUB_APP_PRIVATE_KEY or GITHUB_APP_PRIVATE_KEY_FILE
                                a GitHub App instead of a token
  VERCEL_TOKEN                  token for Vercel
  VERCEL_TEAM_ID                team of projects that name none (team_…)
  GITHUB_API_URL                default https://api.github.com
  GITHUB_GRAPHQL_URL            default: GITHUB_API_URL with /graphql behind it
  VERCEL_API_URL                default https://api.vercel.com
  FORKABLE_SITES_URL            where probes visit sites instead of https://HOST, as URL/HOST: for the sandbox
  FORKABLE_SLACK_API_URL        default https://slack.com/api
  FORKABLE_PAGERDUTY_URL        default https://events.pagerduty.com
  FORKABLE_GITHUB_STATUS_URL    default https://www.githubstatus.com
  FORKABLE_VERCEL_STATUS_URL    default https://www.vercel-status.com
  FORKABLE_SENTRY_URL           default https://sentry.io
  FORKABLE_PROMETHEUS_URL       Prometheus server of analyses that name none, such as http://prometheus.monitoring:9090
  FORKABLE_REFERENCE_TARGETS    what always answers, as HOST:PORT or URLs with commas between: while none of them does,
                                a failed probe means nothing (default 1.1.1.1:443,8.8.8.8:443; none: it always does)
  FORKABLE_WEBHOOK_SECRET       secret of webhooks of both providers; without it webhooks are off
  FORKABLE_METRICS_TOKEN        bearer token that /metrics asks for; needed away from the loopback address, unless
                                --metrics-listen gives metrics an address of their own
  FORKABLE_WEB_TOKEN            token that the web page asks for; needed away from the loopback address
  OTEL_EXPORTER_OTLP_ENDPOINT   collector that traces are sent to by HTTP (http://127.0.0.1:4318); none: no traces
                                (also OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and the others of OpenTelemetry)
  RUST_LOG                      what is logged, such as info or forkable=debug; never secrets or bodies";

/// What to set when credentials are missing.
const MISSING: &str = "\
Set credentials for both providers, or try it without any: forkable up DIR --sandbox

  GitHub, one of
    export GITHUB_TOKEN=…           a classic token with the scopes repo and workflow (and delete_repo for
                                    deletionPolicy: Delete, read:org for teams as reviewers), or a fine-grained
                                    token with the permissions Administration, Contents, Workflows, Secrets,
                                    Variables, Environments: write, and Actions: read
    export GITHUB_APP_ID=… GITHUB_APP_INSTALLATION_ID=… GITHUB_APP_PRIVATE_KEY_FILE=…
                                    a GitHub App with the same permissions, installed where the repositories go
  Vercel
    export VERCEL_TOKEN=…           a token with access to the team (https://vercel.com/account/settings/tokens)
    export VERCEL_TEAM_ID=team_…    the team of the projects; your own account if absent";

/// Where the providers are.
#[derive(Clone, Debug)]
pub struct Endpoints {
    pub github: Url,
    pub graphql: Url,
    pub vercel: Url,
    /// Where deployed sites are visited instead of at `https://HOST`: below it, by host.
    pub sites: Option<String>,
    /// Services that people are told of alerts by.
    pub notify: notify::Endpoints,
    /// What is asked about products.
    pub services: Services,
}

impl Endpoints {
    fn new(github: &str, graphql: Option<&str>, vercel: &str) -> Result<Self, String> {
        let github_url = github.trim_end_matches('/');
        let parse = |what: &str, text: &str| Url::parse(text).map_err(|error| format!("{what} {text:?}: {error}"));
        Ok(Self {
            github: parse("GITHUB_API_URL", github_url)?,
            graphql: match graphql {
                Some(graphql) => parse("GITHUB_GRAPHQL_URL", graphql)?,
                // GitHub Enterprise Server has REST at /api/v3 and GraphQL at /api/graphql.
                None => parse("GITHUB_API_URL", &format!("{}/graphql", github_url.trim_end_matches("/v3")))?,
            },
            vercel: parse("VERCEL_API_URL", vercel.trim_end_matches('/'))?,
            sites: None,
            notify: notify::Endpoints {
                slack: "https://slack.com/api".into(),
                pagerduty: "https://events.pagerduty.com".into(),
            },
            services: Services { prometheus: variable("FORKABLE_PROMETHEUS_URL"), ..Services::default() },
        })
    }

    /// What an environment says, or the services themselves.
    pub(super) fn from(variable: &Variables<'_>) -> Result<Self, String> {
        let endpoints = Self::new(
            &variable("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".into()),
            variable("GITHUB_GRAPHQL_URL").as_deref(),
            &variable("VERCEL_API_URL").unwrap_or_else(|| "https://api.vercel.com".into()),
        )?;
        let notify::Endpoints { slack, pagerduty } = endpoints.notify;
        let notify = notify::Endpoints {
            slack: variable("FORKABLE_SLACK_API_URL").unwrap_or(slack),
            pagerduty: variable("FORKABLE_PAGERDUTY_URL").unwrap_or(pagerduty),
        };
        let Services { prometheus, github_status, vercel_status, sentry } = endpoints.services;
        let services = Services {
            prometheus,
            github_status: variable("FORKABLE_GITHUB_STATUS_URL").unwrap_or(github_status),
            vercel_status: variable("FORKABLE_VERCEL_STATUS_URL").unwrap_or(vercel_status),
            sentry: variable("FORKABLE_SENTRY_URL").unwrap_or(sentry),
        };
        Ok(Self { sites: variable("FORKABLE_SITES_URL"), notify, services, ..endpoints })
    }
}

/// Looks a variable up.
pub(super) type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Credentials and where they are good for.
#[derive(Clone, Debug)]
pub struct Connection {
    pub endpoints: Endpoints,
    pub credentials: Credentials,
}

impl Connection {
    /// What the environment says. The error says what to set.
    pub(super) fn from_environment() -> Result<Self, String> {
        let endpoints = Endpoints::from(&variable)?;
        let github = github(&variable)?;
        let vercel = variable("VERCEL_TOKEN").map(Secret::new);
        let (Some(github), Some(vercel)) = (github.clone(), vercel.clone()) else {
            let missing = match (github.is_some(), vercel.is_some()) {
                (true, _) => "credentials for Vercel",
                (_, true) => "credentials for GitHub",
                _ => "credentials for GitHub and Vercel",
            };
            return Err(format!("There are no {missing}.\n\n{MISSING}"));
        };
        Ok(Self { endpoints, credentials: Credentials { github, vercel, team: variable("VERCEL_TEAM_ID") } })
    }

    /// What an environment says, which may be that every Fork names its own credentials.
    pub(super) fn if_any(variable: &Variables<'_>) -> Result<(Endpoints, OwnCredentials), String> {
        let own = OwnCredentials {
            github: github(variable)?,
            vercel: variable("VERCEL_TOKEN").map(Secret::new),
            team: variable("VERCEL_TEAM_ID"),
        };
        Ok((Endpoints::from(variable)?, own))
    }

    /// The seeded credentials of a sandbox.
    pub(super) fn sandbox(url: &str) -> Result<Self, String> {
        let url = url.trim_end_matches('/');
        let endpoints = Endpoints::new(&format!("{url}/github"), None, &format!("{url}/vercel"))?;
        let notify = notify::Endpoints { slack: format!("{url}/slack/api"), pagerduty: format!("{url}/pagerduty") };
        let services = Services {
            github_status: format!("{url}/statuspage/github"),
            vercel_status: format!("{url}/statuspage/vercel"),
            sentry: format!("{url}/sentry"),
            ..endpoints.services.clone()
        };
        let endpoints = Endpoints { sites: Some(format!("{url}/_sites")), notify, services, ..endpoints };
        let credentials = Credentials {
            github: GitHubCredentials::Token(Secret::new("sandbox-github-token")),
            vercel: Secret::new("sandbox-vercel-token"),
            team: Some("team_acme".into()),
        };
        Ok(Self { endpoints, credentials })
    }
}

fn github(variable: &Variables<'_>) -> Result<Option<GitHubCredentials>, String> {
    if let Some(token) = variable("GITHUB_TOKEN") {
        return Ok(Some(GitHubCredentials::Token(Secret::new(token))));
    }
    let Some(id) = variable("GITHUB_APP_ID") else { return Ok(None) };
    let installation =
        variable("GITHUB_APP_INSTALLATION_ID").ok_or("GITHUB_APP_ID is set and GITHUB_APP_INSTALLATION_ID is not")?;
    let private_key = match (variable("GITHUB_APP_PRIVATE_KEY"), variable("GITHUB_APP_PRIVATE_KEY_FILE")) {
        (Some(key), _) => key,
        (None, Some(file)) => std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?,
        (None, None) => return Err("GITHUB_APP_ID is set and GITHUB_APP_PRIVATE_KEY(_FILE) is not".into()),
    };
    Ok(Some(GitHubCredentials::App { id, installation, private_key: Secret::new(private_key) }))
}

/// Secret of webhooks, if they are on.
pub(super) fn webhook_secret() -> Option<Secret> {
    variable("FORKABLE_WEBHOOK_SECRET").map(Secret::new)
}

/// What always answers, unless `FORKABLE_REFERENCE_TARGETS` says something else.
const REFERENCES: &str = "1.1.1.1:443,8.8.8.8:443";

/// The prober, at a stand-in for sites if there is one. A stand-in needs nothing outside, so that without a word about
/// them there are no references. Errors: what is wrong with the variable, or with the machine's root certificates.
pub(super) fn prober(sites: Option<String>) -> Result<Arc<dyn Prober>, String> {
    let references = variable("FORKABLE_REFERENCE_TARGETS");
    let references = references.unwrap_or_else(|| if sites.is_some() { "none" } else { REFERENCES }.into());
    let references = references.split(',').map(str::trim).filter(|text| !text.is_empty() && *text != "none");
    let references: Vec<_> = references.map(str::to_owned).collect();
    let prober = NetworkProber::new(sites, &references).map_err(|error| {
        format!("probes cannot be made: {error} (FORKABLE_REFERENCE_TARGETS is {})", references.join(","))
    })?;
    Ok(Arc::new(prober))
}

/// Bearer token of metrics, if they ask for one.
pub(super) fn metrics_token() -> Option<Secret> {
    variable("FORKABLE_METRICS_TOKEN").map(Secret::new)
}

/// Token of the web page, if it asks for one.
pub(super) fn web_token() -> Option<Secret> {
    variable("FORKABLE_WEB_TOKEN").map(Secret::new)
}

/// A variable of this process that is not empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}
