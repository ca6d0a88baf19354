//! Secrets and variables of Actions, of a repository and of its environments.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crypto_box::SecretKey;
use http::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::answer::Refusal;
use super::environments::{settings, settings_mut};
use super::repo::{StoredSecret, Variable};
use super::rest::{Ctx, Outcome, Reply};
use super::view::second;

/// The key pair of a repository or environment. Each has its own, and a value sealed for another one does not open.
fn key(ctx: &Ctx<'_>, id: u64) -> (String, SecretKey) {
    let place = format!("{}/{id}/{}", ctx.world.github.master_key, ctx.path("environment_name").to_lowercase());
    let seed: [u8; 32] = Sha256::digest(place.as_bytes()).into();
    let id = Sha256::digest(seed).iter().take(8).fold(0_u64, |id, byte| (id << 8) | u64::from(*byte));
    (id.to_string(), SecretKey::from(seed))
}

/// `GET …/secrets/public-key`
pub(super) fn public_key(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    settings(ctx, id)?;
    let (key_id, key) = key(ctx, id);
    Ok(Reply::ok(json!({ "key_id": key_id, "key": BASE64_STANDARD.encode(key.public_key().as_bytes()) })))
}

fn show_secret((name, secret): (&String, &StoredSecret)) -> Value {
    json!({ "name": name, "created_at": second(secret.created_at), "updated_at": second(secret.updated_at) })
}

/// `GET …/secrets`
pub(super) fn secrets(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    Ok(Reply::PageIn("secrets", settings(ctx, id)?.secrets.iter().map(show_secret).collect()))
}

/// `GET …/secrets/{secret_name}`
pub(super) fn secret(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let name = ctx.path("secret_name").to_uppercase();
    let found = settings(ctx, id)?.secrets.get_key_value(&name);
    found.map(|secret| Reply::ok(show_secret(secret))).ok_or_else(Refusal::not_found)
}

/// `PUT …/secrets/{secret_name}`
pub(super) fn put_secret(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let name = check_name(ctx.path("secret_name"))?;
    settings(ctx, id)?;
    let (key_id, key) = key(ctx, id);
    if ctx.text("key_id") != Some(&key_id) {
        return Err(Refusal::unprocessable("Validation failed: the key_id does not name the current public key"));
    }
    let sealed = ctx.text("encrypted_value").unwrap_or_default();
    let open = BASE64_STANDARD.decode(sealed).ok().and_then(|sealed| key.unseal(&sealed).ok());
    let value = open.and_then(|bytes| String::from_utf8(bytes).ok());
    let value = value
        .ok_or_else(|| Refusal::unprocessable("Could not decrypt the secret: it was not sealed for this public key"))?;
    if value.len() > 48 * 1024 {
        return Err(Refusal::unprocessable("Validation Failed: a secret is limited to 48 KB"));
    }
    let now = ctx.now;
    let secrets = &mut settings_mut(ctx, id)?.secrets;
    let created_at = secrets.get(&name).map_or(now, |secret| secret.created_at);
    let old = secrets.insert(name, StoredSecret { value, created_at, updated_at: now });
    Ok(if old.is_some() { Reply::no_content() } else { Reply::Json(StatusCode::CREATED, json!({})) })
}

/// `DELETE …/secrets/{secret_name}`
pub(super) fn delete_secret(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let name = ctx.path("secret_name").to_uppercase();
    let gone = settings_mut(ctx, id)?.secrets.remove(&name);
    gone.map(|_| Reply::no_content()).ok_or_else(Refusal::not_found)
}

/// Letters, digits and `_`, not starting with a digit or `GITHUB_`; kept in upper case.
fn check_name(name: &str) -> Result<String, Refusal> {
    let name = name.to_uppercase();
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(inner) || name.starts_with(|c: char| c.is_ascii_digit()) {
        let message = "Names can only contain alphanumeric characters ([a-z], [A-Z], [0-9]) or underscores (_). Spaces are not allowed. Must start with a letter ([a-z], [A-Z]) or underscores (_).";
        return Err(Refusal::unprocessable(message));
    }
    if name.starts_with("GITHUB_") {
        return Err(Refusal::unprocessable("Names must not start with GITHUB_."));
    }
    Ok(name)
}

fn show_variable((name, variable): (&String, &Variable)) -> Value {
    json!({
        "name": name,
        "value": variable.value,
        "created_at": second(variable.created_at),
        "updated_at": second(variable.updated_at),
    })
}

/// `GET …/variables`
pub(super) fn variables(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    Ok(Reply::PageIn("variables", settings(ctx, id)?.variables.iter().map(show_variable).collect()))
}

/// `GET …/variables/{name}`
pub(super) fn variable(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let name = ctx.path("name").to_uppercase();
    let found = settings(ctx, id)?.variables.get_key_value(&name);
    found.map(|variable| Reply::ok(show_variable(variable))).ok_or_else(Refusal::not_found)
}

/// `POST …/variables`
pub(super) fn create_variable(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let name = check_name(ctx.text("name").unwrap_or_default())?;
    let value = check_value(ctx.text("value").unwrap_or_default())?;
    let now = ctx.now;
    let variables = &mut settings_mut(ctx, id)?.variables;
    if variables.contains_key(&name) {
        return Err(Refusal::conflict("Already exists - Variable already exists"));
    }
    variables.insert(name, Variable { value, created_at: now, updated_at: now });
    Ok(Reply::created(json!({})))
}

/// `PATCH …/variables/{name}`
pub(super) fn update_variable(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let old = ctx.path("name").to_uppercase();
    let name = ctx.text("name").map(check_name).transpose()?.unwrap_or_else(|| old.clone());
    let value = ctx.text("value").map(check_value).transpose()?;
    let now = ctx.now;
    let variables = &mut settings_mut(ctx, id)?.variables;
    if name != old && variables.contains_key(&name) {
        return Err(Refusal::conflict("Already exists - Variable already exists"));
    }
    let mut variable = variables.remove(&old).ok_or_else(Refusal::not_found)?;
    variable.value = value.unwrap_or(variable.value);
    variable.updated_at = now;
    variables.insert(name, variable);
    Ok(Reply::no_content())
}

fn check_value(value: &str) -> Result<String, Refusal> {
    if value.len() > 48 * 1024 {
        return Err(Refusal::unprocessable("Validation Failed: a variable is limited to 48 KB"));
    }
    Ok(value.to_owned())
}

/// `DELETE …/variables/{name}`
pub(super) fn delete_variable(ctx: &mut Ctx<'_>, id: u64) -> Outcome {
    let name = ctx.path("name").to_uppercase();
    let gone = settings_mut(ctx, id)?.variables.remove(&name);
    gone.map(|_| Reply::no_content()).ok_or_else(Refusal::not_found)
}
