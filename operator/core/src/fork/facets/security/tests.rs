use forkable_crds::{
    ForkStatus,
    fork::{Security, SecurityStatus},
};

use super::*;
use crate::{
    forge::DeepFacts,
    fork::{
        Observed,
        fixtures::{desired, input, observed, printed, record},
    },
};

type Case = (&'static str, Security, Option<SecurityStatus>, Option<bool>, Option<DeepFacts>, &'static [&'static str]);

#[test]
fn what_differs_is_set() {
    const ALL_ON: Security = Security {
        secret_scanning: Some(true),
        push_protection: Some(true),
        dependabot_alerts: Some(true),
        dependabot_fixes: Some(true),
    };
    let all_on = || SecurityStatus {
        secret_scanning: Some(true),
        push_protection: Some(true),
        dependabot_alerts: Some(true),
        dependabot_fixes: Some(true),
    };
    let cases: Vec<Case> = vec![
        (
            "nothing is known of a new one: one patch, and alerts before the fixes that need them",
            ALL_ON,
            None,
            Some(false),
            None,
            &[
                "set secret scanning on, push protection on",
                "switch Dependabot alerts on",
                "switch Dependabot fixes on",
            ],
        ),
        ("what cannot be seen is as it was last set", ALL_ON, Some(all_on()), Some(true), None, &[]),
        (
            "what is seen counts more than the record",
            ALL_ON,
            Some(all_on()),
            Some(true),
            Some(DeepFacts {
                secret_scanning: Some(false),
                push_protection: Some(true),
                dependabot_fixes: Some(false),
                ..DeepFacts::default()
            }),
            &["set secret scanning on", "switch Dependabot fixes on"],
        ),
        (
            "fixes went off with the alerts, unseen",
            ALL_ON,
            Some(all_on()),
            Some(false),
            None,
            &["switch Dependabot alerts on", "switch Dependabot fixes on"],
        ),
        (
            "off in the other order",
            Security { dependabot_alerts: Some(false), dependabot_fixes: Some(false), ..Security::default() },
            Some(all_on()),
            Some(true),
            None,
            &["switch Dependabot fixes off", "switch Dependabot alerts off"],
        ),
        (
            "what is absent is left alone",
            Security::default(),
            None,
            Some(true),
            Some(DeepFacts { secret_scanning: Some(true), ..DeepFacts::default() }),
            &[],
        ),
    ];
    for (why, wanted, recorded, alerts, deep, expected) in cases {
        let (mut desired, mut observed, mut record) = (desired(), observed(), record());
        desired.security = Some(wanted);
        record.security = recorded;
        let facts = observed.repository.as_mut().expect("a repository");
        facts.dependabot_alerts = alerts;
        facts.deep = deep.map(Box::new);
        let plan = plan(input(&desired, &observed, &record)).expect(why);
        assert_eq!(printed(&plan), expected, "{why}");
    }
}

#[test]
fn there_is_no_facet_without_the_field_and_no_step_on_what_is_not_ours() {
    let (mut desired, observed) = (desired(), Observed { ..observed() });
    assert_eq!(plan(input(&desired, &observed, &record())), None);
    desired.security = Some(Security { dependabot_alerts: Some(true), ..Security::default() });
    let plan = plan(input(&desired, &observed, &ForkStatus::default())).expect("a plan");
    assert_eq!(printed(&plan), Vec::<String>::new());
}
