//! What pages show, by tables.

use std::{sync::Arc, time::Duration};

use forkable_core::{
    monitoring::{Sample, Series, Standing, Uptime, Verdict},
    store::{Kind as _, ObjectRef},
};
use forkable_crds::{AlertRule, Deployment, Fork};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    fleet::{Entry, Query, Row, Selection, Skew, Survey, percent, ratio_text},
    health::{Firing, Health, Known, Shell, firing},
    product::{Product, Read},
};

fn now() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().expect("a time")
}

/// A Fork that is as its manifest says, with changes to it.
fn fork(name: &str, change: impl Fn(&mut Value)) -> Arc<Fork> {
    let mut manifest = json!({
        "apiVersion": "forkable.dev/v1alpha1",
        "kind": "Fork",
        "metadata": { "name": name, "namespace": "team", "generation": 1, "creationTimestamp": "2026-05-01T00:00:00Z" },
        "spec": {
            "displayName": format!("The {name}"),
            "template": { "owner": "forkable-ai", "repo": "framework" },
            "repository": { "owner": "acme-inc", "name": name },
            "project": { "name": name },
        },
        "status": {
            "observedGeneration": 1,
            "url": format!("https://{name}.example.com"),
            "conditions": [condition("Ready", "True", "Ready", "as the manifest says")],
            "currentRelease": { "name": format!("{name}-1a2b3c4"), "commit": "1a2b3c4d5e" },
            "repository": {
                "id": 1, "nodeId": "R", "fullName": format!("acme-inc/{name}"), "htmlUrl": "https://github.com/acme-inc/acme",
                "templateSha": "old0000000", "owned": true,
            },
        },
    });
    change(&mut manifest);
    Arc::new(serde_json::from_value(manifest).expect("a Fork"))
}

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-06-01T11:00:00Z", "observedGeneration": 1,
    })
}

fn release(name: &str, phase: &str, ready: &Value) -> Arc<Deployment> {
    let manifest = json!({
        "apiVersion": "forkable.dev/v1alpha1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": "team", "creationTimestamp": "2026-06-01T10:00:00Z" },
        "spec": { "forkRef": { "name": "acme" }, "source": { "commit": "1a2b3c4d5e".repeat(4) }, "environment": "Production" },
        "status": {
            "phase": phase,
            "conditions": [ready],
            "commit": { "sha": "1a2b3c4d5e".repeat(4), "message": "Mend <the> door", "author": "Eva" },
            "finishedAt": "2026-06-01T10:02:30Z",
        },
    });
    Arc::new(serde_json::from_value(manifest).expect("a Deployment"))
}

fn standing(verdict: Verdict) -> Standing {
    let fork = ObjectRef::new(Fork::KIND, "team", "acme");
    Standing {
        series: Series { fork, probe: "acme.example.com".into() },
        verdict,
        since: now(),
        newest: Sample { at: now(), verdict, latency: None },
        why: if verdict == Verdict::Down { "answered 500".into() } else { String::new() },
        certificate_ends: None,
    }
}

fn alert(severity: &str, state: &str, suppressed: Option<&str>) -> Vec<Firing> {
    let rule: AlertRule = serde_json::from_value(json!({
        "apiVersion": "forkable.dev/v1alpha1",
        "kind": "AlertRule",
        "metadata": { "name": "slow", "namespace": "team" },
        "spec": {
            "severity": severity,
            "selector": {},
            "signal": { "probe": { "metric": "LatencyMilliseconds" } },
            "condition": { "operator": "GreaterThan", "threshold": 2000.0 },
        },
        "status": { "alerts": [{
            "fork": "acme", "state": state, "since": "2026-06-01T11:00:00Z", "value": "2,400 ms", "suppressed": suppressed,
        }] },
    }))
    .expect("an AlertRule");
    let acme = ObjectRef::new(Fork::KIND, "team", "acme");
    firing(&[Arc::new(rule)]).remove(&acme).unwrap_or_default()
}

fn not_ready(reason: &'static str) -> impl Fn(&mut Value) {
    move |it| it["status"]["conditions"] = json!([condition("Ready", "False", reason, "it says why\nand more")])
}

/// Why, what is known, and how it stands for what reason.
type Case<'a> = (&'a str, Arc<Fork>, &'a [Arc<Deployment>], &'a [Standing], &'a [Firing], Health, &'a str);

#[test]
fn what_needs_a_person_most_decides_how_a_fork_stands() {
    let well = fork("acme", |_| ());
    let suspended = fork("acme", |it| it["spec"]["suspend"] = json!({ "reason": "audit" }));
    let waiting =
        [release("acme-2", "AwaitingApproval", &condition("Ready", "False", "ApprovalRequired", "approve it"))];
    let (up, down) = ([standing(Verdict::Up)], [standing(Verdict::Down)]);
    let (critical, info) = (alert("Critical", "Firing", None), alert("Info", "Firing", None));
    let silenced = alert("Critical", "Firing", Some("silenced by Eva"));
    assert!(alert("Critical", "Pending", None).is_empty(), "it does not fire yet");
    let none: &[Arc<Deployment>] = &[];
    let cases: [Case<'_>; 15] = [
        ("all is well", well.clone(), none, &up, &[], Health::Well, ""),
        ("a probe fails", well.clone(), none, &down, &critical, Health::Down, "acme.example.com: answered 500"),
        ("an alert fires", well.clone(), none, &up, &critical, Health::Alerting, "slow: 2,400 ms"),
        ("an alert for information", well.clone(), none, &up, &info, Health::Well, ""),
        ("a silenced alert", well.clone(), none, &up, &silenced, Health::Well, ""),
        ("an approval is open", well.clone(), &waiting, &[], &[], Health::Person, "acme-2 waits to be approved"),
        ("a person must act", fork("acme", not_ready("BuildFailed")), none, &[], &[], Health::Person, "it says why"),
        ("it is tried again", fork("acme", not_ready("RateLimited")), none, &[], &[], Health::Retrying, "it says why"),
        ("suspended", suspended.clone(), none, &[], &[], Health::Paused, "suspended: audit"),
        ("suspended and down", suspended, none, &down, &[], Health::Down, "acme.example.com: answered 500"),
        (
            "only looked at",
            fork("acme", |it| it["spec"]["managementPolicy"] = json!("ObserveOnly")),
            none,
            &[],
            &[],
            Health::Paused,
            "managementPolicy is ObserveOnly: differences are told and not changed",
        ),
        (
            "under way",
            fork("acme", |it| {
                it["status"]["conditions"][0] = condition("Ready", "Unknown", "Building", "is being built");
            }),
            none,
            &[],
            &[],
            Health::Working,
            "is being built",
        ),
        (
            "changed since",
            fork("acme", |it| it["metadata"]["generation"] = json!(2)),
            none,
            &[],
            &[],
            Health::Working,
            "the manifest was changed",
        ),
        (
            "new",
            fork("acme", |it| it["status"] = json!(null)),
            none,
            &[],
            &[],
            Health::Working,
            "was not looked at yet",
        ),
        (
            "going",
            fork("acme", |it| it["metadata"]["deletionTimestamp"] = json!("2026-06-01T11:59:00Z")),
            none,
            &down,
            &[],
            Health::Working,
            "is being deleted",
        ),
    ];
    for (case, fork, releases, standings, alerts, health, why) in cases {
        let known = Known { fork: &fork, releases, standings, alerts, now: now() };
        let row = Row::new(&known, Skew::Unknown, &[]);
        assert_eq!((row.health, row.why.as_str()), (health, why), "{case}");
    }
}

#[test]
fn commands_are_those_that_help_where_they_are_entered() {
    let healthy = |name| release(name, "Healthy", &condition("Ready", "True", "Ready", "live"));
    let waiting = release("acme-3", "AwaitingApproval", &condition("Ready", "False", "ApprovalRequired", "approve it"));
    let lines = |fork: &Fork, releases: &[Arc<Deployment>], standings: &[Standing], shell: &Shell| {
        let known = Known { fork, releases, standings, alerts: &[], now: now() };
        let commands = known.commands(known.health(), shell);
        commands.into_iter().map(|command| command.line).collect::<Vec<_>>()
    };
    let well = fork("acme", |_| ());
    let here = Shell::Folder(".".into());
    assert!(lines(&well, &[healthy("acme-1")], &[], &here).is_empty());
    let approve = [
        "kubectl forkable approve acme -n team",
        "kubectl forkable abort acme -n team",
        "kubectl forkable why acme -n team",
    ];
    assert_eq!(lines(&well, &[waiting], &[], &Shell::Cluster), approve);
    let down = [standing(Verdict::Down)];
    let back = lines(&well, &[healthy("acme-2"), healthy("acme-1")], &down, &here);
    assert_eq!(back, ["forkable rollback acme -n team", "forkable why acme -n team"]);
    assert_eq!(lines(&well, &[healthy("acme-1")], &down, &here).len(), 1, "there is nothing to go back to");
    let suspended = fork("acme", |it| {
        it["spec"]["suspend"] = json!({ "reason": "audit" });
        it["metadata"]["namespace"] = json!("default");
    });
    let resume = lines(&suspended, &[], &[], &Shell::Folder("my products".into()));
    assert_eq!(resume[0], "forkable resume acme --dir 'my products'");
}

fn survey(forks: &[Arc<Fork>]) -> Survey {
    let entry = |fork: &Arc<Fork>| {
        let known = Known { fork, releases: &[], standings: &[], alerts: &[], now: now() };
        Entry::new(&known, fork.clone())
    };
    Survey::new(forks.iter().map(entry).collect())
}

#[test]
fn the_fleet_is_in_the_order_of_need_and_can_be_searched() {
    let survey = survey(&[
        fork("well", |_| ()),
        fork("acme", not_ready("BuildFailed")),
        fork("zoo", not_ready("RateLimited")),
        fork("audit", |it| it["spec"]["suspend"] = json!({ "reason": "audit" })),
    ]);
    let names = |query: Query| {
        let selection = survey.select(&query);
        selection.shown.iter().map(|entry| entry.fork.name()).collect::<Vec<_>>()
    };
    assert_eq!(names(Query::default()), ["acme", "zoo", "audit", "well"]);
    let q = |q: &str| Query { q: q.into(), ..Query::default() };
    assert_eq!(names(q("ACME-INC/well")), ["well"], "the repository, in any case");
    assert_eq!(names(q("example.com the z")), ["zoo"], "all the words");
    assert_eq!(names(q("1a2b3c4")).len(), 4, "the commit that serves");
    assert!(names(q("nothing")).is_empty());
    assert_eq!(names(Query { show: "paused".into(), ..Query::default() }), ["audit"]);
    assert_eq!(survey.headline(), "1 product needs a person");
    let counts = survey.counts(&q("x y"));
    let told: Vec<_> = counts.iter().map(|it| (it.key, it.number, it.href.as_str())).collect();
    assert_eq!(told[0], ("", 4, "/?q=x+y"));
    assert_eq!(told[1], ("person", 1, "/?q=x+y&show=person"));
    assert_eq!(told.len(), 5, "what there is none of is left out");
}

#[test]
fn ten_thousand_forks_are_paged() {
    let forks: Vec<_> = (0..10_000).map(|n| fork(&format!("f{n:05}"), |_| ())).collect();
    let survey = survey(&forks);
    let page = |page| survey.select(&Query { page, ..Query::default() });
    let first = |page: Selection<'_>| page.shown[0].fork.name().to_owned();
    let last = page(200);
    assert_eq!((last.first, last.total, last.page, last.pages, last.shown.len()), (9950, 10_000, 200, 200, 50));
    assert_eq!(first(last), "f09950");
    assert_eq!(first(page(0)), "f00000", "a page before the first is the first");
    assert_eq!(page(usize::MAX).page, 200, "one after the last is the last");
    assert_eq!(survey.headline(), "10000 products healthy");
}

#[test]
fn skew_is_told_against_the_newest_commit_that_is_known_of_the_same_template() {
    let made = |name: &str, commit: &str, at: &str, repo: &str| {
        fork(name, |it| {
            it["status"]["repository"]["templateSha"] = json!(commit);
            it["metadata"]["creationTimestamp"] = json!(at);
            it["spec"]["template"]["repo"] = json!(repo);
        })
    };
    let old = made("old", "aaaaaaaaaa", "2026-01-01T00:00:00Z", "framework");
    let new = made("new", "bbbbbbbbbb", "2026-02-01T00:00:00Z", "Framework");
    let other = made("other", "cccccccccc", "2026-03-01T00:00:00Z", "elsewhere");
    let survey = survey(&[old.clone(), new.clone(), other.clone()]);
    assert_eq!(survey.skew(&old), Skew::Behind { at: "aaaaaaa".into(), newest: "bbbbbbb".into() });
    assert_eq!(survey.skew(&new), Skew::Newest("bbbbbbb".into()));
    assert_eq!(survey.skew(&other), Skew::Newest("ccccccc".into()));
    assert_eq!(survey.skew(&fork("x", |it| it["status"] = json!(null))), Skew::Unknown);
}

#[test]
fn uptime_is_never_rounded_up_to_all_of_the_time() {
    for (ratio, expected) in
        [(1.0, "100 %"), (0.999_999, "99.999 %"), (0.9998, "99.98 %"), (0.5, "50.00 %"), (0.0, "0.00 %")]
    {
        assert_eq!(ratio_text(ratio), expected);
    }
    let day = |down| Uptime { observed: Duration::from_hours(24), down: Duration::from_secs(down) };
    assert_eq!(percent(&[day(0), day(864)]), "99.50 %");
    assert_eq!(percent(&[Uptime::default()]), "", "nothing was observed");
}

#[test]
fn a_product_is_told_with_its_releases() {
    let acme = fork("acme", |it| {
        it["status"]["conditions"] = json!([
            condition("ProjectSynced", "True", "Synced", "in sync"),
            condition("DomainsReady", "False", "DNSRecordsMissing", "make the records"),
            condition("Ready", "False", "DNSRecordsMissing", "make the records"),
        ]);
    });
    let releases = [
        release("acme-2", "Failed", &condition("Ready", "False", "BuildFailed", "the build failed\nsee the log")),
        release("acme-1a2b3c4", "Live", &condition("Ready", "True", "Ready", "live")),
    ];
    let known =
        Known { fork: &acme, releases: &releases, standings: &[standing(Verdict::Up)], alerts: &[], now: now() };
    let read = Read { points: vec![Vec::new()], ..Read::default() };
    let product = Product::new(&known, read, &Shell::Cluster);
    assert_eq!(product.who, Some("whoever manages the DNS of the domain"));
    let concerns: Vec<_> = product.conditions.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(concerns, ["DomainsReady", "ProjectSynced"], "what is in the way comes first");
    let told: Vec<_> =
        product.releases.iter().map(|it| (it.tone, it.serves, it.took.as_str(), it.why.as_str())).collect();
    assert_eq!(told, [("bad", false, "2 min 30 s", "the build failed"), ("good", true, "2 min 30 s", "")]);
    assert_eq!(product.serving.expect("a release").author, "Eva");
    assert_eq!(product.probes[0].verdict, "up");
    assert!(product.status_page.is_none() && product.uptimes.is_empty());
}
