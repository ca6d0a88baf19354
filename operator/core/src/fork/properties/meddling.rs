//! What people do behind the back of manifests.

use forkable_crds::fork::NodeVersion;
use jiff::Timestamp;
use proptest::{prelude::*, sample::select};

use super::pass::World;
use crate::{
    Secret, fakes,
    forge::{BranchRules, RulesetFacts},
    fork::MARKER,
    hosting::{DomainFacts, EnvRow},
};

/// Something that a person does at GitHub or Vercel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meddling {
    Rename,
    Settings,
    WriteFile,
    ReplaceManaged,
    ChangeSecret,
    DeleteSecrets,
    ChangeVariable,
    DeleteEnvironment,
    BranchPolicy,
    ChangeRuleset,
    AddRuleset,
    SecurityOff,
    RenameProject,
    ProjectSettings,
    Unlink,
    ProductionBranch,
    DeleteEnv,
    ChangeEnv,
    AddEnv,
    RemoveDomain,
    AddDomain,
    MoveCustomEnvironment,
}

pub(super) fn meddling() -> impl Strategy<Value = Meddling> {
    select(vec![
        Meddling::Rename,
        Meddling::Settings,
        Meddling::WriteFile,
        Meddling::ReplaceManaged,
        Meddling::ChangeSecret,
        Meddling::DeleteSecrets,
        Meddling::ChangeVariable,
        Meddling::DeleteEnvironment,
        Meddling::BranchPolicy,
        Meddling::ChangeRuleset,
        Meddling::AddRuleset,
        Meddling::SecurityOff,
        Meddling::RenameProject,
        Meddling::ProjectSettings,
        Meddling::Unlink,
        Meddling::ProductionBranch,
        Meddling::DeleteEnv,
        Meddling::ChangeEnv,
        Meddling::AddEnv,
        Meddling::RemoveDomain,
        Meddling::AddDomain,
        Meddling::MoveCustomEnvironment,
    ])
}

impl World {
    /// What people do to the repository and the project, whatever their names.
    pub(super) fn meddle(&mut self, all: &[Meddling]) {
        let mut forge = self.forge.world();
        let mut repositories = forge.repositories.values_mut();
        if let Some(repository) = repositories.find(|repository| !repository.facts.is_template) {
            for meddling in all {
                with_repository(repository, *meddling);
            }
        }
        let mut hosting = self.hosting.world();
        hosting.now += 1000;
        let now = hosting.now;
        if let Some(project) = hosting.projects.values_mut().next() {
            for meddling in all {
                with_project(project, *meddling, now);
            }
        }
    }
}

fn with_repository(repository: &mut fakes::forge::Repository, meddling: Meddling) {
    let facts = &mut repository.facts.seen;
    let deep = facts.deep.get_or_insert_default();
    match meddling {
        Meddling::Rename => facts.full_name = "acme-inc/renamed".into(),
        Meddling::Settings => {
            facts.description = Some("theirs".into());
            facts.topics = vec!["theirs".into()];
            facts.wiki = !facts.wiki;
        }
        Meddling::WriteFile => repository.write("README.md", "a person's\n"),
        Meddling::ReplaceManaged => repository.write(MARKER, "broken\n"),
        Meddling::ChangeSecret => {
            for secret in &mut deep.secrets {
                secret.updated_at = Some(Timestamp::from_second(1).expect("a time"));
            }
            repository.secrets.values_mut().for_each(|secret| *secret = Secret::new("theirs"));
        }
        Meddling::DeleteSecrets => {
            deep.secrets.clear();
            repository.secrets.clear();
        }
        Meddling::ChangeVariable => {
            deep.variables.iter_mut().for_each(|variable| variable.value = Some("theirs".into()));
        }
        Meddling::DeleteEnvironment => repository.delete_environment("production"),
        Meddling::BranchPolicy => {
            deep.branch_patterns.clear();
            deep.protected_only.clear();
        }
        Meddling::ChangeRuleset => facts.rulesets.iter_mut().for_each(|ruleset| ruleset.active = false),
        Meddling::AddRuleset => facts.rulesets.push(their_ruleset(2)),
        Meddling::SecurityOff => {
            facts.dependabot_alerts = Some(false);
            deep.dependabot_fixes = Some(false);
            deep.secret_scanning = Some(false);
        }
        _ => {}
    }
}

fn with_project(project: &mut fakes::hosting::Project, meddling: Meddling, now: i64) {
    let facts = &mut project.facts;
    match meddling {
        Meddling::RenameProject => facts.name = "renamed".into(),
        Meddling::ProjectSettings => {
            facts.settings.build_command = Some("theirs".into());
            facts.settings.node_version = Some(NodeVersion::V20);
        }
        Meddling::Unlink => {
            facts.repository_id = None;
            facts.production_branch = None;
        }
        Meddling::ProductionBranch => facts.production_branch = Some("theirs".into()),
        Meddling::DeleteEnv => facts.env.retain(|row| row.key != "A"),
        Meddling::ChangeEnv => {
            for row in facts.env.iter_mut().filter(|row| row.key == "B") {
                row.updated_at = now;
            }
        }
        Meddling::AddEnv => facts.env.push(EnvRow {
            id: format!("row_{THEIRS}"),
            key: THEIRS.into(),
            targets: vec!["production".into()],
            updated_at: now,
            ..EnvRow::default()
        }),
        Meddling::RemoveDomain => {
            // As Vercel demands: what redirects to it goes first.
            project.domains.retain(|domain| domain.redirect.is_none());
            project.domains.retain(|domain| domain.name != "acme.example.com");
        }
        Meddling::AddDomain => {
            project.domains.retain(|domain| domain.name != "theirs.example.com");
            project.domains.push(DomainFacts {
                name: "theirs.example.com".into(),
                verified: true,
                ..DomainFacts::default()
            });
        }
        Meddling::MoveCustomEnvironment => {
            facts.environments.iter_mut().for_each(|environment| environment.branch = Some("theirs".into()));
        }
        _ => {}
    }
}

/// Key of a variable that somebody made.
pub(super) const THEIRS: &str = "THEIRS";

/// A ruleset of somebody.
pub(super) fn their_ruleset(id: i64) -> RulesetFacts {
    RulesetFacts { id, name: "theirs".into(), rules: Some(BranchRules::default()), active: true }
}
