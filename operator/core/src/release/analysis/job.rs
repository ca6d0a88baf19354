//! What the run of a workflow that judges a release is given, and what it is worth.

use std::collections::BTreeMap;

use forkable_crds::rollout::{Analysis, AnalysisRun, Job, JobStage, OnNoData};
use serde_json::json;

use super::{Judged, Subject, Worth, kind};
use crate::fork::placeholders;

/// GitHub's words for runs that were good and bad.
const SUCCESS: &str = "success";
const FAILURE: &str = "failure";
/// What is on record of a run that is not there any more.
pub(crate) const GONE: &str = "gone";

/// Whether a job judges in a stage.
pub fn is_for(analysis: &Analysis, stage: JobStage) -> bool {
    analysis.job.as_ref().is_some_and(|job| job.stages.contains(&stage))
}

/// Whether the job of a stage was good.
pub fn has_passed(run: &AnalysisRun) -> bool {
    run.job.as_ref().is_some_and(|job| job.conclusion.as_deref() == Some(SUCCESS))
}

/// The inputs of a run, `release` among them.
///
/// # Errors
/// The input that cannot be filled in, and why.
pub fn fill(
    job: &Job,
    subject: &Subject,
    release: &str,
    stage: &str,
) -> Result<BTreeMap<String, String>, (String, String)> {
    let Subject { host, commit, fork } = subject;
    let url = format!("https://{host}");
    let stage = kind(stage);
    let values = json!({
        "url": url, "host": host, "commit": commit, "fork": fork, "release": release, "stage": format!("{stage:?}"),
    });
    let mut inputs = BTreeMap::from([("release".to_owned(), release.to_owned())]);
    for (name, template) in &job.inputs {
        let filled = placeholders::fill(template, &values).map_err(|errors| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            (name.clone(), errors.join("; "))
        })?;
        inputs.insert(name.clone(), filled);
    }
    Ok(inputs)
}

/// What a run is worth that ended so: GitHub's word, [`GONE`], or why it could not be asked for.
pub fn judged(job: &Job, conclusion: &str, url: Option<&str>, on_no_data: OnNoData) -> Judged {
    let worth = match conclusion {
        SUCCESS => Worth::Success,
        FAILURE => Worth::Failure,
        GONE if on_no_data == OnNoData::Fail => Worth::Failure,
        _ => Worth::NoData,
    };
    let metric = (worth != Worth::Success).then(|| job.workflow.clone());
    let at = url.map_or_else(String::new, |url| format!(": {url}"));
    let message = match conclusion {
        GONE => format!("the run of {} is gone{at}", job.workflow),
        _ => format!("{} ended with {conclusion}{at}", job.workflow),
    };
    Judged { worth, metric, message }
}
