//! `metadata` of every object: decoding, and the rules for names, labels, annotations, owners and finalizers.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::{decode::Go, field::FieldError};

/// `metav1.ObjectMeta`.
pub(super) const OBJECT_META: Go = Go::Struct(
    "ObjectMeta",
    &[
        ("name", Go::String),
        ("generateName", Go::String),
        ("namespace", Go::String),
        ("selfLink", Go::String),
        ("uid", Go::Named("types.UID")),
        ("resourceVersion", Go::String),
        ("generation", Go::Int64),
        ("creationTimestamp", Go::Time),
        ("deletionTimestamp", Go::Time),
        ("deletionGracePeriodSeconds", Go::Int64),
        ("labels", Go::Map(&Go::String)),
        ("annotations", Go::Map(&Go::String)),
        ("ownerReferences", Go::List(&OWNER_REFERENCE)),
        ("finalizers", Go::List(&Go::String)),
        ("managedFields", Go::List(&Go::Any)),
    ],
);

const OWNER_REFERENCE: Go = Go::Struct(
    "OwnerReference",
    &[
        ("apiVersion", Go::String),
        ("kind", Go::String),
        ("name", Go::String),
        ("uid", Go::Named("types.UID")),
        ("controller", Go::Bool),
        ("blockOwnerDeletion", Go::Bool),
    ],
);

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";
const CONFIG_KEY: &str = "[-._a-zA-Z0-9]+";
/// All annotations together, in bytes.
const MAX_ANNOTATIONS: usize = 256 * 1024;

macro_rules! whole {
    ($name:ident, $pattern:expr) => {
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(&format!("^(?:{})$", $pattern)).expect("a constant pattern compiles"));
    };
}
whole!(IS_LABEL, LABEL);
whole!(IS_SUBDOMAIN, SUBDOMAIN);
whole!(IS_QUALIFIED, QUALIFIED);
whole!(IS_LABEL_VALUE, LABEL_VALUE);
whole!(IS_CONFIG_KEY, CONFIG_KEY);

/// The part of the metadata that a manifest decides, with the namespace filled in; the rest belongs to the server.
pub(super) fn declared(metadata: &Value) -> Map<String, Value> {
    let mut out = Map::new();
    for name in ["name", "namespace", "labels", "annotations", "ownerReferences", "finalizers"] {
        if let Some(value) = metadata.get(name).filter(|v| !v.is_null()) {
            let mut value = value.clone();
            empty_nulls(&mut value);
            out.insert(name.into(), value);
        }
    }
    let namespace = out.entry("namespace").or_insert_with(|| "default".into());
    if namespace.as_str() == Some("") {
        *namespace = "default".into();
    }
    out
}

/// A null in a map or list of texts is Go's empty text.
fn empty_nulls(value: &mut Value) {
    match value {
        Value::Null => *value = "".into(),
        Value::Array(items) => items.iter_mut().filter(|item| item.is_null()).for_each(empty_nulls),
        Value::Object(map) => map.values_mut().filter(|value| value.is_null()).for_each(empty_nulls),
        _ => {}
    }
}

/// What is wrong with metadata that decodes.
pub(super) fn validate(metadata: &Map<String, Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let text = |name: &str| metadata.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("name").is_empty() {
        errors.push(FieldError::required("metadata.name", "name or generateName is required"));
    } else {
        push(&mut errors, "metadata.name", text("name"), &subdomain(text("name"), "characters"));
    }
    push(&mut errors, "metadata.namespace", text("namespace"), &label(text("namespace")));
    for (key, value) in strings(metadata, "labels") {
        push(&mut errors, "metadata.labels", key, &qualified(key));
        push(&mut errors, "metadata.labels", value, &label_value(value));
    }
    let mut size = 0;
    for (key, value) in strings(metadata, "annotations") {
        push(&mut errors, "metadata.annotations", key, &qualified(&key.to_lowercase()));
        size += key.len() + value.len();
    }
    if size > MAX_ANNOTATIONS {
        errors.push(FieldError::too_long("metadata.annotations", MAX_ANNOTATIONS as u64));
    }
    let owners = metadata.get("ownerReferences").and_then(Value::as_array);
    for (i, owner) in owners.into_iter().flatten().enumerate() {
        for name in ["apiVersion", "kind", "name", "uid"] {
            if owner.get(name).and_then(Value::as_str).unwrap_or_default().is_empty() {
                errors
                    .push(FieldError::required(&format!("metadata.ownerReferences[{i}].{name}"), "must not be empty"));
            }
        }
    }
    for finalizer in metadata.get("finalizers").and_then(Value::as_array).into_iter().flatten() {
        let name = finalizer.as_str().unwrap_or_default();
        push(&mut errors, "metadata.finalizers", name, &qualified(name));
    }
    errors
}

fn strings<'a>(metadata: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let map = metadata.get(name).and_then(Value::as_object);
    map.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
}

fn push(errors: &mut Vec<FieldError>, field: &str, value: &str, messages: &[String]) {
    errors.extend(messages.iter().map(|message| FieldError::invalid(field, &Value::from(value), message)));
}

fn mismatch(message: &str, examples: &[&str], pattern: &str) -> String {
    let examples: String = examples.iter().map(|e| format!("'{e}', ")).collect::<Vec<_>>().join(" or ");
    format!("{message} (e.g. {examples}regex used for validation is '{pattern}')")
}

fn subdomain(value: &str, unit: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if value.len() > 253 {
        messages.push(format!("must be no more than 253 {unit}"));
    }
    if !IS_SUBDOMAIN.is_match(value) {
        messages.push(mismatch(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character",
            &["example.com"],
            SUBDOMAIN,
        ));
    }
    messages
}

fn label(value: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if value.len() > 63 {
        messages.push("must be no more than 63 characters".into());
    }
    if !IS_LABEL.is_match(value) {
        messages.push(if IS_SUBDOMAIN.is_match(value) {
            "must not contain dots".into()
        } else {
            mismatch(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
                 and end with an alphanumeric character",
                &["my-name", "123-abc"],
                LABEL,
            )
        });
    }
    messages
}

fn qualified(value: &str) -> Vec<String> {
    const MESSAGE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
                           alphanumeric character";
    let examples = ["MyName", "my.name", "123-abc"];
    let mut messages = Vec::new();
    let parts: Vec<_> = value.split('/').collect();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                messages.push("prefix part must be non-empty".into());
            } else {
                messages.extend(subdomain(prefix, "bytes").into_iter().map(|m| format!("prefix part {m}")));
            }
            name
        }
        _ => {
            let message = mismatch(MESSAGE, &examples, QUALIFIED);
            return vec![format!(
                "a valid label key {message} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        messages.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        messages.push("name part must be no more than 63 bytes".into());
    }
    if !IS_QUALIFIED.is_match(name) {
        messages.push(format!("name part {}", mismatch(MESSAGE, &examples, QUALIFIED)));
    }
    messages
}

fn label_value(value: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if value.len() > 63 {
        messages.push("must be no more than 63 bytes".into());
    }
    if !IS_LABEL_VALUE.is_match(value) {
        messages.push(mismatch(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
             start and end with an alphanumeric character",
            &["MyValue", "my_value", "12345"],
            LABEL_VALUE,
        ));
    }
    messages
}

/// What is wrong with a key of a Secret or ConfigMap.
pub(super) fn config_key(value: &str) -> Vec<String> {
    let mut messages = Vec::new();
    if value.len() > 253 {
        messages.push("must be no more than 253 characters".into());
    }
    if !IS_CONFIG_KEY.is_match(value) {
        messages.push(mismatch(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            &["key.name", "KEY_NAME", "key-name"],
            CONFIG_KEY,
        ));
    }
    match value {
        "." => messages.push("must not be '.'".into()),
        ".." => messages.push("must not be '..'".into()),
        _ if value.starts_with("..") => messages.push("must not start with '..'".into()),
        _ => {}
    }
    messages
}

/// The object that metadata is decoded from: decoding names fields from the root of the object.
pub(super) fn rooted(metadata: &Value) -> Value {
    json!({ "metadata": metadata })
}

/// The type that [`rooted`] metadata decodes into.
pub(super) const ROOTED: Go = Go::Struct("metadataOnlyObject", &[("metadata", OBJECT_META)]);
