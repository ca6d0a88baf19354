use serde_json::{Value, json};

use super::*;
use crate::fork::fixtures;

/// A small Fork with some more fields of its spec.
fn fork(more: &Value) -> Fork {
    let mut object = json!({
        "apiVersion": "forkable.dev/v1alpha1",
        "kind": "Fork",
        "metadata": {"name": "acme", "namespace": "shop", "uid": "uid-acme", "generation": 3},
        "spec": {
            "displayName": "Acme AI",
            "template": {"owner": "forkable-ai", "repo": "framework"},
            "repository": {"owner": "acme-inc", "name": "acme"},
            "project": {"name": "acme", "environments": [{"name": "staging", "branch": "next"}]},
        },
    });
    merge(&mut object["spec"], more);
    serde_json::from_value(object).expect("a Fork")
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

fn resolved() -> Resolved {
    let secrets = [("stripe", "sk_live"), ("bad-name", "x")].map(|(key, value)| (key.into(), Secret::new(value)));
    let keys = [("A", "from secret"), ("B", "from secret")].map(|(key, value)| (key.into(), Secret::new(value)));
    let map = [("B", "from map"), ("C", "from map")].map(|(key, value)| (key.into(), value.into()));
    Resolved {
        secrets: [("acme".into(), secrets.into()), ("keys".into(), keys.into())].into(),
        config_maps: [("map".into(), map.into())].into(),
        generated: [("SESSION".into(), Secret::new("random"))].into(),
    }
}

fn valid(more: &Value) -> Desired {
    validate(&fork(more), &resolved(), &fixtures::key()).expect("valid")
}

#[test]
fn wishes_beside_the_manifest_are_read_or_refused() {
    let wishing = |name: &str, wish: &str| {
        let mut fork = fork(&json!({}));
        fork.metadata.annotations = Some([(name.to_owned(), wish.to_owned())].into());
        validate(&fork, &resolved(), &fixtures::key())
    };
    let challenged = wishing(CHALLENGE_ANNOTATION, "ada until 2026-12-01T10:00:00Z").expect("valid");
    let until = challenged.project.challenge.map(|challenge| challenge.until.to_string());
    assert_eq!(until.as_deref(), Some("2026-12-01T10:00:00Z"));
    let paused = wishing(PAUSE_ANNOTATION, "ada at noon at 2026-12-01T12:00:00Z").expect("valid");
    assert_eq!(paused.project.pause.map(|pause| pause.at.to_string()).as_deref(), Some("2026-12-01T12:00:00Z"));
    assert_eq!(wishing(PAUSE_ANNOTATION, "").expect("valid").project.pause, None);
    for (name, wish, expected) in [
        (CHALLENGE_ANNOTATION, "for an hour", "\"for an hour\" is not WHO until TIME, such as ada until"),
        (PAUSE_ANNOTATION, "yes", "\"yes\" is not WHO at TIME, such as ada at"),
        (PAUSE_ANNOTATION, &*format!("{} at 2026-12-01T12:00:00Z", "x".repeat(513)), "longer than 512 characters"),
    ] {
        let invalid = wishing(name, wish).expect_err("it is refused");
        assert!(invalid[0].field.contains(name) && invalid[0].message.contains(expected), "{invalid:?}");
    }
}

#[test]
fn fields_that_cannot_be_honoured() {
    let cases = [
        (
            "a Secret that does not exist, with the remedy",
            json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "k"}}}]}),
            "spec.env[0].valueFrom.secretKeyRef",
            "SecretNotFound",
            "`kubectl create secret generic gone -n shop --from-literal=k=…`, or put a v1 Secret",
        ),
        (
            "a key that a Secret lacks, with those it has",
            json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "k"}}}]}),
            "spec.env[0].valueFrom.secretKeyRef",
            "SecretKeyNotFound",
            "(it has: A, B)",
        ),
        (
            "a ConfigMap that does not exist",
            json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "k"}}}]}),
            "spec.env[0].valueFrom.configMapKeyRef",
            "ConfigMapNotFound",
            "kubectl create configmap gone",
        ),
        (
            "a key that a ConfigMap lacks",
            json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "map", "key": "k"}}}]}),
            "spec.env[0].valueFrom.configMapKeyRef",
            "ConfigMapKeyNotFound",
            "(it has: B, C)",
        ),
        (
            "a whole Secret that does not exist",
            json!({"envFrom": [{"secretRef": {"name": "gone"}}]}),
            "spec.envFrom[0].secretRef",
            "SecretNotFound",
            "Secret gone is missing",
        ),
        (
            "a key of a whole Secret that cannot be the name of a variable",
            json!({"envFrom": [{"secretRef": {"name": "acme"}}]}),
            "spec.envFrom[0]",
            "InvalidVariableName",
            "\"bad-name\"",
        ),
        (
            "a secret of GitHub Actions from a Secret that does not exist",
            json!({"repository": {"secrets": [{"name": "T", "secretKeyRef": {"name": "gone", "key": "k"}}]}}),
            "spec.repository.secrets[0].secretKeyRef",
            "SecretNotFound",
            "Secret gone is missing",
        ),
        (
            "one variable twice for one environment",
            json!({"env": [
                {"name": "A", "value": "1", "environments": ["Production"]},
                {"name": "A", "value": "2", "environments": ["Production", "Development"]},
            ]}),
            "spec.env[1]",
            "DuplicateVariable",
            "already set for Production by spec.env[0]",
        ),
        (
            "an environment that nobody declared",
            json!({"env": [{"name": "A", "value": "1", "environments": ["Production", "qa"]}]}),
            "spec.env[0].environments[1]",
            "UnknownEnvironment",
            "declare it there",
        ),
        (
            "a name that Vercel keeps to itself",
            json!({"env": [{"name": "VERCEL_URL", "value": "1"}]}),
            "spec.env[0].name",
            "ReservedVariableName",
            "VERCEL_URL is set by Vercel itself",
        ),
        (
            "a whole family of such names",
            json!({"env": [{"name": "VERCEL_GIT_ANYTHING", "value": "1"}]}),
            "spec.env[0].name",
            "ReservedVariableName",
            "choose another name",
        ),
        (
            "more bytes than an environment takes",
            json!({"env": [
                {"name": "A", "value": "x".repeat(40_000), "environments": ["Production"]},
                {"name": "B", "value": "x".repeat(40_000), "environments": ["Production"]},
            ]}),
            "spec.env",
            "VariablesTooLarge",
            "the variables of Production are 80002 bytes",
        ),
        (
            "a placeholder that names nothing",
            json!({"repository": {"files": [{"path": "README.md", "content": "# {{ displayname }}"}]}}),
            "spec.repository.files[0].content",
            "InvalidPlaceholder",
            "nearest: displayName",
        ),
        (
            "a path out of the repository",
            json!({"repository": {"files": [{"path": "a/../../b", "content": ""}]}}),
            "spec.repository.files[0].path",
            "InvalidPath",
            "is no path in a repository",
        ),
        (
            "a name that GitHub keeps to itself",
            json!({"repository": {"variables": [{"name": "GITHUB_X", "value": "1"}]}}),
            "spec.repository.variables[0].name",
            "ReservedName",
            "GITHUB_",
        ),
        (
            "one variable of GitHub Actions twice",
            json!({"repository": {"variables": [{"name": "X", "value": "1"}, {"name": "X", "value": "2"}]}}),
            "spec.repository.variables[1]",
            "Duplicate",
            "X is there twice",
        ),
        (
            "a project name that Vercel does not take",
            json!({"project": {"name": "a---b"}}),
            "spec.project.name",
            "InvalidName",
            "---",
        ),
        (
            "a redirect to a wildcard",
            json!({"domains": [{"name": "*.a.com"}, {"name": "b.com", "redirectTo": "*.a.com"}]}),
            "spec.domains[1].redirectTo",
            "InvalidRedirect",
            "no single name",
        ),
    ];
    for (why, more, field, reason, message) in cases {
        let invalid = validate(&fork(&more), &resolved(), &fixtures::key()).expect_err(why);
        assert_eq!(invalid.len(), 1, "{why}: {invalid:?}");
        assert_eq!((invalid[0].field.as_str(), invalid[0].reason), (field, reason), "{why}");
        assert!(invalid[0].message.contains(message), "{why}: {}", invalid[0].message);
    }
}

#[test]
fn only_what_may_heal_by_itself_is_transient() {
    let more = json!({"env": [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "gone", "key": "k"}}},
        {"name": "CI", "value": "1"},
    ]});
    let invalid = validate(&fork(&more), &resolved(), &fixtures::key()).expect_err("two errors at once");
    let transient: Vec<_> = invalid.iter().map(|invalid| (invalid.reason, invalid.transient)).collect();
    assert_eq!(transient, [("SecretNotFound", true), ("ReservedVariableName", false)]);
}

#[test]
fn env_wins_over_env_from_and_later_entries_over_earlier_ones() {
    let desired = valid(&json!({
        "envFrom": [{"secretRef": {"name": "keys"}}, {"configMapRef": {"name": "map"}, "environments": ["Preview"]}],
        "env": [{"name": "A", "value": "from env", "environments": ["Production", "staging"]}],
    }));
    let variables: Vec<_> = desired
        .env
        .iter()
        .map(|variable| (variable.key.as_str(), variable.environments.join(","), variable.value.expose()))
        .collect();
    assert_eq!(
        variables,
        [
            ("A", "Preview".into(), "from secret"),
            ("A", "Production,staging".into(), "from env"),
            ("B", "Preview".into(), "from map"),
            ("B", "Production".into(), "from secret"),
            ("C", "Preview".into(), "from map"),
        ]
    );
}

#[test]
fn a_branch_makes_another_variable() {
    let desired = valid(&json!({"env": [
        {"name": "A", "value": "1", "environments": ["Preview"]},
        {"name": "A", "value": "2", "environments": ["Preview"], "branch": "next"},
    ]}));
    assert_eq!(desired.env.len(), 2);
}

#[test]
fn all_that_is_referred_to_is_fetched() {
    let references = references(
        &fork(&json!({
            "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "acme", "key": "stripe"}}},
                {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "map", "key": "B"}}},
                {"name": "SESSION", "valueFrom": {"generate": {"length": 48}}},
            ],
            "envFrom": [{"secretRef": {"name": "keys"}}, {"configMapRef": {"name": "map2"}}],
            "repository": {"secrets": [{"name": "T", "secretKeyRef": {"name": "ci", "key": "t"}}]},
        }))
        .spec,
    );
    assert_eq!(references.secrets.into_iter().collect::<Vec<_>>(), ["acme", "ci", "keys"]);
    assert_eq!(references.config_maps.into_iter().collect::<Vec<_>>(), ["map", "map2"]);
    assert_eq!(references.generated.into_iter().collect::<Vec<_>>(), [("SESSION".to_owned(), 48)]);
}

#[test]
fn values_reach_their_places_and_no_file() {
    let desired = valid(&json!({
        "repository": {
            "files": [{"path": "README.md", "content": "# {{ displayName }} {{ metadata.name }}"}],
            "environments": [{"name": "live", "reviewers": [{"user": "b"}, {"team": "a"}], "branches": {"protected": true}}],
            "secrets": [{"name": "T", "secretKeyRef": {"name": "acme", "key": "stripe"}, "environment": "live"}],
        },
        "env": [{"name": "SESSION", "valueFrom": {"generate": {}}, "sensitive": true}],
        "domains": [{"name": "www.a.com", "redirectTo": "a.com"}, {"name": "a.com", "environment": "Production"}],
    }));
    assert_eq!(desired.files[0].content, "# Acme AI acme");
    assert_eq!(desired.actions.secrets[0].value.expose(), "sk_live");
    assert_eq!(desired.actions.environments[0].reviewers, ["team:a", "user:b"]);
    assert_eq!(desired.env[0].value.expose(), "random");
    assert!(desired.env[0].sensitive);
    let domains: Vec<_> = desired.domains.iter().map(|item| (item.name.as_str(), item.redirect_status)).collect();
    assert_eq!(domains, [("a.com", None), ("www.a.com", Some(308))], "targets first, redirects permanent");
    assert_eq!(desired.domains[0].environment, None, "Production is what a domain serves anyway");
    assert_eq!((desired.generation, desired.adopt), (3, false));
}
