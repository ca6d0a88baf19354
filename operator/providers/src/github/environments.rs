//! Deployment environments: reviewers, wait timer, and the branches that may deploy.

use forkable_core::{
    PortError,
    forge::{Branches, Environment, ForgeDone, RepositoryTarget},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    GitHub,
    client::{Client, Request},
    errors, name, of,
};

/// Lists an environment's branch policies.
pub(super) const POLICIES: &str =
    "GET /repos/{owner}/{repo}/environments/{environment_name}/deployment-branch-policies";

#[derive(Deserialize)]
struct Account {
    id: i64,
}

/// A pattern of branch names that may deploy.
#[derive(Debug, Deserialize)]
pub(super) struct Pattern {
    id: i64,
    pub(super) name: String,
    /// `branch` or `tag`; old policies have none and are of branches.
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// The patterns of branches, sorted by name. Those of tags are not ours.
pub(super) async fn patterns(client: &Client, request: &Request) -> Result<Vec<Pattern>, PortError> {
    let mut patterns: Vec<Pattern> = client.list(request, "branch_policies", 100).await?;
    patterns.retain(|pattern| pattern.kind.as_deref() != Some("tag"));
    patterns.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(patterns)
}

impl GitHub {
    /// <https://docs.github.com/en/rest/deployments/environments#create-or-update-an-environment>: what the body leaves
    /// out is reset, so it is always whole.
    pub(super) async fn put_environment(
        &self,
        target: &RepositoryTarget,
        environment: &Environment,
    ) -> Result<ForgeDone, PortError> {
        let Environment { name: environment_name, reviewers, prevent_self_review, wait_minutes, branches } =
            environment;
        let mut ids = Vec::with_capacity(reviewers.len());
        for reviewer in reviewers {
            ids.push(self.reviewer(&target.owner, reviewer).await?);
        }
        let policy = match branches {
            Branches::All => Value::Null,
            Branches::Protected => json!({ "protected_branches": true, "custom_branch_policies": false }),
            Branches::Patterns(_) => json!({ "protected_branches": false, "custom_branch_policies": true }),
        };
        let body = json!({
            "wait_timer": wait_minutes,
            "prevent_self_review": prevent_self_review,
            "reviewers": ids,
            "deployment_branch_policy": policy,
        });
        let what = format!("the environment {environment_name} of {}", name(target));
        let request = of("PUT /repos/{owner}/{repo}/environments/{environment_name}", target)?;
        self.client.run(&request.at(environment_name).json(body)).await?;
        if let Branches::Patterns(wanted) = branches {
            self.reconcile_patterns(target, environment_name, wanted, &what).await?;
        }
        Ok(ForgeDone::Nothing)
    }

    async fn reconcile_patterns(
        &self,
        target: &RepositoryTarget,
        environment: &str,
        wanted: &[String],
        what: &str,
    ) -> Result<(), PortError> {
        let request = |operation| Ok::<_, PortError>(of(operation, target)?.about(what).at(environment));
        let there = patterns(&self.client, &request(POLICIES)?).await?;
        for pattern in wanted.iter().filter(|wanted| there.iter().all(|there| there.name != **wanted)) {
            let body = json!({ "name": pattern, "type": "branch" });
            let operation = "POST /repos/{owner}/{repo}/environments/{environment_name}/deployment-branch-policies";
            let request = request(operation)?;
            let answer = self.client.exchange(&request.json(body)).await?;
            // 303: somebody else made it meanwhile.
            if !answer.status().is_success() && answer.status() != StatusCode::SEE_OTHER {
                return Err(errors::of(&answer, what));
            }
        }
        for pattern in there.iter().filter(|there| !wanted.contains(&there.name)) {
            let request = request(
                "DELETE /repos/{owner}/{repo}/environments/{environment_name}/deployment-branch-policies/{branch_policy_id}",
            )?;
            let answer = self.client.exchange(&request.at(pattern.id)).await?;
            if !answer.status().is_success() && answer.status() != StatusCode::NOT_FOUND {
                return Err(errors::of(&answer, what));
            }
        }
        Ok(())
    }

    /// `user:login` or `team:slug` as GitHub wants it, which is by number.
    async fn reviewer(&self, owner: &str, reviewer: &str) -> Result<Value, PortError> {
        let (kind, request, key) = match reviewer.split_once(':') {
            Some(("team", slug)) => {
                let request = Request::new("GET /orgs/{org}/teams/{team_slug}", reviewer).at(owner).at(slug);
                ("Team", request, format!("team:{owner}/{slug}"))
            }
            Some(("user", login)) => {
                ("User", Request::new("GET /users/{username}", reviewer).at(login), reviewer.to_owned())
            }
            _ => return Err(errors::rejected("reviewer", format!("{reviewer} is neither user:… nor team:…"))),
        };
        let known = self.memory().reviewers.get(&key).copied();
        let id = match known {
            Some(id) => id,
            None => match self.client.send::<Account>(&request).await {
                Ok(account) => account.id,
                Err(PortError::NotFound { .. }) => {
                    return Err(errors::rejected("reviewer", format!("there is no {reviewer} at GitHub")));
                }
                Err(error) => return Err(error),
            },
        };
        self.memory().reviewers.insert(key, id);
        Ok(json!({ "type": kind, "id": id }))
    }
}
