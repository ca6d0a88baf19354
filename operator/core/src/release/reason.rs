//! Reasons of the conditions of a Deployment.

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

/// Reasons that a release may have stopped for.
const STOPPED: [&str; 7] = [FAILED, CANCELED, BLOCKED, NOT_ASSIGNED, DELETED, UNKNOWN_ENVIRONMENT, FORK_NOT_FOUND];

/// The same reason for the Fork; what is not one of ours is an error of a call.
pub(crate) fn known(reason: &str) -> &'static str {
    STOPPED.into_iter().find(|known| *known == reason).unwrap_or("ReleaseFailed")
}

/// Whether a person must act at the provider before it goes on.
pub(crate) fn needs_person(reason: &str) -> bool {
    matches!(reason, BLOCKED | NOT_ASSIGNED)
}
