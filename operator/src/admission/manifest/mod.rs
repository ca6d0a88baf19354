//! Reading manifests as `kubectl` does: several documents, YAML 1.1 scalars, anchors and merge keys, or JSON.
//!
//! Stricter than `kubectl` in one thing: a key that occurs twice is refused, where `kubectl` takes the last one.

mod compose;
mod json;
mod scalar;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, fmt};

use serde_json::Value;

/// One document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it says, as JSON.
    pub value: Value,
    /// Position in the file, from 0; empty documents count.
    pub index: usize,
    /// Where it begins.
    pub start: Position,
    /// Where each field is, by its path as in messages, such as `spec.env[0].name`. Empty for JSON.
    positions: HashMap<String, Position>,
}

impl Document {
    /// The objects that it declares: itself, or what a `v1/List` lists.
    fn objects(self) -> Vec<Self> {
        let is_list = self.value["kind"] == "List" && self.value["apiVersion"] == "v1";
        let Some(items) = self.value.get("items").and_then(Value::as_array).filter(|_| is_list) else {
            return vec![self];
        };
        let item = |(i, value): (usize, &Value)| {
            let (at, below) = (format!("items[{i}]"), format!("items[{i}]."));
            let positions = self.positions.iter();
            let positions = positions.filter_map(|(path, at)| Some((path.strip_prefix(&below)?.to_owned(), *at)));
            Self { value: value.clone(), index: self.index, start: self.position(&at), positions: positions.collect() }
        };
        items.iter().enumerate().map(item).collect()
    }

    /// Where the field is, or the nearest thing around it that is written.
    pub fn position(&self, field: &str) -> Position {
        let mut path = field;
        loop {
            if let Some(position) = self.positions.get(path) {
                return *position;
            }
            match path.rfind(['.', '[']) {
                Some(at) => path = &path[..at],
                None => return self.start,
            }
        }
    }
}

/// A place in a file: line and column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// A text that is not a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    pub position: Position,
    pub message: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.position.line, self.position.column, self.message)
    }
}

impl std::error::Error for SyntaxError {}

/// The objects of a file: JSON if its name says so, else YAML; lists are taken apart.
///
/// # Errors
/// The first place that cannot be read.
pub fn read(file_name: &str, text: &str) -> Result<Vec<Document>, SyntaxError> {
    let is_json = file_name.rsplit_once('.').is_some_and(|(_, extension)| extension == "json");
    let documents = if is_json { read_json(text) } else { read_yaml(text) }?;
    Ok(documents.into_iter().flat_map(Document::objects).collect())
}

/// The documents of a YAML text, without the empty ones.
///
/// # Errors
/// The first place that is not YAML, or has a key twice.
pub fn read_yaml(text: &str) -> Result<Vec<Document>, SyntaxError> {
    compose::documents(text)
}

/// The objects of a JSON text.
///
/// # Errors
/// The first place that is not JSON, or has a key twice.
pub fn read_json(text: &str) -> Result<Vec<Document>, SyntaxError> {
    json::documents(text)
}
