//! Small changes to a manifest as a person would make them: lines are put in or taken out, and all others, comments
//! too, stay as they are. A change counts only if the text then says what was meant and nothing else.

use serde_json::{Map, Value, json};

use crate::admission::manifest::{self, Document, Position};

/// One field of a document.
pub(super) struct Field<'a> {
    /// Keys from the root; all but the last are objects.
    pub(super) path: &'a [&'a str],
    /// What it shall be; gone, if `None`.
    pub(super) value: Option<Value>,
}

/// The text of a YAML file with one field of one document set or taken away; `None` if lines alone do not do it, such
/// as in a flow mapping.
pub(super) fn edited(text: &str, document: &Document, field: &Field<'_>) -> Option<String> {
    let without = match lookup(&document.value, field.path) {
        Some(_) => without(text, document, field.path)?,
        None => text.to_owned(),
    };
    let next = match &field.value {
        None => without,
        Some(value) => {
            let document = manifest::read_yaml(&without).ok()?.into_iter().find(|it| it.index == document.index)?;
            with(&without, &document, field.path, value)?
        }
    };
    says_what_was_meant(text, &next, document, field).then_some(next)
}

/// The lines to write below the parent of a field, without indentation.
pub(super) fn lines(key: &str, value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let below = fields.iter().flat_map(|(key, value)| lines(key, value)).map(|line| format!("  {line}"));
            std::iter::once(format!("{key}:")).chain(below).collect()
        }
        // A JSON scalar is YAML too.
        scalar => vec![format!("{key}: {scalar}")],
    }
}

fn lookup<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// Where a key is, if it is written there.
fn key_position(document: &Document, path: &[&str]) -> Option<Position> {
    lookup(&document.value, path)?;
    Some(document.position(&path.join(".")))
}

/// The text without the lines of a field, which end where something begins that is not deeper.
fn without(text: &str, document: &Document, path: &[&str]) -> Option<String> {
    let Position { line, column } = key_position(document, path)?;
    let mut out = String::with_capacity(text.len());
    let mut gone = false;
    // Blank lines and comments behind the field may belong to what comes next.
    let mut undecided = String::new();
    for (number, text) in text.split_inclusive('\n').enumerate().map(|(index, text)| (index + 1, text)) {
        let content = text.trim();
        if number == line {
            gone = true;
        } else if !gone {
            out.push_str(text);
        } else if content.is_empty() || content.starts_with('#') {
            undecided.push_str(text);
        } else if indentation(text) < column {
            gone = false;
            out.push_str(&std::mem::take(&mut undecided));
            out.push_str(text);
        } else {
            undecided.clear();
        }
    }
    Some(out + &undecided)
}

/// The text with lines for a field that is not there, as the first of its parent.
fn with(text: &str, document: &Document, path: &[&str], value: &Value) -> Option<String> {
    let (key, parents) = path.split_last()?;
    let written = (0..=parents.len()).rev().find(|depth| lookup(&document.value, &parents[..*depth]).is_some())?;
    // Objects in between that are not written yet come with the field.
    let (key, value) = parents[written..].iter().rev().fold((*key, value.clone()), |(key, value), parent| {
        (*parent, Value::Object(Map::from_iter([(key.to_owned(), value)])))
    });
    let parent = key_position(document, &parents[..written]).filter(|_| written > 0)?;
    let deeper = |text: &&str| !text.trim().is_empty() && !text.trim_start().starts_with('#');
    let child = text.lines().skip(parent.line).find(deeper).map(indentation).filter(|&child| child + 1 > parent.column);
    let indent = " ".repeat(child.unwrap_or(parent.column + 1));
    let mut out = String::with_capacity(text.len() + 64);
    for (index, text) in text.split_inclusive('\n').enumerate() {
        out.push_str(text);
        if index + 1 == parent.line {
            if !text.ends_with('\n') {
                out.push('\n');
            }
            for line in lines(key, &value) {
                out.extend([indent.as_str(), &line, "\n"]);
            }
        }
    }
    Some(out)
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn says_what_was_meant(before: &str, after: &str, document: &Document, field: &Field<'_>) -> bool {
    let values = |text| {
        let documents = manifest::read_yaml(text).ok()?;
        Some(documents.into_iter().map(|document| (document.index, document.value)).collect::<Vec<_>>())
    };
    let (Some(mut wanted), Some(now)) = (values(before), values(after)) else { return false };
    for (index, value) in &mut wanted {
        if *index == document.index {
            set(value, field.path, field.value.clone());
        }
    }
    wanted == now
}

fn set(value: &mut Value, path: &[&str], to: Option<Value>) {
    let Some((first, rest)) = path.split_first() else { return };
    let Value::Object(fields) = value else { return };
    match (rest.is_empty(), to) {
        (true, Some(to)) => drop(fields.insert((*first).to_owned(), to)),
        (true, None) => drop(fields.remove(*first)),
        (false, to) => set(fields.entry(*first).or_insert_with(|| json!({})), rest, to),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "\
# ours
kind: Secret
---
apiVersion: forkable.dev/v1alpha1 # the product
kind: Fork
metadata:
  name: acme
spec:   # all of it
    # the template
    template: {owner: a, repo: b}

    env:
      - name: A # first
        value: |
          suspend:
            reason: not this
";

    fn edit(text: &str, path: &[&str], value: Option<Value>) -> Option<String> {
        let document = manifest::read_yaml(text).expect("YAML").pop().expect("a document");
        edited(text, &document, &Field { path, value })
    }

    #[test]
    fn a_field_is_put_in_and_taken_out_without_touching_another_line() {
        let suspend = json!({ "reason": "moving: \"soon\" # not a comment", "until": "2026-01-01T00:00:00Z" });
        let with = edit(MANIFEST, &["spec", "suspend"], Some(suspend)).expect("can be done");
        let added = "    suspend:\n      reason: \"moving: \\\"soon\\\" # not a comment\"\n      until: \"2026-01-01T00:00:00Z\"\n";
        assert_eq!(with, MANIFEST.replace("# all of it\n", &format!("# all of it\n{added}")));
        assert_eq!(edit(&with, &["spec", "suspend"], None).as_deref(), Some(MANIFEST), "and back");
        let other = edit(&with, &["spec", "suspend"], Some(json!({ "reason": "other" }))).expect("can be done");
        assert_eq!(other.matches("reason: \"other\"").count(), 1);
        assert!(!other.contains("moving"), "{other}");
    }

    #[test]
    fn an_object_that_is_not_written_yet_comes_with_its_field() {
        let path = ["metadata", "annotations", "forkable.dev/adopt"];
        let once = edit(MANIFEST, &path, Some(json!("true"))).expect("can be done");
        let added = "metadata:\n  annotations:\n    forkable.dev/adopt: \"true\"\n  name: acme\n";
        assert!(once.contains(added), "{once}");
        let twice = edit(&once, &path, Some(json!("false"))).expect("can be done");
        assert_eq!(twice, once.replace("\"true\"", "\"false\""));
    }

    #[test]
    fn what_lines_cannot_say_is_left_to_a_person() {
        let flow = "kind: Fork\nmetadata: {name: acme}\nspec: {template: {owner: a}}\n";
        assert_eq!(edit(flow, &["spec", "suspend"], Some(json!({ "reason": "r" }))), None);
        let anchored = "kind: Fork\nspec: &all\n  a: 1\n  suspend: {reason: r}\nother: *all\n";
        assert_eq!(edit(anchored, &["spec", "suspend"], None), None, "it would change what the alias says too");
        assert_eq!(edit("kind: Fork\nspec:\n- a\n", &["spec", "suspend"], Some(json!({}))), None);
    }

    #[test]
    fn lines_behind_the_field_stay_with_what_follows() {
        let text = "kind: Fork\nspec:\n  suspend:\n    reason: r\n\n  # of env\n  env: []\n";
        assert_eq!(
            edit(text, &["spec", "suspend"], None).as_deref(),
            Some("kind: Fork\nspec:\n\n  # of env\n  env: []\n")
        );
        let last = "kind: Fork\nspec:\n  env: []\n  suspend:\n    reason: r";
        assert_eq!(edit(last, &["spec", "suspend"], None).as_deref(), Some("kind: Fork\nspec:\n  env: []\n"));
    }
}
