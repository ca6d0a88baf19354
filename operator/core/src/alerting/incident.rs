//! Incidents of providers, as their status pages tell of them: <https://metastatuspage.com/api>.

use forkable_crds::alert_rule::{IncidentSignal, Signal, StatusPage};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::Reading;
use crate::sites::Visit;

/// Pages tell of an incident this long after it was first noticed elsewhere.
const LATE: SignedDuration = SignedDuration::from_mins(30);

/// Something that a provider says is wrong and not over yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    pub page: StatusPage,
    pub name: String,
    pub impact: Impact,
    /// How far the provider is: `investigating`, `identified`, `monitoring`.
    pub status: String,
    /// Names of the components that it is about; empty if the page names none.
    pub components: Vec<String>,
    pub since: Timestamp,
    /// Where people read more.
    pub link: Option<String>,
}

/// How bad a provider says that it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Impact {
    /// Also of planned maintenance, and of words that are not known.
    #[default]
    None,
    Minor,
    Major,
    Critical,
}

impl Impact {
    fn parse(word: &str) -> Self {
        let all = [Self::Minor, Self::Major, Self::Critical];
        all.into_iter().find(|impact| impact.name() == word).unwrap_or_default()
    }

    fn number(self) -> f64 {
        f64::from(self as u8)
    }

    fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }
}

/// The name of a provider.
pub fn name_of(page: StatusPage) -> &'static str {
    match page {
        StatusPage::GitHub => "GitHub",
        StatusPage::Vercel => "Vercel",
    }
}

/// The pages that a signal is about.
pub fn pages_of(signal: &IncidentSignal) -> Vec<StatusPage> {
    signal.provider.map_or_else(|| vec![StatusPage::GitHub, StatusPage::Vercel], |page| vec![page])
}

/// Where a page tells of what is not over, below its address.
pub const UNRESOLVED: &str = "/api/v2/incidents/unresolved.json";

#[derive(Deserialize)]
struct Answer {
    incidents: Vec<Told>,
}

#[derive(Deserialize)]
struct Told {
    name: String,
    status: String,
    #[serde(default)]
    impact: String,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    shortlink: Option<String>,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Deserialize)]
struct Component {
    name: String,
}

/// What a page answered. The error says why it says nothing, which is not that all is well.
pub fn read_incidents(page: StatusPage, visit: &Visit) -> Result<Vec<Incident>, String> {
    let of = name_of(page);
    let body = match visit {
        Visit::Nothing(why) => return Err(format!("the status page of {of} cannot be read: {why}")),
        Visit::Answer { status: 200, body, .. } => body,
        Visit::Answer { status, .. } => return Err(format!("the status page of {of} answered {status}")),
    };
    let answer: Answer = serde_json::from_str(body)
        .map_err(|error| format!("the status page of {of} does not answer as status pages do: {error}"))?;
    let unresolved = answer.incidents.into_iter().filter(|told| !matches!(&*told.status, "resolved" | "postmortem"));
    let incident = |told: Told| Incident {
        page,
        name: told.name,
        impact: Impact::parse(&told.impact),
        status: told.status,
        components: told.components.into_iter().map(|component| component.name).collect(),
        since: told.started_at.unwrap_or(told.created_at),
        link: told.shortlink,
    };
    Ok(unresolved.map(incident).collect())
}

/// The worst impact of what the pages tell of, from what each of them told last.
pub fn incident(signal: &IncidentSignal, told: &[Result<Vec<Incident>, String>]) -> Reading {
    let known = told.iter().flatten().flatten().filter(|incident| is_about(signal, incident));
    let worst = known.max_by_key(|incident| (incident.impact, std::cmp::Reverse(incident.since)));
    let unknown = told.iter().find_map(|page| page.as_ref().err());
    match (worst, unknown) {
        (Some(worst), _) if worst.impact > Impact::None => Reading::Value(worst.impact.number(), worst.text()),
        // What is wrong there is not known, which is not that nothing is.
        (_, Some(why)) => Reading::NoData(why.clone()),
        (Some(harmless), None) => Reading::Value(0.0, harmless.text()),
        (None, None) => Reading::Value(0.0, "no incident is known".into()),
    }
}

/// The incident that may be behind an alert that began then, for people. Code and builds are GitHub's matter too; what
/// visitors get is Vercel's.
pub fn behind<'a>(signal: &Signal, began: Timestamp, known: impl IntoIterator<Item = &'a Incident>) -> Option<String> {
    let may_be = |incident: &&Incident| {
        let fits = match &signal.incident {
            Some(signal) => is_about(signal, incident),
            None => incident.page == StatusPage::Vercel || signal.release.is_some(),
        };
        fits && incident.impact > Impact::None && incident.since.duration_since(began) <= LATE
    };
    let known = known.into_iter().filter(may_be);
    let worst = known.max_by_key(|incident| (incident.impact, std::cmp::Reverse(incident.since)))?;
    Some(format!("{}: {}{}", name_of(worst.page), worst.name, worst.where_to_read()))
}

fn is_about(signal: &IncidentSignal, incident: &Incident) -> bool {
    let is_named = |name: &String| incident.components.iter().any(|there| there.eq_ignore_ascii_case(name));
    let is_any = signal.components.is_empty() || incident.components.is_empty();
    signal.provider.is_none_or(|page| page == incident.page) && (is_any || signal.components.iter().any(is_named))
}

impl Incident {
    fn where_to_read(&self) -> String {
        self.link.as_ref().map(|link| format!(" ({link})")).unwrap_or_default()
    }

    fn text(&self) -> String {
        let Self { page, name, impact, status, since, .. } = self;
        let (of, impact) = (name_of(*page), impact.name());
        format!("{of}: {name}, impact {impact}, {status}, since {since:.0}{}", self.where_to_read())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn answered(incidents: &serde_json::Value) -> Visit {
        let body = json!({ "page": { "id": "kctbh9vrtdwd", "name": "GitHub" }, "incidents": incidents }).to_string();
        Visit::Answer { status: 200, latency: Duration::ZERO, headers: Vec::new(), body }
    }

    fn told(name: &str, impact: &str, minute: u32, components: &[&str]) -> serde_json::Value {
        let components: Vec<_> = components.iter().map(|name| json!({ "id": "1", "name": name })).collect();
        let at = format!("2026-11-28T10:{minute:02}:00.000Z");
        json!({ "id": "x", "name": name, "impact": impact, "status": "investigating", "created_at": at, "started_at": at,
            "shortlink": "https://stspg.io/x", "components": components, "incident_updates": [] })
    }

    fn signal(json: serde_json::Value) -> IncidentSignal {
        serde_json::from_value(json).expect("a signal")
    }

    #[test]
    fn the_worst_of_what_a_signal_is_about_counts() {
        let all = json!([
            told("Slow pulls", "minor", 0, &["Git Operations"]),
            told("No runs", "critical", 5, &["Actions"]),
            told("Planned", "maintenance", 6, &[]),
        ]);
        let github = read_incidents(StatusPage::GitHub, &answered(&all)).expect("they are read");
        let vercel = Err("the status page of Vercel answered 503".to_owned());
        let cases = [
            (json!({ "provider": "GitHub" }), Some(3.0), "GitHub: No runs, impact critical, investigating, since"),
            (json!({ "provider": "GitHub", "components": ["git operations"] }), Some(1.0), "Slow pulls"),
            (json!({ "provider": "GitHub", "components": ["Pages"] }), Some(0.0), "Planned, impact none"),
            (json!({}), Some(3.0), "No runs"),
            (json!({ "components": ["Pages"] }), None, "the status page of Vercel answered 503"),
        ];
        for (of, value, text) in cases {
            let of = signal(of);
            let told =
                if of.provider.is_some() { vec![Ok(github.clone())] } else { vec![Ok(github.clone()), vercel.clone()] };
            let reading = incident(&of, &told);
            assert!(reading.text().contains(text), "{reading:?}");
            assert_eq!(if let Reading::Value(value, _) = reading { Some(value) } else { None }, value, "{of:?}");
        }
        assert_eq!(incident(&signal(json!({})), &[Ok(Vec::new())]), Reading::Value(0.0, "no incident is known".into()));
    }

    #[test]
    fn what_is_no_answer_of_a_page_is_no_peace() {
        let html = Visit::Answer { status: 200, latency: Duration::ZERO, headers: Vec::new(), body: "<html>".into() };
        for (visit, expected) in [
            (html, "does not answer as status pages do"),
            (Visit::Nothing("cannot connect".into()), "cannot be read: cannot connect"),
        ] {
            let error = read_incidents(StatusPage::Vercel, &visit).expect_err("it says nothing");
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_incident_is_behind_what_began_not_long_before_it_was_told() {
        let read = |page, incidents| read_incidents(page, &answered(&incidents)).expect("they are read");
        let mut all = read(StatusPage::GitHub, json!([told("No runs", "critical", 0, &[])]));
        all.extend(read(StatusPage::Vercel, json!([told("Errors", "major", 20, &[])])));
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let of = |json| -> Signal { serde_json::from_value(json).expect("a signal") };
        let probe = of(json!({ "probe": { "metric": "Up" } }));
        let release = of(json!({ "release": { "metric": "Failed" } }));
        let vercel = Some("Vercel: Errors (https://stspg.io/x)");
        assert_eq!(behind(&probe, at("2026-11-28T10:00:00Z"), &all).as_deref(), vercel);
        assert_eq!(behind(&probe, at("2026-11-28T11:00:00Z"), &all).as_deref(), vercel);
        assert_eq!(behind(&probe, at("2026-11-28T09:00:00Z"), &all), None, "it began long before");
        let github = Some("GitHub: No runs (https://stspg.io/x)");
        assert_eq!(behind(&release, at("2026-11-28T10:00:00Z"), &all).as_deref(), github);
    }
}
