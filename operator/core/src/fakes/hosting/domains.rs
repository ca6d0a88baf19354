//! Domains of the fake: whose they are, and whether DNS leads to them.

use forkable_crds::fork::DnsRecord;

use super::{World, conflict, not_found, rejected};
use crate::{
    PortError,
    hosting::{DomainConfiguration, DomainFacts, DomainItem, HostingDone, ProjectTarget},
};

impl World {
    /// Adds it; one that is on the project already is set as wanted.
    pub(super) fn add_domain(&mut self, target: &ProjectTarget, item: &DomainItem) -> Result<HostingDone, PortError> {
        let id = self.of(target)?.facts.id.clone();
        let holds = |project: &super::Project| project.domains.iter().any(|domain| domain.name == item.name);
        let holder = self.projects.values().find(|project| holds(project)).map(|project| project.facts.id.clone());
        match holder {
            Some(holder) if holder == id => return self.update_domain(target, item),
            Some(holder) => {
                let name = &item.name;
                let message = format!("Cannot add {name} since it's already in use by one of your projects");
                return Err(conflict(format!("{message} (project {holder})")));
            }
            None => {}
        }
        let verified = !self.owned_elsewhere.contains(&item.name);
        let challenge = DnsRecord {
            record_type: "TXT".into(),
            name: format!("_vercel.{}", apex(&item.name)),
            value: format!("vc-domain-verify={},{id}", item.name),
        };
        let mut domain = DomainFacts { name: item.name.clone(), verified, ..DomainFacts::default() };
        domain.verification = if verified { Vec::new() } else { vec![challenge] };
        self.check(target, item)?;
        set(&mut domain, item);
        self.of(target)?.domains.push(domain.clone());
        Ok(HostingDone::Domain(domain))
    }

    pub(super) fn update_domain(
        &mut self,
        target: &ProjectTarget,
        item: &DomainItem,
    ) -> Result<HostingDone, PortError> {
        self.check(target, item)?;
        let domain = self.domain(target, &item.name)?;
        set(domain, item);
        Ok(HostingDone::Domain(domain.clone()))
    }

    pub(super) fn verify_domain(&mut self, target: &ProjectTarget, name: &str) -> Result<HostingDone, PortError> {
        let proved = self.proofs.contains(name);
        let domain = self.domain(target, name)?;
        if !domain.verified && !proved {
            return Ok(HostingDone::Nothing);
        }
        domain.verified = true;
        domain.verification.clear();
        Ok(HostingDone::Domain(domain.clone()))
    }

    pub(super) fn remove_domain(&mut self, target: &ProjectTarget, name: &str) -> Result<HostingDone, PortError> {
        let domains = &mut self.of(target)?.domains;
        if domains.iter().any(|other| other.redirect.as_deref() == Some(name)) {
            return Err(conflict(format!("Cannot remove {name} since other domains redirect to it.")));
        }
        domains.retain(|domain| domain.name != name);
        Ok(HostingDone::Nothing)
    }

    pub(super) fn configuration(&self, name: &str) -> DomainConfiguration {
        if name.ends_with(".vercel.app") || self.dns.contains(name) {
            return DomainConfiguration { configured: true, records: Vec::new() };
        }
        let record = |kind: &str, name: &str, value: &str| DnsRecord {
            record_type: kind.into(),
            name: name.into(),
            value: value.into(),
        };
        let apex = apex(name);
        let records = if name.starts_with("*.") {
            ["ns1.vercel-dns.com", "ns2.vercel-dns.com"].map(|server| record("NS", apex, server)).to_vec()
        } else if name == apex {
            vec![record("A", name, "216.150.1.1")]
        } else {
            vec![record("CNAME", name, "cname.vercel-dns-0.com")]
        };
        DomainConfiguration { configured: false, records }
    }

    fn domain(&mut self, target: &ProjectTarget, name: &str) -> Result<&mut DomainFacts, PortError> {
        let found = self.of(target)?.domains.iter_mut().find(|domain| domain.name == name);
        found.ok_or_else(|| not_found(format!("domain {name}")))
    }

    fn check(&mut self, target: &ProjectTarget, item: &DomainItem) -> Result<(), PortError> {
        let project = self.of(target)?;
        let given = [&item.redirect, &item.branch, &item.custom_environment_id];
        if given.iter().filter(|value| value.is_some()).count() > 1 {
            let message = "A domain can have only one of a Git branch, a custom environment and a redirect.";
            return Err(rejected("bad_request", message.into()));
        }
        if let Some(to) = &item.redirect {
            let is_target = |other: &DomainFacts| other.name == *to && other.redirect.is_none();
            if *to == item.name || !project.domains.iter().any(is_target) {
                let message = format!("The redirect target `{to}` is not a domain of the project.");
                return Err(rejected("invalid_redirect", message));
            }
        }
        if item.branch.is_some() && item.branch == project.facts.production_branch {
            let message = "The Production Branch cannot have a domain of its own.";
            return Err(rejected("bad_request", message.into()));
        }
        let known = |id: &String| project.facts.environments.iter().any(|environment| environment.id == *id);
        if !item.custom_environment_id.iter().all(known) {
            return Err(rejected("bad_request", "The custom environment does not exist.".into()));
        }
        Ok(())
    }
}

fn set(domain: &mut DomainFacts, item: &DomainItem) {
    domain.redirect.clone_from(&item.redirect);
    domain.redirect_status = item.redirect.as_ref().map(|_| item.redirect_status.unwrap_or(308));
    domain.branch.clone_from(&item.branch);
    domain.custom_environment_id.clone_from(&item.custom_environment_id);
}

/// The last two labels, which is right for the names that tests use.
fn apex(name: &str) -> &str {
    let bare = name.trim_start_matches("*.");
    let dots: Vec<usize> = bare.match_indices('.').map(|(at, _)| at).collect();
    dots.len().checked_sub(2).map_or(bare, |second_last| &bare[dots[second_last] + 1..])
}
