//! The CRDs in a real apiserver: accepted without a warning, explained, printed, upgraded.

use std::time::Duration;

use forkable_tests::{CRDS, Cluster, eventually, reference_fork};
use serde_json::{Value, json};

/// CRDs of before, as they were stored. Renew it from the last release when one is made.
const PREVIOUS: &str = include_str!("previous-crds.yaml");

const RELEASE: &str = "
apiVersion: forkable.dev/v1alpha1
kind: Deployment
metadata: { name: acme-1 }
spec: { forkRef: { name: acme }, source: { commit: 0123456789abcdef0123456789abcdef01234567 } }
";

/// Fields below a schema that say nothing about themselves.
fn silent(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if field["description"].as_str().unwrap_or_default().is_empty() {
            found.push(path.clone());
        }
        silent(field, &path, found);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            silent(&schema[inner], path, found);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_explained() {
    let cluster = Cluster::shared().await;
    for kind in ["Fork", "Deployment"] {
        // What `kubectl explain` reads; it is published a moment after the CRDs are established.
        let fields = eventually("the schema is published", Duration::from_mins(1), async || {
            let published = cluster.get("/openapi/v3/apis/forkable.dev/v1alpha1").await;
            let schema = &published["components"]["schemas"][format!("dev.forkable.v1alpha1.{kind}")];
            schema["properties"].is_object().then(|| schema["properties"].clone())
        })
        .await;
        let mut found = Vec::new();
        for part in ["spec", "status"] {
            assert!(fields[part]["properties"].is_object(), "{kind} has a {part}: {fields}");
            silent(&fields[part], part, &mut found);
        }
        assert!(found.is_empty(), "{kind}: no description of {found:#?}");
    }
    let said = cluster.kubectl(&["explain", "fork.spec.deletionPolicy"]).await;
    for expected in
        ["GROUP:      forkable.dev", "KIND:       Fork", "FIELD: deletionPolicy <string>", "ENUM:", "Retain"]
    {
        assert!(said.contains(expected), "{expected:?} is not in:\n{said}");
    }
    let said = cluster.kubectl(&["explain", "fdep.spec.source"]).await;
    assert!(said.contains("KIND:       Deployment") && said.contains("commit\t<string>"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_are_printed_with_what_a_person_wants_to_know() {
    let namespace = Cluster::shared().await.namespace("columns").await;
    namespace.apply(&reference_fork()).await;
    namespace.apply(RELEASE).await;
    let ready = json!({
        "type": "Ready", "status": "False", "reason": "DomainUnverified", "message": "waiting",
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
    });
    let status = json!({ "status": {
        "observedGeneration": 1, "conditions": [ready], "url": "https://acme.example.com",
        "currentRelease": { "name": "acme-1", "commit": "0123456789abcdef0123456789abcdef01234567" },
    }});
    let patch = ["patch", "fork", "acme", "--subresource=status", "--type=merge", "--patch", &status.to_string()];
    namespace.kubectl(&patch).await;
    let table = |text: String| -> Vec<Vec<String>> {
        text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let forks = table(namespace.kubectl(&["get", "fork"]).await);
    assert_eq!(forks[0], ["NAME", "READY", "URL", "RELEASE", "REASON", "AGE"]);
    assert_eq!(forks[1][..5], ["acme", "False", "https://acme.example.com", "acme-1", "DomainUnverified"]);
    let releases = table(namespace.kubectl(&["get", "fdep"]).await);
    assert_eq!(releases[0][..2], ["NAME", "FORK"]);
    assert_eq!(releases[1][..2], ["acme-1", "acme"]);
    let both = namespace.kubectl(&["get", "forkable", "--output", "name"]).await;
    assert_eq!(both, "deployment.forkable.dev/acme-1\nfork.forkable.dev/acme\n", "the category");
    let apps = namespace.kubectl(&["get", "deployments", "--output", "name"]).await;
    assert_eq!(apps, "", "`deployments` stays the one of apps");
}

/// Whether everything is still there; a later version may have more defaults.
fn has_all(after: &Value, before: &Value) -> bool {
    match (after, before) {
        (Value::Object(after), Value::Object(before)) => {
            before.iter().all(|(key, before)| after.get(key).is_some_and(|after| has_all(after, before)))
        }
        (Value::Array(after), Value::Array(before)) => {
            after.len() == before.len() && after.iter().zip(before).all(|(after, before)| has_all(after, before))
        }
        (after, before) => after == before,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_outlive_an_upgrade_of_the_crds() {
    let cluster = Cluster::start().await;
    let names = ["crd/forks.forkable.dev", "crd/deployments.forkable.dev"];
    let establish = async || {
        cluster.kubectl(&[&["wait", "--for=condition=Established", "--timeout=60s"], &names[..]].concat()).await
    };
    cluster.apply(PREVIOUS, &["--server-side"]).await;
    establish().await;
    let namespace = cluster.namespace("upgrade").await;
    namespace.apply(&reference_fork()).await;
    namespace.apply(RELEASE).await;
    let status = r#"{"status": {"observedGeneration": 1, "url": "https://acme.example.com"}}"#;
    namespace.kubectl(&["patch", "fork", "acme", "--subresource=status", "--type=merge", "--patch", status]).await;
    let objects = async || [namespace.get("forks", "acme").await, namespace.get("deployments", "acme-1").await];
    let before = objects().await;

    let output = cluster.try_apply(CRDS, &["--server-side"]).await;
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""), "no error and no warning: {}", output.stdout);
    establish().await;
    for (after, before) in objects().await.iter().zip(&before) {
        assert!(has_all(after, before), "{after:#}\nhas not all of\n{before:#}");
    }
    namespace.apply(&reference_fork().replace("value: large", "value: small")).await;
    let after = namespace.get("forks", "acme").await;
    assert_eq!(after["metadata"]["uid"], before[0]["metadata"]["uid"]);
    assert_eq!(after["metadata"]["generation"], 2);
    assert_eq!(after["status"], before[0]["status"]);
    for name in names {
        let crd = cluster.kubectl(&["get", name, "--output", "json"]).await;
        let crd: Value = serde_json::from_str(&crd).expect("kubectl says JSON");
        assert_eq!(crd["status"]["storedVersions"], json!(["v1alpha1"]), "nothing is left in a version that is gone");
    }
}
