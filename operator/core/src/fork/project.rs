//! Whether the project that is seen is this Fork's, which decides what may be changed in it.

use std::sync::LazyLock;

use forkable_crds::{ForkStatus, fork::EnvStatus};

use super::{Desired, Input, Observed, ownership};
use crate::{
    Secret,
    hosting::{EnvItem, EnvRow, ProjectFacts},
};

static NOTHING: LazyLock<ProjectFacts> =
    LazyLock::new(|| ProjectFacts { domains: Some(Vec::new()), ..ProjectFacts::default() });

/// How the project stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand<'a> {
    /// There is none (any more): it holds nothing that the manifest cannot bring back, so it is made (again).
    Absent,
    /// It is on record in this team, and the manifest names another one.
    OtherTeam(&'a str),
    /// There is one under the name, and nothing proves that it is of this Fork.
    Foreign(&'a ProjectFacts),
    Ours(&'a ProjectFacts),
}

pub(super) fn stand(input: Input<'_>) -> Stand<'_> {
    let Input { desired, observed, record, .. } = input;
    let recorded = record.project.as_ref().and_then(|project| project.team_id.as_deref());
    if let (Some(recorded), Some(team)) = (recorded, &desired.project.team)
        && recorded != team
    {
        return Stand::OtherTeam(recorded);
    }
    match &observed.project {
        None => Stand::Absent,
        Some(facts) if is_ours(desired, observed, record) => Stand::Ours(facts),
        Some(facts) => Stand::Foreign(facts),
    }
}

/// Whether the project is on record, linked to our own repository, or one that a person let us take over.
pub(super) fn is_ours(desired: &Desired, observed: &Observed, record: &ForkStatus) -> bool {
    let Some(facts) = &observed.project else { return false };
    let is_linked = facts.repository_id.is_some()
        && facts.repository_id == observed.repository.as_ref().map(|repository| repository.id)
        && ownership::is_ours(desired, observed, record);
    desired.adopt || is_linked || record.project.as_ref().is_some_and(|project| project.id == facts.id)
}

/// What there is to compare with, which is nothing for a project that is yet to be made;
/// `None`: the repository or the project must be sorted out first, which a plan cannot look beyond.
pub(super) fn foreseen(input: Input<'_>) -> Option<&ProjectFacts> {
    ownership::repository(input).foreseen()?;
    match stand(input) {
        Stand::Absent => Some(&NOTHING),
        Stand::Ours(facts) => Some(facts),
        Stand::OtherTeam(_) | Stand::Foreign(_) => None,
    }
}

/// Whether Vercel said, for this version of the manifest, that the account's plan has no more custom environments.
pub(super) fn has_no_more(desired: &Desired, record: &ForkStatus) -> bool {
    record.project.as_ref().and_then(|project| project.no_custom_environments) == Some(desired.generation)
}

/// The branch whose preview stands in for a custom environment that the account's plan does not have.
pub(super) fn stand_in<'a>(input: Input<'a>, project: &ProjectFacts, environment: &str) -> Option<&'a String> {
    if !has_no_more(input.desired, input.record) || id_of(project, environment).is_some() {
        return None;
    }
    input.desired.project.environments.iter().find_map(|(slug, branch)| (slug == environment).then_some(branch))
}

/// The id of a custom environment, once it exists.
pub(super) fn id_of<'a>(project: &'a ProjectFacts, environment: &str) -> Option<&'a String> {
    project.environments.iter().find_map(|there| (there.slug == environment).then_some(&there.id))
}

/// Ids of the custom environments among these, sorted.
pub(super) fn ids_of(project: &ProjectFacts, environments: &[String]) -> Vec<String> {
    let mut ids: Vec<_> = environments.iter().filter_map(|it| id_of(project, it).cloned()).collect();
    ids.sort_unstable();
    ids
}

/// Whether a row is what is on record: by id, or, if a failed write may have made it, by what it would be.
pub(super) fn is_on_record(recorded: &EnvStatus, row: &EnvRow, project: &ProjectFacts) -> bool {
    if !recorded.id.is_empty() {
        return recorded.id == row.id;
    }
    let attempted = EnvItem {
        key: recorded.name.clone(),
        value: Secret::new(""),
        environments: recorded.environments.clone(),
        custom_environment_ids: ids_of(project, &recorded.environments),
        branch: recorded.branch.clone(),
        sensitive: recorded.sensitive,
    };
    !row.integration && row.is(&attempted)
}
