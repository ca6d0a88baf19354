//! The status of a Fork, from everything that one pass learnt.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use forkable_crds::{
    ForkStatus,
    fork::{CertificateStatus, DomainStatus, ReleaseStatus},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Input, previews, project, record, revision};
use crate::{
    Retry,
    condition::{self, Report, State},
    hosting::DomainFacts,
    plan::{Facet, FacetPlan, Outcome, Plan, Verdict},
    store::Kind,
};

/// Most records of a domain in the status.
const MAX_RECORDS: usize = 8;

/// The new status: facts from the observation, conditions from verdicts and outcomes.
/// Equal inputs give equal statuses; nothing in it moves with time alone.
///
/// `plan` is what is left after the pass. A facet without an outcome is judged by what is left of it.
pub fn status(input: Input<'_>, plan: &Plan, outcomes: &BTreeMap<Facet, Outcome>, generation: i64) -> ForkStatus {
    let mut status = input.record.clone();
    record::seen(&mut status, input);
    status.observed_generation = Some(generation);
    status.domains = domains(input, &status.domains);
    status.previews = previews::status(input);
    status.current_release = revision::serving(input.desired, input.observed).map(|serving| {
        Box::new(ReleaseStatus {
            name: serving.name().to_owned(),
            commit: commit(serving),
            env_revision: serving.spec.env_revision.clone(),
        })
    });
    status.url = status.current_release.as_ref().and_then(|_| url(input));
    let reports: Vec<_> = plan.facets.iter().map(|(facet, left)| report(input, plan, outcomes, *facet, left)).collect();
    status.conditions = condition::summarize(&status.conditions, &reports, generation, input.now);
    let ready = ready(&status);
    condition::say_ready(&mut status.conditions, &ready);
    say_drift(&mut status, plan, outcomes);
    status
}

fn ready(status: &ForkStatus) -> String {
    match (&status.url, &status.current_release) {
        (Some(url), Some(release)) => format!("live at {url}, release {}", release.name),
        _ => "as the manifest says".into(),
    }
}

fn report(
    input: Input<'_>,
    plan: &Plan,
    outcomes: &BTreeMap<Facet, Outcome>,
    facet: Facet,
    left: &FacetPlan,
) -> Report {
    let report = |state, reason: &str, message: String| Report {
        condition: facet.condition(),
        state,
        reason: reason.into(),
        message,
    };
    match outcomes.get(&facet) {
        Some(Outcome::Failed { step, error }) => {
            let state = match error.retry(input.now) {
                Retry::Never => State::Stalled,
                Retry::After(_) => State::Progressing,
                Retry::Backoff => State::Retrying,
            };
            let reason = match (facet, error) {
                (Facet::Domains, crate::PortError::Conflict { .. }) => "DomainTaken",
                (_, error) => error.reason(),
            };
            report(state, reason, told(step, error, remedy(facet, error)))
        }
        Some(Outcome::Blocked { by }) => {
            let state = root(input, plan, outcomes, *by);
            report(state, "Blocked", format!("waits for the {}", by.name()))
        }
        Some(Outcome::Withheld { reason, message }) if !left.steps.is_empty() => {
            report(State::Stalled, reason, format!("{}; {message}", drift(left.steps.iter().map(ToString::to_string))))
        }
        _ => {
            let (state, reason, message) = match &left.verdict {
                Verdict::Synced { message } if left.steps.is_empty() => (State::Ready, "Synced", message.clone()),
                Verdict::Synced { .. } => {
                    let next = left.steps.first().map(|step| without_sign(&step.to_string()).to_owned());
                    (State::Progressing, "Applying", next.unwrap_or_default())
                }
                Verdict::Waiting { reason, message, .. } => (State::Progressing, *reason, message.clone()),
                Verdict::PersonNeeded { reason, message, .. } => (State::PersonNeeded, *reason, message.clone()),
                Verdict::Refused { reason, message } => (State::Stalled, *reason, message.clone()),
            };
            report(state, reason, message)
        }
    }
}

/// The state of the facet that another one waits for in the end: who waits for a person, needs a person.
fn root(input: Input<'_>, plan: &Plan, outcomes: &BTreeMap<Facet, Outcome>, by: Facet) -> State {
    let Some(left) = plan.facets.get(&by) else { return State::Progressing };
    match report(input, plan, outcomes, by, left).state {
        State::Ready => State::Progressing,
        state => state,
    }
}

/// What a person can do about an error, where the error itself does not say.
fn remedy(facet: Facet, error: &crate::PortError) -> &'static str {
    use crate::PortError;
    match (facet, error) {
        (Facet::Domains, PortError::Conflict { .. }) => {
            "; it is never taken away from there: remove it there first, or remove it from spec.domains"
        }
        (_, PortError::Rejected { code, .. }) if code == "BRANCH_NOT_FOUND" => {
            "; push that branch, or leave it out of the manifest"
        }
        (_, PortError::PlanUnsupported { .. }) => "; upgrade the plan, or leave it out of the manifest",
        (_, PortError::Unauthorized { .. }) => "; renew the credentials",
        (_, PortError::Forbidden { .. }) => "; grant the permission to the credentials",
        _ => "",
    }
}

fn told(step: &str, error: &crate::PortError, remedy: &str) -> String {
    let error = error.to_string();
    let error = if remedy.is_empty() { error.as_str() } else { error.trim_end_matches('.') };
    format!("{}: {error}{remedy}", without_sign(step))
}

/// A printed step without its sign and facet.
fn without_sign(step: &str) -> &str {
    let rest = step.trim_start_matches(['+', '~', '-', ' ']);
    rest.split_once(' ').map_or(rest, |(_, what)| what.trim_start())
}

fn drift(steps: impl ExactSizeIterator<Item = String>) -> String {
    let (count, mut steps) = (steps.len(), steps);
    let first = steps.next().unwrap_or_default();
    let first = without_sign(&first);
    if count == 1 {
        format!("1 change is not made: {first}")
    } else {
        format!("{count} changes are not made, first: {first}")
    }
}

/// `Ready` counts over all facets what is not made under `ObserveOnly`.
fn say_drift(status: &mut ForkStatus, plan: &Plan, outcomes: &BTreeMap<Facet, Outcome>) {
    let is_withheld =
        |facet: &Facet| matches!(outcomes.get(facet), Some(Outcome::Withheld { reason: "ObserveOnly", .. }));
    let steps: Vec<_> = plan.facets.iter().filter(|(facet, _)| is_withheld(facet)).collect();
    let steps: Vec<_> = steps.into_iter().flat_map(|(_, left)| left.steps.iter().map(ToString::to_string)).collect();
    if steps.is_empty() {
        return;
    }
    let message = drift(steps.into_iter());
    for condition in &mut status.conditions {
        if matches!(condition.type_.as_str(), "Ready" | "Stalled") && condition.reason == "ObserveOnly" {
            condition.reason = "Drifted".into();
            condition.message.clone_from(&message);
        }
    }
}

/// Domains of the manifest, and those of earlier manifests that are still there.
fn domains(input: Input<'_>, recorded: &[DomainStatus]) -> Vec<DomainStatus> {
    let there = input.observed.project.as_ref().and_then(|project| project.domains.as_deref());
    let facts = |name: &str| there.into_iter().flatten().find(|facts| facts.name == name);
    let wanted = input.desired.domains.iter().map(|item| item.name.as_str());
    let is_wanted = |name: &str| input.desired.domains.iter().any(|item| item.name == name);
    let left = recorded.iter().map(|recorded| recorded.name.as_str()).filter(|name| !is_wanted(name));
    let is_ours = project::is_ours(input.desired, input.observed, input.record);
    let domain = |name: &str| match facts(name) {
        Some(facts) if is_ours => Some(domain(input, facts)),
        // What is not known to be gone is kept: it may be ours to remove.
        _ if there.is_none() || !is_ours => recorded.iter().find(|recorded| recorded.name == name).cloned(),
        _ => None,
    };
    let mut domains: Vec<_> = wanted.chain(left).filter_map(domain).collect();
    domains.sort_by(|a, b| a.name.cmp(&b.name));
    domains
}

fn domain(input: Input<'_>, facts: &DomainFacts) -> DomainStatus {
    let mut records = facts.missing_records();
    records.truncate(MAX_RECORDS);
    DomainStatus {
        name: facts.name.clone(),
        verified: facts.verified,
        configured: facts.configuration.as_ref().is_some_and(|configuration| configuration.configured),
        records,
        certificate: certificate(input, &facts.name),
    }
}

/// The certificate for a name, itself or by wildcard, that lasts the longest.
fn certificate(input: Input<'_>, name: &str) -> Option<CertificateStatus> {
    let wildcard = name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
    let covers = |names: &[String]| names.iter().any(|covered| covered == name || Some(covered) == wildcard.as_ref());
    let ends = input.observed.certificates.iter().filter(|(names, _)| covers(names)).map(|(_, end)| *end);
    let end: Timestamp = ends.max()?;
    Some(CertificateStatus { expires_at: Time(Timestamp::from_second(end.as_second()).unwrap_or(end)) })
}

/// The first production domain that works; else the address that Vercel gave the project; else that of the release.
fn url(input: Input<'_>) -> Option<String> {
    let there = input.observed.project.as_ref()?.domains.as_deref().unwrap_or_default();
    let is_production = |facts: &&DomainFacts| {
        facts.redirect.is_none() && facts.branch.is_none() && facts.custom_environment_id.is_none()
    };
    let production = || there.iter().filter(is_production);
    let mut wanted = input.desired.domains.iter().filter(|item| !item.name.starts_with("*."));
    let own = wanted.find_map(|item| production().find(|facts| facts.name == item.name && facts.is_ready()));
    let given = || production().find(|facts| facts.name.ends_with(".vercel.app"));
    if let Some(facts) = own.or_else(given) {
        return Some(format!("https://{}", facts.name));
    }
    revision::serving(input.desired, input.observed)?.status.as_ref()?.url.clone()
}

fn commit(release: &forkable_crds::Deployment) -> String {
    let built = release.status.as_ref().and_then(|status| status.commit.as_ref()).map(|commit| commit.sha.clone());
    release.spec.source.commit.clone().or(built).unwrap_or_default()
}
