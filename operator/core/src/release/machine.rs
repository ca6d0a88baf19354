//! The life of a release as a table: in which phase, which event leads to which step and which phase.
//!
//! A phase is not stored to decide anything: it follows from [`Marks`], the conditions and intents on record. What
//! happens next follows from the marks, the terms of the release and what was just seen ([`decide`]); nothing else
//! survives a restart, and nothing else is needed. `docs/releases.md` is made from the table.

mod decide;
mod docs;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

pub use decide::{Build, Check, Decision, Gates, Migration, Moving, Run, Seen, Terms, Turn, Wish, decide, turn};
pub use docs::document;

/// Where a release is, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    Pending,
    Gated,
    Building,
    Verifying,
    AwaitingApproval,
    Migrating,
    Promoting,
    /// A canary has a step's part of the visitors, and is watched.
    Shifting,
    /// It is being led to the next step.
    Advancing,
    Baking,
    Frozen,
    Healthy,
    RollingBack,
    RolledBack,
    Aborted,
    Failed,
}

impl Phase {
    pub const ALL: [Self; 16] = [
        Self::Pending,
        Self::Gated,
        Self::Building,
        Self::Verifying,
        Self::AwaitingApproval,
        Self::Migrating,
        Self::Promoting,
        Self::Shifting,
        Self::Advancing,
        Self::Baking,
        Self::Frozen,
        Self::Healthy,
        Self::RollingBack,
        Self::RolledBack,
        Self::Aborted,
        Self::Failed,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Gated => "Gated",
            Self::Building => "Building",
            Self::Verifying => "Verifying",
            Self::AwaitingApproval => "AwaitingApproval",
            Self::Migrating => "Migrating",
            Self::Promoting => "Promoting",
            Self::Shifting => "Shifting",
            Self::Advancing => "Advancing",
            Self::Baking => "Baking",
            Self::Frozen => "Frozen",
            Self::Healthy => "Healthy",
            Self::RollingBack => "RollingBack",
            Self::RolledBack => "RolledBack",
            Self::Aborted => "Aborted",
            Self::Failed => "Failed",
        }
    }

    /// Whether nothing more happens by itself. Only a person's wish moves a healthy release again.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Healthy | Self::RolledBack | Self::Aborted | Self::Failed)
    }

    /// Whether it may change what production serves or what its data looks like: at most one release of an environment is
    /// in such a phase.
    pub fn moves_production(self) -> bool {
        matches!(
            self,
            Self::Migrating
                | Self::Promoting
                | Self::Shifting
                | Self::Advancing
                | Self::Baking
                | Self::Frozen
                | Self::RollingBack
        )
    }

    /// The call that this phase stands for. It is made when the phase begins and, after a restart, made again unless
    /// what is seen says that it was answered.
    pub fn call(self) -> Option<Call> {
        match self {
            Self::Building => Some(Call::Build),
            Self::Migrating => Some(Call::Migrate),
            Self::Promoting => Some(Call::Promote),
            Self::Advancing => Some(Call::Advance),
            Self::RollingBack => Some(Call::RollBack),
            _ => None,
        }
    }
}

/// A change outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// Build the commit for production, without production's domains.
    Build,
    /// Stop the build.
    CancelBuild,
    /// Run the workflow that changes the data for it.
    Migrate,
    /// Stop the run of that workflow.
    CancelMigration,
    /// Lead production's domains to the candidate; of a canary, the first step's part of the visitors.
    Promote,
    /// Lead the next step's part of the visitors to a canary, or all of them.
    Advance,
    /// Switch Vercel's automatic assignment of domains off again, which a promotion switches on, and remove the steps.
    RestoreAssignment,
    /// Remove a canary's steps from the project; nothing for other releases.
    RemoveSteps,
    /// Lead production's domains back to what served before.
    RollBack,
}

impl Call {
    pub fn name(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::CancelBuild => "cancel the build",
            Self::Migrate => "run the migration",
            Self::CancelMigration => "cancel the migration",
            Self::Promote => "promote",
            Self::Advance => "advance",
            Self::RestoreAssignment => "restore assignment",
            Self::RemoveSteps => "remove steps",
            Self::RollBack => "roll back",
        }
    }
}

/// What happened, or what somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Every older release of the environment is over.
    TurnCame,
    GatesOpened,
    GatesTimedOut,
    Built,
    BuildFailed,
    Verified,
    VerificationFailed,
    Approved,
    /// A canary has the part of the visitors that its step says.
    StepReached,
    /// It was good for as long as its step says, and approved if that is asked for.
    StepPassed,
    StepFailed,
    /// Approved, and the data has to be changed first.
    MigrationDue,
    Migrated,
    MigrationFailed,
    /// It runs for longer than the spec allows.
    MigrationTimedOut,
    Promoted,
    PromotionFailed,
    Baked,
    BakeFailed,
    /// The bake failed, and there is nothing to go back to, or the spec forbids it.
    Stranded,
    /// The bake failed after a migration that nothing undoes.
    BakeFailedForGood,
    /// A person lets newer releases go on.
    Thawed,
    /// Something else serves production: somebody acted beside us.
    Displaced,
    RolledBack,
    RollbackFailed,
    /// A person wants it to stop.
    Abort,
    /// A person wants what served before.
    RollbackAsked,
    /// A newer release takes its turn.
    Superseded,
}

impl Event {
    pub fn name(self) -> &'static str {
        match self {
            Self::TurnCame => "turn came",
            Self::GatesOpened => "gates opened",
            Self::GatesTimedOut => "gates timed out",
            Self::Built => "built",
            Self::BuildFailed => "build failed",
            Self::Verified => "verified",
            Self::VerificationFailed => "verification failed",
            Self::Approved => "approved",
            Self::StepReached => "step reached",
            Self::StepPassed => "step passed",
            Self::StepFailed => "step failed",
            Self::MigrationDue => "approved, migration due",
            Self::Migrated => "migrated",
            Self::MigrationFailed => "migration failed",
            Self::MigrationTimedOut => "migration timed out",
            Self::Promoted => "promoted",
            Self::PromotionFailed => "promotion failed",
            Self::Baked => "baked",
            Self::BakeFailed => "bake failed",
            Self::Stranded => "bake failed, no way back",
            Self::BakeFailedForGood => "bake failed after an irreversible migration",
            Self::Thawed => "thawed",
            Self::Displaced => "displaced",
            Self::RolledBack => "rolled back",
            Self::RollbackFailed => "rollback failed",
            Self::Abort => "abort",
            Self::RollbackAsked => "rollback asked",
            Self::Superseded => "superseded",
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub phase: Phase,
    pub event: Event,
    /// Made before the new phase is on record, as making it twice does no harm. The call that the new phase stands for
    /// ([`Phase::call`]) is made after.
    pub first: Option<Call>,
    pub to: Phase,
}

const fn row(phase: Phase, event: Event, to: Phase) -> Row {
    Row { phase, event, first: None, to }
}

const fn after(first: Call, row: Row) -> Row {
    Row { first: Some(first), ..row }
}

/// Everything that can happen to a release. What is not here does not happen: [`next`] answers nothing.
pub const TABLE: &[Row] = &[
    row(Phase::Pending, Event::TurnCame, Phase::Gated),
    row(Phase::Pending, Event::Abort, Phase::Aborted),
    row(Phase::Pending, Event::Superseded, Phase::Aborted),
    row(Phase::Gated, Event::GatesOpened, Phase::Building),
    row(Phase::Gated, Event::GatesTimedOut, Phase::Failed),
    row(Phase::Gated, Event::Abort, Phase::Aborted),
    row(Phase::Gated, Event::Superseded, Phase::Aborted),
    row(Phase::Building, Event::Built, Phase::Verifying),
    row(Phase::Building, Event::BuildFailed, Phase::Failed),
    after(Call::CancelBuild, row(Phase::Building, Event::Abort, Phase::Aborted)),
    after(Call::CancelBuild, row(Phase::Building, Event::Superseded, Phase::Aborted)),
    row(Phase::Verifying, Event::Verified, Phase::AwaitingApproval),
    row(Phase::Verifying, Event::VerificationFailed, Phase::Failed),
    row(Phase::Verifying, Event::Abort, Phase::Aborted),
    row(Phase::Verifying, Event::Superseded, Phase::Aborted),
    row(Phase::AwaitingApproval, Event::Approved, Phase::Promoting),
    row(Phase::AwaitingApproval, Event::GatesTimedOut, Phase::Failed),
    row(Phase::AwaitingApproval, Event::Abort, Phase::Aborted),
    row(Phase::AwaitingApproval, Event::Superseded, Phase::Aborted),
    row(Phase::AwaitingApproval, Event::MigrationDue, Phase::Migrating),
    row(Phase::Migrating, Event::Migrated, Phase::Promoting),
    row(Phase::Migrating, Event::MigrationFailed, Phase::Failed),
    after(Call::CancelMigration, row(Phase::Migrating, Event::MigrationTimedOut, Phase::Failed)),
    after(Call::CancelMigration, row(Phase::Migrating, Event::Abort, Phase::Aborted)),
    after(Call::RestoreAssignment, row(Phase::Promoting, Event::Promoted, Phase::Baking)),
    row(Phase::Promoting, Event::StepReached, Phase::Shifting),
    row(Phase::Promoting, Event::PromotionFailed, Phase::RollingBack),
    after(Call::RemoveSteps, row(Phase::Promoting, Event::Stranded, Phase::Failed)),
    row(Phase::Promoting, Event::Abort, Phase::RollingBack),
    row(Phase::Shifting, Event::StepPassed, Phase::Advancing),
    row(Phase::Shifting, Event::StepFailed, Phase::RollingBack),
    after(Call::RemoveSteps, row(Phase::Shifting, Event::Displaced, Phase::Failed)),
    row(Phase::Shifting, Event::Abort, Phase::RollingBack),
    row(Phase::Advancing, Event::StepReached, Phase::Shifting),
    after(Call::RestoreAssignment, row(Phase::Advancing, Event::Promoted, Phase::Baking)),
    row(Phase::Advancing, Event::PromotionFailed, Phase::RollingBack),
    after(Call::RemoveSteps, row(Phase::Advancing, Event::Displaced, Phase::Failed)),
    row(Phase::Advancing, Event::Abort, Phase::RollingBack),
    row(Phase::Baking, Event::Baked, Phase::Healthy),
    row(Phase::Baking, Event::BakeFailed, Phase::RollingBack),
    row(Phase::Baking, Event::Stranded, Phase::Failed),
    row(Phase::Baking, Event::BakeFailedForGood, Phase::Frozen),
    row(Phase::Baking, Event::Displaced, Phase::Failed),
    row(Phase::Baking, Event::Abort, Phase::RollingBack),
    row(Phase::Baking, Event::RollbackAsked, Phase::RollingBack),
    row(Phase::Frozen, Event::Thawed, Phase::Failed),
    row(Phase::Frozen, Event::Displaced, Phase::Failed),
    row(Phase::Frozen, Event::Abort, Phase::RollingBack),
    row(Phase::Frozen, Event::RollbackAsked, Phase::RollingBack),
    row(Phase::Healthy, Event::RollbackAsked, Phase::RollingBack),
    after(Call::RemoveSteps, row(Phase::RollingBack, Event::RolledBack, Phase::RolledBack)),
    after(Call::RemoveSteps, row(Phase::RollingBack, Event::RollbackFailed, Phase::Failed)),
];

/// The line for an event in a phase, if the event means something there.
pub fn next(phase: Phase, event: Event) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.phase == phase && row.event == event)
}

/// What is on record of a release: one mark for each condition or intent that decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Its turn came.
    pub admitted: bool,
    /// Its gates were open: it is to be built.
    pub building: bool,
    pub built: bool,
    pub verified: bool,
    /// It is approved, and its migration is to run.
    pub migrating: bool,
    /// It is approved, and to be promoted.
    pub promoting: bool,
    /// Step that a canary is at or is being led to, from 1.
    pub step: Option<u8>,
    /// It is being led there.
    pub advancing: bool,
    pub promoted: bool,
    /// It is bad, and only a person may lead it back.
    pub frozen: bool,
    pub healthy: bool,
    /// What served before is to serve again.
    pub rolling_back: bool,
    pub rolled_back: bool,
    pub aborted: bool,
    pub failed: bool,
}

impl Marks {
    pub fn phase(self) -> Phase {
        match self {
            Self { failed: true, .. } => Phase::Failed,
            Self { aborted: true, .. } => Phase::Aborted,
            Self { rolled_back: true, .. } => Phase::RolledBack,
            Self { rolling_back: true, .. } => Phase::RollingBack,
            Self { healthy: true, .. } => Phase::Healthy,
            Self { frozen: true, .. } => Phase::Frozen,
            Self { promoted: true, .. } => Phase::Baking,
            Self { step: Some(_), advancing: true, .. } => Phase::Advancing,
            Self { step: Some(_), .. } => Phase::Shifting,
            Self { promoting: true, .. } => Phase::Promoting,
            Self { migrating: true, .. } => Phase::Migrating,
            Self { verified: true, .. } => Phase::AwaitingApproval,
            Self { built: true, .. } => Phase::Verifying,
            Self { building: true, .. } => Phase::Building,
            Self { admitted: true, .. } => Phase::Gated,
            _ => Phase::Pending,
        }
    }

    /// The marks once a line of the table has come true.
    #[must_use]
    pub fn after(self, row: &Row) -> Self {
        let mut marks = self;
        let mark = match row.to {
            Phase::Pending => return marks,
            Phase::Gated => &mut marks.admitted,
            Phase::Building => &mut marks.building,
            Phase::Verifying => &mut marks.built,
            Phase::AwaitingApproval => &mut marks.verified,
            Phase::Migrating => &mut marks.migrating,
            Phase::Promoting => &mut marks.promoting,
            Phase::Shifting => {
                marks.step.get_or_insert(1);
                marks.advancing = false;
                return marks;
            }
            Phase::Advancing => {
                marks.step = marks.step.map(|step| step + 1);
                &mut marks.advancing
            }
            Phase::Baking => &mut marks.promoted,
            Phase::Frozen => &mut marks.frozen,
            Phase::Healthy => &mut marks.healthy,
            Phase::RollingBack => &mut marks.rolling_back,
            Phase::RolledBack => &mut marks.rolled_back,
            Phase::Aborted => &mut marks.aborted,
            Phase::Failed => &mut marks.failed,
        };
        *mark = true;
        marks
    }
}
