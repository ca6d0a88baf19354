//! The rights that the chart gives are the rights that the controller uses.

use std::collections::BTreeSet;

use forkable_tests::Audited;
use serde_json::Value;

use crate::installed::{Installed, NAME};

/// Rights that no call of the audit log shows, and why they are needed.
const UNSEEN: [(&str, &str); 2] = [
    // Two shards may write one status; then it is read anew.
    ("alertrules", "get"),
    // The admission plugin OwnerReferencesPermissionEnforcement, which the tests' apiserver runs, asks for it when a
    // Deployment is made.
    ("forks/finalizers", "update"),
];

/// One verb on one resource, as a role of the chart grants it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    role: String,
    group: String,
    resource: String,
    verb: String,
    names: Vec<String>,
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn rights(role: &Value) -> Vec<Right> {
    let mut rights = Vec::new();
    for rule in role["rules"].as_array().expect("a role has rules") {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                rights.extend(texts(&rule["verbs"]).into_iter().map(|verb| Right {
                    role: role["metadata"]["name"].as_str().expect("a role has a name").to_owned(),
                    group: group.clone(),
                    resource: resource.clone(),
                    verb,
                    names: texts(&rule["resourceNames"]),
                }));
            }
        }
    }
    rights
}

/// Fails if a call was forbidden, or if a right was never used.
pub(crate) async fn are_those_that_were_used(installed: &Installed<'_>) {
    let (cluster, own) = (installed.space.cluster, &installed.space.name);
    let path = "/apis/rbac.authorization.k8s.io/v1";
    let everywhere = cluster.get(&format!("{path}/clusterroles/{own}-{NAME}")).await;
    let here = cluster.get(&format!("{path}/namespaces/{own}/roles/{NAME}-own")).await;
    let calls = installed.calls();
    let forbidden: BTreeSet<_> = calls
        .iter()
        .filter(|call| call.is_denied)
        .map(|Audited { verb, group, resource, namespace, .. }| format!("{verb} {resource}.{group} in {namespace}"))
        .collect();
    assert!(forbidden.is_empty(), "the chart's roles lack: {forbidden:#?}");
    let used = |right: &Right, in_own: bool| {
        calls.iter().any(|call| {
            (&call.group, &call.resource, &call.verb) == (&right.group, &right.resource, &right.verb)
                && (call.namespace == *own) == in_own
                && (right.names.is_empty() || right.names.contains(&call.name))
        })
    };
    // What the Role of the own namespace grants would else count for the ClusterRole, too.
    let everywhere = rights(&everywhere).into_iter().filter(|right| !used(right, false));
    let unused: BTreeSet<_> = everywhere.chain(rights(&here).into_iter().filter(|right| !used(right, true))).collect();
    let unused: Vec<_> =
        unused.iter().filter(|right| !UNSEEN.contains(&(right.resource.as_str(), right.verb.as_str()))).collect();
    assert!(unused.is_empty(), "the chart grants what is never used: {unused:#?}");
}
