//! The rows of the object table: from and to objects.

use forkable_core::store::{self, Kind, ObjectRef, StoreError};
use forkable_crds::{
    ABORT_ANNOTATION, APPROVE_ANNOTATION, CHALLENGE_ANNOTATION, GROUP, PAUSE_ANNOTATION, RESEND_ANNOTATION,
    ROLLBACK_ANNOTATION, THAW_ANNOTATION, VERSION,
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sqlx::{SqliteConnection, types::Json};

/// What people and rules ask for beside the manifest.
const WISHES: [&str; 7] = [
    APPROVE_ANNOTATION,
    ABORT_ANNOTATION,
    ROLLBACK_ANNOTATION,
    THAW_ANNOTATION,
    PAUSE_ANNOTATION,
    CHALLENGE_ANNOTATION,
    RESEND_ANNOTATION,
];

/// One stored object.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) resource_version: i64,
    pub(super) created_at: String,
    pub(super) deletion_requested_at: Option<String>,
    /// Labels, annotations and ownerReferences.
    pub(super) metadata: Json<Map<String, Value>>,
    pub(super) finalizers: Json<Vec<String>>,
    pub(super) spec: Json<Value>,
    pub(super) status: Option<Json<Value>>,
    pub(super) source: Option<String>,
}

impl Row {
    /// A new object from an admitted one.
    pub(super) fn new(object: &Value, source: Option<&str>) -> Self {
        let (metadata, finalizers) = declared(object);
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            kind: text("/kind"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
            uid: uuid::Uuid::new_v4().to_string(),
            generation: 1,
            resource_version: 0,
            created_at: now(),
            deletion_requested_at: None,
            metadata: Json(metadata),
            finalizers: Json(finalizers),
            spec: Json(object.get("spec").cloned().unwrap_or_default()),
            status: None,
            source: source.map(str::to_owned),
        }
    }

    /// An object that the API has already.
    pub(super) fn recorded(object: &impl Kind) -> serde_json::Result<Self> {
        let json = serde_json::to_value(object)?;
        let meta = object.meta();
        Ok(Self {
            uid: object.uid().to_owned(),
            generation: object.generation(),
            created_at: meta.creation_timestamp.as_ref().map_or_else(now, |time| time.0.to_string()),
            deletion_requested_at: meta.deletion_timestamp.as_ref().map(|time| time.0.to_string()),
            status: json.get("status").cloned().map(Json),
            ..Self::new(&json, Some("the cluster"))
        })
    }

    /// Takes over what a manifest declares: a changed spec is a new generation. Finalizers are only added.
    /// Answers whether anything changed.
    pub(super) fn declare(&mut self, object: &Value, source: &str) -> bool {
        let (metadata, finalizers) = declared(object);
        let mut next = self.clone();
        next.metadata = Json(metadata);
        next.keep_wishes(self);
        next.source = Some(source.to_owned());
        next.finalizers.extend(finalizers.into_iter().filter(|f| !self.finalizers.contains(f)));
        next.spec = Json(object.get("spec").cloned().unwrap_or_default());
        let spec_changed = next.spec != self.spec;
        let changed = spec_changed
            || next.metadata != self.metadata
            || next.source != self.source
            || next.finalizers != self.finalizers;
        next.generation += i64::from(spec_changed);
        *self = next;
        changed
    }

    /// What was asked for beside the manifest stays when the manifest is read again.
    fn keep_wishes(&mut self, before: &Self) {
        for wish in WISHES {
            let old = before.metadata.get("annotations").and_then(|all| all.get(wish)).cloned();
            let is_declared = self.metadata.get("annotations").is_some_and(|all| all.get(wish).is_some());
            if let Some(old) = old.filter(|_| !is_declared) {
                self.annotate(wish, old);
            }
        }
    }

    pub(super) fn annotate(&mut self, name: &str, value: Value) {
        let annotations = self.metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(name.to_owned(), value);
        }
    }

    pub(super) fn reference(&self) -> ObjectRef {
        ObjectRef::new(store::kind(&self.kind).unwrap_or_default(), self.namespace.clone(), self.name.clone())
    }

    /// The object as the API shows it.
    pub(super) fn to_json(&self) -> Value {
        let mut metadata = self.metadata.0.clone();
        let mut set = |name: &str, value: Value| metadata.insert(name.to_owned(), value);
        set("name", json!(self.name));
        set("namespace", json!(self.namespace));
        set("uid", json!(self.uid));
        set("generation", json!(self.generation));
        set("resourceVersion", json!(self.resource_version.to_string()));
        set("creationTimestamp", json!(self.created_at));
        if let Some(at) = &self.deletion_requested_at {
            set("deletionTimestamp", json!(at));
        }
        if !self.finalizers.is_empty() {
            set("finalizers", json!(self.finalizers.0));
        }
        let mut object = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": self.kind,
            "metadata": metadata,
            "spec": self.spec.0,
        });
        if let Some(status) = &self.status {
            object["status"] = status.0.clone();
        }
        object
    }

    pub(super) fn to_object<K: Kind>(&self) -> Result<K, StoreError> {
        K::from_json(&self.to_json()).map_err(|error| {
            StoreError::Unavailable(format!("{} is stored in a form that cannot be read: {error}", self.reference()))
        })
    }

    /// Writes the row with a new resourceVersion, whether it is there or not.
    pub(super) async fn save(&mut self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        self.resource_version = sqlx::query_scalar("UPDATE revision SET value = value + 1 RETURNING value")
            .fetch_one(&mut *connection)
            .await?;
        sqlx::query(
            "INSERT OR REPLACE INTO objects (kind, namespace, name, uid, generation, resource_version, created_at,
                deletion_requested_at, metadata, finalizers, spec, status, source)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&self.kind)
        .bind(&self.namespace)
        .bind(&self.name)
        .bind(&self.uid)
        .bind(self.generation)
        .bind(self.resource_version)
        .bind(&self.created_at)
        .bind(&self.deletion_requested_at)
        .bind(&self.metadata)
        .bind(&self.finalizers)
        .bind(&self.spec)
        .bind(&self.status)
        .bind(&self.source)
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// The row of an object.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    kind: &str,
    namespace: &str,
    name: &str,
) -> sqlx::Result<Option<Row>> {
    sqlx::query_as("SELECT * FROM objects WHERE kind = ? AND namespace = ? AND name = ?")
        .bind(kind)
        .bind(namespace)
        .bind(name)
        .fetch_optional(connection)
        .await
}

/// Asks for the deletion of objects, and of what they own once they are gone. Answers what changed: an object without
/// finalizers is gone, any other waits for them.
pub(super) async fn delete(connection: &mut SqliteConnection, rows: Vec<Row>) -> sqlx::Result<Vec<ObjectRef>> {
    let mut changed = Vec::new();
    let mut queue = rows;
    while let Some(mut row) = queue.pop() {
        if !row.finalizers.is_empty() {
            if row.deletion_requested_at.is_none() {
                row.deletion_requested_at = Some(now());
                row.save(connection).await?;
                changed.push(row.reference());
            }
            continue;
        }
        sqlx::query("DELETE FROM objects WHERE uid = ?").bind(&row.uid).execute(&mut *connection).await?;
        changed.push(row.reference());
        let owned: Vec<Row> = sqlx::query_as(
            "SELECT objects.* FROM objects, json_each(objects.metadata, '$.ownerReferences') AS owner
             WHERE owner.value ->> 'uid' = ?",
        )
        .bind(&row.uid)
        .fetch_all(&mut *connection)
        .await?;
        queue.extend(owned);
    }
    Ok(changed)
}

/// Deletes what belongs to objects that are gone: a process may have ended between making and deleting.
pub(super) async fn delete_orphans(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    let orphans: Vec<Row> = sqlx::query_as(
        "SELECT DISTINCT objects.* FROM objects, json_each(objects.metadata, '$.ownerReferences') AS owner
         WHERE owner.value ->> 'uid' NOT IN (SELECT uid FROM objects)",
    )
    .fetch_all(&mut *connection)
    .await?;
    delete(connection, orphans).await.map(drop)
}

/// What a manifest declares of the metadata.
fn declared(object: &Value) -> (Map<String, Value>, Vec<String>) {
    let mut metadata = Map::new();
    for name in ["labels", "annotations", "ownerReferences"] {
        if let Some(value) = object["metadata"].get(name).filter(|value| !value.is_null()) {
            metadata.insert(name.to_owned(), value.clone());
        }
    }
    let finalizers = object["metadata"]["finalizers"].as_array().into_iter().flatten();
    (metadata, finalizers.filter_map(Value::as_str).map(str::to_owned).collect())
}

/// A time as the API writes it: whole seconds.
pub(super) fn now() -> String {
    format!("{:.0}", Timestamp::now())
}
