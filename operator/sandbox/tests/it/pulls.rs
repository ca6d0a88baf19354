//! Pull requests and comments: what GitHub takes, what it refuses, and what follows from a push.

use serde_json::json;

use crate::client::Lab;

const TOPIC: &str = "/repos/forkable-ai/framework/contents/topic.txt";

#[tokio::test]
async fn a_pull_request_follows_its_branch_to_the_merge() -> anyhow::Result<()> {
    let lab = Lab::start(json!({ "limits": false })).await?;
    let github = async |method: &str, path: &str, body| {
        lab.github(method, &format!("/repos/forkable-ai/framework{path}"), Some(body)).await
    };
    let (_, main) = github("GET", "/git/ref/heads/main", json!({})).await?;
    let reference = json!({ "ref": "refs/heads/topic", "sha": main["object"]["sha"] });
    assert_eq!(github("POST", "/git/refs", reference).await?.0, 201);
    let wanted = json!({ "title": "Topic", "head": "topic", "base": "main" });
    let (status, body) = github("POST", "/pulls", wanted.clone()).await?;
    assert_eq!(status, 422);
    assert_eq!(body["errors"][0]["message"], "No commits between main and topic");
    for (body, field) in [
        (json!({ "title": "Topic", "head": "absent", "base": "main" }), "head"),
        (json!({ "title": "Topic", "head": "topic", "base": "absent" }), "base"),
        (json!({ "head": "topic", "base": "main" }), "title"),
    ] {
        let (status, answer) = github("POST", "/pulls", body).await?;
        assert_eq!((status, &answer["errors"][0]["field"]), (422, &json!(field)), "{answer}");
    }
    assert_eq!(github("POST", "/pulls", json!({ "title": "Topic" })).await?.0, 422, "the description wants a head");

    let commit = json!({ "message": "Go on", "content": "eA==", "branch": "topic" });
    let (_, first) = lab.github("PUT", TOPIC, Some(commit)).await?;
    let (status, made) = github("POST", "/pulls", wanted.clone()).await?;
    assert_eq!((status, &made["head"]["sha"]), (201, &first["commit"]["sha"]));
    let (status, body) = github("POST", "/pulls", wanted).await?;
    assert_eq!(
        (status, &body["errors"][0]["message"]),
        (422, &json!("A pull request already exists for forkable-ai:topic."))
    );
    let commit = json!({ "message": "On", "content": "eQ==", "branch": "topic", "sha": first["content"]["sha"] });
    let (_, second) = lab.github("PUT", TOPIC, Some(commit)).await?;
    let (_, seen) = github("GET", "/pulls/1", json!({})).await?;
    assert_eq!(seen["head"]["sha"], second["commit"]["sha"]);

    let stale = json!({ "sha": first["commit"]["sha"] });
    assert_eq!(github("PUT", "/pulls/1/merge", stale).await?.0, 409);
    assert_eq!(github("PUT", "/pulls/1/merge", json!({})).await?.0, 200);
    assert_eq!(github("PUT", "/pulls/1/merge", json!({})).await?.0, 405);
    let (_, seen) = github("GET", "/pulls/1", json!({})).await?;
    assert_eq!((&seen["state"], &seen["merged"]), (&json!("closed"), &json!(true)));
    assert_eq!(github("PATCH", "/pulls/1", json!({ "state": "open" })).await?.0, 422, "what is merged stays closed");
    let (_, open) = github("GET", "/pulls", json!({})).await?;
    assert_eq!(open, json!([]));
    Ok(())
}

#[tokio::test]
async fn comments_are_made_changed_and_refused() -> anyhow::Result<()> {
    let lab = Lab::start(json!({ "limits": false })).await?;
    let github = async |method: &str, path: &str, body| {
        lab.github(method, &format!("/repos/forkable-ai/framework{path}"), Some(body)).await
    };
    assert_eq!(github("POST", "/issues/1/comments", json!({ "body": "early" })).await?.0, 404);
    let (_, main) = github("GET", "/git/ref/heads/main", json!({})).await?;
    github("POST", "/git/refs", json!({ "ref": "refs/heads/topic", "sha": main["object"]["sha"] })).await?;
    let commit = json!({ "message": "Go on", "content": "eA==", "branch": "topic" });
    lab.github("PUT", TOPIC, Some(commit)).await?;
    github("POST", "/pulls", json!({ "title": "Topic", "head": "topic", "base": "main" })).await?;
    for body in [json!({}), json!({ "body": " " }), json!({ "body": "x".repeat(65_537) }), json!({ "body": 1 })] {
        assert_eq!(github("POST", "/issues/1/comments", body).await?.0, 422);
    }
    let (status, made) = github("POST", "/issues/1/comments", json!({ "body": "one" })).await?;
    assert_eq!(status, 201);
    let path = format!("/issues/comments/{}", made["id"]);
    assert_eq!(github("PATCH", &path, json!({ "body": "two" })).await?.0, 200);
    let (_, all) = github("GET", "/issues/1/comments", json!({})).await?;
    assert_eq!((all.as_array().map(Vec::len), &all[0]["body"]), (Some(1), &json!("two")));
    assert_eq!(github("DELETE", &path, json!({})).await?.0, 204);
    assert_eq!(github("PATCH", &path, json!({ "body": "three" })).await?.0, 404);
    // A branch that is deleted takes its pull request along.
    assert_eq!(github("DELETE", "/git/refs/heads/topic", json!({})).await?.0, 204);
    let (_, seen) = github("GET", "/pulls/1", json!({})).await?;
    assert_eq!(seen["state"], "closed");
    Ok(())
}
