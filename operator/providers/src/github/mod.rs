//! GitHub behind [`Forge`]: one file for each of its resources.
//!
//! Everything about a repository that exists is asked for by its id (`/repositories/{id}`, where GitHub redirects
//! names that were given up), because a name may mean another repository by now. Shapes are those of GitHub's
//! published descriptions (<https://docs.github.com/en/rest>, <https://docs.github.com/en/graphql>).

mod auth;
mod client;
mod commits;
mod copy;
mod create;
mod environments;
mod errors;
mod observe;
pub mod permissions;
mod repositories;
mod rulesets;
mod values;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use forkable_core::{
    PortError,
    error::Provider,
    forge::{Forge, ForgeChange, ForgeDone, Permissions, RepositoryAsk, RepositoryTarget, RepositoryView},
};
use url::Url;

use crate::transport::{Limits, Transport, Window};
use auth::Auth;
pub use auth::{Credentials, CredentialsError};
use client::Client;

/// GitHub, for one credential.
pub struct GitHub {
    client: Client,
    memory: Mutex<Memory>,
}

/// What answers told that does not change by itself. Losing it costs a request each.
#[derive(Default)]
struct Memory {
    /// Key to seal secrets with, by repository and environment.
    keys: HashMap<(i64, Option<String>), values::SealingKey>,
    /// Whether an account is an organization.
    organizations: HashMap<String, bool>,
    /// Ids of `user:login` and `team:organization/slug`.
    reviewers: HashMap<String, i64>,
}

/// What one credential may do beyond the quotas that answers tell:
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits>,
/// each with some room for clocks that differ. Of GitHub's "wait a second between changes" small bursts are excepted.
pub fn limits() -> Limits {
    let (minute, hour) = (Duration::from_mins(1), Duration::from_hours(1));
    let creates =
        |call: &crate::transport::Call| u32::from(call.write && call.request.method() != http::Method::DELETE);
    Limits {
        provider: Provider::GitHub,
        windows: vec![
            Window::new(Duration::from_secs(30), 45, |call| u32::from(call.write)),
            Window::new(minute, 75, creates),
            Window::new(hour, 480, creates),
            Window::new(minute, 850, |call| if call.write { 5 } else { 1 }),
        ],
        concurrent: 50,
    }
}

impl GitHub {
    /// Talks to `rest` (`https://api.github.com`) and `graphql` (`https://api.github.com/graphql`) through a transport
    /// with [`limits`].
    pub fn new(
        transport: Transport,
        rest: Url,
        graphql: Url,
        credentials: &Credentials,
    ) -> Result<Self, CredentialsError> {
        let auth = Auth::new(credentials)?;
        Ok(Self { client: Client::new(transport, rest, graphql, auth), memory: Mutex::default() })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The repository's id, which only changes that create it go without.
fn id(target: &RepositoryTarget) -> Result<i64, PortError> {
    target.id.ok_or_else(|| errors::stale(format!("the repository {} is not made yet", name(target))))
}

/// `owner/name`, for people.
fn name(target: &RepositoryTarget) -> String {
    format!("{}/{}", target.owner, target.name)
}

#[async_trait]
impl Forge for GitHub {
    async fn observe(&self, asks: &[RepositoryAsk]) -> Result<Vec<RepositoryView>, PortError> {
        observe::look(&self.client, asks).await
    }

    async fn apply(&self, target: &RepositoryTarget, change: &ForgeChange) -> Result<ForgeDone, PortError> {
        match change {
            ForgeChange::CreateFromTemplate { template, visibility, description } => {
                self.generate(target, template, *visibility, description.as_deref()).await
            }
            ForgeChange::CreateFork { template } => self.fork(target, template).await,
            ForgeChange::CreateCopy { template, git_ref, visibility, description } => {
                self.copy(target, template, git_ref.as_deref(), *visibility, description.as_deref()).await
            }
            ForgeChange::UpdateRepository(patch) => self.update(target, patch).await,
            ForgeChange::SetTopics(topics) => self.set_topics(target, topics).await,
            ForgeChange::CommitFiles { branch, message, files } => self.commit(target, branch, message, files).await,
            ForgeChange::CreateRuleset(ruleset) => self.put_ruleset(target, None, ruleset).await,
            ForgeChange::UpdateRuleset { id, ruleset } => self.put_ruleset(target, Some(*id), ruleset).await,
            ForgeChange::DeleteRuleset { id } => self.delete_ruleset(target, *id).await,
            ForgeChange::PutEnvironment(environment) => self.put_environment(target, environment).await,
            ForgeChange::PutSecret { environment, name, value } => {
                self.put_secret(target, environment.as_deref(), name, value).await
            }
            ForgeChange::DeleteSecret { environment, name } => {
                self.delete_secret(target, environment.as_deref(), name).await
            }
            ForgeChange::PutVariable { environment, name, value, exists } => {
                self.put_variable(target, environment.as_deref(), name, value, *exists).await
            }
            ForgeChange::DeleteVariable { environment, name } => {
                self.delete_variable(target, environment.as_deref(), name).await
            }
            ForgeChange::SetDependabotAlerts(on) => self.switch(target, repositories::ALERTS, *on).await,
            ForgeChange::SetDependabotFixes(on) => self.switch(target, repositories::FIXES, *on).await,
            ForgeChange::Archive => self.archive(target).await,
            ForgeChange::Delete => self.delete(target).await,
        }
    }

    fn permissions(&self) -> Permissions {
        self.client.auth.permissions()
    }
}
