//! Decoding into Go types: what `encoding/json` says when a value does not fit, and which fields it does not know.

use serde_json::Value;

use super::field::child;

/// The Go type of a field, as far as messages and strictness depend on it.
#[derive(Clone, Copy)]
pub(super) enum Go {
    String,
    /// A string type with a name of its own.
    Named(&'static str),
    Bool,
    Int64,
    /// An RFC 3339 time.
    Time,
    /// `[]byte`: base64 in JSON.
    Bytes,
    Map(&'static Go),
    List(&'static Go),
    Struct(&'static str, &'static [(&'static str, Go)]),
    /// Not looked into.
    Any,
}

impl Go {
    fn name(self) -> String {
        match self {
            Self::String => "string".into(),
            Self::Named(name) => name.into(),
            Self::Bool => "bool".into(),
            Self::Int64 => "int64".into(),
            Self::Time => "v1.Time".into(),
            Self::Bytes => "[]uint8".into(),
            Self::Map(value) => format!("map[string]{}", value.name()),
            Self::List(item) => format!("[]{}", item.name()),
            Self::Struct(name, _) => format!("v1.{name}"),
            Self::Any => "interface {}".into(),
        }
    }
}

/// Checks that `value` decodes into `type_`. Answers the paths of unknown fields.
///
/// # Errors
/// The text that `encoding/json` has for the first value that does not fit.
pub(super) fn decode(value: &Value, type_: Go) -> Result<Vec<String>, String> {
    let mut unknown = Vec::new();
    visit(value, type_, &Place { owner: "", fields: String::new(), at: String::new() }, &mut unknown)?;
    Ok(unknown)
}

/// Where a value is: the struct that holds it and the fields down to it without indexes and map keys, as
/// `encoding/json` names it, and the whole path, as unknown fields are named.
struct Place {
    owner: &'static str,
    fields: String,
    at: String,
}

impl Place {
    fn field(&self, owner: &'static str, name: &str) -> Self {
        Self { owner, fields: child(&self.fields, name), at: child(&self.at, name) }
    }

    fn inside(&self, suffix: &str) -> Self {
        Self { owner: self.owner, fields: self.fields.clone(), at: format!("{}{suffix}", self.at) }
    }
}

fn visit(value: &Value, type_: Go, place: &Place, unknown: &mut Vec<String>) -> Result<(), String> {
    match (type_, value) {
        // A null leaves the field as it is.
        (_, Value::Null)
        | (Go::Any, _)
        | (Go::String | Go::Named(_), Value::String(_))
        | (Go::Bool, Value::Bool(_)) => Ok(()),
        (Go::Int64, Value::Number(number)) if number.is_i64() => Ok(()),
        (Go::Int64, Value::Number(number)) => Err(mismatch(&format!("number {number}"), type_, place)),
        (Go::Time, Value::String(text)) => text.parse::<jiff::Timestamp>().map(drop).map_err(|_| {
            format!(r#"parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse "{text}" as "2006""#)
        }),
        (Go::Bytes, Value::String(text)) => match corrupt_base64(text.as_bytes()) {
            Some(at) => Err(format!("illegal base64 data at input byte {at}")),
            None => Ok(()),
        },
        (Go::Map(values), Value::Object(map)) => {
            map.iter().try_for_each(|(key, value)| visit(value, *values, &place.inside(&format!(".{key}")), unknown))
        }
        (Go::List(items), Value::Array(list)) => list
            .iter()
            .enumerate()
            .try_for_each(|(i, item)| visit(item, *items, &place.inside(&format!("[{i}]")), unknown)),
        (Go::Struct(owner, fields), Value::Object(map)) => {
            for (name, value) in map {
                let place = place.field(owner, name);
                match fields.iter().find(|(known, _)| known == name) {
                    Some((_, type_)) => visit(value, *type_, &place, unknown)?,
                    None => unknown.push(place.at),
                }
            }
            Ok(())
        }
        _ => Err(mismatch(json_name(value), type_, place)),
    }
}

fn json_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn mismatch(found: &str, type_: Go, place: &Place) -> String {
    let Place { owner, fields, .. } = place;
    format!("json: cannot unmarshal {found} into Go struct field {owner}.{fields} of type {}", type_.name())
}

/// Offset of the first byte that Go's `base64.StdEncoding` refuses.
fn corrupt_base64(text: &[u8]) -> Option<usize> {
    let is_newline = |b: &u8| matches!(b, b'\n' | b'\r');
    let mut significant = text.iter().copied().enumerate().filter(|(_, b)| !is_newline(b));
    loop {
        for position in 0..4 {
            let Some((at, byte)) = significant.next() else {
                return (position > 0).then(|| text.len() - position);
            };
            if byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/' {
                continue;
            }
            if byte != b'=' || position < 2 {
                return Some(at);
            }
            if position == 2 {
                match significant.next() {
                    None => return Some(text.len()),
                    Some((_, b'=')) => {}
                    Some(_) => return Some(at),
                }
            }
            return significant.next().map(|(at, _)| at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_refused_where_go_refuses_it() {
        for (text, at) in [
            ("", None),
            ("YQ==", None),
            ("YWI=", None),
            ("YW\nJj", None),
            ("%%", Some(0)),
            ("YQ", Some(0)),
            ("YWJjY", Some(4)),
            ("YQ=", Some(3)),
            ("YQ=x", Some(2)),
            ("Y\nQ", Some(1)),
            ("YQ==YQ==", Some(4)),
            ("Y===", Some(1)),
            ("ab cd", Some(2)),
        ] {
            assert_eq!(corrupt_base64(text.as_bytes()), at, "{text:?}");
        }
    }
}
