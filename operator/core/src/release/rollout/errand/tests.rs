use forkable_crds::{ABORT_ANNOTATION, APPROVE_ANNOTATION, Deployment};
use serde_json::{Value, json};

use super::{
    super::{
        Production,
        machine::{Call, Decision},
        phase,
        tests::{built, go_at, release, with_at},
    },
    *,
};
use crate::forge::CommitFacts;

/// At second 1000, built, with this in its spec.
fn candidate(analysis: Value, gates: Value) -> (Deployment, Sight) {
    let mut release = release();
    release.spec.analysis = serde_json::from_value(analysis).expect("an analysis");
    release.spec.gates = serde_json::from_value(gates).expect("gates");
    let mut sight = Sight { is_looked_for: true, ..Sight::default() };
    assert_eq!(go_at(1000, &mut release, &sight), Decision::Wait, "its workflows are looked at first");
    assert_eq!(phase(&release), Phase::Pending);
    sight.workflows = Some(Ok(()));
    sight.commit = Some(CommitFacts { authors: vec!["ada".into()], ..CommitFacts::default() });
    go_at(1000, &mut release, &sight);
    sight.build.deployment = Some(built());
    sight.production = Some(Production { serving: Some("dpl_1".into()), ..Production::default() });
    go_at(1000, &mut release, &sight);
    (release, sight)
}

fn next_at(second: i64, release: &Deployment, sight: &Sight) -> Option<Next> {
    with_at(second, release, |input| next(input, sight))
}

/// Goes through the intent and the dispatch, whose answer is lost or not.
fn begin(second: i64, release: &mut Deployment, sight: &mut Sight, id: Option<i64>) -> Dispatch {
    let Some(Next::Intend(record)) = next_at(second, release, sight) else { panic!("an intent comes first") };
    release.status = Some(*record);
    sight.errand = Errand { is_untried: true, ..Errand::default() };
    let Some(Next::Dispatch(purpose, dispatch)) = next_at(second, release, sight) else { panic!("then the dispatch") };
    sight.errand = Errand::default();
    if let Some(id) = id {
        release.status = Some(with_at(second, release, |input| begun(input, &purpose, id, "https://run")));
    }
    dispatch
}

fn run(id: i64, title: &str, second: i64, conclusion: Option<&str>) -> RunFacts {
    let state = match conclusion {
        None => RunState::Running,
        Some("success") => RunState::Succeeded,
        Some(_) => RunState::Failed,
    };
    let created_at = jiff::Timestamp::from_second(second).expect("a time");
    let conclusion = conclusion.map(str::to_owned);
    RunFacts { id, title: title.into(), state, conclusion, url: "https://run".into(), created_at }
}

fn recorded_at(second: i64, release: &mut Deployment, sight: &Sight) {
    match next_at(second, release, sight) {
        Some(Next::Record(record) | Next::Cancel(_, record)) => release.status = Some(*record),
        other => panic!("something is put on record, not {other:?}"),
    }
}

#[test]
fn a_job_runs_again_only_after_one_that_was_not_good() {
    let job = json!({ "workflow": "e2e.yml", "inputs": { "to": "{{ url }}", "what": "{{ commit }} {{ stage }}" } });
    let (mut release, mut sight) = candidate(json!({ "failureLimit": 1, "job": job }), Value::Null);
    assert_eq!(phase(&release), Phase::Verifying);
    let dispatch = begin(1000, &mut release, &mut sight, Some(7));
    let inputs = [("release", "acme-2"), ("to", "https://acme-2-xyz.vercel.app"), ("what", "bbb Candidate")];
    let inputs: Vec<_> = inputs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!((dispatch.workflow.as_str(), dispatch.git_ref.as_str()), ("e2e.yml", "main"));
    assert_eq!(dispatch.inputs.into_iter().collect::<Vec<_>>(), inputs);
    let looks = |second, release: &Deployment, sight: &Sight| {
        matches!(next_at(second, release, sight), Some(Next::Look { ask: RunAsk::Id(7), reviews: false }))
    };
    assert!(looks(1001, &release, &sight), "what is on record is looked at, also after a restart");
    sight.errand.found = Some(Found::Run(run(7, "", 1000, None)));
    assert!(looks(1001, &release, &sight));
    sight.errand.found = Some(Found::Run(run(7, "", 1000, Some("failure"))));
    recorded_at(1002, &mut release, &sight);
    let of = |release: &Deployment| release.status.as_ref().expect("a status").analysis_runs[0].clone();
    assert_eq!((of(&release).failures, of(&release).jobs_ended), (1, 1));
    assert_eq!(go_at(1002, &mut release, &sight), Decision::Wait, "one failure is put up with");
    begin(1003, &mut release, &mut sight, Some(8));
    sight.errand.found = Some(Found::Run(run(8, "", 1003, Some("success"))));
    recorded_at(1004, &mut release, &sight);
    assert_eq!((of(&release).successes, of(&release).jobs_ended), (1, 2));
    assert_eq!(next_at(1004, &release, &sight), None);
    assert_eq!(go_at(1004, &mut release, &sight), Decision::Make(Call::Promote), "and nothing else is asked for");
}

#[test]
fn a_job_that_takes_too_long_is_canceled_and_one_that_is_gone_is_no_data() {
    let job = json!({ "inconclusiveLimit": 1, "job": { "workflow": "e2e.yml", "timeoutSeconds": 60 } });
    let (mut release, mut sight) = candidate(job, Value::Null);
    begin(1000, &mut release, &mut sight, Some(7));
    sight.errand.found = Some(Found::Run(run(7, "", 1000, None)));
    assert!(matches!(next_at(1061, &release, &sight), Some(Next::Cancel(7, _))));
    recorded_at(1061, &mut release, &sight);
    begin(1062, &mut release, &mut sight, Some(8));
    sight.errand.found = Some(Found::Absent);
    recorded_at(1063, &mut release, &sight);
    let runs = release.status.as_ref().expect("a status").analysis_runs[0].clone();
    let said: Vec<_> = runs.measurements.iter().map(|it| (it.result.as_str(), it.message.as_str())).collect();
    let (late, gone) = ("e2e.yml ended with timed_out: https://run", "the run of e2e.yml is gone: https://run");
    assert_eq!(said, [("NoData", late), ("NoData", gone)]);
    assert_eq!(go_at(1063, &mut release, &sight), Decision::Wait);
    assert_eq!(phase(&release), Phase::Failed, "two are more than are put up with");
}

#[test]
fn a_dispatch_that_was_not_answered_is_made_again_only_if_nothing_shows_it() {
    let (mut release, mut sight) = candidate(json!({ "job": { "workflow": "e2e.yml" } }), Value::Null);
    begin(1000, &mut release, &mut sight, None);
    let Some(Next::Look { ask, .. }) = next_at(1001, &release, &sight) else { panic!("it is looked for") };
    assert!(matches!(ask, RunAsk::Dispatched { .. }), "{ask:?}");
    let seen =
        |release: &Deployment, runs: &[RunFacts]| with_at(1001, release, |input| found(input, &ask, runs.to_vec()));
    let other = run(6, "Judge acme-1", 1000, None);
    assert_eq!(seen(&release, std::slice::from_ref(&other)), Found::Absent, "of another release");
    sight.errand.found = Some(Found::Absent);
    assert!(matches!(next_at(1010, &release, &sight), Some(Next::Look { .. })), "lists are late");
    assert!(matches!(next_at(1031, &release, &sight), Some(Next::Intend(_))), "it was not heard");
    let own = run(7, "Judge acme-2", 1000, None);
    assert_eq!(seen(&release, &[other, own.clone()]), Found::Run(own.clone()));
    sight.errand.found = Some(Found::Run(own.clone()));
    recorded_at(1011, &mut release, &sight);
    // Its next run is not taken for this one.
    assert_eq!(seen(&release, &[own]), Found::Absent);
}

#[test]
fn what_nobody_waits_for_any_more_is_canceled() {
    let (mut release, mut sight) = candidate(json!({ "job": { "workflow": "e2e.yml" } }), Value::Null);
    begin(1000, &mut release, &mut sight, Some(7));
    release.metadata.annotations = Some([(ABORT_ANNOTATION.to_owned(), "ada".to_owned())].into());
    go_at(1001, &mut release, &sight);
    assert_eq!(phase(&release), Phase::Aborted);
    assert!(matches!(next_at(1001, &release, &sight), Some(Next::Cancel(7, _))));
    recorded_at(1001, &mut release, &sight);
    assert_eq!(next_at(1002, &release, &sight), None);
}

/// A candidate that waits for reviewers, and its run.
fn reviewed(gates: &str) -> (Deployment, Sight) {
    let environment = json!({ "name": "production", "workflow": "approve.yml" });
    let mut all = json!({ "approval": "Required", "approvalEnvironment": environment });
    if !gates.is_empty() {
        all[gates] = true.into();
    }
    let (mut release, mut sight) = candidate(Value::Null, all);
    assert_eq!(phase(&release), Phase::AwaitingApproval);
    let dispatch = begin(1000, &mut release, &mut sight, Some(7));
    assert_eq!(dispatch.inputs["url"], "https://acme-2-xyz.vercel.app");
    assert!(matches!(next_at(1001, &release, &sight), Some(Next::Look { reviews: true, .. })));
    sight.errand.found = Some(Found::Run(run(7, "", 1000, None)));
    assert_eq!(go_at(1001, &mut release, &sight), Decision::Wait);
    (release, sight)
}

fn review(approves: bool, by: &str, environment: &str) -> RunReview {
    RunReview { approves, by: by.into(), comment: "seen".into(), environments: vec![environment.into()] }
}

#[test]
fn a_reviewer_of_the_environment_approves_or_rejects() {
    let (mut release, mut sight) = reviewed("");
    sight.errand.reviews = vec![review(true, "grace", "staging")];
    assert_eq!(go_at(1002, &mut release, &sight), Decision::Wait, "that is another environment");
    sight.errand.reviews = vec![review(true, "grace", "Production")];
    assert_eq!(go_at(1002, &mut release, &sight), Decision::Make(Call::Promote));
    let status = release.status.clone().expect("a status");
    let approval = status.approval.expect("an approval");
    assert_eq!((approval.by.as_deref(), approval.environment.as_deref()), (Some("grace"), Some("production")));
    assert_eq!(approval.comment.as_deref(), Some("seen"));
    assert_eq!(next_at(1003, &release, &sight), None, "its run ends by itself");

    let (mut release, mut sight) = reviewed("");
    sight.errand.reviews = vec![review(false, "grace", "production")];
    go_at(1002, &mut release, &sight);
    assert_eq!(phase(&release), Phase::Aborted);
    let conditions = release.status.as_ref().expect("a status").conditions.iter();
    let said: Vec<_> = conditions.filter(|it| it.type_ == "Aborted").map(|it| it.message.as_str()).collect();
    assert!(said[0].starts_with("rejected by grace in the GitHub environment production: seen"), "{said:?}");
    assert_eq!(next_at(1003, &release, &sight), None);
}

#[test]
fn who_wrote_the_commit_does_not_approve_it_alone_at_github_either() {
    let (mut release, mut sight) = reviewed("separationOfDuties");
    sight.errand.reviews = vec![review(true, "Ada", "production")];
    assert_eq!(go_at(1002, &mut release, &sight), Decision::Wait);
    let wrong = with_at(1002, &release, |input| input.approval(&sight)).expect_err("it is by the author");
    assert!(wrong.contains("Ada wrote the commit"), "{wrong}");
    let candidate = release.status.as_ref().and_then(|status| status.candidate.clone()).expect("a candidate");
    release.metadata.annotations = Some([(APPROVE_ANNOTATION.to_owned(), format!("{candidate} by grace"))].into());
    assert_eq!(go_at(1002, &mut release, &sight), Decision::Make(Call::Promote), "another may, here");
}
