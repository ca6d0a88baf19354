//! The structural schema of a CRD in the form that admission walks: patterns and CEL rules are compiled once.

use std::collections::BTreeMap;

use kube::core::cel::{CompiledSchema, compile_schema};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The JSON type of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

impl Type {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

/// Formats that the apiserver checks and that CRDs of this group use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Format {
    #[serde(rename = "date-time")]
    DateTime,
    #[serde(rename = "int32")]
    Int32,
    #[serde(rename = "int64")]
    Int64,
    #[serde(rename = "float")]
    Float,
    #[serde(rename = "double")]
    Double,
}

impl Format {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DateTime => "date-time",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float => "float",
            Self::Double => "double",
        }
    }
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ListType {
    #[default]
    Atomic,
    Set,
    Map,
}

/// The keywords of one node. A keyword that is not here is one that admission does not know: the schema is then
/// refused, since its manifests would be accepted here and rejected by a cluster.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Keywords {
    #[serde(rename = "type")]
    type_: Type,
    format: Option<Format>,
    #[serde(default)]
    nullable: bool,
    default: Option<Value>,
    #[serde(default)]
    properties: Map<String, Value>,
    additional_properties: Option<Value>,
    items: Option<Value>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default, rename = "enum")]
    values: Vec<Value>,
    minimum: Option<f64>,
    maximum: Option<f64>,
    #[serde(default)]
    exclusive_minimum: bool,
    #[serde(default)]
    exclusive_maximum: bool,
    min_length: Option<u64>,
    max_length: Option<u64>,
    pattern: Option<String>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    min_properties: Option<u64>,
    max_properties: Option<u64>,
    #[serde(default, rename = "x-kubernetes-list-type")]
    list_type: ListType,
    #[serde(default, rename = "x-kubernetes-list-map-keys")]
    list_keys: Vec<String>,
    #[serde(rename = "x-kubernetes-map-type")]
    _map_type: Option<String>,
    #[serde(rename = "x-kubernetes-validations")]
    rules: Option<Value>,
    #[serde(rename = "title")]
    _title: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
}

/// A node of the schema.
pub(super) struct Schema {
    pub(super) type_: Type,
    pub(super) format: Option<Format>,
    pub(super) nullable: bool,
    pub(super) default: Option<Value>,
    pub(super) properties: BTreeMap<String, Schema>,
    pub(super) additional: Option<Box<Schema>>,
    pub(super) items: Option<Box<Schema>>,
    pub(super) required: Vec<String>,
    pub(super) values: Vec<Value>,
    pub(super) minimum: Option<Bound>,
    pub(super) maximum: Option<Bound>,
    pub(super) min_length: Option<u64>,
    pub(super) max_length: Option<u64>,
    pub(super) pattern: Option<Regex>,
    pub(super) min_items: Option<u64>,
    pub(super) max_items: Option<u64>,
    pub(super) min_properties: Option<u64>,
    pub(super) max_properties: Option<u64>,
    pub(super) list_type: ListType,
    pub(super) list_keys: Vec<String>,
    /// The rules of this node alone; those of its children are with the children.
    pub(super) rules: Option<CompiledSchema>,
}

/// A limit of a number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) limit: f64,
    pub(super) exclusive: bool,
}

/// A schema that admission cannot enforce as the apiserver would.
#[derive(Debug, thiserror::Error)]
#[error("{at}: {reason}")]
pub struct UnsupportedSchema {
    at: String,
    reason: String,
}

impl Schema {
    /// Compiles the schema at `at`.
    pub(super) fn compile(json: &Value, at: &str) -> Result<Self, UnsupportedSchema> {
        let fail = |reason: String| UnsupportedSchema { at: at.to_owned(), reason };
        let node: Keywords = serde_json::from_value(json.clone()).map_err(|e| fail(e.to_string()))?;
        let one = |child: &Value, name: &str| Self::compile(child, &format!("{at}{name}"));
        let boxed = |child: Option<&Value>, name: &str| child.map(|c| one(c, name).map(Box::new)).transpose();
        Ok(Self {
            type_: node.type_,
            format: node.format,
            nullable: node.nullable,
            default: node.default.filter(|d| !d.is_null()),
            properties: node
                .properties
                .iter()
                .map(|(name, child)| Ok((name.clone(), one(child, &format!(".{name}"))?)))
                .collect::<Result<_, _>>()?,
            additional: boxed(node.additional_properties.as_ref(), "{}")?,
            items: boxed(node.items.as_ref(), "[]")?,
            required: node.required,
            values: node.values,
            minimum: node.minimum.map(|limit| Bound { limit, exclusive: node.exclusive_minimum }),
            maximum: node.maximum.map(|limit| Bound { limit, exclusive: node.exclusive_maximum }),
            min_length: node.min_length,
            max_length: node.max_length,
            pattern: node.pattern.as_deref().map(pattern).transpose().map_err(fail)?,
            min_items: node.min_items,
            max_items: node.max_items,
            min_properties: node.min_properties,
            max_properties: node.max_properties,
            list_type: node.list_type,
            list_keys: node.list_keys,
            rules: node.rules.map(|_| rules(json)).transpose().map_err(fail)?,
        })
    }
}

/// Go's `\d`, `\s`, `\w` and `\b` know ASCII only and Rust's do not, so a pattern with them would differ.
fn pattern(text: &str) -> Result<Regex, String> {
    if ["\\d", "\\s", "\\w", "\\b", "\\D", "\\S", "\\W", "\\B"].iter().any(|class| text.contains(class)) {
        return Err(format!("pattern {text} has a Perl class: write it out, Go and Rust read it differently"));
    }
    Regex::new(text).map_err(|e| e.to_string())
}

fn rules(json: &Value) -> Result<CompiledSchema, String> {
    let mut own = json.clone();
    let node = own.as_object_mut().ok_or("not an object")?;
    for children in ["properties", "items", "additionalProperties"] {
        if let Some(child) = node.get_mut(children) {
            strip_rules(child);
        }
    }
    let compiled = compile_schema(&own);
    match compiled.compilation_errors().first() {
        Some(error) => Err(error.to_string()),
        None => Ok(compiled),
    }
}

fn strip_rules(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("x-kubernetes-validations");
            map.values_mut().for_each(strip_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_rules),
        _ => {}
    }
}
