//! What the apiserver does to an object before it validates it: defaults, unknown fields, nulls.

use serde_json::Value;

use super::{field::child, schema::Schema};

/// Sets the defaults of the schema, also in place of a `null` where none is allowed.
pub(super) fn default(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => {
            for (name, property) in &schema.properties {
                let Some(default) = &property.default else { continue };
                let entry = map.entry(name.clone()).or_insert(Value::Null);
                if entry.is_null() && !property.nullable {
                    *entry = default.clone();
                }
            }
            for (name, value) in map {
                if let Some(node) = schema.field(name) {
                    default_null(value, node);
                    default(value, node);
                }
            }
        }
        Value::Array(items) => {
            if let Some(node) = schema.items.as_deref() {
                for item in items {
                    default_null(item, node);
                    default(item, node);
                }
            }
        }
        _ => {}
    }
}

fn default_null(value: &mut Value, schema: &Schema) {
    if let Some(default) = schema.default.as_ref().filter(|_| value.is_null() && !schema.nullable) {
        *value = default.clone();
    }
}

/// Removes the fields that the schema does not know and answers their paths, sorted.
/// `apiVersion`, `kind` and `metadata` of the root are not the schema's business.
pub(super) fn remove_unknown(object: &mut Value, schema: &Schema) -> Vec<String> {
    let mut unknown = Vec::new();
    unknown_fields(object, Some(schema), "", &mut unknown);
    unknown.sort();
    unknown
}

fn unknown_fields(value: &mut Value, schema: Option<&Schema>, at: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.retain(|name, value| {
            if at.is_empty() && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                return true;
            }
            let path = child(at, name);
            match schema.and_then(|s| s.field(name)) {
                Some(node) => unknown_fields(value, Some(node), &path, unknown),
                None => unknown.push(path),
            }
            schema.is_some_and(|s| s.field(name).is_some())
        }),
        Value::Array(items) => {
            for (i, item) in items.iter_mut().enumerate() {
                unknown_fields(item, schema.and_then(|s| s.items.as_deref()), &format!("{at}[{i}]"), unknown);
            }
        }
        _ => {}
    }
}

/// Removes nulls of fields that are neither nullable nor have a default.
pub(super) fn remove_nulls(value: &mut Value, schema: Option<&Schema>) {
    match value {
        Value::Object(map) => map.retain(|name, value| {
            let node = schema.and_then(|s| s.field(name));
            if value.is_null() && node.is_some_and(|n| !n.nullable && n.default.is_none()) {
                return false;
            }
            remove_nulls(value, node);
            true
        }),
        Value::Array(items) => {
            for item in items {
                remove_nulls(item, schema.and_then(|s| s.items.as_deref()));
            }
        }
        _ => {}
    }
}

impl Schema {
    /// The schema of a field: a property, or what additional properties must be.
    pub(super) fn field(&self, name: &str) -> Option<&Schema> {
        self.properties.get(name).or(self.additional.as_deref())
    }
}
