//! Reasons of the conditions of a Deployment.

use crate::PortError;

pub(crate) const BUILDING: &str = "Building";
pub(super) const PENDING: &str = "Pending";
pub(super) const ASSIGNING: &str = "AssigningDomains";
pub(super) const LIVE: &str = "Live";
pub(super) const SUPERSEDED: &str = "Superseded";
pub(super) const BUILT: &str = "Built";
pub(super) const FORK_NOT_FOUND: &str = "ForkNotFound";
pub(super) const FORK_NOT_READY: &str = "ForkNotReady";
pub(super) const UNKNOWN_ENVIRONMENT: &str = "UnknownEnvironment";
pub(super) const FAILED: &str = "BuildFailed";
pub(super) const CANCELED: &str = "BuildCanceled";
pub(super) const BLOCKED: &str = "BuildBlocked";
pub(super) const NOT_ASSIGNED: &str = "DomainsNotAssigned";
pub(super) const DELETED: &str = "DeploymentDeleted";

pub(super) const ABORTED: &str = "Aborted";
pub(super) const ROLLED_BACK: &str = "RolledBack";
pub(super) const GATES_TIMED_OUT: &str = "GatesTimedOut";
pub(super) const ANALYSIS_INVALID: &str = "AnalysisInvalid";
pub(super) const VERIFICATION_FAILED: &str = "VerificationFailed";
pub(super) const APPROVAL_REQUIRED: &str = "ApprovalRequired";
pub(super) const PROMOTION_FAILED: &str = "PromotionFailed";
pub(super) const BAKE_FAILED: &str = "BakeFailed";
pub(super) const STEP_FAILED: &str = "StepFailed";
pub(super) const PLAN_UNSUPPORTED: &str = "PlanUnsupported";
pub(super) const STEPS_TAKEN: &str = "RollingReleaseConfigured";
pub(super) const DISPLACED: &str = "Displaced";
pub(super) const ROLLBACK_FAILED: &str = "RollbackFailed";
pub(super) const MIGRATION_FAILED: &str = "MigrationFailed";
pub(super) const FROZEN: &str = "Frozen";
pub(super) const WORKFLOW_INVALID: &str = "WorkflowInvalid";

pub(super) const INVALID_GATES: &str = "InvalidGates";
pub(super) const CHECKS_RUNNING: &str = "ChecksRunning";
pub(super) const CHECKS_FAILED: &str = "ChecksFailed";
pub const UNKNOWN_CHECK: &str = "UnknownCheck";
pub(super) const REVIEWS_REQUIRED: &str = "ReviewsRequired";
pub(super) const ENVIRONMENT_ORDER: &str = "EnvironmentOrder";
pub(super) const ENVIRONMENT_BUSY: &str = "EnvironmentBusy";
pub(super) const FREEZE_WINDOW: &str = "FreezeWindow";
pub(super) const FROZEN_BY_ALERT: &str = "FrozenByAlert";

/// Reasons of gates that are closed.
const GATES: [&str; 8] = [
    CHECKS_RUNNING,
    ENVIRONMENT_BUSY,
    CHECKS_FAILED,
    UNKNOWN_CHECK,
    REVIEWS_REQUIRED,
    ENVIRONMENT_ORDER,
    FREEZE_WINDOW,
    FROZEN_BY_ALERT,
];

/// Reasons that a release may have stopped for.
const STOPPED: [&str; 23] = [
    FAILED,
    CANCELED,
    BLOCKED,
    NOT_ASSIGNED,
    DELETED,
    UNKNOWN_ENVIRONMENT,
    FORK_NOT_FOUND,
    INVALID_GATES,
    ABORTED,
    ROLLED_BACK,
    GATES_TIMED_OUT,
    ANALYSIS_INVALID,
    WORKFLOW_INVALID,
    VERIFICATION_FAILED,
    APPROVAL_REQUIRED,
    PROMOTION_FAILED,
    BAKE_FAILED,
    STEP_FAILED,
    STEPS_TAKEN,
    DISPLACED,
    ROLLBACK_FAILED,
    MIGRATION_FAILED,
    FROZEN,
];

/// The same reason for the Fork: one of ours, or that of an error of a call.
pub(crate) fn known(reason: &str) -> &'static str {
    let mut all = STOPPED.into_iter().chain(GATES).chain(PortError::REASONS);
    all.find(|known| *known == reason).unwrap_or("ReleaseFailed")
}

/// Why a release is not there yet: an error of a call that is tried again, or that it is being built.
pub(crate) fn under_way(reason: &str) -> &'static str {
    let phases = [
        "Pending",
        "Gated",
        "Verifying",
        "AwaitingApproval",
        "Migrating",
        "Promoting",
        "Shifting",
        "Advancing",
        "Baking",
        "RollingBack",
    ];
    PortError::REASONS.into_iter().chain(GATES).chain(phases).find(|known| *known == reason).unwrap_or(BUILDING)
}

/// Whether a person must act at the provider before it goes on.
pub(crate) fn needs_person(reason: &str) -> bool {
    let gates = [CHECKS_FAILED, UNKNOWN_CHECK, REVIEWS_REQUIRED, ENVIRONMENT_ORDER, FREEZE_WINDOW, FROZEN_BY_ALERT];
    let own = [BLOCKED, NOT_ASSIGNED, APPROVAL_REQUIRED, ANALYSIS_INVALID, WORKFLOW_INVALID, FROZEN];
    own.contains(&reason) || gates.contains(&reason)
}
