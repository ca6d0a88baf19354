//! What is probed for a Fork.

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use forkable_crds::{
    Fork, ForkSpec,
    fork::{HttpCheck, HttpMethod, KeyRef, LoginProtection, Probe, Redirects, TcpCheck},
    rollout::HeaderMatch,
};
use jiff::Timestamp;
use regex::Regex;

use super::{Series, dns, dns::DnsAsk};
use crate::{
    Secret,
    release::{
        analysis::{Secrets, header_values},
        rollout::freeze,
    },
    sites::To,
    sites::host_of,
    store::Kind,
};

/// Time between runs, unless a probe says so itself.
const INTERVAL: i64 = 30;
/// The longest that a run may take, unless a probe says so itself.
const TIMEOUT: i64 = 10;
/// Runs that make a probe down, unless it says so itself.
const CONFIRMATIONS: i32 = 2;

/// One probe, ready to run.
#[derive(Clone, Debug)]
pub struct Target {
    pub series: Series,
    pub interval: Duration,
    /// Less than the interval.
    pub timeout: Duration,
    pub confirmations: u32,
    /// What is asked, or why it cannot be.
    pub ask: Result<Ask, String>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    Http(HttpAsk),
    Tcp(TcpAsk),
    Dns(DnsAsk),
}

/// A request.
#[derive(Clone, Debug)]
pub struct HttpAsk {
    pub method: &'static str,
    pub to: To,
    /// Names and values.
    pub headers: Vec<(String, Secret)>,
    pub body: Option<String>,
    pub redirects: Redirects,
    pub expect: Expect,
}

/// What an answer must be.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    pub statuses: Vec<RangeInclusive<u16>>,
    pub body_contains: Option<String>,
    pub body_matches: Option<Regex>,
    pub headers: Vec<HeaderMatch>,
    pub minimum_certificate_days: Option<i64>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpAsk {
    pub host: String,
    pub port: u16,
    pub tls: bool,
    pub minimum_certificate_days: Option<i64>,
}

/// What is probed for a Fork: nothing before a release serves it, or once it is deleted.
pub fn targets(fork: &Fork, secrets: &Secrets) -> Vec<Target> {
    let monitoring = fork.spec.monitoring.as_ref();
    let status = fork.status.as_ref().filter(|status| status.current_release.is_some());
    let is_on = monitoring.is_none_or(|monitoring| monitoring.enabled) && !fork.is_deleting();
    let Some(status) = status.filter(|_| is_on) else { return Vec::new() };
    let product = status.url.as_deref().map(host_of);
    let probes = monitoring.map_or(&[][..], |monitoring| &monitoring.probes);
    if !probes.is_empty() {
        return probes.iter().filter_map(|probe| target(fork, probe, product, secrets)).collect();
    }
    let works = |name: &str| {
        let mut domains = status.domains.iter();
        domains.any(|domain| domain.name == name && domain.verified && domain.configured)
    };
    let is_production = |domain: &&forkable_crds::fork::Domain| {
        let environment = domain.environment.as_deref();
        domain.redirect_to.is_none()
            && environment.is_none_or(|environment| environment == "Production")
            && !domain.name.starts_with('*')
            && works(&domain.name)
    };
    let mut hosts: Vec<_> = fork.spec.domains.iter().filter(is_production).map(|domain| domain.name.as_str()).collect();
    if hosts.is_empty() {
        hosts.extend(product);
    }
    hosts.into_iter().map(|host| default_target(fork, host)).collect()
}

fn default_target(fork: &Fork, host: &str) -> Target {
    let mut statuses = vec![200..=299];
    // Vercel's own choice for a new project: <https://vercel.com/docs/deployment-protection>.
    let login = fork.spec.project.protection.as_ref().map_or(LoginProtection::Standard, |protection| protection.login);
    let is_own = fork.spec.domains.iter().any(|domain| domain.name == host);
    if login == LoginProtection::All || (login == LoginProtection::Standard && !is_own) {
        // That visitors are asked for a login is all that can be seen.
        statuses.push(401..=401);
    }
    Target {
        series: Series { fork: fork.reference(), probe: host.into() },
        interval: seconds(INTERVAL),
        timeout: seconds(TIMEOUT),
        confirmations: CONFIRMATIONS.unsigned_abs(),
        ask: Ok(Ask::Http(HttpAsk {
            method: "GET",
            to: To::Site { host: host.into(), path: "/".into() },
            headers: Vec::new(),
            body: None,
            redirects: Redirects::Follow,
            expect: Expect { statuses, ..Expect::default() },
        })),
    }
}

fn target(fork: &Fork, probe: &Probe, product: Option<&str>, secrets: &Secrets) -> Option<Target> {
    let ask = match (&probe.http, &probe.tcp, &probe.dns) {
        (Some(http), ..) => {
            let to = match (&http.url, product) {
                (Some(url), _) => To::Url(url.clone()),
                (None, product) => {
                    To::Site { host: product?.into(), path: http.path.clone().unwrap_or_else(|| "/".into()) }
                }
            };
            http_ask(http, to, secrets)
        }
        (None, Some(tcp), _) => tcp_ask(tcp),
        (None, None, Some(check)) => dns::ask(check, check.name.as_deref().or(product)?).map(Ask::Dns),
        (None, None, None) => return None,
    };
    let timeout = probe.timeout_seconds.unwrap_or(TIMEOUT.min(probe.interval_seconds - 1));
    Some(Target {
        series: Series { fork: fork.reference(), probe: probe.name.clone() },
        interval: seconds(probe.interval_seconds),
        timeout: seconds(timeout),
        confirmations: probe.confirmations.unsigned_abs(),
        ask,
    })
}

fn http_ask(http: &HttpCheck, to: To, secrets: &Secrets) -> Result<Ask, String> {
    let statuses = http.statuses.iter().map(|text| statuses(text)).collect::<Result<Vec<_>, _>>()?;
    Ok(Ask::Http(HttpAsk {
        method: match http.method {
            HttpMethod::Get => "GET",
            HttpMethod::Head => "HEAD",
            HttpMethod::Options => "OPTIONS",
            HttpMethod::Post => "POST",
            HttpMethod::Put => "PUT",
        },
        to,
        headers: header_values(&http.request_headers, secrets)?,
        body: http.body.clone(),
        redirects: http.redirects,
        expect: Expect {
            statuses: if statuses.is_empty() { vec![200..=299] } else { statuses },
            body_contains: http.body_contains.clone(),
            body_matches: http.body_matches.as_deref().map(pattern).transpose()?,
            headers: http.headers.clone(),
            minimum_certificate_days: http.minimum_certificate_days,
        },
    }))
}

fn tcp_ask(tcp: &TcpCheck) -> Result<Ask, String> {
    let port = u16::try_from(tcp.port).map_err(|_| format!("{} is no port", tcp.port))?;
    let TcpCheck { host, tls, minimum_certificate_days, .. } = tcp.clone();
    Ok(Ask::Tcp(TcpAsk { host, port, tls, minimum_certificate_days }))
}

pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let last = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
        format!("it is no regular expression: {last}")
    })
}

fn statuses(text: &str) -> Result<RangeInclusive<u16>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
        _ => Err(format!("{text:?} is no status and no range of statuses: write it as 200 or 200-299")),
    }
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}

/// Every field that cannot be honoured, below `spec.monitoring`.
pub fn faults(spec: &ForkSpec) -> Vec<(String, String)> {
    let Some(monitoring) = &spec.monitoring else { return Vec::new() };
    let mut faults = Vec::new();
    for (index, probe) in monitoring.probes.iter().enumerate() {
        if let Some(check) = &probe.dns {
            let found = dns::faults(check).into_iter();
            faults.extend(found.map(|(field, what)| (format!("probes[{index}].dns.{field}"), what)));
        }
        let Some(http) = &probe.http else { continue };
        let mut fault = |field: &str, what: String| faults.push((format!("probes[{index}].http.{field}"), what));
        if let Some(Err(error)) = http.body_matches.as_deref().map(pattern) {
            fault("bodyMatches", error);
        }
        for (at, error) in http.statuses.iter().enumerate().filter_map(|(at, text)| Some((at, statuses(text).err()?))) {
            fault(&format!("statuses[{at}]"), error);
        }
        if let Some(text) = &http.url {
            match url::Url::parse(text) {
                Err(error) => {
                    fault("url", format!("{text:?} is no address: {error}; write https://HOST[:PORT][/PATH]"));
                }
                Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                    let what = "credentials do not belong into an address: put them into requestHeaders, from a Secret";
                    fault("url", what.into());
                }
                Ok(_) => {}
            }
        }
    }
    for (index, what) in freeze::problems(&monitoring.maintenance) {
        if let Some(index) = index {
            faults.push((format!("maintenance[{index}]"), what.replace("freeze window", "maintenance window")));
        }
    }
    faults
}

/// The keys of Secrets that probes need, each with its field below `spec.monitoring`.
pub fn references(spec: &ForkSpec) -> Vec<(String, &KeyRef)> {
    let probes = spec.monitoring.iter().flat_map(|monitoring| monitoring.probes.iter().enumerate());
    let headers = probes.flat_map(|(probe, of)| {
        let headers = of.http.iter().flat_map(|http| http.request_headers.iter().enumerate());
        headers.map(move |(header, of)| (probe, header, of))
    });
    let keyed = headers.filter_map(|(probe, header, of)| {
        let field = format!("probes[{probe}].http.requestHeaders[{header}].valueFrom.secretKeyRef");
        Some((field, &of.value_from.as_ref()?.secret_key_ref))
    });
    keyed.collect()
}

/// The Secrets that probes need.
pub fn secrets(spec: &ForkSpec) -> BTreeSet<&str> {
    references(spec).into_iter().map(|(_, key)| key.name.as_str()).collect()
}

/// Names of the maintenance windows that a Fork is in, or `None`.
pub fn maintenance(spec: &ForkSpec, now: Timestamp) -> Option<String> {
    let windows = &spec.monitoring.as_ref()?.maintenance;
    if windows.is_empty() {
        return None;
    }
    // One that is wrong is said by the pass of the Fork.
    Some(freeze::freeze(windows, now).ok()??.windows.join(", "))
}
