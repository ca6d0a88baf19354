//! The kustomizations build, and make what the chart makes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{documents, kubernetes, output};

fn build(overlay: &str) -> Vec<Value> {
    let objects = documents(&output("kubectl", &["kustomize", &format!("deploy/kustomize/{overlay}")]));
    objects.iter().for_each(kubernetes::check);
    objects
}

fn names(objects: &[Value]) -> BTreeSet<String> {
    objects.iter().map(kubernetes::name).collect()
}

fn deployment(objects: &[Value]) -> &Value {
    objects.iter().find(|object| object["kind"] == "Deployment").expect("there is a Deployment")
}

#[test]
fn the_default_is_what_the_chart_makes() {
    let objects = build("overlays/default");
    let chart = super::chart::render(&["--skip-tests", "--values=charts/forkable/ci/default-values.yaml"]);
    let mut expected = names(&chart);
    expected.insert("Namespace//forkable-system".into());
    assert_eq!(names(&objects), expected);
    let of_chart = chart.iter().find(|object| object["kind"] == "Deployment").expect("there is a Deployment");
    assert_eq!(deployment(&objects)["spec"]["template"]["spec"], of_chart["spec"]["template"]["spec"]);
    let namespace = objects.iter().find(|object| object["kind"] == "Namespace").expect("there is a Namespace");
    assert_eq!(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let text = serde_json::to_string(&objects).expect("objects are JSON");
    assert!(!text.to_lowercase().contains("helm"), "nothing says that Helm made it");
}

#[test]
fn namespaced_needs_no_role_of_the_cluster() {
    let objects = build("overlays/namespaced");
    let roles: Vec<_> = objects.iter().filter(|object| object["kind"] == "ClusterRoleBinding").collect();
    assert!(roles.is_empty(), "{roles:?}");
    assert!(names(&objects).contains("Role/products/forkable"), "{:#?}", names(&objects));
    let arguments = &deployment(&objects)["spec"]["template"]["spec"]["containers"][0]["args"];
    assert!(arguments.to_string().contains("--watch-namespace=products"), "{arguments}");
}

#[test]
fn ha_has_replicas_that_are_kept_apart() {
    let objects = build("overlays/ha");
    let deployment = deployment(&objects);
    assert_eq!(deployment["spec"]["replicas"], 2);
    let spread = &deployment["spec"]["template"]["spec"]["topologySpreadConstraints"][0];
    let budget = objects.iter().find(|object| object["kind"] == "PodDisruptionBudget").expect("there is a budget");
    assert_eq!(budget["spec"]["selector"]["matchLabels"], deployment["spec"]["selector"]["matchLabels"]);
    assert_eq!(spread["labelSelector"]["matchLabels"]["forkable.dev/controller"], "forkable");
    assert!(names(&objects).contains("NetworkPolicy/forkable-system/forkable"));
}

#[test]
fn monitoring_brings_all_that_prometheus_and_grafana_need() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let part = |part: &str| format!("{}/deploy/kustomize/{part}", concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    // kustomize wants relative paths.
    std::os::unix::fs::symlink(part(""), folder.path().join("forkable")).expect("a link");
    let overlay = "resources: [forkable/base]\ncomponents: [forkable/components/monitoring]\n";
    std::fs::write(folder.path().join("kustomization.yaml"), overlay).expect("a file");
    let path = folder.path().display().to_string();
    let objects = documents(&output("kubectl", &["kustomize", "--load-restrictor=LoadRestrictionsNone", &path]));
    let names = names(&objects);
    for name in [
        "ServiceMonitor/forkable-system/forkable",
        "PrometheusRule/forkable-system/forkable",
        "ConfigMap/forkable-system/forkable-dashboard",
    ] {
        assert!(names.contains(name), "{names:#?}");
    }
}
