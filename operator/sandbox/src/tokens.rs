//! Who may call, and with what permissions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::requests::Provider;

/// How far a permission goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Look.
    Read,
    /// Change.
    Write,
    /// Administer.
    Admin,
}

/// What kind of credential a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// GitHub's classic personal access token: `scopes`.
    #[default]
    Classic,
    /// GitHub's fine-grained personal access token: `permissions`.
    FineGrained,
    /// A GitHub App's installation token: `permissions`.
    Installation,
    /// Vercel's access token: `teams`.
    Vercel,
}

/// A credential that the sandbox accepts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Token {
    /// Whose API it opens.
    pub provider: Provider,
    /// The secret itself.
    pub token: String,
    /// Its kind.
    #[serde(default)]
    pub kind: TokenKind,
    /// The user it acts for.
    #[serde(default = "founder")]
    pub login: String,
    /// Of a fine-grained or installation token.
    #[serde(default)]
    pub permissions: BTreeMap<String, Access>,
    /// Of a classic token.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Vercel teams it is a member of; the first is its default.
    #[serde(default)]
    pub teams: Vec<String>,
    /// GitHub owners it reaches; empty means those of its user.
    #[serde(default)]
    pub owners: Vec<String>,
    /// GitHub repositories it reaches, by id; absent means all of its owners.
    #[serde(default)]
    pub repositories: Option<Vec<u64>>,
    /// After this it is refused.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

fn founder() -> String {
    "octo-founder".to_owned()
}

impl Token {
    /// Whether it still opens anything.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

/// Who makes a call. Handlers get it as `Extension<Actor>`.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Nobody said who they are.
    Anonymous,
    /// A GitHub App by its signed assertion.
    App {
        /// The App's id.
        id: u64,
    },
    /// The bearer of a token.
    Bearer(std::sync::Arc<Token>),
}

impl Actor {
    /// The token, if there is one.
    pub fn token(&self) -> Option<&Token> {
        match self {
            Self::Bearer(token) => Some(token),
            Self::Anonymous | Self::App { .. } => None,
        }
    }

    /// What rate limits are counted by.
    pub fn key(&self) -> String {
        match self {
            Self::Anonymous => "anonymous".to_owned(),
            Self::App { id } => format!("app-{id}"),
            Self::Bearer(token) => token.token.clone(),
        }
    }
}

/// All tokens, by their secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tokens(BTreeMap<String, Token>);

impl Default for Tokens {
    fn default() -> Self {
        let github = Token {
            provider: Provider::Github,
            token: "sandbox-github-token".to_owned(),
            kind: TokenKind::Classic,
            login: founder(),
            permissions: BTreeMap::new(),
            scopes: ["repo", "workflow", "delete_repo", "admin:org"].map(str::to_owned).into(),
            teams: Vec::new(),
            owners: Vec::new(),
            repositories: None,
            expires_at: None,
        };
        let vercel = Token {
            provider: Provider::Vercel,
            token: "sandbox-vercel-token".to_owned(),
            kind: TokenKind::Vercel,
            scopes: Vec::new(),
            teams: vec!["team_acme".to_owned()],
            ..github.clone()
        };
        Self([github, vercel].into_iter().map(|token| (token.token.clone(), token)).collect())
    }
}

impl Tokens {
    /// Adds or replaces a token.
    pub fn insert(&mut self, token: Token) {
        self.0.insert(token.token.clone(), token);
    }

    /// Refuses a token from now on.
    pub fn remove(&mut self, token: &str) -> bool {
        self.0.remove(token).is_some()
    }

    /// The token with this secret, if it opens `provider` now.
    pub fn find(&self, provider: Provider, secret: &str, now: Timestamp) -> Option<&Token> {
        self.0.get(secret).filter(|token| token.provider == provider && token.is_valid(now))
    }
}
