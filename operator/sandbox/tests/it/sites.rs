//! The deployed sites, asked by host name.

use serde_json::json;

use crate::client::Lab;

/// A live project `shop` with a public and a secret variable and an apex with its www redirect.
async fn live() -> anyhow::Result<Lab> {
    let lab = Lab::start(json!({ "autoDns": true })).await?;
    lab.project("shop").await?;
    let env = json!([
        { "key": "NEXT_PUBLIC_BRAND", "value": "Shop & Co", "type": "plain", "target": ["production"] },
        { "key": "API_KEY", "value": "canary-value", "type": "sensitive", "target": ["production"] },
        { "key": "PREVIEW_ONLY", "value": "x", "type": "plain", "target": ["preview"] },
    ]);
    lab.vercel("POST", "/v10/projects/shop/env", Some(env)).await?;
    for domain in [
        json!({ "name": "shop.example.org" }),
        json!({ "name": "www.shop.example.org", "redirect": "shop.example.org" }),
    ] {
        let (status, body) = lab.vercel("POST", "/v10/projects/shop/domains", Some(domain)).await?;
        anyhow::ensure!(status == 200, "{body}");
    }
    let id = lab.deploy("shop", json!({})).await?["id"].as_str().unwrap_or_default().to_owned();
    lab.until(&format!("/v13/deployments/{id}"), |body| body["readyState"] == "READY").await?;
    Ok(lab)
}

#[tokio::test]
async fn a_site_shows_what_it_was_built_from_and_no_secret() -> anyhow::Result<()> {
    let lab = live().await?;
    let answer = lab.site("shop.example.org", "/").await?;
    assert_eq!(answer.status(), 200);
    let page = answer.text().await?;
    for shown in ["Shop &amp; Co", "API_KEY", "forkable-ai/framework", "main", "package.json", "production"] {
        assert!(page.contains(shown), "{shown} in {page}");
    }
    for hidden in ["canary-value", "PREVIEW_ONLY"] {
        assert!(!page.contains(hidden), "{hidden}");
    }
    let health: serde_json::Value = lab.site("shop.vercel.app", "/healthz").await?.json().await?;
    assert_eq!((&health["status"], &health["project"]), (&json!("ok"), &json!("shop")));
    Ok(())
}

#[tokio::test]
async fn redirects_unknown_hosts_and_paused_projects_answer_as_vercel_does() -> anyhow::Result<()> {
    let lab = live().await?;
    let answer = lab.site("www.shop.example.org", "/a?b=c").await?;
    assert_eq!(answer.status(), 308);
    assert_eq!(answer.headers()["location"], "https://shop.example.org/a?b=c");
    let answer = lab.site("www.shop.example.org.localhost:1234", "/a").await?;
    assert_eq!(answer.headers()["location"], "http://shop.example.org.localhost:1234/a");
    let answer = lab.site("nobody.example.org", "/").await?;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-vercel-error"]),
        (404, &"DEPLOYMENT_NOT_FOUND".parse()?)
    );
    let (status, _) = lab.vercel("POST", "/v1/projects/shop/pause", None).await?;
    assert_eq!(status, 200);
    assert_eq!(lab.site("shop.example.org", "/").await?.status(), 503);
    assert_eq!(lab.vercel("POST", "/v1/projects/shop/unpause", None).await?.0, 200);
    assert_eq!(lab.site("shop.example.org", "/").await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn attack_mode_challenges_visitors_until_it_ends() -> anyhow::Result<()> {
    let lab = live().await?;
    let (_, project) = lab.vercel("GET", "/v9/projects/shop", None).await?;
    let path = "/v1/security/attack-mode";
    let refused = [
        (400, json!({ "projectId": project["id"] })),
        (400, json!({ "projectId": project["id"], "attackModeEnabled": true, "attackModeActiveUntil": "soon" })),
        (404, json!({ "projectId": "prj_gone", "attackModeEnabled": true })),
    ];
    for (status, body) in refused {
        assert_eq!(lab.vercel("POST", path, Some(body.clone())).await?.0, status, "{body}");
    }
    let until = jiff::Timestamp::now().as_millisecond() + 3_600_000;
    let body = json!({ "projectId": project["id"], "attackModeEnabled": true, "attackModeActiveUntil": until });
    let (status, answer) = lab.vercel("POST", path, Some(body)).await?;
    assert_eq!((status, &answer["attackModeEnabled"]), (200, &json!(true)));
    let challenged = lab.site("shop.example.org", "/").await?;
    assert_eq!(
        (challenged.status().as_u16(), &challenged.headers()["x-vercel-mitigated"]),
        (403, &"challenge".parse()?)
    );
    lab.advance(3601.0).await?;
    assert_eq!(lab.site("shop.example.org", "/").await?.status(), 200);
    let (_, project) = lab.vercel("GET", "/v9/projects/shop", None).await?;
    assert_eq!(project["security"], json!({}));
    Ok(())
}

#[tokio::test]
async fn protected_deployments_want_the_bypass_secret() -> anyhow::Result<()> {
    let lab = live().await?;
    let (_, project) = lab.vercel("GET", "/v9/projects/shop", None).await?;
    let url = project["targets"]["production"]["url"].as_str().unwrap_or_default().to_owned();
    assert_eq!(lab.site(&url, "/").await?.status(), 401, "the deployment's own URL");
    assert_eq!(lab.site("shop.example.org", "/").await?.status(), 200, "not the domains of production");
    let secret = "0123456789abcdefghijABCDEFGHIJ01";
    let body = json!({ "generate": { "secret": secret, "note": "smoke tests" } });
    let path = "/v1/projects/shop/protection-bypass";
    assert_eq!(lab.vercel("PATCH", path, Some(body.clone())).await?.0, 200);
    assert_eq!(lab.vercel("PATCH", path, Some(body)).await?.0, 409);
    assert_eq!(lab.site_with(&url, "/", &[("x-vercel-protection-bypass", secret)]).await?.status(), 200);
    lab.vercel("PATCH", "/v9/projects/shop", Some(json!({ "ssoProtection": null }))).await?;
    assert_eq!(lab.site(&url, "/").await?.status(), 200);
    Ok(())
}
