//! Metrics, and what is built on them: every name in rules, alerts and the dashboard is served, every alert is tested,
//! and promtool takes all of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use forkable_tests::World;
use regex::Regex;
use serde_json::{Value, json};

const RULES: &str = include_str!("../../deploy/prometheus/rules.yaml");
const ALERTS: &str = include_str!("../../deploy/prometheus/alerts.yaml");
const ALERTS_TEST: &str = include_str!("../../deploy/prometheus/alerts_test.yaml");
const DASHBOARD: &str = include_str!("../../deploy/grafana/forkable.json");

/// Runs promtool on a text, which must please it.
fn promtool(arguments: &[&str], input: &str) {
    static PROMTOOL: OnceLock<PathBuf> = OnceLock::new();
    let promtool = PROMTOOL.get_or_init(|| forkable_tests::made("FORKABLE_PROMTOOL", "promtool"));
    let mut running = Command::new(promtool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    let mut stdin = running.stdin.take().expect("stdin is piped");
    stdin.write_all(input.as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = running.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}:\n{said}\n{input}");
}

fn deploy(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(path).display().to_string()
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

fn rules(text: &str) -> Vec<Value> {
    let groups = yaml(text)["groups"].as_array().expect("groups").clone();
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

/// Every query of the dashboard, with its variables filled in.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    let text = |target: Value| target["expr"].as_str().expect("a query").to_owned();
    targets.map(text).map(|query| query.replace("$job", ".*").replace("$__rate_interval", "1m")).collect()
}

/// Type and labels of every metric, as `forkable metrics` tells.
async fn metrics() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let output = World::start().await.run(&["metrics"]).await;
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let rows = output.stdout.lines().filter(|line| line.starts_with("| `")).map(|line| {
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().replace('`', "")).collect();
        let labels = cells[3].split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
        (cells[1].clone(), (cells[2].clone(), labels))
    });
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_dashboard_use_metrics_and_labels_that_are_served() {
    let mut known = metrics().await;
    assert!(known.len() > 20, "{known:?}");
    for process in ["process_resident_memory_bytes", "process_cpu_seconds_total"] {
        known.insert(process.into(), ("gauge".into(), BTreeSet::new()));
    }
    let recorded = rules(RULES);
    let recorded: BTreeSet<_> = recorded.iter().map(|rule| rule["record"].as_str().expect("a record")).collect();
    let name = Regex::new(r"[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^}]*\})?").expect("a pattern");
    let matcher = Regex::new(r"(\w+)\s*(?:=~|!~|!=|=)").expect("a pattern");
    let ours =
        Regex::new("^(forkable|controller_runtime|workqueue|leader_election|process|probe)_").expect("a pattern");
    let queries = queries();
    let of_rules = rules(RULES).into_iter().chain(rules(ALERTS));
    let of_rules: Vec<_> = of_rules.map(|rule| rule["expr"].as_str().expect("an expr").to_owned()).collect();
    let mut used = BTreeSet::new();
    for query in queries.iter().chain(&of_rules) {
        for found in name.find_iter(query) {
            let (name, labels) = found.as_str().split_once('{').unwrap_or((found.as_str(), ""));
            if name.contains(':') {
                assert!(recorded.contains(name), "{name} is recorded nowhere: {query}");
                continue;
            }
            if !ours.is_match(name) {
                continue;
            }
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let base = base.filter(|base| known.get(*base).is_some_and(|(kind, _)| kind == "histogram"));
            let base = base.unwrap_or(name);
            let (_, has) = known.get(base).unwrap_or_else(|| panic!("{name} is served nowhere: {query}"));
            for label in matcher.captures_iter(labels) {
                assert!(&label[1] == "job" || has.contains(&label[1]), "{name} has no label {}: {query}", &label[1]);
            }
            used.insert(base.to_owned());
        }
    }
    let unused: Vec<_> = known.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.is_empty(), "on no dashboard and in no rule: {unused:?}");
}

#[test]
fn every_alert_says_what_to_do_and_is_tested_both_ways() {
    let tests = yaml(ALERTS_TEST);
    let of_alerts = tests["tests"].as_array().expect("tests").iter();
    let cases: Vec<_> =
        of_alerts.flat_map(|test| test["alert_rule_test"].as_array().cloned().unwrap_or_default()).collect();
    for rule in rules(ALERTS) {
        let alert = rule["alert"].as_str().expect("a name");
        assert!(["critical", "warning"].contains(&rule["labels"]["severity"].as_str().expect("a severity")), "{alert}");
        for text in ["summary", "description", "runbook"] {
            assert!(rule["annotations"][text].as_str().is_some_and(|text| text.len() > 10), "{alert} has no {text}");
        }
        let quiet =
            |case: &Value| case["alertname"] == alert && case["exp_alerts"].as_array().is_some_and(Vec::is_empty);
        assert!(cases.iter().any(quiet), "no test shows that {alert} keeps quiet");
        let fires = ALERTS_TEST.contains(&format!("exp_samples: [{{ labels: 'ALERTS{{alertname=\"{alert}\""))
            || cases.iter().any(|case| case["alertname"] == alert && !quiet(case));
        assert!(fires, "no test shows that {alert} fires");
    }
}

#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    let [rules, alerts] = ["prometheus/rules.yaml", "prometheus/alerts.yaml"].map(deploy);
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", &rules, &alerts], "");
    promtool(&["test", "rules", &deploy("prometheus/alerts_test.yaml")], "");
}

#[test]
fn promtool_reads_every_query_of_the_dashboard() {
    let rule = |(n, query)| json!({ "record": format!("dashboard:query:{n}"), "expr": query });
    let rules: Vec<_> = queries().into_iter().enumerate().map(rule).collect();
    assert!(rules.len() > 20, "{rules:#?}");
    let groups = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    promtool(&["check", "rules"], &groups.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_wrong_with_what_is_served() {
    let world = World::with_reference_fork().await;
    let running = world.up();
    running.says("ready in", Duration::from_secs(30)).await;
    let text = running.metrics(Duration::from_secs(30)).await;
    assert!(text.contains(r#"forkable_objects{kind="Fork",ready="True"} 1"#), "{text}");
    promtool(&["check", "metrics"], &text);
    running.kill().await;
}
