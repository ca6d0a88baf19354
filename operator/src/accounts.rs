//! Whose credentials calls are made with: the process's own, or those that a Fork names.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use forkable_core::{
    DigestKey, PortError, Secret,
    error::Provider,
    forge::{Forge, ForgeChange, ForgeDone, RepositoryTarget},
    hosting::{Hosting, HostingChange, HostingDone, ProjectTarget},
    sites::Sites,
};

/// Credentials of both providers.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub github: GitHubCredentials,
    pub vercel: Secret,
    /// Vercel team of projects that name none.
    pub team: Option<String>,
}

/// The credentials of the process itself: what is absent has to come from the Secret that a Fork names.
#[derive(Clone, Debug, Default)]
pub struct OwnCredentials {
    pub github: Option<GitHubCredentials>,
    pub vercel: Option<Secret>,
    pub team: Option<String>,
}

impl From<Credentials> for OwnCredentials {
    fn from(Credentials { github, vercel, team }: Credentials) -> Self {
        Self { github: Some(github), vercel: Some(vercel), team }
    }
}

/// How to be let in at GitHub.
#[derive(Clone, Debug)]
pub enum GitHubCredentials {
    Token(Secret),
    App { id: String, installation: String, private_key: Secret },
}

/// Both providers, reached with one set of credentials.
pub struct Account {
    /// Tells accounts apart and says nothing about the credentials.
    pub key: String,
    pub forge: Arc<dyn Forge>,
    pub hosting: Arc<dyn Hosting>,
    pub sites: Arc<dyn Sites>,
    fence: Arc<Fence>,
}

impl Account {
    /// Changes a repository, if this process still may.
    pub(crate) async fn change_repository(
        &self,
        target: &RepositoryTarget,
        change: &ForgeChange,
    ) -> Result<ForgeDone, PortError> {
        let _under_way = self.fence.enter(Provider::GitHub)?;
        self.forge.apply(target, change).await
    }

    /// Changes a project, if this process still may.
    pub(crate) async fn change_project(
        &self,
        target: &ProjectTarget,
        change: &HostingChange,
    ) -> Result<HostingDone, PortError> {
        let _under_way = self.fence.enter(Provider::Vercel)?;
        self.hosting.apply(target, change).await
    }
}

/// Until when this process may change anything outside, and what is under way. A process that lost its Lease while it was
/// frozen finds out here, before anything else of it runs.
#[derive(Debug, Default)]
pub struct Fence {
    state: Mutex<FenceState>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct FenceState {
    end: Option<Instant>,
    is_closed: bool,
    under_way: usize,
}

/// A change outside that is under way.
struct UnderWay<'a>(&'a Fence);

impl Fence {
    /// It may until `end`. A fence without an end never closes by itself.
    pub fn set(&self, end: Instant) {
        self.state().end = Some(end);
    }

    /// No change begins any more. Waits until those that are under way have ended, and no longer than that.
    pub(crate) fn close(&self, patience: Duration) {
        let mut state = self.state();
        state.is_closed = true;
        drop(self.ended.wait_timeout_while(state, patience, |state| state.under_way > 0));
    }

    fn enter(&self, provider: Provider) -> Result<UnderWay<'_>, PortError> {
        let mut state = self.state();
        let message = match state.end {
            _ if state.is_closed => "this process ends",
            Some(end) if Instant::now() >= end => "this process does not lead any more",
            _ => {
                state.under_way += 1;
                return Ok(UnderWay(self));
            }
        };
        Err(PortError::Unavailable { provider, message: message.into() })
    }

    fn state(&self) -> MutexGuard<'_, FenceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
        self.0.ended.notify_all();
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Clients of both providers and of what is deployed.
pub type Clients = (Arc<dyn Forge>, Arc<dyn Hosting>, Arc<dyn Sites>);

/// Makes clients of both providers from credentials; no call is made.
pub trait Connect: Send + Sync {
    /// Errors say what is wrong with the credentials' form, and nothing of their content.
    fn connect(&self, credentials: &Credentials) -> Result<Clients, String>;
}

/// Accounts by credentials; one client each, so that they share budgets.
pub struct Accounts {
    connect: Box<dyn Connect>,
    own: OwnCredentials,
    key: DigestKey,
    open: Mutex<HashMap<String, Arc<Account>>>,
    fence: Arc<Fence>,
}

impl Accounts {
    /// `key` digests credentials in memory.
    pub fn new(connect: Box<dyn Connect>, own: impl Into<OwnCredentials>, key: DigestKey) -> Self {
        Self { connect, own: own.into(), key, open: Mutex::default(), fence: Arc::default() }
    }

    /// What all accounts ask before every change.
    pub fn fence(&self) -> &Arc<Fence> {
        &self.fence
    }

    /// The process's own account.
    pub fn own(&self) -> Result<Arc<Account>, String> {
        let OwnCredentials { github, vercel, team } = self.own.clone();
        match (github, vercel) {
            (Some(github), Some(vercel)) => self.open(&Credentials { github, vercel, team }),
            (github, _) => Err(format!(
                "it is absent, and Forkable has no credentials of its own for {}: name a Secret with the keys \
                 githubToken and vercelToken",
                if github.is_none() { "GitHub" } else { "Vercel" }
            )),
        }
    }

    /// The account of a Secret's data: what it does not have is taken from the process's own credentials.
    pub fn of_secret(&self, data: &BTreeMap<String, Secret>) -> Result<Arc<Account>, String> {
        let text = |key: &str| data.get(key).map(|value| value.expose().trim().to_owned());
        let github = match (text("githubToken"), text("githubAppId"), data.get("githubAppPrivateKey")) {
            (Some(token), ..) => GitHubCredentials::Token(Secret::new(token)),
            (None, Some(id), Some(private_key)) => GitHubCredentials::App {
                id,
                installation: text("githubAppInstallationId").ok_or("it lacks the key githubAppInstallationId")?,
                private_key: private_key.clone(),
            },
            (None, Some(_), None) => return Err("it lacks the key githubAppPrivateKey".into()),
            (None, None, _) => self.own.github.clone().ok_or("it lacks the key githubToken")?,
        };
        let vercel = text("vercelToken").map(Secret::new).or_else(|| self.own.vercel.clone());
        let vercel = vercel.ok_or("it lacks the key vercelToken")?;
        let team = text("vercelTeamId").or_else(|| self.own.team.clone());
        self.open(&Credentials { github, vercel, team })
    }

    /// An account that was opened before.
    pub(crate) fn by_key(&self, key: &str) -> Option<Arc<Account>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn open(&self, credentials: &Credentials) -> Result<Arc<Account>, String> {
        let Credentials { github, vercel, team } = credentials;
        let github = match github {
            GitHubCredentials::Token(token) => token.expose().to_owned(),
            GitHubCredentials::App { id, installation, private_key } => {
                format!("{id}\n{installation}\n{}", private_key.expose())
            }
        };
        let whole = format!("{github}\0{}\0{}", vercel.expose(), team.as_deref().unwrap_or_default());
        let key = self.key.digest("credentials", &whole);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = open.get(&key) {
            return Ok(account.clone());
        }
        let (forge, hosting, sites) = self.connect.connect(credentials)?;
        let account = Arc::new(Account { key: key.clone(), forge, hosting, sites, fence: self.fence.clone() });
        open.insert(key, account.clone());
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_is_open_until_its_end() {
        let fence = Fence::default();
        drop(fence.enter(Provider::GitHub).expect("nobody else may act"));
        fence.set(Instant::now() + Duration::from_mins(1));
        drop(fence.enter(Provider::GitHub).expect("it leads"));
        fence.set(Instant::now());
        let closed = fence.enter(Provider::Vercel).err().expect("it does not lead any more");
        assert!(matches!(closed, PortError::Unavailable { provider: Provider::Vercel, .. }), "{closed}");
    }

    #[test]
    fn what_is_under_way_when_a_fence_is_closed_may_end_and_nothing_begins() {
        let fence = Fence::default();
        let under_way = fence.enter(Provider::GitHub).expect("it is open");
        let began = Instant::now();
        std::thread::scope(|scope| {
            let closing = scope.spawn(|| fence.close(Duration::from_hours(1)));
            while fence.enter(Provider::Vercel).is_ok() {
                std::thread::yield_now();
            }
            assert!(!closing.is_finished(), "something is under way");
            drop(under_way);
            closing.join().expect("it ends as what was under way does");
        });
        assert!(began.elapsed() < Duration::from_hours(1));
        fence.state().under_way = 1;
        fence.close(Duration::from_millis(1));
        fence.set(Instant::now() + Duration::from_hours(1));
        assert!(fence.enter(Provider::GitHub).is_err(), "it stays closed, whoever leads");
    }
}
