//! What a YAML scalar means to `kubectl`: YAML 1.1 as `go.yaml.in/yaml/v2` resolves it, then JSON as Go prints it.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Number, Value};

/// A resolved scalar.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Above `i64::MAX`.
    Uint(u64),
    Float(f64),
    Text(String),
}

static FLOAT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").expect("a constant pattern compiles")
});

/// The meaning of a plain scalar.
pub(super) fn resolve(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
        _ => number(text).unwrap_or_else(|| Scalar::Text(text.to_owned())),
    }
}

/// The meaning of a scalar with an explicit tag of YAML's own, such as `!!int`.
///
/// # Errors
/// The scalar is not of that type.
pub(super) fn resolve_tagged(tag: &str, text: &str) -> Result<Scalar, String> {
    let resolved = if tag == "str" { Scalar::Text(text.to_owned()) } else { resolve(text) };
    let fits = match (tag, &resolved) {
        ("str", _)
        | ("null", Scalar::Null)
        | ("bool", Scalar::Bool(_))
        | ("float", Scalar::Float(_))
        | ("int", Scalar::Int(_) | Scalar::Uint(_)) => true,
        #[expect(clippy::cast_precision_loss, reason = "that is what the tag asks for")]
        ("float", Scalar::Int(n)) => return Ok(Scalar::Float(*n as f64)),
        _ => false,
    };
    // Without the text itself, which `kubectl` would show: it may be a secret.
    if fits { Ok(resolved) } else { Err(format!("cannot decode !!{} as a !!{tag}", resolved.tag())) }
}

fn number(text: &str) -> Option<Scalar> {
    match text.as_bytes().first()? {
        b'.' if underscores_between_digits(text) => finite(&text.replace('_', "")),
        b'0'..=b'9' | b'+' | b'-' => {
            let plain = text.replace('_', "");
            integer(&plain).or_else(|| FLOAT.is_match(&plain).then(|| finite(&plain)).flatten())
        }
        _ => None,
    }
}

fn underscores_between_digits(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    bytes.iter().enumerate().all(|(at, b)| *b != b'_' || (at > 0 && is_digit(at - 1) && is_digit(at + 1)))
}

/// Go's `ParseFloat` refuses what overflows and the words for infinity and NaN do not start like this.
fn finite(text: &str) -> Option<Scalar> {
    text.parse().ok().filter(|f: &f64| f.is_finite()).map(Scalar::Float)
}

/// Go's `ParseInt(…, 0, 64)`, then `ParseUint`: prefixes `0x`, `0o`, `0b`, and a plain `0` for octal.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.chars().next()?.is_digit(radix) {
        return None;
    }
    let magnitude = i128::from(u64::from_str_radix(digits, radix).ok()?);
    let value = if negative { -magnitude } else { magnitude };
    match i64::try_from(value) {
        Ok(value) => Some(Scalar::Int(value)),
        Err(_) if text.starts_with(['-', '+']) => None,
        Err(_) => u64::try_from(value).ok().map(Scalar::Uint),
    }
}

impl Scalar {
    fn tag(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::Uint(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
        }
    }

    /// The scalar as JSON. Go prints a float without fraction as an integer, and that is how the server reads it.
    ///
    /// # Errors
    /// JSON has no infinity and no NaN.
    pub(super) fn into_json(self) -> Result<Value, String> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::from(value),
            #[expect(clippy::cast_precision_loss, reason = "the server reads what is above i64 as a float")]
            Self::Uint(value) => Value::from(value as f64),
            Self::Float(value) => json_number(value).ok_or("unsupported value: JSON has neither infinity nor NaN")?,
            Self::Text(text) => Value::String(text),
        })
    }

    /// The scalar as a key: numbers and booleans become text.
    ///
    /// # Errors
    /// A null is no key.
    pub(super) fn into_key(self) -> Result<String, String> {
        Ok(match self {
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            #[expect(clippy::cast_possible_truncation, reason = "Go prints float keys with 32 bits")]
            Self::Float(value) => super::super::go::float(f64::from(value as f32)),
            Self::Text(text) => text,
            Self::Null | Self::Uint(_) => return Err(format!("unsupported map key of type !!{}", self.tag())),
        })
    }
}

/// A finite number as the server reads it: an integer if it has no fraction and fits. Go prints the shortest digits
/// that mean the number and the server reads those.
pub(super) fn json_number(value: f64) -> Option<Value> {
    format!("{value}").parse().map(|n: i64| Value::from(n)).ok().or_else(|| Number::from_f64(value).map(Value::Number))
}
