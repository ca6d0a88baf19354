//! How deployments read in answers.

use serde_json::{Map, Value, json};

use super::deployments::{Deployment, ReadyState};
use super::model::State;
use super::plans;
use crate::VercelPlan;

/// The whole deployment, as single reads and writes answer it.
pub(super) fn full(state: &State, deployment: &Deployment, plan: VercelPlan) -> Value {
    let mut view = short(state, deployment, plan);
    let fields = json!({
        "alias": served(state, deployment),
        "bootedAt": deployment.building_at.unwrap_or_default(),
        "buildingAt": deployment.building_at.unwrap_or_default(),
        "build": { "env": deployment.env },
        "env": deployment.env,
        "buildSkipped": deployment.state == ReadyState::Canceled && deployment.started_at.is_none(),
        "inspectorUrl": inspector(deployment),
        "isInConcurrentBuildsQueue": deployment.state == ReadyState::Queued && deployment.started_at.is_none(),
        "isInSystemBuildsQueue": false,
        "ownerId": deployment.team,
        "projectId": deployment.project,
        "project": { "id": deployment.project, "name": deployment.name, "framework": deployment.settings["framework"] },
        "projectSettings": deployment.settings,
        "public": false,
        "regions": ["iad1"],
        "routes": null,
        "status": deployment.state.name(),
        "version": 2,
        "team": { "id": deployment.team, "name": state.teams[&deployment.team].name, "slug": state.teams[&deployment.team].slug },
    });
    extend(&mut view, fields);
    if let Some(git) = &deployment.git {
        view["gitSource"] = json!({
            "type": "github",
            "repoId": git.repo_id,
            "ref": git.branch,
            "sha": git.sha,
            "prId": null,
        });
    }
    if let Some(id) = &deployment.custom_environment {
        view["customEnvironment"] = json!({ "id": id });
    }
    if deployment.state == ReadyState::Canceled {
        view["canceledAt"] = json!(deployment.finished_at);
    }
    view
}

/// What lists and projects carry of a deployment.
pub(super) fn short(state: &State, deployment: &Deployment, plan: VercelPlan) -> Value {
    let ready = deployment.state == ReadyState::Ready;
    let mut view = json!({
        "id": deployment.id,
        "name": deployment.name,
        "url": deployment.url,
        "deploymentHostname": deployment.url,
        "createdAt": deployment.created_at,
        "createdIn": "iad1",
        "creator": creator(deployment),
        "aliasAssigned": deployment.alias_assigned_at.is_some(),
        "aliasError": null,
        "alias": served(state, deployment),
        "automaticAliases": [],
        "meta": deployment.meta,
        "plan": plans::name(plan),
        "private": true,
        "readyState": deployment.state.name(),
        "target": target(deployment),
        "teamId": deployment.team,
        "userId": deployment.creator,
        "type": "LAMBDAS",
        "source": if deployment.source == "git" { "git" } else { "api-trigger-git-deploy" },
    });
    if let Some(at) = deployment.building_at {
        view["buildingAt"] = json!(at);
    }
    if ready {
        view["ready"] = json!(deployment.finished_at);
        view["readyAt"] = json!(deployment.finished_at);
        view["checksState"] = json!("completed");
        view["checksConclusion"] = json!("succeeded");
        if deployment.production {
            view["readySubstate"] = json!(if deployment.promoted { "PROMOTED" } else { "STAGED" });
        }
    }
    if let Some(failure) = deployment.failure.as_ref().filter(|_| deployment.state == ReadyState::Error) {
        let fields = json!({
            "errorCode": failure.code,
            "errorMessage": failure.message,
            "errorStep": "buildStep",
            "readyStateReason": failure.message,
        });
        extend(&mut view, fields);
    }
    view
}

/// A line of `GET /v7/deployments`.
pub(super) fn listed(state: &State, deployment: &Deployment, plan: VercelPlan) -> Value {
    let mut view = short(state, deployment, plan);
    let fields = json!({
        "uid": deployment.id,
        "created": deployment.created_at,
        "state": deployment.state.name(),
        "projectId": deployment.project,
        "inspectorUrl": inspector(deployment),
        "aliasAssigned": deployment.alias_assigned_at,
        "isRollbackCandidate": deployment.promoted && deployment.state == ReadyState::Ready,
        "projectSettings": deployment.settings,
    });
    extend(&mut view, fields);
    if let Some(id) = &deployment.custom_environment {
        view["customEnvironment"] = json!({ "id": id });
    }
    view.as_object_mut().expect("a literal object").remove("id");
    view
}

/// The host names that serve the deployment now, its own excepted.
pub(super) fn served<'a>(state: &State, deployment: &'a Deployment) -> Vec<&'a str> {
    let serves = |host: &&String| state.aliases.get(*host).is_some_and(|alias| alias.deployment == deployment.id);
    deployment.hosts.iter().filter(serves).map(String::as_str).collect()
}

fn target(deployment: &Deployment) -> Option<&'static str> {
    deployment.production.then_some("production")
}

fn creator(deployment: &Deployment) -> Value {
    let login = deployment.creator.strip_prefix("user_").unwrap_or(&deployment.creator);
    json!({
        "uid": deployment.creator,
        "username": login,
        "githubLogin": login,
        "email": format!("{login}@example.com"),
    })
}

fn inspector(deployment: &Deployment) -> String {
    let id = deployment.id.trim_start_matches("dpl_");
    format!("https://vercel.com/{}/{}/{id}", deployment.team, deployment.name)
}

fn extend(view: &mut Value, fields: Value) {
    if let (Value::Object(view), Value::Object(fields)) = (view, fields) {
        let fields: Map<String, Value> = fields;
        view.extend(fields);
    }
}
