//! Domains, how DNS stands for them, and certificates.

use forkable_core::hosting::DomainFacts;
use forkable_crds::fork::DnsRecord;
use serde::Deserialize;

use super::Pagination;

#[derive(Debug, Deserialize)]
pub(in crate::vercel) struct DomainPage {
    pub domains: Vec<Domain>,
    #[serde(default, deserialize_with = "super::or_default")]
    pub pagination: Pagination,
}

/// A domain of a project.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vercel) struct Domain {
    pub name: String,
    pub apex_name: String,
    redirect: Option<String>,
    redirect_status_code: Option<i32>,
    git_branch: Option<String>,
    custom_environment_id: Option<String>,
    verified: bool,
    #[serde(default, deserialize_with = "super::or_default")]
    verification: Vec<Challenge>,
}

#[derive(Debug, Deserialize)]
struct Challenge {
    #[serde(rename = "type")]
    kind: String,
    domain: String,
    value: String,
}

impl From<Domain> for DomainFacts {
    fn from(domain: Domain) -> Self {
        let text = |value: Option<String>| value.filter(|value| !value.is_empty());
        let challenges = domain.verification.into_iter().filter(|_| !domain.verified);
        let record = |challenge: Challenge| DnsRecord {
            record_type: challenge.kind,
            name: challenge.domain,
            value: challenge.value,
        };
        Self {
            name: domain.name,
            redirect: text(domain.redirect),
            redirect_status: domain.redirect_status_code,
            branch: text(domain.git_branch),
            custom_environment_id: text(domain.custom_environment_id),
            verified: domain.verified,
            verification: challenges.map(record).collect(),
            configuration: None,
        }
    }
}

/// How DNS stands for a name.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vercel) struct DomainConfig {
    pub misconfigured: bool,
    #[serde(default, deserialize_with = "super::or_default", rename = "recommendedIPv4")]
    pub recommended_ipv4: Vec<Recommended<Vec<String>>>,
    #[serde(default, deserialize_with = "super::or_default", rename = "recommendedCNAME")]
    pub recommended_cname: Vec<Recommended<String>>,
}

/// A recommendation; rank 1 is the preferred one.
#[derive(Debug, Deserialize)]
pub(in crate::vercel) struct Recommended<T> {
    pub rank: i64,
    pub value: T,
}

#[derive(Debug, Deserialize)]
pub(in crate::vercel) struct CertificatePage {
    pub certs: Vec<Certificate>,
    #[serde(default, deserialize_with = "super::or_default")]
    pub pagination: Pagination,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::vercel) struct Certificate {
    pub cns: Vec<String>,
    /// Milliseconds since 1970.
    pub expires_at: Option<i64>,
}
