//! The repository itself: made from the template, named and set as the manifest says, followed by id.

use std::time::Duration;

use forkable_crds::fork::{TemplateMode, Visibility};

use super::{
    Input, forge_steps,
    ownership::{self, Stand},
};
use crate::{
    forge::{ForgeChange, RepositoryFacts, RepositoryPatch, TemplateFacts},
    fork::{Desired, desired},
    plan::{Facet, FacetPlan, Verdict},
};

/// How often a repository is looked at that only a person can set right.
const PERSON: Duration = Duration::from_mins(5);

pub(super) fn plan(input: Input<'_>) -> FacetPlan {
    let wanted = &input.desired.repository;
    let name = format!("{}/{}", wanted.owner, wanted.name);
    match ownership::repository(input) {
        Stand::Absent | Stand::Unfinished => create(input, &name),
        Stand::Pending { since } => nothing(generating(&name, input.desired, ownership::recheck(since, input.now))),
        Stand::Gone => refused(
            "RepositoryDeleted",
            format!(
                "{} was deleted, or the credentials may not see it any more: restore it within 90 days in the owner's \
                 settings at GitHub, or delete this Fork and apply it again",
                input.record.repository.as_ref().map_or(name.as_str(), |repository| repository.full_name.as_str()),
            ),
        ),
        Stand::Foreign(facts) => refused(
            "NameConflict",
            format!(
                "{} exists and is not of this Fork: set the annotation forkable.dev/adopt: \"true\" to take it over, \
                 or choose another name",
                facts.full_name,
            ),
        ),
        Stand::Empty(facts) => nothing(Verdict::PersonNeeded {
            reason: "RepositoryEmpty",
            message: format!("{} has no commit on its default branch: push one", facts.full_name),
            recheck: PERSON,
        }),
        Stand::Switched(facts) => nothing(switching(&facts.full_name)),
        Stand::Ours(facts) if facts.archived => nothing(Verdict::PersonNeeded {
            reason: "Archived",
            message: format!("{} is archived: unarchive it in its settings at GitHub", facts.full_name),
            recheck: PERSON,
        }),
        Stand::Ours(facts) => keep(input.desired, facts),
    }
}

fn create(input: Input<'_>, name: &str) -> FacetPlan {
    let Desired { template, repository, .. } = input.desired;
    let template_name = format!("{}/{}", template.owner, template.repo);
    let Some(facts) = &input.observed.template else {
        return refused(
            "TemplateNotFound",
            format!(
                "the template {template_name} does not exist, or the credentials may not read it: correct \
                 spec.template, or give them access"
            ),
        );
    };
    if let Some(refusal) = unfit(input.desired, facts, &template_name) {
        return refusal;
    }
    let source = (template.owner.clone(), template.repo.clone());
    let (visibility, description) = (repository.visibility, repository.description.clone());
    let change = match template.mode {
        TemplateMode::Template => ForgeChange::CreateFromTemplate { template: source, visibility, description },
        TemplateMode::Fork => ForgeChange::CreateFork { template: source },
        TemplateMode::Copy => {
            ForgeChange::CreateCopy { template: source, git_ref: template.git_ref.clone(), visibility, description }
        }
    };
    let mut changes = vec![change];
    changes.extend(settings(input.desired, &newborn(input.desired, name)));
    let verdict = match template.mode {
        TemplateMode::Copy => Verdict::synced(name),
        TemplateMode::Template | TemplateMode::Fork => {
            generating(name, input.desired, ownership::recheck(input.now, input.now))
        }
    };
    FacetPlan { steps: forge_steps(Facet::Repository, changes), verdict }
}

/// Why nothing can be made from the template.
fn unfit(desired: &Desired, template: &TemplateFacts, name: &str) -> Option<FacetPlan> {
    let is_private = desired.repository.visibility != Visibility::Public;
    if desired.template.mode == TemplateMode::Template && !template.is_template {
        return Some(refused(
            "NotATemplate",
            format!(
                "{name} is not a template repository: tick \"Template repository\" in its settings, or set \
                 template.mode: Copy"
            ),
        ));
    }
    if template.head.is_none() {
        return Some(refused("TemplateEmpty", format!("the template {name} has no commit: push one")));
    }
    (desired.template.mode == TemplateMode::Fork && template.private != is_private)
        .then(|| fork_visibility(name, if template.private { Visibility::Private } else { Visibility::Public }))
}

/// What a repository is like when it was just made, as far as its settings go.
fn newborn(desired: &Desired, name: &str) -> RepositoryFacts {
    let is_fork = desired.template.mode == TemplateMode::Fork;
    RepositoryFacts {
        full_name: name.into(),
        visibility: desired.repository.visibility,
        description: desired.repository.description.clone().filter(|_| !is_fork),
        issues: !is_fork,
        wiki: true,
        projects: true,
        // Only what has content has branches: they are seen to once it is there.
        default_branch: desired.repository.default_branch.clone(),
        ..RepositoryFacts::default()
    }
}

fn keep(desired: &Desired, facts: &RepositoryFacts) -> FacetPlan {
    if desired.template.mode == TemplateMode::Fork && !same_visibility_of_fork(desired, facts) {
        return fork_visibility(&facts.full_name, facts.visibility);
    }
    let (owner, name) = facts.full_name.split_once('/').unwrap_or_default();
    let wanted = &desired.repository;
    if !owner.eq_ignore_ascii_case(&wanted.owner) {
        let message = format!(
            "{} (it was transferred from {}: set repository.owner and repository.name to what they are now)",
            facts.full_name, wanted.owner
        );
        return FacetPlan {
            steps: forge_steps(Facet::Repository, settings(desired, facts)),
            verdict: Verdict::synced(message),
        };
    }
    let mut changes = settings(desired, facts);
    if name != wanted.name {
        rename(&mut changes, &wanted.name);
    }
    let moves_branch = changes
        .iter()
        .any(|change| matches!(change, ForgeChange::UpdateRepository(patch) if patch.default_branch.is_some()));
    let name = format!("{owner}/{}", wanted.name);
    let verdict = if moves_branch { switching(&name) } else { Verdict::synced(name) };
    FacetPlan { steps: forge_steps(Facet::Repository, changes), verdict }
}

fn same_visibility_of_fork(desired: &Desired, facts: &RepositoryFacts) -> bool {
    (desired.repository.visibility == Visibility::Public) == (facts.visibility == Visibility::Public)
}

fn rename(changes: &mut Vec<ForgeChange>, name: &str) {
    if let Some(ForgeChange::UpdateRepository(patch)) = changes.first_mut() {
        patch.name = Some(name.into());
    } else {
        let patch = RepositoryPatch { name: Some(name.into()), ..RepositoryPatch::default() };
        changes.insert(0, ForgeChange::UpdateRepository(patch));
    }
}

/// One patch for all settings that differ, and the topics.
fn settings(desired: &Desired, facts: &RepositoryFacts) -> Vec<ForgeChange> {
    let desired::Repository {
        owner: _,
        name: _,
        visibility,
        description,
        homepage,
        topics,
        issues,
        wiki,
        projects,
        discussions,
        delete_branch_on_merge,
        default_branch,
    } = &desired.repository;
    let text = |wanted: &Option<String>, there: &Option<String>| {
        wanted.clone().filter(|wanted| wanted != there.as_deref().unwrap_or_default())
    };
    let switch = |wanted: Option<bool>, there: bool| wanted.filter(|wanted| *wanted != there);
    let is_fork = desired.template.mode == TemplateMode::Fork;
    let patch = RepositoryPatch {
        description: text(description, &facts.description),
        homepage: text(homepage, &facts.homepage),
        visibility: Some(*visibility).filter(|visibility| !is_fork && *visibility != facts.visibility),
        default_branch: text(default_branch, &facts.default_branch),
        issues: switch(*issues, facts.issues),
        wiki: switch(*wiki, facts.wiki),
        projects: switch(*projects, facts.projects),
        discussions: switch(*discussions, facts.discussions),
        delete_branch_on_merge: switch(*delete_branch_on_merge, facts.delete_branch_on_merge),
        ..RepositoryPatch::default()
    };
    let mut changes = Vec::new();
    if patch != RepositoryPatch::default() {
        changes.push(ForgeChange::UpdateRepository(patch));
    }
    if let Some(topics) = topics {
        let mut there = facts.topics.clone();
        there.sort_unstable();
        if *topics != there {
            changes.push(ForgeChange::SetTopics(topics.clone()));
        }
    }
    changes
}

fn generating(name: &str, desired: &Desired, recheck: Duration) -> Verdict {
    let message =
        format!("GitHub brings the content of {}/{} to {name}", desired.template.owner, desired.template.repo);
    Verdict::Waiting { reason: "Generating", message, recheck }
}

/// What is on the new default branch has to be seen before anything is built on it.
fn switching(name: &str) -> Verdict {
    Verdict::Waiting {
        reason: "SwitchingBranch",
        message: format!("{name} gets another default branch"),
        recheck: Duration::from_millis(250),
    }
}

fn fork_visibility(name: &str, visibility: Visibility) -> FacetPlan {
    refused(
        "VisibilityOfFork",
        format!(
            "GitHub keeps a fork as visible as what it was made from, and {name} is {visibility:?}: set \
             repository.visibility: {visibility:?}, or make a new Fork with template.mode: Template"
        ),
    )
}

fn refused(reason: &'static str, message: String) -> FacetPlan {
    nothing(Verdict::Refused { reason, message })
}

fn nothing(verdict: Verdict) -> FacetPlan {
    FacetPlan { steps: Vec::new(), verdict }
}

#[cfg(test)]
mod tests;
