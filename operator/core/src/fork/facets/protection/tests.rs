use forkable_crds::ForkStatus;

use super::*;
use crate::{
    forge::{BranchRules, RulesetFacts},
    fork::fixtures::{desired, input, observed, printed, record},
};

fn rules() -> BranchRules {
    BranchRules { required_reviews: Some(1), block_deletion: true, ..BranchRules::default() }
}

fn ruleset(id: i64, name: &str, rules: Option<BranchRules>) -> RulesetFacts {
    RulesetFacts { id, name: name.into(), rules, active: true }
}

#[test]
fn one_ruleset_is_kept_as_the_manifest_says() {
    type Case = (&'static str, Option<BranchRules>, Vec<RulesetFacts>, Option<&'static [&'static str]>);
    let cases: Vec<Case> = vec![
        ("none is made if none is asked for", None, vec![ruleset(1, "theirs", None)], None),
        ("the first", Some(rules()), vec![ruleset(1, "theirs", Some(rules()))], Some(&["create ruleset forkable"])),
        ("equal", Some(rules()), vec![ruleset(2, "forkable", Some(rules()))], Some(&[])),
        (
            "rules differ",
            Some(rules()),
            vec![ruleset(2, "forkable", Some(BranchRules::default()))],
            Some(&["set ruleset forkable"]),
        ),
        (
            "somebody added what we do not write",
            Some(rules()),
            vec![ruleset(2, "forkable", None)],
            Some(&["set ruleset forkable"]),
        ),
        (
            "somebody switched it off",
            Some(rules()),
            vec![RulesetFacts { active: false, ..ruleset(2, "forkable", Some(rules())) }],
            Some(&["set ruleset forkable"]),
        ),
        (
            "only ours goes when the field goes",
            None,
            vec![ruleset(1, "theirs", None), ruleset(2, "forkable", Some(rules()))],
            Some(&["delete ruleset 2"]),
        ),
        (
            "a second one that an interrupted pass made goes",
            Some(rules()),
            vec![ruleset(3, "forkable", Some(rules())), ruleset(2, "forkable", Some(rules()))],
            Some(&["delete ruleset 3"]),
        ),
    ];
    for (why, wanted, there, expected) in cases {
        let (mut desired, mut observed, record) = (desired(), observed(), record());
        desired.protection = wanted;
        observed.repository.as_mut().expect("a repository").rulesets = there;
        let plan = plan(input(&desired, &observed, &record));
        let steps = plan.as_ref().map(printed);
        assert_eq!(steps, expected.map(|steps| steps.iter().map(ToString::to_string).collect()), "{why}");
    }
}

#[test]
fn nothing_is_done_to_what_is_not_ours() {
    let (desired, mut observed) = (desired(), observed());
    observed.repository.as_mut().expect("a repository").rulesets = vec![ruleset(2, "forkable", None)];
    assert_eq!(plan(input(&desired, &observed, &ForkStatus::default())), None);
}
