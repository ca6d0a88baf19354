//! The two built-in kinds that a folder may hold: `v1/Secret` and `v1/ConfigMap`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::{
    decode::Go,
    field::FieldError,
    metadata::{OBJECT_META, config_key},
};

/// All values of one object together, in bytes.
const MAX_SIZE: usize = 1024 * 1024;

const SECRET: Go = Go::Struct(
    "Secret",
    &[
        ("apiVersion", Go::String),
        ("kind", Go::String),
        ("metadata", OBJECT_META),
        ("immutable", Go::Bool),
        ("data", Go::Map(&Go::Bytes)),
        ("stringData", Go::Map(&Go::String)),
        ("type", Go::Named("v1.SecretType")),
    ],
);

const CONFIG_MAP: Go = Go::Struct(
    "ConfigMap",
    &[
        ("apiVersion", Go::String),
        ("kind", Go::String),
        ("metadata", OBJECT_META),
        ("immutable", Go::Bool),
        ("data", Go::Map(&Go::String)),
        ("binaryData", Go::Map(&Go::Bytes)),
    ],
);

/// A built-in kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DataKind {
    Secret,
    ConfigMap,
}

impl DataKind {
    pub(super) fn go(self) -> Go {
        match self {
            Self::Secret => SECRET,
            Self::ConfigMap => CONFIG_MAP,
        }
    }

    /// What the apiserver does before it validates: `stringData` of a Secret is written over `data`, and the type set.
    pub(super) fn normalize(self, object: &mut Map<String, Value>) {
        object.retain(|_, value| !value.is_null());
        // The empty text is the zero value of what a null stands for.
        for values in object.iter_mut().filter(|(name, _)| name.to_lowercase().ends_with("data") && *name != "metadata")
        {
            if let Value::Object(map) = values.1 {
                map.values_mut().filter(|value| value.is_null()).for_each(|value| *value = "".into());
            }
        }
        if self == Self::Secret {
            if let Some(Value::Object(plain)) = object.remove("stringData") {
                let data = object.entry("data").or_insert_with(|| Value::Object(Map::new()));
                for (key, value) in plain {
                    data[key] = STANDARD.encode(value.as_str().unwrap_or_default()).into();
                }
            }
            let type_ = object.entry("type").or_insert_with(|| "Opaque".into());
            if type_ == "" {
                *type_ = "Opaque".into();
            }
        }
    }

    /// What is wrong with a normalized object beyond its metadata.
    pub(super) fn validate(self, object: &Map<String, Value>) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut size = 0;
        for bag in ["data", "binaryData"] {
            for (key, value) in object.get(bag).and_then(Value::as_object).into_iter().flatten() {
                let field = format!("{bag}[{key}]");
                let invalid = |message: &String| FieldError::invalid(&field, &Value::from(key.as_str()), message);
                errors.extend(config_key(key).iter().map(invalid));
                if bag == "data" && object.get("binaryData").is_some_and(|other| other.get(key).is_some()) {
                    errors.push(invalid(&"duplicate of key present in binaryData".to_owned()));
                }
                size += self.size(bag, value.as_str().unwrap_or_default());
            }
        }
        if size > MAX_SIZE {
            errors.push(FieldError::too_long(if self == Self::Secret { "data" } else { "" }, MAX_SIZE as u64));
        }
        if self == Self::Secret {
            let type_ = object.get("type").and_then(Value::as_str).unwrap_or_default();
            errors.extend(missing_keys(type_, object.get("data")));
        }
        errors
    }

    fn size(self, bag: &str, value: &str) -> usize {
        if self == Self::ConfigMap && bag == "data" {
            value.len()
        } else {
            STANDARD.decode(value).map_or(0, |v| v.len())
        }
    }
}

/// The keys that a type of Secret demands.
fn missing_keys(type_: &str, data: Option<&Value>) -> Vec<FieldError> {
    let has = |key: &str| data.is_some_and(|d| d.get(key).is_some());
    let missing = |keys: &[&str]| keys.iter().map(|key| FieldError::required(&format!("data[{key}]"), "")).collect();
    match type_ {
        "kubernetes.io/tls" => missing(&["tls.crt", "tls.key"].into_iter().filter(|key| !has(key)).collect::<Vec<_>>()),
        "kubernetes.io/ssh-auth" if !has("ssh-privatekey") => missing(&["ssh-privatekey"]),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => missing(&["username", "password"]),
        "kubernetes.io/dockercfg" if !has(".dockercfg") => missing(&[".dockercfg"]),
        "kubernetes.io/dockerconfigjson" if !has(".dockerconfigjson") => missing(&[".dockerconfigjson"]),
        _ => Vec::new(),
    }
}
