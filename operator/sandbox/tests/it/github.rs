//! GitHub's REST half: what it gives, and what it refuses.

use forkable_sandbox::{GithubPlan, Latencies, Options, Settings};
use serde_json::{Value, json};

use crate::caller::{Caller, Result, eventually};

const NONE: Value = Value::Null;

fn slow_generate() -> Settings {
    // Nothing happens until a test pushes the clock.
    let latencies = Latencies { generate_ms: 3_600_000, fork_ms: 3_600_000, ..Latencies::default() };
    Settings { limits: false, latencies, ..Settings::default() }
}

#[tokio::test]
async fn a_generated_repository_is_empty_until_its_content_arrives() -> Result {
    let caller = Caller::with(slow_generate()).await?;
    let made = caller.generate("acme").await?;
    assert_eq!(made["full_name"], "acme-inc/acme");
    assert_eq!(made["template_repository"]["full_name"], "forkable-ai/framework");

    let early = caller.get("/repos/acme-inc/acme/git/trees/main").await?;
    assert_eq!((early.status.as_u16(), &early.body["message"]), (409, &json!("Git Repository is empty.")));
    let patch = caller.github("PATCH /repos/acme-inc/acme", json!({ "default_branch": "main" })).await?;
    assert_eq!(patch.status, 422);

    caller.admin("PUT /clock", json!({ "advanceSeconds": 3600 })).await?.expect(200)?;
    let tree = caller.get("/repos/acme-inc/acme/git/trees/main?recursive=1").await?.expect(200)?;
    let template = caller.get("/repos/forkable-ai/framework/git/trees/main?recursive=1").await?.expect(200)?;
    assert_eq!(tree["sha"], template["sha"], "the same tree under a first commit of its own");
    let commits = caller.get("/repos/acme-inc/acme/commits").await?.expect(200)?;
    assert_eq!(commits.as_array().map(Vec::len), Some(1));
    assert_eq!(commits[0]["commit"]["message"], "Initial commit");
    Ok(())
}

#[tokio::test]
async fn generate_refuses_what_github_refuses() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    let call = "POST /repos/forkable-ai/framework/generate";
    let again = caller.github(call, json!({ "owner": "acme-inc", "name": "ACME" })).await?.expect(422)?;
    assert_eq!(again["message"], "Could not clone: Name already exists on this account");
    let unknown = json!({ "owner": "acme-inc", "name": "b", "visibility": "private" });
    let unknown = caller.github(call, unknown).await?.expect(422)?;
    assert!(unknown["message"].as_str().is_some_and(|message| message.contains("visibility")), "{unknown}");
    caller.github(call, json!({ "owner": "acme-inc", "name": "a b" })).await?.expect(422)?;
    caller.github(call, json!({ "owner": "acme-inc", "name": "a".repeat(101) })).await?.expect(422)?;
    let no_template = "POST /repos/forkable-ai/storefront/generate";
    caller.github(no_template, json!({ "owner": "acme-inc", "name": "c" })).await?.expect(422)?;
    caller.github("POST /repos/forkable-ai/nothing/generate", json!({ "name": "c" })).await?.expect(404)?;
    Ok(())
}

#[tokio::test]
async fn forks_arrive_later_and_only_once() -> Result {
    let caller = Caller::with(slow_generate()).await?;
    let fork = json!({ "organization": "acme-inc", "name": "fork" });
    let made = caller.github("POST /repos/forkable-ai/framework/forks", fork.clone()).await?.expect(202)?;
    assert_eq!(made["parent"]["full_name"], "forkable-ai/framework");
    caller.get("/repos/acme-inc/fork/git/ref/heads/main").await?.expect(409)?;
    caller.admin("PUT /clock", json!({ "advanceSeconds": 3600 })).await?.expect(200)?;
    let ours = caller.get("/repos/acme-inc/fork/git/ref/heads/main").await?.expect(200)?;
    let theirs = caller.get("/repos/forkable-ai/framework/git/ref/heads/main").await?.expect(200)?;
    assert_eq!(ours["object"]["sha"], theirs["object"]["sha"]);
    let again = caller.github("POST /repos/forkable-ai/framework/forks", fork).await?.expect(202)?;
    assert_eq!(again["id"], made["id"]);
    Ok(())
}

#[tokio::test]
async fn a_renamed_repository_redirects_by_method() -> Result {
    let caller = Caller::start().await?;
    let made = caller.generate("old").await?;
    caller.github("PATCH /repos/acme-inc/old", json!({ "name": "new" })).await?.expect(200)?;
    let by_id = format!("/repositories/{}", made["id"]);
    let moved = caller.get("/repos/acme-inc/old/topics").await?;
    assert_eq!(moved.status, 301);
    assert!(moved.header("location").ends_with(&format!("/github{by_id}/topics")), "{}", moved.header("location"));
    assert_eq!(caller.github("PATCH /repos/acme-inc/old", json!({ "name": "x" })).await?.status, 307);
    assert_eq!(caller.get(&by_id).await?.expect(200)?["full_name"], "acme-inc/new");
    // The redirect ends when the name is used again.
    caller.generate("old").await?;
    assert_ne!(caller.get("/repos/acme-inc/old").await?.expect(200)?["id"], made["id"]);
    Ok(())
}

#[tokio::test]
async fn settings_are_kept_and_an_archived_repository_is_read_only() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    let settings = json!({
        "description": "A product", "homepage": "https://acme.example.com", "has_wiki": false, "allow_rebase_merge": false,
        "delete_branch_on_merge": true,
        "security_and_analysis": { "secret_scanning": { "status": "enabled" }, "secret_scanning_push_protection": { "status": "enabled" } },
    });
    let patched = caller.github("PATCH /repos/acme-inc/acme", settings.clone()).await?.expect(200)?;
    for name in ["description", "homepage", "has_wiki", "allow_rebase_merge", "delete_branch_on_merge"] {
        assert_eq!(patched[name], settings[name], "{name}");
    }
    assert_eq!(patched["security_and_analysis"]["secret_scanning"]["status"], "enabled");
    let topics = caller.github("PUT /repos/acme-inc/acme/topics", json!({ "names": ["B", "a"] })).await?.expect(200)?;
    assert_eq!(topics["names"], json!(["a", "b"]));
    caller.github("PUT /repos/acme-inc/acme/topics", json!({ "names": ["no spaces"] })).await?.expect(422)?;
    let many: Vec<_> = (0..21).map(|n| format!("t{n}")).collect();
    caller.github("PUT /repos/acme-inc/acme/topics", json!({ "names": many })).await?.expect(422)?;
    let nothing = json!({ "allow_merge_commit": false, "allow_squash_merge": false });
    caller.github("PATCH /repos/acme-inc/acme", nothing).await?.expect(422)?;

    caller.github("PATCH /repos/acme-inc/acme", json!({ "archived": true })).await?.expect(200)?;
    let refused = caller.github("PUT /repos/acme-inc/acme/topics", json!({ "names": [] })).await?.expect(403)?;
    assert_eq!(refused["message"], "Repository was archived so is read-only.");
    caller.github("PATCH /repos/acme-inc/acme", json!({ "archived": false })).await?.expect(200)?;
    caller.github("DELETE /repos/acme-inc/acme", NONE).await?.expect(204)?;
    caller.get("/repos/acme-inc/acme").await?.expect(404)?;
    Ok(())
}

#[tokio::test]
async fn files_can_be_written_one_by_one_or_as_a_tree() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    caller.commit_file("acme-inc/acme", "docs/notes.md", "one").await?;
    let again = caller.commit_file("acme-inc/acme", "docs/notes.md", "two").await?;
    assert_eq!(again["content"]["size"], 3);
    let stale = json!({ "message": "m", "content": "eA==", "sha": "0".repeat(40) });
    caller.github("PUT /repos/acme-inc/acme/contents/docs/notes.md", stale).await?.expect(409)?;

    let head = caller.get("/repos/acme-inc/acme/git/ref/heads/main").await?.expect(200)?["object"]["sha"].clone();
    let tree = json!({ "base_tree": head, "tree": [
        { "path": "run.sh", "mode": "100755", "type": "blob", "content": "#!/bin/sh\n" },
        { "path": "docs", "mode": "040000", "type": "tree", "sha": null },
    ]});
    let tree = caller.github("POST /repos/acme-inc/acme/git/trees", tree).await?.expect(201)?;
    let paths: Vec<_> = tree["tree"].as_array().into_iter().flatten().map(|line| line["path"].clone()).collect();
    assert!(paths.contains(&json!("run.sh")) && !paths.contains(&json!("docs")), "{paths:?}");
    let commit = json!({ "message": "m", "tree": tree["sha"], "parents": [head] });
    let commit = caller.github("POST /repos/acme-inc/acme/git/commits", commit).await?.expect(201)?;
    let update = "PATCH /repos/acme-inc/acme/git/refs/heads/main";
    caller.github(update, json!({ "sha": commit["sha"] })).await?.expect(200)?;
    let back = caller.github(update, json!({ "sha": head })).await?.expect(422)?;
    assert_eq!(back["message"], "Update is not a fast forward");
    let compare = format!("/repos/acme-inc/acme/compare/{}...main", head.as_str().unwrap_or_default());
    let compare = caller.get(&compare).await?.expect(200)?;
    assert_eq!((&compare["ahead_by"], &compare["status"]), (&json!(1), &json!("ahead")));
    Ok(())
}

#[tokio::test]
async fn objects_of_other_repositories_are_not_there() -> Result {
    let caller = Caller::start().await?;
    caller.generate("one").await?;
    caller.generate("two").await?;
    let made = caller.commit_file("acme-inc/one", "only-here.md", "only in one").await?;
    let blob = made["content"]["sha"].as_str().unwrap_or_default();
    caller.get(&format!("/repos/acme-inc/one/git/blobs/{blob}")).await?.expect(200)?;
    caller.get(&format!("/repos/acme-inc/two/git/blobs/{blob}")).await?.expect(404)?;
    let tree = json!({ "tree": [{ "path": "x", "mode": "100644", "type": "blob", "sha": blob }] });
    caller.github("POST /repos/acme-inc/two/git/trees", tree).await?.expect(422)?;
    Ok(())
}

#[tokio::test]
async fn active_rulesets_keep_pushes_out_but_for_those_who_may_bypass() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    let rules = "POST /repos/acme-inc/acme/rulesets";
    let review = json!({
        "required_approving_review_count": 1, "dismiss_stale_reviews_on_push": false, "require_code_owner_review": false,
        "require_last_push_approval": false, "required_review_thread_resolution": false,
    });
    let set = json!({
        "name": "main", "target": "branch", "enforcement": "active",
        "conditions": { "ref_name": { "include": ["~DEFAULT_BRANCH"], "exclude": [] } },
        "rules": [{ "type": "deletion" }, { "type": "pull_request", "parameters": review }],
    });
    let made = caller.github(rules, set.clone()).await?.expect(201)?;
    let file = json!({ "message": "m", "content": "eA==" });
    let refused = caller.github("PUT /repos/acme-inc/acme/contents/a", file.clone()).await?.expect(409)?;
    let message = refused["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("Repository rule violations found"), "{message}");
    caller.github("DELETE /repos/acme-inc/acme/git/refs/heads/main", NONE).await?.expect(422)?;

    let mut with_bypass = set.clone();
    with_bypass["bypass_actors"] = json!([{ "actor_id": 5, "actor_type": "RepositoryRole" }]);
    let update = format!("PUT /repos/acme-inc/acme/rulesets/{}", made["id"]);
    let updated = caller.github(&update, with_bypass).await?.expect(200)?;
    assert_eq!(updated["bypass_actors"][0]["bypass_mode"], "always");
    caller.github("PUT /repos/acme-inc/acme/contents/a", file).await?.expect(201)?;

    let list = caller.get("/repos/acme-inc/acme/rulesets").await?.expect(200)?;
    assert!(list[0].get("rules").is_none(), "the list is without rules");
    let mut bad = set.clone();
    bad["enforcement"] = json!("on");
    caller.github(rules, bad).await?.expect(422)?;
    let mut bad = set;
    bad["bypass_actors"] = json!([{ "actor_id": 99, "actor_type": "Integration" }]);
    caller.github(rules, bad).await?.expect(422)?;
    Ok(())
}

#[tokio::test]
async fn plans_limit_what_private_repositories_get() -> Result {
    let caller = Caller::with(Settings { limits: false, github_plan: GithubPlan::Free, ..Settings::default() }).await?;
    caller.generate("acme").await?;
    let upgrade = caller.get("/repos/acme-inc/acme/rulesets").await?.expect(403)?;
    assert!(upgrade["message"].as_str().is_some_and(|text| text.starts_with("Upgrade to GitHub Pro")), "{upgrade}");
    caller.admin("PUT /settings", json!({ "githubPlan": "team" })).await?.expect(200)?;
    caller.get("/repos/acme-inc/acme/rulesets").await?.expect(200)?;
    let reviewed = json!({ "reviewers": [{ "type": "User", "id": 1001 }] });
    let reviewers =
        caller.github("PUT /repos/acme-inc/acme/environments/production", reviewed.clone()).await?.expect(422)?;
    assert!(reviewers["message"].as_str().is_some_and(|text| text.contains("billing plan")), "{reviewers}");
    let scanning = json!({ "security_and_analysis": { "secret_scanning": { "status": "enabled" } } });
    caller.github("PATCH /repos/acme-inc/acme", scanning).await?.expect(422)?;
    // A public repository has all of it on every plan.
    caller.github("PATCH /repos/acme-inc/acme", json!({ "visibility": "public" })).await?.expect(200)?;
    caller.github("PUT /repos/acme-inc/acme/environments/production", reviewed).await?.expect(200)?;
    Ok(())
}

#[tokio::test]
async fn environments_are_put_whole() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    let call = "PUT /repos/acme-inc/acme/environments/staging%2Feu";
    let policy = json!({ "protected_branches": false, "custom_branch_policies": true });
    let body =
        json!({ "wait_timer": 30, "reviewers": [{ "type": "User", "id": 1001 }], "deployment_branch_policy": policy });
    let made = caller.github(call, body).await?.expect(200)?;
    assert_eq!(made["name"], "staging/eu");
    assert_eq!(made["protection_rules"].as_array().map(Vec::len), Some(3));
    let policies = "POST /repos/acme-inc/acme/environments/staging%2Feu/deployment-branch-policies";
    caller.github(policies, json!({ "name": "release-*" })).await?.expect(200)?;
    assert_eq!(caller.github(policies, json!({ "name": "release-*" })).await?.status, 303);
    let reset = caller.github(call, json!({})).await?.expect(200)?;
    assert_eq!(reset["protection_rules"], json!([]));
    assert_eq!(reset["id"], made["id"]);
    let both = json!({ "deployment_branch_policy": { "protected_branches": true, "custom_branch_policies": true } });
    caller.github(call, both).await?.expect(422)?;
    caller.github(call, json!({ "unknown": 1 })).await?.expect(422)?;
    caller.github("DELETE /repos/acme-inc/acme/environments/staging%2Feu", NONE).await?.expect(204)?;
    Ok(())
}

#[tokio::test]
async fn secrets_must_be_sealed_for_the_very_place() -> Result {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    caller.github("PUT /repos/acme-inc/acme/environments/prod", json!({})).await?.expect(200)?;
    let key = caller.get("/repos/acme-inc/acme/actions/secrets/public-key").await?.expect(200)?;
    let other = caller.get("/repos/acme-inc/acme/environments/prod/secrets/public-key").await?.expect(200)?;
    assert_ne!(key["key"], other["key"]);
    let sealed = |key: &Value, id: &Value, text: &str| -> Result<Value> {
        let bytes: [u8; 32] =
            BASE64_STANDARD.decode(key["key"].as_str().unwrap_or_default())?.try_into().unwrap_or_default();
        let sealed = crypto_box::PublicKey::from(bytes).seal(&mut crypto_box::aead::OsRng, text.as_bytes());
        let sealed = sealed.map_err(|_| anyhow::anyhow!("not sealed"))?;
        Ok(json!({ "encrypted_value": BASE64_STANDARD.encode(sealed), "key_id": id["key_id"] }))
    };
    let call = "PUT /repos/acme-inc/acme/actions/secrets/token";
    caller.github(call, sealed(&key, &key, "one")?).await?.expect(201)?;
    caller.github(call, sealed(&key, &key, "two")?).await?.expect(204)?;
    caller.github(call, sealed(&other, &key, "three")?).await?.expect(422)?;
    caller.github(call, sealed(&key, &other, "three")?).await?.expect(422)?;
    caller
        .github("PUT /repos/acme-inc/acme/environments/prod/secrets/token", sealed(&other, &other, "env")?)
        .await?
        .expect(201)?;
    let list = caller.get("/repos/acme-inc/acme/actions/secrets").await?.expect(200)?;
    assert_eq!((&list["total_count"], &list["secrets"][0]["name"]), (&json!(1), &json!("TOKEN")));
    assert!(!list.to_string().contains("two"), "values are never shown");
    let inventory = caller.admin("GET /inventory", NONE).await?.expect(200)?;
    let repos = inventory["github"]["repos"].as_array().cloned().unwrap_or_default();
    let acme = repos.iter().find(|repo| repo["full_name"] == "acme-inc/acme").cloned().unwrap_or_default();
    assert_eq!(acme["settings"]["secrets"]["TOKEN"]["value"], "two");
    Ok(())
}

#[tokio::test]
async fn variables_are_made_changed_and_not_made_twice() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    let make = "POST /repos/acme-inc/acme/actions/variables";
    for number in 0..12 {
        caller.github(make, json!({ "name": format!("V{number:02}"), "value": "1" })).await?.expect(201)?;
    }
    let twice = caller.github(make, json!({ "name": "v00", "value": "2" })).await?.expect(409)?;
    assert_eq!(twice["message"], "Already exists - Variable already exists");
    caller.github("PATCH /repos/acme-inc/acme/actions/variables/V00", json!({ "value": "2" })).await?.expect(204)?;
    assert_eq!(caller.get("/repos/acme-inc/acme/actions/variables/V00").await?.expect(200)?["value"], "2");
    caller.github(make, json!({ "name": "GITHUB_X", "value": "1" })).await?.expect(422)?;
    // Ten to a page unless asked for more.
    let first = caller.get("/repos/acme-inc/acme/actions/variables").await?;
    assert!(first.header("link").contains("rel=\"next\""), "{}", first.header("link"));
    assert_eq!(first.body["variables"].as_array().map(Vec::len), Some(10));
    let second = caller.get("/repos/acme-inc/acme/actions/variables?page=2").await?;
    assert_eq!(second.body["variables"].as_array().map(Vec::len), Some(2));
    assert!(!second.header("link").contains("rel=\"next\""));
    let all = caller.get("/repos/acme-inc/acme/actions/variables?per_page=30").await?;
    assert_eq!(all.header("link"), "");
    Ok(())
}

#[tokio::test]
async fn security_fixes_need_alerts() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    caller.get("/repos/acme-inc/acme/vulnerability-alerts").await?.expect(404)?;
    caller.github("PUT /repos/acme-inc/acme/automated-security-fixes", NONE).await?.expect(422)?;
    caller.github("PUT /repos/acme-inc/acme/vulnerability-alerts", NONE).await?.expect(204)?;
    caller.github("PUT /repos/acme-inc/acme/automated-security-fixes", NONE).await?.expect(204)?;
    caller.get("/repos/acme-inc/acme/vulnerability-alerts").await?.expect(204)?;
    Ok(())
}

#[tokio::test]
async fn permissions_of_a_token_are_what_it_can_do() -> Result {
    let mut caller = Caller::start().await?;
    caller.generate("acme").await?;
    caller
        .use_token(json!({
            "provider": "github", "token": "fine", "kind": "fine-grained", "owners": ["acme-inc"],
            "permissions": { "contents": "read" },
        }))
        .await?;
    caller.get("/repos/acme-inc/acme").await?.expect(200)?;
    let refused = caller.github("PUT /repos/acme-inc/acme/topics", json!({ "names": [] })).await?;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body["message"], "Resource not accessible by personal access token");
    assert_eq!(refused.header("x-accepted-github-permissions"), "administration=write");
    caller
        .use_token(json!({
            "provider": "github", "token": "stranger", "kind": "classic", "login": "nobody", "scopes": ["repo"],
        }))
        .await?;
    caller.get("/repos/acme-inc/acme").await?.expect(404)?;
    caller.token = "wrong".to_owned();
    assert_eq!(caller.get("/user").await?.expect(401)?["message"], "Bad credentials");
    caller.token = String::new();
    caller.get("/repos/forkable-ai/framework").await?.expect(200)?;
    caller.github("POST /user/repos", json!({ "name": "x" })).await?.expect(401)?;
    Ok(())
}

#[tokio::test]
async fn workflow_files_need_their_own_scope() -> Result {
    let mut caller = Caller::start().await?;
    caller.generate("acme").await?;
    caller.use_token(json!({ "provider": "github", "token": "plain", "scopes": ["repo"] })).await?;
    let body = json!({ "message": "m", "content": "eA==" });
    let refused =
        caller.github("PUT /repos/acme-inc/acme/contents/.github/workflows/new.yml", body).await?.expect(403)?;
    assert!(refused["message"].as_str().is_some_and(|text| text.contains("without `workflow` scope")), "{refused}");
    Ok(())
}

#[tokio::test]
async fn entity_tags_save_quota_and_belong_to_the_token() -> Result {
    let mut caller = Caller::start().await?;
    let first = caller.get("/repos/forkable-ai/framework").await?;
    let tag = first.header("etag").to_owned();
    let used = first.header("x-ratelimit-used").to_owned();
    let again =
        caller.send(caller.github_request("GET /repos/forkable-ai/framework").header("if-none-match", &tag)).await?;
    assert_eq!(again.status, 304);
    let rate = caller.get("/rate_limit").await?.expect(200)?;
    assert_eq!(rate["resources"]["core"]["used"].to_string(), used, "a 304 costs nothing");
    caller.use_token(json!({ "provider": "github", "token": "other", "scopes": ["repo"] })).await?;
    let other =
        caller.send(caller.github_request("GET /repos/forkable-ai/framework").header("if-none-match", &tag)).await?;
    assert_eq!(other.status, 200);
    Ok(())
}

#[tokio::test]
async fn limits_answer_as_github_does() -> Result {
    let caller = Caller::with(Settings::default()).await?;
    caller.generate("acme").await?;
    let mut refused = None;
    for number in 0..90 {
        let body = json!({ "name": format!("V{number}"), "value": "1" });
        let answer = caller.github("POST /repos/acme-inc/acme/actions/variables", body).await?;
        if answer.status != 201 {
            refused = Some((number, answer));
            break;
        }
    }
    let (number, refused) = refused.expect("80 content-creating requests a minute");
    assert_eq!((number, refused.status.as_u16()), (79, 403), "generate was the first of 80");
    assert!(refused.header("retry-after").parse::<u64>()? <= 60);
    assert!(refused.body["message"].as_str().is_some_and(|text| text.contains("secondary rate limit")));
    caller.admin("PUT /clock", json!({ "advanceSeconds": 61 })).await?.expect(200)?;
    let body = json!({ "name": "LATER", "value": "1" });
    caller.github("POST /repos/acme-inc/acme/actions/variables", body).await?.expect(201)?;
    Ok(())
}

#[tokio::test]
async fn versions_and_clients_are_checked() -> Result {
    let caller = Caller::start().await?;
    let url = format!("{}/rate_limit", caller.server.github_url());
    let old = caller.http.get(&url).bearer_auth(&caller.token).header("x-github-api-version", "2021-01-01");
    assert_eq!(caller.send(old).await?.status, 400);
    let nameless = reqwest::Client::new().get(&url).bearer_auth(&caller.token);
    assert_eq!(caller.send(nameless).await?.status, 403);
    caller.get("/no/such/path").await?.expect(404)?;
    caller.github("PUT /rate_limit", NONE).await?.expect(404)?;
    Ok(())
}

#[tokio::test]
async fn checks_are_what_was_reported() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    let head = caller.get("/repos/acme-inc/acme/git/ref/heads/main").await?.expect(200)?["object"]["sha"].clone();
    let sha = head.as_str().unwrap_or_default();
    let combined = format!("/repos/acme-inc/acme/commits/{sha}/status");
    assert_eq!(caller.get(&combined).await?.expect(200)?["state"], "pending");
    let status = format!("POST /repos/acme-inc/acme/statuses/{sha}");
    caller.github(&status, json!({ "state": "success", "context": "ci" })).await?.expect(201)?;
    assert_eq!(caller.get(&combined).await?.expect(200)?["state"], "success");
    let run = json!({ "name": "build", "head_sha": sha, "conclusion": "failure" });
    caller.github("POST /repos/acme-inc/acme/check-runs", run).await?.expect(201)?;
    let runs = caller.get(&format!("/repos/acme-inc/acme/commits/{sha}/check-runs")).await?.expect(200)?;
    assert_eq!(runs["check_runs"][0]["status"], "completed");
    Ok(())
}

#[tokio::test]
async fn a_snapshot_brings_the_world_back() -> Result {
    let folder = tempfile::tempdir()?;
    let options = || Options {
        snapshot: Some(folder.path().join("world.json")),
        settings: slow_generate(),
        ..Options::default()
    };
    let caller = Caller::open(options()).await?;
    let made = caller.generate("acme").await?;
    // Not stopped, so that only what was written with the answer is there.
    drop(caller);
    let caller = Caller::open(options()).await?;
    assert_eq!(caller.get("/repos/acme-inc/acme").await?.expect(200)?["id"], made["id"]);
    caller.get("/repos/acme-inc/acme/git/ref/heads/main").await?.expect(409)?;
    caller.admin("PUT /clock", json!({ "advanceSeconds": 3600 })).await?.expect(200)?;
    eventually(async || {
        let answer = caller.get("/repos/acme-inc/acme/git/ref/heads/main").await?;
        Ok(answer.status.is_success().then_some(()))
    })
    .await?;
    caller.server.stop().await;
    Ok(())
}
