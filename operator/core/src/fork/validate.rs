//! From a manifest and what it refers to, to what it asks for.

use std::collections::{BTreeMap, BTreeSet};

use forkable_crds::{Fork, ForkSpec};

use super::Desired;
use crate::{DigestKey, Secret};

/// Names of what a spec refers to, all in the Fork's own namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    pub secrets: BTreeSet<String>,
    pub config_maps: BTreeSet<String>,
    /// Name of the variable and length of the value to generate.
    pub generated: BTreeMap<String, usize>,
}

/// What [`References`] were found to be; what is missing is absent.
#[derive(Clone, Debug, Default)]
pub struct Resolved {
    pub secrets: BTreeMap<String, BTreeMap<String, Secret>>,
    pub config_maps: BTreeMap<String, BTreeMap<String, String>>,
    pub generated: BTreeMap<String, Secret>,
}

/// A field that cannot be honoured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Path, such as `spec.env[2].valueFrom.secretKeyRef`.
    pub field: String,
    /// Condition reason, such as `SecretNotFound`.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub message: String,
    /// Whether it may heal without another spec (a missing Secret may appear).
    pub transient: bool,
}

/// What a spec refers to.
pub fn references(_spec: &ForkSpec) -> References {
    todo!()
}

/// What the Fork asks for, or every field that cannot be honoured.
pub fn validate(_fork: &Fork, _resolved: &Resolved, _key: &DigestKey) -> Result<Desired, Vec<Invalid>> {
    todo!()
}
