//! GitHub's GraphQL half.

use forkable_sandbox::{GithubPlan, Latencies, Settings};
use serde_json::{Value, json};

use crate::caller::{Caller, Result};

const REPOSITORY: &str = "query R($owner: String!, $name: String!) { repository(owner: $owner, name: $name) {
    id databaseId nameWithOwner isEmpty visibility viewerPermission viewerCanAdminister hasVulnerabilityAlertsEnabled
    owner { login id } templateRepository { databaseId nameWithOwner } primaryLanguage { name }
    defaultBranchRef { name target { oid ... on Commit { message tree { oid } author { user { login } } statusCheckRollup { state } } } }
    package: object(expression: \"HEAD:package.json\") { ... on Blob { oid byteSize text isBinary } }
    app: object(expression: \"main:app\") { ... on Tree { oid entries { name mode type oid } } }
    repositoryTopics(first: 20) { nodes { topic { name } } }
    environments(first: 10) { nodes { name databaseId protectionRules(first: 5) { nodes { type timeout preventSelfReview
        reviewers(first: 6) { nodes { ... on User { login databaseId } ... on Team { slug databaseId } } } } } } }
    rulesets(first: 10, includeParents: false) { totalCount nodes { databaseId name enforcement target updatedAt
        conditions { refName { include exclude } }
        bypassActors(first: 10) { nodes { bypassMode repositoryRoleDatabaseId repositoryRoleName organizationAdmin actor { ... on App { databaseId } } } }
        rules(first: 10) { nodes { type parameters { ... on PullRequestParameters { requiredApprovingReviewCount }
            ... on RequiredStatusChecksParameters { strictRequiredStatusChecksPolicy requiredStatusChecks { context integrationId } } } } } } }
} rateLimit { cost remaining resetAt used limit nodeCount } }";

async fn repository(caller: &Caller, name: &str) -> Result<Value> {
    let answer = caller.graphql(REPOSITORY, json!({ "owner": "acme-inc", "name": name })).await?;
    anyhow::ensure!(answer.get("errors").is_none(), "{answer}");
    Ok(answer["data"].clone())
}

async fn head(caller: &Caller, name: &str) -> Result<Value> {
    Ok(repository(caller, name).await?["repository"]["defaultBranchRef"]["target"]["oid"].clone())
}

const COMMIT: &str = "mutation CreateCommit($input: CreateCommitOnBranchInput!) {
    createCommitOnBranch(input: $input) { commit { oid url messageHeadline messageBody } clientMutationId } }";

fn input(head: &Value, changes: &Value) -> Value {
    json!({ "input": {
        "branch": { "repositoryNameWithOwner": "acme-inc/acme", "branchName": "main" },
        "message": { "headline": "Change", "body": "Because" },
        "expectedHeadOid": head, "fileChanges": changes, "clientMutationId": "m1",
    }})
}

#[tokio::test]
async fn one_query_tells_all_of_a_repository() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    caller.github("PUT /repos/acme-inc/acme/topics", json!({ "names": ["fork"] })).await?.expect(200)?;
    let reviewed = json!({ "reviewers": [{ "type": "User", "id": 1001 }], "prevent_self_review": true });
    caller.github("PUT /repos/acme-inc/acme/environments/prod", reviewed).await?.expect(200)?;
    let rules = json!({
        "name": "main", "enforcement": "active",
        "conditions": { "ref_name": { "include": ["~DEFAULT_BRANCH"], "exclude": [] } },
        "bypass_actors": [{ "actor_id": 5, "actor_type": "RepositoryRole" }, { "actor_id": 4242, "actor_type": "Integration" }],
        "rules": [
            { "type": "non_fast_forward" },
            { "type": "required_status_checks", "parameters": {
                "strict_required_status_checks_policy": true, "required_status_checks": [{ "context": "ci", "integration_id": 15368 }],
            }},
        ],
    });
    caller.github("POST /repos/acme-inc/acme/rulesets", rules).await?.expect(201)?;

    let data = repository(&caller, "acme").await?;
    let repo = &data["repository"];
    assert_eq!(repo["templateRepository"]["nameWithOwner"], "forkable-ai/framework");
    assert_eq!((&repo["visibility"], &repo["viewerPermission"]), (&json!("PRIVATE"), &json!("ADMIN")));
    assert_eq!(repo["primaryLanguage"]["name"], "TypeScript");
    let target = &repo["defaultBranchRef"]["target"];
    assert_eq!((&target["message"], &target["statusCheckRollup"]), (&json!("Initial commit"), &Value::Null));
    assert_eq!(target["author"]["user"]["login"], "octo-founder");
    assert!(repo["package"]["text"].as_str().is_some_and(|text| text.contains("\"build\"")));
    assert_eq!(repo["app"]["entries"][0]["name"], "page.tsx");
    assert_eq!(repo["app"]["entries"][0]["mode"], 0o100_644);
    assert_eq!(repo["repositoryTopics"]["nodes"][0]["topic"]["name"], "fork");
    let rule = &repo["environments"]["nodes"][0]["protectionRules"]["nodes"][0];
    assert_eq!(
        (&rule["type"], &rule["reviewers"]["nodes"][0]["login"]),
        (&json!("REQUIRED_REVIEWERS"), &json!("octo-founder"))
    );
    let set = &repo["rulesets"]["nodes"][0];
    assert_eq!((&set["enforcement"], &set["target"]), (&json!("ACTIVE"), &json!("BRANCH")));
    assert_eq!(
        set["rules"]["nodes"][1]["parameters"]["requiredStatusChecks"][0],
        json!({ "context": "ci", "integrationId": 15368 })
    );
    assert_eq!(set["bypassActors"]["nodes"][0]["repositoryRoleName"], "admin");
    assert_eq!(set["bypassActors"]["nodes"][1]["actor"]["databaseId"], 4242);
    assert_eq!(data["rateLimit"]["cost"], 1);
    Ok(())
}

#[tokio::test]
async fn nodes_keep_their_order_and_tell_what_is_gone() -> Result {
    let caller = Caller::start().await?;
    let ids = [
        caller.generate("a").await?["node_id"].clone(),
        json!("R_kgDOAAAAAA"),
        caller.generate("b").await?["node_id"].clone(),
    ];
    let query = "query N($ids: [ID!]!) { nodes(ids: $ids) { ... on Repository { name } } }";
    let answer = caller.graphql(query, json!({ "ids": ids })).await?;
    assert_eq!(answer["data"]["nodes"], json!([{ "name": "a" }, null, { "name": "b" }]));
    assert_eq!((&answer["errors"][0]["type"], &answer["errors"][0]["path"]), (&json!("NOT_FOUND"), &json!(["nodes"])));
    Ok(())
}

#[tokio::test]
async fn a_missing_repository_is_null_with_a_typed_error() -> Result {
    let caller = Caller::start().await?;
    let answer = caller.graphql(REPOSITORY, json!({ "owner": "acme-inc", "name": "none" })).await?;
    assert_eq!(answer["data"]["repository"], Value::Null);
    assert!(answer["data"]["rateLimit"].is_object(), "the other fields are still answered");
    assert_eq!(answer["errors"][0]["type"], "NOT_FOUND");
    assert_eq!(answer["errors"][0]["path"], json!(["repository"]));
    let invalid = caller.graphql("{ repository(owner: \"a\", name: \"b\") { noSuchField } }", json!({})).await?;
    assert!(invalid.get("data").is_none() && invalid["errors"][0]["message"].is_string(), "{invalid}");
    Ok(())
}

#[tokio::test]
async fn one_commit_carries_many_files() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    let first = head(&caller, "acme").await?;
    let changes = json!({
        "additions": [{ "path": "a.txt", "contents": "YQ==" }, { "path": "deep/b.txt", "contents": "Yg==" }],
        "deletions": [{ "path": "LICENSE" }],
    });
    let made = caller.graphql(COMMIT, input(&first, &changes)).await?;
    let commit = &made["data"]["createCommitOnBranch"]["commit"];
    assert_eq!((&commit["messageHeadline"], &commit["messageBody"]), (&json!("Change"), &json!("Because")));
    assert_eq!(made["data"]["createCommitOnBranch"]["clientMutationId"], "m1");
    assert_eq!(head(&caller, "acme").await?, commit["oid"]);
    caller.get("/repos/acme-inc/acme/contents/deep/b.txt").await?.expect(200)?;
    caller.get("/repos/acme-inc/acme/contents/LICENSE").await?.expect(404)?;

    let stale = caller.graphql(COMMIT, input(&first, &changes)).await?;
    assert_eq!(stale["data"]["createCommitOnBranch"], Value::Null);
    assert_eq!(stale["errors"][0]["type"], "STALE_DATA");
    let log = caller.admin("GET /requests", Value::Null).await?.expect(200)?;
    let commits: Vec<_> = log
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| entry["operation"] == "graphql mutation CreateCommit")
        .map(|entry| entry["committed"].clone())
        .collect();
    assert_eq!(commits, [true, false]);
    Ok(())
}

#[tokio::test]
async fn a_commit_is_refused_where_rules_or_files_are_against_it() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    let first = head(&caller, "acme").await?;
    let missing = json!({ "deletions": [{ "path": "nowhere" }] });
    assert_eq!(caller.graphql(COMMIT, input(&first, &missing)).await?["errors"][0]["type"], "UNPROCESSABLE");
    let rules = json!({
        "name": "main", "enforcement": "active", "rules": [{ "type": "update" }],
        "conditions": { "ref_name": { "include": ["refs/heads/main"], "exclude": [] } },
    });
    caller.github("POST /repos/acme-inc/acme/rulesets", rules).await?.expect(201)?;
    let refused = caller.graphql(COMMIT, input(&first, &json!({}))).await?;
    let message = refused["errors"][0]["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("Repository rule violations found"), "{message}");
    assert_eq!(head(&caller, "acme").await?, first);
    Ok(())
}

#[tokio::test]
async fn an_empty_repository_is_told_apart_from_a_missing_one() -> Result {
    let latencies = Latencies { generate_ms: 3_600_000, ..Latencies::default() };
    let caller = Caller::with(Settings { limits: false, latencies, ..Settings::default() }).await?;
    caller.generate("acme").await?;
    let repo = repository(&caller, "acme").await?["repository"].clone();
    assert_eq!((&repo["isEmpty"], &repo["defaultBranchRef"]), (&json!(true), &Value::Null));
    Ok(())
}

#[tokio::test]
async fn rulesets_of_a_private_repository_need_a_plan() -> Result {
    let caller = Caller::with(Settings { limits: false, github_plan: GithubPlan::Free, ..Settings::default() }).await?;
    caller.generate("acme").await?;
    let query = "{ repository(owner: \"acme-inc\", name: \"acme\") { name rulesets(first: 5) { totalCount } } }";
    let answer = caller.graphql(query, json!({})).await?;
    assert_eq!(answer["data"]["repository"], json!({ "name": "acme", "rulesets": null }));
    assert_eq!(answer["errors"][0]["type"], "FORBIDDEN");
    Ok(())
}

#[tokio::test]
async fn history_is_paged_by_cursor() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    for text in ["1", "2", "3"] {
        caller.commit_file("acme-inc/acme", "n.txt", text).await?;
    }
    let query = "query H($after: String) { repository(owner: \"acme-inc\", name: \"acme\") { defaultBranchRef { target { ... on Commit {
        history(first: 3, after: $after) { totalCount nodes { oid } pageInfo { hasNextPage endCursor } } } } } } }";
    let page = |answer: Value| answer["data"]["repository"]["defaultBranchRef"]["target"]["history"].clone();
    let first = page(caller.graphql(query, json!({})).await?);
    assert_eq!((&first["totalCount"], &first["pageInfo"]["hasNextPage"]), (&json!(4), &json!(true)));
    let second = page(caller.graphql(query, json!({ "after": first["pageInfo"]["endCursor"] })).await?);
    assert_eq!(second["nodes"].as_array().map(Vec::len), Some(1));
    assert_eq!(second["pageInfo"]["hasNextPage"], false);
    Ok(())
}

#[tokio::test]
async fn repositories_can_be_made_from_a_template_by_mutation() -> Result {
    let caller = Caller::start().await?;
    let ids =
        "{ repository(owner: \"forkable-ai\", name: \"framework\") { id } organization(login: \"acme-inc\") { id } }";
    let ids = caller.graphql(ids, json!({})).await?["data"].clone();
    let mutation = "mutation M($input: CloneTemplateRepositoryInput!) { cloneTemplateRepository(input: $input) {
        repository { nameWithOwner visibility templateRepository { name } } } }";
    let input = json!({ "input": {
        "repositoryId": ids["repository"]["id"], "ownerId": ids["organization"]["id"], "name": "acme", "visibility": "PRIVATE",
    }});
    let made = caller.graphql(mutation, input.clone()).await?;
    assert_eq!(made["data"]["cloneTemplateRepository"]["repository"]["nameWithOwner"], "acme-inc/acme", "{made}");
    assert_eq!(caller.graphql(mutation, input).await?["errors"][0]["type"], "UNPROCESSABLE");
    Ok(())
}

#[tokio::test]
async fn points_run_out_with_an_answer_of_200() -> Result {
    let caller = Caller::with(Settings::default()).await?;
    let dear = "{ viewer { repositories(first: 100) { nodes { rulesets(first: 50) { nodes { rules(first: 10) { totalCount } } } } } }
        rateLimit { cost remaining } }";
    let mut answer = caller.graphql(dear, json!({})).await?;
    assert_eq!(answer["data"]["rateLimit"], json!({ "cost": 51, "remaining": 4949 }));
    for _ in 0..98 {
        answer = caller.graphql(dear, json!({})).await?;
    }
    assert_eq!(answer["errors"][0]["type"], "RATE_LIMITED", "98 times 51 points is all there is");
    caller.admin("PUT /clock", json!({ "advanceSeconds": 3601 })).await?.expect(200)?;
    assert_eq!(caller.graphql(dear, json!({})).await?["data"]["rateLimit"]["remaining"], 4949);
    Ok(())
}
