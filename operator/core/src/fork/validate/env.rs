//! The environment variables that a manifest asks for, each with its value.

use std::collections::BTreeMap;

use forkable_crds::{
    ForkSpec,
    fork::{EnvFrom, EnvVar},
};

use super::{lookup::Lookup, sorted};
use crate::{DigestKey, Secret, fork::desired::Variable};

/// Bytes of all names and values of one environment: <https://vercel.com/docs/environment-variables>.
const MAX_BYTES: usize = 64 * 1024;
/// Variables of one environment: <https://vercel.com/docs/environment-variables>.
const MAX_VARIABLES: usize = 1000;
/// Environments that every project has.
const FIXED: [&str; 3] = ["Production", "Preview", "Development"];
/// Names that Vercel sets itself or refuses:
/// <https://vercel.com/docs/environment-variables/reserved-environment-variables> and `…/system-environment-variables`.
const RESERVED: [&str; 24] = [
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_SECRET_KEY",
    "CI",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
    "NOW_REGION",
    "TZ",
    "VERCEL",
    "VERCEL_AUTOMATION_BYPASS_SECRET",
    "VERCEL_BRANCH_URL",
    "VERCEL_DEPLOYMENT_ID",
    "VERCEL_ENV",
    "VERCEL_OIDC_TOKEN",
    "VERCEL_PROJECT_ID",
    "VERCEL_PROJECT_PRODUCTION_URL",
    "VERCEL_REGION",
    "VERCEL_SKEW_PROTECTION_ENABLED",
    "VERCEL_TARGET_ENV",
    "VERCEL_URL",
];

/// All variables, sorted. Where sources name the same variable for an environment, a later entry of `envFrom` wins
/// over an earlier one, and `env` over both, as for containers in Kubernetes.
pub(super) fn variables(spec: &ForkSpec, lookup: &mut Lookup<'_>, key: &DigestKey) -> Vec<Variable> {
    let mut from: Vec<Variable> = Vec::new();
    for (index, source) in spec.env_from.iter().enumerate() {
        let field = format!("spec.envFrom[{index}]");
        check_environments(&field, &source.environments, spec, lookup);
        for (name, value) in values_from(&field, source, lookup) {
            let name = format!("{}{name}", source.prefix.as_deref().unwrap_or_default());
            if !check_name(&field, &name, lookup) {
                continue;
            }
            let new = variable(&name, value, &source.environments, None, source.sensitive, key);
            give_way(&mut from, &new);
            from.push(new);
        }
    }
    let mut all: Vec<Variable> = Vec::new();
    let mut fields = Vec::new();
    for (index, entry) in spec.env.iter().enumerate() {
        let field = format!("spec.env[{index}]");
        check_environments(&field, &entry.environments, spec, lookup);
        check_name(&format!("{field}.name"), &entry.name, lookup);
        let Some(value) = value_of(&field, entry, lookup) else { continue };
        let new = variable(&entry.name, value, &entry.environments, entry.branch.as_ref(), entry.sensitive, key);
        let twin = all.iter().zip(&fields).find_map(|(old, field)| Some((overlap(old, &new)?, field)));
        if let Some((shared, twin)) = twin {
            let message = format!(
                "{} is already set for {shared} by {twin}: leave one out, or give each its own environments",
                entry.name
            );
            lookup.refuse(&field, "DuplicateVariable", message);
        }
        give_way(&mut from, &new);
        all.push(new);
        fields.push(field);
    }
    all.append(&mut from);
    all.sort_by(|a, b| (&a.key, &a.branch, &a.environments).cmp(&(&b.key, &b.branch, &b.environments)));
    check_size(&all, lookup);
    all
}

fn variable(
    name: &str,
    value: Secret,
    environments: &[String],
    branch: Option<&String>,
    sensitive: bool,
    key: &DigestKey,
) -> Variable {
    Variable {
        key: name.into(),
        digest: digest(key, name, &value),
        value,
        environments: sorted(environments.to_vec()),
        branch: branch.cloned(),
        sensitive,
    }
}

/// Digest of a variable's value.
fn digest(key: &DigestKey, name: &str, value: &Secret) -> String {
    key.digest(&format!("env/{name}"), value.expose())
}

fn value_of(field: &str, entry: &EnvVar, lookup: &mut Lookup<'_>) -> Option<Secret> {
    if let Some(value) = &entry.value {
        return Some(Secret::new(value.clone()));
    }
    let source = entry.value_from.as_ref()?;
    if let Some(key) = &source.secret_key_ref {
        return lookup.secret_key(&format!("{field}.valueFrom.secretKeyRef"), key);
    }
    if let Some(key) = &source.config_map_key_ref {
        return lookup.config_map_key(&format!("{field}.valueFrom.configMapKeyRef"), key);
    }
    lookup.generated(&format!("{field}.valueFrom.generate"), &entry.name)
}

fn values_from(field: &str, source: &EnvFrom, lookup: &mut Lookup<'_>) -> BTreeMap<String, Secret> {
    if let Some(secret) = &source.secret_ref {
        return lookup.secret(&format!("{field}.secretRef"), secret).cloned().unwrap_or_default();
    }
    let Some(map) = &source.config_map_ref else { return BTreeMap::new() };
    let data = lookup.config_map(&format!("{field}.configMapRef"), map);
    data.into_iter().flatten().map(|(key, value)| (key.clone(), Secret::new(value.clone()))).collect()
}

/// The first environment for which both set one variable.
fn overlap<'a>(a: &'a Variable, b: &Variable) -> Option<&'a str> {
    if a.key != b.key || a.branch != b.branch {
        return None;
    }
    a.environments.iter().find(|environment| b.environments.contains(environment)).map(String::as_str)
}

/// Takes the environments of `new` away from what it overrides.
fn give_way(variables: &mut Vec<Variable>, new: &Variable) {
    variables.retain_mut(|old| {
        if old.key == new.key && old.branch == new.branch {
            old.environments.retain(|environment| !new.environments.contains(environment));
        }
        !old.environments.is_empty()
    });
}

fn check_name(field: &str, name: &str, lookup: &mut Lookup<'_>) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(is_letter) || !name.chars().all(|c| is_letter(c) || c.is_ascii_digit()) {
        let message = format!(
            "{name:?} cannot be the name of a variable: use letters, digits and _ in the key, and no digit in front"
        );
        lookup.miss(field, "InvalidVariableName", message);
        return false;
    }
    let reserved = RESERVED.contains(&name) || name.starts_with("VERCEL_GIT_");
    if reserved {
        let message = format!("{name} is set by Vercel itself and cannot be set here: choose another name");
        lookup.refuse(field, "ReservedVariableName", message);
    }
    !reserved
}

fn check_environments(field: &str, environments: &[String], spec: &ForkSpec, lookup: &mut Lookup<'_>) {
    for (index, environment) in environments.iter().enumerate() {
        let declared = spec.project.environments.iter().any(|custom| custom.name == *environment);
        if !declared && !FIXED.contains(&environment.as_str()) {
            let message = format!(
                "{environment} is neither Production, Preview or Development nor a name in spec.project.environments: \
                 correct it, or declare it there"
            );
            lookup.refuse(format!("{field}.environments[{index}]"), "UnknownEnvironment", message);
        }
    }
}

fn check_size(variables: &[Variable], lookup: &mut Lookup<'_>) {
    let mut sizes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for variable in variables {
        for environment in &variable.environments {
            let (count, bytes) = sizes.entry(environment).or_default();
            *count += 1;
            *bytes += variable.key.len() + variable.value.expose().len();
        }
    }
    for (environment, (count, bytes)) in sizes {
        if bytes > MAX_BYTES {
            let message = format!(
                "the variables of {environment} are {bytes} bytes in all, and Vercel takes {MAX_BYTES}: move large \
                 values elsewhere"
            );
            lookup.miss("spec.env", "VariablesTooLarge", message);
        }
        if count > MAX_VARIABLES {
            let message = format!("{environment} has {count} variables, and Vercel takes {MAX_VARIABLES}");
            lookup.miss("spec.envFrom", "TooManyVariables", message);
        }
    }
}
