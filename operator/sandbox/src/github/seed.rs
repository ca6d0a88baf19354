//! The world as it is when nobody has changed it yet.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::app::App;
use super::git::{Commit, Files, Sha, Signature, Store};
use super::repo::{Repo, Visibility};
use super::state::{Account, AccountKind, State};

/// The files of the template `forkable-ai/framework`.
const FRAMEWORK: [(&str, &str); 8] = [
    ("package.json", include_str!("seed/package.json")),
    ("README.md", include_str!("seed/README.md")),
    ("app/page.tsx", include_str!("seed/page.tsx")),
    (".github/workflows/ci.yml", include_str!("seed/ci.yml")),
    ("vercel.json", include_str!("seed/vercel.json")),
    ("LICENSE", include_str!("seed/LICENSE")),
    (".gitignore", "node_modules\n.next\n.env*.local\n"),
    ("next.config.js", "/** @type {import('next').NextConfig} */\nmodule.exports = { reactStrictMode: true };\n"),
];

impl State {
    /// Two organizations and their owners, a template, a repository that is none, and a template without commits.
    pub fn seeded(now: Timestamp) -> Self {
        let account = |id, login: &str, kind| Account {
            id,
            login: login.to_owned(),
            kind,
            owners: match kind {
                AccountKind::Organization => vec!["octo-founder".to_owned(), "octo-reviewer".to_owned()],
                AccountKind::User => Vec::new(),
            },
            email: format!("{id}+{login}@users.noreply.github.com"),
        };
        let accounts = [
            account(1001, "octo-founder", AccountKind::User),
            account(1002, "octo-reviewer", AccountKind::User),
            account(2001, "forkable-ai", AccountKind::Organization),
            account(2002, "acme-inc", AccountKind::Organization),
        ];
        let mut state = Self {
            accounts: accounts.into_iter().map(|account| (account.login.clone(), account)).collect(),
            repos: BTreeMap::new(),
            deleted: Vec::new(),
            names: BTreeMap::new(),
            redirects: BTreeMap::new(),
            pending: BTreeSet::new(),
            objects: Store::default(),
            app: App::seeded(&["acme-inc", "forkable-ai"]),
            last_id: 700_000_000,
            master_key: hex::encode(rand::random::<[u8; 32]>()),
        };
        state.seed_repo("framework", &FRAMEWORK, now).switches.is_template = true;
        state.seed_repo("storefront", &[("README.md", "# storefront\n")], now);
        state.seed_repo("empty", &[], now).switches.is_template = true;
        state
    }

    fn seed_repo(&mut self, name: &str, files: &[(&str, &str)], now: Timestamp) -> &mut Repo {
        let id = self.next_id();
        let mut repo = Repo::new(id, "forkable-ai", name, now);
        repo.visibility = Visibility::Public;
        if !files.is_empty() {
            let mut tree = Files::new();
            for (path, text) in files {
                tree.insert((*path).to_owned(), ("100644".to_owned(), self.objects.put_blob(text.as_bytes())));
            }
            let sha = self.first_commit(&tree, "octo-founder", now);
            self.objects.reach(&sha, &mut repo.objects);
            repo.branches.insert("main".to_owned(), sha);
        }
        self.insert(repo);
        self.repos.get_mut(&id).expect("it was just inserted")
    }

    /// The commit `Initial commit` with these files.
    pub(super) fn first_commit(&mut self, files: &Files, login: &str, now: Timestamp) -> Sha {
        let tree = self.objects.put_files(files);
        let author = self.signature(login, now);
        let message = "Initial commit".to_owned();
        self.objects.put_commit(Commit { tree, parents: Vec::new(), committer: author.clone(), author, message })
    }

    /// How a login signs commits.
    pub(super) fn signature(&self, login: &str, date: Timestamp) -> Signature {
        let email = self.accounts.get(login).map(|account| account.email.clone());
        let email = email.unwrap_or_else(|| format!("{login}@users.noreply.github.com"));
        Signature { name: login.to_owned(), email, date }
    }
}
