//! Rules of the default branch, as one ruleset named `forkable`. Other rulesets are nobody's business.

use super::{Input, forge_steps, ownership, without_repository};
use crate::{
    forge::{ForgeChange, Ruleset},
    plan::{Facet, FacetPlan, Verdict},
};

/// Name of the ruleset that is ours.
const NAME: &str = "forkable";

pub(super) fn plan(input: Input<'_>) -> Option<FacetPlan> {
    let wanted = input.desired.protection.as_ref();
    let Some(facts) = ownership::repository(input).foreseen() else { return wanted.map(|_| without_repository()) };
    let mut ours: Vec<_> = facts.rulesets.iter().filter(|ruleset| ruleset.name == NAME).collect();
    ours.sort_unstable_by_key(|ruleset| ruleset.id);
    if wanted.is_none() && ours.is_empty() {
        return None;
    }
    let mut ours = ours.into_iter();
    let mut changes = Vec::new();
    if let Some(rules) = wanted {
        let ruleset = Ruleset { name: NAME.into(), rules: rules.clone() };
        match ours.next() {
            None => changes.push(ForgeChange::CreateRuleset(ruleset)),
            Some(there) if !there.active || there.rules.as_ref() != Some(rules) => {
                changes.push(ForgeChange::UpdateRuleset { id: there.id, ruleset });
            }
            Some(_) => {}
        }
    }
    // The manifest asks for none, or an interrupted pass made a second one.
    changes.extend(ours.map(|ruleset| ForgeChange::DeleteRuleset { id: ruleset.id }));
    let message = if wanted.is_some() { "the ruleset forkable is active" } else { "no ruleset of ours" };
    Some(FacetPlan { steps: forge_steps(Facet::Protection, changes), verdict: Verdict::synced(message) })
}

#[cfg(test)]
mod tests;
