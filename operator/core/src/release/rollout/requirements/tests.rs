use std::sync::Arc;

use forkable_crds::{
    APPROVE_ANNOTATION, Deployment, OVERRIDE_FREEZE_ANNOTATION,
    condition::{Condition, ConditionStatus},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::*;
use crate::{
    forge::Review,
    fork::fixtures::{self, hosted_record},
    release::{
        machine::{self, Decision, Event},
        rollout::{self, Sight},
    },
};

/// A Wednesday.
const NOW: &str = "2026-01-14T12:00:00Z";

/// The release `acme-2` of commit `bbb`, which waits for these gates before its build, or before its promotion.
fn waiting(gates: Value, marks: &[&str]) -> Deployment {
    let mut release = fixtures::release("acme-2", "bbb", "r2", "Building");
    release.spec.strategy = serde_json::from_value(json!({"type": "BlueGreen"})).expect("a strategy");
    release.spec.gates = serde_json::from_value(gates).expect("gates");
    let condition = |type_: &&str| Condition {
        type_: (*type_).into(),
        status: ConditionStatus::True,
        reason: (*type_).into(),
        message: String::new(),
        last_transition_time: Time(at("2026-01-14T11:00:00Z")),
        observed_generation: None,
    };
    let status = release.status.get_or_insert_default();
    *status = forkable_crds::DeploymentStatus {
        conditions: marks.iter().map(condition).collect(),
        candidate: Some("0123456789ab".into()),
        deployment_id: Some("dpl_2".into()),
        ..Default::default()
    };
    release
}

const GATED: &[&str] = &["Admitted"];
const JUDGED: &[&str] = &["Admitted", "GatesOpen", "Built", "Verified"];

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn seen<T>(release: &Deployment, others: &[Deployment], look: impl FnOnce(Input<'_>) -> T) -> T {
    let mut fork = fixtures::fork();
    fork.spec.project.environments =
        serde_json::from_value(json!([{"name": "staging", "branch": "staging"}])).expect("environments");
    fork.status = Some(hosted_record());
    let siblings: Vec<_> = std::iter::once(release).chain(others).cloned().map(Arc::new).collect();
    look(Input { release, fork: Some(&fork), siblings: &siblings, now: at(NOW) })
}

fn reasons(release: &Deployment, facts: Option<CommitFacts>) -> Vec<(&'static str, String)> {
    let sight = Sight { commit: facts, ..Sight::default() };
    let closed = seen(release, &[], |input| input.closed(&sight));
    closed.into_iter().map(|closed| (closed.reason, closed.message)).collect()
}

fn checked(name: &str, app_id: Option<i64>, state: CheckState) -> CheckFacts {
    CheckFacts { name: name.into(), app_id, state, url: Some("https://github.test/runs/1".into()) }
}

fn ada() -> CommitFacts {
    CommitFacts { authors: vec!["ada".into(), "ada@example.com".into()], ..CommitFacts::default() }
}

#[test]
fn checks_count_by_name_and_app() {
    use CheckState::{Failed, Passed, Running};
    let actions = Some(15_368);
    let cases = [
        (vec![checked("build", actions, Passed)], None),
        (vec![checked("build", actions, Passed), checked("build", Some(7), Failed)], None),
        (vec![checked("build", Some(7), Passed)], Some(("UnknownCheck", "there are build of the App 7;"))),
        (vec![checked("build", None, Passed)], Some(("UnknownCheck", "there are build;"))),
        (vec![checked("biuld", actions, Passed)], Some(("UnknownCheck", "build of the App 15368: there are biuld"))),
        (vec![checked("build", actions, Running)], Some(("ChecksRunning", "under way"))),
        (vec![checked("build", actions, Failed)], Some(("ChecksFailed", "failed (https://github.test/runs/1)"))),
        (vec![], Some(("ChecksRunning", "none is reported yet"))),
    ];
    let release = waiting(json!({"checks": [{"name": "build", "appId": 15_368}]}), GATED);
    for (checks, expected) in cases {
        let found = reasons(&release, Some(CommitFacts { checks: checks.clone(), ..ada() }));
        match (expected, found.as_slice()) {
            (None, []) => {}
            (Some((reason, part)), [(found, message)]) if *found == reason && message.contains(part) => {}
            _ => panic!("{checks:?}: {found:?}"),
        }
    }
    assert_eq!(reasons(&release, None)[0].0, "ChecksRunning", "what was not looked at is not open");
    let anybody = waiting(json!({"checks": [{"name": "build"}]}), GATED);
    let two = vec![checked("build", actions, Passed), checked("build", None, Failed)];
    assert_eq!(reasons(&anybody, Some(CommitFacts { checks: two, ..ada() }))[0].0, "ChecksFailed");
}

fn pull(author: &str, reviews: &[(&str, bool)]) -> Pull {
    let review = |(reviewer, approves): &(&str, bool)| Review { reviewer: (*reviewer).into(), approves: *approves };
    Pull {
        number: 7,
        url: "https://github.test/pull/7".into(),
        author: author.into(),
        reviews: reviews.iter().map(review).collect(),
    }
}

#[test]
fn reviews_of_others_open_and_an_objection_closes() {
    let release = waiting(json!({"reviews": {"minimum": 2}}), GATED);
    let cases = [
        (vec![pull("ada", &[("bob", true), ("eve", true)])], None),
        (vec![pull("ada", &[("bob", true)])], Some("1 of 2 approving reviews: https://github.test/pull/7")),
        (vec![pull("ada", &[("bob", true), ("ada", true)])], Some("1 of 2")),
        (vec![pull("ada", &[("bob", true), ("eve", true), ("mia", false)])], Some("mia requested changes")),
        (vec![], Some("came in without a pull request")),
    ];
    for (pulls, expected) in cases {
        let found = reasons(&release, Some(CommitFacts { pulls: pulls.clone(), ..ada() }));
        let message = found.first().map(|(_, message)| message.as_str());
        match (expected, message) {
            (None, None) => {}
            (Some(part), Some(message)) if message.contains(part) => {}
            _ => panic!("{pulls:?}: {found:?}"),
        }
    }
}

#[test]
fn a_freeze_holds_up_the_promotion_alone_and_an_override_is_on_record() {
    let frozen = json!({"freezeWindows": [{"name": "noon", "start": "11:00", "end": "13:30"}]});
    assert_eq!(reasons(&waiting(frozen.clone(), GATED), None), [], "it may be built");
    let mut release = waiting(frozen, JUDGED);
    let found = reasons(&release, None);
    assert!(found[0].1.contains("until 2026-01-14T13:30:00Z (freeze window noon)"), "{found:?}");
    let wait = seen(&release, &[], |input| input.gates_recheck(&Sight::default()));
    assert_eq!(wait.as_secs(), 90 * 60, "it is looked at again when the freeze is over, and not before");
    let annotate = |release: &mut Deployment, value: &str| {
        release.metadata.annotations = Some([(OVERRIDE_FREEZE_ANNOTATION.to_owned(), value.to_owned())].into());
    };
    annotate(&mut release, " ");
    assert!(reasons(&release, None)[0].1.starts_with("an override needs a reason"));
    annotate(&mut release, "ada: INC-17");
    assert_eq!(reasons(&release, None), []);
    let sight = Sight {
        production: Some(rollout::Production { serving: Some("dpl_1".into()), ..Default::default() }),
        ..Sight::default()
    };
    let row = machine::next(Phase::AwaitingApproval, Event::Approved).expect("a line");
    assert_eq!(seen(&release, &[], |input| rollout::decide(input, &sight)), Decision::Go(row));
    let record = seen(&release, &[], |input| rollout::record(input, &sight, row));
    let freeze = record.freeze_override.expect("an override");
    assert_eq!((freeze.reason.as_str(), freeze.windows.as_slice()), ("ada: INC-17", &["noon".to_owned()][..]));
}

#[test]
fn another_environment_comes_first() {
    let release = waiting(json!({"after": [{"environment": "staging"}]}), GATED);
    let mut staging = fixtures::release("acme-s", "bbb", "r2", "Building");
    staging.spec.environment = "staging".into();
    staging.status = None;
    let look = |others: &[Deployment]| seen(&release, others, |input| input.closed(&Sight::default()));
    assert!(look(&[])[0].message.contains("make a Deployment of it with environment: staging"));
    assert_eq!(look(&[staging.clone()])[0].reason, "EnvironmentBusy");
    let mut other = staging.clone();
    other.spec.source.commit = Some("ccc".into());
    other.status = Some(waiting(json!({}), &["Ready"]).status.expect("a status"));
    assert_eq!(look(&[other])[0].reason, "EnvironmentOrder", "another commit says nothing");
    staging.status = Some(waiting(json!({}), &["Ready"]).status.expect("a status"));
    assert_eq!(look(&[staging]), []);
    let unknown = waiting(json!({"after": [{"environment": "qa"}, {"environment": "Production"}]}), GATED);
    let (reason, message) = reasons(&unknown, None).remove(0);
    assert_eq!(reason, "InvalidGates");
    assert!(
        message.contains("there are staging, Preview") && message.contains("cannot come before itself"),
        "{message}"
    );
}

#[test]
fn whoever_wrote_the_commit_is_not_the_only_one_who_approves_it() {
    let gates = json!({"approval": "Required", "separationOfDuties": true});
    let approved = |by: &str, pulls: Vec<Pull>| {
        let mut release = waiting(gates.clone(), JUDGED);
        let text = format!("0123456789ab{by}");
        release.metadata.annotations = Some([(APPROVE_ANNOTATION.to_owned(), text)].into());
        let sight = Sight { commit: Some(CommitFacts { pulls, ..ada() }), ..Sight::default() };
        seen(&release, &[], |input| input.approval(&sight).map(|approval| approval.and_then(|approval| approval.by)))
    };
    assert_eq!(approved(" by bob", vec![]), Ok(Some("bob".into())));
    for own in [" by ada", " by ADA@example.com"] {
        let refused = approved(own, vec![]).expect_err("it is her own");
        assert!(refused.contains("cannot be the only one who approves it"), "{refused}");
    }
    assert!(approved("", vec![]).expect_err("nobody knows").contains("does not say whose it is"));
    assert_eq!(
        approved(" by ada", vec![pull("ada", &[("bob", true)])]),
        Ok(Some("ada".into())),
        "bob looked at it too"
    );
    assert!(approved(" by mia", vec![pull("mia", &[])]).is_err(), "she opened the pull request");
}

#[test]
fn gates_time_out_only_while_something_is_closed() {
    let gates = |marks| waiting(json!({"timeoutSeconds": 60, "checks": [{"name": "build"}]}), marks);
    let with = |state| Sight {
        commit: Some(CommitFacts { checks: vec![checked("build", None, state)], ..ada() }),
        ..Sight::default()
    };
    let stands = |release: &Deployment, sight: &Sight| seen(release, &[], |input| input.gates(sight));
    assert_eq!(stands(&gates(GATED), &with(CheckState::Passed)), machine::Gates::Open);
    assert_eq!(stands(&gates(GATED), &with(CheckState::Running)), machine::Gates::TimedOut);
    assert_eq!(stands(&gates(JUDGED), &with(CheckState::Failed)), machine::Gates::TimedOut);
}
