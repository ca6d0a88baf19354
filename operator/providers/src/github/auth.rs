//! Being let in: a token as it is, or a GitHub App that gets a short-lived token for its installation.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use forkable_core::{PortError, Secret, error::Provider, forge::Permissions};
use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    client::{Client, Request},
    errors,
};
use crate::transport::{self, Answer};

/// How to be let in at GitHub.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// A classic or fine-grained personal access token.
    Token(Secret),
    /// A GitHub App and its installation on the accounts where repositories are made. The key is RSA in PEM.
    App { id: String, installation: String, private_key: Secret },
}

/// The private key of the App is not an RSA key in PEM, or the token has characters that no header takes.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    #[error("the private key of the GitHub App is not an RSA key in PEM")]
    PrivateKey,
    #[error("the GitHub token has characters that no token has")]
    Token,
    #[error("the id of the GitHub App or of its installation is not a number")]
    Id,
}

/// How long before its end a token is not used any more.
const SPARE: SignedDuration = SignedDuration::from_mins(5);

pub(super) struct Auth {
    kind: Kind,
    /// What answers told of the permissions.
    granted: Mutex<Option<Vec<String>>>,
}

enum Kind {
    Token(HeaderValue),
    App(App),
}

struct App {
    id: u64,
    installation: u64,
    key: EncodingKey,
    /// Locked while a new one is asked for, so that many calls ask once.
    issued: tokio::sync::Mutex<Option<Issued>>,
}

#[derive(Clone)]
struct Issued {
    bearer: HeaderValue,
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct Claims {
    iat: i64,
    exp: i64,
    iss: String,
}

#[derive(Deserialize)]
struct Answered {
    token: String,
    expires_at: Timestamp,
    #[serde(default)]
    permissions: serde_json::Map<String, Value>,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Auth {
    pub(super) fn new(credentials: &Credentials) -> Result<Self, CredentialsError> {
        let number = |id: &str| id.trim().parse::<u64>().map_err(|_| CredentialsError::Id);
        let kind = match credentials {
            Credentials::Token(token) => Kind::Token(bearer(token.expose()).ok_or(CredentialsError::Token)?),
            Credentials::App { id, installation, private_key } => Kind::App(App {
                id: number(id)?,
                installation: number(installation)?,
                key: EncodingKey::from_rsa_pem(private_key.expose().as_bytes())
                    .map_err(|_| CredentialsError::PrivateKey)?,
                issued: tokio::sync::Mutex::default(),
            }),
        };
        Ok(Self { kind, granted: Mutex::default() })
    }

    /// The App that acts, if it is one.
    pub(super) fn app(&self) -> Option<u64> {
        match &self.kind {
            Kind::Token(_) => None,
            Kind::App(app) => Some(app.id),
        }
    }

    pub(super) fn permissions(&self) -> Permissions {
        Permissions { granted: self.granted.lock().unwrap_or_else(PoisonError::into_inner).clone() }
    }

    fn grant(&self, granted: Vec<String>) {
        *self.granted.lock().unwrap_or_else(PoisonError::into_inner) = Some(granted);
    }

    /// The header to send; a token of an App is asked for when there is none or its end is near.
    pub(super) async fn bearer(&self, client: &Client) -> Result<HeaderValue, PortError> {
        let app = match &self.kind {
            Kind::Token(bearer) => return Ok(bearer.clone()),
            Kind::App(app) => app,
        };
        let mut issued = app.issued.lock().await;
        if let Some(issued) = issued.as_ref().filter(|issued| issued.expires_at - SPARE > client.now()) {
            return Ok(issued.bearer.clone());
        }
        let token = app.issue(client).await?;
        let fresh = Issued {
            bearer: bearer(&token.token).ok_or_else(|| errors::unavailable("its token has unusable characters"))?,
            expires_at: token.expires_at,
        };
        let mut granted: Vec<_> = token
            .permissions
            .iter()
            .filter_map(|(name, access)| Some(format!("{name}:{}", access.as_str()?)))
            .collect();
        granted.sort_unstable();
        self.grant(granted);
        *issued = Some(fresh.clone());
        Ok(fresh.bearer)
    }

    /// Notes what an answer tells of the credentials: scopes of a classic token, or that the token of an App is no
    /// longer good, which is an error that the next try mends.
    pub(super) fn learn(&self, answer: &Answer) -> Result<(), PortError> {
        match &self.kind {
            Kind::Token(_) => {
                let scopes = answer.headers().get("x-oauth-scopes").and_then(|scopes| scopes.to_str().ok());
                if let Some(scopes) = scopes {
                    let scopes = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty());
                    self.grant(scopes.map(str::to_owned).collect());
                }
            }
            Kind::App(app) if answer.status() == http::StatusCode::UNAUTHORIZED => {
                // Locked: another call is about to replace it.
                if let Ok(mut issued) = app.issued.try_lock() {
                    *issued = None;
                }
                return Err(errors::stale("the token of the GitHub App's installation has ended"));
            }
            Kind::App(_) => {}
        }
        Ok(())
    }
}

impl App {
    /// <https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app>
    async fn issue(&self, client: &Client) -> Result<Answered, PortError> {
        let now = client.now().as_second();
        // A minute back, because clocks differ; GitHub takes at most ten minutes.
        let claims = Claims { iat: now - 60, exp: now + 540, iss: self.id.to_string() };
        let unsigned = |_| PortError::Unauthorized {
            provider: Provider::GitHub,
            message: "the private key of the GitHub App cannot sign".into(),
        };
        let assertion = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &self.key).map_err(unsigned)?;
        let bearer = bearer(&assertion).ok_or_else(|| errors::unavailable("an assertion of unusable characters"))?;
        let request = Request::new(
            "POST /app/installations/{installation_id}/access_tokens",
            format!("installation {} of the GitHub App {}", self.installation, self.id),
        )
        .at(self.installation);
        let answer = client.dispatch(&request, &bearer, "app").await?;
        if !answer.status().is_success() {
            return Err(errors::of(&answer, request.what()));
        }
        transport::json(Provider::GitHub, &answer)
    }
}

fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}
