//! Looks at the whole fleet by pages, so that what changed outside is seen although nobody said so.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use forkable_core::{
    PortError,
    forge::{RepositoryAsk, RepositoryView},
    hosting::{ProjectAsk, ProjectFacts},
    store::{ObjectRef, Store},
};
use futures::future;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{cache::Resting, view::View};
use crate::{accounts::Account, clock::until, context::Context};

/// Repositories in one query.
const CHUNK: usize = 50;
/// Projects on one page.
const PAGE: usize = 100;
/// Forks whose domains are read by single calls in one sweep, in rotation.
const DOMAIN_READS: usize = 3;
/// How old what only single calls tell may become; one Fork is read in one sweep.
const DEEP: Duration = Duration::from_hours(6);
/// How old the list of certificates may become while no domain waits for one.
const CERTIFICATES: Duration = Duration::from_hours(1);
/// The longest time between two sweeps.
const LONGEST: Duration = Duration::from_mins(20);
/// The time between sweeps of a fleet that fits one query, and for each call of a sweep of a larger one.
pub(crate) const DEFAULT_RESYNC: Duration = Duration::from_secs(30);

/// Sweeps for ever. The time between two sweeps grows with the calls of one, so that a fleet of any size costs about
/// as much in an hour: 1,000 Forks are 20 queries, 10 pages and 4 single calls every 17 minutes.
pub struct Sweeper<S> {
    context: Arc<Context<S>>,
    resync: Duration,
    certificates_at: BTreeMap<(String, Option<String>), Timestamp>,
}

impl<S: Store> Sweeper<S> {
    /// `resync` is the time between sweeps of a small fleet.
    pub fn new(context: Arc<Context<S>>, resync: Option<Duration>) -> Self {
        Self { context, resync: resync.unwrap_or(DEFAULT_RESYNC), certificates_at: BTreeMap::new() }
    }

    pub async fn run(mut self, shutdown: CancellationToken) {
        let clock = self.context.clock.clone();
        loop {
            let interval = self.interval(self.context.cache.len());
            if shutdown.run_until_cancelled(clock.sleep(interval)).await.is_none() {
                return;
            }
            self.sweep().await;
        }
    }

    fn interval(&self, forks: usize) -> Duration {
        if forks <= CHUNK {
            return self.resync;
        }
        let calls = forks.div_ceil(CHUNK) + forks.div_ceil(PAGE) + DOMAIN_READS + 1;
        self.resync.saturating_mul(u32::try_from(calls).unwrap_or(u32::MAX)).min(LONGEST.max(self.resync))
    }

    /// One sweep over every account. What cannot be seen now stays as it was known.
    pub async fn sweep(&mut self) {
        for (account, forks) in self.accounts() {
            let span = tracing::error_span!("sweep", forks = forks.len());
            if let Err(error) = self.sweep_account(&account, &forks).instrument(span).await {
                tracing::info!(%error, forks = forks.len(), "a sweep was cut short");
            }
        }
    }

    /// Reads the certificates of every team that has a domain here.
    pub(crate) async fn look_at_certificates(&mut self) {
        for (account, forks) in self.accounts() {
            if let Err(error) = self.certificates(&account, &forks).await {
                tracing::info!(%error, "certificates cannot be read now");
            }
        }
    }

    /// Forks that no pass is working on, by the account they are looked at with.
    fn accounts(&self) -> Vec<(Arc<Account>, Vec<Resting>)> {
        let mut accounts: BTreeMap<String, Vec<Resting>> = BTreeMap::new();
        for resting in self.context.cache.resting() {
            accounts.entry(resting.ask.account.clone()).or_default().push(resting);
        }
        let open = |(key, forks): (String, _)| Some((self.context.accounts.by_key(&key)?, forks));
        accounts.into_iter().filter_map(open).collect()
    }

    async fn sweep_account(&mut self, account: &Account, forks: &[Resting]) -> Result<(), PortError> {
        // Neither provider waits for the other, and what one of them does not tell now, such as GitHub while a quota is
        // used up, is no reason to ask the other one for each Fork.
        let of_github = async {
            self.repositories(account, forks).await?;
            self.deep(account, forks).await
        };
        let of_vercel = async {
            self.projects(account, forks).await?;
            self.domains(account, forks).await
        };
        let (of_github, of_vercel) = future::join(of_github, of_vercel).await;
        let of_vercel = match of_vercel {
            Ok(()) => self.certificates(account, forks).await,
            failed => failed,
        };
        of_github.and(of_vercel)
    }

    async fn repositories(&self, account: &Account, forks: &[Resting]) -> Result<(), PortError> {
        for chunk in forks.chunks(CHUNK) {
            let asks: Vec<RepositoryAsk> = chunk.iter().map(|fork| fork.ask.repository.clone()).collect();
            let seen = account.forge.observe(&asks).await?;
            for (fork, seen) in chunk.iter().zip(seen) {
                self.install_repository(fork, seen);
            }
        }
        Ok(())
    }

    async fn projects(&self, account: &Account, forks: &[Resting]) -> Result<(), PortError> {
        // A project that does not exist yet is the business of the pass that makes it.
        let made: Vec<_> = forks.iter().filter(|fork| fork.ask.project.id.is_some()).collect();
        let asks: Vec<ProjectAsk> = made.iter().map(|fork| fork.ask.project.clone()).collect();
        if !asks.is_empty() {
            for (fork, seen) in made.iter().zip(account.hosting.observe(&asks).await?) {
                self.install_project(fork, seen);
            }
        }
        Ok(())
    }

    fn install_repository(&self, fork: &Resting, seen: RepositoryView) {
        if self.context.cache.install(&fork.object, fork.since, |view| view.saw_repository(seen)) {
            self.changed(&fork.object, "repository");
        }
    }

    fn install_project(&self, fork: &Resting, seen: Option<ProjectFacts>) {
        if self.context.cache.install(&fork.object, fork.since, |view| view.saw_project(seen)) {
            self.changed(&fork.object, "project");
        }
    }

    fn changed(&self, object: &ObjectRef, what: &'static str) {
        tracing::info!(%object, what, "something changed outside");
        self.context.wake(object.clone());
    }

    /// Reads the domains of the Forks that were not read for the longest time.
    async fn domains(&self, account: &Account, forks: &[Resting]) -> Result<(), PortError> {
        let mut oldest: Vec<_> = forks.iter().filter(|fork| fork.has_domains).collect();
        oldest.sort_by_key(|fork| fork.domains_at);
        for fork in oldest.into_iter().take(DOMAIN_READS) {
            let target = self.context.cache.peek(&fork.object, View::project_target);
            let Some(target) = target.flatten() else { continue };
            let domains = account.hosting.domains(&target, &[]).await?;
            let now = self.context.clock.now();
            if self.context.cache.install(&fork.object, fork.since, |view| view.saw_domains(domains, now)) {
                self.changed(&fork.object, "domains");
            }
        }
        Ok(())
    }

    /// Reads what only single calls tell of one Fork, if that is old.
    async fn deep(&self, account: &Account, forks: &[Resting]) -> Result<(), PortError> {
        let now = self.context.clock.now();
        let old = |fork: &&Resting| fork.deep_at.is_none_or(|at| until(at, now) >= DEEP);
        let wanted = forks.iter().filter(|fork| fork.ask.deep && fork.ask.repository.node_id.is_some());
        let Some(fork) = wanted.filter(old).min_by_key(|fork| fork.deep_at) else { return Ok(()) };
        let ask = RepositoryAsk { deep: true, ..fork.ask.repository.clone() };
        let Some(seen) = account.forge.observe(&[ask]).await?.pop() else { return Ok(()) };
        let new = self.context.cache.install(&fork.object, fork.since, |view| {
            view.deep_at = Some(now);
            view.saw_repository(seen)
        });
        if new {
            self.changed(&fork.object, "repository settings");
        }
        Ok(())
    }

    /// Reads the certificates of a team if a domain waits for one, or once in a while.
    async fn certificates(&mut self, account: &Account, forks: &[Resting]) -> Result<(), PortError> {
        let mut teams: BTreeMap<Option<String>, Vec<&Resting>> = BTreeMap::new();
        for fork in forks.iter().filter(|fork| fork.has_domains) {
            teams.entry(fork.ask.project.team.clone()).or_default().push(fork);
        }
        let now = self.context.clock.now();
        for (team, forks) in teams {
            let key = (account.key.clone(), team);
            let old = self.certificates_at.get(&key).is_none_or(|at| until(*at, now) >= CERTIFICATES);
            if !old && !forks.iter().any(|fork| fork.lacks_certificate) {
                continue;
            }
            let certificates = account.hosting.certificates(key.1.as_deref()).await?.into();
            self.certificates_at.insert(key, now);
            for fork in forks {
                let new =
                    self.context.cache.install(&fork.object, fork.since, |view| view.saw_certificates(&certificates));
                if new {
                    self.context.wake(fork.object.clone());
                }
            }
        }
        Ok(())
    }
}
