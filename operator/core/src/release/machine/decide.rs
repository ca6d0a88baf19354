//! What happens next with a release: from its marks, its terms and what was just seen to a line of the table or a call.

use super::{Call, Event, Marks, Phase, Row, next};

/// What the spec says about a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A failed bake leads back to what served before.
    pub automatic_rollback: bool,
    /// What its migration does to the data, if it has one.
    pub migration: Option<Migration>,
}

/// What a migration does to the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migration {
    /// What served before goes on working with it.
    Reversible,
    /// What served before may not work any more: only a person leads back.
    Irreversible,
}

/// How a run of a workflow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// It may have been asked for, and is not seen yet.
    Unknown,
    /// There is none for certain.
    Absent,
    Running,
    Passed,
    /// It failed, was canceled or refused, or cannot be told from others.
    Failed,
    TimedOut,
}

/// Whose turn it is in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nobody older is under way.
    Ours,
    /// An older release is under way.
    Waits,
    /// A newer release takes over.
    Superseded,
}

/// How the gates stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gates {
    Open,
    Closed,
    /// They were closed for longer than the spec allows.
    TimedOut,
}

/// How the build stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// There is none for certain: it was looked for.
    Absent,
    Running,
    Ready,
    Failed,
}

/// How an analysis stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    Running,
    Passed,
    Failed,
}

/// What the provider does with production's domains just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moving {
    Nothing,
    /// It leads them somewhere, wherever that is.
    Somewhere,
    /// It has tried to lead them to the candidate since that was last asked for, and could not.
    PromotionFailed,
    /// It has tried to lead them back since that was last asked for, or refused to, and could not.
    RollbackFailed,
}

/// What a person wants of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Abort,
    RollBack,
    /// Newer releases may go on, though this one is bad and serves.
    Thaw,
}

/// What was just seen of everything that a release depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub turn: Turn,
    pub gates: Gates,
    pub build: Build,
    pub verification: Check,
    /// It is approved, or needs no approval.
    pub approved: bool,
    /// The run of its migration.
    pub migration: Run,
    /// Production's domains serve this release.
    pub serves: bool,
    /// There is something that a rollback can lead to.
    pub has_previous: bool,
    pub moving: Moving,
    /// Step that the provider has the canary at, from 1. `None`: visitors are not split between it and another one.
    pub step: Option<u8>,
    /// How the step of a canary stands: its analysis, its time and its approval.
    pub watch: Check,
    pub bake: Check,
    pub wish: Option<Wish>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// An event came true: its line of the table is to be gone through.
    Go(&'static Row),
    /// The call that the phase stands for is yet to be made (again).
    Make(Call),
    /// Nothing before something else is seen.
    Wait,
}

/// Whose turn it is, from the phases of all releases of an environment, the oldest first. The oldest that is under way
/// has it; with `replace` one that does not yet move production gives way to a newer one, which still waits until the
/// older is over, so that two never interleave.
pub fn turn(phases: &[Phase], index: usize, replace: bool) -> Turn {
    let (older, newer) = (&phases[..index], &phases[index + 1..]);
    let own = phases[index];
    if newer.iter().any(|phase| phase.moves_production()) {
        return Turn::Waits;
    }
    if replace && !own.moves_production() && newer.iter().any(|phase| !phase.is_over()) {
        return Turn::Superseded;
    }
    if older.iter().any(|phase| !phase.is_over()) { Turn::Waits } else { Turn::Ours }
}

/// What happens next. The same marks, terms and sight always lead to the same decision.
pub fn decide(marks: Marks, terms: Terms, seen: &Seen) -> Decision {
    let phase = marks.phase();
    match event(phase, marks.step, terms, seen) {
        Some(event) => next(phase, event).map_or(Decision::Wait, Decision::Go),
        None if is_unanswered(phase, seen) => phase.call().map_or(Decision::Wait, Decision::Make),
        None => Decision::Wait,
    }
}

/// Whether nothing tells that the call of the phase was heard.
fn is_unanswered(phase: Phase, seen: &Seen) -> bool {
    match phase {
        Phase::Building => seen.build == Build::Absent,
        Phase::Migrating => seen.migration == Run::Absent,
        Phase::Promoting | Phase::Advancing => matches!(seen.moving, Moving::Nothing | Moving::RollbackFailed),
        Phase::RollingBack => matches!(seen.moving, Moving::Nothing | Moving::PromotionFailed),
        _ => false,
    }
}

fn event(phase: Phase, step: Option<u8>, terms: Terms, seen: &Seen) -> Option<Event> {
    let leaves = || match (seen.wish, seen.turn) {
        (Some(Wish::Abort), _) => Some(Event::Abort),
        (None | Some(Wish::RollBack | Wish::Thaw), Turn::Superseded) => Some(Event::Superseded),
        _ => None,
    };
    let checked = |check, passed, failed| match check {
        Check::Running => None,
        Check::Passed => Some(passed),
        Check::Failed => Some(failed),
    };
    match phase {
        Phase::Pending => leaves().or_else(|| (seen.turn == Turn::Ours).then_some(Event::TurnCame)),
        Phase::Gated => leaves().or(match seen.gates {
            Gates::Open => Some(Event::GatesOpened),
            Gates::Closed => None,
            Gates::TimedOut => Some(Event::GatesTimedOut),
        }),
        Phase::Building => leaves().or(match seen.build {
            Build::Absent | Build::Running => None,
            Build::Ready => Some(Event::Built),
            Build::Failed => Some(Event::BuildFailed),
        }),
        Phase::Verifying => leaves().or(checked(seen.verification, Event::Verified, Event::VerificationFailed)),
        Phase::AwaitingApproval => leaves().or_else(|| approval(terms, seen)),
        Phase::Migrating => migrating(seen),
        Phase::Promoting => promoting(terms, seen),
        Phase::Shifting => shifting(seen),
        Phase::Advancing => advancing(step, seen),
        Phase::Baking => baking(terms, seen),
        Phase::Frozen => frozen(seen),
        // Only what serves can be rolled back, and nobody else may be about to move production.
        Phase::Healthy => {
            let can = seen.serves && seen.has_previous && seen.moving == Moving::Nothing && seen.turn != Turn::Waits;
            (can && seen.wish == Some(Wish::RollBack)).then_some(Event::RollbackAsked)
        }
        Phase::RollingBack => rolling_back(seen),
        Phase::RolledBack | Phase::Aborted | Phase::Failed => None,
    }
}

fn approval(terms: Terms, seen: &Seen) -> Option<Event> {
    let free = seen.turn == Turn::Ours && seen.moving == Moving::Nothing;
    match seen.gates {
        Gates::TimedOut => Some(Event::GatesTimedOut),
        Gates::Open if seen.approved && free && terms.migration.is_some() => Some(Event::MigrationDue),
        Gates::Open if seen.approved && free => Some(Event::Approved),
        Gates::Open | Gates::Closed => None,
    }
}

/// A run that may or may not have begun is neither given up nor begun again.
fn migrating(seen: &Seen) -> Option<Event> {
    match seen.migration {
        Run::Absent | Run::Running | Run::Passed if seen.wish == Some(Wish::Abort) => Some(Event::Abort),
        Run::Unknown | Run::Absent | Run::Running => None,
        // As before every promotion, nobody else may be leading the domains somewhere.
        Run::Passed => (seen.moving == Moving::Nothing).then_some(Event::Migrated),
        Run::Failed => Some(Event::MigrationFailed),
        Run::TimedOut => Some(Event::MigrationTimedOut),
    }
}

fn promoting(terms: Terms, seen: &Seen) -> Option<Event> {
    // An abort is heard at once; going back waits until the provider is done.
    if matches!(seen.wish, Some(Wish::Abort | Wish::RollBack)) && seen.has_previous {
        return Some(Event::Abort);
    }
    match seen.moving {
        Moving::Somewhere => None,
        Moving::PromotionFailed if seen.has_previous && goes_back(terms) => Some(Event::PromotionFailed),
        Moving::PromotionFailed => Some(Event::Stranded),
        Moving::Nothing | Moving::RollbackFailed if seen.step.is_some() => Some(Event::StepReached),
        Moving::Nothing | Moving::RollbackFailed => seen.serves.then_some(Event::Promoted),
    }
}

fn shifting(seen: &Seen) -> Option<Event> {
    if seen.wish.is_some() {
        return Some(Event::Abort);
    }
    match seen.watch {
        Check::Running => None,
        // Somebody who acted beside us has put it aside.
        Check::Passed | Check::Failed if !seen.serves && seen.moving != Moving::Somewhere => Some(Event::Displaced),
        Check::Passed => Some(Event::StepPassed),
        Check::Failed => Some(Event::StepFailed),
    }
}

fn advancing(step: Option<u8>, seen: &Seen) -> Option<Event> {
    if seen.wish.is_some() {
        return Some(Event::Abort);
    }
    match seen.moving {
        Moving::Somewhere => None,
        Moving::PromotionFailed => Some(Event::PromotionFailed),
        Moving::Nothing | Moving::RollbackFailed => match seen.step {
            Some(_) if seen.step >= step => Some(Event::StepReached),
            Some(_) => None,
            None if seen.serves => Some(Event::Promoted),
            None => Some(Event::Displaced),
        },
    }
}

fn baking(terms: Terms, seen: &Seen) -> Option<Event> {
    if seen.moving == Moving::Somewhere {
        return None;
    }
    if !seen.serves {
        return Some(Event::Displaced);
    }
    match (seen.wish, seen.bake) {
        (Some(Wish::Abort), _) if seen.has_previous => Some(Event::Abort),
        (Some(Wish::RollBack), _) if seen.has_previous => Some(Event::RollbackAsked),
        (_, Check::Failed) if !goes_back(terms) => Some(Event::BakeFailedForGood),
        (_, Check::Failed) if terms.automatic_rollback && seen.has_previous => Some(Event::BakeFailed),
        (_, Check::Failed) => Some(Event::Stranded),
        (_, Check::Passed) => Some(Event::Baked),
        (_, Check::Running) => None,
    }
}

fn frozen(seen: &Seen) -> Option<Event> {
    match seen.wish? {
        _ if seen.moving == Moving::Somewhere => None,
        _ if !seen.serves => Some(Event::Displaced),
        Wish::Abort if seen.has_previous => Some(Event::Abort),
        Wish::RollBack if seen.has_previous => Some(Event::RollbackAsked),
        Wish::Thaw => Some(Event::Thawed),
        Wish::Abort | Wish::RollBack => None,
    }
}

/// Whether what served before may serve again without a person's word.
fn goes_back(terms: Terms) -> bool {
    terms.migration != Some(Migration::Irreversible)
}

fn rolling_back(seen: &Seen) -> Option<Event> {
    match seen.moving {
        Moving::Somewhere => None,
        Moving::RollbackFailed => Some(Event::RollbackFailed),
        // Whatever else serves, it is not this release: somebody was faster.
        Moving::Nothing | Moving::PromotionFailed => (!seen.serves).then_some(Event::RolledBack),
    }
}
