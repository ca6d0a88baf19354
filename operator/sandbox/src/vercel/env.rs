//! Environment variables: what one is, which rows conflict, and which a build sees.

use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::model::{Millis, Project};
use super::problem::Problem;

/// Rows per environment. <https://vercel.com/docs/environment-variables#limits>
const MAX_PER_ENVIRONMENT: usize = 1000;
/// Bytes of all names and values of one environment.
const MAX_BYTES: usize = 64 * 1024;

/// Names the platform sets itself.
const RESERVED: [&str; 6] = ["VERCEL", "VERCEL_ENV", "VERCEL_URL", "VERCEL_REGION", "NOW_REGION", "CI"];

/// One variable of a project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnvVar {
    /// 16 letters and digits.
    pub id: String,
    /// Name.
    pub key: String,
    /// Value, readable here only: answers follow [`EnvVar::view`].
    pub value: String,
    /// `plain`, `encrypted`, `sensitive` or `system`.
    pub kind: String,
    /// Of `production`, `preview`, `development`.
    pub target: Vec<String>,
    /// Ids of custom environments.
    pub custom_environments: Vec<String>,
    /// Only deployments of this branch.
    pub git_branch: Option<String>,
    /// Free text.
    pub comment: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// Last change of value or metadata.
    pub updated_at: Millis,
    /// Who made it.
    pub created_by: String,
}

/// How much of a value an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Inside a project: only plain values.
    Metadata,
    /// In lists and after writes: ciphertext for encrypted values.
    Listed,
    /// Clear text for all but sensitive values.
    Decrypted,
}

impl EnvVar {
    /// A variable from a validated request body; `target` may be one name or a list.
    pub fn from_body(body: &Value, by: &str, now: Millis) -> Self {
        let strings = |value: &Value| match value {
            Value::String(one) => vec![one.clone()],
            other => list(other),
        };
        Self {
            id: super::ids::random("", 16),
            key: text(&body["key"]).unwrap_or_default(),
            value: text(&body["value"]).unwrap_or_default(),
            kind: text(&body["type"]).unwrap_or_else(|| "encrypted".to_owned()),
            target: strings(&body["target"]),
            custom_environments: list(&body["customEnvironmentIds"]),
            git_branch: text(&body["gitBranch"]).filter(|branch| !branch.is_empty()),
            comment: text(&body["comment"]),
            created_at: now,
            updated_at: now,
            created_by: by.to_owned(),
        }
    }

    /// Applies a PATCH body.
    ///
    /// # Errors
    /// 400 when a sensitive variable would become readable.
    pub fn patch(&mut self, body: &Value, now: Millis) -> Result<(), Problem> {
        let kind = text(&body["type"]).unwrap_or_else(|| self.kind.clone());
        if self.kind == "sensitive" && kind != "sensitive" {
            let message = "You cannot change the type of a Sensitive Environment Variable.";
            return Err(Problem::new(400, "BAD_REQUEST", message));
        }
        self.kind = kind;
        if let Some(key) = text(&body["key"]) {
            self.key = key;
        }
        if let Some(value) = text(&body["value"]) {
            self.value = value;
        }
        if !body["target"].is_null() {
            self.target = list(&body["target"]);
        }
        if !body["customEnvironmentIds"].is_null() {
            self.custom_environments = list(&body["customEnvironmentIds"]);
        }
        if body.get("gitBranch").is_some() {
            self.git_branch = text(&body["gitBranch"]).filter(|branch| !branch.is_empty());
        }
        if let Some(comment) = text(&body["comment"]) {
            self.comment = Some(comment);
        }
        self.updated_at = now;
        Ok(())
    }

    /// The row in answers.
    pub fn view(&self, show: Show) -> Value {
        let mut row = json!({
            "id": self.id,
            "key": self.key,
            "type": self.kind,
            "target": self.target,
            "customEnvironmentIds": self.custom_environments,
            "configurationId": null,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
            "createdBy": self.created_by,
            "updatedBy": null,
            "securityIssues": [],
        });
        if let Some(branch) = &self.git_branch {
            row["gitBranch"] = json!(branch);
        }
        if let Some(comment) = &self.comment {
            row["comment"] = json!(comment);
        }
        let readable = matches!(self.kind.as_str(), "plain" | "system");
        match (self.kind.as_str(), show) {
            (_, Show::Metadata) if !readable => row["value"] = json!(""),
            ("sensitive", _) => {
                row["value"] = json!("");
                row["decrypted"] = json!(false);
            }
            ("encrypted", Show::Listed) => {
                row["value"] = json!(self.ciphertext());
                row["decrypted"] = json!(false);
            }
            _ => {
                row["value"] = json!(self.value);
                row["decrypted"] = json!(true);
            }
        }
        row
    }

    /// What an encrypted value looks like: stable while the value is, and not reversible.
    fn ciphertext(&self) -> String {
        let digest = Sha256::digest(format!("{}\0{}", self.id, self.value));
        let sealed = json!({ "v": "v2", "c": hex::encode(digest) });
        base64::engine::general_purpose::STANDARD.encode(sealed.to_string())
    }

    /// Whether both rows would set one variable in one environment and branch.
    fn conflicts(&self, other: &Self) -> bool {
        let shared = |a: &[String], b: &[String]| a.iter().any(|item| b.contains(item));
        self.key == other.key
            && self.git_branch == other.git_branch
            && (shared(&self.target, &other.target) || shared(&self.custom_environments, &other.custom_environments))
    }

    /// Whether a build for this environment and branch sees the row.
    fn applies(&self, environment: &str, custom: Option<&str>, branch: Option<&str>) -> bool {
        let here = match custom {
            Some(id) => self.custom_environments.iter().any(|env| env == id),
            None => self.target.iter().any(|target| target == environment),
        };
        here && (self.git_branch.is_none() || self.git_branch.as_deref() == branch)
    }
}

/// The variables a build sees, by name; branch rows win over general ones.
pub(super) fn effective<'a>(
    project: &'a Project,
    environment: &str,
    custom: Option<&str>,
    branch: Option<&str>,
) -> std::collections::BTreeMap<&'a str, &'a str> {
    let mut rows: Vec<&EnvVar> = project.env.iter().filter(|row| row.applies(environment, custom, branch)).collect();
    rows.sort_by_key(|row| row.git_branch.is_some());
    rows.into_iter().map(|row| (row.key.as_str(), row.value.as_str())).collect()
}

/// Puts `new` into the project: inserts it, or with `upsert` replaces the one row it conflicts with.
/// Returns the row's index and whether it was there before.
///
/// # Errors
/// What Vercel puts into `failed[].error`.
pub(super) fn put(
    project: &mut Project,
    mut new: EnvVar,
    upsert: bool,
    branches: &dyn Fn(&str) -> bool,
) -> Result<(usize, bool), Problem> {
    check(project, &new, branches).map_err(|problem| name_row(problem, &new))?;
    let conflicting: Vec<usize> = (0..project.env.len()).filter(|index| project.env[*index].conflicts(&new)).collect();
    let index = match conflicting[..] {
        [] => {
            project.env.push(new);
            project.env.len() - 1
        }
        [index] if upsert => {
            let old = &project.env[index];
            new.id.clone_from(&old.id);
            new.created_at = old.created_at;
            new.created_by.clone_from(&old.created_by);
            new.comment = new.comment.or_else(|| old.comment.clone());
            project.env[index] = new;
            index
        }
        [index, ..] => return Err(conflict(&project.env[index], &new)),
    };
    check_size(project, index)?;
    Ok((index, !conflicting.is_empty()))
}

/// Re-checks the row at `index` after a PATCH.
///
/// # Errors
/// As [`put`].
pub(super) fn recheck(project: &Project, index: usize, branches: &dyn Fn(&str) -> bool) -> Result<(), Problem> {
    let row = &project.env[index];
    check(project, row, branches).map_err(|problem| name_row(problem, row))?;
    let twin = project.env.iter().enumerate().find(|(other, old)| *other != index && old.conflicts(row));
    match twin {
        Some((_, old)) => Err(conflict(old, row)),
        None => check_size(project, index),
    }
}

fn check(project: &Project, row: &EnvVar, branches: &dyn Fn(&str) -> bool) -> Result<(), Problem> {
    let refuse = |code: &str, message: String| Err(Problem::new(400, code, message));
    let key = &row.key;
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if key.is_empty() || !key.bytes().all(legal) || key.as_bytes()[0].is_ascii_digit() {
        let rule = "Only letters, digits, and underscores are allowed, and it should not start with a digit";
        return refuse("INVALID_ENV_KEY", format!("The name `{key}` contains invalid characters. {rule}."));
    }
    if RESERVED.contains(&key.as_str()) {
        return refuse("RESERVED_ENV_VARIABLE", format!("The name `{key}` is reserved."));
    }
    if row.target.is_empty() && row.custom_environments.is_empty() {
        return refuse("BAD_REQUEST", "At least one target or custom environment is required.".to_owned());
    }
    if row.kind == "sensitive" && row.target.iter().any(|target| target == "development") {
        let message = "You cannot set a Sensitive Environment Variable's target to development.";
        return refuse("BAD_REQUEST", message.to_owned());
    }
    let known = |id: &String| project.environments.iter().any(|env| env.id == *id);
    if let Some(id) = row.custom_environments.iter().find(|id| !known(id)) {
        return refuse("ENVIRONMENT_NOT_FOUND", format!("The custom environment `{id}` was not found."));
    }
    let Some(branch) = &row.git_branch else { return Ok(()) };
    if row.target != ["preview"] || !row.custom_environments.is_empty() {
        let message = "A Git branch can only be set for Environment Variables with the target preview.";
        return refuse("BAD_REQUEST", message.to_owned());
    }
    match &project.link {
        None => refuse("BAD_REQUEST", "The project is not connected to a Git repository.".to_owned()),
        Some(link) if link.production_branch == *branch => {
            refuse("BAD_REQUEST", format!("The branch `{branch}` is the Production Branch."))
        }
        Some(_) if !branches(branch) => {
            let message = format!("Branch `{branch}` not found in the connected Git repository.");
            refuse("BRANCH_NOT_FOUND", message)
        }
        Some(_) => Ok(()),
    }
}

fn check_size(project: &Project, changed: usize) -> Result<(), Problem> {
    let row = &project.env[changed];
    for environment in row.target.iter().chain(&row.custom_environments) {
        let here = |env: &&EnvVar| env.target.contains(environment) || env.custom_environments.contains(environment);
        let rows = project.env.iter().filter(here);
        let (count, bytes) =
            rows.fold((0, 0), |(count, bytes), env| (count + 1, bytes + env.key.len() + env.value.len()));
        if count > MAX_PER_ENVIRONMENT {
            let message = format!("A project may have at most {MAX_PER_ENVIRONMENT} variables per environment.");
            return Err(name_row(Problem::new(400, "MAX_ENVS_EXCEEDED", message), row));
        }
        if bytes > MAX_BYTES {
            let message = "The total size of Environment Variables exceeds 64KB.";
            return Err(name_row(Problem::new(400, "ENV_SIZE_EXCEEDED", message), row));
        }
    }
    Ok(())
}

fn conflict(old: &EnvVar, new: &EnvVar) -> Problem {
    let branch = new.git_branch.as_deref().unwrap_or("undefined");
    let message = format!(
        "A variable with the name `{}` already exists for the target {} on branch {branch}",
        new.key,
        new.target.join(",")
    );
    name_row(Problem::new(400, "ENV_CONFLICT", message), new).with("envVarId", old.id.as_str())
}

/// Says which row of a batch a problem is about.
fn name_row(problem: Problem, row: &EnvVar) -> Problem {
    let problem =
        problem.with("envVarKey", row.key.as_str()).with("key", row.key.as_str()).with("target", row.target.clone());
    match &row.git_branch {
        Some(branch) => problem.with("gitBranch", branch.as_str()),
        None => problem,
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn list(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    let mut list: Vec<String> = items.filter_map(text).collect();
    let mut seen = std::collections::BTreeSet::new();
    list.retain(|item| seen.insert(item.clone()));
    list
}
