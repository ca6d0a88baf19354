//! `/v10/projects/{p}/domains`, its neighbours, and the DNS advice for a name.

use serde_json::{Value, json};

use super::call::{self, Call};
use super::domain_names::{self, apex, is_vercel};
use super::domains;
use super::model::{Domain, Project};
use super::plans;
use super::problem::{Outcome, Problem};

/// `POST /v10/projects/{idOrName}/domains`.
pub(super) fn add(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let name = domain_names::parse(call.body["name"].as_str().unwrap_or_default())?;
    check_free(call, &project, &name)?;
    let max = plans::limits(call.plan()).domains;
    if project.domains.len() >= max {
        let message = format!("The {} plan is limited to {max} domains per project.", plans::name(call.plan()));
        return Err(Problem::plan(message));
    }
    let newest = project.deployments.iter().rev().filter_map(|id| call.state.deployments.get(id));
    let failed = newest.clone().find(|d| d.production).is_some_and(|d| d.state.name() == "ERROR");
    if failed {
        let message =
            "The domain can not be added because the latest production deployment for the project was not successful.";
        return Err(Problem::bad_request(message));
    }
    let mut domain = call.state.new_domain(&name, call.now);
    apply(call, &project, &mut domain)?;
    domain.verified = is_vercel(&name) || call.state.domain_owner(&name).is_none_or(|owner| owner == call.team);
    if domain.verified && !is_vercel(&name) {
        let apex = apex(&name);
        if call.state.domain_owner(&apex).is_none() {
            call.state.domain_owners.insert(apex, call.team.clone());
        }
    }
    call.state.serve_domain(&project, &domain, call.now);
    let view = domains::view(&project, &domain);
    project.domains.push(domain);
    call.emit("project.domain.created", Some(&project), json!({ "domain": view }));
    call.save(project);
    Ok(view.into())
}

/// Refuses a name that some project of the team, or for a `vercel.app` name any project, already has.
fn check_free(call: &Call<'_>, project: &Project, name: &str) -> Result<(), Problem> {
    if project.domains.iter().any(|domain| domain.name == name) {
        let message = format!("Cannot add {name} since it's already in use by this project.");
        return Err(Problem::new(400, "domain_already_in_use", message).with("projectId", project.id.as_str()));
    }
    let has = |other: &&Project| other.domains.iter().any(|domain| domain.name == name);
    let Some(other) = call.state.projects.values().filter(|p| p.team == call.team || is_vercel(name)).find(has) else {
        return Ok(());
    };
    if is_vercel(name) {
        let message = format!("Cannot add {name} since it's already assigned to another project.");
        return Err(Problem::new(400, "domain_already_in_use_by_different_project", message));
    }
    let message = format!("Cannot add {name} since it's already in use by one of your projects.");
    Err(Problem::new(409, "domain_already_in_use", message).with("projectId", other.id.as_str()))
}

/// Takes `redirect`, `redirectStatusCode`, `gitBranch` and `customEnvironmentId` over from the body.
fn apply(call: &Call<'_>, project: &Project, domain: &mut Domain) -> Result<(), Problem> {
    let body = &call.body;
    let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if body.get("redirect").is_some() {
        domain.redirect = text("redirect").map(|target| target.to_lowercase());
        domain.redirect_status = domain.redirect.is_some().then_some(domain.redirect_status.unwrap_or(308));
    }
    if let Some(code) = body["redirectStatusCode"].as_u64() {
        domain.redirect_status = u16::try_from(code).ok();
    }
    if body.get("gitBranch").is_some() {
        domain.git_branch = text("gitBranch");
    }
    if body.get("customEnvironmentId").is_some() {
        domain.custom_environment = text("customEnvironmentId");
    }
    let given = [&domain.redirect, &domain.git_branch, &domain.custom_environment];
    if given.iter().filter(|value| value.is_some()).count() > 1 {
        let message = "A domain can have only one of a Git branch, a custom environment and a redirect.";
        return Err(Problem::bad_request(message));
    }
    if domain.redirect_status.is_some() && domain.redirect.is_none() {
        return Err(Problem::bad_request("`redirectStatusCode` needs a `redirect`."));
    }
    if let Some(target) = &domain.redirect {
        let known = project.domains.iter().any(|other| other.name == *target && other.redirect.is_none());
        if !known || *target == domain.name {
            let message = format!("The redirect target `{target}` is not a domain of the project.");
            return Err(Problem::new(400, "invalid_redirect", message));
        }
    }
    if let (Some(branch), Some(link)) = (&domain.git_branch, &project.link)
        && *branch == link.production_branch
    {
        let message = format!("The branch `{branch}` is the Production Branch and cannot have a domain of its own.");
        return Err(Problem::bad_request(message));
    }
    if let Some(id) = &domain.custom_environment
        && !project.environments.iter().any(|env| env.id == *id)
    {
        return Err(Problem::bad_request(format!("The custom environment `{id}` does not exist.")));
    }
    Ok(())
}

/// `GET /v9/projects/{idOrName}/domains`, newest first.
pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let project = call.project()?;
    let same =
        |name: &str, value: &Option<String>| call.query(name).is_none_or(|wanted| value.as_deref() == Some(wanted));
    let kept = project.domains.iter().filter(|domain| {
        let production = domains::is_production(domain);
        call.query("verified").is_none_or(|wanted| (wanted == "true") == domain.verified)
            && (call.query("production") != Some("true") || production)
            && (call.query("redirects") != Some("false") || domain.redirect.is_none())
            && call.query("target").is_none_or(|target| (target == "production") == production)
            && same("redirect", &domain.redirect)
            && same("gitBranch", &domain.git_branch)
            && same("customEnvironmentId", &domain.custom_environment)
    });
    let limit = call.limit(20, 100)?;
    let mut page = call::page(kept.collect(), |domain| domain.created_at, limit, call.number("until")?);
    if call.query("order") == Some("ASC") {
        page.items.reverse();
    }
    let rows: Vec<Value> = page.items.iter().map(|domain| domains::view(project, domain)).collect();
    Ok(json!({ "domains": rows, "pagination": page.pagination }).into())
}

/// `GET /v9/projects/{idOrName}/domains/{domain}`.
pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    let project = call.project()?;
    let domain = &project.domains[index_of(call, project)?];
    Ok(domains::view(project, domain).into())
}

/// `PATCH /v9/projects/{idOrName}/domains/{domain}`.
pub(super) fn update(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let index = index_of(call, &project)?;
    let mut domain = project.domains[index].clone();
    apply(call, &project, &mut domain)?;
    domain.updated_at = call.now;
    call.state.aliases.remove(&domain.name);
    call.state.serve_domain(&project, &domain, call.now);
    let view = domains::view(&project, &domain);
    project.domains[index] = domain;
    call.emit("project.domain.updated", Some(&project), json!({ "domain": view }));
    call.save(project);
    Ok(view.into())
}

/// `POST /v9/projects/{idOrName}/domains/{domain}/verify`: looks for the TXT record now.
pub(super) fn verify(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let index = index_of(call, &project)?;
    let mut domain = project.domains[index].clone();
    if domain.verified {
        return Ok(domains::view(&project, &domain).into());
    }
    let host = domain_names::challenge_host(&domain.name);
    match domains::challenge_met(call.dns, call.settings, &domain, call.now) {
        Some(true) => {}
        Some(false) => {
            let message = format!("Domain {host} has a TXT Record, but it does not match \"{}\"", domain.challenge);
            return Err(Problem::new(400, "txt_record_mismatch", message));
        }
        None => {
            let message = format!("Domain {host} is missing required TXT Record \"{}\"", domain.challenge);
            return Err(Problem::new(400, "missing_txt_record", message));
        }
    }
    domain.verified = true;
    domain.updated_at = call.now;
    let team = call.team.clone();
    call.state.take_over(&domain.name, &team);
    call.state.serve_domain(&project, &domain, call.now);
    let view = domains::view(&project, &domain);
    project.domains[index] = domain;
    call.emit("project.domain.verified", Some(&project), json!({ "domain": view }));
    call.save(project);
    Ok(view.into())
}

/// `DELETE /v9/projects/{idOrName}/domains/{domain}`.
pub(super) fn remove(call: &mut Call<'_>) -> Outcome {
    let mut project = call.project()?.clone();
    let domain = project.domains.remove(index_of(call, &project)?);
    let redirects = |other: &Domain| other.redirect.as_ref() == Some(&domain.name);
    if project.domains.iter().any(redirects) {
        if call.body["removeRedirects"] != true {
            let message = format!("Cannot remove {} since other domains redirect to it.", domain.name);
            return Err(Problem::new(409, "domain_is_redirect_target", message));
        }
        project.domains.retain(|other| !redirects(other));
    }
    call.state.aliases.remove(&domain.name);
    call.emit("project.domain.deleted", Some(&project), json!({ "domain": domains::view(&project, &domain) }));
    call.save(project);
    Ok(json!({}).into())
}

/// `POST /v1/projects/{idOrName}/domains/{domain}/move`: to another project of the team, redirects included.
pub(super) fn transfer(call: &mut Call<'_>) -> Outcome {
    let mut from = call.project()?.clone();
    let mut to = call.project_named(call.body["projectId"].as_str().unwrap_or_default())?.clone();
    if from.id == to.id {
        return Err(Problem::bad_request("The domain is already assigned to this project."));
    }
    let name = from.domains[index_of(call, &from)?].name.clone();
    let moves = |domain: &Domain| domain.name == name || domain.redirect.as_ref() == Some(&name);
    let (gone, kept) = from.domains.drain(..).partition(moves);
    from.domains = kept;
    let mut gone: Vec<Domain> = gone;
    for domain in &mut gone {
        domain.git_branch = None;
        domain.custom_environment = None;
        domain.updated_at = call.now;
        call.state.aliases.remove(&domain.name);
        call.state.serve_domain(&to, domain, call.now);
    }
    to.domains.extend(gone);
    let arrived = to.domains.iter().find(|domain| domain.name == name).expect("it was just moved");
    let view = domains::view(&to, arrived);
    call.emit("project.domain.moved", Some(&to), json!({ "domain": view, "from": from.id }));
    call.save(from);
    call.save(to);
    Ok(view.into())
}

/// `GET /v6/domains/{domain}/config`.
pub(super) fn config(call: &mut Call<'_>) -> Outcome {
    let name = domain_names::parse(call.path("domain"))?;
    let known = call.state.projects.values().filter(|project| project.team == call.team);
    let known = known.flat_map(|project| &project.domains).find(|domain| domain.name == name);
    let added_at = known.map_or(call.now, |domain| domain.created_at);
    let configured = domains::configured(call.dns, call.settings, &name, added_at, call.now);
    let configured = if is_vercel(&name) { Some("CNAME") } else { configured.map(|(by, _)| by.name()) };
    let nameservers = call.dns.get(&apex(&name)).map(|(_, records)| {
        let ns = records.iter().filter(|record| record.kind.eq_ignore_ascii_case("NS"));
        ns.map(|record| record.value.as_str()).collect::<Vec<_>>()
    });
    let ranked = |values: [Value; 2]| -> Vec<Value> {
        values.into_iter().zip(1..).map(|(value, rank)| json!({ "rank": rank, "value": value })).collect()
    };
    let answer = json!({
        "configuredBy": configured,
        "acceptedChallenges": if configured == Some("dns-01") { vec!["dns-01"] } else { vec!["http-01"] },
        "misconfigured": configured.is_none(),
        "nameservers": nameservers.unwrap_or_default(),
        "serviceType": "external",
        "recommendedIPv4": ranked(domains::IPV4.map(|ip| json!([ip]))),
        "recommendedCNAME": ranked(domains::CNAME.map(|name| json!(name))),
    });
    Ok(answer.into())
}

/// `GET /v1/domains/{domain}/project-domains`: every project domain under an apex.
pub(super) fn of_apex(call: &mut Call<'_>) -> Outcome {
    let wanted = domain_names::parse(call.path("domain"))?;
    let team = call.state.projects.values().filter(|project| project.team == call.team);
    let found = team.flat_map(|project| project.domains.iter().map(move |domain| (project, domain)));
    let found = found.filter(|(_, domain)| apex(&domain.name) == wanted);
    let limit = call.limit(20, 100)?;
    let page = call::page(found.collect(), |(_, domain)| domain.created_at, limit, call.number("until")?);
    let rows: Vec<Value> = page.items.iter().map(|(project, domain)| domains::view(project, domain)).collect();
    Ok(json!({ "projectDomains": rows, "pagination": page.pagination }).into())
}

fn index_of(call: &Call<'_>, project: &Project) -> Result<usize, Problem> {
    let name = call.path("domain").to_lowercase();
    let index = project.domains.iter().position(|domain| domain.name == name);
    index.ok_or_else(|| Problem::not_found(format!("The domain `{name}` is not assigned to the project.")))
}
