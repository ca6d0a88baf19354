//! Domains: whose they are, whether DNS leads to them, certificates and redirects.

use serde_json::json;

use crate::client::{Lab, code};

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
