//! `/_sandbox`: the log, faults at every point of a call, the clock, and the way back to the start.

use std::time::Duration;

use serde_json::{Value, json};

use crate::caller::{Caller, Result, eventually};

const NONE: Value = Value::Null;
const MAKE: &str = "POST /repos/{owner}/{repo}/generate";

async fn fault(caller: &Caller, fault: Value) -> Result<u64> {
    let made = caller.admin("POST /faults", fault).await?.expect(200)?;
    made["id"].as_u64().ok_or_else(|| anyhow::anyhow!("no id in {made}"))
}

async fn exists(caller: &Caller, name: &str) -> Result<bool> {
    Ok(caller.get(&format!("/repos/acme-inc/{name}")).await?.status.is_success())
}

#[tokio::test]
async fn everything_that_arrives_is_logged_under_a_stable_name() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    caller.get("/repos/acme-inc/acme/contents/app/page.tsx?ref=main").await?.expect(200)?;
    caller.get("/nowhere").await?.expect(404)?;
    let log = caller.admin("GET /requests", NONE).await?.expect(200)?;
    let names: Vec<_> = log.as_array().into_iter().flatten().map(|entry| entry["operation"].clone()).collect();
    assert_eq!(names, [MAKE, "GET /repos/{owner}/{repo}/contents/{path}", "GET /nowhere"]);
    let first = &log[0];
    assert_eq!(
        (&first["provider"], &first["write"], &first["committed"]),
        (&json!("github"), &json!(true), &json!(true))
    );
    assert_eq!((&first["status"], &first["body"]["name"]), (&json!(201), &json!("acme")));
    assert_eq!(first["headers"]["user-agent"], "sandbox-tests");
    assert!(!log.to_string().contains("sandbox-github-token"), "credentials are not kept");
    let later = caller.admin(&format!("GET /requests?since={}", first["seq"]), NONE).await?.expect(200)?;
    assert_eq!(later.as_array().map(Vec::len), Some(2));
    caller.admin("DELETE /requests", NONE).await?.expect(204)?;
    caller.get("/rate_limit").await?.expect(200)?;
    let log = caller.admin("GET /requests", NONE).await?.expect(200)?;
    assert_eq!((log.as_array().map(Vec::len), &log[0]["seq"]), (Some(1), &json!(4)), "numbers go on");
    Ok(())
}

#[tokio::test]
async fn a_cut_before_changes_nothing_and_a_cut_after_has_changed_all() -> Result {
    let caller = Caller::start().await?;
    let matching = json!({ "operation": MAKE });
    fault(&caller, json!({ "match": matching, "effect": { "cut": "before" } })).await?;
    assert!(caller.generate("before").await.is_err());
    assert!(!exists(&caller, "before").await?);
    fault(&caller, json!({ "match": matching, "effect": { "cut": "after" } })).await?;
    let cut = caller.generate("after").await.expect_err("the connection was cut");
    let cut = cut.downcast::<reqwest::Error>()?;
    assert!(cut.is_request() && cut.status().is_none(), "no answer arrived: {cut:?}");
    assert!(exists(&caller, "after").await?);
    let log = caller.admin("GET /requests", NONE).await?.expect(200)?;
    let made: Vec<_> = log
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| entry["operation"] == MAKE)
        .map(|entry| (entry["committed"] == true, entry["fault"].clone()))
        .collect();
    assert_eq!(made, [(false, json!(1)), (true, json!(2))]);
    Ok(())
}

#[tokio::test]
async fn a_fault_can_wait_for_its_turn_and_hit_so_many_times() -> Result {
    let caller = Caller::start().await?;
    let effect = json!({ "status": 503, "body": { "message": "Unavailable" }, "headers": { "retry-after": "7" } });
    let id = fault(&caller, json!({ "match": { "method": "GET", "nth": 2 }, "times": 2, "effect": effect })).await?;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(caller.get("/rate_limit").await?.status.as_u16());
    }
    assert_eq!(seen, [200, 503, 503, 200]);
    let told = caller.admin(&format!("GET /faults/{id}"), NONE).await?.expect(200)?;
    assert_eq!((&told["hits"], &told["seen"]), (&json!(2), &json!(4)));
    fault(&caller, json!({ "effect": { "status": 500 }, "times": null })).await?;
    assert_eq!(caller.get("/rate_limit").await?.status, 500);
    caller.admin("DELETE /faults", NONE).await?.expect(204)?;
    assert_eq!(caller.get("/rate_limit").await?.status, 200);
    caller.admin("POST /faults", json!({ "effect": { "explode": true } })).await?.expect(400)?;
    Ok(())
}

#[tokio::test]
async fn a_status_after_the_commit_hides_a_change_that_was_made() -> Result {
    let caller = Caller::start().await?;
    fault(&caller, json!({ "match": { "write": true }, "effect": { "status": 502, "phase": "after" } })).await?;
    assert!(caller.generate("acme").await.is_err());
    assert!(exists(&caller, "acme").await?);
    Ok(())
}

#[tokio::test]
async fn limits_are_injected_in_each_providers_shape() -> Result {
    let caller = Caller::start().await?;
    fault(&caller, json!({ "effect": { "rateLimited": "primary", "retryAfter": 30 } })).await?;
    let primary = caller.get("/user").await?;
    assert_eq!((primary.status.as_u16(), primary.header("x-ratelimit-remaining")), (403, "0"));
    fault(&caller, json!({ "effect": { "rateLimited": "secondary" } })).await?;
    let secondary = caller.get("/user").await?;
    assert_eq!((secondary.status.as_u16(), secondary.header("retry-after")), (403, ""));
    fault(
        &caller,
        json!({ "match": { "provider": "vercel" }, "effect": { "rateLimited": "vercel", "retryAfter": 5 } }),
    )
    .await?;
    let url = format!("{}/v2/user", caller.server.vercel_url());
    let vercel = caller.send(caller.http.get(url).bearer_auth("sandbox-vercel-token")).await?;
    assert_eq!((vercel.status.as_u16(), vercel.header("retry-after")), (429, "5"));
    assert_eq!(vercel.body["error"]["code"], "rate_limited");
    Ok(())
}

#[tokio::test]
async fn answers_can_arrive_in_half_or_as_nonsense() -> Result {
    let caller = Caller::start().await?;
    fault(&caller, json!({ "effect": { "truncate": true } })).await?;
    let half =
        caller.http.get(format!("{}/user", caller.server.github_url())).bearer_auth(&caller.token).send().await?;
    assert_eq!(half.status(), 200);
    assert!(half.bytes().await.is_err(), "the body breaks off");
    fault(&caller, json!({ "effect": { "malformed": true } })).await?;
    let nonsense = caller.get("/user").await?;
    assert!(nonsense.status == 200 && nonsense.body.is_string(), "{nonsense:?}");
    Ok(())
}

#[tokio::test]
async fn a_held_call_goes_on_when_it_is_released() -> Result {
    let caller = Caller::start().await?;
    for (phase, committed) in [("before", false), ("after", true)] {
        let id = fault(&caller, json!({ "match": { "operation": MAKE }, "effect": { "hold": phase } })).await?;
        let held = async {
            eventually(async || {
                let fault = caller.admin(&format!("GET /faults/{id}"), NONE).await?.expect(200)?;
                Ok((fault["held"] == 1).then_some(()))
            })
            .await?;
            let there = exists(&caller, phase).await?;
            caller.admin(&format!("POST /faults/{id}/release"), NONE).await?.expect(204)?;
            Result::Ok(there)
        };
        let (made, there) = tokio::join!(caller.generate(phase), held);
        assert_eq!(there?, committed, "{phase}");
        made?;
    }
    Ok(())
}

#[tokio::test]
async fn a_caller_that_dies_while_it_is_held_before_has_changed_nothing() -> Result {
    let caller = Caller::start().await?;
    let id = fault(&caller, json!({ "match": { "operation": MAKE }, "effect": { "hold": "before" } })).await?;
    let held = async |count: u64| {
        eventually(async || {
            let fault = caller.admin(&format!("GET /faults/{id}"), NONE).await?.expect(200)?;
            Ok((fault["held"] == count).then_some(()))
        })
        .await
    };
    let body = json!({ "owner": "acme-inc", "name": "acme" });
    let request = caller.github_request("POST /repos/forkable-ai/framework/generate").json(&body);
    let dying = tokio::spawn(request.send());
    held(1).await?;
    dying.abort();
    held(0).await?;
    caller.admin(&format!("POST /faults/{id}/release"), NONE).await?.expect(204)?;
    caller.generate("other").await?;
    assert!(!exists(&caller, "acme").await?);
    Ok(())
}

#[tokio::test]
async fn a_hanging_call_does_not_keep_the_server() -> Result {
    let caller = Caller::start().await?;
    fault(&caller, json!({ "effect": { "hang": true } })).await?;
    let request = caller.github_request("GET /user");
    let hanging = tokio::spawn(async move { request.send().await });
    eventually(async || {
        let faults = caller.admin("GET /faults", NONE).await?.expect(200)?;
        Ok((faults[0]["hits"] == 1).then_some(()))
    })
    .await?;
    tokio::time::timeout(Duration::from_secs(10), caller.server.stop()).await?;
    hanging.abort();
    Ok(())
}

#[tokio::test]
async fn reset_leads_back_to_the_seed() -> Result {
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    caller.admin("PUT /settings", json!({ "latencies": { "buildMs": 5 } })).await?.expect(200)?;
    caller.admin("POST /reset", NONE).await?.expect(204)?;
    assert!(!exists(&caller, "acme").await?);
    caller.get("/repos/forkable-ai/framework").await?.expect(200)?;
    let settings = caller.admin("GET /settings", NONE).await?.expect(200)?;
    assert_eq!((&settings["latencies"]["buildMs"], &settings["limits"]), (&json!(5), &json!(false)), "settings stay");
    caller.admin("PUT /settings", json!({ "latencies": { "unknown": 5 } })).await?.expect(400)?;
    caller.admin("PUT /clock", json!({ "speed": 0 })).await?.expect(400)?;
    Ok(())
}

#[tokio::test]
async fn a_hundred_calls_at_a_time_are_all_that_github_takes() -> Result {
    let caller = Caller::with(forkable_sandbox::Settings::default()).await?;
    let matching = json!({ "operation": "GET /user" });
    let id = fault(&caller, json!({ "match": matching, "times": null, "effect": { "hold": "after" } })).await?;
    let calls: Vec<_> = (0..100).map(|_| tokio::spawn(caller.github_request("GET /user").send())).collect();
    eventually(async || {
        let fault = caller.admin(&format!("GET /faults/{id}"), NONE).await?.expect(200)?;
        Ok((fault["held"] == 100).then_some(()))
    })
    .await?;
    let crowded = caller.get("/rate_limit").await?;
    assert_eq!((crowded.status.as_u16(), crowded.header("retry-after")), (403, "60"));
    caller.admin(&format!("POST /faults/{id}/release"), NONE).await?.expect(204)?;
    for call in calls {
        assert_eq!(call.await??.status(), 200);
    }
    caller.get("/rate_limit").await?.expect(200)?;
    Ok(())
}
