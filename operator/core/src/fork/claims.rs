//! Two Forks that claim one repository, project or domain: the older wins.

use std::{
    borrow::Borrow,
    hash::{DefaultHasher, Hash, Hasher},
};

use forkable_crds::Fork;
use jiff::Timestamp;

use crate::store::Kind;

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
/// equal ages are decided by who has made something already, then by uid.
pub fn conflict(fork: &Fork, all: &[impl Borrow<Fork>]) -> Option<Claim> {
    let all = all.iter().map(Borrow::borrow);
    let mut older: Vec<_> = all.filter(|other| other.uid() != fork.uid() && age(other) < age(fork)).collect();
    older.sort_by(|a, b| age(a).cmp(&age(b)));
    older.into_iter().find_map(|other| {
        let held = claims(other);
        let (what, name, _) = claims(fork).into_iter().find(|claim| held.iter().any(|held| held.2 == claim.2))?;
        let namespace = other.metadata.namespace.as_deref().unwrap_or("default");
        let holder = format!("{namespace}/{}", other.metadata.name.as_deref().unwrap_or_default());
        Some(Claim { what, name, holder })
    })
}

/// Digests of all that a Fork claims: Forks without one in common have no conflict. Only for this process.
pub fn keys(fork: &Fork) -> Vec<u64> {
    let digest = |(_, _, compared): (_, _, String)| {
        let mut hasher = DefaultHasher::new();
        compared.hash(&mut hasher);
        hasher.finish()
    };
    claims(fork).into_iter().map(digest).collect()
}

/// Older is less; what has no time yet is the youngest. Times are in seconds: among Forks of one second, the one that
/// has made something goes before those that have not.
fn age(fork: &Fork) -> (Timestamp, bool, &str) {
    let created = fork.metadata.creation_timestamp.as_ref().map_or(Timestamp::MAX, |time| time.0);
    let has_made = fork.status.as_ref().is_some_and(|status| status.repository.is_some() || status.project.is_some());
    (created, !has_made, fork.uid())
}

/// What a manifest claims: kind, name for people, and what is compared.
fn claims(fork: &Fork) -> Vec<(&'static str, String, String)> {
    let spec = &fork.spec;
    let repository = format!("{}/{}", spec.repository.owner, spec.repository.name);
    // Without a team it is the one of the credentials: names clash only within the same ones.
    let team = spec.project.team_id.as_deref().map_or_else(
        || {
            let credentials = spec.credentials_ref.as_ref();
            let namespace = fork.metadata.namespace.as_deref().unwrap_or("default");
            credentials.map_or_else(String::new, |secret| format!("{namespace}/{}", secret.name))
        },
        Into::into,
    );
    let mut claims = vec![
        ("repository", repository.clone(), format!("repository {}", repository.to_ascii_lowercase())),
        ("project", spec.project.name.clone(), format!("project {team} {}", spec.project.name)),
    ];
    claims.extend(
        spec.domains
            .iter()
            .map(|domain| ("domain", domain.name.clone(), format!("domain {}", domain.name.to_ascii_lowercase()))),
    );
    claims
}

#[cfg(test)]
mod tests;
