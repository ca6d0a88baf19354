//! The measurements of a release, as a table for people.

use forkable_crds::rollout::AnalysisRun;
use jiff::{Timestamp, tz::TimeZone};

/// Rows of a stage that are shown.
const ROWS: usize = 5;

/// How each stage came out so far, with its newest measurements.
pub(super) fn table(runs: &[AnalysisRun]) -> Vec<String> {
    let mut lines = Vec::new();
    for run in runs {
        let AnalysisRun { stage, successes, failures, inconclusive, .. } = run;
        lines.push(format!("{stage}: {successes} good, {failures} bad, {inconclusive} without data; the newest:"));
        let rows = run.measurements.iter().rev().take(ROWS).map(|measured| {
            let metric = measured.metric.clone().unwrap_or_else(|| "all".into());
            [time(measured.at.0), measured.result.clone(), metric, measured.message.clone()]
        });
        let head = ["AT", "RESULT", "METRIC", "SEEN"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let (at, result, metric) = (width(0), width(1), width(2));
        for [when, worth, of, seen] in &rows {
            lines.push(format!("  {when:<at$}  {worth:<result$}  {of:<metric$}  {seen}").trim_end().to_owned());
        }
    }
    lines
}

/// `candidate 3/0/0, live 12/1/0`: good, bad and without data.
pub(super) fn counts(runs: &[AnalysisRun]) -> String {
    let of = |run: &AnalysisRun| {
        format!("{} {}/{}/{}", run.stage.to_lowercase(), run.successes, run.failures, run.inconclusive)
    };
    runs.iter().map(of).collect::<Vec<_>>().join(", ")
}

fn time(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_metric_that_failed_stands_in_its_row() {
        let at = |second| format!("2026-01-01T00:00:0{second}Z");
        let run = serde_json::from_value(json!({
            "stage": "Live", "successes": 1, "failures": 1, "inconclusive": 0, "measurements": [
                {"at": at(1), "result": "Success", "message": "GET https://acme.dev/ answered 200 in 3 ms"},
                {"at": at(2), "result": "Failure", "metric": "error-rate", "message": "error-rate is 1"},
            ],
        }));
        let runs: [AnalysisRun; 1] = [run.expect("a run")];
        let lines = table(&runs);
        assert_eq!(lines[0], "Live: 1 good, 1 bad, 0 without data; the newest:");
        assert!(lines[1].ends_with("RESULT   METRIC      SEEN"), "{lines:#?}");
        assert!(lines[2].ends_with("Failure  error-rate  error-rate is 1"), "{lines:#?}");
        assert!(lines[3].contains("Success  all         GET"), "{lines:#?}");
        assert_eq!(counts(&runs), "live 1/1/0");
    }
}
