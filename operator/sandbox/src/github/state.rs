//! Accounts and repositories, and the questions the rest of the sandbox asks about them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::app::App;
use super::git::{Files, Sha, Store};
use super::repo::Repo;

/// Whether an account is a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountKind {
    /// A person.
    User,
    /// An organization.
    Organization,
}

/// A user or an organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Never changes.
    pub id: u64,
    /// The name in URLs.
    pub login: String,
    /// Person or organization.
    pub kind: AccountKind,
    /// Owners of an organization, by login.
    pub owners: Vec<String>,
    /// A person's address in commits.
    pub email: String,
}

/// Everything that GitHub knows.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// By login.
    pub accounts: BTreeMap<String, Account>,
    /// By id.
    pub repos: BTreeMap<u64, Repo>,
    /// Repositories that were deleted, as they were.
    pub deleted: Vec<Repo>,
    /// The repository that a lower-case full name means.
    pub(super) names: BTreeMap<String, u64>,
    /// Former full names, until they are used again.
    pub(super) redirects: BTreeMap<String, u64>,
    /// Repositories whose content is not there yet.
    pub(super) pending: BTreeSet<u64>,
    /// Git objects of all repositories.
    pub objects: Store,
    /// The installed App.
    pub app: App,
    pub(super) last_id: u64,
    /// What the key pairs of secrets are derived from.
    pub(super) master_key: String,
}

/// A commit, as the hosting half shows it.
#[derive(Clone, Debug)]
pub struct CommitInfo {
    /// Its name.
    pub sha: Sha,
    /// Headline and body.
    pub message: String,
    /// Who wrote it.
    pub author_name: String,
    /// Their address.
    pub author_email: String,
    /// Their account, if the address belongs to one.
    pub author_login: Option<String>,
    /// When.
    pub date: Timestamp,
}

impl State {
    /// The repository with this id.
    pub fn repo_by_id(&self, id: u64) -> Option<&Repo> {
        self.repos.get(&id)
    }

    /// The repository of that name now, in any case.
    pub fn repo_by_name(&self, owner: &str, name: &str) -> Option<&Repo> {
        self.repos.get(self.names.get(&key(owner, name))?)
    }

    /// The repository that had that name before it was renamed or moved.
    pub fn repo_by_former_name(&self, owner: &str, name: &str) -> Option<&Repo> {
        self.repos.get(self.redirects.get(&key(owner, name))?)
    }

    /// The commit a branch points to; `None` while the repository is empty.
    pub fn head(&self, repository: u64, branch: &str) -> Option<&Sha> {
        self.repos.get(&repository)?.branches.get(branch)
    }

    /// A commit that this repository has.
    pub fn commit_info(&self, repository: u64, sha: &str) -> Option<CommitInfo> {
        let repo = self.repos.get(&repository).filter(|repo| repo.objects.contains(sha))?;
        debug_assert_eq!(repo.id, repository);
        let commit = self.objects.commit(sha)?;
        Some(CommitInfo {
            sha: sha.to_owned(),
            message: commit.message.clone(),
            author_name: commit.author.name.clone(),
            author_email: commit.author.email.clone(),
            author_login: self.login_of(&commit.author.email).map(str::to_owned),
            date: commit.author.date,
        })
    }

    /// The files of a commit that this repository has, by path.
    pub fn files(&self, repository: u64, sha: &str) -> BTreeMap<String, Vec<u8>> {
        let has = self.repos.get(&repository).is_some_and(|repo| repo.objects.contains(sha));
        let tree = has.then(|| self.objects.commit(sha)).flatten().map(|commit| &commit.tree);
        let files = tree.map_or_else(Files::new, |tree| self.objects.files(tree));
        let bytes = |blob: &Sha| self.objects.blob(blob).unwrap_or_default().to_vec();
        files.into_iter().map(|(path, (_, blob))| (path, bytes(&blob))).collect()
    }

    /// The account whose address this is.
    pub fn login_of(&self, email: &str) -> Option<&str> {
        self.accounts.values().find(|account| account.email == email).map(|account| account.login.as_str())
    }

    /// An account by login, in any case.
    pub fn account(&self, login: &str) -> Option<&Account> {
        self.accounts.values().find(|account| account.login.eq_ignore_ascii_case(login))
    }

    /// Sets the App's public key.
    pub fn configure_app(&mut self, public_key_pem: &str) -> anyhow::Result<()> {
        self.app.set_key(public_key_pem)
    }

    pub(super) fn next_id(&mut self) -> u64 {
        // Real ids have gaps, and nothing may rely on there being none.
        self.last_id += 7;
        self.last_id
    }

    /// Adds a repository; its name must be free.
    pub(super) fn insert(&mut self, repo: Repo) {
        let name = key(&repo.owner, &repo.name);
        self.redirects.remove(&name);
        self.names.insert(name, repo.id);
        if repo.pending.is_some() {
            self.pending.insert(repo.id);
        }
        self.repos.insert(repo.id, repo);
    }

    /// Gives a repository another owner or name; the old one redirects.
    pub(super) fn rename(&mut self, id: u64, owner: &str, name: &str) {
        let Some(repo) = self.repos.get_mut(&id) else {
            return;
        };
        let old = key(&repo.owner, &repo.name);
        owner.clone_into(&mut repo.owner);
        name.clone_into(&mut repo.name);
        let new = key(owner, name);
        self.names.remove(&old);
        if old != new {
            self.redirects.insert(old, id);
        }
        self.redirects.remove(&new);
        self.names.insert(new, id);
    }

    /// Deletes a repository; its names are free again.
    pub(super) fn remove(&mut self, id: u64) -> Option<Repo> {
        let repo = self.repos.remove(&id)?;
        self.names.remove(&key(&repo.owner, &repo.name));
        self.redirects.retain(|_, target| *target != id);
        self.pending.remove(&id);
        self.deleted.push(repo.clone());
        Some(repo)
    }
}

fn key(owner: &str, name: &str) -> String {
    format!("{owner}/{name}").to_lowercase()
}
