//! Vercel's API: what it accepts, what it refuses, and how things move with time.

use serde_json::{Value, json};

use crate::client::Lab;

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}

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

#[tokio::test]
async fn builds_move_with_the_clock_and_go_live() -> anyhow::Result<()> {
    let lab = Lab::start(json!({ "latencies": { "buildMs": 60_000 } })).await?;
    lab.project("shop").await?;
    let mut extra = variable("NEXT_PUBLIC_BRAND", "plain", &json!(["production"]));
    extra["value"] = json!("Shop");
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
async fn domains_of_others_are_challenged_and_those_of_neighbours_refused() -> anyhow::Result<()> {
    let lab = Lab::start(json!({})).await?;
    lab.project("shop").await?;
    lab.project("blog").await?;
    let add = |project: &str, name: &str| {
        let (path, body) = (format!("/v10/projects/{project}/domains"), json!({ "name": name }));
        let lab = &lab;
        async move { lab.vercel("POST", &path, Some(body)).await }
    };
    assert_eq!(add("shop", "shop.example.org").await?.1["verified"], true);
    let (status, body) = add("shop", "shop.example.org").await?;
    assert_eq!((status, code(&body)), (400, "domain_already_in_use"));
    let (status, body) = add("blog", "SHOP.example.org").await?;
    assert_eq!((status, code(&body)), (409, "domain_already_in_use"));
    assert_eq!(code(&add("blog", "no_dots").await?.1), "invalid_domain");

    let (status, body) = add("shop", "taken.example.com").await?;
    assert_eq!((status, &body["verified"]), (200, &json!(false)));
    let challenge = &body["verification"][0];
    assert_eq!((&challenge["type"], &challenge["domain"]), (&json!("TXT"), &json!("_vercel.example.com")));
    let verify = "/v9/projects/shop/domains/taken.example.com/verify";
    assert_eq!(code(&lab.vercel("POST", verify, None).await?.1), "missing_txt_record");
    lab.publish("_vercel.example.com", "TXT", "vc-domain-verify=something").await?;
    assert_eq!(code(&lab.vercel("POST", verify, None).await?.1), "txt_record_mismatch");
    lab.publish("_vercel.example.com", "TXT", challenge["value"].as_str().unwrap_or_default()).await?;
    assert_eq!(lab.vercel("POST", verify, None).await?.1["verified"], true);
    Ok(())
}

#[tokio::test]
async fn dns_decides_what_is_configured_and_certified() -> anyhow::Result<()> {
    let lab = Lab::start(json!({ "latencies": { "certMs": 3000 } })).await?;
    lab.project("shop").await?;
    for name in ["example.org", "www.example.org", "*.example.org"] {
        let (status, body) = lab.vercel("POST", "/v10/projects/shop/domains", Some(json!({ "name": name }))).await?;
        assert_eq!(status, 200, "{body}");
    }
    let config = |name: &'static str| {
        let lab = &lab;
        async move { anyhow::Ok(lab.vercel("GET", &format!("/v6/domains/{name}/config"), None).await?.1) }
    };
    assert_eq!(config("example.org").await?["misconfigured"], true);
    lab.publish("example.org", "A", "192.0.2.1").await?;
    assert_eq!(config("example.org").await?["misconfigured"], true, "leads elsewhere");
    let advice = config("example.org").await?["recommendedIPv4"][0]["value"][0].clone();
    lab.publish("example.org", "A", advice.as_str().unwrap_or_default()).await?;
    assert_eq!(config("example.org").await?["configuredBy"], "A");
    lab.publish("www.example.org", "CNAME", "cname.vercel-dns.com.").await?;
    assert_eq!(config("www.example.org").await?["configuredBy"], "CNAME");
    assert_eq!(config("*.example.org").await?["misconfigured"], true, "a wildcard needs the name servers");
    assert_eq!(lab.vercel("GET", "/v8/certs", None).await?.1["certs"], json!([]));
    lab.advance(4.0).await?;
    let (_, certs) = lab.vercel("GET", "/v8/certs", None).await?;
    assert_eq!(certs["certs"].as_array().map(Vec::len), Some(2));
    let first = &certs["certs"][0];
    let life = first["expiresAt"].as_i64().unwrap_or_default() - first["createdAt"].as_i64().unwrap_or_default();
    assert_eq!(life, 90 * 24 * 3_600_000);
    assert_eq!(lab.vercel("POST", "/v8/certs", Some(json!({ "cns": ["*.example.org"] }))).await?.0, 449);
    let (_, found) = lab.vercel("GET", "/v1/domains/example.org/project-domains", None).await?;
    assert_eq!(found["projectDomains"].as_array().map(Vec::len), Some(3));
    Ok(())
}

#[tokio::test]
async fn redirects_need_their_target_and_domains_move_with_them() -> anyhow::Result<()> {
    let lab = Lab::start(json!({ "autoDns": true })).await?;
    lab.project("shop").await?;
    let to = lab.project("blog").await?;
    let path = "/v10/projects/shop/domains";
    let www = json!({ "name": "www.example.org", "redirect": "example.org", "redirectStatusCode": 307 });
    assert_eq!(code(&lab.vercel("POST", path, Some(www.clone())).await?.1), "invalid_redirect");
    lab.vercel("POST", path, Some(json!({ "name": "example.org" }))).await?;
    let both = json!({ "name": "b.example.org", "redirect": "example.org", "gitBranch": "dev" });
    assert_eq!(lab.vercel("POST", path, Some(both)).await?.0, 400);
    assert_eq!(lab.vercel("POST", path, Some(www)).await?.1["redirectStatusCode"], 307);
    let domain = "/v9/projects/shop/domains/example.org";
    assert_eq!(lab.vercel("DELETE", domain, None).await?.0, 409, "something redirects to it");
    let moved = "/v1/projects/shop/domains/example.org/move";
    assert_eq!(lab.vercel("POST", moved, Some(json!({ "projectId": to }))).await?.1["projectId"], json!(to));
    assert_eq!(lab.vercel("GET", domain, None).await?.0, 404);
    assert_eq!(lab.vercel("GET", "/v9/projects/blog/domains/www.example.org", None).await?.0, 200);
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
