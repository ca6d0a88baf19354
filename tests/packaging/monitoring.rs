//! What the chart makes for Prometheus and Grafana.

use serde_json::{Value, json};

use super::{
    chart::{arguments, of_kind, rendered},
    documents, read,
};

#[test]
fn rules_and_dashboard_are_those_of_deploy() {
    for (values, label, found_by) in
        [("ha-values.yaml", "grafana_dashboard", "1"), ("everything-values.yaml", "dashboards", "yes")]
    {
        let objects = rendered(values);
        let rules = of_kind(&objects, "PrometheusRule");
        let groups = |file: &str| documents(&read(file)).remove(0)["groups"].as_array().expect("groups").clone();
        let expected = [groups("deploy/prometheus/rules.yaml"), groups("deploy/prometheus/alerts.yaml")].concat();
        assert_eq!(rules[0]["spec"]["groups"], Value::from(expected), "{values}");
        let mut dashboards = of_kind(&objects, "ConfigMap").into_iter();
        let dashboard =
            dashboards.find(|map| map["metadata"]["labels"][label] == found_by).expect("the sidecar finds it");
        let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
        let text = dashboard["data"]["forkable.json"].as_str().expect("text");
        assert_eq!(json(text), json(&read("deploy/grafana/forkable.json")), "{values}");
    }
    let default = rendered("default-values.yaml");
    assert!(["PrometheusRule", "ConfigMap", "ServiceMonitor"].iter().all(|kind| of_kind(&default, kind).is_empty()));
}

#[test]
fn a_port_of_their_own_and_a_token_reach_from_the_process_to_prometheus() {
    let objects = rendered("everything-values.yaml");
    let deployment = of_kind(&objects, "Deployment")[0];
    assert!(arguments(deployment).contains(&"--metrics-listen=0.0.0.0:9090"));
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let environment = container["env"].as_array().expect("an environment");
    let token = json!({ "name": "FORKABLE_METRICS_TOKEN", "valueFrom": { "secretKeyRef": { "name": "scraper", "key": "token" } } });
    assert!(environment.contains(&token), "{environment:#?}");
    let port = json!({ "name": "metrics", "containerPort": 9090, "protocol": "TCP" });
    assert!(container["ports"].as_array().expect("ports").contains(&port), "{}", container["ports"]);
    let port = json!({ "name": "metrics", "port": 9090, "targetPort": "metrics", "protocol": "TCP" });
    assert_eq!(of_kind(&objects, "Service")[0]["spec"]["ports"][1], port);
    let endpoint = &of_kind(&objects, "ServiceMonitor")[0]["spec"]["endpoints"][0];
    assert_eq!(
        (&endpoint["port"], &endpoint["authorization"]["credentials"]["name"]),
        (&json!("metrics"), &json!("scraper"))
    );
    let ingress = &of_kind(&objects, "NetworkPolicy")[0]["spec"]["ingress"];
    assert_eq!(ingress[1]["ports"][0]["port"], "metrics");
    assert!(ingress[0]["from"].is_null() && ingress[1]["from"].is_array(), "only Prometheus reads metrics: {ingress}");

    let default = rendered("ha-values.yaml");
    assert_eq!(of_kind(&default, "ServiceMonitor")[0]["spec"]["endpoints"][0]["port"], "http");
    assert_eq!(of_kind(&default, "Service")[0]["spec"]["ports"].as_array().map(Vec::len), Some(1));
}
