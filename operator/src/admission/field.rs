//! Errors about one field of an object, in the words of the apiserver (`k8s.io/apimachinery` `field.Error`).

use std::fmt;

use serde_json::Value;

use super::go;

/// What is wrong with one field; prints as `spec.domains[0].name: Required value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    reason: Reason,
    field: String,
    body: String,
}

/// The kind of a field error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Required,
    Invalid,
    TypeInvalid,
    NotSupported,
    TooLong,
    TooMany,
    Duplicate,
    Forbidden,
}

impl Reason {
    fn text(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
        }
    }

    /// CEL rules are not run on an object that has such an error.
    pub(super) fn blocks_rules(self) -> bool {
        matches!(self, Self::Required | Self::TypeInvalid | Self::NotSupported | Self::TooLong | Self::TooMany)
    }
}

impl FieldError {
    /// Path of the field, such as `spec.env[0].name`; `<nil>` for the whole object.
    pub fn field(&self) -> &str {
        &self.field
    }

    pub fn reason(&self) -> Reason {
        self.reason
    }

    fn new(reason: Reason, field: &str, value: &str, detail: &str) -> Self {
        let mut body = reason.text().to_owned();
        for part in [value, detail] {
            if !part.is_empty() {
                body.push_str(": ");
                body.push_str(part);
            }
        }
        let field = if field.is_empty() { "<nil>" } else { field };
        Self { reason, field: field.to_owned(), body }
    }

    pub(super) fn required(field: &str, detail: &str) -> Self {
        Self::new(Reason::Required, field, "", detail)
    }

    pub(super) fn forbidden(field: &str, detail: &str) -> Self {
        Self::new(Reason::Forbidden, field, "", detail)
    }

    pub(super) fn invalid(field: &str, value: &Value, detail: &str) -> Self {
        Self::new(Reason::Invalid, field, &shown(value), detail)
    }

    /// `Invalid value: detail`, without the value: for objects and lists, which would be long.
    pub(super) fn invalid_whole(field: &str, detail: &str) -> Self {
        Self::new(Reason::Invalid, field, "", detail)
    }

    pub(super) fn type_invalid(field: &str, value: &str, detail: &str) -> Self {
        Self::new(Reason::TypeInvalid, field, &go::quote(value), detail)
    }

    pub(super) fn not_supported(field: &str, value: &Value, supported: &[Value]) -> Self {
        let supported: Vec<_> =
            supported.iter().map(|v| v.as_str().map_or_else(|| go::quote(&go::json(v)), go::quote)).collect();
        Self::new(Reason::NotSupported, field, &shown(value), &format!("supported values: {}", supported.join(", ")))
    }

    pub(super) fn too_long(field: &str, max: u64) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        Self::new(Reason::TooLong, field, "", &format!("may not be more than {max} {unit}"))
    }

    pub(super) fn too_many(field: &str, actual: usize, max: u64) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        Self::new(Reason::TooMany, field, &actual.to_string(), &format!("must have at most {max} {unit}"))
    }

    pub(super) fn duplicate(field: &str, value: &Value) -> Self {
        Self::new(Reason::Duplicate, field, &shown(value), "")
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body)
    }
}

/// A bad value as the apiserver prints it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => go::quote(text),
        Value::Number(number) if !number.is_i64() => go::float(number.as_f64().unwrap_or_default()),
        other => go::json(other),
    }
}

/// `parent.name`, or `name` at the root.
pub(super) fn child(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}
