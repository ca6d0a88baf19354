//! The fleet at a glance: what needs a person first.

use std::{collections::HashMap, sync::Arc};

use forkable_core::{
    monitoring::{Standing, Uptime},
    store::Kind as _,
};
use forkable_crds::{Deployment, Fork, condition::ConditionStatus};
use jiff::Timestamp;

use super::{
    health::{Firing, Health, Known},
    time::Moment,
};
use crate::server::pages::plot;

/// Rows of a page.
pub(in crate::server) const PAGE: usize = 50;

/// What a person wants to see of the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub(in crate::server) struct Query {
    /// Words that all must occur.
    pub(in crate::server) q: String,
    /// Key of a [`Health`]; all if it is none.
    pub(in crate::server) show: String,
    /// From 1 on.
    pub(in crate::server) page: usize,
}

impl Query {
    /// The address of what this asks for.
    pub(in crate::server) fn href(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if !self.q.is_empty() {
            query.append_pair("q", &self.q);
        }
        if !self.show.is_empty() {
            query.append_pair("show", &self.show);
        }
        if self.page > 1 {
            query.append_pair("page", &self.page.to_string());
        }
        match query.finish().as_str() {
            "" => "/".into(),
            query => format!("/?{query}"),
        }
    }
}

/// One Fork, as far as it matters to which are shown.
#[derive(Clone, Debug)]
pub(in crate::server) struct Entry {
    pub(in crate::server) fork: Arc<Fork>,
    pub(in crate::server) health: Health,
    /// In lower case, what can be searched for.
    text: String,
}

impl Entry {
    pub(in crate::server) fn new(known: &Known<'_>, fork: Arc<Fork>) -> Self {
        let (namespace, name) = (fork.namespace(), fork.name());
        let status = fork.status.as_ref();
        let url = status.and_then(|status| status.url.as_deref()).unwrap_or_default();
        let commit = status.and_then(|status| status.current_release.as_ref()).map_or("", |it| it.commit.as_str());
        let repository = &fork.spec.repository;
        let title = fork.spec.display_name.as_deref().unwrap_or_default();
        let text = format!("{namespace}/{name} {title} {url} {}/{} {commit}", repository.owner, repository.name);
        Self { health: known.health(), text: text.to_lowercase(), fork }
    }
}

/// All Forks in the order of need, and what is known of them together.
#[derive(Debug, Default)]
pub(in crate::server) struct Survey {
    entries: Vec<Entry>,
    /// The newest commit that is known of each template.
    newest: HashMap<(String, String, Option<String>), String>,
}

impl Survey {
    pub(in crate::server) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_cached_key(|entry| (entry.health, entry.fork.reference()));
        let mut made: HashMap<_, (Timestamp, String)> = HashMap::new();
        for Entry { fork, .. } in &entries {
            let Some(commit) = template_commit(fork) else { continue };
            let at = fork.metadata.creation_timestamp.as_ref().map_or(Timestamp::MIN, |time| time.0);
            let newest = made.entry(template(fork)).or_insert_with(|| (at, commit.to_owned()));
            if at > newest.0 {
                *newest = (at, commit.to_owned());
            }
        }
        Self { entries, newest: made.into_iter().map(|(template, (_, commit))| (template, commit)).collect() }
    }

    pub(in crate::server) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The fleet in a sentence.
    pub(in crate::server) fn headline(&self) -> String {
        let count = |healths: &[Health]| self.entries.iter().filter(|entry| healths.contains(&entry.health)).count();
        let named = |number: usize| if number == 1 { "1 product".into() } else { format!("{number} products") };
        let needs = |number: usize| if number == 1 { "needs" } else { "need" };
        match (self.len(), count(&[Health::Down]), count(&[Health::Alerting, Health::Person]), count(&[Health::Well])) {
            (0, ..) => "No products yet".into(),
            (_, 0, 0, well) if well == self.len() => format!("{} healthy", named(well)),
            (all, 0, 0, well) => format!("{well} of {} healthy", named(all)),
            (_, 0, need, _) => format!("{} {} a person", named(need), needs(need)),
            (_, down, 0, _) => format!("{} down", named(down)),
            (_, down, need, _) => format!("{} down, {need} more {} a person", named(down), needs(need)),
        }
    }

    /// How many stand how.
    pub(in crate::server) fn counts(&self, query: &Query) -> Vec<Count> {
        let count = |key: &'static str, label, number| Count {
            key,
            label,
            number,
            href: Query { show: key.into(), page: 1, ..query.clone() }.href(),
            is_shown: query.show == key,
        };
        let all = count("", "All", self.len());
        let each = Health::ALL.map(|health| {
            count(health.key(), health.label(), self.entries.iter().filter(|entry| entry.health == health).count())
        });
        std::iter::once(all).chain(each).filter(|it| it.number > 0 || it.is_shown).collect()
    }

    /// Those that are asked for, with how many there are of them.
    pub(in crate::server) fn select(&self, query: &Query) -> Selection<'_> {
        let words: Vec<String> = query.q.split_whitespace().map(str::to_lowercase).collect();
        let is_asked = |entry: &&Entry| {
            (query.show.is_empty() || entry.health.key() == query.show)
                && words.iter().all(|word| entry.text.contains(word.as_str()))
        };
        let all: Vec<&Entry> = self.entries.iter().filter(is_asked).collect();
        let pages = all.len().div_ceil(PAGE).max(1);
        let page = query.page.clamp(1, pages);
        let first = (page - 1) * PAGE;
        let shown = all.iter().skip(first).take(PAGE).copied().collect();
        Selection { shown, first, total: all.len(), page, pages }
    }

    /// How far a Fork is behind its template.
    pub(in crate::server) fn skew(&self, fork: &Fork) -> Skew {
        match (template_commit(fork), self.newest.get(&template(fork))) {
            (None, _) | (_, None) => Skew::Unknown,
            (Some(commit), Some(newest)) if commit == newest => Skew::Newest(short_commit(commit)),
            (Some(commit), Some(newest)) => Skew::Behind { at: short_commit(commit), newest: short_commit(newest) },
        }
    }
}

fn template(fork: &Fork) -> (String, String, Option<String>) {
    let template = &fork.spec.template;
    (template.owner.to_lowercase(), template.repo.to_lowercase(), template.git_ref.clone())
}

fn template_commit(fork: &Fork) -> Option<&str> {
    fork.status.as_ref()?.repository.as_ref()?.template_sha.as_deref()
}

pub(in crate::server) fn short_commit(commit: &str) -> String {
    forkable_core::forge::short(commit).to_owned()
}

/// A page of those that are asked for.
#[derive(Debug)]
pub(in crate::server) struct Selection<'a> {
    pub(in crate::server) shown: Vec<&'a Entry>,
    /// How many come before them.
    pub(in crate::server) first: usize,
    pub(in crate::server) total: usize,
    pub(in crate::server) page: usize,
    pub(in crate::server) pages: usize,
}

/// How many Forks stand one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Count {
    pub(in crate::server) key: &'static str,
    pub(in crate::server) label: &'static str,
    pub(in crate::server) number: usize,
    pub(in crate::server) href: String,
    pub(in crate::server) is_shown: bool,
}

/// Which commit of its template a Fork was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) enum Skew {
    Unknown,
    /// The newest that is known.
    Newest(String),
    Behind {
        at: String,
        newest: String,
    },
}

/// A Fork among others.
#[derive(Clone, Debug)]
pub(in crate::server) struct Row {
    pub(in crate::server) href: String,
    pub(in crate::server) title: String,
    /// `namespace/name`.
    pub(in crate::server) full_name: String,
    pub(in crate::server) health: Health,
    pub(in crate::server) why: String,
    /// Address and host of the product.
    pub(in crate::server) site: Option<Site>,
    pub(in crate::server) release: Option<Serving>,
    pub(in crate::server) skew: Skew,
    pub(in crate::server) approvals: usize,
    pub(in crate::server) alerts: usize,
    pub(in crate::server) strip: String,
    pub(in crate::server) uptime: String,
}

impl Row {
    pub(in crate::server) fn new(known: &Known<'_>, skew: Skew, days: &[Uptime]) -> Self {
        let fork = known.fork;
        let (namespace, name) = (fork.namespace(), fork.name());
        let health = known.health();
        Self {
            href: format!("/forks/{namespace}/{name}"),
            title: title(fork),
            full_name: format!("{namespace}/{name}"),
            health,
            why: known.why(health).lines().next().unwrap_or_default().to_owned(),
            site: Site::of(fork),
            release: Serving::of(known),
            skew,
            approvals: known.approvals().count(),
            alerts: known.alerts.len(),
            strip: plot::strip(days),
            uptime: percent(days),
        }
    }
}

/// Name of the product for people.
pub(in crate::server) fn title(fork: &Fork) -> String {
    fork.spec.display_name.clone().unwrap_or_else(|| fork.name().to_owned())
}

/// Uptime of all the days; empty if nothing is known of any.
pub(in crate::server) fn percent(days: &[Uptime]) -> String {
    let mut all = Uptime::default();
    for day in days {
        all.observed += day.observed;
        all.down += day.down;
    }
    all.ratio().map_or_else(String::new, ratio_text)
}

/// `100 %`, `99.98 %`; never 100 if it is less.
pub(in crate::server) fn ratio_text(ratio: f64) -> String {
    let percent = ratio * 100.0;
    if ratio >= 1.0 {
        "100 %".into()
    } else if percent >= 99.99 {
        // Rounded down, since 100 would be a lie.
        format!("{:.3} %", (percent * 1000.0).floor() / 1000.0)
    } else {
        format!("{percent:.2} %")
    }
}

/// Where the product is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Site {
    pub(in crate::server) url: String,
    pub(in crate::server) host: String,
}

impl Site {
    pub(in crate::server) fn of(fork: &Fork) -> Option<Self> {
        let url = fork.status.as_ref()?.url.clone()?;
        // Nothing else is a link.
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        Some(Self { host: host.trim_end_matches('/').to_owned(), url })
    }
}

/// The release that serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Serving {
    pub(in crate::server) name: String,
    pub(in crate::server) commit: String,
    pub(in crate::server) message: String,
    pub(in crate::server) author: String,
    pub(in crate::server) since: Option<Moment>,
}

impl Serving {
    pub(in crate::server) fn of(known: &Known<'_>) -> Option<Self> {
        let current = known.fork.status.as_ref()?.current_release.as_ref()?;
        let release = known.releases.iter().find(|release| release.metadata.name.as_ref() == Some(&current.name));
        let status = release.and_then(|release| release.status.as_ref());
        let commit = status.and_then(|status| status.commit.clone()).unwrap_or_default();
        Some(Self {
            name: current.name.clone(),
            commit: short_commit(&current.commit),
            message: commit.message.unwrap_or_default(),
            author: commit.author.unwrap_or_default(),
            since: status.and_then(live_since).map(|at| Moment::new(at, known.now)),
        })
    }
}

/// When a release went live.
pub(in crate::server) fn live_since(status: &forkable_crds::DeploymentStatus) -> Option<Timestamp> {
    let live =
        forkable_core::condition::find(&status.conditions, "Live").filter(|live| live.status == ConditionStatus::True);
    live.map(|live| live.last_transition_time.0).or_else(|| status.finished_at.as_ref().map(|at| at.0))
}

/// What is known of one Fork, gathered so that it can be looked at.
#[derive(Clone, Debug)]
pub(in crate::server) struct Gathered {
    pub(in crate::server) fork: Arc<Fork>,
    pub(in crate::server) releases: Vec<Arc<Deployment>>,
    pub(in crate::server) standings: Vec<Standing>,
    pub(in crate::server) alerts: Vec<Firing>,
}

impl Gathered {
    pub(in crate::server) fn known(&self, now: Timestamp) -> Known<'_> {
        let Self { fork, releases, standings, alerts } = self;
        Known { fork, releases, standings, alerts, now }
    }
}
