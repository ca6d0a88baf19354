//! Everything that Vercel holds, in clear text, for tests to compare with what they asked for.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::model::{Project, State};
use super::{deployment_view, domains};
use crate::sandbox::World;

/// The Vercel part of `GET /_sandbox/inventory`.
pub(crate) fn inventory(world: &World, _now: Timestamp) -> Value {
    let state = &world.vercel;
    let projects: Vec<Value> = state.projects.values().map(|found| project(state, found)).collect();
    json!({
        "counts": {
            "projects": projects.len(),
            "deployments": state.deployments.len(),
            "domains": state.projects.values().map(|project| project.domains.len()).sum::<usize>(),
            "env": state.projects.values().map(|project| project.env.len()).sum::<usize>(),
            "webhooks": state.webhooks.len(),
        },
        "projects": projects,
        "webhooks": state.webhooks.values().map(|hook| json!({ "id": hook.id, "url": hook.url, "events": hook.events })).collect::<Vec<_>>(),
        "teams": state.teams.values().map(|team| json!({ "id": team.id, "slug": team.slug })).collect::<Vec<_>>(),
    })
}

fn project(state: &State, project: &Project) -> Value {
    let env = project.env.iter().map(|row| {
        json!({
            "id": row.id,
            "key": row.key,
            "value": row.value,
            "type": row.kind,
            "target": row.target,
            "customEnvironmentIds": row.custom_environments,
            "gitBranch": row.git_branch,
            "comment": row.comment,
        })
    });
    let deployments = project.deployments.iter().filter_map(|id| state.deployments.get(id)).map(|deployment| {
        json!({
            "id": deployment.id,
            "url": deployment.url,
            "state": deployment.state.name(),
            "target": deployment.production.then_some("production"),
            "customEnvironmentId": deployment.custom_environment,
            "sha": deployment.git.as_ref().map(|git| git.sha.as_str()),
            "branch": deployment.git.as_ref().map(|git| git.branch.as_str()),
            "source": deployment.source,
            "meta": deployment.meta,
            "env": deployment.env,
            "promoted": deployment.promoted,
            "aliases": deployment_view::served(state, deployment),
        })
    });
    let serving = |name: &str| state.aliases.get(name).map(|alias| alias.deployment.as_str());
    let domains = project.domains.iter().map(|domain| {
        let mut view = domains::view(project, domain);
        view["deployment"] = json!(serving(&domain.name));
        view
    });
    json!({
        "id": project.id,
        "name": project.name,
        "team": project.team,
        "settings": project.settings,
        "paused": project.paused,
        "attackMode": project.attack_mode,
        "production": project.production,
        "link": project.link.as_ref().map(|link| json!({
            "repoId": link.repo_id,
            "org": link.org,
            "repo": link.repo,
            "productionBranch": link.production_branch,
        })),
        "env": env.collect::<Vec<_>>(),
        "domains": domains.collect::<Vec<_>>(),
        "customEnvironments": project.environments,
        "deployments": deployments.collect::<Vec<_>>(),
    })
}
