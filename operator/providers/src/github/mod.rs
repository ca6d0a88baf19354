//! GitHub behind [`Forge`]: one file for each of its resources.
//!
//! Requests and shapes are those of GitHub's published descriptions (<https://docs.github.com/en/rest>,
//! <https://docs.github.com/en/graphql>). These address a repository by its name, which may mean another repository by
//! now: no change is sent under a name that was not just seen to be that of the repository's id.

mod auth;
mod client;
mod comments;
mod commits;
mod copy;
mod create;
mod environments;
mod errors;
mod observe;
pub mod permissions;
mod repositories;
mod reverts;
mod rulesets;
mod said;
mod values;
mod workflows;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use forkable_core::{
    PortError,
    error::Provider,
    forge::{
        CommitAsk, CommitFacts, Forge, ForgeChange, ForgeDone, Permissions, RepositoryAsk, RepositoryTarget,
        RepositoryView,
    },
    workflows::{RunAsk, RunFacts, RunReview},
};
use serde::Deserialize;
use url::Url;

use crate::transport::{self, Limits, Transport, Window};
use auth::Auth;
pub use auth::{Credentials, CredentialsError};
use client::{Client, Request};

/// GitHub, for one credential.
pub struct GitHub {
    client: Client,
    memory: Mutex<Memory>,
}

/// How long a repository is trusted to be under the name that it was seen under.
const SEEN: Duration = Duration::from_secs(10);

/// Which repository it is.
#[derive(Deserialize)]
struct Named {
    id: i64,
    full_name: String,
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
    /// Under which full name a repository was last seen, by id, and when.
    names: HashMap<i64, (String, Instant)>,
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

    async fn perform(&self, target: &RepositoryTarget, change: &ForgeChange) -> Result<ForgeDone, PortError> {
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
            ForgeChange::PutComment { pull_request, id, marker, text } => {
                self.put_comment(target, *pull_request, *id, marker, text).await
            }
            ForgeChange::SetDependabotAlerts(on) => self.switch(target, repositories::ALERTS, *on).await,
            ForgeChange::SetDependabotFixes(on) => self.switch(target, repositories::FIXES, *on).await,
            ForgeChange::DispatchWorkflow(dispatch) => self.dispatch(target, dispatch).await,
            ForgeChange::OpenRevert(revert) => self.open_revert(target, revert).await,
            ForgeChange::CancelRun { id } => self.cancel_run(target, *id).await,
            ForgeChange::Archive => self.archive(target).await,
            ForgeChange::Delete => self.delete(target).await,
        }
    }

    fn saw(&self, id: i64, full_name: &str) {
        self.memory().names.insert(id, (full_name.to_owned(), Instant::now()));
    }

    /// The target under the name that its repository has now: as it was just seen, or else by a look. What cannot be
    /// undone is always looked at before.
    async fn located(&self, target: &RepositoryTarget, for_good: bool) -> Result<RepositoryTarget, PortError> {
        let Some(id) = target.id else { return Ok(target.clone()) };
        let seen = self.memory().names.get(&id).filter(|(_, at)| !for_good && at.elapsed() < SEEN).cloned();
        let full_name = match seen {
            Some((full_name, _)) => full_name,
            None => self.look_up(target, id).await?,
        };
        let (owner, name) = full_name.split_once('/').unwrap_or((&target.owner, &target.name));
        Ok(RepositoryTarget { owner: owner.into(), name: name.into(), ..target.clone() })
    }

    async fn look_up(&self, target: &RepositoryTarget, id: i64) -> Result<String, PortError> {
        let by_name = of("GET /repos/{owner}/{repo}", target)?;
        let answer = self.client.exchange(&by_name).await?;
        let mut there: Option<Named> = match answer.status() {
            status if status.is_success() => Some(transport::json(Provider::GitHub, &answer)?),
            status if status.is_redirection() => None,
            _ => return Err(errors::of(&answer, by_name.what())),
        };
        if there.as_ref().is_none_or(|there| there.id != id) {
            // Another has the name by now. What GitHub redirects to when names were given up tells the new one.
            there = Some(self.client.send(&Request::new("GET /repositories/{id}", name(target)).at(id)).await?);
        }
        let full_name = there.map(|there| there.full_name).unwrap_or_default();
        self.saw(id, &full_name);
        Ok(full_name)
    }
}

/// The repository's id, which only changes that create it go without.
fn id(target: &RepositoryTarget) -> Result<i64, PortError> {
    target.id.ok_or_else(|| errors::stale(format!("the repository {} is not made yet", name(target))))
}

/// A request about a repository that exists.
fn of(operation: &'static str, target: &RepositoryTarget) -> Result<Request, PortError> {
    id(target)?;
    Ok(Request::new(operation, name(target)).at(&target.owner).at(&target.name))
}

/// `owner/name`, for people.
fn name(target: &RepositoryTarget) -> String {
    format!("{}/{}", target.owner, target.name)
}

#[async_trait]
impl Forge for GitHub {
    async fn observe(&self, asks: &[RepositoryAsk]) -> Result<Vec<RepositoryView>, PortError> {
        let views = observe::look(&self.client, asks).await?;
        for repository in views.iter().filter_map(|view| view.repository.as_ref()) {
            self.saw(repository.id, &repository.full_name);
        }
        Ok(views)
    }

    async fn commit(&self, target: &RepositoryTarget, ask: &CommitAsk) -> Result<Option<CommitFacts>, PortError> {
        self.said(target, ask).await
    }

    async fn apply(&self, target: &RepositoryTarget, change: &ForgeChange) -> Result<ForgeDone, PortError> {
        let for_good = matches!(change, ForgeChange::Archive | ForgeChange::Delete);
        let target = match self.located(target, for_good).await {
            Err(PortError::NotFound { .. }) if *change == ForgeChange::Delete => return Ok(ForgeDone::Nothing),
            located => located?,
        };
        let done = self.perform(&target, change).await?;
        if let ForgeDone::Repository(repository) = &done {
            self.saw(repository.id, &repository.full_name);
        }
        Ok(done)
    }

    async fn runs(&self, target: &RepositoryTarget, ask: &RunAsk) -> Result<Vec<RunFacts>, PortError> {
        let target = self.located(target, false).await?;
        self.look_at_runs(&target, ask).await
    }

    async fn run_reviews(&self, target: &RepositoryTarget, run: i64) -> Result<Vec<RunReview>, PortError> {
        self.look_at_run_reviews(&self.located(target, false).await?, run).await
    }

    async fn file(
        &self,
        target: &RepositoryTarget,
        path: &str,
        git_ref: Option<&str>,
    ) -> Result<Option<String>, PortError> {
        self.read_file(&self.located(target, false).await?, path, git_ref).await
    }

    fn permissions(&self) -> Permissions {
        self.client.auth.permissions()
    }
}
