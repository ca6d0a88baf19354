//! The project: linked to the repository, set as the manifest says, followed by id.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{Input, hosting_steps, ownership, without_repository};
use crate::{
    forge::RepositoryFacts,
    fork::project::{self, Stand},
    hosting::{HostingChange, ProjectFacts, ProjectSettings, ProjectSettingsPatch},
    plan::{Facet, FacetPlan, Verdict},
};

/// How often a project is looked at that only a person can set right.
const PERSON: Duration = Duration::from_mins(1);

pub(super) fn plan(input: Input<'_>) -> FacetPlan {
    let Some(repository) = ownership::repository(input).foreseen() else { return without_repository() };
    let wanted = &input.desired.project;
    match project::stand(input) {
        Stand::Absent => create(input),
        Stand::OtherTeam(team) => refused(
            "ProjectInOtherTeam",
            format!(
                "{} is in the Vercel team {team}, and projects are not moved: set project.teamId: {team}, or make a \
                 new Fork",
                wanted.name
            ),
        ),
        Stand::Foreign(facts) => refused(
            "NameConflict",
            format!(
                "the project {} exists and is not linked to the repository of this Fork: set the annotation \
                 forkable.dev/adopt: \"true\" to take it over, or choose another name",
                facts.name
            ),
        ),
        Stand::Ours(facts) if facts.paused => paused(input, facts, Vec::new()),
        Stand::Ours(facts) if is_to_be_paused(input, facts) => paused(input, facts, vec![HostingChange::PauseProject]),
        Stand::Ours(facts) => keep(input, facts, repository),
    }
}

/// Whether somebody wants it paused and that was not done yet. What a person resumes afterwards is not paused again.
fn is_to_be_paused(input: Input<'_>, facts: &ProjectFacts) -> bool {
    let wanted = input.desired.project.pause.as_ref().filter(|pause| pause.is_fresh(input.now));
    let record = input.record.project.as_ref().filter(|project| project.id == facts.id);
    let (Some(wanted), Some(project)) = (wanted, record) else { return false };
    project.pause.as_ref().is_none_or(|pause| pause.wish != wanted.wish)
}

fn paused(input: Input<'_>, facts: &ProjectFacts, changes: Vec<HostingChange>) -> FacetPlan {
    let known = input.record.project.as_ref().and_then(|project| project.pause.as_ref());
    let known = known.filter(|pause| !pause.resumed).map(|pause| &pause.wish);
    let wish = if is_to_be_paused(input, facts) {
        input.desired.project.pause.as_ref().map(|pause| &pause.wish)
    } else {
        known
    };
    let by = wish.map(|wish| format!(" by {wish}")).unwrap_or_default();
    let message = format!("the project {} is paused{by}: resume it in its settings at Vercel", facts.name);
    let verdict = Verdict::PersonNeeded { reason: "Paused", message, recheck: PERSON };
    FacetPlan { steps: hosting_steps(Facet::Project, changes), verdict }
}

/// Challenges visitors as somebody wants, on the project that is on record, unless that was done or is over.
fn challenge(input: Input<'_>, facts: &ProjectFacts) -> Option<HostingChange> {
    let challenge = input.desired.project.challenge.as_ref()?;
    let record = input.record.project.as_ref().filter(|project| project.id == facts.id)?;
    let is_done = record.challenged_for.as_ref() == Some(&challenge.wish) || challenge.is_met(facts);
    let until = challenge.until.as_millisecond();
    (!is_done && challenge.until > input.now).then_some(HostingChange::ChallengeVisitors { until })
}

fn create(input: Input<'_>) -> FacetPlan {
    let wanted = &input.desired.project;
    let mut changes = vec![HostingChange::CreateProject(wanted.settings.clone())];
    if wanted.settings.node_version.is_some() {
        // Vercel takes it only once the project exists.
        let settings =
            ProjectSettingsPatch { node_version: wanted.settings.node_version, ..ProjectSettingsPatch::default() };
        changes.push(HostingChange::UpdateProject { name: None, settings });
    }
    if wanted.holds_domains {
        changes.push(HostingChange::AssignDomains(false));
    }
    changes.extend(environments(input, &ProjectFacts::default()));
    FacetPlan {
        steps: hosting_steps(Facet::Project, changes),
        verdict: Verdict::synced(message(input, &ProjectFacts::default())),
    }
}

fn keep(input: Input<'_>, facts: &ProjectFacts, repository: &RepositoryFacts) -> FacetPlan {
    let wanted = &input.desired.project;
    let mut changes = Vec::new();
    let name = Some(wanted.name.clone()).filter(|name| *name != facts.name);
    let settings = differing(&wanted.settings, &facts.settings);
    if name.is_some() || settings != ProjectSettingsPatch::default() {
        changes.push(HostingChange::UpdateProject { name, settings });
    }
    // What a person or Vercel switched off stays off, unless it was this Fork.
    let held = input.record.project.as_ref().is_some_and(|project| project.holds_domains == Some(true));
    match facts.assigns_domains {
        Some(true) if wanted.holds_domains => changes.push(HostingChange::AssignDomains(false)),
        Some(false) if !wanted.holds_domains && held => changes.push(HostingChange::AssignDomains(true)),
        _ => {}
    }
    if repository.id != 0 && facts.repository_id != Some(repository.id) {
        changes.push(HostingChange::LinkRepository);
    } else if let (Some(branch), Some(there)) = (&repository.default_branch, &facts.production_branch)
        && branch != there
    {
        changes.push(HostingChange::SetProductionBranch(branch.clone()));
    }
    changes.extend(environments(input, facts));
    changes.extend(challenge(input, facts));
    FacetPlan { steps: hosting_steps(Facet::Project, changes), verdict: Verdict::synced(message(input, facts)) }
}

/// Custom environments that are missing, track another branch, or were ours and are no longer wanted.
fn environments(input: Input<'_>, facts: &ProjectFacts) -> Vec<HostingChange> {
    let wanted = &input.desired.project.environments;
    let mut changes = Vec::new();
    for (slug, branch) in wanted {
        match facts.environments.iter().find(|there| there.slug == *slug) {
            None if project::has_no_more(input.desired, input.record) => {}
            None => changes.push(HostingChange::CreateEnvironment { slug: slug.clone(), branch: branch.clone() }),
            Some(there) if there.branch.as_ref() != Some(branch) => {
                changes.push(HostingChange::UpdateEnvironment { id: there.id.clone(), branch: branch.clone() });
            }
            Some(_) => {}
        }
    }
    let ours = input.record.project.iter().flat_map(|project| &project.environments);
    for ours in ours.filter(|ours| wanted.iter().all(|(slug, _)| *slug != ours.name)) {
        if facts.environments.iter().any(|there| there.id == ours.id) {
            changes.push(HostingChange::DeleteEnvironment { id: ours.id.clone() });
        }
    }
    changes
}

/// What has to be set so that what is there becomes what is wanted.
fn differing(wanted: &ProjectSettings, there: &ProjectSettings) -> ProjectSettingsPatch {
    let text = |wanted: &Option<String>, there: &Option<String>| (wanted != there).then(|| wanted.clone());
    let regions = |settings: &ProjectSettings| {
        let mut regions = settings.regions.clone();
        if let Some(regions) = &mut regions {
            regions.sort_unstable();
        }
        regions
    };
    ProjectSettingsPatch {
        framework: text(&wanted.framework, &there.framework),
        root_directory: text(&wanted.root_directory, &there.root_directory),
        install_command: text(&wanted.install_command, &there.install_command),
        build_command: text(&wanted.build_command, &there.build_command),
        output_directory: text(&wanted.output_directory, &there.output_directory),
        node_version: wanted.node_version.filter(|_| wanted.node_version != there.node_version),
        regions: wanted.regions.clone().filter(|_| regions(wanted) != regions(there)),
        memory: wanted.memory.filter(|_| wanted.memory != there.memory),
        max_duration_seconds: wanted
            .max_duration_seconds
            .filter(|_| wanted.max_duration_seconds != there.max_duration_seconds),
        fluid: wanted.fluid.filter(|_| wanted.fluid != there.fluid),
        login: wanted.login.filter(|_| wanted.login != there.login),
    }
}

fn message(input: Input<'_>, facts: &ProjectFacts) -> String {
    let repository = input.observed.repository.as_ref().map(|repository| repository.full_name.clone());
    let wanted = &input.desired.repository;
    let repository = repository.unwrap_or_else(|| format!("{}/{}", wanted.owner, wanted.name));
    let message = format!("{}, linked to {repository}", input.desired.project.name);
    let stand_ins = input
        .desired
        .project
        .environments
        .iter()
        .filter_map(|(slug, _)| project::stand_in(input, facts, slug).map(|branch| format!("{branch} for {slug}")));
    let stand_ins: Vec<_> = stand_ins.collect();
    if stand_ins.is_empty() {
        return message;
    }
    format!(
        "{message}; the Vercel plan does not have the custom environments, so previews of branches stand in for them: {}",
        stand_ins.join(", ")
    )
}

fn refused(reason: &'static str, message: String) -> FacetPlan {
    FacetPlan { steps: Vec::new(), verdict: Verdict::Refused { reason, message } }
}
