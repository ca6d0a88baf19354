//! How projects read in answers.

use serde_json::{Value, json};

use super::deployment_view as deployments;
use super::env::Show;
use super::model::{Domain, Link, Project, State};
use super::{custom_environments, domains};
use crate::VercelPlan;

/// Settings that read as null while they are not set.
const NULLABLE: [&str; 9] = [
    "buildCommand",
    "commandForIgnoringBuildStep",
    "devCommand",
    "framework",
    "installCommand",
    "outputDirectory",
    "publicSource",
    "rootDirectory",
    "passwordProtection",
];

/// How many deployments a project carries.
const LATEST: usize = 2;

/// The whole project.
pub(super) fn full(state: &State, project: &Project, plan: VercelPlan) -> Value {
    let mut view = listed(state, project, plan);
    let environments = project.environments.iter().map(|env| custom_environments::view(state, project, env));
    view["customEnvironments"] = environments.collect();
    view["protectionBypass"] = json!(project.bypass);
    view["lastAliasRequest"] = json!(project.alias_request);
    view
}

/// What lists carry: all but `lastAliasRequest`, `customEnvironments` and `protectionBypass`.
pub(super) fn listed(state: &State, project: &Project, plan: VercelPlan) -> Value {
    let deployment = |id: &String| state.deployments.get(id).map(|found| deployments::short(state, found, plan));
    let latest: Vec<Value> = project.deployments.iter().rev().take(LATEST).filter_map(deployment).collect();
    let production = project.production.as_ref().and_then(deployment);
    let mut view = project.settings.clone();
    for name in NULLABLE {
        view.entry(name).or_insert(Value::Null);
    }
    let region = view["resourceConfig"]["functionDefaultRegions"][0].clone();
    view.entry("serverlessFunctionRegion").or_insert(region);
    let Value::Object(fields) = json!({
        "id": project.id,
        "name": project.name,
        "accountId": project.team,
        "createdAt": project.created_at,
        "updatedAt": project.updated_at,
        "alias": project.domains.iter().filter(|d| d.verified).map(|d| alias(state, d, plan)).collect::<Vec<_>>(),
        "env": project.env.iter().map(|row| row.view(Show::Metadata)).collect::<Vec<_>>(),
        "latestDeployments": latest,
        "targets": production.map_or_else(|| json!({}), |production| json!({ "production": production })),
        "defaultResourceConfig": view["resourceConfig"],
        "deploymentExpiration": {},
        "live": project.production.is_some() && !project.paused,
        "paused": project.paused,
        "hasDeployments": !project.deployments.is_empty(),
        "security": project.attack_mode.as_ref().map_or_else(|| json!({}), |mode| json!({
            "attackModeEnabled": true,
            "attackModeActiveUntil": mode.active_until,
            "attackModeUpdatedAt": mode.updated_at,
        })),
    }) else {
        unreachable!("the literal above is an object")
    };
    view.extend(fields);
    if let Some(found) = &project.link {
        view.insert("link".to_owned(), link(found));
    }
    Value::Object(view)
}

fn link(link: &Link) -> Value {
    json!({
        "type": "github",
        "org": link.org,
        "repo": link.repo,
        "repoId": link.repo_id,
        "productionBranch": link.production_branch,
        "createdAt": link.created_at,
        "updatedAt": link.created_at,
        "deployHooks": [],
        "gitCredentialId": "cred_sandbox",
        "sourceless": true,
    })
}

/// What a domain serves now.
fn alias(state: &State, domain: &Domain, plan: VercelPlan) -> Value {
    let served = state.aliases.get(&domain.name).and_then(|alias| state.deployments.get(&alias.deployment));
    let production = domains::is_production(domain);
    json!({
        "configuredBy": null,
        "createdAt": domain.created_at,
        "domain": domain.name,
        "environment": if production { "production" } else { "preview" },
        "target": if production { "PRODUCTION" } else { "PREVIEW" },
        "gitBranch": domain.git_branch,
        "redirect": domain.redirect,
        "redirectStatusCode": domain.redirect_status,
        "deployment": served.map(|deployment| deployments::short(state, deployment, plan)),
    })
}
