use forkable_crds::{ForkStatus, fork::TemplateMode};

use super::*;
use crate::{
    forge::{Head, INITIAL_COMMIT},
    fork::{
        Observed,
        fixtures::{at, begun, desired, input, observed, printed, record},
    },
};

/// Reason of the verdict, `Synced` if it is.
fn reason(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Synced { .. } => "Synced",
        Verdict::Waiting { reason, .. } | Verdict::PersonNeeded { reason, .. } | Verdict::Refused { reason, .. } => {
            reason
        }
    }
}

fn message(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Synced { message }
        | Verdict::Waiting { message, .. }
        | Verdict::PersonNeeded { message, .. }
        | Verdict::Refused { message, .. } => message,
    }
}

struct World {
    desired: Desired,
    observed: Observed,
    record: ForkStatus,
}

/// Nothing exists but the template.
fn absent() -> World {
    World { desired: desired(), observed: Observed { repository: None, ..observed() }, record: ForkStatus::default() }
}

/// All is done.
fn done() -> World {
    World { desired: desired(), observed: observed(), record: record() }
}

/// The repository is there without content, and its creation is on record as begun 60 s ago.
fn generating() -> World {
    let mut world = done();
    repository(&mut world).head = None;
    world.record.pending = begun("acme-inc/acme", 1000);
    world
}

fn repository(world: &mut World) -> &mut RepositoryFacts {
    world.observed.repository.as_mut().expect("a repository")
}

fn template(world: &mut World) -> &mut TemplateFacts {
    world.observed.template.as_mut().expect("a template")
}

type Case = (&'static str, World, fn(&mut World), &'static str, &'static str, &'static [&'static str]);

fn check(cases: Vec<Case>) {
    for (why, mut world, change, expected_reason, expected_message, expected_steps) in cases {
        change(&mut world);
        let plan = plan(input(&world.desired, &world.observed, &world.record));
        assert_eq!(reason(&plan.verdict), expected_reason, "{why}: {:?}", plan.verdict);
        let message = message(&plan.verdict);
        assert!(message.contains(expected_message), "{why}: {message}");
        assert_eq!(printed(&plan), expected_steps, "{why}");
    }
}

#[test]
fn creation() {
    check(vec![
        (
            "generate is asynchronous: the rest waits for the content",
            absent(),
            |_| {},
            "Generating",
            "GitHub brings the content of forkable-ai/framework to acme-inc/acme",
            &["create Private repository from template forkable-ai/framework"],
        ),
        (
            "generate carries description and visibility; what it does not carry is foreseen",
            absent(),
            |world| {
                let wanted = &mut world.desired.repository;
                wanted.visibility = Visibility::Internal;
                wanted.description = Some("Acme".into());
                wanted.homepage = Some("https://acme.example.com".into());
                wanted.wiki = Some(false);
                wanted.issues = Some(true);
                wanted.topics = Some(vec!["acme".into()]);
            },
            "Generating",
            "",
            &[
                "create Internal repository from template forkable-ai/framework",
                "set homepage \"https://acme.example.com\", wiki off",
                "set topics acme",
            ],
        ),
        (
            "a copy is done when it is answered",
            absent(),
            |world| {
                world.desired.template.mode = TemplateMode::Copy;
                world.desired.template.git_ref = Some("v1".into());
                template(world).is_template = false;
            },
            "Synced",
            "acme-inc/acme",
            &["create Private repository with a copy of forkable-ai/framework at v1"],
        ),
        (
            "a fork is as visible as its template",
            absent(),
            |world| {
                world.desired.template.mode = TemplateMode::Fork;
                world.desired.repository.visibility = Visibility::Public;
            },
            "Generating",
            "",
            &["fork forkable-ai/framework"],
        ),
        (
            "a private fork of a public template cannot be",
            absent(),
            |world| world.desired.template.mode = TemplateMode::Fork,
            "VisibilityOfFork",
            "set repository.visibility: Public",
            &[],
        ),
        (
            "a template that is not there",
            absent(),
            |world| world.observed.template = None,
            "TemplateNotFound",
            "the credentials may not read it",
            &[],
        ),
        (
            "a repository that is not a template",
            absent(),
            |world| template(world).is_template = false,
            "NotATemplate",
            "set template.mode: Copy",
            &[],
        ),
        ("an empty template", absent(), |world| template(world).head = None, "TemplateEmpty", "push one", &[]),
    ]);
}

#[test]
fn ownership() {
    check(vec![
        (
            "a repository under the name that nothing proves to be ours",
            done(),
            |world| world.record = ForkStatus::default(),
            "NameConflict",
            "forkable.dev/adopt: \"true\"",
            &[],
        ),
        (
            "a person allowed to take it over",
            done(),
            |world| {
                world.record = ForkStatus::default();
                world.desired.adopt = true;
            },
            "Synced",
            "",
            &[],
        ),
        (
            "made from the template by a pass that could not note it",
            done(),
            |world| world.record = ForkStatus { pending: begun("Acme-Inc/acme", 1000), ..ForkStatus::default() },
            "Synced",
            "",
            &[],
        ),
        (
            "an intent does not make ours what was made from another template",
            done(),
            |world| {
                world.record = ForkStatus { pending: begun("acme-inc/acme", 1000), ..ForkStatus::default() };
                repository(world).template_id = Some(8);
            },
            "NameConflict",
            "",
            &[],
        ),
        (
            "nor what has another name",
            done(),
            |world| world.record = ForkStatus { pending: begun("acme-inc/other", 1000), ..ForkStatus::default() },
            "NameConflict",
            "",
            &[],
        ),
        (
            "a fork by an interrupted pass is known by its parent",
            done(),
            |world| {
                world.record = ForkStatus { pending: begun("acme-inc/acme", 1000), ..ForkStatus::default() };
                world.desired.template.mode = TemplateMode::Fork;
                world.desired.repository.visibility = Visibility::Public;
                repository(world).visibility = Visibility::Public;
                repository(world).template_id = None;
                repository(world).parent_id = Some(7);
            },
            "Synced",
            "",
            &[],
        ),
        (
            "a copy by an interrupted pass is as young as the intent",
            done(),
            |world| {
                world.record = ForkStatus { pending: begun("acme-inc/acme", 1004), ..ForkStatus::default() };
                world.desired.template.mode = TemplateMode::Copy;
            },
            "Synced",
            "",
            &[],
        ),
        (
            "what is older than the intent is somebody's",
            done(),
            |world| {
                world.record = ForkStatus { pending: begun("acme-inc/acme", 1006), ..ForkStatus::default() };
                world.desired.template.mode = TemplateMode::Copy;
            },
            "NameConflict",
            "",
            &[],
        ),
        (
            "deleted by a person: never made again by itself",
            done(),
            |world| world.observed.repository = None,
            "RepositoryDeleted",
            "restore it within 90 days",
            &[],
        ),
        (
            "just made, and GitHub does not show it yet",
            done(),
            |world| {
                world.observed.repository = None;
                world.record.pending = begun("acme-inc/acme", 1000);
            },
            "Generating",
            "",
            &[],
        ),
    ]);
}

#[test]
fn unfinished_ones() {
    check(vec![
        ("content is still coming", generating(), |_| {}, "Generating", "", &[]),
        (
            "a copy that was begun goes on: nothing in it",
            generating(),
            |world| world.desired.template.mode = TemplateMode::Copy,
            "Synced",
            "",
            &["create Private repository with a copy of forkable-ai/framework"],
        ),
        (
            "a copy that was begun goes on: GitHub's first commit in it",
            generating(),
            |world| {
                world.desired.template.mode = TemplateMode::Copy;
                repository(world).head = Some(Head { message: INITIAL_COMMIT.into(), ..Head::default() });
            },
            "Synced",
            "",
            &["create Private repository with a copy of forkable-ai/framework"],
        ),
        (
            "an empty one with no intent lost its branch to a person",
            done(),
            |world| {
                world.desired.template.mode = TemplateMode::Copy;
                repository(world).head = None;
                repository(world).default_branch = None;
            },
            "RepositoryEmpty",
            "push one",
            &[],
        ),
        (
            "another default branch that was not looked at yet",
            done(),
            |world| repository(world).head = None,
            "SwitchingBranch",
            "",
            &[],
        ),
        ("archived", done(), |world| repository(world).archived = true, "Archived", "unarchive it", &[]),
    ]);
}

#[test]
fn drift() {
    check(vec![
        ("nothing differs", done(), |_| {}, "Synced", "acme-inc/acme", &[]),
        (
            "all settings that differ go into one patch",
            done(),
            |world| {
                let wanted = &mut world.desired.repository;
                wanted.name = "acme-2".into();
                wanted.description = Some("Acme".into());
                wanted.visibility = Visibility::Public;
                wanted.issues = Some(false);
                wanted.discussions = Some(true);
                wanted.delete_branch_on_merge = Some(true);
            },
            "Synced",
            "acme-inc/acme-2",
            &["set name \"acme-2\", description \"Acme\", visibility Public, issues off, discussions on, \
               delete branch on merge on"],
        ),
        (
            "a rename alone",
            done(),
            |world| repository(world).full_name = "acme-inc/renamed".into(),
            "Synced",
            "acme-inc/acme",
            &["set name \"acme\""],
        ),
        (
            "a rename keeps its patch beside topics",
            done(),
            |world| {
                world.desired.repository.name = "acme-2".into();
                world.desired.repository.topics = Some(Vec::new());
                repository(world).topics = vec!["old".into()];
            },
            "Synced",
            "",
            &["set name \"acme-2\"", "set topics "],
        ),
        (
            "a transfer is followed, not fought",
            done(),
            |world| repository(world).full_name = "new-owner/other".into(),
            "Synced",
            "new-owner/other (it was transferred from acme-inc",
            &[],
        ),
        (
            "what is absent is left alone",
            done(),
            |world| {
                let there = repository(world);
                there.description = Some("theirs".into());
                there.topics = vec!["theirs".into()];
                there.wiki = false;
            },
            "Synced",
            "",
            &[],
        ),
        (
            "topics in another order are the same",
            done(),
            |world| {
                world.desired.repository.topics = Some(vec!["a".into(), "b".into()]);
                repository(world).topics = vec!["b".into(), "a".into()];
            },
            "Synced",
            "",
            &[],
        ),
        (
            "an empty description is none",
            done(),
            |world| world.desired.repository.description = Some(String::new()),
            "Synced",
            "",
            &[],
        ),
        (
            "nothing is built on a new default branch before it is seen",
            done(),
            |world| world.desired.repository.default_branch = Some("production".into()),
            "SwitchingBranch",
            "",
            &["set default branch \"production\""],
        ),
        (
            "the visibility of a fork cannot change",
            done(),
            |world| {
                world.desired.template.mode = TemplateMode::Fork;
                repository(world).visibility = Visibility::Public;
            },
            "VisibilityOfFork",
            "keeps a fork as visible as",
            &[],
        ),
    ]);
}

#[test]
fn looks_grow_rarer_with_age() {
    for (age, expected) in [(0, 250), (1, 1000), (4, 4000), (90, 5000)] {
        let recheck = ownership::recheck(at(1000), at(1000 + age));
        assert_eq!(recheck.as_millis(), expected, "after {age} s");
    }
}
