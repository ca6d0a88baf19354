use forkable_crds::{ForkStatus, fork::FileStatus};

use super::*;
use crate::fork::{
    Observed,
    desired::Desired,
    fixtures::{desired, file, forge_changes, input, observed, record},
};

const NEW: &str = "new\n";
const OLD: &str = "old\n";

fn id(content: &str) -> String {
    blob::id(content.as_bytes())
}

/// The marker is in place, and README.md has the content given.
fn world(readme: Option<&str>) -> (Desired, Observed, ForkStatus) {
    let (mut desired, mut observed, record) = (desired(), observed(), record());
    let marker = marker(input(&desired, &observed, &record)).blob;
    let blobs = &mut observed.repository.as_mut().expect("a repository").blobs;
    blobs.insert(MARKER.into(), marker);
    blobs.extend(readme.map(|readme| ("README.md".into(), id(readme))));
    desired.files = vec![file("README.md", NEW, Overwrite::IfUnchanged)];
    (desired, observed, record)
}

/// Paths that the commit writes.
fn written(plan: &FacetPlan) -> Vec<String> {
    match &forge_changes(plan)[..] {
        [] => Vec::new(),
        [ForgeChange::CommitFiles { files, .. }] => files.iter().map(|file| file.path.clone()).collect(),
        other => panic!("one commit at most: {other:?}"),
    }
}

#[test]
fn who_wrote_a_file_decides() {
    type Case = (&'static str, Option<&'static str>, fn(&mut Desired, &mut Observed, &mut ForkStatus), bool, bool);
    let cases: [Case; 7] = [
        ("an absent file is written", None, |_, _, _| {}, true, false),
        ("an equal file is left", Some(NEW), |_, _, _| {}, false, false),
        (
            "a file that we wrote is written again",
            Some(OLD),
            |_, _, record| record.files = vec![FileStatus { path: "README.md".into(), blob: id(OLD) }],
            true,
            false,
        ),
        (
            "the template's file is written over",
            Some(OLD),
            |_, observed, _| {
                let template = observed.template.as_mut().expect("a template");
                template.blobs.insert("README.md".into(), id(OLD));
            },
            true,
            false,
        ),
        ("a file that a person wrote is left alone", Some(OLD), |_, _, _| {}, false, true),
        (
            "so is one that a person changed after us",
            Some("theirs"),
            |_, _, record| record.files = vec![FileStatus { path: "README.md".into(), blob: id(OLD) }],
            false,
            true,
        ),
        (
            "unless it is always to be overwritten",
            Some(OLD),
            |desired, _, _| desired.files[0].overwrite = Overwrite::Always,
            true,
            false,
        ),
    ];
    for (why, there, change, is_written, is_left) in cases {
        let (mut desired, mut observed, mut record) = world(there);
        change(&mut desired, &mut observed, &mut record);
        let plan = plan(input(&desired, &observed, &record));
        assert_eq!(written(&plan), if is_written { vec!["README.md"] } else { Vec::new() }, "{why}");
        let Verdict::Synced { message } = &plan.verdict else { panic!("{why}: {:?}", plan.verdict) };
        assert_eq!(message.contains("changed by a person and left alone: README.md"), is_left, "{why}: {message}");
    }
}

#[test]
fn a_new_repository_gets_one_commit_with_the_marker() {
    let (mut desired, mut observed, _) = world(None);
    desired.files.push(file("LICENSE", OLD, Overwrite::IfUnchanged));
    observed.repository = None;
    observed.template.as_mut().expect("a template").blobs.insert("LICENSE".into(), id(OLD));
    let record = ForkStatus::default();
    let plan = plan(input(&desired, &observed, &record));
    let [ForgeChange::CommitFiles { branch, message, files }] = forge_changes(&plan)[..] else {
        panic!("one commit: {plan:?}")
    };
    assert_eq!(branch, "main", "the template's default branch");
    assert_eq!(message, "Apply forkable manifest default/acme\n\nREADME.md\n.forkable.yaml");
    assert_eq!(files[0].content, NEW);
    assert!(files[1].content.contains("uid: \"uid-acme\"\n"), "{}", files[1].content);
    assert!(files[1].content.contains("templateCommit: \"template-head\"\n"), "{}", files[1].content);
}

#[test]
fn the_marker_stays_the_same_while_the_template_moves_on() {
    let (desired, mut observed, record) = world(Some(NEW));
    let head = &mut observed.template.as_mut().expect("a template").head;
    head.as_mut().expect("a head").oid = "later".into();
    assert_eq!(written(&plan(input(&desired, &observed, &record))), Vec::<String>::new());
}

#[test]
fn a_marker_of_the_manifest_takes_the_place_of_ours() {
    let (mut desired, observed, record) = world(Some(NEW));
    desired.files.push(file(MARKER, "mine", Overwrite::Always));
    assert_eq!(written(&plan(input(&desired, &observed, &record))), [MARKER]);
}

#[test]
fn nothing_is_written_to_what_is_not_ours() {
    let (desired, observed, _) = world(None);
    let record = ForkStatus::default();
    assert_eq!(written(&plan(input(&desired, &observed, &record))), Vec::<String>::new());
}

#[test]
fn a_file_whose_commit_was_never_answered_is_ours_all_the_same() {
    let (mut desired, observed, before) = world(Some(NEW));
    let mut record = before.clone();
    crate::fork::record::seen(&mut record, input(&desired, &observed, &before));
    desired.files = vec![file("README.md", "newer\n", Overwrite::IfUnchanged)];
    assert_eq!(written(&plan(input(&desired, &observed, &record))), ["README.md"]);
}
