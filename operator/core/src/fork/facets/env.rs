//! Environment variables, told apart by name, environments and branch; their values by digest.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use forkable_crds::fork::{EnvPolicy, OnEnvChange};

use super::{Input, count, hosting_steps, without_project};
use crate::{
    fork::{desired::Variable, project, revision},
    hosting::{EnvItem, EnvRow, HostingChange, ProjectFacts},
    plan::{Facet, FacetPlan, Verdict},
};

pub(super) fn plan(input: Input<'_>) -> Option<FacetPlan> {
    let desired = input.desired;
    let speaks = !desired.env.is_empty() || desired.env_policy == EnvPolicy::Exclusive;
    let Some(project) = project::foreseen(input) else { return speaks.then(without_project) };
    let items = items(input, project);
    let Differences { write, delete, conflicts } = differences(input, project, &items);
    let mut changes = Vec::new();
    if !delete.is_empty() {
        let rows = delete.into_iter().map(|row| (row.id.clone(), row.key.clone())).collect();
        changes.push(HostingChange::DeleteEnv { rows });
    }
    if !write.is_empty() {
        changes.push(HostingChange::UpsertEnv(write));
    }
    if !speaks && changes.is_empty() {
        return None;
    }
    let verdict = if conflicts.is_empty() {
        Verdict::synced(message(input, project, &items))
    } else {
        Verdict::Refused { reason: "EnvConflict", message: conflicts.join("; ") }
    };
    Some(FacetPlan { steps: hosting_steps(Facet::Env, changes), verdict })
}

/// The rows that make up the variables of the manifest.
fn items(input: Input<'_>, project: &ProjectFacts) -> Vec<EnvItem> {
    let mut items: Vec<EnvItem> = Vec::new();
    for variable in &input.desired.env {
        let stand_in = |environment: &String| project::stand_in(input, project, environment);
        let branches: BTreeSet<_> = variable.environments.iter().filter_map(stand_in).collect();
        let there: Vec<_> = variable.environments.iter().filter(|it| stand_in(it).is_none()).cloned().collect();
        if !there.is_empty() {
            items.push(item(variable, there, variable.branch.clone(), project));
        }
        for branch in branches {
            // What the manifest says of the branch itself comes first.
            let is_said = |other: &Variable| other.key == variable.key && other.branch.as_ref() == Some(branch);
            if !input.desired.env.iter().any(is_said) {
                items.push(item(variable, vec!["Preview".into()], Some(branch.clone()), project));
            }
        }
    }
    items
}

fn item(variable: &Variable, environments: Vec<String>, branch: Option<String>, project: &ProjectFacts) -> EnvItem {
    EnvItem {
        key: variable.key.clone(),
        value: variable.value.clone(),
        custom_environment_ids: project::ids_of(project, &environments),
        environments,
        branch,
        sensitive: variable.sensitive,
    }
}

struct Differences<'a> {
    write: Vec<EnvItem>,
    delete: Vec<&'a EnvRow>,
    conflicts: Vec<String>,
}

fn differences<'a>(input: Input<'_>, project: &'a ProjectFacts, items: &[EnvItem]) -> Differences<'a> {
    let Input { desired, record, .. } = input;
    let is_own = |row: &EnvRow| record.env.iter().any(|written| project::is_on_record(written, row, project));
    let may_take =
        |row: &EnvRow| !row.integration && (is_own(row) || desired.adopt || desired.env_policy == EnvPolicy::Exclusive);
    let mut kept: BTreeSet<&str> = BTreeSet::new();
    let (mut write, mut delete, mut conflicts) = (Vec::new(), Vec::new(), Vec::new());
    // Rows that are exactly what an item is are its own before any other item may take them.
    let exact = |item: &EnvItem| project.env.iter().find(|row| row.is(item) && !row.integration);
    kept.extend(items.iter().filter_map(exact).map(|row| row.id.as_str()));
    for item in items {
        if let Some(row) = exact(item) {
            if !is_as_written(input, item, row) {
                write.push(item.clone());
            }
            continue;
        }
        let overlapping: Vec<_> =
            project.env.iter().filter(|row| row.overlaps(item) && !kept.contains(row.id.as_str())).collect();
        if let Some(other) = overlapping.iter().find(|row| !may_take(row)) {
            conflicts.push(conflict(other));
            continue;
        }
        // Vercel writes over one row that overlaps, and refuses if there are more.
        if let Some((first, others)) = overlapping.split_first() {
            kept.insert(&first.id);
            delete.extend(others.iter().copied().filter(|row| !is_own(row)));
        }
        write.push(item.clone());
    }
    let is_left_over = |row: &&EnvRow| {
        !kept.contains(row.id.as_str())
            && !row.integration
            && (is_own(row) || desired.env_policy == EnvPolicy::Exclusive)
            && !delete.iter().any(|deleted: &&EnvRow| deleted.id == row.id)
    };
    let left_over: Vec<_> = project.env.iter().filter(is_left_over).collect();
    delete.extend(left_over);
    Differences { write, delete, conflicts }
}

/// Whether nobody has changed the row since we wrote this very value.
fn is_as_written(input: Input<'_>, item: &EnvItem, row: &EnvRow) -> bool {
    let digest = input.desired.digest_of(item);
    let is_written = input.record.env.iter().any(|written| {
        written.id == row.id
            && written.updated_at == row.updated_at
            && written.sensitive == item.sensitive
            && Some(&written.digest) == digest
    });
    is_written && (row.sensitive || !item.sensitive)
}

fn conflict(row: &EnvRow) -> String {
    let key = &row.key;
    if row.integration {
        format!("{key} belongs to an integration at Vercel: remove it from spec.env, or disconnect the integration")
    } else {
        format!(
            "{key} exists for {} and is not of this Fork: delete it at Vercel, give spec.env the same environments \
             to take it over, or set envPolicy: Exclusive",
            row.targets.join(", ")
        )
    }
}

fn message(input: Input<'_>, project: &ProjectFacts, items: &[EnvItem]) -> String {
    let mut message = count(input.desired.env.len(), "variable");
    let hidden: BTreeSet<_> = items
        .iter()
        .filter(|item| !item.sensitive && project.env.iter().any(|row| row.is(item) && row.sensitive))
        .map(|item| item.key.as_str())
        .collect();
    if !hidden.is_empty() {
        let hidden = hidden.into_iter().collect::<Vec<_>>().join(", ");
        message = format!("{message}; Vercel keeps sensitive what was so once, or what the team wants so: {hidden}");
    }
    let current = revision::current(input.desired, project);
    let waits = revision::newest(input.observed).is_some_and(|newest| revision::is_outdated(newest, &current));
    if waits && input.desired.on_env_change == OnEnvChange::Wait {
        message.push_str("; what changed takes effect with the next release");
    }
    message
}
