//! The audit log: who called what, as the apiserver itself saw it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
};

use serde::Deserialize;

use super::{Cluster, servers};

/// What of the log was read already.
#[derive(Default)]
pub(super) struct Read {
    bytes: u64,
    calls: Vec<Audited>,
}

/// One call that is done, or a watch that began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// Such as `admin` or `system:serviceaccount:forkable-system:forkable`.
    pub user: String,
    /// Tells tokens of one ServiceAccount, and so its processes, apart; empty for others.
    pub credential: String,
    /// As RBAC names it: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// Empty for the core group.
    pub group: String,
    /// With the subresource: `forks/status`.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    pub code: u16,
    /// A right was lacking. Admission refuses with 403, too, such as new objects in a namespace that goes.
    pub is_denied: bool,
}

/// Whether the verb changes anything.
pub fn is_write(verb: &str) -> bool {
    matches!(verb, "create" | "update" | "patch" | "delete" | "deletecollection")
}

impl Cluster {
    /// Every call for resources so far, in the order in which they were done.
    pub fn audit(&self) -> Vec<Audited> {
        let mut read = self.audited.lock().expect("nothing panics while it holds it");
        let mut log = File::open(servers::audit_log(&self.folder)).expect("there is an audit log");
        log.seek(SeekFrom::Start(read.bytes)).expect("a file can be read anywhere");
        let mut new = Vec::new();
        log.read_to_end(&mut new).expect("the audit log can be read");
        // The last line may be half written.
        new.truncate(new.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        read.bytes += u64::try_from(new.len()).expect("a file's length");
        let lines = new.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        read.calls.extend(lines.filter_map(Line::into_audited));
        read.calls.clone()
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
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct User {
    username: String,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
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
        let User { username: user, mut extra } = self.user;
        let credential = extra.remove("authentication.kubernetes.io/credential-id").and_then(|mut ids| ids.pop());
        let code = self.response_status.code;
        let is_denied = self.annotations.get("authorization.k8s.io/decision").is_some_and(|said| said == "forbid");
        Some(Audited {
            user,
            credential: credential.unwrap_or_default(),
            verb: self.verb,
            group: of.api_group,
            resource,
            namespace: of.namespace,
            name: of.name,
            code,
            is_denied,
        })
    }
}
