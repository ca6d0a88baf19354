//! What holds a release up before its build and before its promotion, in words that say what opens it.

#[cfg(test)]
mod tests;

use forkable_crds::{
    OVERRIDE_FREEZE_ANNOTATION,
    rollout::{FreezeOverride, GateCheck, Gates, Reviews},
};

use super::{
    super::{Input, machine::Phase, reason, status::whole_seconds},
    Sight, freeze,
    freeze::Freeze,
    phase,
};
use crate::{
    condition::{State, is_true},
    forge::{CheckFacts, CheckState, CommitFacts, Pull, short},
    store::Kind as _,
};

/// Names of checks that a message has at most.
const NAMED: usize = 20;

/// Something that holds a release up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) state: State,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

fn closed(state: State, reason: &'static str, message: impl Into<String>) -> Closed {
    Closed { state, reason, message: message.into() }
}

/// What is wrong with gates, whatever happens: the field below `gates`, and why. `custom` are the names of the Fork's
/// environments, `environment` the one that is released to.
pub fn problems<'a>(gates: &Gates, custom: impl Iterator<Item = &'a str>, environment: &str) -> Vec<(String, String)> {
    let field = |index: Option<usize>| index.map_or("freezeWindows".into(), |index| format!("freezeWindows[{index}]"));
    let windows = freeze::problems(&gates.freeze_windows).into_iter().map(|(index, message)| (field(index), message));
    let known: Vec<_> = custom.chain(["Preview"]).collect();
    let after = gates.after.iter().enumerate().filter_map(|(index, after)| {
        let name = after.environment.as_str();
        let message = if name == environment {
            format!("{name} is the environment that is released to: it cannot come before itself")
        } else if known.contains(&name) {
            return None;
        } else {
            format!("there is no environment {name} that could come before: there are {}", known.join(", "))
        };
        Some((format!("after[{index}].environment"), message))
    });
    windows.chain(after).collect()
}

/// Whether the name is one that whoever wrote the commit, or the pull request that brought it in, goes by.
pub(super) fn wrote(facts: &CommitFacts, name: &str) -> bool {
    // A merge is by whoever merged.
    let authors = facts.authors.iter().chain(facts.pulls.iter().map(|pull| &pull.author));
    authors.into_iter().any(|author| author.eq_ignore_ascii_case(name.trim()))
}

impl Input<'_> {
    /// Everything that holds the release up now, the gravest first. Nothing in phases that wait for no gate.
    pub(super) fn closed(&self, sight: &Sight) -> Vec<Closed> {
        let phase = self.phase();
        if !matches!(phase, Phase::Gated | Phase::AwaitingApproval) {
            return Vec::new();
        }
        let frozen = if phase == Phase::AwaitingApproval { self.frozen(sight) } else { Vec::new() };
        let Some(gates) = &self.release.spec.gates else { return frozen };
        let custom = self.fork.iter().flat_map(|fork| &fork.spec.project.environments);
        let custom = custom.map(|custom| custom.name.as_str());
        let wrong = problems(gates, custom, &self.release.spec.environment);
        if !wrong.is_empty() {
            let wrong = wrong.into_iter().map(|(field, message)| format!("gates.{field}: {message}"));
            return vec![closed(State::Stalled, reason::INVALID_GATES, wrong.collect::<Vec<_>>().join("; "))];
        }
        let mut all = Vec::new();
        match (&sight.commit, self.commit_ask()) {
            (_, None) => {}
            (None, Some(ask)) => {
                let message = format!("GitHub has not told of commit {} yet", short(&ask.commit));
                all.push(closed(State::Progressing, reason::CHECKS_RUNNING, message));
            }
            (Some(facts), Some(ask)) => {
                all.extend(gates.checks.iter().filter_map(|wanted| check(wanted, facts)));
                let reviews = gates.reviews.as_ref();
                all.extend(reviews.and_then(|wanted| self.reviews(wanted, facts, short(&ask.commit))));
            }
        }
        all.extend(gates.after.iter().filter_map(|after| self.comes_after(&after.environment)));
        all.extend(frozen);
        all.sort_by_key(|closed| closed.state == State::Progressing);
        all
    }

    fn reviews(&self, wanted: &Reviews, facts: &CommitFacts, commit: &str) -> Option<Closed> {
        let minimum = usize::try_from(wanted.minimum).unwrap_or(1);
        let counts = |pull: &Pull, reviewer: &str| {
            reviewer != pull.author && !(self.separates_duties() && wrote(facts, reviewer))
        };
        let told = facts.pulls.iter().map(|pull| {
            let approve = |review: &&crate::forge::Review| review.approves && counts(pull, &review.reviewer);
            let approving = pull.reviews.iter().filter(approve).count();
            let against: Vec<_> =
                pull.reviews.iter().filter(|review| !review.approves).map(|review| review.reviewer.as_str()).collect();
            let Pull { number, url, .. } = pull;
            if against.is_empty() && approving >= minimum {
                return None;
            }
            let against = if against.is_empty() {
                String::new()
            } else {
                format!(", and {} requested changes", against.join(", "))
            };
            Some(format!("pull request #{number} has {approving} of {minimum} approving reviews{against}: {url}"))
        });
        // One that is reviewed is enough: it brought the commit in.
        let told: Option<Vec<_>> = told.collect();
        let mut told = told?;
        if told.is_empty() {
            told.push(format!(
                "commit {commit} came in without a pull request, so that nobody has reviewed it: merge one, or stop it with \
                 forkable abort {}",
                self.release.spec.fork_ref.name
            ));
        }
        Some(closed(State::PersonNeeded, reason::REVIEWS_REQUIRED, told.join("; ")))
    }

    fn comes_after(&self, environment: &str) -> Option<Closed> {
        let own = self.release.spec.source.commit.as_deref()?;
        let mut there = self.siblings.iter().filter(|release| {
            let status = release.status.as_ref();
            let commit = release.spec.source.commit.as_deref();
            let commit = commit.or_else(|| Some(status?.commit.as_ref()?.sha.as_str()));
            release.spec.environment == environment && commit == Some(own)
        });
        let is_healthy = |release: &forkable_crds::Deployment| {
            release.status.as_ref().is_some_and(|status| is_true(&status.conditions, "Ready"))
        };
        if there.clone().any(|release| is_healthy(release)) {
            return None;
        }
        let commit = short(own);
        Some(match there.next() {
            None => closed(
                State::PersonNeeded,
                reason::ENVIRONMENT_ORDER,
                format!(
                    "{environment} comes first, and commit {commit} was not released there: make a Deployment of it with environment: {environment}"
                ),
            ),
            Some(release) => {
                let (phase, name) = (phase(release), release.name());
                let (state, reason) = if phase.is_over() {
                    (State::PersonNeeded, reason::ENVIRONMENT_ORDER)
                } else {
                    (State::Progressing, reason::ENVIRONMENT_BUSY)
                };
                let message = format!(
                    "{environment} comes first, and commit {commit} is not healthy there: {name} is {}",
                    phase.name()
                );
                closed(state, reason, message)
            }
        })
    }

    /// The freeze that is in force.
    pub(super) fn freeze(&self) -> Result<Option<Freeze>, String> {
        let gates = self.release.spec.gates.as_ref();
        gates.map_or(Ok(None), |gates| freeze::freeze(&gates.freeze_windows, self.now))
    }

    /// A freeze that a person wants to go live in, as it is put on record.
    pub(super) fn freeze_override(&self) -> Option<Box<FreezeOverride>> {
        let reason = self.annotation(OVERRIDE_FREEZE_ANNOTATION)?.trim();
        let freeze = self.freeze().ok().flatten().filter(|_| !reason.is_empty())?;
        let reason = reason.chars().take(512).collect();
        Some(Box::new(FreezeOverride { reason, windows: freeze.windows, at: Some(whole_seconds(self.now)) }))
    }

    /// What keeps visitors from getting the release, or more of them: an alert, or a freeze.
    pub(super) fn frozen(&self, sight: &Sight) -> Vec<Closed> {
        let by_alert = sight.frozen_by.as_ref().map(|rule| {
            let message = format!("nothing is promoted while the AlertRule {rule} fires; it goes on when that is over");
            closed(State::PersonNeeded, reason::FROZEN_BY_ALERT, message)
        });
        by_alert.into_iter().chain(self.in_freeze()).collect()
    }

    fn in_freeze(&self) -> Option<Closed> {
        let Freeze { windows, until } = self.freeze().ok()??;
        if self.freeze_override().is_some() {
            return None;
        }
        let until = until.map_or_else(|| "for more than a year".into(), |until| format!("until {until}"));
        let empty = self.annotation(OVERRIDE_FREEZE_ANNOTATION).map_or("", |_| "an override needs a reason; ");
        let message = format!(
            "{empty}nothing is promoted {until} (freeze window {}); in an emergency: forkable approve {} --override-freeze \
             REASON",
            windows.join(", "),
            self.release.spec.fork_ref.name
        );
        Some(closed(State::PersonNeeded, reason::FREEZE_WINDOW, message))
    }
}

/// What holds the release up about one check. Where several Apps report a name, all of them have to be content.
fn check(wanted: &GateCheck, facts: &CommitFacts) -> Option<Closed> {
    let of = |app: Option<i64>| app.map_or_else(String::new, |app| format!(" of the App {app}"));
    let name = format!("{}{}", wanted.name, of(wanted.app_id));
    let is_it =
        |check: &&CheckFacts| check.name == wanted.name && (wanted.app_id.is_none() || wanted.app_id == check.app_id);
    let found: Vec<_> = facts.checks.iter().filter(is_it).collect();
    if found.is_empty() {
        let mut known: Vec<_> =
            facts.checks.iter().map(|check| format!("{}{}", check.name, of(check.app_id))).collect();
        known.sort_unstable();
        known.dedup();
        known.truncate(NAMED);
        return Some(if known.is_empty() {
            closed(
                State::Progressing,
                reason::CHECKS_RUNNING,
                format!("waits for the check {name}: none is reported yet"),
            )
        } else {
            let known = known.join(", ");
            let message =
                format!("nobody has reported the check {name}: there are {known}; it opens once it is reported");
            closed(State::PersonNeeded, reason::UNKNOWN_CHECK, message)
        });
    }
    if let Some(failed) = found.iter().find(|check| check.state == CheckState::Failed) {
        let url = failed.url.as_deref().unwrap_or("GitHub names no link");
        let message = format!("the check {name} failed ({url}): it opens once it is run again and succeeds");
        return Some(closed(State::PersonNeeded, reason::CHECKS_FAILED, message));
    }
    let is_running = found.iter().any(|check| check.state == CheckState::Running);
    is_running.then(|| closed(State::Progressing, reason::CHECKS_RUNNING, format!("the check {name} is under way")))
}
