use std::time::Duration;

use forkable_crds::rollout::Latencies;
use serde_json::{Value, json};

use super::*;
use crate::sites::Visit;

fn analysis(more: &Value) -> Analysis {
    let mut analysis = json!({"count": 2, "failureLimit": 1, "inconclusiveLimit": 1});
    analysis.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    serde_json::from_value(analysis).expect("an analysis")
}

fn answer(status: u16, latency: u64, body: &str) -> Visit {
    let headers = vec![("cache-control".into(), "public, max-age=60".into()), ("server".into(), "Vercel".into())];
    Visit::Answer { status, latency: Duration::from_millis(latency), headers, body: body.into() }
}

fn judged(analysis: &Analysis, visit: Visit) -> (Worth, String) {
    let judged = judge(analysis, &mut AnalysisRun::default(), "acme.dev", &[visit], &[], Timestamp::UNIX_EPOCH);
    assert_eq!(judged.metric.is_some(), judged.worth != Worth::Success, "{judged:?}");
    (judged.worth, judged.message)
}

#[test]
fn a_measurement_is_good_only_if_everything_is() {
    let headers = json!([{"name": "Cache-Control", "contains": "max-age"}, {"name": "server", "equals": "Vercel"}]);
    let strict = json!({"path": "/", "maxLatencyMilliseconds": 100, "bodyContains": "Acme", "bodyMatches": "I am A[a-z]+$", "headers": headers});
    let analysis = analysis(&json!({"http": [strict]}));
    for (visit, worth, message) in [
        (answer(200, 100, "I am Acme"), Worth::Success, "answered 200 in 100 ms"),
        (answer(500, 1, "Acme"), Worth::Failure, "answered 500 instead of 200"),
        (answer(200, 101, "Acme"), Worth::Failure, "took 101 ms; 100 ms is the most"),
        (answer(200, 1, "Other"), Worth::Failure, "answered without \"Acme\""),
        (answer(200, 1, "Acme am I"), Worth::Failure, "answered with nothing that matches \"I am A[a-z]+$\""),
        (Visit::Nothing("timed out".into()), Worth::NoData, "got no answer: timed out"),
    ] {
        assert_eq!(judged(&analysis, visit), (worth, format!("GET https://acme.dev/ {message}")));
    }
    let on_no_data = Analysis { on_no_data: OnNoData::Fail, ..analysis };
    assert_eq!(judged(&on_no_data, Visit::Nothing(String::new())).0, Worth::Failure);
}

#[test]
fn a_header_has_to_be_there_as_it_is_wanted() {
    for (wanted, expected) in [
        (json!({"name": "Server"}), None),
        (json!({"name": "x-frame-options"}), Some("answered without the header x-frame-options")),
        (json!({"name": "server", "equals": "nginx"}), Some("answered without the header server: nginx")),
        (json!({"name": "cache-control", "contains": "no-store"}), Some("cache-control that contains \"no-store\"")),
    ] {
        let (worth, message) = judged(&analysis(&json!({"http": [{"headers": [wanted]}]})), answer(200, 1, ""));
        assert_eq!(worth == Worth::Failure, expected.is_some(), "{message}");
        assert!(expected.is_none_or(|expected| message.contains(expected)), "{message}");
    }
}

#[test]
fn a_percentile_is_judged_once_there_are_enough_answers() {
    let latency = json!({"percentile": 50, "maxMilliseconds": 100});
    let analysis = analysis(&json!({"count": 4, "http": [{"name": "home", "latency": latency}]}));
    let mut run = AnalysisRun::default();
    let mut take =
        |latency| judge(&analysis, &mut run, "acme.dev", &[answer(200, latency, "")], &[], Timestamp::UNIX_EPOCH);
    assert!([900, 900, 1].map(&mut take).iter().all(|judged| judged.worth == Worth::Success), "three are too few");
    let bad = take(2);
    // Of 1, 2, 900 and 900 the second is the 50th percentile.
    assert_eq!(bad.worth, Worth::Success, "{bad:?}");
    let bad = take(900);
    assert_eq!((bad.worth, bad.metric.as_deref()), (Worth::Failure, Some("home")));
    assert!(bad.message.contains("took 900 ms at the 50th percentile of 5; 100 ms is the most"), "{bad:?}");
    for _ in 0..200 {
        take(3);
    }
    let stored = serde_json::to_value(&run).expect("JSON");
    let run: AnalysisRun = serde_json::from_value(stored).expect("the same after a restart");
    assert_eq!(run.latencies, [Latencies { metric: "home".into(), milliseconds: vec![3; 100] }], "and bounded");
}

#[test]
fn a_query_without_data_is_never_good() {
    let query =
        |operator| json!({"prometheus": [{"name": "errors", "query": "e", "operator": operator, "threshold": 0.5}]});
    let vector = |values: &[&str]| {
        let series: Vec<_> = values.iter().map(|value| json!({"metric": {}, "value": [1.5, value]})).collect();
        json!({"status": "success", "data": {"resultType": "vector", "result": series}}).to_string()
    };
    let scalar = json!({"status": "success", "data": {"resultType": "scalar", "result": [1, "0.25"]}}).to_string();
    let matrix = json!({"status": "success", "data": {"resultType": "matrix", "result": []}}).to_string();
    let refused =
        json!({"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"}).to_string();
    for (operator, body, worth, message) in [
        ("LessThan", vector(&["0.25"]), Worth::Success, "errors is 0.25"),
        ("LessThan", scalar, Worth::Success, "errors is 0.25"),
        ("LessThan", vector(&["0.1", "0.5"]), Worth::Failure, "errors is 0.5, and has to be less than 0.5"),
        ("LessThanOrEqual", vector(&["0.5"]), Worth::Success, "errors is 0.5"),
        ("GreaterThan", vector(&["+Inf"]), Worth::Success, "errors is inf"),
        ("GreaterThanOrEqual", vector(&["0.4"]), Worth::Failure, "errors is 0.4, and has to be at least 0.5"),
        ("LessThan", vector(&[]), Worth::NoData, "errors has no samples"),
        ("LessThan", vector(&["NaN"]), Worth::NoData, "errors is no number (NaN)"),
        ("LessThan", vector(&["0.1", "NaN"]), Worth::NoData, "errors is no number (NaN)"),
        ("LessThan", vector(&["NaN", "7"]), Worth::Failure, "errors is 7, and has to be less than 0.5"),
        ("LessThan", matrix, Worth::NoData, "gives neither numbers of one moment nor one number"),
        ("LessThan", refused, Worth::NoData, "errors was refused by Prometheus: bad_data: parse error: unexpected end"),
        ("LessThan", "<html>".into(), Worth::NoData, "errors was answered 200, and not as Prometheus answers"),
    ] {
        let (is, said) = judged(&analysis(&query(operator)), answer(200, 1, &body));
        assert_eq!(is, worth, "{body}: {said}");
        assert!(said.contains(message), "{said}");
    }
}

#[test]
fn the_metric_that_failed_is_named() {
    let query = json!({"name": "errors", "query": "e", "operator": "LessThan", "threshold": 1});
    let analysis = analysis(&json!({"http": [{"path": "/"}, {"path": "/healthz"}], "prometheus": [query]}));
    let visits = [answer(200, 1, ""), answer(500, 1, ""), Visit::Nothing("refused".into())];
    let both = judge(&analysis, &mut AnalysisRun::default(), "acme.dev", &visits, &[], Timestamp::UNIX_EPOCH);
    assert_eq!((both.worth, both.metric.as_deref()), (Worth::Failure, Some("/healthz")));
    assert!(both.message.contains("500 instead of 200; errors got no answer from Prometheus: refused"), "{both:?}");
}

#[test]
fn missing_data_is_never_success() {
    use Worth::{Failure, NoData, Success};
    let analysis = analysis(&json!({"http": [{}]}));
    let cases: [(&[Worth], Check, Check); 7] = [
        (&[], Check::Running, Check::Running),
        (&[Success, Success], Check::Passed, Check::Passed),
        (&[Success], Check::Running, Check::Passed),
        (&[Failure, Success, Success], Check::Passed, Check::Passed),
        (&[Success, Success, Failure, Failure], Check::Failed, Check::Failed),
        (&[NoData], Check::Running, Check::Running),
        (&[Success, Success, NoData, NoData], Check::Failed, Check::Failed),
    ];
    for (worths, candidate, live) in cases {
        let mut run = AnalysisRun::default();
        for worth in worths {
            let judged = Judged { worth: *worth, metric: None, message: String::new() };
            note(&mut run, judged, Timestamp::UNIX_EPOCH);
        }
        assert_eq!(verdict(&analysis, JobStage::Candidate, &run, None), candidate, "{worths:?} before the promotion");
        assert_eq!(verdict(&analysis, JobStage::Live, &run, Some(false)), live, "{worths:?} at the end of the bake");
        assert_ne!(verdict(&analysis, JobStage::Live, &run, Some(true)), Check::Passed, "{worths:?} in the bake");
    }
}

#[test]
fn a_rule_that_fires_is_bad_unless_it_did_before() {
    let at = |second| Timestamp::from_second(second).expect("a time");
    let analysis = analysis(&json!({"alertRules": ["down"]}));
    let fires = |since| RuleStanding::Fires { since: at(since), value: "3 of 3 probes fail".into() };
    for (standing, worth, message) in [
        (RuleStanding::Quiet, Worth::Success, "AlertRule down does not fire"),
        (fires(100), Worth::Failure, "AlertRule down fires: 3 of 3 probes fail"),
        (fires(99), Worth::NoData, "fired before visitors got the release"),
        (RuleStanding::NoData("there is no AlertRule down".into()), Worth::NoData, "was not evaluated: there is no"),
    ] {
        let rules = [("down".to_owned(), standing)];
        let judged = judge(&analysis, &mut AnalysisRun::default(), "acme.dev", &[], &rules, at(100));
        assert_eq!(judged.worth, worth, "{judged:?}");
        assert!(judged.message.contains(message), "{judged:?}");
    }
    assert!(!has_rounds(&analysis, JobStage::Candidate), "rules are about what visitors get");
    assert_eq!(verdict(&analysis, JobStage::Candidate, &AnalysisRun::default(), None), Check::Passed);
    assert_eq!(verdict(&analysis, JobStage::Live, &AnalysisRun::default(), Some(false)), Check::Running);
}

#[test]
fn a_job_has_to_be_good_once_beside_the_rounds() {
    let job: Analysis = analysis(&json!({"http": [{}], "job": {"workflow": "e2e.yml", "stages": ["Candidate"]}}));
    let spec = job.job.clone().expect("a job");
    for (conclusion, worth) in [
        ("success", Worth::Success),
        ("failure", Worth::Failure),
        ("cancelled", Worth::NoData),
        ("timed_out", Worth::NoData),
        (GONE, Worth::NoData),
    ] {
        let judged = job_judged(&spec, conclusion, Some("https://run"), OnNoData::Inconclusive);
        assert_eq!(judged.worth, worth, "{judged:?}");
        assert!(judged.message.contains("https://run") && judged.message.contains("e2e.yml"), "{judged:?}");
    }
    assert_eq!(job_judged(&spec, GONE, None, OnNoData::Fail).worth, Worth::Failure, "it is no data");
    assert_eq!(job_judged(&spec, "cancelled", None, OnNoData::Fail).worth, Worth::NoData, "that is none");
    let run = |successes, passed: bool| AnalysisRun {
        successes,
        jobs_ended: i64::from(passed),
        job: passed.then(|| {
            let at = json!({"intendedAt": "2026-01-01T00:00:00Z", "conclusion": "success"});
            serde_json::from_value(at).expect("a run")
        }),
        ..AnalysisRun::default()
    };
    let of = |run: &AnalysisRun| verdict(&job, JobStage::Candidate, run, None);
    assert_eq!(of(&run(2, false)), Check::Running, "the job is not through");
    assert_eq!(of(&run(2, true)), Check::Running, "one of them is that of the job");
    assert_eq!(of(&run(3, true)), Check::Passed);
    assert_eq!(
        verdict(&job, JobStage::Live, &run(1, false), Some(false)),
        Check::Passed,
        "it is not for the live site"
    );
}
