//! Fills `{{ path }}` in files from the manifest.
//!
//! `{{ displayName }}`, `{{ repository.name }}`, `{{ domains[0].name }}`, `{{ metadata.name }}`. GitHub's own
//! `${{ … }}` is left as it is, and `\{{` is two literal braces.

use forkable_crds::Fork;
use serde_json::{Value, json};

/// Why a placeholder cannot be filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    #[error(
        "{{{{ {path} }}}} names no field that is set{}; to keep the braces as they are, write \\{{{{",
        suggestion(nearest)
    )]
    Unknown { path: String, nearest: Vec<String> },
    #[error("{{{{ {path} }}}} is not text but an object, a list or nothing; name a field in it")]
    NotText { path: String },
    #[error("line {line}: {{{{ without }}}}; to keep the braces as they are, write \\{{{{")]
    Unclosed { line: usize },
}

fn suggestion(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!(" (nearest: {})", nearest.join(", ")) }
}

/// What placeholders may name: the fields of the spec, and `metadata.name` and `metadata.namespace`.
/// `displayName` is the object's name if the spec has none.
pub fn values(fork: &Fork) -> Value {
    let name = fork.metadata.name.as_deref().unwrap_or_default();
    let namespace = fork.metadata.namespace.as_deref().unwrap_or("default");
    let mut values = serde_json::to_value(&fork.spec).unwrap_or_default();
    if let Some(repository) = values.get_mut("repository").and_then(Value::as_object_mut) {
        repository.remove("files");
    }
    if let Some(fields) = values.as_object_mut() {
        fields.entry("displayName").or_insert_with(|| name.into());
        fields.insert("metadata".into(), json!({"name": name, "namespace": namespace}));
    }
    values
}

/// Fills in all placeholders, or says which cannot be filled.
pub fn fill(text: &str, values: &Value) -> Result<String, Vec<PlaceholderError>> {
    let mut filled = String::with_capacity(text.len());
    let mut errors = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let (before, opened) = rest.split_at(start);
        let inside = &opened[2..];
        if let Some(before) = before.strip_suffix('\\') {
            filled.push_str(before);
            filled.push_str("{{");
            rest = inside;
            continue;
        }
        filled.push_str(before);
        let Some(end) = inside.find("}}") else {
            if before.ends_with('$') {
                filled.push_str("{{");
                rest = inside;
                continue;
            }
            let line = text[..text.len() - opened.len()].lines().count().max(1);
            errors.push(PlaceholderError::Unclosed { line });
            break;
        };
        rest = &inside[end + 2..];
        if before.ends_with('$') {
            filled.push_str(&opened[..end + 4]);
            continue;
        }
        match text_at(inside[..end].trim(), values) {
            Ok(value) => filled.push_str(&value),
            Err(error) => errors.push(error),
        }
    }
    filled.push_str(rest);
    if errors.is_empty() { Ok(filled) } else { Err(errors) }
}

fn text_at(path: &str, values: &Value) -> Result<String, PlaceholderError> {
    match lookup(path, values) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
        Some(_) => Err(PlaceholderError::NotText { path: path.into() }),
        None => Err(PlaceholderError::Unknown { path: path.into(), nearest: nearest(path, values) }),
    }
}

/// `a.b[0].c` as the JSON pointer `/a/b/0/c`.
fn lookup<'a>(path: &str, values: &'a Value) -> Option<&'a Value> {
    let well_formed = path.chars().all(|c| c.is_ascii_alphanumeric() || "._[]-".contains(c));
    let pointer = format!("/{}", path.replace('[', ".").replace(']', "").replace('.', "/"));
    if well_formed && !path.is_empty() { values.pointer(&pointer) } else { None }
}

/// The three known paths that are spelt most alike.
fn nearest(path: &str, values: &Value) -> Vec<String> {
    let mut known = Vec::new();
    leaves("", values, &mut known);
    let mut ranked: Vec<_> = known.into_iter().map(|leaf| (distance(path, &leaf), leaf)).collect();
    ranked.sort();
    ranked.into_iter().take(3).map(|(_, leaf)| leaf).collect()
}

fn leaves(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(&path, value, found);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                leaves(&format!("{path}[{index}]"), value, found);
            }
        }
        Value::Null => {}
        Value::String(_) | Value::Number(_) | Value::Bool(_) => found.push(path.into()),
    }
}

/// Levenshtein's distance, without case.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Value {
        json!({
            "displayName": "Acme AI",
            "repository": {"name": "acme", "topics": ["a"]},
            "domains": [{"name": "acme.example.com"}],
            "metadata": {"name": "acme", "namespace": "default"},
            "release": {"revisionHistoryLimit": 10},
        })
    }

    #[test]
    fn texts_that_can_be_filled() {
        let cases = [
            ("no placeholder", "a { b } c", "a { b } c"),
            ("top level, with and without spaces", "{{displayName}}|{{  displayName  }}", "Acme AI|Acme AI"),
            ("nested and indexed", "{{ repository.name }} {{ domains[0].name }}", "acme acme.example.com"),
            ("metadata", "{{ metadata.namespace }}/{{ metadata.name }}", "default/acme"),
            ("a number", "{{ release.revisionHistoryLimit }}", "10"),
            ("GitHub's own expressions stay", "${{ secrets.X }} {{ displayName }}", "${{ secrets.X }} Acme AI"),
            ("escaped braces", r"\{{ displayName }} \{{", "{{ displayName }} {{"),
            ("a value is not filled again", "{{ displayName }}}}", "Acme AI}}"),
        ];
        for (why, text, expected) in cases {
            assert_eq!(fill(text, &known()).as_deref(), Ok(expected), "{why}");
        }
    }

    #[test]
    fn texts_that_cannot_be_filled() {
        let cases = [
            (
                "a misspelt path names its neighbours",
                "{{ displayname }}",
                "{{ displayname }} names no field that is set (nearest: displayName,",
            ),
            ("an index beyond the list", "{{ domains[1].name }}", "(nearest: domains[0].name,"),
            ("an object", "{{ repository }}", "{{ repository }} is not text"),
            ("a list", "{{ repository.topics }}", "{{ repository.topics }} is not text"),
            ("code, not a path", "style={{ color: 'red' }}", r"write \{{"),
            ("empty", "{{ }}", "names no field"),
            ("unclosed", "a\nb {{ displayName", "line 2: {{ without }}"),
        ];
        for (why, text, expected) in cases {
            let errors = fill(text, &known()).expect_err(why);
            assert_eq!(errors.len(), 1, "{why}");
            assert!(errors[0].to_string().contains(expected), "{why}: {}", errors[0]);
        }
    }

    #[test]
    fn all_errors_are_told_at_once() {
        assert_eq!(fill("{{ a }} {{ b }}", &known()).expect_err("two errors").len(), 2);
    }
}
