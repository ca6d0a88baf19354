//! What holds for repositories, their content and their rules.

use forkable_core::{
    PortError,
    forge::{
        BranchRules, FileContent, Forge, ForgeChange, ForgeDone, Head, RepositoryFacts, RepositoryPatch,
        RepositoryTarget, Ruleset, RulesetFacts,
    },
    fork::blob,
};
use forkable_crds::fork::Visibility;

use super::{
    Outcome,
    worlds::{World, ask, ask_of, generate, look, target, target_of, template},
};

pub(super) async fn apply(
    forge: &dyn Forge,
    target: &RepositoryTarget,
    change: ForgeChange,
) -> Result<ForgeDone, PortError> {
    forge.apply(target, &change).await
}

pub(super) fn repository(done: ForgeDone) -> Outcome<RepositoryFacts> {
    match done {
        ForgeDone::Repository(facts) => Ok(*facts),
        other => Err(format!("a repository was expected: {other:?}").into()),
    }
}

fn reason(outcome: Result<ForgeDone, PortError>) -> &'static str {
    outcome.map_or_else(|error| error.reason(), |_| "none")
}

fn update(patch: RepositoryPatch) -> ForgeChange {
    ForgeChange::UpdateRepository(patch)
}

pub(super) fn commit(branch: &str, files: &[(&str, &str)]) -> ForgeChange {
    let file = |(path, content): &(&str, &str)| FileContent { path: (*path).into(), content: (*content).into() };
    ForgeChange::CommitFiles {
        branch: branch.into(),
        message: "Apply the manifest\n\nREADME.md".into(),
        files: files.iter().map(file).collect(),
    }
}

pub(super) async fn a_generated_repository_gets_its_content_later(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let views = forge.observe(&[ask("acme-inc", "acme")]).await?;
    assert_eq!(views[0].repository, None);
    let template = views[0].template.clone().ok_or("no template")?;
    assert!(template.is_template);
    assert_eq!(
        (template.full_name.as_str(), template.default_branch.as_deref()),
        ("forkable-ai/framework", Some("main"))
    );
    assert_eq!(template.blobs.keys().collect::<Vec<_>>(), ["README.md"], "only what is there");
    let made = repository(apply(forge, &target("acme-inc", "acme"), generate()).await?)?;
    assert_eq!((made.full_name.as_str(), made.visibility), ("acme-inc/acme", Visibility::Private));
    assert_eq!((made.template_id, made.description.as_deref()), (Some(template.id), Some("A shop")));
    assert_eq!(made.head, None);
    let young = look(forge, &ask_of(&made)).await?;
    assert_eq!((young.head, young.default_branch, young.id), (None, None, made.id), "not yet is not absent");
    world.ripen();
    let ripe = look(forge, &ask_of(&made)).await?;
    let head = ripe.head.clone().ok_or("no head")?;
    assert_eq!(head.message, forkable_core::forge::INITIAL_COMMIT);
    assert_eq!((ripe.default_branch.as_deref(), &ripe.blobs), (Some("main"), &template.blobs));
    assert_eq!(Some(&head.tree), template.head.as_ref().map(|head| &head.tree), "the very files of the template");
    assert_eq!(look(forge, &ask("acme-inc", "acme")).await?, ripe, "by name as by id");
    Ok(())
}

pub(super) async fn a_taken_name_is_a_conflict(world: &dyn World) -> Outcome {
    let forge = world.forge();
    world.repository("acme").await?;
    let (other, _) = world.repository("other").await?;
    let absent = target("acme-inc", "acme");
    assert_eq!(reason(apply(forge, &absent, generate()).await), "NameConflict");
    let copy = ForgeChange::CreateCopy {
        template: template(),
        git_ref: None,
        visibility: Visibility::Private,
        description: None,
    };
    assert_eq!(reason(apply(forge, &absent, copy).await), "NameConflict");
    let rename = RepositoryPatch { name: Some("acme".into()), ..RepositoryPatch::default() };
    assert_eq!(reason(apply(forge, &other, update(rename)).await), "NameConflict");
    Ok(())
}

pub(super) async fn what_nothing_can_be_made_from_is_refused(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let from = |name: &str| ForgeChange::CreateFromTemplate {
        template: ("forkable-ai".into(), name.into()),
        visibility: Visibility::Private,
        description: None,
    };
    let absent = target("acme-inc", "acme");
    assert_eq!(reason(apply(forge, &absent, from("nowhere")).await), "NotFound");
    assert_eq!(reason(apply(forge, &absent, from("storefront")).await), "Rejected", "it is no template");
    let mut ask = ask("acme-inc", "acme");
    for (name, is_template, is_empty) in [("storefront", false, false), ("empty", true, true)] {
        ask.template = Some(("forkable-ai".into(), name.into()));
        let views = forge.observe(std::slice::from_ref(&ask)).await?;
        let template = views[0].template.clone().ok_or("no template")?;
        assert_eq!((template.is_template, template.head.is_none()), (is_template, is_empty), "{name}");
    }
    Ok(())
}

pub(super) async fn a_repository_is_followed_by_its_id(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, facts) = world.repository("acme").await?;
    world.rename("acme-inc/acme", "renamed").await?;
    let seen = look(forge, &ask_of(&facts)).await?;
    assert_eq!((seen.id, seen.full_name.as_str()), (facts.id, "acme-inc/renamed"));
    let by_name = forge.observe(&[ask("acme-inc", "acme")]).await?;
    assert_eq!(by_name[0].repository, None, "a name that was given up is nobody's");
    let patch = RepositoryPatch { description: Some("Still it".into()), ..RepositoryPatch::default() };
    let updated = repository(apply(forge, &target, update(patch)).await?)?;
    assert_eq!((updated.id, updated.full_name.as_str()), (facts.id, "acme-inc/renamed"), "although under its old name");
    let back = RepositoryPatch { name: Some("acme".into()), ..RepositoryPatch::default() };
    let updated = repository(apply(forge, &target, update(back)).await?)?;
    assert_eq!(updated.full_name, "acme-inc/acme");
    Ok(())
}

pub(super) async fn many_are_looked_at_in_the_order_of_the_asks(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (_, first) = world.repository("first").await?;
    let (_, second) = world.repository("second").await?;
    let mut third = ask_of(&second);
    third.paths = vec!["docs/new.md".into()];
    third.template = None;
    let asks = [ask("acme-inc", "absent"), ask_of(&first), third, ask("acme-inc", "second")];
    let views = forge.observe(&asks).await?;
    let ids: Vec<_> = views.iter().map(|view| view.repository.as_ref().map(|facts| facts.id)).collect();
    assert_eq!(ids, [None, Some(first.id), Some(second.id), Some(second.id)]);
    let blobs: Vec<_> =
        views.iter().map(|view| view.repository.as_ref().map_or(0, |facts| facts.blobs.len())).collect();
    assert_eq!(blobs, [0, 1, 0, 1], "each sees the paths that it asked for");
    let templates: Vec<_> = views.iter().map(|view| view.template.is_some()).collect();
    assert_eq!(templates, [true, true, false, true]);
    Ok(())
}

pub(super) async fn settings_are_changed_one_by_one(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, before) = world.repository("acme").await?;
    assert_eq!((before.issues, before.topics.len()), (true, 0));
    let patch = RepositoryPatch {
        homepage: Some("https://acme.com".into()),
        visibility: Some(Visibility::Public),
        wiki: Some(false),
        discussions: Some(true),
        delete_branch_on_merge: Some(true),
        ..RepositoryPatch::default()
    };
    let answer = repository(apply(forge, &target, update(patch)).await?)?;
    apply(forge, &target, ForgeChange::SetTopics(vec!["ai".into(), "shop".into()])).await?;
    let seen = look(forge, &ask_of(&before)).await?;
    let expected = RepositoryFacts {
        homepage: Some("https://acme.com".into()),
        visibility: Visibility::Public,
        wiki: false,
        discussions: true,
        delete_branch_on_merge: true,
        topics: vec!["ai".into(), "shop".into()],
        ..before.clone()
    };
    assert_eq!(seen, expected, "the rest is as it was");
    assert_eq!((answer.homepage, answer.wiki, answer.discussions), (expected.homepage, false, true));
    let clear = RepositoryPatch {
        homepage: Some(String::new()),
        description: Some(String::new()),
        ..RepositoryPatch::default()
    };
    apply(forge, &target, update(clear)).await?;
    let seen = look(forge, &ask_of(&before)).await?;
    assert_eq!((seen.homepage, seen.description), (None, None), "an empty text clears");
    Ok(())
}

pub(super) async fn another_default_branch_is_chosen_or_the_present_one_renamed(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, facts) = world.repository("acme").await?;
    world.branch("acme-inc/acme", "develop").await?;
    let switch = |branch: &str| {
        update(RepositoryPatch { default_branch: Some(branch.into()), wiki: Some(false), ..RepositoryPatch::default() })
    };
    let answer = repository(apply(forge, &target, switch("develop")).await?)?;
    assert_eq!(answer.default_branch.as_deref(), Some("develop"));
    let answer = repository(apply(forge, &target, switch("release/main")).await?)?;
    assert_eq!((answer.default_branch.as_deref(), answer.wiki), (Some("release/main"), false));
    let seen = look(forge, &ask_of(&facts)).await?;
    assert_eq!(seen.default_branch.as_deref(), Some("release/main"));
    assert!(seen.head.is_some(), "what develop had");
    let answer = repository(apply(forge, &target, switch("main")).await?)?;
    assert_eq!(answer.default_branch.as_deref(), Some("main"), "which was never away");
    Ok(())
}

pub(super) async fn files_are_committed_on_the_head_that_was_seen(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, before) = world.repository("acme").await?;
    let files = [("README.md", "# acme\n"), ("docs/new.md", "Schöne Grüße\n")];
    let done = apply(forge, &target, commit("main", &files)).await?;
    let ForgeDone::Committed { head, blobs } = done else { return Err("a commit was expected".into()) };
    assert_eq!(head.message, "Apply the manifest");
    assert_eq!(blobs.get("docs/new.md").ok_or("it is there")?, &blob::id("Schöne Grüße\n".as_bytes()));
    let seen = look(forge, &ask_of(&before)).await?;
    let expected = RepositoryFacts { head: Some(head.clone()), blobs: blobs.clone(), ..before };
    assert_eq!(seen, expected, "the answer tells all that changed");
    assert_eq!(world.read("acme-inc/acme", "docs/new.md").await?.as_deref(), Some("Schöne Grüße\n"));
    assert_eq!(reason(apply(forge, &target, commit("main", &files)).await), "Stale", "the branch moved on");
    let moved = target_of(&seen);
    assert_eq!(reason(apply(forge, &moved, commit("nowhere", &files)).await), "Stale", "no such branch");
    let headless = RepositoryTarget { head: None, ..moved };
    assert_eq!(reason(apply(forge, &headless, commit("main", &files)).await), "Stale", "no head was seen");
    world.write("acme-inc/acme", "README.md", "# mine\n").await?;
    let seen = look(forge, &ask_of(&seen)).await?;
    assert_eq!(seen.blobs.get("README.md").ok_or("it is there")?, &blob::id(b"# mine\n"));
    assert_ne!(seen.head.map(|Head { oid, .. }| oid), Some(head.oid));
    Ok(())
}

fn strict() -> BranchRules {
    BranchRules {
        required_reviews: Some(2),
        required_checks: vec![("build".into(), Some(4242)), ("lint".into(), None)],
        linear_history: true,
        block_force_pushes: true,
        block_deletion: true,
    }
}

pub(super) async fn a_ruleset_is_written_changed_and_deleted(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, facts) = world.repository("acme").await?;
    let ruleset = |rules: BranchRules| Ruleset { name: "forkable".into(), rules };
    let done = apply(forge, &target, ForgeChange::CreateRuleset(ruleset(strict()))).await?;
    let ForgeDone::Ruleset(made) = done else { return Err("a ruleset was expected".into()) };
    let expected = RulesetFacts { id: made.id, name: "forkable".into(), rules: Some(strict()), active: true };
    assert_eq!(made, expected);
    assert_eq!(look(forge, &ask_of(&facts)).await?.rulesets, std::slice::from_ref(&expected));
    apply(forge, &target, commit("main", &[("README.md", "ours\n")])).await?;
    let lax = BranchRules { block_deletion: true, ..BranchRules::default() };
    apply(forge, &target, ForgeChange::UpdateRuleset { id: made.id, ruleset: ruleset(lax.clone()) }).await?;
    let seen = look(forge, &ask_of(&facts)).await?;
    assert_eq!(seen.rulesets, [RulesetFacts { rules: Some(lax.clone()), ..expected }]);
    apply(forge, &target, ForgeChange::DeleteRuleset { id: made.id }).await?;
    apply(forge, &target, ForgeChange::DeleteRuleset { id: made.id }).await?;
    assert_eq!(look(forge, &ask_of(&facts)).await?.rulesets, []);
    let gone = apply(forge, &target, ForgeChange::UpdateRuleset { id: made.id, ruleset: ruleset(lax) }).await;
    assert_eq!(reason(gone), "NotFound");
    Ok(())
}

pub(super) async fn a_plan_without_rulesets_says_so(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, facts) = world.repository("acme").await?;
    world.drop_plan();
    let ruleset = Ruleset { name: "forkable".into(), rules: strict() };
    assert_eq!(reason(apply(forge, &target, ForgeChange::CreateRuleset(ruleset)).await), "PlanUnsupported");
    let scanning = RepositoryPatch { secret_scanning: Some(true), ..RepositoryPatch::default() };
    assert_eq!(reason(apply(forge, &target, update(scanning)).await), "PlanUnsupported");
    assert_eq!(look(forge, &ask_of(&facts)).await?.rulesets, [], "the rest is seen nevertheless");
    Ok(())
}

pub(super) async fn an_archived_repository_is_read_only(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, facts) = world.repository("acme").await?;
    apply(forge, &target, ForgeChange::Archive).await?;
    assert!(look(forge, &ask_of(&facts)).await?.archived);
    let outcome = apply(forge, &target, commit("main", &[("README.md", "late\n")])).await;
    assert_eq!(reason(outcome), "MissingPermission");
    assert_eq!(reason(apply(forge, &target, ForgeChange::SetTopics(vec![])).await), "MissingPermission");
    Ok(())
}

pub(super) async fn a_deleted_repository_is_gone_and_can_be_deleted_again(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, facts) = world.repository("acme").await?;
    let (_, other) = world.repository("other").await?;
    world.rename("acme-inc/acme", "renamed").await?;
    world.rename("acme-inc/other", "acme").await?;
    apply(forge, &target, ForgeChange::Delete).await?;
    apply(forge, &target, ForgeChange::Delete).await?;
    let views = forge.observe(&[ask_of(&facts), ask_of(&other)]).await?;
    assert_eq!(views[0].repository, None);
    assert!(views[1].repository.is_some(), "whatever its name is now");
    let patch = RepositoryPatch { wiki: Some(false), ..RepositoryPatch::default() };
    assert_eq!(reason(apply(forge, &target, update(patch)).await), "NotFound");
    Ok(())
}
