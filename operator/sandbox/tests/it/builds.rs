//! Builds, promotions and rollbacks, as the clock moves them.

use serde_json::{Value, json};

use crate::client::{Lab, code};

#[tokio::test]
async fn builds_move_with_the_clock_and_go_live() -> anyhow::Result<()> {
    let lab = Lab::start(json!({ "latencies": { "buildMs": 60_000 } })).await?;
    lab.project("shop").await?;
    let extra = json!({ "key": "NEXT_PUBLIC_BRAND", "value": "Shop", "type": "plain", "target": ["production"] });
    lab.vercel("POST", "/v10/projects/shop/env", Some(extra)).await?;
    let made = lab.deploy("shop", json!({ "meta": { "requestId": "r1" } })).await?;
    assert_eq!((&made["readyState"], &made["target"]), (&json!("QUEUED"), &json!("production")));
    let path = format!("/v13/deployments/{}", made["id"].as_str().unwrap_or_default());
    let mut steps = vec![made["readyState"].clone()];
    for seconds in [5.0, 10.0, 50.0] {
        lab.advance(seconds).await?;
        steps.push(lab.vercel("GET", &path, None).await?.1["readyState"].clone());
    }
    assert_eq!(steps, ["QUEUED", "INITIALIZING", "BUILDING", "READY"]);
    let (_, ready) = lab.vercel("GET", &path, None).await?;
    assert_eq!((&ready["aliasAssigned"], &ready["readySubstate"]), (&json!(true), &json!("PROMOTED")));
    assert_eq!(ready["meta"]["requestId"], "r1");
    assert_eq!(ready["env"], json!(["NEXT_PUBLIC_BRAND"]));
    let (_, project) = lab.vercel("GET", "/v9/projects/shop", None).await?;
    assert_eq!(project["targets"]["production"]["id"], ready["id"]);
    assert_eq!(project["alias"][0]["domain"], "shop.vercel.app");
    assert_eq!(project["alias"][0]["deployment"]["id"], ready["id"]);

    let sha = ready["gitSource"]["sha"].as_str().unwrap_or_default();
    let (_, list) = lab.vercel("GET", &format!("/v7/deployments?projectId=shop&sha={sha}&state=READY"), None).await?;
    assert_eq!(list["deployments"][0]["uid"], ready["id"]);
    let cancel = format!("/v12/deployments/{}/cancel", ready["id"].as_str().unwrap_or_default());
    let (status, body) = lab.vercel("PATCH", &cancel, None).await?;
    assert_eq!((status, code(&body)), (400, "bad_request"), "a finished build cannot be cancelled");
    Ok(())
}

#[tokio::test]
async fn failing_builds_say_why_and_similar_ones_are_one() -> anyhow::Result<()> {
    let lab = Lab::start(json!({ "latencies": { "buildMs": 1000 } })).await?;
    lab.project("shop").await?;
    lab.vercel("PATCH", "/v9/projects/shop", Some(json!({ "rootDirectory": "apps/none" }))).await?;
    let made = lab.deploy("shop", json!({})).await?;
    let id = made["id"].as_str().unwrap_or_default().to_owned();
    lab.advance(2.0).await?;
    let (_, failed) = lab.vercel("GET", &format!("/v13/deployments/{id}"), None).await?;
    assert_eq!((&failed["readyState"], &failed["errorCode"]), (&json!("ERROR"), &json!("NOT_FOUND_ROOT_DIRECTORY")));
    let (_, log) = lab.vercel("GET", &format!("/v3/deployments/{id}/events?limit=-1&builds=1"), None).await?;
    let last = log.as_array().and_then(|lines| lines.last()).cloned().unwrap_or_default();
    assert_eq!(last["type"], "stderr");
    assert!(last["text"].as_str().is_some_and(|text| text.contains("apps/none")), "{last}");
    let (status, body) =
        lab.vercel("POST", "/v10/projects/shop/domains", Some(json!({ "name": "a.example.org" }))).await?;
    assert_eq!((status, code(&body)), (400, "bad_request"), "no domains while production is broken");

    lab.vercel("PATCH", "/v9/projects/shop", Some(json!({ "rootDirectory": null }))).await?;
    let source = json!({ "type": "github", "repoId": lab.repo_id("framework"), "ref": "main" });
    let body = json!({ "name": "shop", "target": "production", "gitSource": source });
    let (_, first) = lab.vercel("POST", "/v13/deployments", Some(body.clone())).await?;
    let (_, second) = lab.vercel("POST", "/v13/deployments", Some(body.clone())).await?;
    assert_eq!(first["id"], second["id"]);
    assert_ne!(first["id"], json!(id));
    let (_, forced) = lab.vercel("POST", "/v13/deployments?forceNew=1", Some(body)).await?;
    assert_ne!(first["id"], forced["id"]);
    let wrong = json!({ "name": "shop", "gitSource": { "type": "github", "repoId": 1, "ref": "main" } });
    assert_eq!(code(&lab.vercel("POST", "/v13/deployments", Some(wrong)).await?.1), "incorrect_git_source_info");
    Ok(())
}

#[tokio::test]
async fn builds_queue_by_plan() -> anyhow::Result<()> {
    let lab = Lab::start(json!({ "latencies": { "buildMs": 10_000 } })).await?;
    lab.project("one").await?;
    lab.project("two").await?;
    lab.call("PUT", "/_sandbox/settings", Some(json!({ "vercelPlan": "hobby" })), "").await?;
    let first = lab.deploy("one", json!({})).await?;
    let second = lab.deploy("two", json!({})).await?;
    let state = |id: &Value| format!("/v13/deployments/{}", id.as_str().unwrap_or_default());
    lab.advance(11.0).await?;
    assert_eq!(lab.vercel("GET", &state(&first["id"]), None).await?.1["readyState"], "READY");
    let (_, queued) = lab.vercel("GET", &state(&second["id"]), None).await?;
    assert_ne!(queued["readyState"], "READY", "one at a time");
    lab.advance(10.0).await?;
    assert_eq!(lab.vercel("GET", &state(&second["id"]), None).await?.1["readyState"], "READY");
    Ok(())
}

#[tokio::test]
async fn promotion_and_rollback_move_production() -> anyhow::Result<()> {
    let lab = Lab::start(json!({ "latencies": { "promoteMs": 5000 } })).await?;
    let project = lab.project("shop").await?;
    let first = lab.deploy("shop", json!({})).await?["id"].as_str().unwrap_or_default().to_owned();
    lab.until(&format!("/v13/deployments/{first}"), |body| body["readySubstate"] == "PROMOTED").await?;
    lab.vercel("PATCH", "/v9/projects/shop", Some(json!({ "autoAssignCustomDomains": false }))).await?;
    let second = lab.deploy("shop", json!({})).await?["id"].as_str().unwrap_or_default().to_owned();
    lab.until(&format!("/v13/deployments/{second}"), |body| body["readySubstate"] == "STAGED").await?;
    let path = |kind: &str, id: &str| match kind {
        "promote" => format!("/v10/projects/{project}/promote/{id}"),
        _ => format!("/v1/projects/{project}/rollback/{id}"),
    };
    assert_eq!(lab.vercel("POST", &path("promote", &first), Some(json!({}))).await?.0, 409, "it is current");
    assert_eq!(lab.vercel("POST", &path("rollback", &second), Some(json!({}))).await?.0, 422, "it never served");
    assert_eq!(lab.vercel("POST", &path("promote", &second), Some(json!({}))).await?.0, 201);
    let (_, body) = lab.vercel("GET", "/v9/projects/shop", None).await?;
    assert_eq!(body["lastAliasRequest"]["jobStatus"], "in-progress");
    assert_eq!(body["alias"][0]["deployment"]["id"], json!(first), "not yet");
    lab.advance(6.0).await?;
    let (_, body) = lab.vercel("GET", "/v9/projects/shop", None).await?;
    assert_eq!(body["lastAliasRequest"]["jobStatus"], "succeeded");
    assert_eq!(body["alias"][0]["deployment"]["id"], json!(second));
    assert_eq!(body["autoAssignCustomDomains"], true, "a promotion turns it on");
    assert_eq!(lab.vercel("POST", &path("rollback", &first), Some(json!({}))).await?.0, 201);
    lab.advance(6.0).await?;
    let (_, body) = lab.vercel("GET", "/v9/projects/shop", None).await?;
    assert_eq!(
        (&body["alias"][0]["deployment"]["id"], &body["autoAssignCustomDomains"]),
        (&json!(first), &json!(false))
    );
    Ok(())
}

#[tokio::test]
async fn pushes_build_previews_and_production() -> anyhow::Result<()> {
    let lab = Lab::start(json!({})).await?;
    lab.project("shop").await?;
    let put = |path: &'static str, branch: &'static str, text: &'static str| {
        use base64::Engine as _;
        let content = base64::engine::general_purpose::STANDARD.encode(text);
        let body = json!({ "message": format!("Add {path}"), "content": content, "branch": branch });
        let (lab, path) = (&lab, format!("/repos/forkable-ai/framework/contents/{path}"));
        async move {
            let (status, answer) = lab.github("PUT", &path, Some(body)).await?;
            anyhow::ensure!(status == 201, "{status} {answer}");
            anyhow::Ok(answer["commit"]["sha"].clone())
        }
    };
    let list = "/v7/deployments?projectId=shop";
    let newest = |body: &Value| body["deployments"][0].clone();
    let ready = |body: &Value| newest(body)["readyState"] == "READY";
    let sha = put("a.txt", "main", "a").await?;
    let first = newest(&lab.until(list, ready).await?);
    assert_eq!((&first["target"], &first["source"]), (&json!("production"), &json!("git")));
    assert_eq!((&first["meta"]["githubCommitSha"], &first["meta"]["githubCommitMessage"]), (&sha, &json!("Add a.txt")));

    let reference = json!({ "ref": "refs/heads/dev/x", "sha": sha });
    let (status, body) = lab.github("POST", "/repos/forkable-ai/framework/git/refs", Some(reference)).await?;
    assert_eq!(status, 201, "{body}");
    let sha = put("b.txt", "dev/x", "b").await?;
    let of_commit = |body: &Value| newest(body)["meta"]["githubCommitSha"] == sha && ready(body);
    let preview = newest(&lab.until(list, of_commit).await?);
    assert_eq!(preview["target"], Value::Null);
    let page = lab.site_with("shop-git-dev-x-acme-inc.vercel.app", "/", &[]).await?;
    assert_eq!(page.status(), 401, "previews are protected");

    let (_, before) = lab.vercel("GET", list, None).await?;
    put("forkable-sandbox.fail-build", "main", "Type error: nope").await?;
    let failed = newest(&lab.until(list, |body| newest(body)["readyState"] == "ERROR").await?);
    assert_eq!(failed["errorMessage"], "Command \"npm run build\" exited with 1");
    let (_, after) = lab.vercel("GET", list, None).await?;
    let count = |body: &Value| body["deployments"].as_array().map(Vec::len).unwrap_or_default();
    assert_eq!(count(&after), count(&before) + 1);
    let (_, project) = lab.vercel("GET", "/v9/projects/shop", None).await?;
    assert_eq!(project["targets"]["production"]["id"], first["uid"], "a failed build changes nothing");
    Ok(())
}
