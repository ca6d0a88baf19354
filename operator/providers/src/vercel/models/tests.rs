//! Answers that no stand-in gives: other providers' fields, states of the account, shapes of old and new versions.

use forkable_core::hosting::{BuildState, CustomEnvironment, EnvRow, ProjectFacts, ProjectSettings};
use forkable_crds::fork::LoginProtection;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the answer can be read")
}

fn project(more: Value) -> ProjectFacts {
    let mut project = json!({ "id": "prj_1", "name": "acme", "accountId": "team_1" });
    let Value::Object(more) = more else { panic!("an object is needed") };
    project.as_object_mut().expect("an object").extend(more);
    read::<Project>(project).facts(Vec::new(), Vec::new())
}

#[test]
fn the_least_project_reads_as_defaults() {
    let facts = project(json!({}));
    let settings = ProjectSettings { login: Some(LoginProtection::Off), ..ProjectSettings::default() };
    let expected = ProjectFacts {
        id: "prj_1".into(),
        name: "acme".into(),
        team: "team_1".into(),
        settings,
        ..ProjectFacts::default()
    };
    assert_eq!(facts, expected);
}

#[test]
fn settings_that_a_fork_cannot_ask_for_read_as_unknown() {
    let facts = project(json!({
        "nodeVersion": "18.x",
        "resourceConfig": { "functionDefaultMemoryType": "standard_legacy", "functionDefaultTimeout": 15 },
        "ssoProtection": { "deploymentType": "prod_deployment_urls_and_all_previews" },
    }));
    let settings = ProjectSettings { max_duration_seconds: Some(15), ..ProjectSettings::default() };
    assert_eq!(facts.settings, settings);
}

#[test]
fn links_are_read_whoever_made_them() {
    let link = |link: Value| project(json!({ "link": link })).repository_id;
    assert_eq!(link(json!({ "type": "github", "repoId": 7, "productionBranch": "main" })), Some(7));
    assert_eq!(link(json!({ "type": "github", "repoId": "7" })), Some(7));
    assert_eq!(link(json!({ "type": "gitlab", "projectId": "x" })), None);
    assert_eq!(link(Value::Null), None);
}

#[test]
fn production_is_what_its_domains_agree_on() {
    let serves = |alias: Value| {
        let targets = json!({ "production": { "id": "dpl_target" } });
        project(json!({ "alias": alias, "targets": targets })).production_deployment
    };
    let alias = |target: &str, id: &str| json!({ "target": target, "deployment": { "id": id } });
    let redirect = json!({ "target": "PRODUCTION", "redirect": "acme.com", "deployment": null });
    assert_eq!(
        serves(json!([
            alias("PRODUCTION", "dpl_1"),
            redirect,
            alias("PREVIEW", "dpl_9"),
            alias("PRODUCTION", "dpl_1")
        ])),
        Some("dpl_1".into())
    );
    assert_eq!(serves(json!([alias("PRODUCTION", "dpl_1"), alias("PRODUCTION", "dpl_2")])), Some("dpl_target".into()));
    assert_eq!(serves(Value::Null), Some("dpl_target".into()));
    assert_eq!(project(json!({ "targets": { "production": null } })).production_deployment, None);
}

#[test]
fn rows_of_integrations_and_of_the_platform_are_marked() {
    let row = |more: Value| {
        let mut row = json!({ "id": "1", "key": "A", "type": "encrypted", "target": ["production", "preview"] });
        row.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        read::<EnvVar>(row).row()
    };
    let plain = EnvRow {
        id: "1".into(),
        key: "A".into(),
        targets: vec!["preview".into(), "production".into()],
        ..EnvRow::default()
    };
    assert_eq!(row(json!({ "configurationId": null, "contentHint": null, "gitBranch": null })), Some(plain.clone()));
    let marked = Some(EnvRow { integration: true, ..plain.clone() });
    assert_eq!(row(json!({ "configurationId": "icfg_1" })), marked);
    assert_eq!(row(json!({ "contentHint": { "type": "postgres-url", "storeId": "s" } })), marked);
    assert_eq!(row(json!({ "type": "system" })), marked);
    let single = EnvRow { targets: vec!["preview".into()], updated_at: 5, ..plain };
    assert_eq!(row(json!({ "target": "preview", "createdAt": 5 })), Some(single));
    assert_eq!(row(json!({ "id": null })), None, "what has no id cannot be changed");
}

#[test]
fn only_an_exact_branch_is_the_branch_of_an_environment() {
    let branch = |matcher: Value| {
        let environment = read::<Environment>(json!({ "id": "env_1", "slug": "staging", "branchMatcher": matcher }));
        CustomEnvironment::from(environment).branch
    };
    assert_eq!(branch(json!({ "type": "equals", "pattern": "staging" })), Some("staging".into()));
    assert_eq!(branch(json!({ "type": "startsWith", "pattern": "staging" })), None);
    assert_eq!(branch(Value::Null), None);
}

#[test]
fn every_state_of_a_build_has_its_meaning() {
    let state = |name: &str| {
        let deployment = read::<Deployment>(json!({ "id": "dpl_1", "readyState": name }));
        deployment.facts().expect("it has an id").state
    };
    let table = [
        ("QUEUED", BuildState::Queued),
        ("INITIALIZING", BuildState::Building),
        ("BUILDING", BuildState::Building),
        ("READY", BuildState::Ready),
        ("ERROR", BuildState::Failed),
        ("CANCELED", BuildState::Canceled),
        ("BLOCKED", BuildState::Blocked),
        ("A_NEW_ONE", BuildState::Building),
    ];
    for (name, expected) in table {
        assert_eq!(state(name), expected, "{name}");
    }
    assert!(read::<Deployment>(json!({ "uid": "dpl_1", "state": "DELETED" })).is_deleted());
}

#[test]
fn deployments_say_why_they_do_not_serve() {
    let facts = |more: Value| {
        let mut deployment = json!({ "id": "dpl_1", "readyState": "READY", "url": "a.vercel.app" });
        deployment.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        read::<Deployment>(deployment).facts().expect("it has an id")
    };
    let blocked = facts(json!({ "readyState": "BLOCKED", "seatBlock": { "blockCode": "COMMIT_AUTHOR_REQUIRED" } }));
    assert_eq!(blocked.error.as_deref(), Some("COMMIT_AUTHOR_REQUIRED"));
    let unassigned = facts(json!({ "aliasAssigned": false, "aliasError": { "code": "cert_missing", "message": "" } }));
    assert_eq!((unassigned.aliases_assigned, unassigned.alias_error.as_deref()), (false, Some("cert_missing")));
    let listed = facts(json!({ "aliasAssigned": 1_700_000_000_000_i64, "aliasError": null, "created": 3 }));
    assert_eq!((listed.aliases_assigned, listed.alias_error, listed.created_at), (true, None, 3));
    let good = facts(json!({ "readyStateReason": "fine" }));
    assert_eq!(good.error, None, "a reason is not an error while the build is good");
    let source =
        facts(json!({ "gitSource": { "type": "github", "sha": "abc" }, "meta": { "forkableRequest": "uid" } }));
    assert_eq!((source.commit.as_deref(), source.request.as_deref()), (Some("abc"), Some("uid")));
}

#[test]
fn lines_of_a_log_come_in_two_shapes() {
    let text = |event: Value| read::<Event>(event).text();
    assert_eq!(text(json!({ "type": "stdout", "text": "a" })).as_deref(), Some("a"));
    assert_eq!(text(json!({ "type": "stdout", "payload": { "text": "b" } })).as_deref(), Some("b"));
    assert_eq!(text(json!({ "type": "deployment-state", "payload": {} })), None);
}

#[test]
fn members_that_are_null_or_unknown_are_as_good_as_absent() {
    let page = r#"{ "domains": [{ "name": "a.com", "apexName": "a.com", "verified": true, "verification": null,
        "redirect": null, "surprise": { "x": 1 } }], "pagination": null }"#;
    let page: DomainPage = serde_json::from_str(page).expect("a page");
    assert!(page.pagination.next.is_none() && page.domains.len() == 1);
    let config = r#"{ "misconfigured": false, "recommendedIPv4": null, "configuredBy": "dns-01", "conflicts": [] }"#;
    assert!(serde_json::from_str::<DomainConfig>(config).is_ok());
    let deployment =
        r#"{ "uid": "dpl_1", "state": "READY", "meta": null, "aliasError": { "code": "x", "message": null } }"#;
    let deployment: Deployment = serde_json::from_str(deployment).expect("a deployment");
    assert_eq!(deployment.facts().and_then(|facts| facts.alias_error).as_deref(), Some("x"));
}
