//! Vercel's projects, variables, plans and webhooks: what is accepted and what is refused.

use serde_json::{Value, json};

use crate::client::{Lab, code};

fn message(body: &Value) -> &str {
    body["error"]["message"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn strangers_and_other_teams_are_refused() -> anyhow::Result<()> {
    let lab = Lab::start(json!({})).await?;
    let (status, body) = lab.call("GET", "/vercel/v10/projects", None, "nobody").await?;
    assert_eq!((status, code(&body), &body["error"]["invalidToken"]), (403, "forbidden", &json!(true)));
    let (status, body) = lab.vercel("GET", "/v10/projects?teamId=team_other", None).await?;
    assert_eq!((status, code(&body)), (403, "forbidden"));
    let (status, _) = lab.vercel("GET", "/v9/projects/other-site?slug=acme-inc", None).await?;
    assert_eq!(status, 404);
    let (status, body) = lab.vercel("POST", "/v1/projects", Some(json!({ "name": "a" }))).await?;
    assert_eq!((status, code(&body)), (404, "not_found"));
    let viewer =
        json!({ "provider": "vercel", "token": "v", "kind": "vercel", "teams": ["team_acme"], "scopes": ["viewer"] });
    assert_eq!(lab.call("POST", "/_sandbox/tokens", Some(viewer), "").await?.0, 201);
    let (status, _) = lab.call("POST", "/vercel/v11/projects", Some(json!({ "name": "a" })), "v").await?;
    assert_eq!(status, 403);
    Ok(())
}

#[tokio::test]
async fn projects_are_made_changed_listed_and_deleted() -> anyhow::Result<()> {
    let lab = Lab::start(json!({})).await?;
    let id = lab.project("shop").await?;
    let (status, body) = lab.vercel("POST", "/v11/projects", Some(json!({ "name": "shop" }))).await?;
    assert_eq!((status, code(&body)), (409, "conflict"));
    let (status, body) =
        lab.vercel("POST", "/v11/projects", Some(json!({ "name": "b", "nodeVersion": "22.x" }))).await?;
    assert_eq!(status, 400);
    assert_eq!(message(&body), "Invalid request: should NOT have additional property `nodeVersion`.");

    let patch = json!({ "autoAssignCustomDomains": false, "nodeVersion": "22.x", "resourceConfig": { "functionDefaultTimeout": 60 } });
    let (status, body) = lab.vercel("PATCH", "/v9/projects/shop", Some(patch)).await?;
    assert_eq!((status, &body["nodeVersion"], &body["autoAssignCustomDomains"]), (200, &json!("22.x"), &json!(false)));
    assert_eq!(body["resourceConfig"]["functionDefaultRegions"], json!(["iad1"]), "objects are merged");
    assert_eq!(body["resourceConfig"]["functionDefaultTimeout"], 60);
    assert_eq!(body["link"]["productionBranch"], "main");
    assert_eq!(body["link"]["repoId"], lab.repo_id("framework"));

    for index in 0..5 {
        lab.vercel("POST", "/v11/projects", Some(json!({ "name": format!("p{index}") }))).await?;
    }
    let mut seen = Vec::new();
    let mut from = String::new();
    loop {
        let (_, page) = lab.vercel("GET", &format!("/v10/projects?limit=2{from}"), None).await?;
        seen.extend(page["projects"].as_array().into_iter().flatten().map(|project| project["name"].clone()));
        let Some(next) = page["pagination"]["next"].as_i64() else { break };
        from = format!("&from={next}");
    }
    assert_eq!(seen, ["p4", "p3", "p2", "p1", "p0", "shop"]);
    let repo = format!("/v10/projects?repoId={}", lab.repo_id("framework"));
    assert_eq!(lab.vercel("GET", &repo, None).await?.1["projects"][0]["id"], json!(id));
    assert_eq!(lab.vercel("GET", "/v10/projects?limit=101", None).await?.0, 400);

    assert_eq!(lab.vercel("DELETE", "/v9/projects/shop", None).await?.0, 204);
    assert_eq!(lab.vercel("DELETE", "/v9/projects/shop", None).await?.0, 404);
    Ok(())
}

#[tokio::test]
async fn linking_asks_for_the_app_and_a_repository_that_is_there() -> anyhow::Result<()> {
    let lab = Lab::start(json!({})).await?;
    let body = |repo: &str| Some(json!({ "name": "a", "gitRepository": { "type": "github", "repo": repo } }));
    let (status, answer) = lab.vercel("POST", "/v11/projects", body("nowhere/app")).await?;
    assert_eq!((status, answer["error"]["action"].as_str()), (400, Some("Install GitHub App")));
    let (status, answer) = lab.vercel("POST", "/v11/projects", body("acme-inc/none")).await?;
    assert_eq!((status, code(&answer)), (400, "repo_not_found"));
    let lab = Lab::start(json!({ "vercelPlan": "hobby" })).await?;
    let (status, answer) = lab.vercel("POST", "/v11/projects", body("forkable-ai/framework")).await?;
    assert_eq!((status, code(&answer)), (403, "forbidden"));
    Ok(())
}

#[tokio::test]
async fn plans_limit_protection_environments_and_webhooks() -> anyhow::Result<()> {
    let lab = Lab::start(json!({})).await?;
    lab.project("shop").await?;
    let path = "/v9/projects/shop/custom-environments";
    assert_eq!(lab.vercel("GET", path, None).await?.1["accountLimit"]["total"], 1);
    let staging = json!({ "slug": "staging", "branchMatcher": { "type": "startsWith", "pattern": "rc/" } });
    assert_eq!(lab.vercel("POST", path, Some(staging)).await?.0, 201);
    let (status, body) = lab.vercel("POST", path, Some(json!({ "slug": "qa" }))).await?;
    assert_eq!((status, &body["error"]["limit"]), (402, &json!(1)));
    assert_eq!(lab.vercel("POST", path, Some(json!({ "slug": "preview" }))).await?.0, 402);
    let password = json!({ "passwordProtection": { "deploymentType": "all", "password": "p" } });
    assert_eq!(lab.vercel("PATCH", "/v9/projects/shop", Some(password)).await?.0, 428);
    assert_eq!(lab.vercel("PUT", "/v9/projects/shop", None).await?.0, 404, "no such method");
    lab.call("PUT", "/_sandbox/settings", Some(json!({ "vercelPlan": "hobby" })), "").await?;
    let hook = json!({ "url": "https://example.com/hook", "events": ["deployment.ready"] });
    assert_eq!(lab.vercel("POST", "/v1/webhooks", Some(hook.clone())).await?.0, 403);
    lab.call("PUT", "/_sandbox/settings", Some(json!({ "vercelPlan": "enterprise" })), "").await?;
    let (_, made) = lab.vercel("POST", "/v1/webhooks", Some(hook)).await?;
    assert!(made["secret"].is_string());
    let (_, read) =
        lab.vercel("GET", &format!("/v1/webhooks/{}", made["id"].as_str().unwrap_or_default()), None).await?;
    assert!(read["secret"].is_null(), "the secret is told once");
    Ok(())
}

fn variable(key: &str, kind: &str, target: &Value) -> Value {
    json!({ "key": key, "value": format!("value of {key}"), "type": kind, "target": target })
}

#[tokio::test]
async fn variables_can_fail_inside_a_201_and_are_upserted() -> anyhow::Result<()> {
    let lab = Lab::start(json!({})).await?;
    lab.project("shop").await?;
    let path = "/v10/projects/shop/env";
    let batch = json!([
        variable("A", "plain", &json!(["production", "preview"])),
        variable("B", "sensitive", &json!(["development"])),
        variable("C", "sensitive", &json!(["production"])),
        variable("D", "encrypted", &json!(["production"])),
    ]);
    let (status, body) = lab.vercel("POST", path, Some(batch)).await?;
    assert_eq!((status, body["created"].as_array().map(Vec::len)), (201, Some(3)));
    assert_eq!(body["failed"][0]["error"]["envVarKey"], "B");

    let (status, body) = lab.vercel("POST", path, Some(variable("A", "plain", &json!(["preview"])))).await?;
    assert_eq!((status, code(&body)), (400, "ENV_CONFLICT"));
    let (status, body) =
        lab.vercel("POST", &format!("{path}?upsert=true"), Some(variable("A", "plain", &json!(["preview"])))).await?;
    assert_eq!((status, &body["created"]["target"]), (201, &json!(["preview"])));

    let (_, list) = lab.vercel("GET", &format!("{path}?decrypt=true"), None).await?;
    let value = |list: &Value, key: &str| {
        list["envs"].as_array().into_iter().flatten().find(|row| row["key"] == key).map(|row| row["value"].clone())
    };
    assert_eq!(list["envs"].as_array().map(Vec::len), Some(3), "the upsert made no second row");
    assert_eq!(value(&list, "C"), Some(json!("")), "sensitive values are never told");
    assert_eq!(value(&list, "D"), Some(json!("value of D")));
    let (_, list) = lab.vercel("GET", path, None).await?;
    assert_ne!(value(&list, "D"), Some(json!("value of D")), "encrypted values stay encrypted");

    let all_bad = json!([variable("B", "sensitive", &json!(["development"]))]);
    let (status, body) = lab.vercel("POST", path, Some(all_bad)).await?;
    assert_eq!((status, code(&body), body["failed"].as_array().map(Vec::len)), (400, "BAD_REQUEST", Some(1)));
    let id = list["envs"][0]["id"].as_str().unwrap_or_default().to_owned();
    let (status, gone) = lab.vercel("DELETE", "/v1/projects/shop/env", Some(json!({ "ids": [id, "none"] }))).await?;
    assert_eq!((status, gone), (200, json!({ "deleted": 1, "ids": [id] })));
    Ok(())
}

#[tokio::test]
async fn variables_of_branches_need_a_branch_and_values_have_a_limit() -> anyhow::Result<()> {
    let lab = Lab::start(json!({})).await?;
    lab.project("shop").await?;
    let path = "/v10/projects/shop/env";
    let of_branch = |branch: &str, target: &str| {
        let mut row = variable("A", "plain", &json!([target]));
        row["gitBranch"] = json!(branch);
        Some(row)
    };
    assert_eq!(code(&lab.vercel("POST", path, of_branch("none", "preview")).await?.1), "BRANCH_NOT_FOUND");
    assert_eq!(lab.vercel("POST", path, of_branch("main", "preview")).await?.0, 400, "the production branch");
    assert_eq!(lab.vercel("POST", path, of_branch("main", "production")).await?.0, 400, "only previews have branches");
    let mut huge = variable("HUGE", "plain", &json!(["production"]));
    huge["value"] = json!("x".repeat(65 * 1024));
    assert_eq!(code(&lab.vercel("POST", path, Some(huge)).await?.1), "ENV_SIZE_EXCEEDED");
    let (_, list) = lab.vercel("GET", path, None).await?;
    assert_eq!(list["envs"], json!([]), "a refused variable leaves nothing");
    Ok(())
}

/// Collects what is posted to it: `x-vercel-signature` and body.
async fn receiver() -> anyhow::Result<(String, tokio::sync::mpsc::UnboundedReceiver<(String, bytes::Bytes)>)> {
    let (send, received) = tokio::sync::mpsc::unbounded_channel();
    let post = move |headers: http::HeaderMap, body: bytes::Bytes| async move {
        let signature = headers.get("x-vercel-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
        // The test may already have what it waits for.
        let _ = send.send((signature.to_owned(), body));
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let routes = axum::Router::new().route("/hook", axum::routing::post(post));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok((url, received))
}

#[tokio::test]
async fn webhooks_are_signed_with_their_own_secret_and_filtered() -> anyhow::Result<()> {
    use hmac::{Hmac, Mac as _};
    let (url, mut received) = receiver().await?;
    let lab = Lab::start(json!({})).await?;
    let events = ["project.env-variable.created", "deployment.succeeded"];
    let (_, hook) = lab.vercel("POST", "/v1/webhooks", Some(json!({ "url": url, "events": events }))).await?;
    lab.project("shop").await?;
    lab.vercel("POST", "/v10/projects/shop/env", Some(variable("A", "plain", &json!(["production"])))).await?;
    lab.vercel("POST", "/v10/projects/shop/env", Some(variable("A", "plain", &json!(["production"])))).await?;
    lab.deploy("shop", json!({ "meta": { "uid": "u1" } })).await?;
    let mut got = Vec::new();
    for _ in 0..2 {
        let next = tokio::time::timeout(std::time::Duration::from_secs(10), received.recv()).await?;
        let (signature, body) = next.expect("the receiver runs");
        let mut mac = Hmac::<sha1::Sha1>::new_from_slice(hook["secret"].as_str().unwrap_or_default().as_bytes())?;
        mac.update(&body);
        assert_eq!(signature, hex::encode(mac.finalize().into_bytes()));
        got.push(serde_json::from_slice::<Value>(&body)?);
    }
    let names: Vec<&Value> = got.iter().map(|event| &event["type"]).collect();
    assert_eq!(names, events, "only what was asked for, and nothing for the refused variable");
    assert_eq!(got[1]["payload"]["deployment"]["meta"]["uid"], "u1");
    assert!(!got[0].to_string().contains("value of A"), "an event tells no value");
    Ok(())
}

#[tokio::test]
async fn a_restart_keeps_everything_and_ends_the_builds_that_were_running() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let snapshot = Some(folder.path().join("world.json"));
    let settings = json!({ "latencies": { "buildMs": 50 } });
    let lab = Lab::start_at(settings.clone(), snapshot.clone()).await?;
    lab.project("shop").await?;
    lab.vercel("POST", "/v10/projects/shop/env", Some(variable("A", "sensitive", &json!(["production"])))).await?;
    lab.vercel("POST", "/v10/projects/shop/domains", Some(json!({ "name": "shop.example.org" }))).await?;
    let made = lab.deploy("shop", json!({})).await?;
    let (_, before) = lab.call("GET", "/_sandbox/inventory", None, "").await?;
    lab.server.stop().await;

    let lab = Lab::start_at(settings, snapshot).await?;
    let (_, after) = lab.call("GET", "/_sandbox/inventory", None, "").await?;
    for part in ["env", "domains", "link", "settings", "id"] {
        let of = |inventory: &Value| {
            let mut projects = inventory["vercel"]["projects"].as_array().into_iter().flatten();
            projects.find(|project| project["name"] == "shop").map(|project| project[part].clone())
        };
        assert_eq!(of(&before).map(strip), of(&after).map(strip), "{part}");
    }
    let path = format!("/v13/deployments/{}", made["id"].as_str().unwrap_or_default());
    lab.until(&path, |body| body["readyState"] == "READY").await?;
    Ok(())
}

/// Without what changes when the build goes live in between.
fn strip(mut part: Value) -> Value {
    for row in part.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        row.remove("deployment");
    }
    part
}
