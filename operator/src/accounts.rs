//! Whose credentials calls are made with: the process's own, or those that a Fork names.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
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
        self.fence.check(Provider::GitHub)?;
        self.forge.apply(target, change).await
    }

    /// Changes a project, if this process still may.
    pub(crate) async fn change_project(
        &self,
        target: &ProjectTarget,
        change: &HostingChange,
    ) -> Result<HostingDone, PortError> {
        self.fence.check(Provider::Vercel)?;
        self.hosting.apply(target, change).await
    }
}

/// Until when this process may change anything outside. A process that lost its Lease while it was frozen finds out
/// here, before anything else of it runs.
#[derive(Debug, Default)]
pub struct Fence(Mutex<Option<Instant>>);

impl Fence {
    /// It may until `end`. A fence without an end never closes.
    pub fn set(&self, end: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    fn check(&self, provider: Provider) -> Result<(), PortError> {
        let end = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if end.is_none_or(|end| Instant::now() < end) {
            return Ok(());
        }
        Err(PortError::Unavailable { provider, message: "this process does not lead any more".into() })
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
    pub fn fence(&self) -> &Fence {
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
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fence_is_open_until_its_end() {
        let fence = Fence::default();
        fence.check(Provider::GitHub).expect("nobody else may act");
        fence.set(Instant::now() + Duration::from_mins(1));
        fence.check(Provider::GitHub).expect("it leads");
        fence.set(Instant::now());
        let closed = fence.check(Provider::Vercel).expect_err("it does not lead any more");
        assert!(matches!(closed, PortError::Unavailable { provider: Provider::Vercel, .. }), "{closed}");
    }
}
