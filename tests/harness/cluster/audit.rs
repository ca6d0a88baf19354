//! The audit log: who called what, as the apiserver itself saw it.

use serde::Deserialize;

use super::{Cluster, servers};

/// One call that is done, or a watch that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Such as `admin` or `system:serviceaccount:forkable-system:forkable`.
    pub user: String,
    /// As RBAC names it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// Empty for the core group.
    pub group: String,
    /// With the subresource: `forks/status`.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    pub code: u16,
}

/// Whether the verb changes anything.
pub fn is_write(verb: &str) -> bool {
    matches!(verb, "create" | "update" | "patch" | "delete" | "deletecollection")
}

impl Cluster {
    /// Every call for resources so far, oldest first.
    pub fn audit(&self) -> Vec<Audited> {
        let log = std::fs::read_to_string(servers::audit_log(&self.folder)).expect("there is an audit log");
        // The last line may be half written.
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).filter_map(Line::into_audited).collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    stage: String,
    verb: String,
    user: User,
    #[serde(default)]
    object_ref: Option<ObjectRef>,
    #[serde(default)]
    response_status: ResponseStatus,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ResponseStatus {
    code: u16,
}

impl Line {
    fn into_audited(self) -> Option<Audited> {
        let of = self.object_ref?;
        // A watch is logged once, when it begins.
        if (self.verb == "watch") != (self.stage == "ResponseStarted") {
            return None;
        }
        let resource =
            if of.subresource.is_empty() { of.resource } else { format!("{}/{}", of.resource, of.subresource) };
        let (user, code) = (self.user.username, self.response_status.code);
        Some(Audited {
            user,
            verb: self.verb,
            group: of.api_group,
            resource,
            namespace: of.namespace,
            name: of.name,
            code,
        })
    }
}
