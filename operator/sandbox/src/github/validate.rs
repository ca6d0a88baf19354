//! Request bodies against GitHub's published description.
//!
//! `requests.json` is the request-body part of `@octokit/openapi` 23.0.2 (`api.github.com.json`), cut to the operations
//! that the sandbox has and to the keywords that validate.

use std::sync::LazyLock;

use serde_json::{Map, Value};

static BODIES: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("requests.json")).expect("the file is part of the program"));

/// What is wrong with the body of `operation`; an operation that the file does not name takes no body.
pub(crate) fn violations(operation: &str, body: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(schema) = BODIES.get(operation) {
        check(schema, body, "", &mut found);
    }
    found
}

/// Whether the published description gives this operation a body.
pub(crate) fn takes_body(operation: &str) -> bool {
    BODIES.contains_key(operation)
}

fn check(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    if let Some(branches) = schema.get("oneOf").or(schema.get("anyOf")).and_then(Value::as_array) {
        check_branches(branches, value, at, found);
        return;
    }
    if let Some(kind) = schema["type"].as_str()
        && !is_type(kind, value)
    {
        found.push(format!("{} is not {} {kind}.", shown(at, value), article(kind)));
        return;
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        found.push(format!("{} is not a member of [{}].", shown(at, value), allowed.join(", ")));
    }
    check_bounds(schema, value, at, found);
    if let Some(object) = value.as_object() {
        check_object(schema, object, at, found);
    }
    if let (Some(items), Some(list)) = (schema.get("items"), value.as_array()) {
        for (index, item) in list.iter().enumerate() {
            check(items, item, &format!("{at}/{index}"), found);
        }
    }
}

fn check_object(schema: &Value, object: &Map<String, Value>, at: &str, found: &mut Vec<String>) {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for name in required.filter(|name| !object.contains_key(*name)) {
        let place = if at.is_empty() { String::new() } else { format!(" in {at}") };
        found.push(format!("\"{name}\" wasn't supplied{place}."));
    }
    let Some(properties) = schema["properties"].as_object() else { return };
    for (name, value) in object {
        match properties.get(name) {
            Some(property) => check(property, value, &format!("{at}/{name}"), found),
            None => found.push(format!("\"{name}\" is not a permitted key.")),
        }
    }
}

/// Alternatives are told apart by their `type` property; where there is none, any one that fits will do.
fn check_branches(branches: &[Value], value: &Value, at: &str, found: &mut Vec<String>) {
    let tag = |branch: &Value| branch["properties"]["type"]["enum"][0].clone();
    if branches.iter().all(|branch| tag(branch).is_string()) {
        match branches.iter().find(|branch| tag(branch) == value["type"]) {
            Some(branch) => check(branch, value, at, found),
            None => found.push(format!("Invalid {}: {}.", at.trim_start_matches('/'), value["type"])),
        }
        return;
    }
    let fits = branches.iter().any(|branch| {
        let mut wrong = Vec::new();
        check(branch, value, at, &mut wrong);
        wrong.is_empty()
    });
    if !fits {
        found.push(format!("{} matches no possible type.", shown(at, value)));
    }
}

fn check_bounds(schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let size = match value {
        Value::String(text) => Some(("minLength", "maxLength", text.chars().count())),
        Value::Array(items) => Some(("minItems", "maxItems", items.len())),
        _ => None,
    };
    if let Some((least, most, size)) = size {
        let size = size as u64;
        let least = schema[least].as_u64().unwrap_or(0);
        let most = schema[most].as_u64().unwrap_or(u64::MAX);
        if size < least || size > most {
            found.push(format!("{at} must have from {least} to {most} elements, and has {size}."));
        }
    }
    if let Some(number) = value.as_f64() {
        let too_small = schema["minimum"].as_f64().is_some_and(|least| number < least);
        let too_large = schema["maximum"].as_f64().is_some_and(|most| number > most);
        if too_small || too_large {
            found.push(format!("{} is out of range.", shown(at, value)));
        }
    }
}

fn is_type(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

fn article(kind: &str) -> &'static str {
    if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

/// The value with its place; scalars only, so that the message stays short.
fn shown(at: &str, value: &Value) -> String {
    let at = at.trim_start_matches('/').replace('/', ".");
    match value {
        Value::Object(_) | Value::Array(_) => format!("For '{at}', the value"),
        scalar => format!("For '{at}', {scalar}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::violations;

    #[test]
    fn refuses_what_the_description_refuses() {
        let generate = "POST /repos/{owner}/{repo}/generate";
        assert_eq!(violations(generate, &json!({ "name": "a" })), Vec::<String>::new());
        assert_eq!(violations(generate, &json!({})), ["\"name\" wasn't supplied."]);
        assert_eq!(
            violations(generate, &json!({ "name": 1, "visibility": "private" })),
            ["For 'name', 1 is not a string.", "\"visibility\" is not a permitted key."]
        );
    }

    #[test]
    fn rules_are_checked_by_their_type() {
        let operation = "POST /repos/{owner}/{repo}/rulesets";
        let ruleset = |rules| json!({ "name": "r", "enforcement": "active", "rules": rules });
        let fine = ruleset(json!([{ "type": "deletion" }, { "type": "non_fast_forward" }]));
        assert_eq!(violations(operation, &fine), Vec::<String>::new());
        let unknown = ruleset(json!([{ "type": "no_such_rule" }]));
        assert_eq!(violations(operation, &unknown), ["Invalid rules/0: \"no_such_rule\"."]);
        let incomplete = ruleset(json!([{ "type": "pull_request", "parameters": {} }]));
        assert_eq!(violations(operation, &incomplete).len(), 5);
        let bad = json!({ "name": "r", "enforcement": "on" });
        assert_eq!(violations(operation, &bad).len(), 1);
    }
}
