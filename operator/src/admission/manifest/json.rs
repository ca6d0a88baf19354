//! JSON manifests: one object after another, keys unique, numbers as the server reads them.

use std::{collections::HashMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{Document, Position, SyntaxError, scalar::json_number};

pub(super) fn documents(text: &str) -> Result<Vec<Document>, SyntaxError> {
    let mut documents = Vec::new();
    let mut rest = text;
    while !rest.trim_start().is_empty() {
        let offset = text.len() - rest.trim_start().len();
        let start = position_at(text, offset);
        let mut stream = serde_json::Deserializer::from_str(&text[offset..]).into_iter::<Strict>();
        let value = stream.next().transpose().map_err(|error| SyntaxError {
            position: Position {
                line: start.line + error.line().saturating_sub(1),
                column: if error.line() <= 1 {
                    start.column + error.column().saturating_sub(1)
                } else {
                    error.column()
                },
            },
            message: without_position(&error.to_string()),
        })?;
        rest = &text[offset + stream.byte_offset()..];
        if let Some(Strict(value)) = value.filter(|v| !v.0.is_null()) {
            documents.push(Document { value, index: documents.len(), start, positions: HashMap::new() });
        }
    }
    Ok(documents)
}

fn position_at(text: &str, offset: usize) -> Position {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Position { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

/// serde_json appends ` at line 1 column 2`, which is said elsewhere.
fn without_position(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(text, _)| text).to_owned()
}

/// A JSON value of which no object has a key twice.
struct Strict(Value);

impl<'de> serde::Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StrictSeed.deserialize(deserializer).map(Self)
    }
}

#[derive(Clone, Copy)]
struct StrictSeed;

impl<'de> DeserializeSeed<'de> for StrictSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "the server reads what is above i64 as a float")]
        i64::try_from(value).map_or_else(|_| self.visit_f64(value as f64), |value| Ok(Value::from(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        json_number(value).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(self)?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("key {key:?} already set in map")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
