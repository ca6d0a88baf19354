//! Domains of a project, how DNS stands for them, and the team's certificates.

use forkable_core::{
    PortError,
    hosting::{DomainConfiguration, DomainFacts, DomainItem, HostingDone, ProjectTarget},
};
use forkable_crds::fork::DnsRecord;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Vercel,
    client::Request,
    errors::{self, Failure},
    id,
    models::{CertificatePage, Domain, DomainConfig, DomainPage, Recommended},
    projects::{gone, project},
};

/// Name servers of Vercel's DNS, which a wildcard needs. <https://vercel.com/docs/domains/working-with-nameservers>
const NAMESERVERS: [&str; 2] = ["ns1.vercel-dns.com", "ns2.vercel-dns.com"];
/// Requests in flight while the configuration of several domains is read.
const CONCURRENT: usize = 8;

impl Vercel {
    pub(super) async fn list_domains(
        &self,
        target: &ProjectTarget,
        configuration_of: &[String],
    ) -> Result<Vec<DomainFacts>, PortError> {
        let mut domains: Vec<DomainFacts> = Vec::new();
        let mut until: Option<String> = None;
        loop {
            let request =
                project(("GET /v9/projects/{idOrName}/domains", target.team.as_deref()), id(target)?, &target.name);
            let request = request.query("limit", "100");
            let request = match &until {
                Some(cursor) => request.query("until", cursor),
                None => request,
            };
            let page: DomainPage = self.client.send(request).await?;
            domains.extend(page.domains.into_iter().map(|domain| self.told(domain)));
            let next = page.pagination.next.map(|cursor| cursor.to_string());
            if next.is_none() || next == until {
                break;
            }
            until = next;
        }
        domains.sort_by(|a, b| a.name.cmp(&b.name));
        let look = |mut domain: DomainFacts| async move {
            if configuration_of.contains(&domain.name) {
                domain.configuration = Some(self.configuration(target, &domain.name).await?);
            }
            Ok::<_, PortError>(domain)
        };
        stream::iter(domains).map(look).buffered(CONCURRENT).try_collect().await
    }

    /// Whether DNS leads to Vercel, and the preferred records that would make it so: A for an apex, CNAME below it,
    /// Vercel's name servers for a wildcard.
    pub(super) async fn configuration(
        &self,
        target: &ProjectTarget,
        name: &str,
    ) -> Result<DomainConfiguration, PortError> {
        let request = Request::new("GET /v6/domains/{domain}/config", target.team.as_deref())
            .at(name)
            .query("projectIdOrName", id(target)?)
            .about(format!("domain {name}"));
        let config: DomainConfig = self.client.send(request).await?;
        if !config.misconfigured {
            return Ok(DomainConfiguration { configured: true, records: Vec::new() });
        }
        let apex = self.apex(target, name).await?;
        Ok(DomainConfiguration { configured: false, records: advice(name, &apex, &config) })
    }

    /// The registrable part of a name, as the answer about the domain told; asked for if no answer was seen yet.
    async fn apex(&self, target: &ProjectTarget, name: &str) -> Result<String, PortError> {
        let known = self.memory().apexes.get(name).cloned();
        if let Some(apex) = known {
            return Ok(apex);
        }
        let domain = self.read_domain(target, name).await?;
        let apex = domain.apex_name.clone();
        self.told(domain);
        Ok(apex)
    }

    /// The facts of an answer; remembers the apex that it names.
    fn told(&self, domain: Domain) -> DomainFacts {
        self.memory().apexes.insert(domain.name.clone(), domain.apex_name.clone());
        domain.into()
    }

    async fn read_domain(&self, target: &ProjectTarget, name: &str) -> Result<Domain, Failure> {
        let request = named("GET /v9/projects/{idOrName}/domains/{domain}", target, name)?;
        self.client.send(request).await
    }

    /// Adds it. Vercel refuses a name that is on this project already in more than one way, so after a refusal a look
    /// tells: if it is here, it is set as wanted.
    pub(super) async fn add_domain(&self, target: &ProjectTarget, item: &DomainItem) -> Result<HostingDone, PortError> {
        let mut body = settings(item);
        body["name"] = json!(item.name);
        if let Some(environment) = &item.custom_environment_id {
            body["customEnvironmentId"] = json!(environment);
        } else if item.branch.is_none() && item.environment.as_deref().is_some_and(is_custom) {
            return Err(errors::stale(format!("the environment of {} is not made yet", item.name)));
        }
        if let Value::Object(body) = &mut body {
            body.retain(|_, value| !value.is_null());
        }
        let request =
            project(("POST /v10/projects/{idOrName}/domains", target.team.as_deref()), id(target)?, &target.name);
        let failure = match self.client.send::<Domain>(request.json(body)).await {
            Ok(domain) => return Ok(HostingDone::Domain(self.told(domain))),
            Err(failure) => failure,
        };
        if !failure.is(StatusCode::BAD_REQUEST) && !failure.is(StatusCode::CONFLICT) {
            return Err(failure.error);
        }
        match self.read_domain(target, &item.name).await {
            Ok(domain) => {
                let facts = self.told(domain);
                if is_as_wanted(&facts, item) {
                    return Ok(HostingDone::Domain(facts));
                }
                self.update_domain(target, item).await
            }
            Err(look) if look.is(StatusCode::NOT_FOUND) => Err(taken(failure)),
            Err(look) => Err(look.error),
        }
    }

    /// Sets redirect and branch. Vercel cannot move a domain to or from a custom environment: such a domain is
    /// removed and added again, and serves nothing in between.
    pub(super) async fn update_domain(
        &self,
        target: &ProjectTarget,
        item: &DomainItem,
    ) -> Result<HostingDone, PortError> {
        if item.custom_environment_id.is_none() {
            let request = named("PATCH /v9/projects/{idOrName}/domains/{domain}", target, &item.name)?;
            let (now, refusal) = match self.client.send::<Domain>(request.json(settings(item))).await {
                Ok(domain) => (domain, None),
                // Refused perhaps because it is in a custom environment now.
                Err(failure) if failure.is(StatusCode::BAD_REQUEST) => {
                    (self.read_domain(target, &item.name).await?, Some(failure.error))
                }
                Err(failure) => return Err(failure.error),
            };
            let facts = self.told(now);
            if facts.custom_environment_id.is_none() {
                return refusal.map_or(Ok(HostingDone::Domain(facts)), Err);
            }
        }
        self.remove_domain(target, &item.name).await?;
        let mut body = settings(item);
        body["name"] = json!(item.name);
        if let Some(environment) = &item.custom_environment_id {
            body["customEnvironmentId"] = json!(environment);
        }
        let request =
            project(("POST /v10/projects/{idOrName}/domains", target.team.as_deref()), id(target)?, &target.name);
        let domain = self.client.send(request.json(body)).await?;
        Ok(HostingDone::Domain(self.told(domain)))
    }

    /// Asks Vercel to look for the TXT record now. That it is not there yet is no error.
    pub(super) async fn verify_domain(&self, target: &ProjectTarget, name: &str) -> Result<HostingDone, PortError> {
        let request = named("POST /v9/projects/{idOrName}/domains/{domain}/verify", target, name)?;
        match self.client.send::<Domain>(request).await {
            Ok(domain) => Ok(HostingDone::Domain(self.told(domain))),
            Err(failure) if failure.is(StatusCode::BAD_REQUEST) => Ok(HostingDone::Nothing),
            Err(failure) => Err(failure.error),
        }
    }

    pub(super) async fn remove_domain(&self, target: &ProjectTarget, name: &str) -> Result<HostingDone, PortError> {
        let request = named("DELETE /v9/projects/{idOrName}/domains/{domain}", target, name)?;
        gone(self.client.send_for_nothing(request).await)?;
        Ok(HostingDone::Nothing)
    }

    pub(super) async fn list_certificates(
        &self,
        team: Option<&str>,
    ) -> Result<Vec<(Vec<String>, Timestamp)>, PortError> {
        let mut certificates = Vec::new();
        let mut until: Option<String> = None;
        loop {
            let request = Request::new("GET /v8/certs", team).query("limit", "100").about("the list of certificates");
            let request = match &until {
                Some(cursor) => request.query("until", cursor),
                None => request,
            };
            let page: CertificatePage = self.client.send(request).await?;
            for certificate in page.certs {
                let end = certificate.expires_at.and_then(|at| Timestamp::from_millisecond(at).ok());
                certificates.extend(end.map(|end| (certificate.cns, end)));
            }
            let next = page.pagination.next.map(|cursor| cursor.to_string());
            if next.is_none() || next == until {
                return Ok(certificates);
            }
            until = next;
        }
    }
}

fn named(operation: &'static str, target: &ProjectTarget, name: &str) -> Result<Request, PortError> {
    Ok(Request::new(operation, target.team.as_deref()).at(id(target)?).at(name).about(format!("domain {name}")))
}

/// What can be changed of a domain; null clears.
fn settings(item: &DomainItem) -> Value {
    let status = item.redirect.as_ref().map(|_| item.redirect_status.unwrap_or(308));
    json!({ "redirect": item.redirect, "redirectStatusCode": status, "gitBranch": item.branch })
}

fn is_custom(environment: &str) -> bool {
    !["Production", "Preview"].contains(&environment)
}

fn is_as_wanted(facts: &DomainFacts, item: &DomainItem) -> bool {
    let status = item.redirect.as_ref().map(|_| item.redirect_status.unwrap_or(308));
    facts.redirect == item.redirect
        && facts.redirect_status == status
        && facts.branch == item.branch
        && facts.custom_environment_id == item.custom_environment_id
}

/// The refusal of a name that is not on this project: mostly another one has it.
fn taken(failure: Failure) -> PortError {
    let problem = &failure.problem;
    let code = problem.code.to_ascii_lowercase();
    if !failure.is(StatusCode::CONFLICT) && !code.contains("in_use") && !code.contains("domain_exist") {
        return failure.error;
    }
    match &problem.project_id {
        Some(holder) => errors::conflict(format!("{} (project {holder})", problem.message.trim_end_matches('.'))),
        None => errors::conflict(problem.message.clone()),
    }
}

fn advice(name: &str, apex: &str, config: &DomainConfig) -> Vec<DnsRecord> {
    let record = |kind: &str, name: &str, value: &str| DnsRecord {
        record_type: kind.to_owned(),
        name: name.to_owned(),
        value: value.trim_end_matches('.').to_owned(),
    };
    if name.starts_with("*.") {
        return NAMESERVERS.iter().map(|server| record("NS", apex, server)).collect();
    }
    if name == apex {
        // One address is enough.
        let address = preferred(&config.recommended_ipv4).and_then(|addresses| addresses.first());
        return address.map(|address| record("A", name, address)).into_iter().collect();
    }
    preferred(&config.recommended_cname).map(|target| record("CNAME", name, target)).into_iter().collect()
}

fn preferred<T>(recommended: &[Recommended<T>]) -> Option<&T> {
    recommended.iter().min_by_key(|one| one.rank).map(|one| &one.value)
}
