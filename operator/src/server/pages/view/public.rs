//! The status page of a product, for everybody: what people outside may know, and nothing else.

use forkable_core::{
    monitoring::{Spell, Standing, Uptime, Verdict},
    store::Kind as _,
};
use forkable_crds::{Fork, fork::StatusPage};
use jiff::Timestamp;

use super::{
    availability::{Outage, days, outages},
    fleet::percent,
    time::{Moment, long},
};
use crate::server::pages::plot;

/// Outages that are listed.
const LISTED: usize = 30;

/// What a Fork asks for.
pub(in crate::server) fn asked(fork: &Fork) -> Option<&StatusPage> {
    fork.spec.monitoring.as_ref()?.status_page.as_ref()
}

/// How something stands, for everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum State {
    Up,
    Down,
    Unknown,
}

impl State {
    fn of<'a>(standings: impl Iterator<Item = &'a Standing>) -> Self {
        let verdicts: Vec<_> = standings.map(|standing| standing.verdict).collect();
        if verdicts.contains(&Verdict::Down) {
            Self::Down
        } else if verdicts.contains(&Verdict::Up) {
            Self::Up
        } else {
            Self::Unknown
        }
    }

    pub(in crate::server) fn key(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }

    pub(in crate::server) fn label(self) -> &'static str {
        match self {
            Self::Up => "Operational",
            Self::Down => "Outage",
            Self::Unknown => "Not known",
        }
    }
}

/// What everybody may know of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Public {
    pub(in crate::server) title: String,
    pub(in crate::server) headline: String,
    pub(in crate::server) state: State,
    pub(in crate::server) components: Vec<(String, State)>,
    pub(in crate::server) strip: String,
    pub(in crate::server) uptime: String,
    pub(in crate::server) incidents: Vec<Incident>,
    /// To the minute, so that the page is the same for so long.
    pub(in crate::server) as_of: String,
}

/// A time that the product was down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Incident {
    pub(in crate::server) began: Moment,
    pub(in crate::server) ended: Option<Moment>,
    pub(in crate::server) took: String,
}

impl Public {
    pub(in crate::server) fn new(
        fork: &Fork,
        page: &StatusPage,
        standings: &[Standing],
        spells: &[Spell],
        now: Timestamp,
    ) -> Self {
        let title = page.title.clone().or_else(|| fork.spec.display_name.clone());
        let title = title.unwrap_or_else(|| fork.name().to_owned());
        let state = State::of(standings.iter());
        let of = |probe: &str| State::of(standings.iter().filter(|standing| standing.series.probe == probe));
        let components = page.components.iter().map(|it| (it.name.clone(), of(&it.probe))).collect();
        let days: Vec<Uptime> = days(spells, now);
        let incident = |Outage { from, to }: Outage| Incident {
            began: Moment::new(from, now),
            ended: to.map(|to| Moment::new(to, now)),
            took: long(to.unwrap_or(now).duration_since(from).try_into().unwrap_or_default()),
        };
        let down = standings.iter().filter(|standing| standing.verdict == Verdict::Down);
        let outages = outages(spells, down.map(|standing| standing.since).min());
        Self {
            headline: match state {
                State::Up => format!("{title} is up"),
                State::Down => format!("{title} is down"),
                State::Unknown => format!("It is not known whether {title} is up"),
            },
            title,
            state,
            components,
            strip: plot::strip_with_days(&days, now),
            uptime: percent(&days),
            incidents: outages.into_iter().take(LISTED).map(incident).collect(),
            as_of: now.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        }
    }
}
