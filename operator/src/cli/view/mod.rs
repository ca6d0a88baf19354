//! What `up` shows while it works: a live view in a terminal, lines in a pipe, JSON for machines.

mod json;
mod lines;
mod live;

use std::{io::IsTerminal as _, net::SocketAddr};

use forkable_core::store::ObjectRef;

use forkable_core::sites::host_of;

use super::up::Form;
use crate::{hosts::local::Problem, progress::Progress};

/// What `up` shows while it works.
pub(super) enum View {
    Live(live::Live),
    Lines(lines::Lines),
    Json(json::Json),
}

/// What the log has to give way to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    Live,
    Plain,
}

impl View {
    pub(super) fn new(form: Form) -> (Self, Screen) {
        match form {
            Form::Json => (Self::Json(json::Json::default()), Screen::Plain),
            Form::Text if std::io::stdout().is_terminal() && std::io::stderr().is_terminal() => {
                (Self::Live(live::Live::new()), Screen::Live)
            }
            Form::Text => (Self::Lines(lines::Lines::default()), Screen::Plain),
        }
    }

    pub(super) fn started(&mut self, server: SocketAddr, sandbox: Option<&str>) {
        match self {
            Self::Live(live) => live.lines.started(server, sandbox),
            Self::Lines(lines) => lines.started(server, sandbox),
            Self::Json(json) => json.started(server, sandbox),
        }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        match self {
            Self::Live(live) => live.show(progress),
            Self::Lines(lines) => lines.show(progress),
            Self::Json(json) => json.show(progress),
        }
    }

    /// Problems of the folder, all of them; those that were shown before are not shown again.
    pub(super) fn problems(&mut self, problems: &[Problem]) {
        match self {
            Self::Live(live) => live.lines.problems(problems),
            Self::Lines(lines) => lines.problems(problems),
            Self::Json(json) => json.problems(problems),
        }
    }

    pub(super) fn notice(&mut self, message: &str) {
        match self {
            Self::Live(live) => live.lines.say(message),
            Self::Lines(lines) => lines.say(message),
            Self::Json(_) => json::Json::notice(message),
        }
    }

    pub(super) fn finish(&mut self) {
        if let Self::Live(live) = self {
            live.finish();
        }
    }
}

/// How an object is called on the screen: Forks by their name alone.
fn label(object: &ObjectRef) -> String {
    let text = object.to_string();
    text.replace("fork/", "")
}

/// Where the deployed site of an address is on a sandbox.
fn local_site(sandbox: &str, url: &str) -> String {
    let host = host_of(url);
    format!("{}/_sites/{host}/", sandbox.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_found_on_the_sandbox() {
        let site = local_site("http://127.0.0.1:9000/", "https://acme.example.com");
        assert_eq!(site, "http://127.0.0.1:9000/_sites/acme.example.com/");
    }
}
