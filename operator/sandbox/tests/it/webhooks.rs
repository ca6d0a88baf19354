//! Webhooks and the App: what GitHub sends by itself, and who it lets in by a signed assertion.

use forkable_sandbox::{Options, Settings, WebhookTarget};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::caller::{Caller, Result};

struct Delivery {
    event: String,
    signature: String,
    body: Vec<u8>,
}

/// A receiver on a free port: its URL, and what arrives.
async fn receiver() -> Result<(String, mpsc::UnboundedReceiver<Delivery>)> {
    let (sender, arrived) = mpsc::unbounded_channel();
    let take = move |headers: axum::http::HeaderMap, body: bytes::Bytes| async move {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let delivery =
            Delivery { event: text("x-github-event"), signature: text("x-hub-signature-256"), body: body.to_vec() };
        // The test may have what it wants already.
        let _ = sender.send(delivery);
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/github", listener.local_addr()?);
    let app = axum::Router::new().route("/github", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((url, arrived))
}

async fn next(arrived: &mut mpsc::UnboundedReceiver<Delivery>) -> Result<Delivery> {
    let deadline = std::time::Duration::from_secs(10);
    tokio::time::timeout(deadline, arrived.recv()).await?.ok_or_else(|| anyhow::anyhow!("the receiver is gone"))
}

#[tokio::test]
async fn events_arrive_signed_and_in_order() -> Result {
    use hmac::Mac as _;
    let (url, mut arrived) = receiver().await?;
    let target = WebhookTarget { github_url: url.clone(), vercel_url: url, secret: "s3cret".to_owned() };
    let settings = Settings { limits: false, ..Settings::default() };
    let caller = Caller::open(Options { webhooks: Some(target), settings, ..Options::default() }).await?;
    let made = caller.generate("acme").await?;

    let created = next(&mut arrived).await?;
    assert_eq!(created.event, "repository");
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(b"s3cret")?;
    mac.update(&created.body);
    assert_eq!(created.signature, format!("sha256={}", hex::encode(mac.finalize().into_bytes())));
    let body: Value = serde_json::from_slice(&created.body)?;
    assert_eq!((&body["action"], &body["repository"]["id"]), (&json!("created"), &made["id"]));
    assert_eq!((&body["sender"]["login"], &body["installation"]["id"]), (&json!("octo-founder"), &json!(777)));

    let push = next(&mut arrived).await?;
    let body: Value = serde_json::from_slice(&push.body)?;
    assert_eq!(
        (push.event.as_str(), &body["ref"], &body["created"]),
        ("push", &json!("refs/heads/main"), &json!(true))
    );
    assert_eq!(body["head_commit"]["id"], body["after"]);
    Ok(())
}

#[tokio::test]
async fn a_hook_of_a_repository_gets_its_own_events() -> Result {
    let (url, mut arrived) = receiver().await?;
    let caller = Caller::start().await?;
    caller.generate("acme").await?;
    let hook = json!({ "config": { "url": url, "content_type": "json", "secret": "x" }, "events": ["push"] });
    let made = caller.github("POST /repos/acme-inc/acme/hooks", hook.clone()).await?.expect(201)?;
    assert_eq!(made["config"]["secret"], "********");
    caller.github("POST /repos/acme-inc/acme/hooks", hook).await?.expect(422)?;
    caller.github("PATCH /repos/acme-inc/acme", json!({ "description": "not for this hook" })).await?.expect(200)?;
    caller.commit_file("acme-inc/acme", "a.txt", "a").await?;
    assert_eq!(next(&mut arrived).await?.event, "push");
    Ok(())
}

/// A fresh RSA key pair in PEM: private, public.
fn key_pair() -> Result<(String, String)> {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
    use aws_lc_rs::signature::KeyPair as _;
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let pem = |kind: &str, der: &[u8]| {
        let text = BASE64_STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", lines.join("\n"))
    };
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048)?;
    let private: Pkcs8V1Der<'_> = pair.as_der()?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    Ok((pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", public.as_ref())))
}

#[tokio::test]
async fn an_app_trades_its_assertion_for_a_narrow_token() -> Result {
    let mut caller = Caller::start().await?;
    let acme = caller.generate("acme").await?;
    caller.generate("other").await?;
    let (private, public) = key_pair()?;
    let assertion = |issuer: &str| -> Result<String> {
        let now = jiff::Timestamp::now().as_second();
        let claims = json!({ "iat": now - 60, "exp": now + 540, "iss": issuer });
        let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
        Ok(jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_rsa_pem(private.as_bytes())?)?)
    };
    caller.token = assertion("4242")?;
    caller.get("/app").await?.expect(401)?;
    caller.admin("PUT /github-app", json!({ "publicKeyPem": "nonsense" })).await?.expect(400)?;
    caller.admin("PUT /github-app", json!({ "publicKeyPem": public })).await?.expect(204)?;
    assert_eq!(caller.get("/app").await?.expect(200)?["id"], 4242);
    assert_eq!(caller.get("/repos/acme-inc/acme/installation").await?.expect(200)?["id"], 777);
    let narrow = json!({ "repository_ids": [acme["id"]], "permissions": { "contents": "write" } });
    let token = caller.github("POST /app/installations/777/access_tokens", narrow).await?.expect(201)?;
    caller.token = assertion("1")?;
    caller.get("/app").await?.expect(401)?;

    caller.token = token["token"].as_str().unwrap_or_default().to_owned();
    caller.commit_file("acme-inc/acme", "a.txt", "a").await?;
    caller.get("/repos/acme-inc/other").await?.expect(404)?;
    let refused = caller.github("PUT /repos/acme-inc/acme/topics", json!({ "names": [] })).await?.expect(403)?;
    assert_eq!(refused["message"], "Resource not accessible by integration");
    caller.admin("PUT /clock", json!({ "advanceSeconds": 3601 })).await?.expect(200)?;
    caller.get("/repos/acme-inc/acme").await?.expect(401)?;
    Ok(())
}
