//! One Fork: how it stands, its releases, and what it consists of.

use std::time::Duration;

use forkable_core::{
    condition,
    journal::Entry,
    monitoring::{Point, Standing, Uptime, Verdict},
    release::{
        machine::Phase,
        rollout::{canary, phase},
    },
    store::{Event, EventType, Kind as _},
};
use forkable_crds::{Deployment, Fork, condition::ConditionStatus, fork::DnsRecord};
use jiff::Timestamp;

use super::{
    fleet::{Serving, Site, Skew, percent, short_commit, title},
    health::{Command, Firing, Health, Known, Shell},
    time::{Moment, long, short},
};
use crate::server::pages::plot;

/// Days of the short numbers beside those of the whole strip.
const SPANS: [(usize, &str); 3] = [(1, "Today"), (7, "7 days"), (30, "30 days")];

/// One Fork.
#[derive(Clone, Debug)]
pub(in crate::server) struct Product {
    pub(in crate::server) title: String,
    pub(in crate::server) full_name: String,
    pub(in crate::server) health: Health,
    pub(in crate::server) why: String,
    pub(in crate::server) who: Option<&'static str>,
    pub(in crate::server) commands: Vec<Command>,
    pub(in crate::server) site: Option<Site>,
    pub(in crate::server) serving: Option<Serving>,
    pub(in crate::server) alerts: Vec<(Firing, Moment)>,
    pub(in crate::server) strip: String,
    /// What of it, and how much of the time it was well.
    pub(in crate::server) uptimes: Vec<(&'static str, String)>,
    pub(in crate::server) probes: Vec<Probe>,
    pub(in crate::server) releases: Vec<Release>,
    pub(in crate::server) conditions: Vec<Concern>,
    pub(in crate::server) events: Vec<Told>,
    pub(in crate::server) steps: Vec<Told>,
    pub(in crate::server) template: String,
    pub(in crate::server) skew: Skew,
    pub(in crate::server) repository: Option<(String, String)>,
    pub(in crate::server) project: Option<String>,
    pub(in crate::server) domains: Vec<Domain>,
    pub(in crate::server) status_page: Option<String>,
}

/// One probe.
#[derive(Clone, Debug)]
pub(in crate::server) struct Probe {
    pub(in crate::server) name: String,
    /// `up`, `down` or `unknown`.
    pub(in crate::server) verdict: &'static str,
    pub(in crate::server) since: Moment,
    pub(in crate::server) why: String,
    pub(in crate::server) plot: Option<plot::Latency>,
    pub(in crate::server) certificate: Option<Moment>,
}

/// One release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Release {
    pub(in crate::server) name: String,
    pub(in crate::server) environment: String,
    /// The whole id, and the beginning of it.
    pub(in crate::server) sha: String,
    pub(in crate::server) commit: String,
    pub(in crate::server) message: String,
    pub(in crate::server) author: String,
    pub(in crate::server) phase: String,
    /// `good`, `bad`, `working` or `past`.
    pub(in crate::server) tone: &'static str,
    pub(in crate::server) serves: bool,
    pub(in crate::server) began: Option<Moment>,
    pub(in crate::server) took: String,
    /// How long each phase took.
    pub(in crate::server) spans: String,
    pub(in crate::server) why: String,
    pub(in crate::server) approved_by: String,
    pub(in crate::server) url: Option<String>,
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Concern {
    pub(in crate::server) name: String,
    pub(in crate::server) is_well: bool,
    pub(in crate::server) reason: String,
    pub(in crate::server) message: String,
    pub(in crate::server) since: Moment,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Told {
    pub(in crate::server) at: Moment,
    pub(in crate::server) is_bad: bool,
    pub(in crate::server) what: String,
    pub(in crate::server) message: String,
    /// How often, if more than once.
    pub(in crate::server) count: String,
}

/// One domain.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::server) struct Domain {
    pub(in crate::server) name: String,
    pub(in crate::server) is_well: bool,
    pub(in crate::server) certificate: Option<Moment>,
    /// DNS records that a person has to make.
    pub(in crate::server) records: Vec<DnsRecord>,
}

/// What is read for the page of one Fork, beside what is known of it anyway.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Read {
    pub(in crate::server) skew: Option<Skew>,
    pub(in crate::server) days: Vec<Uptime>,
    /// Of each standing, in their order.
    pub(in crate::server) points: Vec<Vec<Point>>,
    pub(in crate::server) events: Vec<Event>,
    pub(in crate::server) steps: Vec<Entry>,
}

impl Product {
    pub(in crate::server) fn new(known: &Known<'_>, read: Read, shell: &Shell) -> Self {
        let Known { fork, releases, standings, alerts, now } = *known;
        let Read { skew, days, points, events, steps } = read;
        let (namespace, name) = (fork.namespace(), fork.name());
        let status = fork.status.clone().unwrap_or_default();
        let health = known.health();
        let serving = status.current_release.as_ref().map(|current| current.name.as_str());
        Self {
            title: title(fork),
            health,
            why: known.why(health),
            who: known.who(health),
            commands: known.commands(health, shell),
            site: Site::of(fork),
            serving: Serving::of(known),
            alerts: alerts.iter().map(|alert| (alert.clone(), alert.when(now))).collect(),
            strip: plot::strip_with_days(&days, now),
            uptimes: uptimes(&days),
            probes: standings.iter().zip(points).map(|(standing, points)| probe(standing, &points, now)).collect(),
            releases: releases.iter().map(|it| release(it, serving, now)).collect(),
            conditions: concerns(fork, now),
            events: events.iter().rev().map(|event| told_event(event, now)).collect(),
            steps: steps.iter().map(|step| told_step(step, now)).collect(),
            template: format!("{}/{}", fork.spec.template.owner, fork.spec.template.repo),
            skew: skew.unwrap_or(Skew::Unknown),
            repository: status.repository.map(|it| (it.full_name, it.html_url)),
            project: status.project.map(|it| it.name),
            domains: status
                .domains
                .into_iter()
                .map(|it| Domain {
                    is_well: it.verified && it.configured && it.records.is_empty(),
                    certificate: it.certificate.map(|certificate| Moment::new(certificate.expires_at.0, now)),
                    name: it.name,
                    records: it.records,
                })
                .collect(),
            status_page: super::public::asked(fork).map(|_| format!("/status/{namespace}/{name}")),
            full_name: format!("{namespace}/{name}"),
        }
    }
}

fn uptimes(days: &[Uptime]) -> Vec<(&'static str, String)> {
    let of = |count: usize| percent(&days[days.len().saturating_sub(count)..]);
    let spans = SPANS.map(|(count, name)| (name, of(count)));
    spans.into_iter().chain([("90 days", percent(days))]).filter(|(_, text)| !text.is_empty()).collect()
}

fn probe(standing: &Standing, points: &[Point], now: Timestamp) -> Probe {
    Probe {
        name: standing.series.probe.clone(),
        verdict: match standing.verdict {
            Verdict::Up => "up",
            Verdict::Down => "down",
            Verdict::Unknown => "unknown",
        },
        since: Moment::new(standing.since, now),
        why: standing.why.clone(),
        plot: plot::latency(points, now),
        certificate: standing.certificate_ends.map(|at| Moment::new(at, now)),
    }
}

fn release(release: &Deployment, serving: Option<&str>, now: Timestamp) -> Release {
    let status = release.status.clone().unwrap_or_default();
    let name = release.name();
    let serves = serving == Some(name);
    let commit = status.commit.clone().unwrap_or_default();
    let sha = if commit.sha.is_empty() { release.spec.source.commit.as_deref() } else { Some(commit.sha.as_str()) };
    let began = release.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let at = phase(release);
    let tone = match at {
        _ if serves => "good",
        Phase::Failed | Phase::RolledBack | Phase::Frozen => "bad",
        Phase::Healthy | Phase::Aborted => "past",
        _ => "working",
    };
    let ended = status.finished_at.as_ref().map(|at| at.0).or_else(|| at.is_over().then_some(now));
    let took = |began: Timestamp| {
        let took = Duration::try_from(ended.unwrap_or(now).duration_since(began)).unwrap_or_default();
        if ended.is_some() { long(took) } else { format!("{} so far", short(took)) }
    };
    let ready = condition::find(&status.conditions, "Ready").filter(|ready| ready.status != ConditionStatus::True);
    Release {
        environment: release.spec.environment.clone(),
        commit: sha.map(short_commit).unwrap_or_default(),
        sha: sha.unwrap_or_default().to_owned(),
        message: commit.message.unwrap_or_default(),
        author: commit.author.unwrap_or_default(),
        phase: status.phase.clone().unwrap_or_else(|| at.name().into()),
        tone,
        serves,
        took: began.map(took).unwrap_or_default(),
        began: began.map(|began| Moment::new(began, now)),
        spans: crate::durations::of(release).unwrap_or_default(),
        why: canary::standing(release, now)
            .or_else(|| Some(ready?.message.lines().next()?.to_owned()))
            .unwrap_or_default(),
        approved_by: status.approval.and_then(|approval| approval.by).unwrap_or_default(),
        url: status.url.filter(|url| url.starts_with("https://")),
        name: name.to_owned(),
    }
}

/// The conditions of the facets, those in the way first.
fn concerns(fork: &Fork, now: Timestamp) -> Vec<Concern> {
    let conditions = fork.status.iter().flat_map(|status| &status.conditions);
    let facets = conditions.filter(|it| !["Ready", "Reconciling", "Stalled"].contains(&it.type_.as_str()));
    let mut concerns: Vec<_> = facets
        .map(|it| Concern {
            name: it.type_.to_string(),
            is_well: it.status == ConditionStatus::True,
            reason: it.reason.to_string(),
            message: it.message.clone(),
            since: Moment::new(it.last_transition_time.0, now),
        })
        .collect();
    concerns.sort_by_key(|concern| concern.is_well);
    concerns
}

fn told_event(event: &Event, now: Timestamp) -> Told {
    Told {
        at: Moment::new(event.last_at, now),
        is_bad: event.event_type == EventType::Warning,
        what: event.reason.clone(),
        message: event.message.clone(),
        count: if event.count > 1 { format!("{} times", event.count) } else { String::new() },
    }
}

fn told_step(step: &Entry, now: Timestamp) -> Told {
    let is_bad = step.outcome != "done";
    let message = if is_bad { format!("{}: {}", step.step, step.outcome) } else { step.step.clone() };
    Told { at: Moment::new(step.at, now), is_bad, what: step.facet.into(), message, count: String::new() }
}
