//! Domains: on the project, proven, and led to it by DNS.

#[cfg(test)]
mod tests;

use std::time::Duration;

use forkable_crds::{condition::ConditionStatus, fork::DnsRecord};

use super::{Input, hosting_steps, without_project};
use crate::{
    condition,
    fork::{project, revision},
    hosting::{DomainFacts, DomainItem, HostingChange, ProjectFacts},
    plan::{Facet, FacetPlan, Verdict},
};

/// How soon a domain is looked at that was just added.
const SOON: Duration = Duration::from_secs(1);
/// Bounds of the time between two looks at DNS that a person has to set right.
const YOUNG: Duration = Duration::from_secs(5);
const OLD: Duration = Duration::from_mins(5);

pub(super) fn plan(input: Input<'_>) -> Option<FacetPlan> {
    if input.desired.domains.is_empty() && input.record.domains.is_empty() {
        return None;
    }
    let Some(project) = project::foreseen(input) else {
        return (!input.desired.domains.is_empty()).then(without_project);
    };
    let Some(there) = &project.domains else {
        return Some(waiting("Observing", "the domains of the project are not known yet".into(), SOON));
    };
    let wanted: Vec<_> = input.desired.domains.iter().map(|item| with_ids(input, project, item)).collect();
    let changes = changes(input, &wanted, there);
    if wanted.is_empty() && changes.is_empty() {
        return None;
    }
    let adds = changes.iter().any(|change| matches!(change, HostingChange::AddDomain(_)));
    if adds && revision::newest(input.observed).is_some_and(revision::has_failed) {
        let message = "Vercel adds no domain while the newest release has failed".into();
        return Some(waiting("ReleaseFailed", message, OLD));
    }
    Some(FacetPlan { steps: hosting_steps(Facet::Domains, changes), verdict: verdict(input, &wanted, there) })
}

/// The domain with the id of its custom environment, or with the branch that stands in for it.
fn with_ids(input: Input<'_>, project: &ProjectFacts, item: &DomainItem) -> DomainItem {
    let Some(environment) = &item.environment else { return item.clone() };
    if let Some(branch) = project::stand_in(input, project, environment) {
        return DomainItem { branch: Some(branch.clone()), environment: None, ..item.clone() };
    }
    DomainItem { custom_environment_id: project::id_of(project, environment).cloned(), ..item.clone() }
}

/// Targets of redirects come before the redirects, and go after them.
fn changes(input: Input<'_>, wanted: &[DomainItem], there: &[DomainFacts]) -> Vec<HostingChange> {
    let mut changes = Vec::new();
    let (redirects, targets): (Vec<_>, Vec<_>) = wanted.iter().partition(|item| item.redirect.is_some());
    for item in targets.into_iter().chain(redirects) {
        match there.iter().find(|there| there.name == item.name) {
            None => changes.push(HostingChange::AddDomain(item.clone())),
            Some(there) if there.custom_environment_id != item.custom_environment_id => {
                // Vercel does not move a domain between environments.
                changes.push(HostingChange::RemoveDomain { name: item.name.clone() });
                changes.push(HostingChange::AddDomain(item.clone()));
            }
            Some(there) if !is_same(item, there) => changes.push(HostingChange::UpdateDomain(item.clone())),
            Some(_) => {}
        }
    }
    let is_wanted = |name: &str| wanted.iter().any(|item| item.name == name);
    let is_ours = |name: &str| input.record.domains.iter().any(|recorded| recorded.name == name);
    let mut gone: Vec<_> = there.iter().filter(|there| is_ours(&there.name) && !is_wanted(&there.name)).collect();
    gone.sort_by_key(|there| there.redirect.is_none());
    changes.extend(gone.into_iter().map(|there| HostingChange::RemoveDomain { name: there.name.clone() }));
    let unverified = there.iter().filter(|there| !there.verified && is_wanted(&there.name));
    changes.extend(unverified.map(|there| HostingChange::VerifyDomain { name: there.name.clone() }));
    changes
}

fn is_same(item: &DomainItem, there: &DomainFacts) -> bool {
    item.redirect == there.redirect
        && (item.redirect.is_none() || item.redirect_status == there.redirect_status)
        && item.branch == there.branch
}

fn verdict(input: Input<'_>, wanted: &[DomainItem], there: &[DomainFacts]) -> Verdict {
    let facts: Vec<_> = wanted.iter().map(|item| there.iter().find(|there| there.name == item.name)).collect();
    let mut missing = Vec::new();
    let mut without_records = Vec::new();
    for facts in facts.iter().copied().flatten() {
        let records = facts.missing_records();
        if records.is_empty() && !facts.is_ready() && (facts.configuration.is_some() || !facts.verified) {
            without_records.push(facts.name.as_str());
        }
        missing.extend(records.iter().map(told));
    }
    if !missing.is_empty() || !without_records.is_empty() {
        if !without_records.is_empty() {
            missing.push(format!("what Vercel shows in the domain settings for {}", without_records.join(", ")));
        }
        missing.dedup();
        return Verdict::PersonNeeded {
            reason: "DNSRecordsMissing",
            message: format!("create {}", missing.join("; ")),
            recheck: recheck(input),
        };
    }
    if facts.iter().all(|facts| facts.is_some_and(DomainFacts::is_ready)) {
        return Verdict::synced(list(wanted));
    }
    Verdict::Waiting { reason: "CheckingDNS", message: format!("DNS of {} is looked at", list(wanted)), recheck: SOON }
}

fn told(record: &DnsRecord) -> String {
    format!("{} {} {}", record.record_type, record.name, record.value)
}

fn list(items: &[DomainItem]) -> String {
    items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Often while a person is likely to be at it, more seldom as time goes by.
fn recheck(input: Input<'_>) -> Duration {
    let condition = condition::find(&input.record.conditions, Facet::Domains.condition());
    let since =
        condition.filter(|condition| condition.status == ConditionStatus::False).map(|it| it.last_transition_time.0);
    let age = since.and_then(|since| Duration::try_from(input.now.duration_since(since)).ok()).unwrap_or_default();
    (age / 10).clamp(YOUNG, OLD)
}

fn waiting(reason: &'static str, message: String, recheck: Duration) -> FacetPlan {
    FacetPlan { steps: Vec::new(), verdict: Verdict::Waiting { reason, message, recheck } }
}
