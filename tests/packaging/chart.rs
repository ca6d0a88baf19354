//! The chart, rendered over the matrix of `ci/*-values.yaml`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use super::{documents, kubernetes, output, read, root};

const NAMESPACE: &str = "forkable-system";

/// Renders the chart as `helm install` would, with the arguments after the release's name.
pub(crate) fn render(arguments: &[&str]) -> Vec<Value> {
    let all = [&["template", "forkable", "charts/forkable", "--namespace", NAMESPACE], arguments].concat();
    documents(&output("helm", &all))
}

/// Names of the values files of the matrix.
fn matrix() -> Vec<String> {
    let folder = root().join("charts/forkable/ci");
    let entries = std::fs::read_dir(folder).expect("the matrix is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("a folder can be read").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert!(names.len() > 4, "{names:?}");
    names
}

pub(crate) fn rendered(values: &str) -> Vec<Value> {
    render(&["--values", &format!("charts/forkable/ci/{values}")])
}

pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

pub(crate) fn arguments(deployment: &Value) -> Vec<&str> {
    let arguments = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    arguments.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn every_set_of_values_renders_what_kubernetes_takes() {
    for values in matrix() {
        output("helm", &["lint", "--strict", "charts/forkable", "--values", &format!("charts/forkable/ci/{values}")]);
        let objects = rendered(&values);
        let names: BTreeSet<_> = objects.iter().map(kubernetes::name).collect();
        assert_eq!(names.len(), objects.len(), "{values}: two objects have one name: {names:#?}");
        for object in &objects {
            kubernetes::check(object);
            let name = kubernetes::name(object);
            let is_namespaced = !["ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"]
                .contains(&object["kind"].as_str().unwrap_or_default());
            if name.ends_with("-extra") {
                continue;
            }
            assert_eq!(object["metadata"]["namespace"].is_string(), is_namespaced, "{values}: {name}");
            assert!(object["metadata"]["labels"]["app.kubernetes.io/instance"] == "forkable", "{values}: {name}");
        }
        let pods = of_kind(&objects, "Deployment").into_iter().map(|object| &object["spec"]["template"]);
        for pod in pods.chain(of_kind(&objects, "Pod")) {
            restricted(&values, pod);
        }
        for deployment in of_kind(&objects, "Deployment") {
            let selected = deployment["spec"]["selector"]["matchLabels"].as_object().expect("labels are selected");
            for (key, value) in selected {
                assert_eq!(&deployment["spec"]["template"]["metadata"]["labels"][key], value, "{values}: {key}");
            }
        }
    }
}

/// The pod security standard `restricted`, and a root file system that nobody writes to.
fn restricted(values: &str, pod: &Value) {
    let spec = &pod["spec"];
    let security = &spec["securityContext"];
    assert_eq!(security["runAsNonRoot"], true, "{values}");
    assert_eq!(security["runAsUser"], 65532, "{values}");
    assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{values}");
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(spec[field].is_null(), "{values}: {field}");
    }
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        assert!(volume["hostPath"].is_null(), "{values}: {volume}");
    }
    for container in spec["containers"].as_array().into_iter().flatten() {
        let expected = json!({ "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } });
        assert_eq!(container["securityContext"], expected, "{values}");
        assert!(container["resources"]["limits"]["memory"].is_string(), "{values}");
    }
}

#[test]
fn the_crds_are_those_of_the_types() {
    let yaml = |crd| {
        let json = serde_json::to_value(crd).expect("a CRD is JSON");
        format!("---\n{}\n", serde_saphyr::to_string(&json).expect("JSON is YAML").trim_end())
    };
    let fresh: String = forkable_crds::all().iter().map(yaml).collect();
    for file in ["crds/forkable.dev.yaml", "charts/forkable/files/crds.yaml"] {
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(root().join(file), &fresh).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
        assert!(fresh == read(file), "{file} is out of date: run `make crds` and commit it");
    }
}

#[test]
fn the_crds_of_the_chart_are_those_of_the_program_and_stay_by_default() {
    let of_program: BTreeMap<_, _> =
        forkable_crds::all().into_iter().map(|crd| (crd.metadata.name.clone(), crd.spec)).collect();
    for (values, policy) in [("default-values.yaml", json!("keep")), ("single-values.yaml", Value::Null)] {
        let objects = rendered(values);
        let crds = of_kind(&objects, "CustomResourceDefinition");
        assert_eq!(crds.len(), of_program.len());
        for crd in crds {
            assert_eq!(crd["metadata"]["annotations"]["helm.sh/resource-policy"], policy, "{values}");
            let crd: CustomResourceDefinition = serde_json::from_value(crd.clone()).expect("a CRD");
            let name = &crd.metadata.name;
            assert!(crd.spec == of_program[name], "{name:?} in the chart is another one than that of the program");
        }
    }
    assert!(of_kind(&rendered("namespaced-values.yaml"), "CustomResourceDefinition").is_empty());
}

#[test]
fn nothing_of_the_cluster_is_needed_when_namespaces_are_named() {
    let objects = rendered("namespaced-values.yaml");
    for kind in ["ClusterRole", "ClusterRoleBinding"] {
        assert_eq!(of_kind(&objects, kind), Vec::<&Value>::new());
    }
    let cluster = rendered("default-values.yaml");
    let rules = &of_kind(&cluster, "ClusterRole")
        .into_iter()
        .find(|role| role["metadata"]["name"] == "forkable-system-forkable")
        .expect("the controller has a role")["rules"];
    for namespace in ["team-a", "team-b"] {
        let find = |kind: &str| {
            let mut all = of_kind(&objects, kind).into_iter();
            all.find(|object| object["metadata"]["namespace"] == namespace).expect("each namespace has one").clone()
        };
        assert_eq!(&find("Role")["rules"], rules, "{namespace}");
        assert_eq!(find("RoleBinding")["subjects"][0]["namespace"], NAMESPACE, "{namespace}");
    }
    assert!(arguments(of_kind(&objects, "Deployment")[0]).contains(&"--watch-namespace=team-a,team-b"));
}

#[test]
fn rules_name_what_they_allow() {
    for values in matrix() {
        let objects = rendered(&values);
        let roles = ["Role", "ClusterRole"].into_iter().flat_map(|kind| of_kind(&objects, kind));
        for rule in roles.flat_map(|role| role["rules"].as_array().expect("rules")) {
            assert!(!rule.to_string().contains("\"*\""), "{values}: {rule}");
            let writes_crds = rule["apiGroups"].to_string().contains("apiextensions");
            assert!(!writes_crds, "{values}: the controller has no business with CRDs: {rule}");
        }
    }
}

#[test]
fn shards_are_controllers_of_their_own() {
    let objects = rendered("sharded-values.yaml");
    let deployments = of_kind(&objects, "Deployment");
    let shards: Vec<_> = deployments
        .iter()
        .filter_map(|deployment| arguments(deployment).into_iter().find(|argument| argument.starts_with("--shard=")))
        .collect();
    assert_eq!(shards, ["--shard=1/3", "--shard=2/3", "--shard=3/3"]);
    let selectors: BTreeSet<_> = deployments.iter().map(|object| object["spec"]["selector"].to_string()).collect();
    assert_eq!(selectors.len(), 3, "no two select the same pods");
    assert_eq!(of_kind(&objects, "PodDisruptionBudget").len(), 3);
}

#[test]
fn a_budget_of_disruptions_needs_replicas() {
    assert!(of_kind(&rendered("default-values.yaml"), "PodDisruptionBudget").is_empty());
    let ha = rendered("ha-values.yaml");
    assert_eq!(of_kind(&ha, "PodDisruptionBudget").len(), 1);
    let spread = &of_kind(&ha, "Deployment")[0]["spec"]["template"]["spec"]["topologySpreadConstraints"][0];
    assert!(spread["labelSelector"]["matchLabels"].is_object(), "an entry without selector gets one: {spread}");
}

#[test]
fn one_replica_without_election_is_stopped_before_the_next_one_starts() {
    let strategy = |values| of_kind(&rendered(values), "Deployment")[0]["spec"]["strategy"]["type"].clone();
    assert_eq!(strategy("single-values.yaml"), "Recreate");
    assert_eq!(strategy("ha-values.yaml"), "RollingUpdate");
}

/// A value that no template looks at would be parsed and ignored.
#[test]
fn every_value_is_used() {
    let folder = root().join("charts/forkable/templates");
    let mut templates = String::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder can be read") {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                templates += &std::fs::read_to_string(path).expect("a template is text");
            }
        }
    }
    let values = documents(&read("charts/forkable/values.yaml")).remove(0);
    for (section, value) in values.as_object().expect("values are a map") {
        if section == "global" {
            continue;
        }
        assert!(
            templates.contains(&format!("Values.{section}")) || templates.contains(&format!("$v.{section}")),
            "{section}"
        );
        let whole = [".Values.", "$.Values."].iter().any(|by| templates.contains(&format!("toYaml {by}{section} ")));
        let Some(fields) = value.as_object().filter(|_| !whole) else { continue };
        for field in fields.keys() {
            assert!(templates.contains(&format!(".{field}")), "{section}.{field} is used by no template");
        }
    }
    let everything = documents(&read("charts/forkable/ci/everything-values.yaml")).remove(0);
    let unset = |key: &&String| everything.get(key.as_str()).is_none();
    let unset: Vec<_> = values.as_object().expect("a map").keys().filter(unset).collect();
    assert_eq!(
        unset,
        [
            "global",
            "podSecurityContext",
            "priorityClassName",
            "rbac",
            "replicaCount",
            "securityContext",
            "shards",
            "topologySpreadConstraints",
            "watchNamespaces"
        ],
        "what everything-values.yaml leaves to the other files of the matrix"
    );
}
