use std::time::Duration;

use super::*;
use crate::{
    PortError,
    error::Provider,
    fork::{
        self, Desired, Observed,
        fixtures::{at, desired, hosted, hosted_record, input, release},
    },
    hosting::{DomainConfiguration, DomainItem},
    plan::{Change, Step},
};

fn facet(steps: usize, verdict: Verdict) -> FacetPlan {
    let step = |number| Step {
        facet: Facet::Domains,
        change: Change::Hosting(crate::hosting::HostingChange::AddDomain(DomainItem {
            name: format!("{number}.com"),
            ..DomainItem::default()
        })),
    };
    FacetPlan { steps: (0..steps).map(step).collect(), verdict }
}

fn synced() -> Verdict {
    Verdict::synced("as it should be")
}

fn person() -> Verdict {
    Verdict::PersonNeeded { reason: "Paused", message: "resume it".into(), recheck: Duration::from_secs(1) }
}

fn conditions(facets: Vec<(Facet, FacetPlan, Option<Outcome>)>) -> Vec<(String, String)> {
    let outcomes = facets.iter().filter_map(|(facet, _, outcome)| Some((*facet, outcome.clone()?))).collect();
    let plan = Plan { facets: facets.into_iter().map(|(facet, plan, _)| (facet, plan)).collect() };
    let (desired, observed, record) = (desired(), hosted(), hosted_record());
    let status = status(input(&desired, &observed, &record), &plan, &outcomes, 1);
    let told = |it: forkable_crds::condition::Condition| {
        (it.type_.into(), format!("{} {}: {}", it.status, it.reason, it.message))
    };
    status.conditions.into_iter().map(told).collect()
}

fn condition(facets: Vec<(Facet, FacetPlan, Option<Outcome>)>, type_: &str) -> String {
    let all = conditions(facets);
    all.iter().find(|(name, _)| name == type_).map(|(_, told)| told.clone()).unwrap_or_default()
}

fn failed(error: PortError) -> Outcome {
    Outcome::Failed { step: "+ domains     add acme.com".into(), error }
}

#[test]
fn what_a_facet_says() {
    let provider = Provider::Vercel;
    let withheld = |reason, message: &str| Some(Outcome::Withheld { reason, message: message.into() });
    let cases = [
        ("as it should be", facet(0, synced()), None, "True Synced: as it should be"),
        ("applied", facet(0, synced()), Some(Outcome::Applied), "True Synced: as it should be"),
        ("not all was done in this pass", facet(1, synced()), Some(Outcome::Applied), "False Applying: add 0.com"),
        ("a person is needed", facet(0, person()), None, "False Paused: resume it"),
        (
            "a failed step, with what was tried",
            facet(1, synced()),
            Some(failed(PortError::Unavailable { provider, message: "502".into() })),
            "False ProviderUnavailable: add acme.com: Vercel is unavailable: 502",
        ),
        (
            "a domain of others",
            facet(1, synced()),
            Some(failed(PortError::Conflict { provider, message: "in use by another project".into() })),
            "False DomainTaken: add acme.com: Vercel: in use by another project; it is never taken away from there: \
             remove it there first, or remove it from spec.domains",
        ),
        (
            "credentials that lack a permission",
            facet(1, synced()),
            Some(failed(PortError::Forbidden { provider, message: "no".into(), missing: None })),
            "False MissingPermission: add acme.com: Vercel forbids it: no; grant the permission to the credentials",
        ),
        (
            "suspended",
            facet(2, synced()),
            withheld("Suspended", "suspended: holidays"),
            "False Suspended: 2 changes are not made, first: add 0.com; suspended: holidays",
        ),
        (
            "suspended, and nothing to do",
            facet(0, synced()),
            withheld("Suspended", "suspended: holidays"),
            "True Synced: as it should be",
        ),
    ];
    for (why, plan, outcome, expected) in cases {
        assert_eq!(condition(vec![(Facet::Domains, plan, outcome)], "DomainsReady"), expected, "{why}");
    }
}

#[test]
fn who_waits_for_a_person_needs_a_person() {
    let facets = || {
        vec![
            (Facet::Project, facet(0, person()), None),
            (Facet::Env, facet(1, synced()), Some(Outcome::Blocked { by: Facet::Project })),
            (Facet::Release, facet(1, synced()), Some(Outcome::Blocked { by: Facet::Env })),
        ]
    };
    assert_eq!(condition(facets(), "Ready"), "False Paused: resume it");
    assert_eq!(condition(facets(), "Released"), "False Blocked: waits for the env");
}

#[test]
fn what_is_only_observed_is_counted() {
    let observed_only = || Some(Outcome::Withheld { reason: "ObserveOnly", message: "it is only observed".into() });
    let facets = vec![
        (Facet::Project, facet(2, synced()), observed_only()),
        (Facet::Domains, facet(1, synced()), observed_only()),
    ];
    assert_eq!(condition(facets, "Ready"), "False Drifted: 3 changes are not made, first: add 0.com");
}

/// A Fork that is live on `acme.com`.
fn live() -> (Desired, Observed, ForkStatus) {
    let (mut desired, mut observed) = (desired(), hosted());
    desired.domains = vec![DomainItem { name: "acme.com".into(), ..DomainItem::default() }];
    let revision = revision::current(&desired, observed.project.as_ref().expect("a project"));
    observed.releases = vec![release("acme-acme-he", "acme-head", &revision, "Live").into()];
    let configuration = Some(DomainConfiguration { configured: true, records: Vec::new() });
    let own = DomainFacts { name: "acme.com".into(), verified: true, configuration, ..DomainFacts::default() };
    let given = DomainFacts { name: "acme-x.vercel.app".into(), verified: true, ..DomainFacts::default() };
    observed.project.as_mut().expect("a project").domains = Some(vec![given, own]);
    (desired, observed, hosted_record())
}

fn of(world: &(Desired, Observed, ForkStatus)) -> ForkStatus {
    let (desired, observed, record) = world;
    let input = input(desired, observed, record);
    let content = [Facet::Content, Facet::Actions, Facet::Security, Facet::Protection];
    let mut plan = fork::plan(input);
    plan.facets.retain(|facet, _| !content.contains(facet));
    status(input, &plan, &BTreeMap::new(), 7)
}

#[test]
fn ready_says_where_it_is_live() {
    let status = of(&live());
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready").expect("Ready");
    assert_eq!(ready.message, "live at https://acme.com, release acme-acme-he", "{:?}", status.conditions);
    assert_eq!(status.observed_generation, Some(7));
    let current = status.current_release.expect("a release");
    assert_eq!((current.name.as_str(), current.commit.as_str()), ("acme-acme-he", "acme-head"));
}

#[test]
fn the_address_is_the_best_that_works() {
    let mut world = live();
    let domains = |world: &mut (Desired, Observed, ForkStatus)| {
        world.1.project.as_mut().expect("a project").domains.take().expect("domains")
    };
    let mut there = domains(&mut world);
    there[1].verified = false;
    world.1.project.as_mut().expect("a project").domains = Some(there);
    assert_eq!(of(&world).url.as_deref(), Some("https://acme-x.vercel.app"), "what Vercel gave it");
    domains(&mut world);
    assert_eq!(of(&world).url.as_deref(), Some("https://acme-acme-he.vercel.app"), "that of the release");
    world.1.releases.clear();
    assert_eq!(of(&world).url, None, "nothing is live");
}

#[test]
fn domains_are_told_with_certificate_and_missing_records() {
    let mut world = live();
    world.1.certificates =
        vec![(vec!["*.com".into()], at(10)), (vec!["acme.com".into()], at(20)), (vec!["other.com".into()], at(30))];
    let status = of(&world);
    assert_eq!(status.domains.len(), 1, "what Vercel gave it is none of the manifest's");
    assert!(status.domains[0].verified && status.domains[0].configured);
    assert_eq!(status.domains[0].certificate.as_ref().map(|certificate| certificate.expires_at.0), Some(at(20)));

    world.2 = status;
    world.0.domains.clear();
    assert_eq!(of(&world).domains.len(), 1, "it is still there, and ours to remove");
    world.1.project.as_mut().expect("a project").domains = Some(Vec::new());
    assert_eq!(of(&world).domains.len(), 0, "it is gone");
}

#[test]
fn equal_passes_give_equal_statuses() {
    let mut world = live();
    let first = of(&world);
    world.2 = first.clone();
    let (desired, observed, record) = &world;
    let later = Input { now: at(99_999), ..input(desired, observed, record) };
    let mut plan = fork::plan(later);
    plan.facets.retain(|facet, _| *facet >= Facet::Project || *facet == Facet::Repository);
    assert_eq!(status(later, &plan, &BTreeMap::new(), 7), first);
}
