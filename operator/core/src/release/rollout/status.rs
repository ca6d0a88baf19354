//! The status of a release that is promoted: its marks as conditions, and in words how it stands.

use forkable_crds::{
    ABORT_ANNOTATION, DeploymentStatus, ROLLBACK_ANNOTATION, THAW_ANNOTATION,
    condition::{Condition, ConditionStatus},
    rollout::RollbackTarget,
};

use super::{
    super::{
        Input, analysis,
        machine::{Event, Marks, Phase, Row, Turn},
        reason, request,
        status::{commit, failure, replaced, serves_again},
    },
    CANDIDATE, LIVE, Sight, canary, errand, migration, phase, revert,
};
use crate::{
    PortError, Retry,
    condition::{self, Report, State, is_true},
    forge::short,
    hosting::BuildState,
    store::Kind,
};

/// Checks that a proposal names at most.
const MAX_CHECKS: usize = 20;

/// Why something happened, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub reason: &'static str,
    pub message: String,
}

/// The status with these marks. `record` is what is on record otherwise; `news` says why the last line of the table
/// came true, if one did just now.
pub fn status(
    input: Input<'_>,
    record: DeploymentStatus,
    marks: Marks,
    sight: &Sight,
    news: Option<&Row>,
    error: Option<&PortError>,
) -> DeploymentStatus {
    let generation = input.release.generation();
    let before = record.conditions.clone();
    let mut status = DeploymentStatus { observed_generation: Some(generation), ..record };
    status.commit = commit(input, &sight.build, status.commit.take());
    let phase = marks.phase();
    status.phase = Some(phase.name().into());
    let told = news.and_then(|row| why(input, &status, sight, *row));

    let mut reports = Vec::new();
    let mut missing = None;
    for (condition, is_so) in milestones(marks).into_iter().flatten() {
        if !is_so {
            missing = Some(condition);
            break;
        }
        reports.push(kept(&before, condition, State::Ready, None));
    }
    let asides = asides(marks).map(|(condition, is_so)| {
        let news = told.clone().filter(|_| !is_true(&before, condition));
        is_so.then(|| kept(&before, condition, State::Ready, news))
    });
    let in_git = revert::report(input, &status, phase);
    let ended = asides.iter().flatten().last();
    let awaited = match (phase, ended) {
        (Phase::Healthy, _) => None,
        (Phase::Frozen, Some(ended)) if error.is_none() => {
            Some((State::PersonNeeded, reason::FROZEN.into(), ended.message.clone()))
        }
        (_, Some(ended)) if phase.is_over() => {
            let in_git = in_git.as_ref().map_or_else(String::new, |report| format!("; {}", report.message));
            Some((State::Stalled, ended.reason.clone(), format!("{}{in_git}", ended.message)))
        }
        _ => Some(awaited(input, &status, sight, phase, error)),
    };
    if let Some((state, reason, message)) = awaited {
        reports.push(Report { condition: missing.unwrap_or("Live"), state, reason, message });
    }
    let in_reports = reports.iter().any(|report| report.condition == "Live");
    status.conditions = condition::summarize(&before, &reports, generation, input.now);
    for aside in asides.iter().flatten().chain(&in_git) {
        condition::add_aside(&mut status.conditions, &before, aside, generation, input.now);
    }
    if marks.promoted && !in_reports {
        let live = live(input, &status, marks, &before);
        condition::add_aside(&mut status.conditions, &before, &live, generation, input.now);
    }
    let wrong = no_way_back(input, sight);
    let ready = format!("{}; undo with: forkable rollback {}", describe(&status), input.release.spec.fork_ref.name);
    condition::say_ready(&mut status.conditions, &format!("live: {wrong}{ready}"));
    status
}

fn milestones(marks: Marks) -> [Option<(&'static str, bool)>; 8] {
    [
        Some(("Admitted", marks.admitted)),
        Some(("GatesOpen", marks.building)),
        Some(("Built", marks.built)),
        Some(("Verified", marks.verified)),
        Some(("Approved", marks.migrating || marks.promoting)),
        marks.migrating.then_some(("Migrated", marks.promoting)),
        Some(("Promoted", marks.promoted)),
        Some(("Healthy", marks.healthy)),
    ]
}

fn asides(marks: Marks) -> [(&'static str, bool); 5] {
    [
        ("Frozen", marks.frozen),
        ("RollingBack", marks.rolling_back),
        ("RolledBack", marks.rolled_back),
        ("Aborted", marks.aborted),
        ("ReleaseFailed", marks.failed),
    ]
}

/// A condition that is true, in the words that it came with.
fn kept(before: &[Condition], condition: &'static str, state: State, news: Option<Told>) -> Report {
    let old = before.iter().find(|old| old.type_ == condition && old.status == ConditionStatus::True);
    let (reason, message) = match (old, news) {
        (Some(old), _) => (old.reason.clone(), old.message.clone()),
        (None, Some(Told { reason, message })) => (reason.into(), message),
        (None, None) => (condition.into(), default_message(condition).into()),
    };
    Report { condition, state, reason: reason.into(), message }
}

fn default_message(condition: &str) -> &'static str {
    match condition {
        "Admitted" => "its turn came",
        "GatesOpen" => "nothing holds it back",
        "Built" => "built",
        "Verified" => "good on its own address",
        "Approved" => "may go live",
        "Migrated" => "the data is as it needs it",
        "Promoted" => "the domains were led to it",
        "Healthy" => "good on the live site",
        _ => "",
    }
}

/// `commit abc1234 by ada`.
fn describe(status: &DeploymentStatus) -> String {
    let commit = status.commit.clone().unwrap_or_default();
    let by = commit.author.map_or_else(String::new, |author| format!(" by {author}"));
    format!("commit {}{by}", short(&commit.sha))
}

/// Why what a person wants to serve again cannot.
fn no_way_back(input: Input<'_>, sight: &Sight) -> String {
    match input.rollback_target() {
        Err(wrong) => format!("{wrong}; "),
        Ok(Some(to)) if !sight.is_there(&to) => format!("{}; ", is_gone(&to)),
        Ok(_) => String::new(),
    }
}

fn is_gone(to: &RollbackTarget) -> String {
    let release = to.release.as_deref().unwrap_or("what served before");
    format!("{release} cannot serve again: its deployment {} is gone at Vercel", to.deployment_id)
}

fn live(input: Input<'_>, status: &DeploymentStatus, marks: Marks, before: &[Condition]) -> Report {
    let report = |state, reason: &str, message| Report { condition: "Live", state, reason: reason.into(), message };
    if marks.rolled_back {
        let to = status.rollback_to.clone().unwrap_or_default();
        let message = format!("{} serves in its place", to.release.unwrap_or(to.deployment_id));
        return report(State::Stalled, reason::ROLLED_BACK, message);
    }
    let was = before.iter().find(|condition| condition.type_ == "Live" && condition.status == ConditionStatus::False);
    if let Some(was) = was.filter(|_| !serves_again(input)) {
        return report(State::Stalled, &was.reason, was.message.clone());
    }
    match replaced(input) {
        Some(by) => report(State::Stalled, reason::SUPERSEDED, format!("{by} serves in its place")),
        None => report(State::Ready, reason::LIVE, "serves production".into()),
    }
}

/// How it stands with what is waited for.
fn awaited(
    input: Input<'_>,
    status: &DeploymentStatus,
    sight: &Sight,
    phase: Phase,
    error: Option<&PortError>,
) -> (State, String, String) {
    if let Some(error) = error {
        let state = match error.retry(input.now) {
            Retry::Never => State::Stalled,
            Retry::After(_) => State::Progressing,
            Retry::Backoff => State::Retrying,
        };
        return (state, error.reason().into(), error.to_string());
    }
    let going = |message: String| (State::Progressing, phase.name().to_owned(), message);
    match phase {
        Phase::Pending => match (request::request(input), input.turn()) {
            (Err(unready), _) => (unready.state, unready.reason.into(), unready.message),
            (Ok(_), _) if sight.unready.is_some() => {
                (State::PersonNeeded, reason::ANALYSIS_INVALID.into(), sight.unready.clone().unwrap_or_default())
            }
            (Ok(_), _) if let Some(Err(told)) = &sight.workflows => {
                (State::PersonNeeded, told.reason.into(), told.message.clone())
            }
            (Ok(_), Turn::Ours) => going("is about to begin".into()),
            (Ok(_), _) if let Some(frozen) = frozen(input) => frozen,
            (Ok(_), _) => going("waits until the releases before it are over".into()),
        },
        Phase::Gated if let Some(Err(told)) = &sight.offer => {
            (State::Stalled, told.reason.into(), told.message.clone())
        }
        Phase::Gated => match held_up(input, sight) {
            Some((state, reason, message)) => (state, reason, format!("is not built yet: {message}")),
            None => going("is about to be built".into()),
        },
        Phase::Building => match sight.build.deployment.as_ref().map(|facts| (facts.state, facts)) {
            Some((BuildState::Queued, _)) => going("waits for a build machine at Vercel".into()),
            Some((BuildState::Blocked, facts)) => {
                let why = facts.error.as_deref().unwrap_or("Vercel does not say why");
                let message = format!("Vercel blocks the build until a person acts there: {why}");
                (State::PersonNeeded, reason::BLOCKED.into(), message)
            }
            _ => going("is being built".into()),
        },
        Phase::Verifying => {
            let url = status.url.as_deref().unwrap_or_default();
            let job = errand::told(input, status, sight);
            going(format!("is judged at {url}: {}{job}", analysis::progress(&input.run(CANDIDATE))))
        }
        Phase::AwaitingApproval => approval(input, status, sight),
        Phase::Migrating => going(format!("{}{}", migration::told(input, status, sight), input.no_way_back())),
        Phase::Shifting | Phase::Advancing => canary::awaited(input, status, sight, phase),
        Phase::Promoting => going("Vercel leads the domains to it".into()),
        Phase::Baking => {
            let counts = format!("{}{}", analysis::progress(&input.run(LIVE)), errand::told(input, status, sight));
            let name = &input.release.spec.fork_ref.name;
            let wrong = no_way_back(input, sight);
            going(format!(
                "{wrong}live and watched: {counts}; undo with: forkable rollback {name}{}",
                input.no_way_back()
            ))
        }
        Phase::RollingBack => {
            let to = status.rollback_to.clone().unwrap_or_default();
            going(format!("Vercel leads the domains back to {}", to.release.unwrap_or(to.deployment_id)))
        }
        Phase::Frozen | Phase::Healthy | Phase::RolledBack | Phase::Aborted | Phase::Failed => going(String::new()),
    }
}

/// An older release is bad, serves, and holds this one up.
fn frozen(input: Input<'_>) -> Option<(State, String, String)> {
    let frozen = input.older().iter().find(|older| phase(older) == Phase::Frozen)?;
    let (by, name) = (frozen.name(), &input.release.spec.fork_ref.name);
    let message = format!(
        "waits, as {by} is bad and serves: let newer releases go on with forkable resume {name}, or lead back with \
         forkable rollback {name} --yes"
    );
    Some((State::PersonNeeded, reason::FROZEN.into(), message))
}

/// What holds it up: the gravest as state and reason, all of it as message.
fn held_up(input: Input<'_>, sight: &Sight) -> Option<(State, String, String)> {
    let closed = input.closed(sight);
    let first = closed.first()?;
    let messages: Vec<_> = closed.iter().map(|closed| closed.message.as_str()).collect();
    Some((first.state.clone(), first.reason.into(), messages.join("; ")))
}

fn approval(input: Input<'_>, status: &DeploymentStatus, sight: &Sight) -> (State, String, String) {
    let held_up = held_up(input, sight);
    if input.is_approved(sight) {
        let soon = format!("is about to be promoted{}", input.no_way_back());
        let going = (State::Progressing, Phase::AwaitingApproval.name().into(), soon);
        return held_up.map_or(going, |(state, reason, message)| (state, reason, format!("is good, but {message}")));
    }
    let wrong = input.approval(sight).err().map_or_else(String::new, |wrong| format!("{wrong}; "));
    let url = status.url.as_deref().unwrap_or_default();
    let message = format!(
        "{wrong}{} waits for approval at {url}: forkable approve {} (candidate {}){}{}{}{}",
        describe(status),
        input.release.spec.fork_ref.name,
        status.candidate.as_deref().unwrap_or_default(),
        errand::told(input, status, sight),
        input.no_way_back(),
        proposal(input, status, sight),
        held_up.map_or_else(String::new, |(_, _, message)| format!("; even then: {message}")),
    );
    (State::PersonNeeded, reason::APPROVAL_REQUIRED.into(), message)
}

/// What would change for visitors: what a person looks at before approving.
fn proposal(input: Input<'_>, status: &DeploymentStatus, sight: &Sight) -> String {
    let fork = input.fork.and_then(|fork| fork.status.as_ref());
    let current = fork.and_then(|status| status.current_release.as_ref());
    let serving = input.siblings.iter().find(|release| {
        input.is_production() && release.metadata.name != input.release.metadata.name && is_live(release)
    });
    let mut parts = Vec::new();
    let commit = status.commit.as_ref().map(|commit| commit.sha.as_str()).unwrap_or_default();
    let repository = fork.and_then(|status| status.repository.as_ref());
    if let (Some(current), Some(repository)) = (current, repository)
        && current.commit != commit
    {
        parts.push(format!("changes: {}/compare/{}...{commit}", repository.html_url, current.commit));
    }
    let since = serving.and_then(|serving| serving.status.as_ref()?.requested_at.as_ref());
    if let (Some(since), Some(fork)) = (since, fork) {
        let is_newer = |row: &&forkable_crds::fork::EnvStatus| row.updated_at > since.0.as_millisecond();
        let mut names: Vec<_> = fork.env.iter().filter(is_newer).map(|row| row.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            parts.push(format!("changed variables: {}", names.join(", ")));
        }
    }
    let checks = sight.commit.iter().flat_map(|facts| &facts.checks);
    let checks: Vec<_> =
        checks.take(MAX_CHECKS).map(|check| format!("{} {}", check.name, check.state.name())).collect();
    if !checks.is_empty() {
        parts.push(format!("checks: {}", checks.join(", ")));
    }
    [String::new()].into_iter().chain(parts).collect::<Vec<_>>().join("; ")
}

/// Whether it serves.
pub fn is_live(release: &forkable_crds::Deployment) -> bool {
    release.status.as_ref().is_some_and(|status| is_true(&status.conditions, "Live"))
}

/// Why a line of the table came true, where people want to know.
fn why(input: Input<'_>, status: &DeploymentStatus, sight: &Sight, row: Row) -> Option<Told> {
    let told = |reason, message: String| Some(Told { reason, message });
    let annotation = |name| input.annotation(name).unwrap_or_default().to_owned();
    let keeps = "; what served before goes on serving";
    let commit = describe(status);
    match row.event {
        Event::Abort if row.phase == Phase::Migrating => {
            let run = migration::told(input, status, sight);
            let by = annotation(ABORT_ANNOTATION);
            told(reason::ABORTED, format!("aborted by a person: {by}; canceled, so look at what it has done: {run}"))
        }
        Event::MigrationFailed => {
            told(reason::MIGRATION_FAILED, format!("{}{keeps}", migration::told(input, status, sight)))
        }
        Event::MigrationTimedOut => {
            let run = migration::told(input, status, sight);
            told(reason::MIGRATION_FAILED, format!("canceled after migration.timeoutSeconds: {run}{keeps}"))
        }
        Event::BakeFailedForGood => {
            let (counts, name) = (analysis::progress(&input.run(LIVE)), &input.release.spec.fork_ref.name);
            told(
                reason::FROZEN,
                format!(
                    "{commit} is bad on the live site: {counts}; it goes on serving, as its migration is \
                     irreversible, and newer releases wait: let them go on with forkable resume {name}, or lead back \
                     all the same with forkable rollback {name} --yes"
                ),
            )
        }
        Event::Thawed => {
            let by = annotation(THAW_ANNOTATION);
            told(reason::BAKE_FAILED, format!("{commit} is bad and serves; newer releases go on, by word of {by}"))
        }
        Event::Abort if let Some(rejection) = input.rejection(sight) => {
            told(reason::ABORTED, format!("{rejection}{keeps}"))
        }
        Event::Abort => told(reason::ABORTED, format!("aborted by a person: {}", annotation(ABORT_ANNOTATION))),
        Event::Superseded if let Some(Err(refused)) = &sight.offer => {
            told(reason::ABORTED, format!("gave way to a newer release: {}", refused.message))
        }
        Event::Superseded => told(reason::ABORTED, "gave way to a newer release, as supersede is Replace".into()),
        Event::GatesTimedOut => {
            told(reason::GATES_TIMED_OUT, format!("waited longer than gates.timeoutSeconds{keeps}"))
        }
        Event::BuildFailed => told(
            reason::FAILED,
            match &sight.build.deployment {
                Some(facts) if facts.state == BuildState::Canceled => "the build was canceled at Vercel".into(),
                Some(facts) => failure(facts, sight.build.log.as_deref().unwrap_or_default()),
                None => "the deployment was deleted at Vercel".into(),
            },
        ),
        Event::VerificationFailed => {
            let counts = analysis::progress(&input.run(CANDIDATE));
            told(reason::VERIFICATION_FAILED, format!("{commit} is bad on its own address: {counts}{keeps}"))
        }
        Event::PromotionFailed => {
            told(reason::PROMOTION_FAILED, refused(sight, "Vercel could not lead the domains to it"))
        }
        Event::StepFailed => {
            let canary = status.canary.clone().unwrap_or_default();
            if input.is_step_overdue(sight) {
                let frozen = input.frozen(sight).into_iter().next().map(|it| format!(" ({})", it.message));
                let waited = match frozen {
                    Some(frozen) => format!("it was held up for longer than gates.timeoutSeconds{frozen}"),
                    None => "nobody approved it for longer than gates.timeoutSeconds".into(),
                };
                return told(reason::GATES_TIMED_OUT, format!("{waited}, at {} % of the visitors", canary.weight));
            }
            let counts = analysis::progress(&input.run(input.step_stage().unwrap_or(LIVE)));
            told(reason::STEP_FAILED, format!("{commit} is bad at {} % of the visitors: {counts}", canary.weight))
        }
        Event::BakeFailed => {
            let counts = analysis::progress(&input.run(LIVE));
            told(reason::BAKE_FAILED, format!("{commit} is bad on the live site: {counts}"))
        }
        Event::Stranded if row.phase == Phase::Promoting => {
            told(reason::PROMOTION_FAILED, refused(sight, "Vercel could not lead the domains to it"))
        }
        Event::Stranded => {
            let counts = analysis::progress(&input.run(LIVE));
            let why = match &status.rollback_to {
                Some(to) if !sight.is_there(to) => is_gone(to),
                Some(_) => "rollback.automatic is false".into(),
                None => "nothing served before it".into(),
            };
            let still = format!("it goes on serving, as {why}");
            told(reason::BAKE_FAILED, format!("{commit} is bad on the live site: {counts}; {still}"))
        }
        Event::Displaced => told(reason::DISPLACED, "something else was promoted beside Forkable, and serves".into()),
        Event::RollbackAsked => {
            let wanted = annotation(ROLLBACK_ANNOTATION);
            told(reason::ROLLED_BACK, format!("a person asked to roll back to {wanted}"))
        }
        Event::RolledBack => {
            let to = status.rollback_to.clone().unwrap_or_default();
            let because = status.conditions.iter().find(|condition| condition.type_ == "RollingBack");
            let because = because.map_or_else(String::new, |because| because.message.clone());
            let to = to.release.unwrap_or(to.deployment_id);
            told(
                reason::ROLLED_BACK,
                format!(
                    "rolled back to {to}: {because}; {commit} is not released again until a person says so: forkable release {} --commit {}",
                    input.release.spec.fork_ref.name,
                    status.commit.as_ref().map_or("SHA", |commit| commit.sha.as_str()),
                ),
            )
        }
        Event::RollbackFailed => told(
            reason::ROLLBACK_FAILED,
            refused(sight, "Vercel could not lead the domains back: a person must act there now"),
        ),
        _ => None,
    }
}

fn refused(sight: &Sight, message: &str) -> String {
    sight.refused.as_ref().map_or_else(|| message.into(), |why| format!("{message}: {why}"))
}
