//! Admission: which objects are taken, and in what form, decided as the Kubernetes apiserver does.
//!
//! The schema and the CEL rules are those of the CRDs themselves. The steps and their order are the apiserver's:
//! decode strictly, set defaults, drop nulls, check metadata, structure and lists, and run the rules if nothing
//! earlier stands in their way. The messages are its messages, as `kubectl` prints them. Not done: ratcheting (an old
//! error in a part that did not change is reported again) and the cost limits of CEL.

mod coerce;
mod data;
mod decode;
mod field;
mod go;
pub mod manifest;
mod metadata;
mod rules;
mod schema;
mod structure;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use forkable_core::store::Kind as _;
use forkable_crds::{AlertRule, Deployment, Fork};
use serde_json::{Map, Value};

pub use field::{FieldError, Reason};
pub use schema::UnsupportedSchema;

use data::DataKind;
use schema::Schema;

/// The kinds that are known and how each is admitted.
pub struct Admission {
    /// By `apiVersion` and `kind`.
    kinds: BTreeMap<(String, String), Kind>,
}

enum Kind {
    Custom(Box<Schema>),
    Data(DataKind),
}

/// Why an object was refused; prints what `kubectl` prints about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is not an object of the API at all, or has unknown fields or fields of a wrong type.
    Malformed { message: String, field: Option<String> },
    /// No such kind.
    UnknownKind { api_version: String, kind: String, known: Vec<String> },
    /// It breaks the schema or the rules.
    Invalid { kind: String, name: String, errors: Vec<FieldError> },
}

impl Refused {
    fn malformed(message: impl Into<String>) -> Self {
        Self::Malformed { message: message.into(), field: None }
    }

    /// The field to look at first.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Malformed { field, .. } => field.as_deref(),
            Self::UnknownKind { .. } => Some("kind"),
            Self::Invalid { errors, .. } => errors.first().map(FieldError::field),
        }
    }

    /// The fields that are wrong, if that is why.
    pub fn errors(&self) -> &[FieldError] {
        match self {
            Self::Invalid { errors, .. } => errors,
            Self::Malformed { .. } | Self::UnknownKind { .. } => &[],
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { message, .. } => f.write_str(message),
            Self::UnknownKind { api_version, kind, known } => {
                write!(f, "no matches for kind {} in version {}", go::quote(kind), go::quote(api_version))?;
                write!(f, " (known kinds: {})", known.join(", "))
            }
            Self::Invalid { kind, name, errors } => {
                write!(f, "The {kind} {} is invalid: ", go::quote(name))?;
                match &errors[..] {
                    [error] => write!(f, "{error}"),
                    errors => errors.iter().try_for_each(|error| write!(f, "\n* {error}")),
                }
            }
        }
    }
}

impl std::error::Error for Refused {}

impl Default for Admission {
    fn default() -> Self {
        Self::new()
    }
}

impl Admission {
    /// Admission of the kinds of this group, `v1/Secret` and `v1/ConfigMap`.
    pub fn new() -> Self {
        let mut kinds = BTreeMap::new();
        for document in manifest::read_yaml(forkable_crds::YAML).expect("the CRDs are YAML; a test reads them") {
            let spec = &document.value["spec"];
            let text = |value: &Value| value.as_str().map(str::to_owned).expect("the apiserver takes the CRDs");
            let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
            for version in spec["versions"].as_array().into_iter().flatten() {
                let schema = Schema::compile(&version["schema"]["openAPIV3Schema"], &kind)
                    .expect("the CRDs use supported keywords; a test compiles them");
                let key = (format!("{group}/{}", text(&version["name"])), kind.clone());
                kinds.insert(key, Kind::Custom(Box::new(schema)));
            }
        }
        kinds.insert(("v1".into(), "Secret".into()), Kind::Data(DataKind::Secret));
        kinds.insert(("v1".into(), "ConfigMap".into()), Kind::Data(DataKind::ConfigMap));
        Self { kinds }
    }

    /// Whether objects of the kind are admitted at all.
    pub fn knows(&self, api_version: &str, kind: &str) -> bool {
        self.kinds.contains_key(&(api_version.to_owned(), kind.to_owned()))
    }

    /// Takes an object, defaulted and with only the metadata that a manifest decides, or says what is wrong with it.
    /// `old` is the object that it replaces, for rules about transitions.
    ///
    /// # Errors
    /// [`Refused`], with the messages of the apiserver.
    pub fn admit(&self, object: Value, old: Option<&Value>) -> Result<Value, Refused> {
        let Value::Object(object) = object else { return Err(Refused::malformed("invalid object to validate")) };
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        if api_version.is_empty() {
            return Err(Refused::malformed("apiVersion not set"));
        }
        if kind.is_empty() {
            return Err(Refused::malformed("kind not set"));
        }
        let key = (api_version, kind);
        match self.kinds.get(&key) {
            Some(Kind::Custom(schema)) => admit_custom(schema, &key.1, object, old),
            Some(Kind::Data(data)) => admit_data(*data, &key.1, object),
            None => {
                let known = self.kinds.keys().map(|(api_version, kind)| format!("{api_version}/{kind}")).collect();
                Err(Refused::UnknownKind { api_version: key.0, kind: key.1, known })
            }
        }
    }
}

fn admit_custom(
    schema: &Schema,
    kind: &str,
    object: Map<String, Value>,
    old: Option<&Value>,
) -> Result<Value, Refused> {
    let raw = object.get("metadata").cloned().unwrap_or(Value::Null);
    let mut unknown = decode::decode(&metadata::rooted(&raw), metadata::ROOTED).map_err(Refused::malformed)?;
    let mut object = Value::Object(object);
    coerce::default(&mut object, schema);
    unknown.extend(coerce::remove_unknown(&mut object, schema));
    strict(&unknown)?;
    coerce::remove_nulls(&mut object, Some(schema));

    let Value::Object(map) = &mut object else { unreachable!("an object stays an object") };
    // The status belongs to the program.
    map.remove("status");
    let (declared, mut errors) = declared_metadata(&raw)?;
    map.insert("metadata".into(), Value::Object(declared.clone()));
    structure::validate(schema, &object, "", &mut errors);
    structure::check_lists(schema, &object, "", &mut errors);
    if errors.iter().any(|error| error.reason().blocks_rules()) {
        errors.push(FieldError::invalid(
            "",
            &Value::Null,
            "some validation rules were not checked because the object was invalid; correct the existing errors to \
             complete validation",
        ));
    } else {
        rules::validate(schema, &object, old, "", &mut errors);
    }
    conclude(kind, &declared, errors)?;
    typed(kind, &object)?;
    Ok(object)
}

/// Reads the object into its Rust type: the apiserver lets through a few values that no typed client can read.
fn typed(kind: &str, object: &Value) -> Result<(), Refused> {
    let read = match kind {
        Fork::KIND => Fork::from_json(object).map(drop),
        AlertRule::KIND => AlertRule::from_json(object).map(drop),
        Deployment::KIND => Deployment::from_json(object).map(drop),
        _ => Ok(()),
    };
    read.map_err(|error| Refused::malformed(format!("the {kind} cannot be read: {error}")))
}

fn admit_data(data: DataKind, kind: &str, mut object: Map<String, Value>) -> Result<Value, Refused> {
    strict(&decode::decode(&Value::Object(object.clone()), data.go()).map_err(Refused::malformed)?)?;
    data.normalize(&mut object);
    let (declared, mut errors) = declared_metadata(object.get("metadata").unwrap_or(&Value::Null))?;
    errors.extend(data.validate(&object));
    conclude(kind, &declared, errors)?;
    object.insert("metadata".into(), Value::Object(declared));
    Ok(Value::Object(object))
}

fn declared_metadata(raw: &Value) -> Result<(Map<String, Value>, Vec<FieldError>), Refused> {
    let text = |name: &str| raw.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("name").is_empty() && !text("generateName").is_empty() {
        return Err(Refused::malformed("cannot use generate name with apply"));
    }
    let declared = metadata::declared(raw);
    let errors = metadata::validate(&declared);
    Ok((declared, errors))
}

fn strict(unknown: &[String]) -> Result<(), Refused> {
    if unknown.is_empty() {
        return Ok(());
    }
    let fields: Vec<_> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
    let message = format!("strict decoding error: {}", fields.join(", "));
    Err(Refused::Malformed { message, field: unknown.first().cloned() })
}

fn conclude(kind: &str, metadata: &Map<String, Value>, mut errors: Vec<FieldError>) -> Result<(), Refused> {
    let mut seen = std::collections::BTreeSet::new();
    errors.retain(|error| seen.insert(error.to_string()));
    if errors.is_empty() {
        return Ok(());
    }
    let name = metadata.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    Err(Refused::Invalid { kind: kind.to_owned(), name, errors })
}
