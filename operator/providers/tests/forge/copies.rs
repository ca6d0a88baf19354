//! What holds for forks and copies.

use forkable_core::{
    Secret,
    forge::{Forge as _, ForgeChange, INITIAL_COMMIT},
};
use forkable_crds::fork::Visibility;
use forkable_providers::github::Credentials;
use serde_json::{Value, json};

use super::{
    Outcome,
    contract::{apply, repository},
    worlds::{Sandbox, World, adapter, ask, ask_of, look, target, target_of, template},
};

fn copy(git_ref: Option<&str>) -> ForgeChange {
    ForgeChange::CreateCopy {
        template: template(),
        git_ref: git_ref.map(str::to_owned),
        visibility: Visibility::Private,
        description: Some("A copy".into()),
    }
}

pub(super) async fn a_fork_keeps_its_parent(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let source = ("forkable-ai".to_owned(), "storefront".to_owned());
    let fork = || ForgeChange::CreateFork { template: source.clone() };
    let made = repository(apply(forge, &target("acme-inc", "shop"), fork()).await?)?;
    assert_eq!((made.full_name.as_str(), made.head.is_none()), ("acme-inc/shop", true));
    world.ripen();
    let mut ask = ask_of(&made);
    ask.template = Some(source.clone());
    let view = forge.observe(std::slice::from_ref(&ask)).await?.remove(0);
    let (seen, origin) = (view.repository.ok_or("no repository")?, view.template.ok_or("no template")?);
    assert_eq!((seen.parent_id, seen.template_id, seen.issues), (Some(origin.id), None, false));
    assert_eq!(seen.head.map(|head| head.tree), origin.head.map(|head| head.tree));
    Ok(())
}

pub(super) async fn a_copy_has_the_tree_of_the_template_in_one_commit(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let made = repository(apply(forge, &target("acme-inc", "acme"), copy(None)).await?)?;
    let view = forge.observe(&[ask_of(&made)]).await?.remove(0);
    let (seen, origin) = (view.repository.ok_or("no repository")?, view.template.ok_or("no template")?);
    assert_eq!((seen.template_id, seen.parent_id, seen.description.as_deref()), (None, None, Some("A copy")));
    assert_eq!((seen.visibility, &seen.blobs), (Visibility::Private, &origin.blobs));
    let (head, theirs) = (seen.head.ok_or("no head")?, origin.head.ok_or("no head")?);
    assert_eq!(head.tree, theirs.tree);
    assert_ne!(head.message, INITIAL_COMMIT);
    assert_eq!(made.head.map(|head| head.oid), Some(head.oid));
    let elsewhere = apply(forge, &target("acme-inc", "elsewhere"), copy(Some("nowhere"))).await;
    assert!(elsewhere.is_err(), "no such ref");
    assert_eq!(forge.observe(&[ask("acme-inc", "elsewhere")]).await?[0].repository, None, "and nothing is begun");
    Ok(())
}

pub(super) async fn an_interrupted_copy_goes_on(world: &dyn World) -> Outcome {
    let forge = world.forge();
    // As what is left behind: a repository with the initial commit.
    let (begun, facts) = world.repository("acme").await?;
    let made = repository(apply(forge, &begun, copy(None)).await?)?;
    assert_eq!(made.id, facts.id);
    let head = look(forge, &ask_of(&facts)).await?.head.ok_or("no head")?;
    assert_ne!(head.message, INITIAL_COMMIT);
    Ok(())
}

const LOGO: &str = "iVBORw0KGgoAAAD/";

/// The template gets a program, a link, binary files, a file that is no UTF-8, and empty files.
async fn fill_template(sandbox: &Sandbox) -> Outcome {
    let path = "/repos/forkable-ai/framework/git";
    let blob = |content: &'static str| async move {
        let body = json!({ "content": content, "encoding": "base64" });
        let made = sandbox.person(&format!("POST {path}/blobs"), body).await?;
        Ok::<_, Box<dyn std::error::Error>>(made["sha"].clone())
    };
    let (logo, latin) = (blob(LOGO).await?, blob("Z3L832U=").await?);
    let head = sandbox.person(&format!("GET {path}/ref/heads/main"), Value::Null).await?;
    let mut tree = vec![
        json!({ "path": "bin/run", "mode": "100755", "type": "blob", "content": "#!/bin/sh\n" }),
        json!({ "path": "latest", "mode": "120000", "type": "blob", "content": "bin/run" }),
        json!({ "path": "logo.png", "mode": "100644", "type": "blob", "sha": logo }),
        json!({ "path": "static/logo.png", "mode": "100644", "type": "blob", "sha": logo }),
        json!({ "path": "latin.txt", "mode": "100644", "type": "blob", "sha": latin }),
        json!({ "path": "empty/.keep", "mode": "100644", "type": "blob", "content": "" }),
        json!({ "path": "other/.keep", "mode": "100644", "type": "blob", "content": "" }),
    ];
    // More than one request takes.
    tree.extend((0..120).map(|i| {
        json!({ "path": format!("docs/{i}.md"), "mode": "100644", "type": "blob", "content": format!("page {i}\n") })
    }));
    let body = json!({ "base_tree": head["object"]["sha"], "tree": tree });
    let tree = sandbox.person(&format!("POST {path}/trees"), body).await?;
    let body = json!({ "message": "Fill it", "tree": tree["sha"], "parents": [head["object"]["sha"]] });
    let commit = sandbox.person(&format!("POST {path}/commits"), body).await?;
    sandbox.person(&format!("PATCH {path}/refs/heads/main"), json!({ "sha": commit["sha"] })).await?;
    Ok(())
}

#[tokio::test]
async fn modes_links_and_binary_files_are_copied_as_they_are() -> Outcome {
    let sandbox = Sandbox::start().await?;
    fill_template(&sandbox).await?;
    let made = repository(apply(sandbox.forge(), &target("octo-founder", "mine"), copy(Some("main"))).await?)?;
    let view = sandbox.github.observe(&[ask_of(&made)]).await?.remove(0);
    let (seen, origin) = (view.repository.ok_or("no repository")?, view.template.ok_or("no template")?);
    assert_eq!(seen.head.map(|head| head.tree), origin.head.map(|head| head.tree), "git's ids prove it");
    assert_eq!(made.blobs.get("static/logo.png"), made.blobs.get("logo.png"));
    let commits = sandbox.person("GET /repos/octo-founder/mine/commits", Value::Null).await?;
    assert_eq!(commits.as_array().map(Vec::len), Some(1), "one commit without parents");
    Ok(())
}

#[tokio::test]
async fn a_copy_that_was_cut_off_anywhere_goes_on_and_never_replaces_a_persons_commit() -> Outcome {
    let sandbox = Sandbox::start().await?;
    fill_template(&sandbox).await?;
    let cuts = [
        "GET /repos/{owner}/{repo}/git/trees/{tree_sha}",
        "graphql query CopyFiles",
        "POST /repos/{owner}/{repo}/git/blobs",
        "POST /repos/{owner}/{repo}/git/trees",
        "POST /repos/{owner}/{repo}/git/commits",
        "PATCH /repos/{owner}/{repo}/git/refs/{ref}",
    ];
    for (i, operation) in cuts.into_iter().enumerate() {
        // With a budget of its own, for these are many writes.
        let forge = adapter(&sandbox.server, &Credentials::Token(Secret::new("sandbox-github-token")))?;
        let absent = target("acme-inc", &format!("copy-{i}"));
        let phase = if operation.starts_with("PATCH") { "before" } else { "after" };
        sandbox.fault(json!({ "operation": operation }), json!({ "cut": phase })).await?;
        let cut = apply(&forge, &absent, copy(None)).await;
        let error = cut.expect_err(operation);
        assert_eq!(error.reason(), "ProviderUnavailable", "{operation}: {error}");
        let begun = look(&forge, &ask(&absent.owner, &absent.name)).await?;
        assert_eq!(begun.head.as_ref().map(|head| head.message.as_str()), Some(INITIAL_COMMIT), "{operation}");
        let made = repository(apply(&forge, &target_of(&begun), copy(None)).await?)?;
        assert_eq!(made.id, begun.id, "{operation}");
        let again = apply(&forge, &target_of(&begun), copy(None)).await;
        assert_eq!(again.expect_err("it is done").reason(), "Stale", "{operation}");
    }
    Ok(())
}

#[tokio::test]
async fn a_copy_that_is_refused_after_it_was_begun_is_not_told_as_not_made() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let absent = target("acme-inc", "acme");
    let limit = json!({ "rateLimited": "secondary", "retryAfter": 60 });
    sandbox.fault(json!({ "operation": "POST /repos/{owner}/{repo}/git/trees" }), limit).await?;
    let error = apply(sandbox.forge(), &absent, copy(None)).await.expect_err("it is refused");
    assert_eq!(error.reason(), "Stale", "the intent of the creation must be kept: {error}");
    let forge = adapter(&sandbox.server, &Credentials::Token(Secret::new("sandbox-github-token")))?;
    let begun = look(&forge, &ask(&absent.owner, &absent.name)).await?;
    let made = repository(apply(&forge, &target_of(&begun), copy(None)).await?)?;
    assert_eq!(made.id, begun.id);
    Ok(())
}
