//! The table of cases that a real apiserver answered, and what only admission promises.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Admission, Refused, manifest, schema::Schema};

/// Manifests with the answers of a Kubernetes apiserver.
const CASES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cases/manifests.yaml"));

fn read(text: &str) -> Value {
    let mut documents = manifest::read_yaml(text).expect("the case is YAML");
    assert_eq!(documents.len(), 1, "one document per case");
    documents.remove(0).value
}

fn fork() -> Value {
    json!({
        "apiVersion": "forkable.dev/v1alpha1",
        "kind": "Fork",
        "metadata": {"name": "acme"},
        "spec": {
            "template": {"owner": "forkable-ai", "repo": "framework"},
            "repository": {"owner": "acme-inc", "name": "acme"},
            "project": {"name": "acme"},
        },
    })
}

/// The head line and the set of the others: the apiserver walks maps in random order.
fn lines(message: &str) -> (&str, BTreeSet<&str>) {
    let mut lines = message.trim_end().lines().map(str::trim_end);
    (lines.next().unwrap_or_default(), lines.collect())
}

#[test]
fn objects_are_accepted_and_refused_as_the_apiserver_does() {
    let admission = Admission::new();
    let cases = manifest::read_yaml(CASES).expect("the table is YAML");
    assert!(cases.len() > 130, "the table is there");
    let mut wrong = Vec::new();
    for case in cases {
        let text = |key: &str| case.value.get(key).and_then(Value::as_str);
        let name = text("name").expect("every case has a name");
        let old = text("old").map(|old| admission.admit(read(old), None).expect("the old object is valid"));
        let expected = text("message").map(str::trim_end);
        let object = read(text("manifest").expect("every case has a manifest"));
        let found = admission.admit(object, old.as_ref()).err();
        let same = match (&expected, &found) {
            (None, None) => true,
            (Some(expected), Some(found @ Refused::UnknownKind { .. })) => found.to_string().starts_with(expected),
            (Some(expected), Some(found)) => lines(expected) == lines(&found.to_string()),
            _ => false,
        };
        if !same {
            let found = found.map(|f| f.to_string());
            wrong.push(format!(
                "{name}\n  expected: {}\n  found: {}",
                expected.unwrap_or("accepted"),
                found.as_deref().unwrap_or("accepted")
            ));
        }
    }
    assert!(wrong.is_empty(), "{} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn defaults_are_set_and_metadata_is_reduced_to_what_a_manifest_decides() {
    let mut object = fork();
    object["metadata"]["labels"] = json!({"tier": "gold"});
    object["metadata"]["uid"] = json!("made-up");
    object["metadata"]["creationTimestamp"] = Value::Null;
    object["status"] = json!({"url": "https://example.com"});
    object["spec"]["env"] =
        json!([{"name": "A", "value": "b"}, {"name": "C", "valueFrom": {"generate": null}, "value": "x"}]);
    let refused = Admission::new().admit(object.clone(), None).expect_err("a null is no source, and value is set");
    assert_eq!(refused.errors().len(), 2, "{refused}");

    object["spec"]["env"] = json!([{"name": "A", "value": "b"}]);
    let admitted = Admission::new().admit(object, None).expect("valid");
    assert_eq!(admitted["metadata"], json!({"name": "acme", "namespace": "default", "labels": {"tier": "gold"}}));
    assert_eq!(admitted["spec"]["template"]["mode"], "Template");
    assert_eq!(admitted["spec"]["env"][0]["environments"], json!(["Production", "Preview"]));
    assert_eq!(admitted["spec"]["deletionPolicy"], "Retain");
    assert_eq!(admitted.get("status"), None);
    let again = Admission::new().admit(admitted.clone(), None).expect("what is admitted is admissible");
    assert_eq!(again, admitted, "admission is idempotent");
}

#[test]
fn secrets_are_normalized() {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"a": "YQ==", "b": "YQ=="}, "stringData": {"b": "plain", "c": null},
    });
    let admitted = Admission::new().admit(secret, None).expect("valid");
    assert_eq!(admitted["data"], json!({"a": "YQ==", "b": "cGxhaW4=", "c": ""}));
    assert_eq!(admitted["type"], "Opaque");
    assert_eq!(admitted.get("stringData"), None);
}

#[test]
fn an_oversized_secret_is_refused() {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "x".repeat(1024 * 1024 + 1)},
    });
    let refused = Admission::new().admit(secret, None).expect_err("too large");
    assert_eq!(refused.to_string(), "The Secret \"s\" is invalid: data: Too long: may not be more than 1048576 bytes");
}

#[test]
fn no_message_carries_the_value_of_a_secret() {
    let canary = "hunter2-canary";
    for secret in [
        json!({"stringData": {"a b": canary}}),
        json!({"stringData": {"a": [canary]}}),
        json!({"stringData": canary}),
        json!({"data": {"a": format!("%{canary}")}}),
        json!({"stringData": {"a": canary}, "type": "kubernetes.io/tls"}),
        json!({"stringdata": {"a": canary}}),
    ] {
        let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}});
        object.as_object_mut().expect("an object").extend(secret.as_object().expect("an object").clone());
        let refused = Admission::new().admit(object, None).expect_err("invalid");
        assert!(!refused.to_string().contains(canary) && !format!("{refused:?}").contains(canary), "{refused}");
    }
}

#[test]
fn unknown_kinds_name_the_known_ones() {
    let refused = Admission::new().admit(json!({"apiVersion": "forkable.dev/v1alpha1", "kind": "Frok"}), None);
    let message = refused.expect_err("unknown").to_string();
    assert!(message.starts_with("no matches for kind \"Frok\" in version \"forkable.dev/v1alpha1\""), "{message}");
    assert!(message.contains("forkable.dev/v1alpha1/Fork, v1/ConfigMap, v1/Secret"), "{message}");
}

#[test]
fn what_no_typed_client_can_read_is_refused_although_the_apiserver_takes_it() {
    let mut object = fork();
    object["spec"]["suspend"] = json!({"reason": "x", "until": ["2026-01-01T00:00:00Z"]});
    let refused = Admission::new().admit(object, None).expect_err("a list is no time");
    assert!(refused.to_string().starts_with("the Fork cannot be read: "), "{refused}");
}

#[test]
fn generated_names_are_refused() {
    let mut object = fork();
    object["metadata"] = json!({"generateName": "acme-"});
    let refused = Admission::new().admit(object, None).expect_err("no stable name");
    assert_eq!(refused.to_string(), "cannot use generate name with apply");
}

#[test]
fn keywords_that_are_not_enforced_are_refused_in_a_schema() {
    for (schema, named) in [
        (json!({"type": "object", "oneOf": []}), "oneOf"),
        (json!({"type": "string", "format": "hostname"}), "hostname"),
        (json!({"type": "string", "pattern": "^\\d+$"}), "Perl class"),
        (json!({"type": "string", "x-kubernetes-validations": [{"rule": "self +"}]}), "self +"),
    ] {
        let schema = json!({"type": "object", "properties": {"a": schema}});
        let error = Schema::compile(&schema, "X").err().expect("not enforceable").to_string();
        assert!(error.starts_with("X.a: ") && error.contains(named), "{error}");
    }
}

#[test]
fn transition_rules_see_elements_of_map_lists_only() {
    let rules = json!([{"rule": "self.v == oldSelf.v", "message": "v is immutable"}]);
    let item = json!({"type": "object", "x-kubernetes-validations": rules,
        "properties": {"name": {"type": "string"}, "v": {"type": "integer"}}});
    let schema = json!({"type": "object", "properties": {
        "map": {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        "plain": {"type": "array", "items": item},
    }});
    let schema = Schema::compile(&schema, "X").expect("supported");
    let old = json!({"map": [{"name": "a", "v": 1}, {"name": "b", "v": 2}], "plain": [{"name": "a", "v": 1}]});
    let new = json!({"map": [{"name": "b", "v": 2}, {"name": "a", "v": 9}], "plain": [{"name": "a", "v": 9}]});
    let mut errors = Vec::new();
    super::rules::validate(&schema, &new, Some(&old), "", &mut errors);
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors, ["map[1]: Invalid value: v is immutable"]);
}

#[test]
fn rules_on_scalars_show_the_value_and_reasons_choose_the_error() {
    let rule = |reason: &str| json!([{"rule": "self > 3", "message": "too few", "reason": reason}]);
    let of = |reason: &str| json!({"type": "integer", "x-kubernetes-validations": rule(reason)});
    let schema = json!({"type": "object", "properties": {
        "d": of("FieldValueDuplicate"), "f": of("FieldValueForbidden"), "i": of("FieldValueInvalid"), "r": of("FieldValueRequired"),
    }});
    let schema = Schema::compile(&schema, "X").expect("supported");
    let mut errors = Vec::new();
    super::rules::validate(&schema, &json!({"d": 1, "f": 1, "i": 1, "r": 1}), None, "", &mut errors);
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "d: Duplicate value: 1",
            "f: Forbidden: too few",
            "i: Invalid value: 1: too few",
            "r: Required value: too few"
        ]
    );
}
