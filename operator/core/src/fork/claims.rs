//! Two Forks that claim one repository, project or domain: the older wins.

use forkable_crds::Fork;

/// What another, older Fork holds already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `repository`, `project` or `domain`.
    pub what: &'static str,
    pub name: String,
    /// `namespace/name` of the Fork that holds it.
    pub holder: String,
}

/// The first thing that `fork` claims and an older Fork among `all` holds. Names compare without case;
/// equal ages are decided by uid.
pub fn conflict(_fork: &Fork, _all: &[Fork]) -> Option<Claim> {
    todo!()
}
