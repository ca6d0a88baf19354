//! What only single REST calls tell: secrets, variables, branch policies, security features.

use forkable_core::{
    PortError,
    forge::{DeepFacts, RepositoryFacts, StoredValue},
};
use futures::future;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::super::{
    client::{Client, Request},
    environments::{self, POLICIES},
    errors,
};
use crate::transport::{self, Priority};

/// The largest page of variables: <https://docs.github.com/en/rest/actions/variables>.
const VARIABLES: usize = 30;

#[derive(Deserialize)]
struct Security {
    security_and_analysis: Option<Features>,
}

#[derive(Deserialize)]
struct Features {
    secret_scanning: Option<Feature>,
    secret_scanning_push_protection: Option<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    status: String,
}

impl Feature {
    fn is_on(&self) -> bool {
        self.status == "enabled"
    }
}

#[derive(Deserialize)]
struct Fixes {
    enabled: bool,
}

#[derive(Deserialize)]
struct Environment {
    name: String,
    deployment_branch_policy: Option<Policy>,
}

#[derive(Deserialize)]
struct Policy {
    protected_branches: bool,
    custom_branch_policies: bool,
}

#[derive(Deserialize)]
struct Item {
    name: String,
    value: Option<String>,
    updated_at: Option<Timestamp>,
}

/// Looks at one repository that was seen just now.
pub(super) async fn look(
    client: &Client,
    repository: &RepositoryFacts,
    priority: Priority,
) -> Result<DeepFacts, PortError> {
    let look = Look { client, name: &repository.full_name, priority };
    let ((scanning, protection), fixes, environments) =
        future::try_join3(look.security(), look.fixes(), look.environments(repository)).await?;
    let mut facts = DeepFacts {
        secret_scanning: scanning,
        push_protection: protection,
        dependabot_fixes: fixes,
        ..DeepFacts::default()
    };
    let mut places = vec![None];
    places.extend(environments.iter().map(|environment| Some(environment.name.clone())));
    for place in &places {
        let place = place.as_deref();
        let (secrets, variables) =
            future::try_join(look.values(place, Kind::Secret), look.values(place, Kind::Variable)).await?;
        facts.secrets.extend(secrets);
        facts.variables.extend(variables);
    }
    for values in [&mut facts.secrets, &mut facts.variables] {
        values.sort_by(|a, b| (&a.environment, &a.name).cmp(&(&b.environment, &b.name)));
    }
    for environment in environments {
        match environment.deployment_branch_policy {
            Some(Policy { protected_branches: true, .. }) => facts.protected_only.push(environment.name),
            Some(Policy { custom_branch_policies: true, .. }) => {
                let request = look.of_environment(POLICIES, &environment.name);
                let patterns = environments::patterns(client, &request).await?;
                let patterns = patterns.into_iter().map(|pattern| pattern.name).collect();
                facts.branch_patterns.insert(environment.name, patterns);
            }
            _ => {}
        }
    }
    facts.protected_only.sort_unstable();
    Ok(facts)
}

struct Look<'a> {
    client: &'a Client,
    name: &'a str,
    priority: Priority,
}

#[derive(Clone, Copy)]
enum Kind {
    Secret,
    Variable,
}

impl Look<'_> {
    fn request(&self, operation: &'static str) -> Request {
        let (owner, name) = self.name.split_once('/').unwrap_or_default();
        Request::new(operation, self.name).at(owner).at(name).priority(self.priority)
    }

    fn of_environment(&self, operation: &'static str, environment: &str) -> Request {
        self.request(operation).at(environment)
    }

    /// Secret scanning and push protection; unknown to those who do not administer the repository.
    async fn security(&self) -> Result<(Option<bool>, Option<bool>), PortError> {
        let seen: Security = self.client.send(&self.request("GET /repos/{owner}/{repo}")).await?;
        let features = seen.security_and_analysis;
        Ok(features.map_or((None, None), |features| {
            let scanning = features.secret_scanning.as_ref().map(Feature::is_on);
            (scanning, features.secret_scanning_push_protection.as_ref().map(Feature::is_on))
        }))
    }

    /// Dependabot's fixes; unknown to those who do not administer the repository.
    async fn fixes(&self) -> Result<Option<bool>, PortError> {
        let request = self.request("GET /repos/{owner}/{repo}/automated-security-fixes");
        let answer = self.client.exchange(&request).await?;
        match answer.status() {
            status if status.is_success() => {
                let fixes: Fixes = transport::json(forkable_core::error::Provider::GitHub, &answer)?;
                Ok(Some(fixes.enabled))
            }
            // "Not enabled" is a 404 too: https://docs.github.com/en/rest/repos/repos
            StatusCode::NOT_FOUND => Ok(Some(false)),
            StatusCode::FORBIDDEN => Ok(None),
            _ => Err(errors::of(&answer, self.name)),
        }
    }

    async fn environments(&self, repository: &RepositoryFacts) -> Result<Vec<Environment>, PortError> {
        if repository.environments.is_empty() {
            return Ok(Vec::new());
        }
        self.client.list(&self.request("GET /repos/{owner}/{repo}/environments"), "environments", 100).await
    }

    /// Secrets or variables of the repository, or of one of its environments.
    async fn values(&self, environment: Option<&str>, kind: Kind) -> Result<Vec<StoredValue>, PortError> {
        let (items, page) = match kind {
            Kind::Secret => ("secrets", 100),
            Kind::Variable => ("variables", VARIABLES),
        };
        let request = match (environment, kind) {
            (None, Kind::Secret) => self.request("GET /repos/{owner}/{repo}/actions/secrets"),
            (None, Kind::Variable) => self.request("GET /repos/{owner}/{repo}/actions/variables"),
            (Some(name), Kind::Secret) => {
                self.of_environment("GET /repos/{owner}/{repo}/environments/{environment_name}/secrets", name)
            }
            (Some(name), Kind::Variable) => {
                self.of_environment("GET /repos/{owner}/{repo}/environments/{environment_name}/variables", name)
            }
        };
        let values: Vec<Item> = self.client.list(&request, items, page).await?;
        let stored = |item: Item| StoredValue {
            name: item.name,
            environment: environment.map(str::to_owned),
            value: item.value,
            updated_at: item.updated_at,
        };
        Ok(values.into_iter().map(stored).collect())
    }
}
