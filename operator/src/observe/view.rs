//! What is known of the outside for one Fork, and how far that can be relied on.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use forkable_core::{
    Facet, condition,
    forge::{RepositoryAsk, RepositoryView},
    fork::{Observed, targets},
    hosting::{DomainConfiguration, DomainFacts, ProjectAsk, ProjectFacts, ProjectTarget},
};
use forkable_crds::{Fork, fork::Domain};
use jiff::Timestamp;

use super::hold::Holds;
use crate::clock::{after, until};

/// A webhook about our own write says nothing new. One that comes within this time of such a write is taken for that;
/// if it was not, the next sweep sees it.
const ECHO: Duration = Duration::from_secs(5);

/// What has to be looked at for a Fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Key of the account to ask with.
    pub(crate) account: String,
    pub(crate) repository: RepositoryAsk,
    pub(crate) project: ProjectAsk,
    /// Domains of the manifest.
    pub(crate) domains: Vec<String>,
    /// Whether the manifest has settings that only single calls tell.
    pub(crate) deep: bool,
}

impl Ask {
    pub(crate) fn of(account: &str, fork: &Fork) -> Self {
        let Fork { spec, status, .. } = fork;
        let record = status.as_ref();
        let repository = &spec.repository;
        Self {
            account: account.into(),
            repository: targets::repository_ask(fork, false),
            project: ProjectAsk {
                id: record.and_then(|record| Some(record.project.as_ref()?.id.clone())),
                name: spec.project.name.clone(),
                team: spec.project.team_id.clone(),
                environments: !spec.project.environments.is_empty(),
            },
            domains: spec.domains.iter().map(|domain| domain.name.clone()).collect(),
            deep: !repository.secrets.is_empty()
                || !repository.variables.is_empty()
                || !repository.environments.is_empty()
                || repository.security.is_some(),
        }
    }

    /// Whether the answer to `earlier` answers this too: ids that became known meanwhile do not matter.
    fn repository_answered_by(&self, earlier: &Self) -> bool {
        let (a, b) = (&self.repository, &earlier.repository);
        self.account == earlier.account
            && a.template == b.template
            && a.paths == b.paths
            && a.pull_requests == b.pull_requests
            && (a.node_id.is_some() && b.node_id.is_some() || (&a.owner, &a.name) == (&b.owner, &b.name))
    }

    fn project_answered_by(&self, earlier: &Self) -> bool {
        let (a, b) = (&self.project, &earlier.project);
        self.account == earlier.account && a.team == b.team && (a.id.is_some() && b.id.is_some() || a.name == b.name)
    }
}

/// How far one part of a view can be relied on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    pub(crate) fresh: bool,
    /// When it has to be looked at again although nobody said that it changed.
    pub(crate) due: Option<Timestamp>,
    /// Our own last write.
    written: Option<Timestamp>,
}

impl Part {
    pub(crate) fn seen(&mut self) {
        self.fresh = true;
        self.due = None;
    }

    fn is_due(&self, now: Timestamp) -> bool {
        !self.fresh || self.due.is_some_and(|due| due <= now)
    }

    fn hinted(&mut self, now: Timestamp) {
        if self.written.is_none_or(|at| until(at, now) > ECHO) {
            self.fresh = false;
        }
    }
}

/// A hint that something changed outside; it may be wrong, late or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The default branch now is at this commit.
    Pushed(String),
    Repository,
    /// One was opened, closed or pushed to.
    PullRequests,
    Project,
    Domains,
}

/// The certificates of a team: many, and each Fork looks for its own.
#[derive(Debug)]
pub(crate) struct Certificates {
    list: Vec<(Vec<String>, Timestamp)>,
    by_name: HashMap<String, Vec<usize>>,
}

impl From<Vec<(Vec<String>, Timestamp)>> for Certificates {
    fn from(list: Vec<(Vec<String>, Timestamp)>) -> Self {
        let mut by_name = HashMap::<_, Vec<_>>::new();
        for (index, (names, _)) in list.iter().enumerate() {
            for name in names {
                by_name.entry(name.clone()).or_default().push(index);
            }
        }
        Self { list, by_name }
    }
}

/// What is known of the outside for one Fork.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// Releases are filled in for each pass.
    pub(crate) observed: Observed,
    pub(crate) repository: Part,
    pub(crate) project: Part,
    pub(crate) domains: Part,
    /// When domains were last read as a whole.
    pub(crate) domains_at: Option<Timestamp>,
    /// When what only single calls tell was last read.
    pub(crate) deep_at: Option<Timestamp>,
    pub(crate) ask: Option<Arc<Ask>>,
    /// Nothing that this Fork claims was held by another when the fleet's claims were at this count.
    pub(crate) unclaimed_at: Option<u64>,
    /// What failed, and until when it is left alone.
    pub(crate) holds: Holds,
}

impl Default for View {
    /// Nothing is known. That domains are not known says their absence from the project.
    fn default() -> Self {
        Self {
            observed: Observed::default(),
            repository: Part::default(),
            project: Part::default(),
            domains: Part { fresh: true, ..Part::default() },
            domains_at: None,
            deep_at: None,
            ask: None,
            unclaimed_at: None,
            holds: Holds::default(),
        }
    }
}

impl View {
    /// Takes over what is to be looked at from now on.
    pub(crate) fn asks(&mut self, ask: Ask) {
        if let Some(earlier) = &self.ask {
            if !ask.repository_answered_by(earlier) {
                self.repository.fresh = false;
            }
            if !ask.project_answered_by(earlier) {
                self.project.fresh = false;
                self.domains.fresh = false;
            }
        }
        self.ask = Some(Arc::new(ask));
    }

    pub(crate) fn repository_is_due(&self, now: Timestamp) -> bool {
        self.repository.is_due(now)
    }

    pub(crate) fn project_is_due(&self, now: Timestamp) -> bool {
        self.project.is_due(now)
    }

    /// Whether the list of domains has to be read.
    pub(crate) fn domains_are_unknown(&self) -> bool {
        let project = self.observed.project.as_ref();
        project.is_some_and(|project| project.domains.is_none() || !self.domains.fresh)
    }

    /// Domains of the manifest of which DNS is not known to be right and has to be looked at now.
    pub(crate) fn unconfigured(&self, now: Timestamp) -> Vec<String> {
        let again = self.domains.due.is_some_and(|due| due <= now);
        self.own_domains()
            .filter(|domain| match &domain.configuration {
                None => true,
                Some(configuration) => again && !configuration.configured,
            })
            .map(|domain| domain.name.clone())
            .collect()
    }

    /// Nothing of DNS is left to look at now: a time that has come for it wakes nobody again.
    pub(crate) fn domains_rest(&mut self, now: Timestamp) {
        self.domains.due = self.domains.due.filter(|due| *due > now);
    }

    /// Domains of the manifest of which DNS was never looked at.
    pub(crate) fn never_looked_at(&self) -> Vec<String> {
        let own = self.own_domains().filter(|domain| domain.configuration.is_none());
        own.map(|domain| domain.name.clone()).collect()
    }

    pub(crate) fn saw_configuration(&mut self, name: &str, configuration: DomainConfiguration) {
        let domains = self.observed.project.as_mut().and_then(|project| project.domains.as_mut());
        if let Some(domain) = domains.into_iter().flatten().find(|domain| domain.name == name) {
            domain.configuration = Some(configuration);
        }
    }

    /// Whether it is time to ask for verification again: it is asked for as often as DNS is looked at.
    pub(crate) fn domains_may_be_verified(&self, now: Timestamp) -> bool {
        self.domains.due.is_none_or(|due| due <= now)
    }

    fn own_domains(&self) -> impl Iterator<Item = &DomainFacts> {
        let domains = self.observed.project.as_ref().and_then(|project| project.domains.as_ref());
        let asked = self.ask.as_ref().map(|ask| &ask.domains);
        domains.into_iter().flatten().filter(move |domain| asked.is_some_and(|asked| asked.contains(&domain.name)))
    }

    pub(crate) fn has_domains(&self) -> bool {
        self.ask.as_ref().is_some_and(|ask| !ask.domains.is_empty()) && self.observed.project.is_some()
    }

    /// Whether a domain works and its certificate is not known.
    pub(crate) fn lacks_certificate(&self) -> bool {
        self.own_domains().any(|domain| {
            let configured = domain.configuration.as_ref().is_some_and(|configuration| configuration.configured);
            let names = |(names, _): &(Vec<String>, Timestamp)| names.contains(&domain.name);
            configured && !self.observed.certificates.iter().any(names)
        })
    }

    pub(crate) fn project_target(&self) -> Option<ProjectTarget> {
        let project = self.observed.project.as_ref()?;
        let team = self.ask.as_ref().and_then(|ask| ask.project.team.clone());
        Some(ProjectTarget { team, id: Some(project.id.clone()), name: project.name.clone(), repository: None })
    }

    /// Takes in a look at the repository. Answers whether anything is new.
    pub(crate) fn saw_repository(&mut self, view: RepositoryView) -> bool {
        let RepositoryView { mut repository, template } = view;
        if let (Some(new), Some(old)) = (&mut repository, &self.observed.repository)
            && new.deep.is_none()
            && new.id == old.id
        {
            new.deep.clone_from(&old.deep);
        }
        let asked = self.ask.as_ref().is_none_or(|ask| ask.repository.template.is_some());
        let template = if asked { template } else { self.observed.template.clone() };
        let changed = self.observed.repository != repository || self.observed.template != template;
        self.observed.repository = repository;
        self.observed.template = template;
        self.repository.seen();
        changed
    }

    /// Takes in a look at the project; what lists do not tell is kept. Answers whether anything is new.
    pub(crate) fn saw_project(&mut self, project: Option<ProjectFacts>) -> bool {
        let mut project = project;
        if let (Some(new), Some(old)) = (&mut project, &self.observed.project)
            && new.id == old.id
            && new.domains.is_none()
        {
            new.domains.clone_from(&old.domains);
        }
        let changed = self.observed.project != project;
        self.observed.project = project;
        self.project.seen();
        changed
    }

    /// Takes in a look at the domains; configurations that were not asked for again are kept.
    pub(crate) fn saw_domains(&mut self, domains: Vec<DomainFacts>, now: Timestamp) -> bool {
        let Some(project) = &mut self.observed.project else { return false };
        let old = project.domains.take();
        let mut domains = domains;
        for domain in domains.iter_mut().filter(|domain| domain.configuration.is_none()) {
            let known = old.iter().flatten().find(|known| known.name == domain.name);
            domain.configuration = known.and_then(|known| known.configuration.clone());
        }
        let changed = old.as_ref() != Some(&domains);
        project.domains = Some(domains);
        self.domains.seen();
        self.domains_at = Some(now);
        changed
    }

    /// Takes in the certificates of the team, as far as they are for domains of this Fork.
    pub(crate) fn saw_certificates(&mut self, all: &Certificates) -> bool {
        let named = self.own_domains().filter_map(|domain| all.by_name.get(&domain.name));
        let own: BTreeSet<_> = named.flatten().copied().collect();
        let certificates: Vec<_> = own.into_iter().map(|index| all.list[index].clone()).collect();
        let changed = self.observed.certificates != certificates;
        self.observed.certificates = certificates;
        changed
    }

    /// Takes the domains to be as the record of a Fork says of which all of them were ready.
    pub(crate) fn trust_domains(&mut self, fork: &Fork, now: Timestamp) {
        let (Some(project), Some(status)) = (&mut self.observed.project, &fork.status) else { return };
        let current = status.observed_generation == fork.metadata.generation;
        let plain = fork.spec.domains.iter().all(|domain| domain.environment.is_none());
        if project.domains.is_some() || !current || !plain || !condition::is_true(&status.conditions, "DomainsReady") {
            return;
        }
        let facts = |domain: &Domain| {
            let known = status.domains.iter().find(|known| known.name == domain.name)?;
            let configuration = DomainConfiguration { configured: known.configured, records: known.records.clone() };
            Some(DomainFacts {
                name: domain.name.clone(),
                redirect: domain.redirect_to.clone(),
                redirect_status: domain.redirect_to.as_ref().map(|_| domain.redirect_status.unwrap_or(308)),
                verified: known.verified,
                configuration: Some(configuration),
                ..DomainFacts::default()
            })
        };
        project.domains = fork.spec.domains.iter().map(facts).collect();
        if let Some(domains) = &mut project.domains {
            domains.shrink_to_fit();
            self.domains.seen();
            self.domains_at = Some(now);
        }
    }

    /// Notes our own write; the observation was kept true by absorbing its answer.
    pub(crate) fn wrote(&mut self, facet: Facet, now: Timestamp) {
        if facet == Facet::Previews {
            return; // A comment changes nothing that is looked at.
        }
        self.part(facet).written = Some(now);
    }

    /// Notes that the outside may not be as it is known: a write of which the fate is unknown, or a conflict.
    pub(crate) fn doubt(&mut self, facet: Facet) {
        self.part(facet).fresh = false;
        if facet == Facet::Domains {
            self.project.fresh = false;
        }
    }

    /// Notes that a facet waits for something outside and has to be looked at again. An earlier wish stays in force.
    pub(crate) fn look_again(&mut self, facet: Facet, recheck: Duration, now: Timestamp) {
        if facet == Facet::Release {
            return; // Deployments look after themselves.
        }
        let part = self.part(facet);
        let due = after(now, recheck);
        part.due = Some(part.due.filter(|due| *due > now).map_or(due, |earlier| earlier.min(due)));
    }

    /// When some part has to be looked at again.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        [self.repository.due, self.project.due, self.domains.due].into_iter().flatten().min()
    }

    pub(crate) fn hint(&mut self, hint: &Hint, now: Timestamp) {
        match hint {
            Hint::Pushed(commit) => {
                let head = self.observed.repository.as_ref().and_then(|repository| repository.head.as_ref());
                if head.is_none_or(|head| head.oid != *commit) {
                    self.repository.fresh = false;
                }
            }
            Hint::Repository => self.repository.hinted(now),
            Hint::PullRequests => {
                if self.ask.as_ref().is_some_and(|ask| ask.repository.pull_requests) {
                    self.repository.fresh = false;
                }
            }
            Hint::Project => self.project.hinted(now),
            Hint::Domains => self.domains.hinted(now),
        }
    }

    fn part(&mut self, facet: Facet) -> &mut Part {
        match facet {
            Facet::Repository
            | Facet::Content
            | Facet::Actions
            | Facet::Security
            | Facet::Protection
            | Facet::Previews => &mut self.repository,
            Facet::Project | Facet::Env | Facet::Release => &mut self.project,
            Facet::Domains => &mut self.domains,
        }
    }
}
