//! The ruleset of the default branch.
//!
//! Whoever administers the repository may bypass it, and so may the GitHub App that wrote it, so that the program's own
//! commits pass: <https://docs.github.com/en/rest/repos/rules#create-a-repository-ruleset>.

use forkable_core::{
    PortError,
    forge::{BranchRules, ForgeDone, RepositoryTarget, Ruleset, RulesetFacts},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{GitHub, errors, name, of};

/// Number of the role "admin": <https://docs.github.com/en/rest/repos/rules>.
const ADMIN: i64 = 5;

#[derive(Deserialize)]
struct Written {
    id: i64,
}

impl GitHub {
    pub(super) async fn put_ruleset(
        &self,
        target: &RepositoryTarget,
        ruleset_id: Option<i64>,
        ruleset: &Ruleset,
    ) -> Result<ForgeDone, PortError> {
        let request = match ruleset_id {
            None => of("POST /repos/{owner}/{repo}/rulesets", target)?,
            Some(ruleset_id) => of("PUT /repos/{owner}/{repo}/rulesets/{ruleset_id}", target)?
                .about(format!("the ruleset {} of {}", ruleset.name, name(target)))
                .at(ruleset_id),
        };
        let written: Written = self.client.send(&request.json(body(ruleset, self.client.auth.app()))).await?;
        let mut rules = ruleset.rules.clone();
        rules.required_checks.sort_unstable();
        Ok(ForgeDone::Ruleset(RulesetFacts {
            id: written.id,
            name: ruleset.name.clone(),
            rules: Some(rules),
            active: true,
        }))
    }

    pub(super) async fn delete_ruleset(
        &self,
        target: &RepositoryTarget,
        ruleset_id: i64,
    ) -> Result<ForgeDone, PortError> {
        let request = of("DELETE /repos/{owner}/{repo}/rulesets/{ruleset_id}", target)?;
        let answer = self.client.exchange(&request.at(ruleset_id)).await?;
        match answer.status() {
            status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(ForgeDone::Nothing),
            _ => Err(errors::of(&answer, &name(target))),
        }
    }
}

fn body(ruleset: &Ruleset, app: Option<u64>) -> Value {
    let BranchRules { required_reviews, required_checks, linear_history, block_force_pushes, block_deletion } =
        &ruleset.rules;
    let mut rules = Vec::new();
    if let Some(count) = required_reviews {
        rules.push(json!({ "type": "pull_request", "parameters": {
            "required_approving_review_count": count,
            "dismiss_stale_reviews_on_push": false,
            "require_code_owner_review": false,
            "require_last_push_approval": false,
            "required_review_thread_resolution": false,
        } }));
    }
    if !required_checks.is_empty() {
        let check = |(context, app): &(String, Option<i64>)| match app {
            Some(app) => json!({ "context": context, "integration_id": app }),
            None => json!({ "context": context }),
        };
        rules.push(json!({ "type": "required_status_checks", "parameters": {
            "strict_required_status_checks_policy": false,
            "required_status_checks": required_checks.iter().map(check).collect::<Vec<_>>(),
        } }));
    }
    let switches = [
        (*linear_history, "required_linear_history"),
        (*block_force_pushes, "non_fast_forward"),
        (*block_deletion, "deletion"),
    ];
    rules.extend(switches.into_iter().filter(|(on, _)| *on).map(|(_, kind)| json!({ "type": kind })));
    let mut bypass = vec![json!({ "actor_type": "RepositoryRole", "actor_id": ADMIN, "bypass_mode": "always" })];
    bypass.extend(app.map(|app| json!({ "actor_type": "Integration", "actor_id": app, "bypass_mode": "always" })));
    json!({
        "name": ruleset.name,
        "target": "branch",
        "enforcement": "active",
        "conditions": { "ref_name": { "include": ["~DEFAULT_BRANCH"], "exclude": [] } },
        "rules": rules,
        "bypass_actors": bypass,
    })
}
