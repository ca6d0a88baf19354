//! Certificates: one for each domain that is verified and whose DNS leads here.
//!
//! They are derived from domains and DNS, not stored; only those asked for by hand are.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::call::{self, Call};
use super::domain_names::{self, is_vercel};
use super::model::{Certificate, Millis};
use super::problem::{Outcome, Problem};
use super::{builds, domains, ids};

const DAY: Millis = 24 * 3600 * 1000;
/// Let's Encrypt's lifetime.
const LIFETIME: Millis = 90 * DAY;
/// Vercel renews this long after issue.
const RENEWAL: Millis = 60 * DAY;

/// `GET /v8/certs`, newest first.
pub(super) fn list(call: &mut Call<'_>) -> Outcome {
    let limit = call.limit(20, 100)?;
    let page = call::page(all(call).collect(), |cert| cert.issued_at, limit, call.number("until")?);
    let rows: Vec<Value> = page.items.iter().map(|cert| cert.view(call.now)).collect();
    Ok(json!({ "certs": rows, "pagination": page.pagination }).into())
}

/// `GET /v8/certs/{id}`.
pub(super) fn get(call: &mut Call<'_>) -> Outcome {
    let found = all(call).find(|cert| cert.id() == call.path("id"));
    let found = found.ok_or_else(|| Problem::not_found("The certificate was not found."))?;
    Ok(found.view(call.now).into())
}

/// `POST /v8/certs`: at once, if the DNS of every name leads here.
pub(super) fn issue(call: &mut Call<'_>) -> Outcome {
    let names = call.body["cns"].as_array().cloned().unwrap_or_default();
    if names.is_empty() {
        return Err(Problem::bad_request("Invalid request: missing required property `cns`."));
    }
    let mut cns = Vec::new();
    for name in &names {
        let name = domain_names::parse(name.as_str().unwrap_or_default())?;
        if call.state.domain_owner(&name).is_none_or(|team| team != call.team) {
            return Err(Problem::not_found(format!("The domain {name} was not found.")));
        }
        if domains::configured(call.dns, call.settings, &name, call.now, call.now).is_none() {
            let message = format!("The DNS of {name} does not lead to Vercel, so the challenge could not be solved.");
            return Err(Problem::new(449, "configuration_needed", message));
        }
        cns.push(name);
    }
    let issued_at = call.state.stamp(call.now);
    let cert = Certificate { id: ids::random("cert_", 24), team: call.team.clone(), cns, issued_at };
    let view = Listed { of: Origin::Stored(&cert), issued_at }.view(call.now);
    call.state.certificates.insert(cert.id.clone(), cert);
    Ok(view.into())
}

/// A certificate that the list has. Its id is made when it is shown: of many there are pages.
struct Listed<'a> {
    of: Origin<'a>,
    issued_at: Millis,
}

enum Origin<'a> {
    Domain { team: &'a str, name: &'a str },
    Stored(&'a Certificate),
}

impl Listed<'_> {
    fn id(&self) -> String {
        match self.of {
            Origin::Domain { team, name } => {
                let digest = hex::encode(Sha256::digest(format!("{team}\0{name}")));
                format!("cert_{}", &digest[..24])
            }
            Origin::Stored(cert) => cert.id.clone(),
        }
    }

    fn view(&self, now: Millis) -> Value {
        let cns = match self.of {
            Origin::Domain { name, .. } => json!([name]),
            Origin::Stored(cert) => json!(cert.cns),
        };
        let renewals = (now - self.issued_at) / RENEWAL;
        let issued_at = self.issued_at + renewals * RENEWAL;
        json!({
            "id": self.id(),
            "cns": cns,
            "createdAt": issued_at,
            "expiresAt": issued_at + LIFETIME,
            "autoRenew": true,
        })
    }
}

/// The team's certificates as of now.
fn all<'a>(call: &'a Call<'_>) -> impl Iterator<Item = Listed<'a>> {
    let team = call.team.as_str();
    let own = call.state.projects.values().filter(move |project| project.team == team);
    let wait = builds::millis(call.settings.latencies.cert_ms);
    let derived = own.flat_map(|project| &project.domains).filter_map(move |domain| {
        let custom = domain.verified && !is_vercel(&domain.name);
        let dns = || domains::configured(call.dns, call.settings, &domain.name, domain.created_at, call.now);
        let (_, since) = custom.then(dns)??;
        let issued_at = since.max(domain.updated_at.min(call.now)) + wait;
        Some(Listed { of: Origin::Domain { team, name: &domain.name }, issued_at })
    });
    let stored = call.state.certificates.values().filter(move |cert| cert.team == team);
    let stored = stored.map(|cert| Listed { of: Origin::Stored(cert), issued_at: cert.issued_at });
    derived.chain(stored).filter(|cert| cert.issued_at <= call.now)
}
