//! GitHub Actions: deployment environments, then the secrets and variables of them and of the repository.

use forkable_crds::fork::SecretStatus;

use super::{Input, count, forge_steps, ownership, without_repository};
use crate::{
    forge::{Branches, DeepFacts, Environment, ForgeChange, RepositoryFacts, StoredValue},
    fork::{desired::ActionsValue, record},
    plan::{Facet, FacetPlan, Verdict},
};

pub(super) fn plan(input: Input<'_>) -> Option<FacetPlan> {
    let wanted = &input.desired.actions;
    let Some(facts) = ownership::repository(input).foreseen() else {
        return (!wanted.is_empty()).then(without_repository);
    };
    let deep = facts.deep.as_ref();
    let environments: Vec<_> =
        wanted.environments.iter().filter(|environment| environment_differs(input, facts, environment)).collect();
    let mut changes: Vec<_> =
        environments.iter().map(|&environment| ForgeChange::PutEnvironment(environment.clone())).collect();
    // An environment that was deleted took its values with it; whether it was cannot be told once it is back.
    let is_rewritten = |name: &str| environments.iter().any(|environment| environment.name == name);
    let secrets =
        Values { wanted: &wanted.secrets, recorded: &input.record.secrets, seen: deep.map(|deep| &*deep.secrets) };
    changes.extend(secrets.missing(is_rewritten, |_, _| false).map(|(secret, _)| ForgeChange::PutSecret {
        environment: secret.environment.clone(),
        name: secret.name.clone(),
        value: secret.value.clone(),
    }));
    let variables = Values {
        wanted: &wanted.variables,
        recorded: &input.record.variables,
        seen: deep.map(|deep| &*deep.variables),
    };
    let same_value =
        |variable: &ActionsValue, seen: &StoredValue| seen.value.as_deref() == Some(variable.value.expose());
    changes.extend(variables.missing(is_rewritten, same_value).map(|(variable, exists)| ForgeChange::PutVariable {
        environment: variable.environment.clone(),
        name: variable.name.clone(),
        value: variable.value.expose().into(),
        exists,
    }));
    changes.extend(secrets.left_over(facts).map(|secret| ForgeChange::DeleteSecret {
        environment: secret.environment.clone(),
        name: secret.name.clone(),
    }));
    changes.extend(variables.left_over(facts).map(|variable| ForgeChange::DeleteVariable {
        environment: variable.environment.clone(),
        name: variable.name.clone(),
    }));
    if wanted.is_empty() && changes.is_empty() {
        return None;
    }
    let message = format!(
        "{}, {}, {} as in the manifest",
        count(wanted.environments.len(), "environment"),
        count(wanted.secrets.len(), "secret"),
        count(wanted.variables.len(), "variable"),
    );
    Some(FacetPlan { steps: forge_steps(Facet::Actions, changes), verdict: Verdict::synced(message) })
}

fn environment_differs(input: Input<'_>, facts: &RepositoryFacts, wanted: &Environment) -> bool {
    let Some(there) = facts.environments.iter().find(|there| there.name.eq_ignore_ascii_case(&wanted.name)) else {
        return true;
    };
    let same_reviewers = there.reviewers.len() == wanted.reviewers.len()
        && there.reviewers.iter().zip(&wanted.reviewers).all(|(there, wanted)| there.eq_ignore_ascii_case(wanted));
    let same_branches = facts.deep.as_ref().map_or_else(
        || {
            let digest = record::branches_digest(&wanted.branches);
            input.record.environments.iter().any(|r| r.name == wanted.name && r.branches_digest == digest)
        },
        |deep| same_branches(deep, wanted),
    );
    !(same_reviewers
        && same_branches
        && there.prevent_self_review == wanted.prevent_self_review
        && there.wait_minutes == wanted.wait_minutes)
}

fn same_branches(deep: &DeepFacts, wanted: &Environment) -> bool {
    let is_it = |name: &String| name.eq_ignore_ascii_case(&wanted.name);
    let protected = deep.protected_only.iter().any(is_it);
    let patterns = deep.branch_patterns.iter().find(|(name, _)| is_it(name)).map(|(_, patterns)| patterns);
    match &wanted.branches {
        Branches::All => !protected && patterns.is_none(),
        Branches::Protected => protected,
        Branches::Patterns(wanted) => {
            let sorted = |patterns: &Vec<String>| {
                let mut patterns = patterns.clone();
                patterns.sort_unstable();
                patterns
            };
            patterns.is_some_and(|patterns| sorted(patterns) == sorted(wanted))
        }
    }
}

/// Secrets or variables: wanted, written earlier, and (after a deep look) there.
struct Values<'a> {
    wanted: &'a [ActionsValue],
    recorded: &'a [SecretStatus],
    seen: Option<&'a [StoredValue]>,
}

impl<'a> Values<'a> {
    /// What has to be written, and whether it is there in some form.
    fn missing(
        &self,
        is_rewritten: impl Fn(&str) -> bool,
        same_value: impl Fn(&ActionsValue, &StoredValue) -> bool,
    ) -> impl Iterator<Item = (&'a ActionsValue, bool)> {
        self.wanted.iter().filter_map(move |wanted| {
            let recorded = self
                .recorded
                .iter()
                .find(|recorded| recorded.name == wanted.name && recorded.environment == wanted.environment);
            let is_recorded = recorded.is_some_and(|recorded| recorded.digest == wanted.digest)
                && !wanted.environment.as_deref().is_some_and(&is_rewritten);
            let Some(seen) = self.seen else {
                return (!is_recorded).then_some((wanted, recorded.is_some()));
            };
            let there = find(seen, &wanted.name, wanted.environment.as_deref());
            let is_same = there.is_some_and(|there| {
                same_value(wanted, there) || (there.value.is_none() && is_recorded && !is_newer(there, recorded))
            });
            (!is_same).then_some((wanted, there.is_some()))
        })
    }

    /// What was written earlier, is not wanted any more, and is still there as far as is known.
    fn left_over(&self, facts: &RepositoryFacts) -> impl Iterator<Item = &'a SecretStatus> {
        self.recorded.iter().filter(move |recorded| {
            let is_wanted = self
                .wanted
                .iter()
                .any(|wanted| wanted.name == recorded.name && wanted.environment == recorded.environment);
            let is_there =
                self.seen.is_none_or(|seen| find(seen, &recorded.name, recorded.environment.as_deref()).is_some());
            !is_wanted && is_there && has_environment(facts, recorded.environment.as_deref())
        })
    }
}

fn has_environment(facts: &RepositoryFacts, name: Option<&str>) -> bool {
    name.is_none_or(|name| facts.environments.iter().any(|there| there.name.eq_ignore_ascii_case(name)))
}

fn find<'a>(seen: &'a [StoredValue], name: &str, environment: Option<&str>) -> Option<&'a StoredValue> {
    seen.iter().find(|seen| record::is_value(seen, name, environment))
}

/// Whether somebody wrote it after us: the time that GitHub tells is not the one on record.
fn is_newer(there: &StoredValue, recorded: Option<&SecretStatus>) -> bool {
    let recorded = recorded.and_then(|recorded| recorded.updated_at.as_ref());
    recorded.zip(there.updated_at).is_some_and(|(recorded, there)| recorded.0.as_second() != there.as_second())
}

#[cfg(test)]
mod tests;
