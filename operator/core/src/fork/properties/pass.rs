//! A pass in miniature, on the fakes: observe, plan, apply, absorb, record, as the driver does it.

use std::collections::BTreeSet;

use forkable_crds::{
    ForkStatus,
    fork::{DeletionPolicy, TemplateMode, Visibility},
};
use futures::executor::block_on;
use jiff::{Timestamp, ToSpan};

use super::meddling::their_ruleset;
use crate::{
    PortError,
    error::Provider,
    fakes::{
        forge::FakeForge,
        hosting::{self, DEFAULT_TEAM, FakeHosting},
    },
    forge::{Forge, RepositoryAsk, RepositoryFacts},
    fork::{Desired, Input, MARKER, Observed, absorb, deletion, facets, fixtures, record, report, targets},
    hosting::{Hosting, ProjectAsk, ProjectFacts},
    plan::{Change, Done, Facet, Outcome, Plan, Step, Verdict},
};

/// The facets that are run here: all but the releases, which take builds.
const FACETS: [Facet; 8] = [
    Facet::Repository,
    Facet::Content,
    Facet::Actions,
    Facet::Security,
    Facet::Protection,
    Facet::Project,
    Facet::Env,
    Facet::Domains,
];

/// A Fork, what is remembered of it, and the outside.
pub(super) struct World {
    pub(super) forge: FakeForge,
    pub(super) hosting: FakeHosting,
    pub(super) desired: Desired,
    record: ForkStatus,
    /// The record as it would be found after a crash.
    stored: ForkStatus,
    observed: Observed,
    is_fresh: bool,
    now: Timestamp,
    /// Calls until the process dies, right after the call was answered.
    calls_left: Option<usize>,
    /// Calls until one is answered with an error although it was done.
    failing: Option<usize>,
}

/// The process died.
struct Crash;

impl World {
    pub(super) fn new(desired: Desired) -> Self {
        let forge = FakeForge::default();
        let files = [("README.md", "hello\n"), ("LICENSE", "license\n")];
        forge.world().add_template("forkable-ai", "framework", &files).facts.visibility = Visibility::Public;
        let hosting = FakeHosting::default();
        let names = ["acme", "www.acme", "staging.acme", "other", "theirs"];
        hosting.world().dns = names.map(|name| format!("{name}.example.com")).into();
        let now = forge.world().now;
        Self {
            forge,
            hosting,
            desired,
            record: ForkStatus::default(),
            stored: ForkStatus::default(),
            observed: Observed::default(),
            is_fresh: false,
            now,
            calls_left: None,
            failing: None,
        }
    }

    fn input(&self) -> Input<'_> {
        Input { desired: &self.desired, observed: &self.observed, record: &self.record, now: self.now }
    }

    pub(super) fn plan(&self) -> Plan {
        let facets = FACETS.into_iter().filter_map(|facet| Some((facet, facets::plan_of(facet, self.input())?)));
        Plan { facets: facets.collect() }
    }

    pub(super) fn plan_is_empty(&self) -> bool {
        self.plan().is_empty()
    }

    pub(super) fn is_synced(&self) -> bool {
        self.plan().facets.values().all(|facet| matches!(facet.verdict, Verdict::Synced { .. }))
    }

    /// One pass; what is due is done.
    pub(super) fn pass(&mut self) {
        if self.try_pass().is_err() {
            self.restart();
        }
    }

    /// Passes until the process dies after so many calls, or until nothing is left to do.
    pub(super) fn crash_after(&mut self, calls: usize) {
        self.calls_left = Some(calls);
        for _ in 0..super::MANY {
            if self.try_pass().is_err() {
                break;
            }
        }
        self.restart();
    }

    /// The call of that number is done and answered with an error.
    pub(super) fn fail_call(&mut self, call: usize) {
        self.failing = Some(call);
    }

    fn restart(&mut self) {
        self.calls_left = None;
        self.record = self.stored.clone();
        self.observed = Observed::default();
        self.is_fresh = false;
    }

    pub(super) fn look_again(&mut self, deep: bool) {
        self.observed = self.look(deep);
        self.is_fresh = true;
    }

    /// Another version of the manifest. The template cannot change.
    pub(super) fn change_manifest(&mut self, desired: Desired) {
        let template = self.desired.template.clone();
        let generation = self.desired.generation + 1;
        self.desired = Desired { generation, template, ..desired };
        if self.desired.template.mode == TemplateMode::Fork {
            self.desired.repository.visibility = Visibility::Public;
        }
        self.is_fresh = false;
    }

    fn try_pass(&mut self) -> Result<(), Crash> {
        self.now = self.forge.world().now;
        if !self.is_fresh || self.is_waiting() {
            // What a deep look has found is not forgotten over it.
            self.look_again(self.observed.repository.as_ref().is_some_and(|facts| facts.deep.is_some()));
        }
        self.apply_all()?;
        let status = self.report();
        self.record = status;
        self.now += 1.hour();
        assert_eq!(self.report(), self.record, "a report on nothing new changes nothing");
        self.store();
        Ok(())
    }

    fn report(&self) -> ForkStatus {
        let plan = self.plan();
        let outcomes = plan.facets.keys().map(|facet| (*facet, Outcome::Applied)).collect();
        report::status(self.input(), &plan, &outcomes, self.desired.generation)
    }

    /// Makes the plan anew after every step, and runs the first one that may run.
    fn apply_all(&mut self) -> Result<(), Crash> {
        let (mut failed, mut applied) = (BTreeSet::new(), Vec::new());
        loop {
            let plan = self.plan().filtered(|step| !applied.contains(step));
            let runnable = plan.runnable(&BTreeSet::new(), |facet| failed.contains(facet)).into_iter().next();
            let Some(step) = runnable else { return Ok(()) };
            if self.apply(step)? {
                applied.push(step.clone());
            } else {
                failed.insert(step.facet);
            }
        }
    }

    /// Whether it was done.
    fn apply(&mut self, step: &Step) -> Result<bool, Crash> {
        let before = record::begin(&mut self.record, &self.desired, step, self.now);
        if step.needs_intent() {
            self.store();
        }
        let answer = match &step.change {
            Change::Forge(change) => {
                block_on(self.forge.apply(&targets::repository(self.input()), change)).map(Done::Forge)
            }
            Change::Hosting(change) => {
                block_on(self.hosting.apply(&targets::project(self.input()), change)).map(Done::Hosting)
            }
            Change::Store(_) => panic!("releases are not run here: {step}"),
        };
        if let Some(left) = &mut self.calls_left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return Err(Crash);
            }
        }
        match self.fault(answer) {
            Ok(done) => {
                absorb::absorb(&mut self.observed, &step.change, &done);
                record::done(&mut self.record, &self.desired, &self.observed, &step.change, &done);
                self.store();
                self.look_at_dns();
                self.check_absorbed(step);
                Ok(true)
            }
            Err(error) if record::adapted(&mut self.record, &self.desired, &self.observed, step, &error) => Ok(true),
            Err(error) => {
                record::failed(&mut self.record, before, &error);
                self.is_fresh = false;
                Ok(false)
            }
        }
    }

    fn fault(&mut self, answer: Result<Done, PortError>) -> Result<Done, PortError> {
        let Some(left) = &mut self.failing else { return answer };
        *left -= 1;
        if *left > 0 {
            return answer;
        }
        self.failing = None;
        Err(PortError::Unavailable { provider: Provider::GitHub, message: "the connection was cut".into() })
    }

    /// What was absorbed is what a look would tell.
    fn check_absorbed(&mut self, step: &Step) {
        if !self.is_fresh || self.is_waiting() {
            return;
        }
        let is_deep = self.observed.repository.as_ref().is_some_and(|facts| facts.deep.is_some());
        let seen = self.look(is_deep);
        let repositories = [&self.observed, &seen].map(|observed| comparable(observed.repository.as_ref()));
        assert_eq!(repositories[0], repositories[1], "after {step}");
        let projects = [&self.observed, &seen].map(|observed| sorted(observed.project.as_ref()));
        assert_eq!(projects[0], projects[1], "after {step}");
    }

    /// What is stored is read back as it was.
    fn store(&mut self) {
        let json = serde_json::to_string(&self.record).expect("a status");
        self.stored = serde_json::from_str(&json).expect("a status");
        assert_eq!(self.stored, self.record, "the record is stored as it is");
    }

    /// Whether the repository has to be looked at again, as its facet says.
    fn is_waiting(&self) -> bool {
        let plan = facets::plan_of(Facet::Repository, self.input());
        plan.is_some_and(|plan| matches!(plan.verdict, Verdict::Waiting { .. }))
    }

    fn look(&self, deep: bool) -> Observed {
        let wanted = &self.desired.repository;
        let begun = targets::pending(&self.record, "repository").and_then(|begun| begun.name.split_once('/'));
        let (owner, name) = begun.unwrap_or((&wanted.owner, &wanted.name));
        let template = &self.desired.template;
        let ask = RepositoryAsk {
            node_id: self.record.repository.as_ref().map(|repository| repository.node_id.clone()),
            owner: owner.into(),
            name: name.into(),
            template: Some((template.owner.clone(), template.repo.clone())),
            paths: ["README.md", "brand.json", MARKER].map(Into::into).into(),
            deep,
            pull_requests: false,
        };
        let mut views = block_on(self.forge.observe(&[ask])).expect("an observation");
        let view = views.remove(0);
        let project = self.look_at_project();
        Observed { repository: view.repository, template: view.template, project, ..Observed::default() }
    }

    fn look_at_project(&self) -> Option<ProjectFacts> {
        let ask = ProjectAsk {
            id: self.record.project.as_ref().map(|project| project.id.clone()),
            name: self.desired.project.name.clone(),
            team: None,
            environments: true,
        };
        let mut seen = block_on(self.hosting.observe(&[ask])).expect("an observation");
        let mut project = seen.remove(0)?;
        let target = crate::hosting::ProjectTarget { id: Some(project.id.clone()), ..Default::default() };
        let wanted: Vec<_> = self.desired.domains.iter().map(|domain| domain.name.clone()).collect();
        let domains = block_on(self.hosting.domains(&target, &wanted)).expect("the domains");
        project.domains = Some(domains.into_iter().filter(|domain| !domain.name.ends_with(".vercel.app")).collect());
        Some(project)
    }

    /// No answer tells how DNS stands.
    fn look_at_dns(&mut self) {
        let target = targets::project(self.input());
        let domains = self.observed.project.as_mut().and_then(|project| project.domains.as_mut());
        for domain in domains.into_iter().flatten() {
            if self.desired.domains.iter().any(|wanted| wanted.name == domain.name) && domain.configuration.is_none() {
                let look = self.hosting.domain_configuration(&target, &domain.name);
                domain.configuration = Some(block_on(look).expect("a configuration"));
            }
        }
    }

    /// The Fork is deleted, and its policy is to take all of it along.
    pub(super) fn delete(&mut self) {
        let mut fork = fixtures::fork();
        fork.spec.deletion_policy = DeletionPolicy::Delete;
        fork.spec.template.mode = self.desired.template.mode;
        fork.status = Some(self.record.clone());
        self.look_again(false);
        loop {
            let plan = deletion::plan(&fork, &self.observed);
            // The project goes before its repository.
            let Some(step) = plan.facets.values().rev().flat_map(|facet| &facet.steps).next() else { return };
            assert!(matches!(self.apply(step), Ok(true)), "{step}");
        }
    }

    /// Somebody's repository and project under the names that the manifest wants.
    pub(super) fn add_foreign(&mut self) {
        let wanted = &self.desired.repository;
        let mut forge = self.forge.world();
        let foreign = forge.add(&wanted.owner, &wanted.name, &[("README.md", "theirs\n"), ("LICENSE", "theirs\n")]);
        foreign.facts.rulesets = vec![their_ruleset(1)];
        let facts = ProjectFacts {
            id: "prj_theirs".into(),
            name: self.desired.project.name.clone(),
            team: DEFAULT_TEAM.into(),
            repository_id: Some(1),
            production_branch: Some("main".into()),
            ..ProjectFacts::default()
        };
        let project = hosting::Project { facts, ..hosting::Project::default() };
        self.hosting.world().projects.insert("prj_theirs".into(), project);
    }
}

/// Without what no answer to a change tells: the times of writes, and whether alerts are on in what was just made.
fn comparable(facts: Option<&RepositoryFacts>) -> Option<RepositoryFacts> {
    let mut facts = facts?.clone();
    facts.dependabot_alerts = facts.dependabot_alerts.filter(|on| *on);
    facts.pull_requests = None; // Not looked at here; that there is none at first is known all the same.
    if let Some(deep) = &mut facts.deep {
        deep.secrets.iter_mut().chain(&mut deep.variables).for_each(|value| value.updated_at = None);
    }
    Some(facts)
}

/// Lists in one order, whatever the provider's.
fn sorted(facts: Option<&ProjectFacts>) -> Option<ProjectFacts> {
    let mut facts = facts?.clone();
    facts.env.sort_by(|a, b| a.id.cmp(&b.id));
    facts.environments.sort_by(|a, b| a.id.cmp(&b.id));
    facts.domains.iter_mut().for_each(|domains| domains.sort_by(|a, b| a.name.cmp(&b.name)));
    Some(facts)
}
