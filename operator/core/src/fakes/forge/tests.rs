use forkable_crds::fork::Visibility;
use futures::executor::block_on;

use super::*;
use crate::forge::{BranchRules, FileContent, RepositoryPatch, Ruleset};

fn ask(owner: &str, name: &str) -> RepositoryAsk {
    RepositoryAsk {
        node_id: None,
        owner: owner.into(),
        name: name.into(),
        template: Some(("forkable-ai".into(), "framework".into())),
        paths: vec!["README.md".into()],
        deep: false,
        pull_requests: false,
    }
}

fn target(owner: &str, name: &str, id: Option<i64>, head: Option<String>) -> RepositoryTarget {
    RepositoryTarget { id, node_id: None, owner: owner.into(), name: name.into(), head }
}

fn generate() -> ForgeChange {
    ForgeChange::CreateFromTemplate {
        template: ("forkable-ai".into(), "framework".into()),
        visibility: Visibility::Private,
        description: None,
    }
}

fn forge() -> FakeForge {
    let forge = FakeForge::default();
    forge.world().add_template("forkable-ai", "framework", &[("README.md", "hello\n")]);
    forge
}

fn look(forge: &FakeForge) -> RepositoryFacts {
    let views = block_on(forge.observe(&[ask("acme-inc", "acme")])).expect("an observation");
    views.into_iter().next().and_then(|view| view.repository).expect("the repository")
}

#[test]
fn content_comes_after_the_looks_it_takes() {
    let forge = forge();
    block_on(forge.apply(&target("acme-inc", "acme", None, None), &generate())).expect("a repository");
    assert_eq!(look(&forge).head, None, "not yet");
    let ready = look(&forge);
    assert!(ready.head.is_some());
    assert_eq!(ready.blobs.get("README.md").expect("it is there"), "ce013625030ba8dba906f756967f9e9ca394464a");
}

#[test]
fn it_refuses_what_github_refuses() {
    let forge = forge();
    forge.world().plan.private_rulesets = false;
    forge.world().add("acme-inc", "acme", &[("README.md", "mine\n")]);
    forge.world().add("acme-inc", "other", &[("README.md", "mine\n")]);
    let facts = look(&forge);
    let id = Some(facts.id);
    let head = facts.head.map(|head| head.oid);
    let commit = |branch: &str| ForgeChange::CommitFiles {
        branch: branch.into(),
        message: "Change".into(),
        files: vec![FileContent { path: "a".into(), content: "b".into() }],
    };
    let ruleset = ForgeChange::CreateRuleset(Ruleset { name: "forkable".into(), rules: BranchRules::default() });
    let rename =
        ForgeChange::UpdateRepository(RepositoryPatch { name: Some("other".into()), ..RepositoryPatch::default() });
    let secret = ForgeChange::PutSecret {
        environment: Some("production".into()),
        name: "KEY".into(),
        value: crate::Secret::new("k"),
    };
    let cases = [
        ("the name is taken", None, None, generate(), "NameConflict"),
        ("so is the new name", id, None, rename, "NameConflict"),
        ("the branch moved on", id, Some("old".into()), commit("main"), "Stale"),
        ("no such branch", id, head.clone(), commit("other"), "Stale"),
        ("no such repository", Some(1), head, commit("main"), "NotFound"),
        ("the plan has no rulesets on private repositories", id, None, ruleset, "PlanUnsupported"),
        ("the environment is missing", id, None, secret, "NotFound"),
        ("fixes need alerts", id, None, ForgeChange::SetDependabotFixes(true), "Rejected"),
    ];
    for (why, id, head, change, reason) in cases {
        let error = block_on(forge.apply(&target("acme-inc", "acme", id, head), &change)).expect_err(why);
        assert_eq!(error.reason(), reason, "{why}: {error}");
    }
    block_on(forge.apply(&target("acme-inc", "acme", id, None), &ForgeChange::Archive)).expect("archived");
    let error = block_on(forge.apply(&target("acme-inc", "acme", id, None), &commit("main"))).expect_err("read-only");
    assert_eq!(error.reason(), "MissingPermission", "{error}");
}
