//! Properties of planning as a whole: applied to a world, it comes to rest, there is nothing left to do, what is
//! remembered of the world is true, and nothing of others is touched.

mod checks;
mod meddling;
mod pass;
mod strategies;

use forkable_crds::fork::TemplateMode;
use proptest::prelude::*;

use self::{
    meddling::{Meddling, meddling},
    pass::World,
    strategies::desired,
};
use super::Desired;

/// More passes than any of these worlds takes.
const MANY: usize = 40;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_comes_to_rest_and_the_world_is_as_the_manifest_says(desired in desired(), environments in 0..2_usize) {
        let mut world = World::new(desired);
        world.hosting.world().environment_limit = environments;
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
        world.check_theirs(&meddling);
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
        let made = world.hosting.world().projects.len();
        prop_assert_eq!(made, 1, "one project");
    }

    #[test]
    fn a_failed_call_is_made_up_for(desired in desired(), failing in 1..12_usize) {
        let mut world = World::new(desired);
        world.fail_call(failing);
        world.rest();
        world.check_done();
    }

    #[test]
    fn deleted_with_its_fork_all_is_gone_and_nothing_of_others(
        desired in desired(), crashes in prop::collection::vec(1..9_usize, 0..2), is_done: bool,
    ) {
        let mut world = World::new(desired);
        for calls in crashes {
            world.crash_after(calls);
        }
        if is_done {
            world.rest();
        }
        world.forge.world().add("acme-inc", "theirs", &[("README.md", "theirs\n")]);
        world.delete();
        let left: Vec<_> = world.forge.world().repositories.values().map(|there| there.facts.full_name.clone()).collect();
        prop_assert_eq!(left, ["forkable-ai/framework", "acme-inc/theirs"]);
        prop_assert!(world.hosting.world().projects.is_empty());
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
        prop_assert_eq!(&world.hosting.world().changes, &Vec::new());
        prop_assert!(world.plan_is_empty());
        world.delete();
        prop_assert_eq!(world.forge.world().repositories.len(), 2);
        prop_assert_eq!(world.hosting.world().projects.len(), 1);
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
        world.check_repository();
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
}
