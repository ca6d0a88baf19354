//! One repository of the fake.

use std::collections::BTreeMap;

use forkable_crds::fork::Visibility;
use jiff::Timestamp;

use super::{not_found, rejected};
use crate::{
    PortError, Secret,
    error::Provider,
    forge::{
        Branches, CommitAsk, CommitFacts, DeepFacts, Environment, EnvironmentFacts, FileContent, ForgeChange,
        ForgeDone, Head, MAX_PULL_REQUESTS, PullRequest, PullRequests, RepositoryAsk, RepositoryFacts, RepositoryPatch,
        RepositoryTarget, Ruleset, RulesetFacts, StoredValue,
    },
    fork::blob,
    workflows::{RunFacts, RunReview},
};

/// What an account pays for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Rulesets of private repositories.
    pub private_rulesets: bool,
    /// Reviewers and wait timers of environments of private repositories.
    pub private_reviewers: bool,
    /// Secret scanning of private repositories.
    pub secret_protection: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { private_rulesets: true, private_reviewers: true, secret_protection: true }
    }
}

/// What is known of a repository, beyond what observers see of one.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub seen: RepositoryFacts,
    pub is_template: bool,
}

impl std::ops::Deref for Facts {
    type Target = RepositoryFacts;
    fn deref(&self) -> &RepositoryFacts {
        &self.seen
    }
}

impl std::ops::DerefMut for Facts {
    fn deref_mut(&mut self) -> &mut RepositoryFacts {
        &mut self.seen
    }
}

/// A repository with its branches.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    /// `head` and `default_branch` are kept in step with the branches; `deep` is always there.
    pub facts: Facts,
    /// Path to content, by branch.
    pub trees: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) heads: BTreeMap<String, Head>,
    /// What is said of commits, by commit.
    pub said: BTreeMap<String, CommitFacts>,
    /// Values of secrets by environment and name, which no observer sees.
    pub secrets: BTreeMap<(Option<String>, String), Secret>,
    /// Trees of all commits that there were.
    pub(super) commits: BTreeMap<String, BTreeMap<String, String>>,
    /// Branches of pull requests; the first has the number 1.
    pub pulls: Vec<String>,
    /// Runs of workflows, oldest first; a test says how they go on.
    pub runs: Vec<RunFacts>,
    /// What people said of runs that wait for reviewers; a test says it.
    pub run_reviews: BTreeMap<i64, Vec<RunReview>>,
    /// How many looks find it empty still, and what comes then, on which branch.
    /// Open pull requests, by number.
    pub pull_requests: BTreeMap<i64, PullRequest>,
    /// What is said on pull requests, open or not: id and body of each comment, by number.
    pub comments: BTreeMap<i64, Vec<(i64, String)>>,
    pub(super) ripening: Option<(u32, String, BTreeMap<String, String>)>,
}

impl Repository {
    pub(super) fn new(id: i64, owner: &str, name: &str, now: Timestamp) -> Self {
        let seen = RepositoryFacts {
            id,
            node_id: format!("R_{id}"),
            full_name: format!("{owner}/{name}"),
            html_url: format!("https://github.test/{owner}/{name}"),
            visibility: Visibility::Private,
            issues: true,
            wiki: true,
            projects: true,
            default_branch: Some("main".into()),
            dependabot_alerts: Some(false),
            created_at: Some(now),
            deep: Some(Box::new(DeepFacts {
                secret_scanning: Some(false),
                push_protection: Some(false),
                dependabot_fixes: Some(false),
                ..DeepFacts::default()
            })),
            ..RepositoryFacts::default()
        };
        Self { facts: Facts { seen, is_template: false }, ..Self::default() }
    }

    pub fn is_private(&self) -> bool {
        self.facts.visibility != Visibility::Public
    }

    /// A commit of somebody, which leaves exactly `tree` on the branch.
    pub fn commit(&mut self, branch: &str, message: &str, tree: BTreeMap<String, String>) {
        let listing: Vec<_> =
            tree.iter().map(|(path, content)| format!("{path} {}", blob::id(content.as_bytes()))).collect();
        let tree_id = blob::id(listing.join("\n").as_bytes());
        let parent = self.heads.get(branch).map_or("", |head| head.oid.as_str());
        let first_line = message.lines().next().unwrap_or_default();
        let oid = blob::id(format!("{}\n{parent}\n{tree_id}\n{message}", self.facts.id).as_bytes());
        let head = Head { oid, tree: tree_id, message: first_line.into(), author: "octocat".into() };
        self.commits.insert(head.oid.clone(), tree.clone());
        self.heads.insert(branch.into(), head);
        self.trees.insert(branch.into(), tree);
        self.sync();
    }

    /// A commit of somebody to the default branch that writes one file.
    pub fn write(&mut self, path: &str, content: &str) {
        let branch = self.facts.default_branch.clone().unwrap_or_else(|| "main".into());
        let mut tree = self.trees.get(&branch).cloned().unwrap_or_default();
        tree.insert(path.into(), content.into());
        self.commit(&branch, &format!("Change {path}"), tree);
    }

    /// A person opens a pull request for a branch, or pushes to it: its head is the branch's.
    pub fn open(&mut self, number: i64, branch: &str) {
        let head = self.heads.get(branch).cloned().unwrap_or_default();
        self.comments.entry(number).or_default();
        let open = PullRequest { number, head, branch: branch.into(), is_cross_repository: false };
        self.pull_requests.insert(number, open);
    }

    /// The content of a file on the default branch.
    pub fn read(&self, path: &str) -> Option<&str> {
        self.trees.get(self.facts.default_branch.as_ref()?)?.get(path).map(String::as_str)
    }

    /// What is said of a commit that a branch is at, or that something was said of.
    pub(super) fn commit_facts(&self, ask: &CommitAsk) -> Option<CommitFacts> {
        let head = || self.heads.values().find(|head| head.oid == ask.commit);
        let there = || head().map(|head| CommitFacts { authors: vec![head.author.clone()], ..CommitFacts::default() });
        let mut facts = self.said.get(&ask.commit).cloned().or_else(there)?;
        facts.checks.retain(|_| ask.checks);
        facts.pulls.retain(|_| ask.reviews);
        Some(facts)
    }

    fn sync(&mut self) {
        let branch = self.facts.default_branch.clone().unwrap_or_default();
        self.facts.head = self.heads.get(&branch).cloned();
    }

    pub(super) fn ripen(&mut self) {
        match self.ripening.take() {
            Some((0, branch, tree)) => {
                self.facts.default_branch = Some(branch.clone());
                self.commit(&branch, crate::forge::INITIAL_COMMIT, tree);
            }
            Some((looks, branch, tree)) => self.ripening = Some((looks - 1, branch, tree)),
            None => {}
        }
    }

    pub(super) fn observed(&self, ask: &RepositoryAsk) -> RepositoryFacts {
        let mut seen = self.facts.seen.clone();
        let ids = |path: &String| Some((path.clone(), blob::id(self.read(path)?.as_bytes())));
        seen.blobs = ask.paths.iter().filter_map(ids).collect();
        seen.deep = seen.deep.filter(|_| ask.deep);
        seen.pull_requests = ask.pull_requests.then(|| {
            let open: Vec<_> = self.pull_requests.values().take(MAX_PULL_REQUESTS).cloned().collect();
            PullRequests { is_cut: open.len() < self.pull_requests.len(), open, is_hidden: false }
        });
        seen.default_branch = seen.default_branch.filter(|_| seen.head.is_some());
        seen
    }

    /// The answer to a change of settings: as observed, without what takes calls of its own.
    pub(super) fn answer(&self) -> ForgeDone {
        let mut facts = self.facts.seen.clone();
        facts.rulesets.clear();
        facts.environments.clear();
        facts.deep = None;
        facts.dependabot_alerts = None;
        ForgeDone::Repository(Box::new(facts))
    }

    pub(super) fn apply(
        &mut self,
        target: &RepositoryTarget,
        change: &ForgeChange,
        plan: Plan,
        now: Timestamp,
        new_id: i64,
    ) -> Result<ForgeDone, PortError> {
        if self.facts.archived {
            return Err(PortError::Forbidden {
                provider: Provider::GitHub,
                message: "Repository was archived so is read-only.".into(),
                missing: None,
            });
        }
        match change {
            ForgeChange::UpdateRepository(patch) => self.patch(patch, plan),
            ForgeChange::SetTopics(topics) => {
                self.facts.topics.clone_from(topics);
                Ok(ForgeDone::Nothing)
            }
            ForgeChange::CommitFiles { branch, message, files } => self.commit_files(target, branch, message, files),
            ForgeChange::CreateRuleset(ruleset) => self.put_ruleset(new_id, ruleset, plan),
            ForgeChange::UpdateRuleset { id, ruleset } => {
                self.ruleset(*id)?;
                self.put_ruleset(*id, ruleset, plan)
            }
            ForgeChange::DeleteRuleset { id } => {
                self.facts.rulesets.retain(|ruleset| ruleset.id != *id);
                Ok(ForgeDone::Nothing)
            }
            ForgeChange::PutEnvironment(environment) => self.put_environment(environment, plan),
            ForgeChange::SetDependabotAlerts(on) => {
                self.facts.dependabot_alerts = Some(*on);
                if !on {
                    self.deep().dependabot_fixes = Some(false);
                }
                Ok(ForgeDone::Nothing)
            }
            ForgeChange::SetDependabotFixes(on) => {
                if *on && self.facts.dependabot_alerts != Some(true) {
                    return Err(rejected("Dependabot security updates need Dependabot alerts"));
                }
                self.deep().dependabot_fixes = Some(*on);
                Ok(ForgeDone::Nothing)
            }
            ForgeChange::PutComment { pull_request, id, marker, text } => {
                let said = self.comments.get_mut(pull_request).ok_or_else(|| not_found("the pull request"))?;
                let body = format!("{text}\n\n{marker}");
                let known = said.iter_mut().find(|(known, there)| Some(*known) == *id || there.contains(marker));
                let id = known.map_or(new_id, |known| {
                    known.1.clone_from(&body);
                    known.0
                });
                if id == new_id {
                    said.push((id, body));
                }
                Ok(ForgeDone::Commented { id: Some(id) })
            }
            ForgeChange::DispatchWorkflow(dispatch) => self.dispatch(dispatch, now, new_id),
            ForgeChange::OpenRevert(revert) => self.open_revert(revert),
            ForgeChange::CancelRun { id } => self.cancel(*id),
            ForgeChange::Archive => {
                self.facts.archived = true;
                Ok(ForgeDone::Nothing)
            }
            _ => self.apply_value(change, now),
        }
    }

    fn deep(&mut self) -> &mut DeepFacts {
        self.facts.deep.get_or_insert_default()
    }

    fn patch(&mut self, patch: &RepositoryPatch, plan: Plan) -> Result<ForgeDone, PortError> {
        if patch.visibility.is_some() && self.facts.parent_id.is_some() {
            return Err(rejected("the visibility of a fork cannot be changed"));
        }
        if patch.secret_scanning == Some(true) && self.is_private() && !plan.secret_protection {
            return Err(plan_unsupported("Secret scanning is not available for this repository."));
        }
        if let Some(branch) = &patch.default_branch {
            self.switch(branch)?;
        }
        let facts = &mut self.facts;
        if let Some(name) = &patch.name {
            let owner = facts.full_name.split('/').next().unwrap_or_default().to_owned();
            facts.full_name = format!("{owner}/{name}");
            facts.html_url = format!("https://github.test/{owner}/{name}");
        }
        let text = |there: &mut Option<String>, new: &Option<String>| {
            if let Some(new) = new {
                *there = if new.is_empty() { None } else { Some(new.clone()) };
            }
        };
        text(&mut facts.seen.description, &patch.description);
        text(&mut facts.seen.homepage, &patch.homepage);
        let set = |there: &mut bool, new: Option<bool>| *there = new.unwrap_or(*there);
        set(&mut facts.seen.issues, patch.issues);
        set(&mut facts.seen.wiki, patch.wiki);
        set(&mut facts.seen.projects, patch.projects);
        set(&mut facts.seen.discussions, patch.discussions);
        set(&mut facts.seen.delete_branch_on_merge, patch.delete_branch_on_merge);
        if let Some(visibility) = patch.visibility {
            facts.visibility = visibility;
        }
        let deep = self.deep();
        deep.secret_scanning = patch.secret_scanning.or(deep.secret_scanning);
        deep.push_protection = patch.push_protection.or(deep.push_protection);
        Ok(self.answer())
    }

    fn switch(&mut self, branch: &str) -> Result<(), PortError> {
        if !self.heads.contains_key(branch) {
            let former = self.facts.default_branch.clone().unwrap_or_default();
            let (Some(head), Some(tree)) = (self.heads.remove(&former), self.trees.remove(&former)) else {
                return Err(rejected("Cannot update default branch for an empty repository."));
            };
            self.heads.insert(branch.into(), head);
            self.trees.insert(branch.into(), tree);
        }
        self.facts.default_branch = Some(branch.into());
        self.sync();
        Ok(())
    }

    fn commit_files(
        &mut self,
        target: &RepositoryTarget,
        branch: &str,
        message: &str,
        files: &[FileContent],
    ) -> Result<ForgeDone, PortError> {
        let head = self.heads.get(branch).map(|head| &head.oid);
        if head.is_none() || head != target.head.as_ref() {
            return Err(PortError::Stale {
                provider: Provider::GitHub,
                message: format!("expected {branch} to point to {:?}", target.head),
            });
        }
        let mut tree = self.trees[branch].clone();
        tree.extend(files.iter().map(|file| (file.path.clone(), file.content.clone())));
        self.commit(branch, message, tree);
        let blobs = files.iter().map(|file| (file.path.clone(), blob::id(file.content.as_bytes()))).collect();
        Ok(ForgeDone::Committed { head: self.heads[branch].clone(), blobs })
    }

    fn ruleset(&self, id: i64) -> Result<&RulesetFacts, PortError> {
        self.facts.seen.rulesets.iter().find(|ruleset| ruleset.id == id).ok_or_else(|| not_found("the ruleset"))
    }

    fn put_ruleset(&mut self, id: i64, ruleset: &Ruleset, plan: Plan) -> Result<ForgeDone, PortError> {
        if self.is_private() && !plan.private_rulesets {
            return Err(plan_unsupported(
                "Upgrade to GitHub Pro or make this repository public to enable this feature.",
            ));
        }
        let facts = RulesetFacts { id, name: ruleset.name.clone(), rules: Some(ruleset.rules.clone()), active: true };
        self.facts.rulesets.retain(|there| there.id != id);
        self.facts.rulesets.push(facts.clone());
        self.facts.rulesets.sort_unstable_by_key(|ruleset| ruleset.id);
        Ok(ForgeDone::Ruleset(facts))
    }

    fn put_environment(&mut self, environment: &Environment, plan: Plan) -> Result<ForgeDone, PortError> {
        let Environment { name, reviewers, prevent_self_review, wait_minutes, branches } = environment.clone();
        if (!reviewers.is_empty() || wait_minutes > 0) && self.is_private() && !plan.private_reviewers {
            return Err(plan_unsupported("ensure the billing plan supports the required reviewers protection rule"));
        }
        let former = self.facts.environments.iter().position(|there| there.name.eq_ignore_ascii_case(&name));
        let name = former.map_or(name, |at| self.facts.environments.remove(at).name);
        self.facts.environments.push(EnvironmentFacts {
            name: name.clone(),
            reviewers,
            prevent_self_review,
            wait_minutes,
        });
        self.facts.environments.sort_by(|a, b| a.name.cmp(&b.name));
        let deep = self.deep();
        deep.protected_only.retain(|there| *there != name);
        deep.branch_patterns.remove(&name);
        match branches {
            Branches::All => {}
            Branches::Protected => deep.protected_only.push(name),
            Branches::Patterns(patterns) => drop(deep.branch_patterns.insert(name, patterns)),
        }
        deep.protected_only.sort_unstable();
        Ok(ForgeDone::Nothing)
    }

    /// Deletes an environment with what belongs to it, as a person does it.
    pub fn delete_environment(&mut self, name: &str) {
        self.facts.environments.retain(|there| there.name != name);
        self.secrets.retain(|(environment, _), _| environment.as_deref() != Some(name));
        let deep = self.deep();
        deep.protected_only.retain(|there| there != name);
        deep.branch_patterns.remove(name);
        deep.secrets.retain(|secret| secret.environment.as_deref() != Some(name));
        deep.variables.retain(|variable| variable.environment.as_deref() != Some(name));
    }

    fn apply_value(&mut self, change: &ForgeChange, now: Timestamp) -> Result<ForgeDone, PortError> {
        let (ForgeChange::PutSecret { environment, name, .. }
        | ForgeChange::DeleteSecret { environment, name }
        | ForgeChange::PutVariable { environment, name, .. }
        | ForgeChange::DeleteVariable { environment, name }) = change
        else {
            return Err(rejected("not a change of a repository that exists"));
        };
        let is_gone = environment.as_ref().is_some_and(|environment| {
            !self.facts.environments.iter().any(|there| there.name.eq_ignore_ascii_case(environment))
        });
        if is_gone {
            return match change {
                ForgeChange::DeleteSecret { .. } | ForgeChange::DeleteVariable { .. } => Ok(ForgeDone::Nothing),
                _ => Err(not_found(&format!("environment {}", environment.as_deref().unwrap_or_default()))),
            };
        }
        let key = (environment.clone(), name.clone());
        let is_it = |there: &StoredValue| (&there.environment, &there.name) == (environment, name);
        let stored = |value: Option<&String>| StoredValue {
            name: name.clone(),
            environment: environment.clone(),
            value: value.cloned(),
            updated_at: Some(now),
        };
        let deep = self.facts.seen.deep.get_or_insert_default();
        match change {
            ForgeChange::PutSecret { value, .. } => {
                self.secrets.insert(key, value.clone());
                deep.secrets.retain(|there| !is_it(there));
                deep.secrets.push(stored(None));
            }
            ForgeChange::PutVariable { value, .. } => {
                deep.variables.retain(|there| !is_it(there));
                deep.variables.push(stored(Some(value)));
            }
            ForgeChange::DeleteSecret { .. } => {
                self.secrets.remove(&key);
                deep.secrets.retain(|there| !is_it(there));
            }
            _ => deep.variables.retain(|there| !is_it(there)),
        }
        for values in [&mut deep.secrets, &mut deep.variables] {
            values.sort_by(|a, b| (&a.environment, &a.name).cmp(&(&b.environment, &b.name)));
        }
        Ok(match change {
            // GitHub does not say when.
            ForgeChange::PutSecret { .. } | ForgeChange::PutVariable { .. } => ForgeDone::Stored { updated_at: None },
            _ => ForgeDone::Nothing,
        })
    }
}

fn plan_unsupported(message: &str) -> PortError {
    PortError::PlanUnsupported { provider: Provider::GitHub, message: message.into() }
}
