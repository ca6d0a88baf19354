//! Progress as one JSON object a line.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::local_site;
use crate::{
    hosts::local::Problem,
    progress::{Mark, Progress, Standing},
};

/// Progress as one JSON object a line, each with `time` and `type`.
#[derive(Default)]
pub(in crate::cli) struct Json {
    sandbox: Option<String>,
    problems: Vec<Problem>,
}

impl Json {
    fn say(kind: &str, mut fields: Value) {
        fields["type"] = kind.into();
        fields["time"] = Timestamp::now().to_string().into();
        super::super::say(fields);
    }

    pub(super) fn started(&mut self, server: SocketAddr, sandbox: Option<&str>) {
        self.sandbox = sandbox.map(str::to_owned);
        Self::say("started", json!({ "server": format!("http://{server}"), "sandbox": sandbox }));
    }

    pub(super) fn problems(&mut self, problems: &[Problem]) {
        for problem in problems.iter().filter(|problem| !self.problems.contains(problem)) {
            Self::say("problem", json!({ "problem": problem }));
        }
        self.problems = problems.to_vec();
    }

    pub(super) fn notice(message: &str) {
        Self::say("notice", json!({ "message": message }));
    }

    pub(super) fn show(&self, progress: &Progress) {
        match progress {
            Progress::StepBegan { object, facet, step } => {
                Self::say("began", json!({ "object": object.to_string(), "facet": facet, "step": step }));
            }
            Progress::StepEnded { object, facet, step, error, took } => Self::say(
                "step",
                json!({
                    "object": object.to_string(),
                    "facet": facet,
                    "step": step,
                    "error": error,
                    "milliseconds": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
                }),
            ),
            Progress::PassEnded { object, standing, reason, message, url, facets } => {
                let facets: Value = facets.iter().map(|(facet, mark)| (facet.name(), mark_name(*mark))).collect();
                let site = self.sandbox.as_deref().zip(url.as_deref()).map(|(sandbox, url)| local_site(sandbox, url));
                Self::say(
                    "status",
                    json!({
                        "object": object.to_string(),
                        "standing": standing_name(*standing),
                        "reason": reason,
                        "message": message,
                        "url": url,
                        "site": site,
                        "facets": facets,
                    }),
                );
            }
        }
    }
}

fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Ready => "ready",
        Standing::Working => "working",
        Standing::Person => "person-needed",
        Standing::Gone => "gone",
    }
}

fn mark_name(mark: Mark) -> &'static str {
    match mark {
        Mark::Done => "done",
        Mark::Working => "working",
        Mark::Failed => "failed",
    }
}
