//! An in-memory GitHub: it keeps what is written to it, and refuses what GitHub refuses.

mod runs;
mod world;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::{Timestamp, ToSpan};

use crate::{
    PortError,
    error::Provider,
    forge::{
        CommitAsk, CommitFacts, Forge, ForgeChange, ForgeDone, Permissions, RepositoryAsk, RepositoryFacts,
        RepositoryTarget, RepositoryView, TemplateFacts,
    },
    workflows::{RunAsk, RunFacts, RunReview},
};
pub use world::{Plan, Repository};

/// The fake. Share it by reference; all of its state is behind one lock.
#[derive(Debug, Default)]
pub struct FakeForge(Mutex<World>);

/// Everything that the fake knows.
#[derive(Debug)]
pub struct World {
    /// By GitHub's numeric id.
    pub repositories: BTreeMap<i64, Repository>,
    /// Moves by a second with every change.
    pub now: Timestamp,
    /// How many looks at a generated or forked repository find it without content.
    pub looks_until_ready: u32,
    /// What the account pays for.
    pub plan: Plan,
    /// Answers to the next changes in place of doing them.
    pub failures: VecDeque<PortError>,
    /// Every change that was asked for, with the repository's name then.
    pub changes: Vec<(String, ForgeChange)>,
    /// How often `observe` was called.
    pub looks: u32,
    next_id: i64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            repositories: BTreeMap::new(),
            now: Timestamp::from_second(1_760_000_000).expect("a time within range"),
            looks_until_ready: 1,
            plan: Plan::default(),
            failures: VecDeque::new(),
            changes: Vec::new(),
            looks: 0,
            next_id: 1000,
        }
    }
}

impl FakeForge {
    /// The world, to prepare, to break or to look at. Do not hold it across a call of the port.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Forge for FakeForge {
    async fn observe(&self, asks: &[RepositoryAsk]) -> Result<Vec<RepositoryView>, PortError> {
        let mut world = self.world();
        world.looks += 1;
        Ok(asks.iter().map(|ask| world.view(ask)).collect())
    }

    async fn commit(&self, target: &RepositoryTarget, ask: &CommitAsk) -> Result<Option<CommitFacts>, PortError> {
        let mut world = self.world();
        world.looks += 1;
        let repository = target.id.and_then(|id| world.repositories.get(&id));
        let repository = repository.ok_or_else(|| not_found(&format!("{}/{}", target.owner, target.name)))?;
        Ok(repository.commit_facts(ask))
    }

    async fn apply(&self, target: &RepositoryTarget, change: &ForgeChange) -> Result<ForgeDone, PortError> {
        self.world().apply(target, change)
    }

    async fn runs(&self, target: &RepositoryTarget, ask: &RunAsk) -> Result<Vec<RunFacts>, PortError> {
        let world = self.world();
        let repository = target.id.and_then(|id| world.repositories.get(&id));
        Ok(repository.map(|repository| repository.asked_runs(ask)).unwrap_or_default())
    }

    async fn run_reviews(&self, target: &RepositoryTarget, run: i64) -> Result<Vec<RunReview>, PortError> {
        let world = self.world();
        let repository = target.id.and_then(|id| world.repositories.get(&id));
        let reviews = repository.and_then(|repository| repository.run_reviews.get(&run));
        Ok(reviews.cloned().unwrap_or_default())
    }

    async fn file(
        &self,
        target: &RepositoryTarget,
        path: &str,
        git_ref: Option<&str>,
    ) -> Result<Option<String>, PortError> {
        let world = self.world();
        let repository = target.id.and_then(|id| world.repositories.get(&id));
        let repository = repository.ok_or_else(|| not_found(&format!("{}/{}", target.owner, target.name)))?;
        let branch = git_ref.or(repository.facts.default_branch.as_deref()).unwrap_or("main");
        Ok(repository.trees.get(branch).and_then(|tree| tree.get(path)).cloned())
    }

    fn permissions(&self) -> Permissions {
        Permissions { granted: Some(vec!["repo".into(), "workflow".into(), "delete_repo".into()]) }
    }
}

impl World {
    /// A repository of somebody, with one commit of `files` (none: it is empty).
    pub fn add(&mut self, owner: &str, name: &str, files: &[(&str, &str)]) -> &mut Repository {
        let id = self.new_id();
        let mut repository = Repository::new(id, owner, name, self.now);
        if !files.is_empty() {
            let tree = files.iter().map(|(path, content)| ((*path).into(), (*content).into())).collect();
            repository.commit("main", "Begin", tree);
        }
        self.repositories.entry(id).or_insert(repository)
    }

    /// A template repository.
    pub fn add_template(&mut self, owner: &str, name: &str, files: &[(&str, &str)]) -> &mut Repository {
        let repository = self.add(owner, name, files);
        repository.facts.is_template = true;
        repository
    }

    /// The repository of that name, without regard to case.
    pub fn named(&mut self, full_name: &str) -> Option<&mut Repository> {
        self.repositories.values_mut().find(|repository| repository.facts.full_name.eq_ignore_ascii_case(full_name))
    }

    fn new_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    fn view(&mut self, ask: &RepositoryAsk) -> RepositoryView {
        let template = ask.template.as_ref().and_then(|(owner, repo)| {
            let repository = self.named(&format!("{owner}/{repo}"))?;
            let RepositoryFacts { id, full_name, default_branch, head, blobs, .. } = repository.observed(ask);
            let private = repository.is_private();
            let is_template = repository.facts.is_template;
            Some(TemplateFacts { id, full_name, is_template, private, default_branch, head, blobs })
        });
        let name = format!("{}/{}", ask.owner, ask.name);
        let repository = self.repositories.values_mut().find(|repository| match &ask.node_id {
            Some(node_id) => repository.facts.node_id == *node_id,
            None => repository.facts.full_name.eq_ignore_ascii_case(&name),
        });
        let repository = repository.map(|repository| {
            repository.ripen();
            repository.observed(ask)
        });
        RepositoryView { repository, template: template.map(Box::new) }
    }

    fn apply(&mut self, target: &RepositoryTarget, change: &ForgeChange) -> Result<ForgeDone, PortError> {
        self.changes.push((format!("{}/{}", target.owner, target.name), change.clone()));
        if let Some(failure) = self.failures.pop_front() {
            return Err(failure);
        }
        self.now += 1.second();
        match change {
            ForgeChange::CreateFromTemplate { template, .. }
            | ForgeChange::CreateFork { template }
            | ForgeChange::CreateCopy { template, .. } => self.create(target, template, change),
            ForgeChange::Delete => {
                let id = target.id.ok_or_else(|| not_found("a repository without an id"))?;
                self.repositories.remove(&id);
                Ok(ForgeDone::Nothing)
            }
            _ => {
                if let ForgeChange::UpdateRepository(patch) = change
                    && let Some(name) = &patch.name
                {
                    self.refuse_taken(&format!("{}/{name}", target.owner), target.id)?;
                }
                let (now, plan, id) = (self.now, self.plan, self.new_id());
                let repository = target.id.and_then(|id| self.repositories.get_mut(&id));
                let repository = repository.ok_or_else(|| not_found(&format!("{}/{}", target.owner, target.name)))?;
                repository.apply(target, change, plan, now, id)
            }
        }
    }

    fn refuse_taken(&mut self, full_name: &str, except: Option<i64>) -> Result<(), PortError> {
        match self.named(full_name) {
            Some(repository) if Some(repository.facts.id) != except => {
                let message = format!("name already exists on this account: {full_name}");
                Err(PortError::Conflict { provider: Provider::GitHub, message })
            }
            _ => Ok(()),
        }
    }

    fn create(
        &mut self,
        target: &RepositoryTarget,
        (owner, repo): &(String, String),
        change: &ForgeChange,
    ) -> Result<ForgeDone, PortError> {
        let template = format!("{owner}/{repo}");
        let source = self.named(&template).ok_or_else(|| not_found(&template))?.clone();
        let Some(branch) = source.facts.default_branch.clone().filter(|_| source.facts.head.is_some()) else {
            return Err(rejected("the template is empty"));
        };
        let full_name = format!("{}/{}", target.owner, target.name);
        self.refuse_taken(&full_name, target.id)?;
        let begun = target.id.and_then(|id| self.repositories.get(&id).cloned());
        let id = begun.as_ref().map_or_else(|| self.new_id(), |begun| begun.facts.id);
        let mut made = begun.unwrap_or_else(|| Repository::new(id, &target.owner, &target.name, self.now));
        let tree = source.trees[&branch].clone();
        match change {
            ForgeChange::CreateFromTemplate { visibility, description, .. } => {
                if !source.facts.is_template {
                    return Err(rejected("the repository is not a template"));
                }
                made.facts.template_id = Some(source.facts.id);
                made.facts.visibility = *visibility;
                made.facts.description.clone_from(description);
                made.ripening = Some((self.looks_until_ready, branch, tree));
            }
            ForgeChange::CreateFork { .. } => {
                made.facts.parent_id = Some(source.facts.id);
                made.facts.visibility = source.facts.visibility;
                made.facts.description.clone_from(&source.facts.description);
                made.facts.issues = false;
                made.ripening = Some((self.looks_until_ready, branch, tree));
            }
            ForgeChange::CreateCopy { visibility, description, git_ref, .. } => {
                let tree = match git_ref {
                    None => &tree,
                    Some(git_ref) => source.trees.get(git_ref).ok_or_else(|| not_found(git_ref))?,
                };
                made.facts.visibility = *visibility;
                made.facts.description.clone_from(description);
                made.commit("main", &format!("Copy of {template}"), tree.clone());
            }
            _ => return Err(rejected("not a creation")),
        }
        let answer = made.answer();
        self.repositories.insert(id, made);
        Ok(answer)
    }
}

fn not_found(what: &str) -> PortError {
    PortError::NotFound { provider: Provider::GitHub, what: what.into() }
}

fn rejected(message: &str) -> PortError {
    PortError::Rejected { provider: Provider::GitHub, code: "422".into(), message: message.into() }
}

#[cfg(test)]
mod tests;
