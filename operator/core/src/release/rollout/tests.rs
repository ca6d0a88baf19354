use forkable_crds::APPROVE_ANNOTATION;
use serde_json::json;

use super::{
    super::machine::{Decision, Event},
    *,
};
use crate::{
    fork::fixtures::{self, at, hosted_record},
    hosting::DeploymentFacts,
    workflows::{RunFacts, RunState},
};

/// The release `acme-2` after `acme-1`, which is live.
pub(super) fn release() -> Deployment {
    let mut release = fixtures::release("acme-2", "bbb", "r2", "Building");
    release.status = None;
    release.spec.strategy.strategy_type = StrategyType::BlueGreen;
    release
}

fn with<T>(release: &Deployment, look: impl FnOnce(Input<'_>) -> T) -> T {
    with_at(1000, release, look)
}

pub(super) fn with_at<T>(second: i64, release: &Deployment, look: impl FnOnce(Input<'_>) -> T) -> T {
    let mut fork = fixtures::fork();
    fork.status = Some(hosted_record());
    let siblings = [Arc::new(release.clone()), Arc::new(fixtures::release("acme-1", "aaa", "r1", "Live"))];
    look(Input { release, fork: Some(&fork), siblings: &siblings, now: at(second) })
}

pub(super) fn built() -> DeploymentFacts {
    DeploymentFacts {
        id: "dpl_2".into(),
        url: "acme-2-xyz.vercel.app".into(),
        state: BuildState::Ready,
        commit: Some("bbb".into()),
        ..DeploymentFacts::default()
    }
}

/// Goes through the table as far as what is seen leads.
fn go(release: &mut Deployment, sight: &Sight) -> Decision {
    go_at(1000, release, sight)
}

pub(super) fn go_at(second: i64, release: &mut Deployment, sight: &Sight) -> Decision {
    loop {
        let decision = with_at(second, release, |input| decide(input, sight));
        let Decision::Go(row) = decision else { return decision };
        let status = with_at(second, release, |input| {
            let record = record(input, sight, row);
            let marks = marks(&input.record()).after(row);
            status(input, record, marks, sight, Some(row), None)
        });
        assert_eq!(marks(&status).phase(), row.to, "what is stored tells the phase");
        release.status = Some(status);
    }
}

#[test]
fn what_is_on_record_leads_from_the_object_to_the_live_site() {
    let mut release = release();
    let mut sight = Sight { is_looked_for: true, ..Sight::default() };
    assert_eq!(go(&mut release, &sight), Decision::Make(machine::Call::Build));
    let request = with(&release, request).expect("it can be built");
    assert!(!request.goes_live, "it stays away from the domains");
    sight.build.deployment = Some(built());
    sight.production = Some(Production { serving: Some("dpl_1".into()), moved: None, split: None });
    assert_eq!(go(&mut release, &sight), Decision::Make(machine::Call::Promote));
    let status = release.status.clone().expect("a status");
    assert_eq!(status.rollback_to.map(|to| to.deployment_id).as_deref(), Some("dpl_1"));
    sight.production = Some(Production { serving: Some("dpl_2".into()), moved: None, split: None });
    assert_eq!(go(&mut release, &sight), Decision::Wait);
    assert_eq!(phase(&release), Phase::Healthy);
    assert!(is_true(&release.status.expect("a status").conditions, "Live"));
}

#[test]
fn an_approval_counts_for_the_very_candidate_only() {
    let mut release = release();
    release.spec.gates = serde_json::from_value(json!({"approval": "Required"})).expect("gates");
    let mut sight = Sight { is_looked_for: true, ..Sight::default() };
    go(&mut release, &sight);
    sight.build.deployment = Some(built());
    sight.production = Some(Production { serving: Some("dpl_1".into()), moved: None, split: None });
    assert_eq!(go(&mut release, &sight), Decision::Wait);
    assert_eq!(phase(&release), Phase::AwaitingApproval);
    let candidate = release.status.as_ref().and_then(|status| status.candidate.clone()).expect("a candidate");
    let approve = |release: &mut Deployment, text: &str| {
        release.metadata.annotations = Some([(APPROVE_ANNOTATION.to_owned(), text.to_owned())].into());
    };
    approve(&mut release, "000000000000 by ada");
    assert_eq!(go(&mut release, &sight), Decision::Wait);
    let error = with(&release, |input| input.approval(&Sight::default())).expect_err("it is stale");
    assert!(error.contains("the approval is for the candidate 000000000000"), "{error}");
    approve(&mut release, &format!("{candidate} by ada"));
    assert_eq!(go(&mut release, &sight), Decision::Make(machine::Call::Promote));
    let approval = release.status.and_then(|status| status.approval).expect("an approval");
    assert_eq!(approval.by.as_deref(), Some("ada"));
}

#[test]
fn an_old_failure_of_the_provider_is_not_taken_for_a_new_one() {
    let intended = whole_seconds(at(1_000_000));
    let record = DeploymentStatus {
        deployment_id: Some("dpl_2".into()),
        intended_at: Some(intended),
        ..DeploymentStatus::default()
    };
    let failed = |requested_at| {
        let moved = Move { to: "dpl_2".into(), is_rollback: false, succeeded: Some(false), requested_at };
        moving(&record, &Production { serving: None, moved: Some(moved), split: None }, &Sight::default())
    };
    assert_eq!(failed(1_000_000_000), Moving::PromotionFailed);
    assert_eq!(failed(900_000_000), Moving::Nothing);
    assert!(machine::next(Phase::Promoting, Event::PromotionFailed).is_some());
}

#[test]
fn a_migration_is_asked_for_only_if_it_is_certain_that_it_does_not_run() {
    let mut release = release();
    release.spec.migration =
        serde_json::from_value(json!({"workflow": "migrate.yml", "reversible": false})).expect("a migration");
    let mut sight = Sight { is_looked_for: true, is_run_untried: true, ..Sight::default() };
    assert_eq!(go(&mut release, &sight), Decision::Wait, "its workflow is not read yet");
    sight.workflows = Some(Ok(()));
    go(&mut release, &sight);
    sight.build.deployment = Some(built());
    sight.production = Some(Production { serving: Some("dpl_1".into()), ..Default::default() });
    assert_eq!(go(&mut release, &sight), Decision::Make(machine::Call::Migrate), "its intent is on record");
    let status = release.status.clone().expect("a status");
    let said = status.conditions.iter().find(|condition| condition.type_ == "Ready").expect("a condition");
    assert!(said.message.contains("no automatic way back"), "{}", said.message);
    sight.is_run_untried = false;
    let run = |state, conclusion: Option<&str>| {
        Found::Run(RunFacts {
            id: 7,
            title: "Migrate for acme-2".into(),
            state,
            conclusion: conclusion.map(Into::into),
            url: "https://github.test/runs/7".into(),
            created_at: at(1000),
        })
    };
    let asked = |release: &mut Deployment, second| {
        let run = release.status.as_mut().and_then(|status| status.migration.as_mut()).expect("an intent");
        run.intended_at = whole_seconds(at(second));
    };
    let event = |release: &Deployment, sight: &Sight| match with(release, |input| decide(input, sight)) {
        Decision::Go(row) => Some(row.event),
        Decision::Make(machine::Call::Migrate) => Some(Event::MigrationDue),
        _ => None,
    };
    for (why, seen, second, expected) in [
        ("after a restart nothing is known", None, 1000, None),
        ("GitHub's list may lag", Some(Found::Absent), 1000, None),
        ("it was never heard", Some(Found::Absent), 960, Some(Event::MigrationDue)),
        ("one that cannot be told apart may be it", Some(Found::Unclear), 960, Some(Event::MigrationFailed)),
        ("it runs", Some(run(RunState::Running, None)), 1000, None),
        ("it takes too long", Some(run(RunState::Running, None)), -3000, Some(Event::MigrationTimedOut)),
        ("it failed", Some(run(RunState::Failed, Some("failure"))), 1000, Some(Event::MigrationFailed)),
        ("it ended well", Some(run(RunState::Succeeded, Some("success"))), 1000, Some(Event::Migrated)),
    ] {
        asked(&mut release, second);
        sight.run = seen;
        assert_eq!(event(&release, &sight), expected, "{why}");
    }
    assert_eq!(go(&mut release, &sight), Decision::Make(machine::Call::Promote));
}
