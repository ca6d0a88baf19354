//! What serves production: assignment after a build, promotion, rollback, and single aliases.

use serde_json::{Value, json};

use super::call::Call;
use super::deployments::{Deployment, ReadyState};
use super::domain_names;
use super::domains;
use super::model::{AliasRequest, Millis, State};
use super::problem::{Outcome, Problem, Reply};
use super::rolling;
use crate::VercelPlan;

impl State {
    /// Gives a deployment that became ready its host names.
    pub fn assign_hosts(&mut self, id: &str, now: Millis) {
        let deployment = &self.deployments[id];
        let Some(project) = self.projects.get(&deployment.project).cloned() else { return };
        let slug = self.teams[&deployment.team].slug.clone();
        let branch = deployment.git.as_ref().map(|git| git.branch.clone());
        let custom = deployment.custom_environment.clone();
        let (production, auto) = (deployment.production, deployment.auto_assign);
        let label = match (&custom, &branch) {
            (Some(id), _) => {
                let env = project.environments.iter().find(|env| env.id == *id);
                env.map(|env| format!("env-{}", env.slug))
            }
            (None, Some(branch)) => Some(format!("git-{}", host_label(branch))),
            (None, None) => None,
        };
        if let Some(label) = label {
            self.assign(&format!("{}-{label}-{slug}.vercel.app", project.name), id, now);
        }
        let follows = |domain: &&super::model::Domain| match (&custom, &branch) {
            _ if production || domains::is_production(domain) => false,
            (Some(_), _) => domain.custom_environment == custom,
            (None, branch) => branch.is_some() && domain.git_branch == *branch,
        };
        for domain in project.domains.iter().filter(follows).filter(|domain| domain.verified) {
            self.assign(&domain.name, id, now);
        }
        self.deployments.get_mut(id).expect("looked up above").alias_assigned_at = Some(now);
        let wanted = project.settings.get("autoAssignCustomDomains") != Some(&json!(false)) && auto;
        let current = project.production.and_then(|current| self.deployments.get(&current));
        let newer_is_live = current.is_some_and(|current| current.created_at > self.deployments[id].created_at);
        if production && wanted && !newer_is_live && !self.begin_rolling(id, now) {
            self.make_current(id, now);
        }
    }

    /// Lets the project's production domains serve this deployment.
    pub fn make_current(&mut self, id: &str, now: Millis) {
        let deployment = self.deployments.get_mut(id).expect("the caller looked it up");
        deployment.promoted = true;
        let Some(project) = self.projects.get_mut(&deployment.project) else { return };
        project.production = Some(id.to_owned());
        project.updated_at = project.updated_at.max(now);
        let serves = |domain: &&super::model::Domain| {
            domains::is_production(domain) && domain.verified && domain.redirect.is_none()
        };
        let names: Vec<String> = project.domains.iter().filter(serves).map(|domain| domain.name.clone()).collect();
        for name in names {
            self.assign(&name, id, now);
        }
    }

    /// Ends a promotion or rollback whose time has come.
    pub fn finish_alias_request(&mut self, project_id: &str, at: Millis) {
        self.promoting.retain(|id| id != project_id);
        let Some(request) = self.projects.get(project_id).and_then(|project| project.alias_request.clone()) else {
            return;
        };
        let there = self.deployments.contains_key(&request.to_deployment_id);
        if there {
            self.make_current(&request.to_deployment_id, at);
            if request.kind == "promote" {
                self.emit_deployment("deployment.promoted", &request.to_deployment_id, at);
            }
        }
        let project = self.projects.get_mut(project_id).expect("looked up above");
        if let Some(request) = &mut project.alias_request {
            let status = if there { "succeeded" } else { "failed" };
            status.clone_into(&mut request.job_status);
        }
        // A promotion turns automatic assignment on, a rollback turns it off.
        project.settings.insert("autoAssignCustomDomains".to_owned(), json!(request.kind == "promote"));
        project.updated_at = project.updated_at.max(at);
    }
}

/// A branch name as part of a host name.
fn host_label(branch: &str) -> String {
    let lower = branch.to_lowercase();
    let mapped: String = lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    mapped.trim_matches('-').to_owned()
}

/// `POST /v10/projects/{idOrName}/promote/{deploymentId}`.
pub(super) fn promote(call: &mut Call<'_>) -> Outcome {
    let target = target(call)?;
    if !target.production {
        let message = "Only production deployments can be promoted; redeploy the preview to production instead.";
        return Err(Problem::new(422, "unprocessable_entity", message));
    }
    request(call, "promote", target)
}

/// `POST /v1/projects/{idOrName}/rollback/{deploymentId}`.
pub(super) fn rollback(call: &mut Call<'_>) -> Outcome {
    let target = target(call)?;
    if !target.promoted {
        let message = "The deployment has never served production and cannot be rolled back to.";
        return Err(Problem::new(422, "unprocessable_entity", message));
    }
    if call.plan() == VercelPlan::Hobby {
        let project = call.project()?;
        let promoted = |id: &&String| {
            project.production.as_ref() != Some(id) && call.state.deployments.get(*id).is_some_and(|d| d.promoted)
        };
        if project.deployments.iter().rev().find(promoted) != Some(&target.id) {
            return Err(Problem::plan("The Hobby plan can only roll back to the previous production deployment."));
        }
    }
    let reply = request(call, "rollback", target.clone())?;
    call.state.emit_deployment("deployment.rollback", &target.id, call.now);
    Ok(reply)
}

/// The deployment of the path, which has to be ready and of the path's project.
fn target(call: &Call<'_>) -> Result<Deployment, Problem> {
    let project = call.project()?;
    let target = call.deployment(call.path("deploymentId"))?;
    if target.project != project.id {
        return Err(Problem::not_found("The deployment does not belong to the project."));
    }
    if target.state != ReadyState::Ready {
        return Err(Problem::bad_request("The deployment is not READY."));
    }
    // A rolling release is aborted by a rollback to what serves the others.
    if project.production.as_ref() == Some(&target.id) && rolling::active(project).is_none() {
        let message = "The deployment is already the current production deployment.";
        return Err(Problem::new(409, "conflict", message));
    }
    Ok(target.clone())
}

fn request(call: &mut Call<'_>, kind: &str, target: Deployment) -> Outcome {
    let mut project = call.project()?.clone();
    if call.state.promoting.contains(&project.id) {
        return Err(Problem::new(409, "conflict", "Another promotion or rollback is in progress."));
    }
    match rolling::active(&project) {
        Some(_) if kind == "rollback" => {
            call.state.end_rolling(&project.id, false, call.now);
            project = call.project()?.clone();
        }
        Some(rolling) if rolling.canary == target.id => {
            return Err(Problem::new(409, "conflict", "The deployment is being released already."));
        }
        Some(_) => {
            project.rolling.iter_mut().for_each(|rolling| rolling.queued = Some(target.id.clone()));
            call.save(project);
            return Ok(Reply(202, Value::Null));
        }
        None if kind == "promote" && call.state.begin_rolling(&target.id, call.now) => {
            return Ok(Reply(201, Value::Null));
        }
        None => {}
    }
    project.alias_request = Some(AliasRequest {
        kind: kind.to_owned(),
        job_status: "in-progress".to_owned(),
        from_deployment_id: project.production.clone(),
        to_deployment_id: target.id,
        requested_at: call.now,
    });
    call.state.promoting.push(project.id.clone());
    call.save(project);
    Ok(Reply(201, Value::Null))
}

/// `GET /v1/projects/{idOrName}/promote/aliases`: the last request, domain by domain.
pub(super) fn promote_aliases(call: &mut Call<'_>) -> Outcome {
    let project = call.project()?;
    let request = project.alias_request.as_ref();
    let serving = |domain: &&super::model::Domain| {
        request.is_some() && domains::is_production(domain) && domain.redirect.is_none() && domain.verified
    };
    let rows = project.domains.iter().filter(serving).map(|domain| {
        let status = request.map_or("pending", |request| match request.job_status.as_str() {
            "succeeded" => "completed",
            "failed" => "failed",
            _ => "in-progress",
        });
        json!({ "id": domain.name, "alias": domain.name, "status": status })
    });
    let only_failed = call.query("failedOnly") == Some("true");
    let rows: Vec<Value> = rows.filter(|row| !only_failed || row["status"] == "failed").collect();
    let pagination = json!({ "count": rows.len(), "next": null, "prev": null });
    Ok(json!({ "aliases": rows, "pagination": pagination }).into())
}

/// `POST /v2/deployments/{id}/aliases`.
pub(super) fn assign_alias(call: &mut Call<'_>) -> Outcome {
    let deployment = call.deployment(call.path("id"))?.clone();
    if deployment.state != ReadyState::Ready {
        return Err(Problem::new(400, "deployment_not_ready", "The deployment is not READY and can not be aliased."));
    }
    let host = domain_names::parse(call.body["alias"].as_str().unwrap_or_default())?;
    let foreign = call.state.domain_owner(&host).is_some_and(|team| team != call.team);
    let in_use = call.state.domain_by_host(&host).is_some_and(|(project, _)| project.team != call.team);
    if foreign || in_use {
        return Err(Problem::forbidden(format!("You don't have access to the domain {host}.")));
    }
    if !domain_names::is_vercel(&host) && call.state.domain_owner(&host).is_none() {
        return Err(Problem::not_found("The domain used for the alias was not found."));
    }
    if call.state.aliases.get(&host).is_some_and(|alias| alias.deployment == deployment.id) {
        return Err(Problem::new(
            409,
            "alias_in_use",
            "The provided alias is already assigned to the given deployment.",
        ));
    }
    let old = call.state.assign(&host, &deployment.id, call.now);
    let mut answer = alias_view(call, &host);
    answer["oldDeploymentId"] = json!(old);
    Ok(answer.into())
}

/// `GET /v2/deployments/{id}/aliases`.
pub(super) fn aliases(call: &mut Call<'_>) -> Outcome {
    let deployment = call.deployment(call.path("id"))?;
    let hosts = super::deployment_view::served(call.state, deployment);
    let rows: Vec<Value> = hosts.into_iter().map(|host| alias_view(call, host)).collect();
    Ok(json!({ "aliases": rows }).into())
}

fn alias_view(call: &Call<'_>, host: &str) -> Value {
    let alias = &call.state.aliases[host];
    let created = jiff::Timestamp::from_millisecond(alias.created_at).unwrap_or_default();
    json!({ "uid": alias.uid, "alias": host, "created": created.to_string(), "redirect": null })
}
