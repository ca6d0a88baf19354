//! The status of a Deployment, from its record and what was seen.

use forkable_crds::{DeploymentStatus, condition::ConditionStatus, deployment::CommitStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    Input, Observed, reason,
    request::{self, Unready},
};
use crate::{
    PortError, Retry,
    condition::{self, Report, State},
    hosting::{BuildState, DeploymentFacts},
    store::Kind,
};

/// Lines and bytes of a build's log in a condition.
const LOG_LINES: usize = 20;
const LOG_BYTES: usize = 4096;
/// Longest first line of a commit, in characters.
const MAX_MESSAGE: usize = 256;
/// Longest name of an author, in characters.
const MAX_AUTHOR: usize = 128;

/// How a release stands.
struct Standing {
    phase: &'static str,
    built: Told,
    /// Whether it ends here.
    is_final: bool,
    live: Told,
}

struct Told {
    state: State,
    reason: &'static str,
    message: String,
}

fn told(state: State, reason: &'static str, message: impl Into<String>) -> Told {
    Told { state, reason, message: message.into() }
}

/// The status after a pass. `observed.deployment` must be the answer to [`super::look`], unless that failed with `error`.
pub fn status(input: Input<'_>, observed: &Observed, error: Option<&PortError>) -> DeploymentStatus {
    let record = input.record();
    let generation = input.release.generation();
    if input.is_finished() {
        return finished(input, record, generation);
    }
    let mut status = DeploymentStatus { observed_generation: Some(generation), ..record };
    if let Some(facts) = &observed.deployment {
        status.deployment_id = Some(facts.id.clone());
        status.url = Some(format!("https://{}", facts.url));
        status.requested_at.get_or_insert(whole_seconds(input.now));
    }
    status.commit = commit(input, observed, status.commit);
    let standing = match error {
        Some(error) => failed(input, observed, error),
        None => standing(input, observed, status.deployment_id.is_some()),
    };
    status.phase = Some(standing.phase.into());
    if standing.is_final {
        status.finished_at = Some(whole_seconds(input.now));
    }
    let mut reports = vec![report("Built", standing.built)];
    if reports[0].state == State::Ready {
        reports.push(report("Live", standing.live));
    }
    let ready = status.url.as_ref().map_or_else(|| "live".into(), |url| format!("live at {url}"));
    status.conditions = condition::summarize(&status.conditions, &reports, generation, input.now);
    condition::say_ready(&mut status.conditions, &ready);
    status
}

fn report(condition: &'static str, told: Told) -> Report {
    Report { condition, state: told.state, reason: told.reason.into(), message: told.message }
}

/// What has come to an end stays as it is, but for a newer release that serves in its place.
fn finished(input: Input<'_>, mut status: DeploymentStatus, generation: i64) -> DeploymentStatus {
    status.observed_generation = Some(generation);
    for condition in &mut status.conditions {
        condition.observed_generation = Some(generation);
    }
    let is_live = condition::is_true(&status.conditions, "Live");
    let has_lived = status.conditions.iter().any(|condition| condition.type_ == "Live");
    let by = match replaced(input) {
        Some(by) if is_live => by,
        None if has_lived && !is_live && serves_again(input) => return live_again(input, status),
        _ => return status,
    };
    status.phase = Some("Superseded".into());
    for condition in status.conditions.iter_mut().filter(|condition| condition.type_ == "Live") {
        condition.status = ConditionStatus::False;
        condition.reason = reason::SUPERSEDED.into();
        condition.message = format!("{by} serves in its place");
        condition.last_transition_time = whole_seconds(input.now);
    }
    for condition in status.conditions.iter_mut().filter(|condition| condition.type_ == "Ready") {
        condition.reason = reason::SUPERSEDED.into();
        condition.message = format!("was live until {by} took its place");
    }
    status
}

/// The newer release of the environment that serves in place of this one.
pub(super) fn replaced(input: Input<'_>) -> Option<String> {
    let is_live = |status: &DeploymentStatus| condition::is_true(&status.conditions, "Live");
    let mut newer = input.newer().iter().filter(|newer| input.is_beside(newer));
    if serves_again(input) {
        return None;
    }
    newer.find(|newer| newer.status.as_ref().is_some_and(is_live)).map(|by| by.name().to_owned())
}

/// Whether the newest release that went live was rolled back to this one.
pub(super) fn serves_again(input: Input<'_>) -> bool {
    let mut newer = input.newer().iter().filter(|newer| input.is_beside(newer));
    let lived = |status: &DeploymentStatus| status.conditions.iter().any(|condition| condition.type_ == "Live");
    let last = newer.find_map(|newer| newer.status.as_ref().filter(|status| lived(status)));
    last.is_some_and(|last| {
        let to = last.rollback_to.as_ref().and_then(|to| to.release.as_ref());
        condition::is_true(&last.conditions, "RolledBack") && to == input.release.metadata.name.as_ref()
    })
}

/// A newer release was rolled back to this one.
fn live_again(input: Input<'_>, mut status: DeploymentStatus) -> DeploymentStatus {
    status.phase = Some("Live".into());
    for condition in status.conditions.iter_mut().filter(|condition| condition.type_ == "Live") {
        condition.status = ConditionStatus::True;
        condition.reason = reason::LIVE.into();
        condition.message = "serves again, since a newer release was rolled back".into();
        condition.last_transition_time = whole_seconds(input.now);
    }
    let ready = status.url.as_ref().map_or_else(|| "live again".into(), |url| format!("live again at {url}"));
    condition::say_ready(&mut status.conditions, &ready);
    status
}

fn standing(input: Input<'_>, observed: &Observed, is_known: bool) -> Standing {
    let going = |phase, told| Standing { phase, live: told_nothing(), built: told, is_final: false };
    let Some(facts) = &observed.deployment else {
        return match request::request(input) {
            Err(Unready { state, reason, message }) => going("Pending", told(state, reason, message)),
            Ok(_) if is_known => Standing {
                // The newest one is looked for again, should it only have been out of sight.
                is_final: input.is_followed(),
                ..going("Failed", told(State::Stalled, reason::DELETED, "the deployment was deleted at Vercel"))
            },
            Ok(_) => going("Pending", told(State::Progressing, reason::PENDING, "is about to be built")),
        };
    };
    let ended = |reason, message| Standing { is_final: true, ..going("Failed", told(State::Stalled, reason, message)) };
    match facts.state {
        BuildState::Queued => {
            going("Building", told(State::Progressing, reason::BUILDING, "waits for a build machine at Vercel"))
        }
        BuildState::Building => going("Building", told(State::Progressing, reason::BUILDING, "is being built")),
        BuildState::Failed => ended(reason::FAILED, failure(facts, observed.log.as_deref().unwrap_or_default())),
        BuildState::Canceled => {
            ended(reason::CANCELED, "the build was canceled at Vercel: push a commit or make a new Deployment".into())
        }
        BuildState::Blocked => {
            let why = facts.error.as_deref().unwrap_or("Vercel does not say why");
            let message = format!("Vercel blocks the build until a person acts there: {why}");
            going("Building", told(State::PersonNeeded, reason::BLOCKED, message))
        }
        BuildState::Ready => Standing {
            phase: if facts.aliases_assigned { "Live" } else { "Building" },
            is_final: facts.aliases_assigned,
            built: told(State::Ready, reason::BUILT, "built"),
            live: live(facts),
        },
    }
}

fn told_nothing() -> Told {
    told(State::Progressing, reason::PENDING, "")
}

fn live(facts: &DeploymentFacts) -> Told {
    match &facts.alias_error {
        _ if facts.aliases_assigned => told(State::Ready, reason::LIVE, format!("serves {}", served(facts))),
        Some(error) => told(
            State::PersonNeeded,
            reason::NOT_ASSIGNED,
            format!("built, and Vercel could not lead the domains to it: {error}"),
        ),
        None => told(State::Progressing, reason::ASSIGNING, "built; Vercel leads the domains to it"),
    }
}

fn served(facts: &DeploymentFacts) -> String {
    let mut hosts = facts.aliases.clone();
    hosts.sort_unstable();
    hosts.dedup();
    if hosts.is_empty() { facts.url.clone() } else { hosts.join(", ") }
}

fn failed(input: Input<'_>, observed: &Observed, error: &PortError) -> Standing {
    let state = match error.retry(input.now) {
        Retry::Never => State::Stalled,
        Retry::After(_) => State::Progressing,
        Retry::Backoff => State::Retrying,
    };
    let phase =
        if observed.deployment.is_some() || input.record().deployment_id.is_some() { "Building" } else { "Pending" };
    Standing { phase, built: told(state, error.reason(), error.to_string()), is_final: false, live: told_nothing() }
}

pub(super) fn failure(facts: &DeploymentFacts, log: &[String]) -> String {
    let error = facts.error.as_deref().unwrap_or("Vercel does not say why");
    let tail = tail(log);
    if tail.is_empty() {
        format!("build failed: {error}")
    } else {
        format!("build failed: {error}; last lines:\n{tail}")
    }
}

/// The last lines of a log, as many as fit.
fn tail(log: &[String]) -> String {
    let mut left = LOG_BYTES;
    let mut lines: Vec<_> = log
        .iter()
        .rev()
        .take(LOG_LINES)
        .take_while(|line| {
            let fits = line.len() < left;
            left = left.saturating_sub(line.len() + 1);
            fits
        })
        .map(String::as_str)
        .collect();
    lines.reverse();
    lines.join("\n")
}

pub(super) fn commit(input: Input<'_>, observed: &Observed, known: Option<CommitStatus>) -> Option<CommitStatus> {
    let facts = observed.deployment.as_ref();
    let sha = input.release.spec.source.commit.clone().or_else(|| facts?.commit.clone());
    let Some(sha) = sha else { return known };
    let known = known.filter(|known| known.sha == sha);
    let head = observed.head.as_ref().filter(|head| head.oid == sha);
    let short = |text: &str, max| Some(text.chars().take(max).collect::<String>()).filter(|text| !text.is_empty());
    match (head, known) {
        (Some(head), _) => Some(CommitStatus {
            sha,
            message: short(&head.message, MAX_MESSAGE),
            author: short(&head.author, MAX_AUTHOR),
        }),
        (None, Some(known)) => Some(known),
        (None, None) => Some(CommitStatus { sha, ..CommitStatus::default() }),
    }
}

/// As times are stored.
pub(crate) fn whole_seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}
