//! Properties of planning as a whole: applied to a world, it comes to rest, there is nothing left to do, what is
//! remembered of the world is true, and nothing of others is touched.

mod pass;
mod strategies;

use forkable_crds::fork::{Overwrite, TemplateMode};
use proptest::prelude::*;

use self::{
    pass::World,
    strategies::{Meddling, desired, meddling},
};
use super::{Desired, MARKER};

/// More passes than any of these worlds takes.
const MANY: usize = 40;

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_comes_to_rest_and_the_world_is_as_the_manifest_says(desired in desired()) {
        let mut world = World::new(desired);
        world.rest();
        world.check_done();
    }

    #[test]
    fn it_heals_what_people_did_and_follows_the_manifest(
        first in desired(), second in desired(), meddling in prop::collection::vec(meddling(), 0..6), deep: bool,
    ) {
        let mut world = World::new(first.clone());
        world.rest();
        world.meddle(&meddling);
        world.change_manifest(second);
        if !deep {
            // Some of it is only seen by a deep look, which is not made every time.
            world.look_again(false);
            world.settle();
        }
        world.look_again(true);
        world.rest();
        if !meddling.contains(&Meddling::WriteFile) {
            world.check_done();
        }
    }

    #[test]
    fn a_crash_after_any_call_leaves_no_second_and_no_orphan(desired in desired(), crashes in prop::collection::vec(1..9_usize, 1..5)) {
        let mut world = World::new(desired);
        for calls in crashes {
            world.crash_after(calls);
        }
        world.rest();
        world.check_done();
        let made = world.forge.world().repositories.len();
        prop_assert_eq!(made, 2, "the template and one repository");
    }

    #[test]
    fn a_failed_call_is_made_up_for(desired in desired(), failing in 1..12_usize) {
        let mut world = World::new(desired);
        world.fail_call(failing);
        world.rest();
        world.check_done();
    }

    #[test]
    fn nothing_of_others_is_touched(desired in desired(), meddling in prop::collection::vec(meddling(), 0..4)) {
        let mut world = World::new(desired);
        world.add_foreign();
        // Under another name it would not be in the way.
        prop_assume!(!meddling.contains(&Meddling::Rename));
        world.meddle(&meddling);
        for _ in 0..5 {
            world.look_again(true);
            world.pass();
        }
        prop_assert_eq!(&world.forge.world().changes, &Vec::new());
        prop_assert!(world.plan_is_empty());
    }

    #[test]
    fn what_a_person_lets_us_take_over_becomes_as_the_manifest_says(desired in desired()) {
        let mut desired = Desired { adopt: true, ..desired };
        if desired.template.mode == TemplateMode::Fork {
            // A fork is as visible as its template, which theirs is not.
            desired.template.mode = TemplateMode::Template;
        }
        let mut world = World::new(desired);
        world.add_foreign();
        world.rest();
        world.check_settings();
    }
}

impl World {
    /// Passes until nothing is left to do, and a fresh look agrees.
    fn rest(&mut self) {
        self.settle();
        self.check_cache();
    }

    /// Passes until nothing is left to do, as far as is known.
    fn settle(&mut self) {
        for _ in 0..MANY {
            self.pass();
            if self.is_synced() && self.plan_is_empty() {
                return;
            }
        }
        panic!("it does not come to rest: {:#?}", self.plan());
    }

    /// A fresh look tells what the cache says and gives no other plan.
    fn check_cache(&mut self) {
        self.look_again(true);
        let plan = self.plan();
        assert!(plan.is_empty(), "a fresh look finds more to do: {plan:#?}");
        assert!(self.is_synced(), "a fresh look finds another verdict: {plan:#?}");
        // GitHub's times of our writes come on record.
        self.pass();
    }

    /// All that the manifest asks for is there.
    fn check_done(&mut self) {
        self.check_settings();
        let desired = self.desired.clone();
        let name = format!("{}/{}", desired.repository.owner, desired.repository.name);
        let mut forge = self.forge.world();
        let repository = forge.named(&name).expect("the repository");
        assert!(repository.read(MARKER).is_some_and(|marker| marker.contains(&desired.uid)), "the marker");
        for file in desired.files.iter().filter(|file| file.overwrite == Overwrite::Always) {
            assert_eq!(repository.read(&file.path), Some(file.content.as_str()), "{}", file.path);
        }
        assert_eq!(repository.read("LICENSE"), Some("license\n"), "the template's content");
    }

    fn check_settings(&mut self) {
        let desired = self.desired.clone();
        let name = format!("{}/{}", desired.repository.owner, desired.repository.name);
        let mut forge = self.forge.world();
        let repository = forge.named(&name).expect("the repository");
        let facts = &repository.facts.seen;
        let wanted = &desired.repository;
        assert_eq!(facts.visibility, wanted.visibility);
        if let Some(topics) = &wanted.topics {
            assert_eq!(&facts.topics, topics);
        }
        if let Some(description) = &wanted.description {
            assert_eq!(facts.description.as_deref().unwrap_or_default(), description);
        }
        if let Some(branch) = &wanted.default_branch {
            assert_eq!(facts.default_branch.as_ref(), Some(branch));
        }
        assert!(wanted.wiki.is_none_or(|wiki| wiki == facts.wiki));
        let ours: Vec<_> = facts.rulesets.iter().filter(|ruleset| ruleset.name == "forkable").collect();
        assert_eq!(
            ours.iter().filter_map(|ruleset| ruleset.rules.as_ref()).collect::<Vec<_>>(),
            desired.protection.iter().collect::<Vec<_>>()
        );
        for secret in &desired.actions.secrets {
            let there = repository.secrets.get(&(secret.environment.clone(), secret.name.clone()));
            assert_eq!(there, Some(&secret.value), "{}", secret.name);
        }
        let deep = facts.deep.clone().unwrap_or_default();
        for variable in &desired.actions.variables {
            let there =
                deep.variables.iter().find(|v| v.name == variable.name && v.environment == variable.environment);
            assert_eq!(
                there.and_then(|there| there.value.as_deref()),
                Some(variable.value.expose()),
                "{}",
                variable.name
            );
        }
        if let Some(security) = &desired.security {
            assert!(security.dependabot_alerts.is_none() || security.dependabot_alerts == facts.dependabot_alerts);
            assert!(security.dependabot_fixes.is_none() || security.dependabot_fixes == deep.dependabot_fixes);
            assert!(security.secret_scanning.is_none() || security.secret_scanning == deep.secret_scanning);
        }
    }
}
