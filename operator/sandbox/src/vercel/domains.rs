//! Project domains: whose they are, whether DNS leads here, and what they serve.

use serde_json::{Value, json};

use super::call::Dns;
use super::domain_names::{self, apex, challenge_host};
use super::model::{Domain, Millis, Project, State};
use crate::Settings;

/// Addresses that an apex's A record has to hold one of.
pub(super) const IPV4: [&str; 2] = ["216.150.1.1", "76.76.21.21"];
/// Names that a subdomain's CNAME has to be one of.
pub(super) const CNAME: [&str; 2] = ["cname.vercel-dns-0.com", "cname.vercel-dns.com"];
/// Vercel's name servers, which a wildcard needs.
pub(super) const NAMESERVERS: [&str; 2] = ["ns1.vercel-dns.com", "ns2.vercel-dns.com"];

/// Whether the domain follows production deployments.
pub(super) fn is_production(domain: &Domain) -> bool {
    domain.git_branch.is_none() && domain.custom_environment.is_none()
}

/// The domain in answers.
pub(super) fn view(project: &Project, domain: &Domain) -> Value {
    let mut view = json!({
        "name": domain.name,
        "apexName": apex(&domain.name),
        "projectId": project.id,
        "redirect": domain.redirect,
        "redirectStatusCode": domain.redirect_status,
        "gitBranch": domain.git_branch,
        "customEnvironmentId": domain.custom_environment,
        "verified": domain.verified,
        "createdAt": domain.created_at,
        "updatedAt": domain.updated_at,
    });
    if !domain.verified {
        view["verification"] = json!([{
            "type": "TXT",
            "domain": challenge_host(&domain.name),
            "value": domain.challenge,
            "reason": "pending_domain_verification",
        }]);
    }
    view
}

/// How a name's DNS leads to Vercel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConfiguredBy {
    /// An A record.
    A,
    /// A CNAME record.
    Cname,
    /// Vercel's name servers.
    Nameservers,
}

impl ConfiguredBy {
    /// The name in answers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Cname => "CNAME",
            Self::Nameservers => "dns-01",
        }
    }
}

/// How `name` leads to Vercel, and since when, or `None` while it does not.
///
/// `added_at` is when Vercel learned of the name: from then on it counts for `autoDns`.
pub(super) fn configured(
    dns: &Dns,
    settings: &Settings,
    name: &str,
    added_at: Millis,
    now: Millis,
) -> Option<(ConfiguredBy, Millis)> {
    let spread = super::builds::millis(settings.latencies.dns_ms);
    // Stamps are unique, so one may be a little ahead of the clock.
    let added_at = added_at.min(now);
    let by = published(dns, name, spread, now).or_else(|| {
        let by = if name.starts_with("*.") {
            ConfiguredBy::Nameservers
        } else if name == apex(name) {
            ConfiguredBy::A
        } else {
            ConfiguredBy::Cname
        };
        settings.auto_dns.then_some((by, added_at + spread))
    });
    by.map(|(by, since)| (by, since.max(added_at))).filter(|(_, since)| *since <= now)
}

/// What the published records of `name` or of its zone say.
fn published(dns: &Dns, name: &str, spread: Millis, now: Millis) -> Option<(ConfiguredBy, Millis)> {
    let seen = |name: &str, kind: &str, good: &[&str]| {
        let (at, records) = dns.get(name)?;
        let at = at.as_millisecond() + spread;
        let value = |value: &str| value.trim_end_matches('.').to_ascii_lowercase();
        let mut of_kind = records.iter().filter(|record| record.kind.eq_ignore_ascii_case(kind)).peekable();
        // One record elsewhere is enough to lead some visitors away.
        let all = of_kind.peek().is_some() && of_kind.all(|record| good.contains(&value(&record.value).as_str()));
        (all && at <= now).then_some(at)
    };
    let nameservers = seen(&apex(name), "NS", &NAMESERVERS).map(|at| (ConfiguredBy::Nameservers, at));
    if name.starts_with("*.") {
        return nameservers;
    }
    let a = || seen(name, "A", &IPV4).map(|at| (ConfiguredBy::A, at));
    let cname = || seen(name, "CNAME", &CNAME).map(|at| (ConfiguredBy::Cname, at));
    nameservers.or_else(a).or_else(cname)
}

/// Whether the TXT record that proves ownership is there; `Some(false)` means that another one is.
pub(super) fn challenge_met(dns: &Dns, settings: &Settings, domain: &Domain, now: Millis) -> Option<bool> {
    let (at, records) = dns.get(&challenge_host(&domain.name))?;
    if at.as_millisecond() + super::builds::millis(settings.latencies.dns_ms) > now {
        return None;
    }
    let mut txt = records.iter().filter(|record| record.kind.eq_ignore_ascii_case("TXT")).peekable();
    txt.peek()?;
    Some(txt.any(|record| record.value.trim_matches('"') == domain.challenge))
}

impl State {
    /// The team that `name` belongs to: the owner of the longest known domain that covers it.
    pub fn domain_owner(&self, name: &str) -> Option<&str> {
        let mut suffix = name.trim_start_matches("*.");
        loop {
            if let Some(team) = self.domain_owners.get(suffix) {
                return Some(team);
            }
            suffix = suffix.split_once('.')?.1;
        }
    }

    /// Points a domain that was just added or verified at what is live there.
    pub fn serve_domain(&mut self, project: &Project, domain: &Domain, now: Millis) {
        if !domain.verified || domain.redirect.is_some() {
            return;
        }
        let newest_here = |id: &&String| {
            self.deployments.get(*id).is_some_and(|deployment| {
                let branch = deployment.git.as_ref().map(|git| git.branch.as_str());
                deployment.state == super::deployments::ReadyState::Ready
                    && !deployment.production
                    && deployment.custom_environment == domain.custom_environment
                    && (domain.custom_environment.is_some() || branch == domain.git_branch.as_deref())
            })
        };
        let live = if is_production(domain) {
            project.production.clone()
        } else {
            project.deployments.iter().rev().find(newest_here).cloned()
        };
        if let Some(id) = live {
            self.assign(&domain.name, &id, now);
        }
    }

    /// Lets `host` serve a deployment from now on; returns what it served before.
    pub fn assign(&mut self, host: &str, deployment_id: &str, now: Millis) -> Option<String> {
        let deployment = self.deployments.get_mut(deployment_id)?;
        if !deployment.hosts.iter().any(|known| known == host) {
            deployment.hosts.push(host.to_owned());
        }
        let alias = super::model::Alias {
            uid: super::ids::random("", 40),
            deployment: deployment_id.to_owned(),
            project: deployment.project.clone(),
            created_at: now,
        };
        let old = self.aliases.insert(host.to_owned(), alias);
        old.map(|old| old.deployment).filter(|old| old != deployment_id)
    }

    /// Takes the ownership of a name over from another team: its domains there have to be proved again.
    pub fn take_over(&mut self, name: &str, team: &str) {
        self.domain_owners.insert(name.trim_start_matches("*.").to_owned(), team.to_owned());
        for project in self.projects.values_mut().filter(|project| project.team != team) {
            for domain in project.domains.iter_mut().filter(|domain| domain.name == name) {
                domain.verified = false;
                domain.challenge = domain_names::challenge(name);
            }
        }
        if self.aliases.get(name).is_some_and(|alias| self.projects[&alias.project].team != team) {
            self.aliases.remove(name);
        }
    }
}
