//! Whether a release is good: from visits to measurements, from measurements to a verdict.

use forkable_crds::rollout::{Analysis, AnalysisRun, HttpProbe, Measurement, OnNoData};
use jiff::Timestamp;

use super::{machine::Check, status::whole_seconds};
use crate::sites::Visit;

/// Measurements that are kept for people.
const KEPT: usize = 10;
/// Longest message of a measurement, in characters.
const MAX_MESSAGE: usize = 500;

/// What one measurement is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    Success,
    Failure,
    NoData,
}

impl Worth {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Failure => "Failure",
            Self::NoData => "NoData",
        }
    }
}

/// What a round of visits, one for each probe, is worth: bad if one is, without data if one got no answer.
pub fn judge(analysis: &Analysis, host: &str, visits: &[Visit]) -> (Worth, String) {
    let mut worth = Worth::Success;
    let mut told = Vec::new();
    for (probe, visit) in analysis.http.iter().zip(visits) {
        let (one, message) = judge_one(probe, visit);
        let one = if one == Worth::NoData && analysis.on_no_data == OnNoData::Fail { Worth::Failure } else { one };
        worth = match (worth, one) {
            (Worth::Failure, _) | (_, Worth::Failure) => Worth::Failure,
            (Worth::NoData, _) | (_, Worth::NoData) => Worth::NoData,
            _ => Worth::Success,
        };
        if one != Worth::Success || visits.len() == 1 {
            told.push(format!("GET https://{host}{} {message}", probe.path));
        }
    }
    (worth, told.join("; "))
}

fn judge_one(probe: &HttpProbe, visit: &Visit) -> (Worth, String) {
    let (status, latency, body) = match visit {
        Visit::Nothing(why) => return (Worth::NoData, format!("got no answer: {why}")),
        Visit::Answer { status, latency, body } => (*status, latency.as_millis(), body),
    };
    if i32::from(status) != probe.status {
        let hint = if status == 401 { " (is the address protected by project.protection?)" } else { "" };
        return (Worth::Failure, format!("answered {status} instead of {}{hint}", probe.status));
    }
    if let Some(most) =
        probe.max_latency_milliseconds.filter(|most| latency > u128::try_from(*most).unwrap_or_default())
    {
        return (Worth::Failure, format!("took {latency} ms; {most} ms is the most"));
    }
    match &probe.body_contains {
        Some(text) if !body.contains(text) => (Worth::Failure, format!("answered without {text:?}")),
        _ => (Worth::Success, format!("answered {status} in {latency} ms")),
    }
}

/// Takes a measurement in.
pub fn note(run: &mut AnalysisRun, worth: Worth, message: &str, at: Timestamp) {
    match worth {
        Worth::Success => run.successes += 1,
        Worth::Failure => run.failures += 1,
        Worth::NoData => run.inconclusive += 1,
    }
    let message = message.chars().take(MAX_MESSAGE).collect();
    run.measurements.push(Measurement { at: whole_seconds(at), result: worth.name().into(), message });
    let extra = run.measurements.len().saturating_sub(KEPT);
    run.measurements.drain(..extra);
}

/// Whether enough is known. `lasts` says whether a live site is watched that has not been watched for long enough yet.
pub fn verdict(analysis: &Analysis, run: &AnalysisRun, lasts: Option<bool>) -> Check {
    if run.failures > analysis.failure_limit || run.inconclusive > analysis.inconclusive_limit {
        return Check::Failed;
    }
    let is_enough = match lasts {
        None => run.successes >= analysis.count,
        Some(lasts) => !lasts && run.successes > 0,
    };
    if is_enough { Check::Passed } else { Check::Running }
}

/// How far it is, for people.
pub fn progress(run: &AnalysisRun) -> String {
    let counts = format!("{} good, {} bad, {} without data", run.successes, run.failures, run.inconclusive);
    match run.measurements.iter().rev().find(|it| it.result != Worth::Success.name()) {
        Some(last) => format!("{counts}; {}", last.message),
        None => counts,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn analysis() -> Analysis {
        serde_json::from_value(serde_json::json!({
            "count": 2, "failureLimit": 1, "inconclusiveLimit": 1,
            "http": [{"path": "/", "maxLatencyMilliseconds": 100, "bodyContains": "Acme"}],
        }))
        .expect("an analysis")
    }

    fn answer(status: u16, latency: u64, body: &str) -> Visit {
        Visit::Answer { status, latency: Duration::from_millis(latency), body: body.into() }
    }

    #[test]
    fn a_measurement_is_good_only_if_everything_is() {
        for (visit, worth, message) in [
            (answer(200, 100, "I am Acme"), Worth::Success, "answered 200 in 100 ms"),
            (answer(500, 1, "Acme"), Worth::Failure, "answered 500 instead of 200"),
            (answer(200, 101, "Acme"), Worth::Failure, "took 101 ms; 100 ms is the most"),
            (answer(200, 1, "Other"), Worth::Failure, "answered without \"Acme\""),
            (Visit::Nothing("timed out".into()), Worth::NoData, "got no answer: timed out"),
        ] {
            let message = format!("GET https://acme.dev/ {message}");
            assert_eq!(judge(&analysis(), "acme.dev", &[visit]), (worth, message));
        }
        let strict = Analysis { on_no_data: OnNoData::Fail, ..analysis() };
        assert_eq!(judge(&strict, "acme.dev", &[Visit::Nothing(String::new())]).0, Worth::Failure);
    }

    #[test]
    fn missing_data_is_never_success() {
        use Worth::{Failure, NoData, Success};
        let cases: [(&[Worth], Check, Check); 7] = [
            (&[], Check::Running, Check::Running),
            (&[Success, Success], Check::Passed, Check::Passed),
            (&[Success], Check::Running, Check::Passed),
            (&[Failure, Success, Success], Check::Passed, Check::Passed),
            (&[Success, Success, Failure, Failure], Check::Failed, Check::Failed),
            (&[NoData], Check::Running, Check::Running),
            (&[Success, Success, NoData, NoData], Check::Failed, Check::Failed),
        ];
        for (worths, candidate, live) in cases {
            let mut run = AnalysisRun::default();
            for worth in worths {
                note(&mut run, *worth, "", Timestamp::UNIX_EPOCH);
            }
            assert_eq!(verdict(&analysis(), &run, None), candidate, "{worths:?} before the promotion");
            assert_eq!(verdict(&analysis(), &run, Some(false)), live, "{worths:?} at the end of the bake");
            assert_ne!(verdict(&analysis(), &run, Some(true)), Check::Passed, "{worths:?} in the bake");
        }
    }
}
