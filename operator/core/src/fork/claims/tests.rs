use forkable_crds::fork::RepositoryStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::*;
use crate::fork::fixtures::{at, fork};

/// A Fork with names of its own, made at a second.
fn other(name: &str, second: i64) -> Fork {
    let mut other = fork();
    other.metadata.name = Some(name.into());
    other.metadata.uid = Some(format!("uid-{name}"));
    other.metadata.creation_timestamp = Some(Time(at(second)));
    other.spec.repository.name = name.into();
    other.spec.project.name = name.into();
    other.spec.domains =
        serde_json::from_value(serde_json::json!([{"name": format!("{name}.example.com")}])).expect("domains");
    other
}

#[test]
fn the_older_wins() {
    type Case = (&'static str, fn(&mut Fork, &mut Fork), Option<(&'static str, &'static str)>);
    let cases: [Case; 10] = [
        ("names differ", |_, _| {}, None),
        (
            "one repository, spelt in another case",
            |younger, _| younger.spec.repository.name = "OLDER".into(),
            Some(("repository", "acme-inc/OLDER")),
        ),
        ("one project", |younger, _| younger.spec.project.name = "older".into(), Some(("project", "older"))),
        (
            "projects of two teams",
            |younger, _| {
                younger.spec.project.name = "older".into();
                younger.spec.project.team_id = Some("team_other".into());
            },
            None,
        ),
        (
            "projects of two accounts",
            |younger, older| {
                younger.spec.project.name = "older".into();
                older.spec.credentials_ref = Some(forkable_crds::fork::LocalRef { name: "theirs".into() });
            },
            None,
        ),
        (
            "one domain",
            |younger, older| younger.spec.domains.clone_from(&older.spec.domains),
            Some(("domain", "older.example.com")),
        ),
        (
            "the older holds what the younger claims, not the other way round",
            |younger, older| {
                older.spec.repository.name = "younger".into();
                std::mem::swap(&mut younger.metadata.creation_timestamp, &mut older.metadata.creation_timestamp);
            },
            None,
        ),
        (
            "of one second, the one that has made something holds it",
            |younger, older| {
                younger.spec.repository.name = "older".into();
                older.metadata.creation_timestamp = younger.metadata.creation_timestamp.clone();
                older.metadata.uid = Some("uid-z".into());
                older.status = Some(forkable_crds::ForkStatus {
                    repository: Some(RepositoryStatus::default()),
                    ..Default::default()
                });
            },
            Some(("repository", "acme-inc/older")),
        ),
        (
            "equal ages are decided by uid: older comes first",
            |younger, older| {
                younger.metadata.creation_timestamp.clone_from(&older.metadata.creation_timestamp);
                younger.spec.repository.name = "older".into();
            },
            Some(("repository", "acme-inc/older")),
        ),
        (
            "what has no time yet is the youngest",
            |younger, _| {
                younger.metadata.creation_timestamp = None;
                younger.spec.repository.name = "older".into();
            },
            Some(("repository", "acme-inc/older")),
        ),
    ];
    for (why, change, expected) in cases {
        let (mut younger, mut older) = (other("younger", 20), other("older", 10));
        change(&mut younger, &mut older);
        let claim = conflict(&younger, &[younger.clone(), older.clone()]);
        if claim.is_some() {
            let (of_younger, of_older) = (keys(&younger), keys(&older));
            assert!(of_younger.iter().any(|key| of_older.contains(key)), "{why}: they have a key in common");
        }
        let expected = expected.map(|(what, name)| Claim { what, name: name.into(), holder: "default/older".into() });
        assert_eq!(claim, expected, "{why}");
    }
}
