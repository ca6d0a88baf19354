//! What a manifest asks of the repository.

use std::collections::BTreeSet;

use forkable_crds::{Fork, fork};

use super::{lookup::Lookup, sorted};
use crate::{
    DigestKey, Secret,
    forge::{BranchRules, Branches, Environment},
    fork::{
        blob,
        desired::{Actions, ActionsValue, File, Repository},
        placeholders,
    },
};

/// Bytes that GitHub takes as a secret or variable: <https://docs.github.com/en/actions/reference/security/secrets>.
const MAX_VALUE: usize = 48 * 1024;

pub(super) fn settings(spec: &fork::Repository) -> Repository {
    let features = spec.features.clone().unwrap_or_default();
    Repository {
        owner: spec.owner.clone(),
        name: spec.name.clone(),
        visibility: spec.visibility,
        description: spec.description.clone(),
        homepage: spec.homepage.clone(),
        topics: spec.topics.clone().map(sorted),
        issues: features.issues,
        wiki: features.wiki,
        projects: features.projects,
        discussions: features.discussions,
        delete_branch_on_merge: features.delete_branch_on_merge,
        default_branch: spec.default_branch.clone(),
    }
}

pub(super) fn rules(spec: &fork::BranchProtection) -> BranchRules {
    let mut required_checks: Vec<_> =
        spec.required_checks.iter().map(|check| (check.context.clone(), check.app_id)).collect();
    required_checks.sort();
    BranchRules {
        required_reviews: spec.required_reviews,
        required_checks,
        linear_history: spec.linear_history,
        block_force_pushes: spec.block_force_pushes,
        block_deletion: spec.block_deletion,
    }
}

/// The files with their placeholders filled in, from the spec alone: no value of a Secret gets into a file.
pub(super) fn files(fork: &Fork, lookup: &mut Lookup<'_>) -> Vec<File> {
    let values = placeholders::values(fork);
    let mut files = Vec::with_capacity(fork.spec.repository.files.len());
    for (index, file) in fork.spec.repository.files.iter().enumerate() {
        let strange = |part: &str| matches!(part, "" | "." | "..") || part.eq_ignore_ascii_case(".git");
        if file.path.split('/').any(strange) {
            let message = format!("{:?} is no path in a repository: leave out empty parts, ., .. and .git", file.path);
            lookup.refuse(format!("spec.repository.files[{index}].path"), "InvalidPath", message);
        }
        match placeholders::fill(&file.content, &values) {
            Ok(content) => files.push(File {
                path: file.path.clone(),
                blob: blob::id(content.as_bytes()),
                content,
                overwrite: file.overwrite,
            }),
            Err(errors) => {
                let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                lookup.refuse(
                    format!("spec.repository.files[{index}].content"),
                    "InvalidPlaceholder",
                    format!("{}: {message}", file.path),
                );
            }
        }
    }
    files
}

pub(super) fn actions(spec: &fork::Repository, lookup: &mut Lookup<'_>, key: &DigestKey) -> Actions {
    let secrets = spec.secrets.iter().enumerate().filter_map(|(index, secret)| {
        let field = format!("spec.repository.secrets[{index}].secretKeyRef");
        let value = lookup.secret_key(&field, &secret.secret_key_ref)?;
        Some(actions_value("secret", &secret.name, secret.environment.as_ref(), value, key))
    });
    let secrets: Vec<_> = secrets.collect();
    let variables = spec.variables.iter().map(|variable| {
        let value = Secret::new(variable.value.clone());
        actions_value("variable", &variable.name, variable.environment.as_ref(), value, key)
    });
    let variables: Vec<_> = variables.collect();
    let names = |list: &[(String, Option<String>)], what, lookup: &mut Lookup<'_>| check_names(list, what, lookup);
    names(&spec.secrets.iter().map(|s| (s.name.clone(), s.environment.clone())).collect::<Vec<_>>(), "secrets", lookup);
    names(
        &spec.variables.iter().map(|v| (v.name.clone(), v.environment.clone())).collect::<Vec<_>>(),
        "variables",
        lookup,
    );
    for (what, values) in [("secrets", &secrets), ("variables", &variables)] {
        for value in values.iter().filter(|value| value.value.expose().len() > MAX_VALUE) {
            let message = format!("the value of {} is longer than the 48 KB that GitHub takes", value.name);
            lookup.refuse(format!("spec.repository.{what}"), "ValueTooLong", message);
        }
    }
    Actions { environments: spec.environments.iter().map(environment).collect(), secrets, variables }
}

fn check_names(list: &[(String, Option<String>)], what: &str, lookup: &mut Lookup<'_>) {
    let mut seen = BTreeSet::new();
    for (index, (name, environment)) in list.iter().enumerate() {
        let field = format!("spec.repository.{what}[{index}]");
        if name.starts_with("GITHUB_") {
            lookup.refuse(
                format!("{field}.name"),
                "ReservedName",
                format!("{name}: GitHub keeps names that begin with GITHUB_ to itself: choose another"),
            );
        }
        if !seen.insert((name, environment)) {
            lookup.refuse(field, "Duplicate", format!("{name} is there twice: leave one out"));
        }
    }
}

fn actions_value(what: &str, name: &str, environment: Option<&String>, value: Secret, key: &DigestKey) -> ActionsValue {
    let context = format!("actions-{what}/{}/{name}", environment.map_or("", String::as_str));
    ActionsValue {
        name: name.into(),
        environment: environment.cloned(),
        digest: key.digest(&context, value.expose()),
        value,
    }
}

fn environment(spec: &fork::RepositoryEnvironment) -> Environment {
    let reviewers = spec.reviewers.iter().filter_map(|reviewer| match (&reviewer.user, &reviewer.team) {
        (Some(user), _) => Some(format!("user:{user}")),
        (None, Some(team)) => Some(format!("team:{team}")),
        (None, None) => None,
    });
    Environment {
        name: spec.name.clone(),
        reviewers: sorted(reviewers.collect()),
        prevent_self_review: spec.prevent_self_review,
        wait_minutes: spec.wait_minutes.unwrap_or_default(),
        branches: spec.branches.as_ref().map_or(Branches::All, |policy| match &policy.patterns {
            Some(patterns) => Branches::Patterns(sorted(patterns.clone())),
            None => Branches::Protected,
        }),
    }
}
