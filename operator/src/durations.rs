//! How long each phase of a release took.

use forkable_core::condition;
use forkable_crds::{Deployment, condition::ConditionStatus};
use jiff::{SignedDuration, Timestamp};

/// What is told of the time between two conditions.
const SPANS: [(&str, &str); 7] = [
    ("GatesOpen", "gates"),
    ("Built", "build"),
    ("Verified", "verify"),
    ("Approved", "approval"),
    ("Migrated", "migrate"),
    ("Promoted", "promote"),
    ("Healthy", "bake"),
];

/// `build 30s, verify 12s, …`, without what took no time; `None` if nothing took any.
pub(crate) fn of(release: &Deployment) -> Option<String> {
    let conditions = release.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let at = |type_| -> Option<Timestamp> {
        let reached =
            condition::find(conditions, type_).filter(|condition| condition.status == ConditionStatus::True)?;
        Some(reached.last_transition_time.0)
    };
    let mut before = at("Admitted").or_else(|| release.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let mut spans = Vec::new();
    for (type_, name) in SPANS {
        let (Some(from), Some(to)) = (before, at(type_)) else { continue };
        let took = SignedDuration::from_secs(to.as_second() - from.as_second());
        if !took.is_zero() {
            spans.push(format!("{name} {took:#}"));
        }
        before = Some(to);
    }
    (!spans.is_empty()).then(|| spans.join(", "))
}
