//! Security features of the repository: secret scanning, push protection, Dependabot.

use super::{Input, forge_steps, ownership, without_repository};
use crate::{
    forge::{ForgeChange, RepositoryPatch},
    plan::{Facet, FacetPlan, Verdict},
};

pub(super) fn plan(input: Input<'_>) -> Option<FacetPlan> {
    let wanted = input.desired.security.as_ref()?;
    let Some(facts) = ownership::repository(input).foreseen() else { return Some(without_repository()) };
    let deep = facts.deep.clone().unwrap_or_default();
    let recorded = input.record.security.clone().unwrap_or_default();
    // What cannot be seen is taken to be as it was last set.
    let differing = |wanted: Option<bool>, seen: Option<bool>, recorded: Option<bool>| {
        wanted.filter(|_| seen.or(recorded) != wanted)
    };
    let patch = RepositoryPatch {
        secret_scanning: differing(wanted.secret_scanning, deep.secret_scanning, recorded.secret_scanning),
        push_protection: differing(wanted.push_protection, deep.push_protection, recorded.push_protection),
        ..RepositoryPatch::default()
    };
    let mut changes = Vec::new();
    if patch != RepositoryPatch::default() {
        changes.push(ForgeChange::UpdateRepository(patch));
    }
    let alerts = differing(wanted.dependabot_alerts, facts.dependabot_alerts, recorded.dependabot_alerts);
    let fixes = if alerts == Some(true) {
        // They went off together with the alerts.
        wanted.dependabot_fixes.filter(|fixes| *fixes)
    } else {
        differing(wanted.dependabot_fixes, deep.dependabot_fixes, recorded.dependabot_fixes)
    };
    let alerts = alerts.map(ForgeChange::SetDependabotAlerts);
    let fixes = fixes.map(ForgeChange::SetDependabotFixes);
    // Fixes need alerts: on after them, off before them.
    if alerts == Some(ForgeChange::SetDependabotAlerts(false)) {
        changes.extend(fixes.into_iter().chain(alerts));
    } else {
        changes.extend(alerts.into_iter().chain(fixes));
    }
    Some(FacetPlan {
        steps: forge_steps(Facet::Security, changes),
        verdict: Verdict::synced("security features as in the manifest"),
    })
}

#[cfg(test)]
mod tests;
