//! What must be true of a world at rest.

use std::collections::BTreeSet;

use forkable_crds::fork::{EnvPolicy, Overwrite};

use super::{
    meddling::{Meddling, THEIRS},
    pass::World,
};
use crate::{
    fork::{Desired, MARKER},
    hosting::{EnvRow, ProjectFacts},
};

impl World {
    /// A fresh look tells what the cache says and gives no other plan.
    pub(super) fn check_cache(&mut self) {
        self.look_again(true);
        let plan = self.plan();
        assert!(plan.is_empty(), "a fresh look finds more to do: {plan:#?}");
        assert!(self.is_synced(), "a fresh look finds another verdict: {plan:#?}");
        // The providers' times of our writes come on record.
        self.pass();
    }

    /// All that the manifest asks for is there.
    pub(super) fn check_done(&mut self) {
        self.check_repository();
        self.check_content();
        self.check_project();
    }

    /// What people made is still there.
    pub(super) fn check_theirs(&self, meddling: &[Meddling]) {
        let has = |what: Meddling| meddling.contains(&what);
        let mut forge = self.forge.world();
        let repository = forge.repositories.values_mut().find(|there| !there.facts.is_template);
        let repository = repository.expect("the repository");
        assert!(!has(Meddling::AddRuleset) || repository.facts.rulesets.iter().any(|there| there.name == "theirs"));
        let mut hosting = self.hosting.world();
        let project = hosting.projects.values_mut().next().expect("the project");
        let has_domain = project.domains.iter().any(|domain| domain.name == "theirs.example.com");
        assert!(!has(Meddling::AddDomain) || has_domain);
        let has_variable = project.facts.env.iter().any(|row| row.key == THEIRS);
        assert!(!has(Meddling::AddEnv) || has_variable || self.desired.env_policy == EnvPolicy::Exclusive);
        let overwrites =
            self.desired.files.iter().any(|file| file.path == "README.md" && file.overwrite == Overwrite::Always);
        let text = repository.read("README.md");
        assert!(!has(Meddling::WriteFile) || overwrites || text == Some("a person's\n"), "{text:?}");
    }

    fn check_content(&self) {
        let Desired { repository, files, uid, .. } = &self.desired;
        let mut forge = self.forge.world();
        let there = forge.named(&format!("{}/{}", repository.owner, repository.name)).expect("the repository");
        assert!(there.read(MARKER).is_some_and(|marker| marker.contains(uid)), "the marker");
        for file in files.iter().filter(|file| file.overwrite == Overwrite::Always) {
            assert_eq!(there.read(&file.path), Some(file.content.as_str()), "{}", file.path);
        }
        assert_eq!(there.read("LICENSE"), Some("license\n"), "the template's content");
    }

    pub(super) fn check_repository(&self) {
        let Desired { repository: wanted, protection, actions, security, .. } = &self.desired;
        let mut forge = self.forge.world();
        let repository = forge.named(&format!("{}/{}", wanted.owner, wanted.name)).expect("the repository");
        let facts = &repository.facts.seen;
        assert_eq!(facts.visibility, wanted.visibility);
        assert!(wanted.topics.as_ref().is_none_or(|topics| *topics == facts.topics));
        if let Some(description) = &wanted.description {
            assert_eq!(facts.description.as_deref().unwrap_or_default(), description);
        }
        assert!(wanted.default_branch.is_none() || wanted.default_branch == facts.default_branch);
        assert!(wanted.wiki.is_none_or(|wiki| wiki == facts.wiki));
        let ours = facts.rulesets.iter().filter(|ruleset| ruleset.name == "forkable");
        assert_eq!(
            ours.filter_map(|ruleset| ruleset.rules.as_ref()).collect::<Vec<_>>(),
            protection.iter().collect::<Vec<_>>()
        );
        for secret in &actions.secrets {
            let there = repository.secrets.get(&(secret.environment.clone(), secret.name.clone()));
            assert_eq!(there, Some(&secret.value), "{}", secret.name);
        }
        let deep = facts.deep.clone().unwrap_or_default();
        for wanted in &actions.variables {
            let mut there = deep.variables.iter();
            let there = there.find(|there| there.name == wanted.name && there.environment == wanted.environment);
            assert_eq!(there.and_then(|there| there.value.as_deref()), Some(wanted.value.expose()), "{}", wanted.name);
        }
        if let Some(security) = security {
            assert!(security.dependabot_alerts.is_none() || security.dependabot_alerts == facts.dependabot_alerts);
            assert!(security.dependabot_fixes.is_none() || security.dependabot_fixes == deep.dependabot_fixes);
            assert!(security.secret_scanning.is_none() || security.secret_scanning == deep.secret_scanning);
        }
    }

    fn check_project(&self) {
        let Desired { project: wanted, repository, domains, .. } = &self.desired;
        let mut forge = self.forge.world();
        let linked = forge.named(&format!("{}/{}", repository.owner, repository.name)).expect("the repository");
        let mut hosting = self.hosting.world();
        let project = hosting.named(&wanted.name).expect("the project");
        let facts = &project.facts;
        assert_eq!(facts.repository_id, Some(linked.facts.id), "the link");
        assert_eq!(facts.production_branch, linked.facts.default_branch, "the production branch");
        let (there, wanted) = (&facts.settings, &wanted.settings);
        assert_eq!(there.framework, wanted.framework);
        assert_eq!(there.build_command, wanted.build_command);
        assert_eq!(there.install_command, wanted.install_command);
        assert!(wanted.node_version.is_none() || there.node_version == wanted.node_version);
        assert!(wanted.regions.is_none() || there.regions == wanted.regions);
        assert!(wanted.fluid.is_none() || there.fluid == wanted.fluid);
        assert!(wanted.login.is_none() || there.login == wanted.login);
        self.check_env(facts);
        for domain in domains {
            let there = project.domains.iter().find(|there| there.name == domain.name);
            let there = there.unwrap_or_else(|| panic!("{} is missing", domain.name));
            assert_eq!(there.redirect, domain.redirect, "{}", domain.name);
            assert_eq!(
                there.custom_environment_id.is_some() || there.branch.is_some(),
                domain.environment.is_some(),
                "{} belongs to its environment",
                domain.name
            );
        }
    }

    /// Rows for each variable, and none beside them but those of others.
    fn check_env(&self, facts: &ProjectFacts) {
        let has_custom = facts.environments.iter().any(|environment| environment.slug == "staging");
        let ours: Vec<&EnvRow> = facts.env.iter().filter(|row| row.key != THEIRS).collect();
        let covers = |row: &EnvRow, name: &str, branch: Option<&String>| match name {
            "Production" | "Preview" | "Development" => {
                row.branch.as_ref() == branch && row.targets.contains(&name.to_ascii_lowercase())
            }
            slug if has_custom => {
                let mut environments = facts.environments.iter();
                environments.any(|there| there.slug == slug && row.custom_environment_ids.contains(&there.id))
            }
            // On a plan without them the preview of the branch stands in, or that of every branch.
            _ => row.targets.contains(&"preview".into()),
        };
        let mut used = BTreeSet::new();
        for wanted in &self.desired.env {
            for name in &wanted.environments {
                let covering = ours.iter().filter(|row| row.key == wanted.key);
                let mut covering = covering.filter(|row| covers(row, name, wanted.branch.as_ref())).peekable();
                assert!(covering.peek().is_some(), "{} is missing in {name}: {:?}", wanted.key, facts.env);
                for row in covering {
                    // What was sensitive once stays so at Vercel.
                    assert!(row.sensitive || !wanted.sensitive, "{}", wanted.key);
                    used.insert(row.id.clone());
                }
            }
        }
        let all: BTreeSet<_> = ours.iter().map(|row| row.id.clone()).collect();
        assert_eq!(all, used, "no row of ours is left over");
        let theirs = facts.env.iter().any(|row| row.key == THEIRS);
        assert!(!(theirs && self.desired.env_policy == EnvPolicy::Exclusive), "exclusive means ours only");
    }
}
