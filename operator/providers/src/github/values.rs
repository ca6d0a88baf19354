//! Secrets and variables of GitHub Actions, of a repository or of one of its environments.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crypto_box::{PublicKey, aead::OsRng};
use forkable_core::{
    PortError, Secret,
    forge::{ForgeDone, RepositoryTarget},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{GitHub, client::Request, errors, id, name, of};

/// The public key of a repository or environment.
#[derive(Clone)]
pub(super) struct SealingKey {
    id: String,
    key: PublicKey,
}

#[derive(Deserialize)]
struct Answered {
    key_id: String,
    key: String,
}

/// The same call for a repository and for an environment.
type Operations = (&'static str, &'static str);

const KEY: Operations = (
    "GET /repos/{owner}/{repo}/actions/secrets/public-key",
    "GET /repos/{owner}/{repo}/environments/{environment_name}/secrets/public-key",
);
const PUT_SECRET: Operations = (
    "PUT /repos/{owner}/{repo}/actions/secrets/{secret_name}",
    "PUT /repos/{owner}/{repo}/environments/{environment_name}/secrets/{secret_name}",
);
const DELETE_SECRET: Operations = (
    "DELETE /repos/{owner}/{repo}/actions/secrets/{secret_name}",
    "DELETE /repos/{owner}/{repo}/environments/{environment_name}/secrets/{secret_name}",
);
const CREATE_VARIABLE: Operations = (
    "POST /repos/{owner}/{repo}/actions/variables",
    "POST /repos/{owner}/{repo}/environments/{environment_name}/variables",
);
const UPDATE_VARIABLE: Operations = (
    "PATCH /repos/{owner}/{repo}/actions/variables/{name}",
    "PATCH /repos/{owner}/{repo}/environments/{environment_name}/variables/{name}",
);
const DELETE_VARIABLE: Operations = (
    "DELETE /repos/{owner}/{repo}/actions/variables/{name}",
    "DELETE /repos/{owner}/{repo}/environments/{environment_name}/variables/{name}",
);

/// GitHub's answers to writes do not say when; the next deep look does.
const STORED: ForgeDone = ForgeDone::Stored { updated_at: None };

fn request(
    (repository, of_environment): Operations,
    target: &RepositoryTarget,
    environment: Option<&str>,
) -> Result<Request, PortError> {
    Ok(match environment {
        None => of(repository, target)?,
        Some(environment) => {
            let what = format!("the environment {environment} of {}", name(target));
            of(of_environment, target)?.about(what).at(environment)
        }
    })
}

impl GitHub {
    /// <https://docs.github.com/en/rest/actions/secrets#create-or-update-a-repository-secret>
    pub(super) async fn put_secret(
        &self,
        target: &RepositoryTarget,
        environment: Option<&str>,
        secret: &str,
        value: &Secret,
    ) -> Result<ForgeDone, PortError> {
        let place = (id(target)?, environment.map(str::to_owned));
        let known = self.memory().keys.get(&place).cloned();
        let is_known = known.is_some();
        let key = if let Some(key) = known {
            key
        } else {
            let key = self.sealing_key(target, environment).await?;
            self.memory().keys.insert(place.clone(), key.clone());
            key
        };
        let sealed = key
            .key
            .seal(&mut OsRng, value.expose().as_bytes())
            .map_err(|_| errors::rejected("seal", format!("the secret {secret} cannot be sealed")))?;
        let body = json!({ "encrypted_value": BASE64_STANDARD.encode(sealed), "key_id": key.id });
        let request = request(PUT_SECRET, target, environment)?.at(secret).json(body);
        let answer = self.client.exchange(&request).await?;
        if answer.status().is_success() {
            return Ok(STORED);
        }
        self.memory().keys.remove(&place);
        let error = errors::of(&answer, request.what());
        match error {
            // The environment may have been made anew since, with another key: the next try asks for it.
            PortError::Rejected { message, .. } if is_known => Err(errors::stale(message)),
            error => Err(error),
        }
    }

    async fn sealing_key(&self, target: &RepositoryTarget, environment: Option<&str>) -> Result<SealingKey, PortError> {
        let answer: Answered = self.client.send(&request(KEY, target, environment)?).await?;
        let bytes = BASE64_STANDARD.decode(&answer.key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let bytes = bytes.ok_or_else(|| errors::unavailable("the public key it gives for secrets is none"))?;
        Ok(SealingKey { id: answer.key_id, key: PublicKey::from(bytes) })
    }

    pub(super) async fn delete_secret(
        &self,
        target: &RepositoryTarget,
        environment: Option<&str>,
        secret: &str,
    ) -> Result<ForgeDone, PortError> {
        self.remove(&request(DELETE_SECRET, target, environment)?.at(secret)).await
    }

    /// <https://docs.github.com/en/rest/actions/variables>: creating and updating are two calls.
    pub(super) async fn put_variable(
        &self,
        target: &RepositoryTarget,
        environment: Option<&str>,
        variable: &str,
        value: &str,
        exists: bool,
    ) -> Result<ForgeDone, PortError> {
        let create = request(CREATE_VARIABLE, target, environment)?.json(json!({ "name": variable, "value": value }));
        let update = request(UPDATE_VARIABLE, target, environment)?.at(variable).json(json!({ "value": value }));
        let (first, wrong, second) =
            if exists { (update, StatusCode::NOT_FOUND, create) } else { (create, StatusCode::CONFLICT, update) };
        let answer = self.client.exchange(&first).await?;
        if answer.status() == wrong {
            self.client.run(&second).await?;
        } else if !answer.status().is_success() {
            return Err(errors::of(&answer, first.what()));
        }
        Ok(STORED)
    }

    pub(super) async fn delete_variable(
        &self,
        target: &RepositoryTarget,
        environment: Option<&str>,
        variable: &str,
    ) -> Result<ForgeDone, PortError> {
        self.remove(&request(DELETE_VARIABLE, target, environment)?.at(variable)).await
    }

    async fn remove(&self, request: &Request) -> Result<ForgeDone, PortError> {
        let answer = self.client.exchange(request).await?;
        match answer.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(ForgeDone::Nothing),
            _ => Err(errors::of(&answer, request.what())),
        }
    }
}
