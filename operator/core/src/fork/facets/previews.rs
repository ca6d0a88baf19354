//! Previews: one Deployment object for each open pull request that is to have one, and a comment that says where.
//!
//! A preview that cannot be built is the pull request's business: the Fork is as its manifest says all the same.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

use forkable_crds::{Deployment, rollout::PullRequestRef};

use super::{Input, count, ownership, without_project, without_repository};
use crate::{
    forge::{ForgeChange, MAX_PULL_REQUESTS, PullRequest},
    fork::{
        previews::{self, Stand},
        project, revision,
    },
    plan::{Change, Facet, FacetPlan, Step, StoreChange, Verdict},
};

/// How often it is looked whether credentials may see pull requests by now.
const PERMISSION: Duration = Duration::from_mins(5);

pub(super) fn plan(input: Input<'_>) -> Option<FacetPlan> {
    let wanted = input.desired.previews.is_some();
    let known = previews::known(input);
    if !wanted && known.is_empty() {
        return None;
    }
    let ownership::Stand::Ours(_) = ownership::repository(input) else { return Some(without_repository()) };
    let project::Stand::Ours(project) = project::stand(input) else { return Some(without_project()) };
    let revision = revision::current(input.desired, project);
    let (mut creates, mut drops, mut comments) = (Vec::new(), Vec::new(), Vec::new());
    let chosen = previews::eligible(input).into_iter().map(|open| open.number);
    for number in chosen.chain(known).collect::<BTreeSet<_>>() {
        let all = previews::of(input.observed, number);
        match previews::stand(input, number) {
            Stand::Chosen(open) => {
                let newest = all.first().filter(|newest| is_of(newest, open, &revision));
                // The first deployment of a project is production's, whatever was asked for.
                if newest.is_none() && has_built(input) {
                    creates.push(create(input, open, &revision));
                }
                let is_replaced = |old: &&&Deployment| {
                    !previews::is_live(old) || all.first().is_some_and(|newest| previews::is_live(newest))
                };
                let old = if newest.is_some() { &all[1..] } else { &[] };
                drops.extend(old.iter().filter(is_replaced).map(|old| take_away(old, number)));
            }
            Stand::Unknown => {}
            Stand::Waiting | Stand::CrossRepository | Stand::Closed | Stand::Off => {
                drops.extend(all.iter().map(|old| take_away(old, number)));
            }
        }
        comments.extend(comment(input, number));
    }
    let changes = creates.into_iter().chain(drops).map(Change::Store).chain(comments.into_iter().map(Change::Forge));
    let steps = changes.map(|change| Step { facet: Facet::Previews, change }).collect();
    Some(FacetPlan { steps, verdict: verdict(input) })
}

fn is_of(release: &Deployment, open: &PullRequest, revision: &str) -> bool {
    let spec = &release.spec;
    spec.source.commit.as_ref() == Some(&open.head.oid)
        && spec.env_revision.as_deref().is_some_and(|made| revision::is_same_project(made, revision))
}

fn has_built(input: Input<'_>) -> bool {
    let is_production = |release: &Deployment| release.spec.environment == "Production";
    let has_id = |release: &Deployment| release.status.as_ref().is_some_and(|status| status.deployment_id.is_some());
    input.observed.releases.iter().any(|release| is_production(release) && has_id(release))
}

fn create(input: Input<'_>, open: &PullRequest, revision: &str) -> StoreChange {
    let commit = &open.head.oid;
    let short = format!("{}-pr{}-{}", input.desired.name, open.number, commit.get(..7).unwrap_or("next"));
    let is_free =
        |name: &String| input.observed.releases.iter().all(|release| release.metadata.name.as_ref() != Some(name));
    let numbered = (2..).map(|again| format!("{short}-{again}"));
    StoreChange::CreatePreview {
        name: std::iter::once(short.clone()).chain(numbered).find(is_free).unwrap_or(short),
        commit: commit.clone(),
        env_revision: revision.into(),
        pull_request: PullRequestRef {
            number: open.number,
            // A branch of another repository may have the name of one of ours, whose variables are not for it.
            branch: if open.is_cross_repository {
                format!("refs/pull/{}/head", open.number)
            } else {
                open.branch.clone()
            },
        },
    }
}

fn take_away(release: &Deployment, pull_request: i64) -> StoreChange {
    StoreChange::DropPreview { name: release.metadata.name.clone().unwrap_or_default(), pull_request }
}

/// A comment is begun for a preview, and from then on kept true.
fn comment(input: Input<'_>, number: i64) -> Option<ForgeChange> {
    let recorded = input.record.previews.iter().find(|recorded| recorded.pull_request == number);
    let there = recorded.and_then(|recorded| recorded.comment.as_ref());
    let begins = input.desired.previews.as_ref().is_some_and(|wanted| wanted.comment)
        && matches!(previews::stand(input, number), Stand::Chosen(_));
    if there.is_none() && !begins {
        return None;
    }
    if there.is_some_and(|there| previews::says(input, number, there)) {
        return None;
    }
    let text = previews::text(input, number)?;
    let id = there.and_then(|there| there.id);
    Some(ForgeChange::PutComment { pull_request: number, id, marker: previews::marker(input), text })
}

fn verdict(input: Input<'_>) -> Verdict {
    if input.desired.previews.is_none() {
        return Verdict::synced("pull requests have no previews");
    }
    let told = input.observed.repository.as_ref().and_then(|repository| repository.pull_requests.as_ref());
    let Some(seen) = told.filter(|told| !told.is_hidden) else {
        return Verdict::PersonNeeded {
            reason: "PullRequestsHidden",
            message: "the pull requests cannot be seen: grant pull_requests:write to the GitHub credentials".into(),
            recheck: PERMISSION,
        };
    };
    let eligible = previews::eligible(input);
    let is_chosen = |number| matches!(previews::stand(input, number), Stand::Chosen(_));
    let (chosen, waiting): (Vec<_>, Vec<_>) = eligible.iter().map(|open| open.number).partition(|it| is_chosen(*it));
    let newest = |number: i64| previews::of(input.observed, number).first().copied();
    let are = |test: fn(&Deployment) -> bool| {
        chosen.iter().copied().filter(|number| newest(*number).is_some_and(test)).collect::<Vec<_>>()
    };
    let (live, failed) = (are(previews::is_live), are(previews::has_failed));
    let mut parts = vec![match chosen.len() {
        0 => "no pull request is open that may have a preview".into(),
        all => format!("{} of {} can be looked at", live.len(), count(all, "preview")),
    }];
    let mut add = |numbers: &[i64], what: &str| {
        if !numbers.is_empty() {
            let numbers: Vec<_> = numbers.iter().map(|number| format!("#{number}")).collect();
            parts.push(format!("{} {what}", numbers.join(", ")));
        }
    };
    add(&failed, "could not be built");
    add(&waiting, "wait for another one to be closed, since release.previews.limit is reached");
    let foreign = seen.open.len() - eligible.len();
    if foreign > 0 {
        parts.push(format!("{foreign} from other repositories have none (release.previews.crossRepository)"));
    }
    if seen.is_cut {
        parts.push(format!("more than {MAX_PULL_REQUESTS} are open, of which the newest are not looked at"));
    }
    Verdict::synced(parts.join("; "))
}
