use forkable_crds::{ForkStatus, fork::DomainStatus};

use super::*;
use crate::{
    fork::{
        Desired, Observed,
        fixtures::{at, desired, hosted, hosted_record, input, message, observed, printed, reason, release},
    },
    hosting::{CustomEnvironment, DomainConfiguration},
};

struct World {
    desired: Desired,
    observed: Observed,
    record: ForkStatus,
}

/// `acme.com`, and `www.acme.com` that redirects to it, are wanted, there, and work.
fn done() -> World {
    let mut world = World { desired: desired(), observed: hosted(), record: hosted_record() };
    let www = DomainItem {
        name: "www.acme.com".into(),
        redirect: Some("acme.com".into()),
        redirect_status: Some(308),
        ..DomainItem::default()
    };
    world.desired.domains = vec![item("acme.com"), www];
    let www = DomainFacts { redirect: Some("acme.com".into()), redirect_status: Some(308), ..facts("www.acme.com") };
    *there(&mut world) = vec![facts("acme.com"), www];
    world.record.domains = ["acme.com", "www.acme.com"].map(recorded).into();
    world
}

fn item(name: &str) -> DomainItem {
    DomainItem { name: name.into(), ..DomainItem::default() }
}

fn facts(name: &str) -> DomainFacts {
    let configuration = Some(DomainConfiguration { configured: true, records: Vec::new() });
    DomainFacts { name: name.into(), verified: true, configuration, ..DomainFacts::default() }
}

fn recorded(name: &str) -> DomainStatus {
    DomainStatus { name: name.into(), ..DomainStatus::default() }
}

fn record(record_type: &str, name: &str, value: &str) -> DnsRecord {
    DnsRecord { record_type: record_type.into(), name: name.into(), value: value.into() }
}

fn there(world: &mut World) -> &mut Vec<DomainFacts> {
    world.observed.project.as_mut().expect("a project").domains.get_or_insert_default()
}

fn unverified(world: &mut World) {
    there(world)[0].verified = false;
    there(world)[0].verification = vec![record("TXT", "_vercel.acme.com", "vc-domain-verify=1")];
}

fn unconfigured(world: &mut World) {
    let records = vec![record("A", "acme.com", "76.76.21.21")];
    there(world)[0].configuration = Some(DomainConfiguration { configured: false, records });
}

fn plan_of(world: &World) -> FacetPlan {
    plan(input(&world.desired, &world.observed, &world.record)).expect("a plan")
}

type Case = (&'static str, fn(&mut World), &'static [&'static str], &'static str);

#[test]
fn what_is_missing_is_planned() {
    let cases: [Case; 16] = [
        ("nothing differs", |_| {}, &[], "Synced"),
        (
            "there is no project yet: targets of redirects come first",
            |world| {
                world.observed = observed();
                world.desired.domains.reverse();
            },
            &["add acme.com", "add www.acme.com → acme.com (308)"],
            "CheckingDNS",
        ),
        (
            "the domains were not looked at yet",
            |world| {
                world.observed.project = {
                    let mut project = hosted().project.expect("a project");
                    project.domains = None;
                    Some(project)
                }
            },
            &[],
            "Observing",
        ),
        (
            "somebody removed one",
            |world| drop(there(world).remove(1)),
            &["add www.acme.com → acme.com (308)"],
            "CheckingDNS",
        ),
        (
            "the redirect is another one",
            |world| there(world)[1].redirect_status = Some(307),
            &["set www.acme.com → acme.com (308)"],
            "Synced",
        ),
        ("it was given to a branch", |world| there(world)[0].branch = Some("dev".into()), &["set acme.com"], "Synced"),
        (
            "one leaves the manifest: what redirects to another goes before it",
            |world| world.desired.domains = vec![item("other.com")],
            &["add other.com", "remove www.acme.com", "remove acme.com"],
            "CheckingDNS",
        ),
        ("domains of others are left alone", |world| there(world).push(facts("theirs.com")), &[], "Synced"),
        ("it is not proven", unverified, &["verify acme.com"], "DNSRecordsMissing"),
        ("DNS does not lead to it", unconfigured, &[], "DNSRecordsMissing"),
        ("DNS was not looked at yet", |world| there(world)[0].configuration = None, &[], "CheckingDNS"),
        (
            "it belongs to a custom environment, which cannot be changed",
            |world| {
                world.desired.project.environments = vec![("staging".into(), "next".into())];
                world.desired.domains = vec![DomainItem { environment: Some("staging".into()), ..item("acme.com") }];
                world.record.domains.truncate(1);
                there(world).truncate(1);
                let project = world.observed.project.as_mut().expect("a project");
                project.environments =
                    vec![CustomEnvironment { id: "env_1".into(), slug: "staging".into(), branch: None }];
            },
            &["remove acme.com", "add acme.com for staging"],
            "Synced",
        ),
        (
            "the plan has no custom environments: its branch stands in",
            |world| {
                world.desired.project.environments = vec![("staging".into(), "next".into())];
                world.desired.domains = vec![DomainItem { environment: Some("staging".into()), ..item("acme.com") }];
                world.record.project.as_mut().expect("a record").no_custom_environments = Some(1);
                world.record.domains.truncate(1);
                there(world).truncate(1);
                there(world)[0].branch = Some("next".into());
            },
            &[],
            "Synced",
        ),
        (
            "the newest release has failed, and Vercel would refuse",
            |world| {
                there(world).clear();
                world.observed.releases = vec![release("acme-1", "acme-head", "a.b", "Failed").into()];
            },
            &[],
            "ReleaseFailed",
        ),
        (
            "the manifest no longer speaks of domains: what was ours goes",
            |world| world.desired.domains.clear(),
            &["remove www.acme.com", "remove acme.com"],
            "Synced",
        ),
        (
            "the project is somebody else's",
            |world| {
                world.record.project = None;
                world.observed.project.as_mut().expect("a project").repository_id = Some(1);
            },
            &[],
            "ProjectNotReady",
        ),
    ];
    for (why, change, steps, verdict) in cases {
        let mut world = done();
        change(&mut world);
        let plan = plan_of(&world);
        assert_eq!(printed(&plan), steps, "{why}");
        assert_eq!(reason(&plan.verdict), verdict, "{why}");
    }
}

#[test]
fn the_message_names_the_records_to_make() {
    let mut world = done();
    unverified(&mut world);
    unconfigured(&mut world);
    assert_eq!(
        message(&plan_of(&world).verdict),
        "create TXT _vercel.acme.com vc-domain-verify=1; A acme.com 76.76.21.21"
    );
    let mut world = done();
    there(&mut world)[0].configuration = Some(DomainConfiguration::default());
    assert_eq!(
        message(&plan_of(&world).verdict),
        "create what Vercel shows in the domain settings for acme.com",
        "Vercel names no record"
    );
}

#[test]
fn dns_is_looked_at_more_seldom_as_time_goes_by() {
    for (age, seconds) in [(0, 5), (49, 5), (600, 60), (86_400, 300)] {
        let mut world = done();
        unconfigured(&mut world);
        let since = at(1060 - age);
        let condition = serde_json::json!({
            "type": "DomainsReady", "status": "False", "reason": "DNSRecordsMissing", "message": "",
            "lastTransitionTime": since.to_string(),
        });
        world.record.conditions = vec![serde_json::from_value(condition).expect("a condition")];
        let Verdict::PersonNeeded { recheck, .. } = plan_of(&world).verdict else { panic!("a person is needed") };
        assert_eq!(recheck, Duration::from_secs(seconds), "after {age} s");
    }
}
