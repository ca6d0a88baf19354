use forkable_crds::{ABORT_ANNOTATION, OVERRIDE_FREEZE_ANNOTATION, rollout::AnalysisRun};
use serde_json::{Value, json};

use super::{
    super::{
        Production, known, needs, status,
        tests::{built, go_at, release, with_at},
    },
    *,
};
use crate::{
    condition,
    forge::CommitFacts,
    release::machine::{Call, Decision},
};

/// At second 1000 the release is at its first step, with a quarter of the visitors.
fn shifted(steps: &Value, gates: Value) -> (Deployment, Sight) {
    let mut release = release();
    release.spec.strategy = serde_json::from_value(json!({ "type": "Canary", "steps": steps })).expect("a strategy");
    release.spec.gates = serde_json::from_value(gates).expect("gates");
    let mut sight = Sight { is_looked_for: true, offer: Some(Ok(())), ..Sight::default() };
    sight.commit = Some(CommitFacts { authors: vec!["ada".into()], ..CommitFacts::default() });
    go_at(1000, &mut release, &sight);
    sight.build.deployment = Some(built());
    sight.production = Some(Production { serving: Some("dpl_1".into()), ..Production::default() });
    assert_eq!(go_at(1000, &mut release, &sight), Decision::Make(Call::Promote));
    at_stage(&mut sight, 0);
    assert_eq!(go_at(1000, &mut release, &sight), Decision::Wait);
    assert_eq!(phase(&release), Phase::Shifting);
    (release, sight)
}

fn at_stage(sight: &mut Sight, stage: usize) {
    let split = Split {
        canary: "dpl_2".into(),
        base: Some("dpl_1".into()),
        state: SplitState::Active { stage },
        queued: None,
        started_at: 1_000_000,
    };
    sight.production = Some(Production { serving: Some("dpl_1".into()), moved: None, split: Some(split) });
}

fn approve(release: &mut Deployment, by: &str) {
    let named = approvable(release).expect("it asks for approval");
    release.metadata.annotations = Some([(APPROVE_ANNOTATION.to_owned(), format!("{named} by {by}"))].into());
}

/// What `Ready` says at this second.
fn says(second: i64, release: &Deployment, sight: &Sight) -> String {
    let status = with_at(second, release, |input| {
        let record = known(input, sight);
        status(input, record.clone(), super::super::marks(&record), sight, None, None)
    });
    condition::find(&status.conditions, "Ready").expect("a condition").message.clone()
}

#[test]
fn a_step_that_nobody_approves_in_time_goes_back() {
    let steps = json!([{ "weight": 25, "pauseSeconds": 5, "approval": "Required" }]);
    let (mut release, sight) = shifted(&steps, json!({ "timeoutSeconds": 60 }));
    assert!(says(1004, &release, &sight).contains("watched until 1970-01-01 00:16:45 UTC"), "{:?}", release.status);
    let said = says(1006, &release, &sight);
    assert!(said.contains("waits for approval of what comes next, until 1970-01-01 00:17:45 UTC"), "{said}");
    let turns = |second| with_at(second, &release, |input| input.step_turns_in().map(|rest| rest.as_secs()));
    assert_eq!([turns(1001), turns(1006), turns(1065)], [Some(4), Some(59), None]);
    assert_eq!(go_at(1064, &mut release, &sight), Decision::Wait);
    assert_eq!(phase(&release), Phase::Shifting);
    assert_eq!(go_at(1065, &mut release, &sight), Decision::Make(Call::RollBack));
    let said = says(1065, &release, &sight);
    let conditions = &release.status.as_ref().expect("a status").conditions;
    let why = condition::find(conditions, "RollingBack").expect("a condition");
    assert_eq!(why.reason, "GatesTimedOut", "{said}");
    assert!(why.message.contains("nobody approved it"), "{}", why.message);
}

#[test]
fn who_wrote_the_commit_does_not_approve_its_steps_alone() {
    let steps = json!([{ "weight": 25, "pauseSeconds": 5, "approval": "Required" }]);
    let (mut release, mut sight) = shifted(&steps, json!({ "separationOfDuties": true }));
    approve(&mut release, "Ada");
    let asks = with_at(1010, &release, |input| needs(input, &sight, false).commit).expect("who wrote it is asked");
    assert!(asks.reviews && !asks.checks);
    assert_eq!(go_at(1010, &mut release, &sight), Decision::Wait);
    let said = says(1010, &release, &sight);
    assert!(said.starts_with("separationOfDuties: Ada wrote the commit"), "{said}");
    let facts = sight.commit.take();
    assert_eq!(go_at(1010, &mut release, &sight), Decision::Wait, "who wrote it is not known");
    sight.commit = facts;
    approve(&mut release, "grace");
    assert_eq!(go_at(1010, &mut release, &sight), Decision::Make(Call::Advance));
    let approval = release.status.and_then(|status| status.approval).expect("an approval");
    assert_eq!(approval.by.as_deref(), Some("grace"));
}

#[test]
fn an_approval_is_for_one_step() {
    let step = |weight: i64| json!({ "weight": weight, "pauseSeconds": 5, "approval": "Required" });
    let (mut release, mut sight) = shifted(&json!([step(25), step(50)]), Value::Null);
    approve(&mut release, "grace");
    assert_eq!(go_at(1010, &mut release, &sight), Decision::Make(Call::Advance));
    at_stage(&mut sight, 1);
    assert_eq!(go_at(1020, &mut release, &sight), Decision::Wait);
    assert_eq!(go_at(1030, &mut release, &sight), Decision::Wait, "the approval was for the first step");
    assert_eq!(
        standing(&release, "1970-01-01T00:17:10Z".parse().expect("a time")).as_deref(),
        Some("canary 50 % (step 2 of 2), its time is over")
    );
    approve(&mut release, "grace");
    assert_eq!(go_at(1030, &mut release, &sight), Decision::Make(Call::Advance));
}

#[test]
fn candidate_and_live_site_are_both_asked_before_a_step_passes() {
    let (mut release, sight) = shifted(&json!([{ "weight": 25, "pauseSeconds": 5 }]), Value::Null);
    release.spec.analysis = serde_json::from_value(json!({ "http": [{ "path": "/" }] })).expect("an analysis");
    for (successes, host, decision) in [
        (0, "acme-2-xyz.vercel.app", Decision::Wait),
        (1, "acme.vercel.app", Decision::Wait),
        (2, "acme-2-xyz.vercel.app", Decision::Make(Call::Advance)),
    ] {
        let status = release.status.as_mut().expect("a status");
        status.analysis_runs = vec![AnalysisRun { stage: "Step 1".into(), successes, ..AnalysisRun::default() }];
        assert_eq!(with_at(2000, &release, |input| input.step_host("Step 1")).as_deref(), Some(host));
        assert_eq!(go_at(2000, &mut release, &sight), decision, "after {successes}");
    }
}

#[test]
fn a_step_waits_while_releases_are_frozen_and_still_goes_back() {
    let window = json!({ "name": "fair", "from": "1970-01-01T00:16:41Z", "to": "1970-01-01T00:20:00Z" });
    let steps = json!([{ "weight": 25, "pauseSeconds": 5 }, { "weight": 50, "pauseSeconds": 5 }]);
    let (mut release, mut sight) = shifted(&steps, json!({ "freezeWindows": [window], "timeoutSeconds": 3600 }));
    assert_eq!(go_at(1010, &mut release, &sight), Decision::Wait);
    let said = says(1010, &release, &sight);
    let (is, why) = ("canary 25 % (step 1 of 2) waits", "nothing is promoted until 1970-01-01T00:20:00Z");
    assert!(said.contains(is) && said.contains(why) && said.contains("--override-freeze"), "{said}");
    let turns = with_at(1010, &release, |input| input.step_turns_in().map(|rest| rest.as_secs()));
    assert_eq!(turns, Some(190), "it goes on when the freeze is over");
    let freed = |release: &Deployment, text: &str| {
        let mut release = release.clone();
        release.metadata.annotations = Some([(OVERRIDE_FREEZE_ANNOTATION.to_owned(), text.to_owned())].into());
        release
    };
    let mut overridden = freed(&release, "ada: INC-17");
    assert_eq!(go_at(1010, &mut overridden, &sight), Decision::Make(Call::Advance));
    let freeze = overridden.status.and_then(|status| status.freeze_override).expect("it is on record");
    assert_eq!((freeze.reason.as_str(), freeze.windows.as_slice()), ("ada: INC-17", &["fair".to_owned()][..]));
    let mut aborted = release.clone();
    aborted.metadata.annotations = Some([(ABORT_ANNOTATION.to_owned(), "ada".to_owned())].into());
    assert_eq!(go_at(1010, &mut aborted, &sight), Decision::Make(Call::RollBack), "an abort does not wait");
    let mut bad = release.clone();
    bad.spec.analysis = serde_json::from_value(json!({ "http": [{ "path": "/" }] })).expect("an analysis");
    let status = bad.status.as_mut().expect("a status");
    status.analysis_runs = vec![AnalysisRun { stage: "Step 1".into(), failures: 1, ..AnalysisRun::default() }];
    assert_eq!(go_at(1010, &mut bad, &sight), Decision::Make(Call::RollBack), "nor does what is bad");
    assert_eq!(go_at(1200, &mut release, &sight), Decision::Make(Call::Advance), "the freeze is over");
    at_stage(&mut sight, 1);
    assert_eq!(go_at(1201, &mut release, &sight), Decision::Wait);
    sight.frozen_by = Some("down".into());
    assert_eq!(go_at(1210, &mut release, &sight), Decision::Wait);
    let said = says(1210, &release, &sight);
    assert!(said.contains("while the AlertRule down fires"), "{said}");
    let mut late = release.clone();
    assert_eq!(go_at(4900, &mut late, &sight), Decision::Make(Call::RollBack), "longer than gates may take");
    sight.frozen_by = None;
    assert_eq!(go_at(1211, &mut release, &sight), Decision::Make(Call::Advance));
}
