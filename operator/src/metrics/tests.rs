use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use forkable_core::alerting::Budget;
use forkable_crds::condition::ConditionStatus;
use forkable_providers::metric;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;

/// Names on `# TYPE` lines, with the type.
fn served(metrics: &Metrics) -> BTreeSet<(String, String)> {
    let text = metrics.text(&Fleet::default(), &Brake::default(), &Monitor::default());
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    let all: Vec<_> = all().collect();
    let names: BTreeSet<_> = all.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), all.len(), "no name twice");
    for metric in all {
        let name = metric.name;
        assert_eq!(name.ends_with("_total"), matches!(metric.kind, metric::Kind::Counter), "{name}");
        assert!(!name.contains("_ms") && !name.contains("milli"), "{name} has the base unit");
        if matches!(metric.kind, metric::Kind::Histogram(_)) {
            assert!(name.ends_with("_seconds"), "{name}");
        }
        assert!(metric.help.ends_with('.'), "{name}: {:?}", metric.help);
        assert!(!metric.labels.iter().any(|label| ["object", "fork", "uid", "instance"].contains(label)), "{name}");
    }
}

#[test]
fn passes_are_counted_as_controller_runtime_does() {
    let metrics = Metrics::default();
    let passed = |next, failed| Passed { next, failed };
    let soon = Some(Duration::from_secs(9));
    let passes = [
        passed(None, None),
        passed(Some(Duration::ZERO), None),
        passed(soon, None),
        passed(soon, Some("RateLimited")),
        passed(None, Some("Timeout")),
    ];
    for passed in passes {
        drop(metrics.began("Fork", Duration::from_millis(3)));
        metrics.passed("Fork", Duration::from_millis(7), &passed);
    }
    metrics.panicked("Fork", 1);
    let _running = metrics.began("Deployment", Duration::ZERO);
    let text = metrics.text(&Fleet::default(), &Brake::default(), &Monitor::default());
    for line in [
        r#"controller_runtime_reconcile_total{controller="fork",result="success"} 1"#,
        r#"controller_runtime_reconcile_total{controller="fork",result="requeue"} 1"#,
        r#"controller_runtime_reconcile_total{controller="fork",result="requeue_after"} 1"#,
        r#"controller_runtime_reconcile_total{controller="fork",result="error"} 2"#,
        r#"controller_runtime_reconcile_errors_total{controller="fork",reason="RateLimited"} 1"#,
        r#"controller_runtime_reconcile_errors_total{controller="fork",reason="Timeout"} 1"#,
        r#"controller_runtime_reconcile_panics_total{controller="fork"} 1"#,
        r#"controller_runtime_reconcile_time_seconds_count{controller="fork"} 5"#,
        r#"workqueue_queue_duration_seconds_count{name="fork"} 5"#,
        r#"controller_runtime_active_workers{controller="fork"} 0"#,
        r#"controller_runtime_active_workers{controller="deployment"} 1"#,
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

#[test]
fn a_release_is_timed_once_for_each_stage() {
    let metrics = Metrics::default();
    let made = Timestamp::UNIX_EPOCH;
    let conditions = |types: &[&str]| -> Vec<Condition> {
        let condition = |of: &&str| Condition {
            type_: (*of).into(),
            status: ConditionStatus::True,
            reason: "Yes".into(),
            message: String::new(),
            last_transition_time: Time(made),
            observed_generation: None,
        };
        types.iter().map(condition).collect()
    };
    let spec = json!({ "forkRef": { "name": "acme" }, "source": { "ref": "main" }, "environment": "Production" });
    let mut release = Deployment::new("acme-1", serde_json::from_value(spec).expect("a spec"));
    release.metadata.creation_timestamp = Some(Time(made));
    let mut before: Option<DeploymentStatus> = None;
    let passes: [(&[&str], i64, Option<i64>); 6] = [
        (&["Built"], 40, None),
        (&["Built"], 50, None),
        (&["Built", "Live"], 70, None),
        (&["Built", "Live"], 900, Some(900)),
        (&["Built"], 1000, Some(900)),
        // It serves again after a rollback.
        (&["Built", "Live"], 2000, Some(900)),
    ];
    for (types, at, finished) in passes {
        let finished_at = finished.map(|at| Time(made + SignedDuration::from_secs(at)));
        let conditions = conditions(types);
        release.status = Some(DeploymentStatus { conditions, finished_at, ..DeploymentStatus::default() });
        metrics.released(before.as_ref(), &release, made + SignedDuration::from_secs(at));
        before.clone_from(&release.status);
    }
    let fleet = Fleet::default();
    fleet.put_release(Arc::new(release));
    let text = metrics.text(&fleet, &Brake::default(), &Monitor::default());
    for line in [
        r#"forkable_release_duration_seconds_sum{stage="build"} 40"#,
        r#"forkable_release_duration_seconds_sum{stage="live"} 70"#,
        r#"forkable_release_duration_seconds_count{stage="live"} 1"#,
        r#"forkable_releases_total{result="live"} 1"#,
        r#"forkable_object_conditions{kind="Deployment",reason="Yes",status="True",type="Live"} 1"#,
        r#"forkable_objects{kind="Deployment",ready="Unknown"} 1"#,
        r#"forkable_objects{kind="Fork",ready="True"} 0"#,
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
}

/// Everything that is served is in the catalog, with its type: the documentation is made from it.
#[test]
fn nothing_is_served_that_the_catalog_does_not_have() {
    let metrics = Metrics::default();
    drop(metrics.began("Fork", Duration::ZERO));
    metrics.passed("Fork", Duration::ZERO, &Passed { next: None, failed: Some("Timeout") });
    metrics.panicked("Fork", 1);
    metrics.queued([].iter());
    metrics.may_run(64);
    metrics.leads("forkable", true);
    metrics.watch_broke("forks");
    metrics.stepped("env", Effect::Update, Some("Rejected"));
    metrics.webhook("github", "taken", Duration::ZERO);
    metrics.alerts(Duration::ZERO, &BTreeMap::new());
    metrics.alert_fired(Severity::Critical);
    metrics.notified("slack", "sent");
    metrics.outbox(&Depth::default(), Timestamp::UNIX_EPOCH);
    let burns = BTreeMap::from([(Duration::from_hours(72), 0.5)]);
    let budget = Budget { objective: 0.999, remaining: Some(0.5), burns };
    metrics.objectives([(["default", "acme", "available"], &budget)].into_iter());
    let clock = Arc::new(crate::clock::Clock::default());
    let timeouts = forkable_providers::transport::Timeouts::default();
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    forkable_providers::transport::Network::new(metrics.registry(), timeouts, clock).expect("other names");
    let known: BTreeSet<_> = all().map(|metric| (metric.name.to_owned(), metric.kind.name().to_owned())).collect();
    let served: BTreeSet<_> = served(&metrics).into_iter().filter(|(name, _)| !name.starts_with("process_")).collect();
    assert_eq!(served.difference(&known).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
    let labelled = [
        "forkable_provider_",
        "forkable_object_conditions",
        "forkable_release_duration_seconds",
        "probe_ss",
        "probe_success",
    ];
    let unseen = |name: &str| labelled.iter().any(|prefix| name.starts_with(prefix));
    let missing: Vec<_> = known.difference(&served).filter(|(name, _)| !unseen(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn objectives_have_series_of_their_own_up_to_a_bound_and_while_they_are_there() {
    let metrics = Metrics::default();
    let names: Vec<_> = (0..1001).map(|n| format!("acme-{n:04}")).collect();
    let burns = BTreeMap::from([(Duration::from_mins(5), 2.5), (Duration::from_hours(72), 0.5)]);
    let budget = Budget { objective: 0.999, remaining: Some(-0.25), burns };
    metrics.objectives(names.iter().map(|name| (["default", name.as_str(), "available"], &budget)));
    let text = || metrics.text(&Fleet::default(), &Brake::default(), &Monitor::default());
    let first = text();
    for line in [
        r#"forkable_slo_objective_ratio{name="acme-0999",namespace="default",rule="available"} 0.999"#,
        r#"forkable_slo_error_budget_remaining_ratio{name="acme-0000",namespace="default",rule="available"} -0.25"#,
        r#"forkable_slo_burn_rate{name="acme-0000",namespace="default",rule="available",window="5m"} 2.5"#,
        r#"forkable_slo_burn_rate{name="acme-0000",namespace="default",rule="available",window="3d"} 0.5"#,
    ] {
        assert!(first.contains(line), "{line} is missing");
    }
    assert!(!first.contains("acme-1000"));
    metrics.objectives(std::iter::empty());
    assert!(!text().contains("forkable_slo_"), "what is gone is not told of");
}

#[test]
fn probes_have_series_of_their_own_up_to_a_bound() {
    use forkable_core::monitoring::{Sample, Series, Standing, Verdict};
    let monitor = Monitor::default();
    let at = Timestamp::UNIX_EPOCH;
    for number in 0..1500 {
        let fork = ObjectRef::new(Fork::KIND, "team", format!("f{number:04}"));
        let verdict = [Verdict::Up, Verdict::Down, Verdict::Unknown][number % 3];
        monitor.put(Standing {
            series: Series { fork, probe: "home".into() },
            verdict,
            since: at,
            newest: Sample { at, verdict, latency: None },
            why: String::new(),
            certificate_ends: Some(at + Duration::from_hours(24)),
        });
    }
    let text = Metrics::default().text(&Fleet::default(), &Brake::default(), &monitor);
    for line in [
        r#"probe_success{name="f0000",namespace="team",probe="home"} 1"#,
        r#"probe_success{name="f0001",namespace="team",probe="home"} 0"#,
        r#"probe_ssl_earliest_cert_expiry{name="f0002",namespace="team",probe="home"} 86400"#,
        r#"forkable_probes{verdict="down"} 500"#,
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    let series = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(series("probe_ssl_earliest_cert_expiry{"), 1000);
    assert!(!text.contains(r#"probe_success{name="f0002""#), "what is unknown has no value");
}
