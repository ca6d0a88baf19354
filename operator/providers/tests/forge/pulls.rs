//! What holds for pull requests and our comment on them.

use forkable_core::{
    PortError, Secret,
    forge::{Forge, ForgeChange, ForgeDone, PullRequests, RepositoryTarget},
};
use forkable_providers::github::Credentials;
use serde_json::{Value, json};

use super::{
    Outcome,
    contract::apply,
    worlds::{Sandbox, World, adapter, ask_of, look},
};

const MARKER: &str = "<!-- forkable.dev/preview acme -->";

async fn put(forge: &dyn Forge, target: &RepositoryTarget, number: i64, id: Option<i64>, text: &str) -> Outcome<i64> {
    let change = ForgeChange::PutComment { pull_request: number, id, marker: MARKER.into(), text: text.into() };
    match apply(forge, target, change).await? {
        ForgeDone::Commented { id: Some(id) } => Ok(id),
        other => Err(format!("a comment was expected: {other:?}").into()),
    }
}

pub(super) async fn open_pull_requests_are_seen_until_they_are_closed(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (_, facts) = world.repository("acme").await?;
    assert_eq!(facts.pull_requests, Some(PullRequests::default()));
    let first = world.open(&facts.full_name, "topic").await?;
    let second = world.open(&facts.full_name, "other").await?;
    let seen = look(forge, &ask_of(&facts)).await?.pull_requests.ok_or("they were asked for")?;
    assert!(!seen.is_cut && !seen.is_hidden);
    let told: Vec<_> = seen.open.iter().map(|open| (open.number, open.branch.as_str())).collect();
    assert_eq!(told, [(first, "topic"), (second, "other")]);
    let before = seen.open[0].clone();
    assert!(!before.is_cross_repository && before.head.oid.len() == 40 && !before.head.message.is_empty());
    world.push(&facts.full_name, "topic").await?;
    let seen = look(forge, &ask_of(&facts)).await?.pull_requests.ok_or("they were asked for")?;
    assert_ne!(seen.open[0].head.oid, before.head.oid);
    world.close(&facts.full_name, first).await?;
    let seen = look(forge, &ask_of(&facts)).await?.pull_requests.ok_or("they were asked for")?;
    assert_eq!(seen.open.iter().map(|open| open.number).collect::<Vec<_>>(), [second]);
    assert!(seen.is_closed(first) && !seen.is_closed(second));
    let mut ask = ask_of(&facts);
    ask.pull_requests = false;
    assert_eq!(look(forge, &ask).await?.pull_requests, None);
    Ok(())
}

pub(super) async fn one_comment_is_kept_up_to_date(world: &dyn World) -> Outcome {
    let forge = world.forge();
    let (target, facts) = world.repository("acme").await?;
    let number = world.open(&facts.full_name, "topic").await?;
    let id = put(forge, &target, number, None, "is being built").await?;
    assert_eq!(put(forge, &target, number, None, "is there").await?, id, "its answer was lost: it is found again");
    assert_eq!(put(forge, &target, number, Some(id), "is there, too").await?, id);
    let said = world.said(&facts.full_name, number).await?;
    assert_eq!(said, [format!("is there, too\n\n{MARKER}")]);
    assert_eq!(put(forge, &target, number, Some(1), "another id").await?, id, "what is on record was deleted");
    world.close(&facts.full_name, number).await?;
    assert_eq!(put(forge, &target, number, Some(id), "is gone").await?, id, "also once it is closed");
    assert_eq!(world.said(&facts.full_name, number).await?.len(), 1);
    let lost = put(forge, &target, number + 1, None, "nothing").await;
    assert!(lost.is_err(), "there is no such pull request");
    Ok(())
}

#[tokio::test]
async fn a_comment_of_somebody_else_is_never_changed() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (target, facts) = sandbox.repository("acme").await?;
    let number = sandbox.open(&facts.full_name, "topic").await?;
    // Somebody quotes us, marker and all.
    let quote = json!({ "body": format!("> is being built\n\n{MARKER}") });
    sandbox.person(&format!("POST /repos/acme-inc/acme/issues/{number}/comments"), quote.clone()).await?;
    sandbox.server.sandbox().write(|world, _| {
        let repo = world.github.repos.values_mut().find(|repo| repo.name == "acme").expect("it was made");
        "somebody".clone_into(&mut repo.pulls[0].comments[0].user);
    });
    put(&sandbox.github, &target, number, None, "is there").await?;
    put(&sandbox.github, &target, number, None, "is there, too").await?;
    let said = sandbox.said(&facts.full_name, number).await?;
    assert_eq!(said, [quote["body"].as_str().unwrap_or_default(), &format!("is there, too\n\n{MARKER}")]);
    Ok(())
}

#[tokio::test]
async fn where_nobody_may_comment_nothing_is_said() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (target, facts) = sandbox.repository("acme").await?;
    let number = sandbox.open(&facts.full_name, "topic").await?;
    let matching =
        json!({ "provider": "github", "operation": "POST /repos/{owner}/{repo}/issues/{issue_number}/comments" });
    let body = json!({ "message": "Unable to create comment because issue is locked." });
    sandbox.fault(matching, json!({ "status": 403, "body": body })).await?;
    let change =
        ForgeChange::PutComment { pull_request: number, id: None, marker: MARKER.into(), text: "is there".into() };
    assert_eq!(apply(&sandbox.github, &target, change).await?, ForgeDone::Commented { id: None });
    Ok(())
}

/// What is not to be seen must not pass for a repository that is gone, nor for pull requests that are closed.
#[tokio::test]
async fn credentials_that_may_not_see_pull_requests_see_the_rest() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (target, facts) = sandbox.repository("acme").await?;
    let (_, other) = sandbox.repository("other").await?;
    let number = sandbox.open(&facts.full_name, "topic").await?;
    let read = |name: &str| (name.to_owned(), json!("read"));
    let granted: serde_json::Map<String, Value> =
        ["contents", "metadata", "administration", "environments", "actions"].map(read).into_iter().collect();
    let token = json!({
        "token": "github_pat_narrow", "provider": "github", "kind": "fine-grained", "login": "octo-founder",
        "permissions": granted,
    });
    sandbox.admin("POST /_sandbox/tokens", token).await?;
    let narrow = adapter(&sandbox.server, &Credentials::Token(Secret::new("github_pat_narrow")))?;
    let shallow = |facts| forkable_core::forge::RepositoryAsk { deep: false, ..ask_of(facts) };
    let plain = forkable_core::forge::RepositoryAsk { pull_requests: false, ..shallow(&other) };
    let seen = narrow.observe(&[shallow(&facts), plain]).await?;
    let pull_requests = |i: usize| seen[i].repository.as_ref().map(|facts| facts.pull_requests.clone());
    assert!(pull_requests(0).flatten().is_some_and(|hidden| hidden.is_hidden && !hidden.is_closed(number)));
    assert_eq!(pull_requests(1), Some(None));
    let refused = put(&narrow, &target, number, Some(1), "nothing").await;
    let refused = refused.expect_err("it may not").downcast::<PortError>()?;
    assert_eq!(refused.reason(), "MissingPermission");
    Ok(())
}

#[tokio::test]
async fn pull_requests_of_a_fleet_cost_no_call_and_few_points() -> Outcome {
    let sandbox = Sandbox::start().await?;
    let (_, facts) = sandbox.repository("acme").await?;
    let asks = vec![forkable_core::forge::RepositoryAsk { deep: false, ..ask_of(&facts) }; 50];
    let used = async || -> Outcome<u64> {
        let limits = sandbox.person("GET /rate_limit", Value::Null).await?;
        Ok(limits["resources"]["graphql"]["used"].as_u64().ok_or("no count")?)
    };
    let before = used().await?;
    sandbox.forget_calls().await?;
    sandbox.github.observe(&asks).await?;
    assert_eq!(sandbox.operations().await?, ["graphql query ForkFleet"]);
    let with = used().await? - before;
    let plain: Vec<_> =
        asks.iter().map(|ask| forkable_core::forge::RepositoryAsk { pull_requests: false, ..ask.clone() }).collect();
    sandbox.github.observe(&plain).await?;
    let without = used().await? - before - with;
    assert!(with <= without + 1, "{with} points, {without} without pull requests");
    Ok(())
}
