//! Whether manifests are what Kubernetes knows: every field is read by the published types and none is lost.

use k8s_openapi::{
    api::{apps::v1 as apps, core::v1 as core, networking::v1 as networking, policy::v1 as policy, rbac::v1 as rbac},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// `kind/name` of an object, with its namespace.
pub(crate) fn name(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!(
        "{}/{}/{}",
        text(&object["kind"]),
        text(&object["metadata"]["namespace"]),
        text(&object["metadata"]["name"])
    )
}

/// Fails with the first field that Kubernetes does not know. Kinds of others are looked at by nobody here.
pub(crate) fn check(object: &Value) {
    let kind = object["kind"].as_str().unwrap_or_default();
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let result = match (version, kind) {
        ("v1", "ServiceAccount") => known::<core::ServiceAccount>(object),
        ("v1", "Service") => known::<core::Service>(object),
        ("v1", "ConfigMap") => known::<core::ConfigMap>(object),
        ("v1", "Namespace") => known::<core::Namespace>(object),
        ("v1", "PersistentVolumeClaim") => known::<core::PersistentVolumeClaim>(object),
        ("v1", "Pod") => known::<core::Pod>(object),
        ("apps/v1", "Deployment") => known::<apps::Deployment>(object),
        ("networking.k8s.io/v1", "Ingress") => known::<networking::Ingress>(object),
        ("networking.k8s.io/v1", "NetworkPolicy") => known::<networking::NetworkPolicy>(object),
        ("policy/v1", "PodDisruptionBudget") => known::<policy::PodDisruptionBudget>(object),
        ("rbac.authorization.k8s.io/v1", "Role") => known::<rbac::Role>(object),
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => known::<rbac::RoleBinding>(object),
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => known::<rbac::ClusterRole>(object),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => known::<rbac::ClusterRoleBinding>(object),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition") => known::<CustomResourceDefinition>(object),
        ("monitoring.coreos.com/v1", "ServiceMonitor" | "PrometheusRule") => Ok(()),
        _ => Err("is of a kind that is not expected".into()),
    };
    result.unwrap_or_else(|error| panic!("{} {error}", name(object)));
}

fn known<T: DeserializeOwned + Serialize>(object: &Value) -> Result<(), String> {
    let typed: T = serde_json::from_value(object.clone()).map_err(|error| format!("is not valid: {error}"))?;
    let back = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    lost(object, &back, "")
}

/// The first field of `written` that is not in `read`.
fn lost(written: &Value, read: &Value, path: &str) -> Result<(), String> {
    match (written, read) {
        (Value::Object(fields), _) => fields
            .iter()
            // What is empty says nothing, and need not be kept.
            .filter(|(_, value)| !is_empty(value))
            .try_for_each(|(key, value)| lost(value, &read[key], &format!("{path}.{key}"))),
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            items.iter().zip(others).enumerate().try_for_each(|(i, (a, b))| lost(a, b, &format!("{path}[{i}]")))
        }
        // Bounds of a schema are floats in Kubernetes.
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => Ok(()),
        _ if written == read => Ok(()),
        _ => Err(format!("has {path}: {written}, which Kubernetes reads as {read}")),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[test]
fn a_field_that_kubernetes_does_not_know_is_found() {
    let object = |spec: Value| serde_json::json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "a" }, "spec": spec });
    assert_eq!(known::<core::Service>(&object(serde_json::json!({ "type": "ClusterIP", "selector": {} }))), Ok(()));
    let error = known::<core::Service>(&object(serde_json::json!({ "typo": "ClusterIP" }))).expect_err("a typo");
    assert!(error.contains(".spec.typo"), "{error}");
}
