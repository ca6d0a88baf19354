//! The CEL rules of a schema, node by node, in the words of the apiserver (`apiextensions-apiserver` `schema/cel`).

use kube::core::cel::{ErrorKind, ValidationError, validate_compiled};
use serde_json::Value;

use super::{
    field::{FieldError, child},
    schema::{ListType, Schema, Type},
};

/// Appends an error for each rule that `value` breaks; `old` is the value that it replaces, if there is a comparable one.
pub(super) fn validate(schema: &Schema, value: &Value, old: Option<&Value>, path: &str, errors: &mut Vec<FieldError>) {
    if value.is_null() {
        return;
    }
    if let Some(rules) = &schema.rules
        && let Err(broken) = validate_compiled(rules, value, old)
    {
        errors.extend(broken.iter().map(|error| field_error(schema, value, path, error)));
    }
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let old = old.and_then(|old| old.get(name));
                if let Some(node) = schema.properties.get(name) {
                    validate(node, value, old, &child(path, name), errors);
                } else if let Some(node) = &schema.additional {
                    validate(node, value, old, &format!("{path}[{name}]"), errors);
                }
            }
        }
        Value::Array(items) => {
            if let Some(node) = &schema.items {
                for (i, item) in items.iter().enumerate() {
                    validate(node, item, predecessor(schema, item, old), &format!("{path}[{i}]"), errors);
                }
            }
        }
        _ => {}
    }
}

/// The element that `item` replaces: only elements of lists of type `map` can be told apart.
fn predecessor<'a>(schema: &Schema, item: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
    if schema.list_type != ListType::Map {
        return None;
    }
    old?.as_array()?.iter().find(|old| schema.list_keys.iter().all(|key| old.get(key) == item.get(key)))
}

fn field_error(schema: &Schema, value: &Value, path: &str, error: &ValidationError) -> FieldError {
    if error.kind != ErrorKind::ValidationFailure {
        let detail = format!("{} evaluating rule: {}", error.message, error.rule);
        return FieldError::invalid(path, &Value::from(schema.type_.name()), &detail);
    }
    // `field_path` of the rule, which starts with a dot or a bracket.
    let path = match error.field_path.strip_prefix('.') {
        Some(below) => child(path, below),
        None => format!("{path}{}", error.field_path),
    };
    let message = error.message.trim();
    match error.reason.as_deref() {
        Some("FieldValueForbidden") => FieldError::forbidden(&path, message),
        Some("FieldValueRequired") => FieldError::required(&path, message),
        Some("FieldValueDuplicate") => FieldError::duplicate(&path, value),
        _ if matches!(schema.type_, Type::Object | Type::Array) => FieldError::invalid_whole(&path, message),
        _ => FieldError::invalid(&path, value, message),
    }
}
