//! Who must act on an object, by its conditions.

use forkable_core::condition;
use forkable_crds::condition::{Condition, ConditionStatus};

/// Reasons that pass by themselves.
const PASSING: [&str; 6] = ["ProviderUnavailable", "RateLimited", "Stale", "NotFound", "Progressing", "Observing"];

/// Whether nobody has to act on what has this reason: it is tried again.
pub(crate) fn passes(reason: &str) -> bool {
    PASSING.contains(&reason)
}

/// Who must act.
pub(crate) fn who(conditions: &[Condition]) -> &'static str {
    let Some(ready) = condition::find(conditions, "Ready") else { return "nobody yet" };
    if ready.status != ConditionStatus::False || passes(&ready.reason) {
        return "nobody";
    }
    match ready.reason.as_str() {
        "DNSRecordsMissing" => "whoever manages the DNS of the domain",
        "Unauthorized" | "MissingPermission" | "CredentialsInvalid" => "whoever gave the credentials",
        "PlanUnsupported" => "whoever manages the provider's plan, or the author of the manifest",
        "BuildFailed" => "the author of the commit",
        "Suspended" => "whoever suspended it, with `resume`",
        _ if condition::find(conditions, "Stalled").is_some() => "the author of the manifest",
        _ => "a person, as the message says",
    }
}
