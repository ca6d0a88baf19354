//! Checks request bodies against the published schemas and words the refusal as Vercel does.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

/// `operation` (method and path template) → schema of its body; `#name` entries are shared parts.
static SCHEMAS: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("requests.json")).expect("requests.json is checked in and parses")
});

/// Checks `body` against the schema published for `operation`; operations without one accept any body.
///
/// # Errors
/// The message Vercel answers with, e.g. ``Invalid request: missing required property `name`.``
pub(super) fn check(operation: &str, body: &Value) -> Result<(), String> {
    match SCHEMAS.get(operation) {
        Some(schema) => value(schema, body, "").map_err(|reason| format!("Invalid request: {reason}.")),
        None => Ok(()),
    }
}

/// Whether `operation` takes a JSON object or array at all.
pub(super) fn has_body(operation: &str) -> bool {
    SCHEMAS.contains_key(operation)
}

fn value(schema: &Value, body: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        return value(&SCHEMAS[name], body, at);
    }
    if body.is_null() && schema["nullable"] == true {
        return Ok(());
    }
    if let Some(allowed) = schema["enum"].as_array() {
        if !allowed.contains(body) {
            let list = allowed.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
            let list = list.collect::<Vec<_>>().join(", ");
            return Err(format!("{} should be equal to one of the allowed values \"{list}\"", quoted(at)));
        }
        return Ok(());
    }
    if let Some(expected) = schema["type"].as_str()
        && !has_type(body, expected)
    {
        return Err(format!("{} should be {expected}", quoted(at)));
    }
    any_of(schema, body, at)?;
    match body {
        Value::Object(fields) => object(schema, fields, at),
        Value::Array(items) => array(schema, items, at),
        Value::String(text) => string(schema, text, at),
        Value::Number(number) => bounds(schema, number.as_f64().unwrap_or(f64::NAN), at),
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

/// At least one alternative must hold; the complaint is that of the alternative of the body's own type.
fn any_of(schema: &Value, body: &Value, at: &str) -> Result<(), String> {
    let Some(alternatives) = schema["anyOf"].as_array() else { return Ok(()) };
    let mut complaint = None;
    for alternative in alternatives {
        match value(alternative, body, at) {
            Ok(()) => return Ok(()),
            Err(reason) if complaint.is_none() || kind(alternative) == Some(type_name(body)) => {
                complaint = Some(reason);
            }
            Err(_) => {}
        }
    }
    complaint.map_or(Ok(()), Err)
}

fn kind(schema: &Value) -> Option<&str> {
    match schema["$ref"].as_str() {
        Some(name) => SCHEMAS[name]["type"].as_str(),
        None => schema["type"].as_str(),
    }
}

fn object(schema: &Value, fields: &Map<String, Value>, at: &str) -> Result<(), String> {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err(format!("missing required property `{name}`"));
        }
    }
    for (name, field) in fields {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        match (&schema["properties"][name], &schema["additionalProperties"]) {
            (Value::Null, Value::Bool(false)) => {
                return Err(format!("should NOT have additional property `{name}`"));
            }
            (Value::Null, Value::Null | Value::Bool(_)) => {}
            (Value::Null, others) => value(others, field, &path)?,
            (known, _) => value(known, field, &path)?,
        }
    }
    Ok(())
}

fn array(schema: &Value, items: &[Value], at: &str) -> Result<(), String> {
    let len = items.len() as u64;
    if schema["minItems"].as_u64().is_some_and(|min| len < min) {
        return Err(format!("{} should NOT have fewer than {} items", quoted(at), schema["minItems"]));
    }
    if schema["maxItems"].as_u64().is_some_and(|max| len > max) {
        return Err(format!("{} should NOT have more than {} items", quoted(at), schema["maxItems"]));
    }
    if schema["items"].is_null() {
        return Ok(());
    }
    let mut items = items.iter().enumerate();
    items.try_for_each(|(index, item)| value(&schema["items"], item, &format!("{at}[{index}]")))
}

fn string(schema: &Value, text: &str, at: &str) -> Result<(), String> {
    let len = text.chars().count() as u64;
    if schema["maxLength"].as_u64().is_some_and(|max| len > max) {
        return Err(format!("{} should NOT be longer than {} characters", quoted(at), schema["maxLength"]));
    }
    if schema["minLength"].as_u64().is_some_and(|min| len < min) {
        return Err(format!("{} should NOT be shorter than {} characters", quoted(at), schema["minLength"]));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        let pattern = Regex::new(pattern).expect("patterns of the published schemas compile");
        if !pattern.is_match(text) {
            return Err(format!("{} should match pattern \"{pattern}\"", quoted(at)));
        }
    }
    Ok(())
}

fn bounds(schema: &Value, number: f64, at: &str) -> Result<(), String> {
    if schema["minimum"].as_f64().is_some_and(|min| number < min) {
        return Err(format!("{} should be >= {}", quoted(at), schema["minimum"]));
    }
    if schema["maximum"].as_f64().is_some_and(|max| number > max) {
        return Err(format!("{} should be <= {}", quoted(at), schema["maximum"]));
    }
    Ok(())
}

fn has_type(body: &Value, expected: &str) -> bool {
    match expected {
        "integer" => body.is_i64() || body.is_u64(),
        other => type_name(body) == other,
    }
}

fn type_name(body: &Value) -> &'static str {
    match body {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn quoted(at: &str) -> String {
    if at.is_empty() { "body".to_owned() } else { format!("`{at}`") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::check;

    fn refusal(operation: &str, body: &serde_json::Value) -> String {
        check(operation, body).expect_err("the body is wrong")
    }

    #[test]
    fn refusals_name_the_field() {
        let create = "POST /v11/projects";
        assert!(check(create, &json!({"name": "a", "framework": null, "buildCommand": null})).is_ok());
        assert_eq!(
            refusal(create, &json!({"name": "a", "nodeVersion": "22.x"})),
            "Invalid request: should NOT have additional property `nodeVersion`."
        );
        assert_eq!(refusal(create, &json!({})), "Invalid request: missing required property `name`.");
        assert_eq!(refusal(create, &json!({"name": 4})), "Invalid request: `name` should be string.");
        assert!(refusal(create, &json!({"name": "a", "framework": "rails"})).contains("allowed values"));
        assert!(refusal(create, &json!({"name": "a".repeat(101)})).contains("longer than 100"));
        let memory = json!({"name": "a", "resourceConfig": {"functionDefaultTimeout": 901}});
        assert!(refusal(create, &memory).contains("`resourceConfig.functionDefaultTimeout` should be <= 900"));
    }

    #[test]
    fn alternatives_complain_about_the_alternative_of_the_same_type() {
        let env = "POST /v10/projects/{idOrName}/env";
        let item = json!({"key": "A", "value": "b", "type": "plain", "target": ["preview"]});
        assert!(check(env, &item).is_ok());
        assert!(check(env, &json!([item])).is_ok());
        let wrong = json!([{"key": "A", "value": "b", "type": "secret", "target": ["preview"]}]);
        assert!(refusal(env, &wrong).contains("`[0].type`"));
        let nowhere = json!({"key": "A", "value": "b", "type": "plain"});
        assert_eq!(refusal(env, &nowhere), "Invalid request: missing required property `target`.");
    }
}
