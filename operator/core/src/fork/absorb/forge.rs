//! What a change to a repository does to the observation of it.

use super::Observed;
use crate::{
    forge::{
        Blobs, Branches, DeepFacts, Environment, EnvironmentFacts, ForgeChange, ForgeDone, PullRequests,
        RepositoryFacts, RepositoryPatch, RulesetFacts, StoredValue,
    },
    fork::record,
};

pub(super) fn absorb(observed: &mut Observed, change: &ForgeChange, done: &ForgeDone) {
    match change {
        ForgeChange::CreateFromTemplate { .. } | ForgeChange::CreateFork { .. } | ForgeChange::CreateCopy { .. } => {
            created(observed, change, done);
        }
        ForgeChange::Delete => observed.repository = None,
        _ => {
            if let Some(repository) = &mut observed.repository {
                changed(repository, change, done);
            }
        }
    }
}

fn created(observed: &mut Observed, change: &ForgeChange, done: &ForgeDone) {
    let ForgeDone::Repository(facts) = done else { return };
    let mut facts = facts.as_ref().clone();
    let template = observed.template.as_ref();
    if let (ForgeChange::CreateCopy { git_ref: None, .. }, Some(template)) = (change, template) {
        facts.blobs.clone_from(&template.blobs);
    }
    facts.pull_requests = Some(PullRequests::default());
    observed.repository = Some(facts);
}

fn changed(repository: &mut RepositoryFacts, change: &ForgeChange, done: &ForgeDone) {
    match (change, done) {
        (ForgeChange::UpdateRepository(patch), ForgeDone::Repository(answer)) => patched(repository, patch, answer),
        (ForgeChange::SetTopics(topics), _) => repository.topics.clone_from(topics),
        (ForgeChange::CommitFiles { .. }, ForgeDone::Committed { head, blobs }) => {
            repository.head = Some(head.clone());
            repository.blobs.extend(blobs.clone());
        }
        (ForgeChange::CreateRuleset(_) | ForgeChange::UpdateRuleset { .. }, ForgeDone::Ruleset(ruleset)) => {
            put_ruleset(repository, ruleset);
        }
        (ForgeChange::DeleteRuleset { id }, _) => repository.rulesets.retain(|ruleset| ruleset.id != *id),
        (ForgeChange::PutEnvironment(environment), _) => put_environment(repository, environment),
        (ForgeChange::SetDependabotAlerts(on), _) => {
            repository.dependabot_alerts = Some(*on);
            if let (false, Some(deep)) = (on, &mut repository.deep) {
                deep.dependabot_fixes = Some(false);
            }
        }
        (ForgeChange::Archive, _) => repository.archived = true,
        _ => {
            if let Some(deep) = &mut repository.deep {
                changed_deep(deep, change, done);
            }
        }
    }
}

fn patched(repository: &mut RepositoryFacts, patch: &RepositoryPatch, answer: &RepositoryFacts) {
    let RepositoryPatch {
        name,
        description,
        homepage,
        visibility,
        default_branch,
        issues,
        wiki,
        projects,
        discussions,
        delete_branch_on_merge,
        secret_scanning,
        push_protection,
    } = patch;
    if name.is_some() {
        repository.full_name.clone_from(&answer.full_name);
        repository.html_url.clone_from(&answer.html_url);
    }
    let text = |there: &mut Option<String>, new: &Option<String>| {
        if let Some(new) = new {
            *there = Some(new.clone()).filter(|new| !new.is_empty());
        }
    };
    text(&mut repository.description, description);
    text(&mut repository.homepage, homepage);
    repository.visibility = visibility.unwrap_or(repository.visibility);
    if default_branch.is_some() {
        // What is on that branch was not looked at.
        repository.default_branch.clone_from(default_branch);
        repository.head = None;
        repository.blobs = Blobs::default();
    }
    repository.issues = issues.unwrap_or(repository.issues);
    repository.wiki = wiki.unwrap_or(repository.wiki);
    repository.projects = projects.unwrap_or(repository.projects);
    repository.discussions = discussions.unwrap_or(repository.discussions);
    repository.delete_branch_on_merge = delete_branch_on_merge.unwrap_or(repository.delete_branch_on_merge);
    if let Some(deep) = &mut repository.deep {
        deep.secret_scanning = secret_scanning.or(deep.secret_scanning);
        deep.push_protection = push_protection.or(deep.push_protection);
    }
}

fn put_ruleset(repository: &mut RepositoryFacts, ruleset: &RulesetFacts) {
    repository.rulesets.retain(|there| there.id != ruleset.id);
    repository.rulesets.push(ruleset.clone());
    repository.rulesets.sort_unstable_by_key(|ruleset| ruleset.id);
}

fn put_environment(repository: &mut RepositoryFacts, environment: &Environment) {
    let Environment { name, reviewers, prevent_self_review, wait_minutes, branches } = environment;
    let is_it = |other: &str| other.eq_ignore_ascii_case(name);
    let existing = repository.environments.iter().find(|there| is_it(&there.name)).map(|there| there.name.clone());
    let name = existing.unwrap_or_else(|| name.clone());
    repository.environments.retain(|there| there.name != name);
    repository.environments.push(EnvironmentFacts {
        name: name.clone(),
        reviewers: reviewers.clone(),
        prevent_self_review: *prevent_self_review,
        wait_minutes: *wait_minutes,
    });
    repository.environments.sort_by(|a, b| a.name.cmp(&b.name));
    let Some(deep) = &mut repository.deep else { return };
    deep.protected_only.retain(|there| *there != name);
    deep.branch_patterns.remove(&name);
    match branches {
        Branches::All => {}
        Branches::Protected => {
            deep.protected_only.push(name);
            deep.protected_only.sort_unstable();
        }
        Branches::Patterns(patterns) => {
            deep.branch_patterns.insert(name, patterns.clone());
        }
    }
}

fn changed_deep(deep: &mut DeepFacts, change: &ForgeChange, done: &ForgeDone) {
    let updated_at = if let ForgeDone::Stored { updated_at } = done { *updated_at } else { None };
    match change {
        ForgeChange::PutSecret { environment, name, .. } => {
            put(&mut deep.secrets, name, environment.as_deref(), None, updated_at);
        }
        ForgeChange::PutVariable { environment, name, value, .. } => {
            put(&mut deep.variables, name, environment.as_deref(), Some(value.clone()), updated_at);
        }
        ForgeChange::DeleteSecret { environment, name } => {
            deep.secrets.retain(|there| !record::is_value(there, name, environment.as_deref()));
        }
        ForgeChange::DeleteVariable { environment, name } => {
            deep.variables.retain(|there| !record::is_value(there, name, environment.as_deref()));
        }
        ForgeChange::SetDependabotFixes(on) => deep.dependabot_fixes = Some(*on),
        _ => {}
    }
}

fn put(
    values: &mut Vec<StoredValue>,
    name: &str,
    environment: Option<&str>,
    value: Option<String>,
    updated_at: Option<jiff::Timestamp>,
) {
    let former = values.iter().position(|there| record::is_value(there, name, environment));
    let environment = former.map(|at| values.remove(at)).map_or(environment.map(Into::into), |there| there.environment);
    values.push(StoredValue { name: name.into(), environment, value, updated_at });
    values.sort_by(|a, b| (&a.environment, &a.name).cmp(&(&b.environment, &b.name)));
}
