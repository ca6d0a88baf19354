//! Progress as plain lines, each of them complete.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    time::Instant,
};

use forkable_core::store::ObjectRef;
use indicatif::MultiProgress;

use super::{label, local_site};
use crate::{
    cli::colour::{Tone, paint},
    hosts::local::Problem,
    progress::{Progress, Standing},
};

/// Progress as plain lines.
#[derive(Default)]
pub(in crate::cli) struct Lines {
    /// The live view that the lines are put above, if there is one.
    above: Option<MultiProgress>,
    sandbox: Option<String>,
    /// How each object stood when it was told last.
    told: HashMap<ObjectRef, (Standing, String, String)>,
    /// Since when an object is on its way.
    since: HashMap<ObjectRef, Instant>,
    problems: HashSet<String>,
}

impl Lines {
    pub(super) fn above(live: MultiProgress) -> Self {
        Self { above: Some(live), ..Self::default() }
    }

    pub(super) fn say(&self, line: &str) {
        match &self.above {
            // A terminal that is gone shows nothing anyway.
            Some(bars) => drop(bars.println(line)),
            None => super::super::say(line),
        }
    }

    pub(super) fn started(&mut self, server: SocketAddr, sandbox: Option<&str>) {
        if let Some(sandbox) = sandbox {
            self.say(&format!("sandbox of GitHub and Vercel at {sandbox}"));
        }
        self.say(&format!("web page at http://{server}/, with health, metrics and webhooks"));
        self.sandbox = sandbox.map(str::to_owned);
    }

    pub(super) fn problems(&mut self, problems: &[Problem]) {
        let now: HashSet<String> = problems.iter().map(|problem| format!("{} {problem}", problem.reason)).collect();
        for problem in problems {
            let text = format!("{} {problem}", problem.reason);
            if !self.problems.contains(&text) {
                self.say(&format!("problem: {text}"));
            }
        }
        for solved in self.problems.difference(&now) {
            self.say(&format!("solved: {solved}"));
        }
        self.problems = now;
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        match progress {
            Progress::StepBegan { object, .. } => {
                self.since.entry(object.clone()).or_insert_with(Instant::now);
            }
            Progress::StepEnded { object, step, error, took, .. } => {
                let (took, step) = (took.as_millis(), signed(step));
                match error {
                    None => self.say(&format!("{:<12} {step}  ({took} ms)", label(object))),
                    Some(error) => {
                        let failed = paint("FAILED:", Tone::Bad);
                        self.say(&format!("{:<12} {step}  {failed} {error}", label(object)));
                    }
                }
            }
            Progress::PassEnded { object, standing, reason, message, url, .. } => {
                self.stands(object, *standing, reason, message, url.as_deref());
            }
        }
    }

    fn stands(&mut self, object: &ObjectRef, standing: Standing, reason: &str, message: &str, url: Option<&str>) {
        let now = (standing, reason.to_owned(), message.to_owned());
        let before = self.told.insert(object.clone(), now.clone());
        let since = *self.since.entry(object.clone()).or_insert_with(Instant::now);
        if standing != Standing::Working {
            self.since.remove(object);
        }
        if before.as_ref() == Some(&now) {
            return;
        }
        let name = label(object);
        match standing {
            Standing::Ready if before.is_some_and(|(standing, ..)| standing == Standing::Ready) => {}
            Standing::Ready => {
                let took = since.elapsed().as_secs_f64();
                let url = url.unwrap_or_default();
                let ready = paint(format_args!("ready in {took:.1} s"), Tone::Good);
                self.say(&format!("{name:<12} {ready}  {url}"));
                if let (Some(sandbox), false) = (&self.sandbox, url.is_empty()) {
                    self.say(&format!("{:<12} open {}", "", local_site(sandbox, url)));
                }
            }
            // The live view shows it as long as it is so.
            Standing::Working if self.above.is_some() => {}
            Standing::Working => self.say(&format!("{name:<12} … {reason}: {message}")),
            Standing::Person => self.say(&format!("{name:<12} {} {reason}: {message}", paint("✗", Tone::Bad))),
            Standing::Gone => self.say(&format!("{name:<12} deleted")),
        }
    }
}

/// A step with its sign in colour.
fn signed(step: &str) -> String {
    let Some((sign, rest)) = step.split_once(' ') else { return step.to_owned() };
    let tone = match sign {
        "+" => Tone::Good,
        "-" => Tone::Bad,
        _ => Tone::Working,
    };
    format!("{} {rest}", paint(sign, tone))
}
