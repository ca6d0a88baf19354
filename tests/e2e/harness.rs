//! What the other tests rely upon: the audit log, the proxy, and that servers can be restarted.

use std::time::Duration;

use forkable_tests::{Audited, Cluster, Effect, Side, eventually};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(30);

fn config_map(value: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: one}}, data: {{a: '{value}'}}}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_tells_who_wrote_what() {
    let namespace = Cluster::shared().await.namespace("audit").await;
    namespace.apply(&config_map("x")).await;
    let expected = Audited {
        user: "admin".into(),
        credential: String::new(),
        verb: "create".into(),
        group: String::new(),
        resource: "configmaps".into(),
        namespace: namespace.name.clone(),
        name: "one".into(),
        code: 201,
        is_denied: false,
    };
    // A call is logged after it was answered. Namespaces are made with kubectl, too.
    let written = eventually("the write is logged", PATIENCE, async || {
        namespace.writes_of("admin").into_iter().find(|call| call.resource == "configmaps")
    });
    assert_eq!(written.await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_holds_and_cuts_on_both_sides_of_a_write() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("proxy").await;
    let token = namespace.kubectl(&["create", "token", "default"]).await;
    let rights = ["create", "rolebinding", "all", "--clusterrole=admin", "--serviceaccount"];
    namespace.kubectl(&[&rights[..], &[&format!("{}:default", namespace.name)]].concat()).await;
    let proxy = cluster.proxy().await;
    let client = reqwest::Client::new();
    let path = format!("/api/v1/namespaces/{}/configmaps", namespace.name);
    // As a client that is not kubectl: kubectl keeps its token to itself where there is no TLS.
    let put = async |value: &str| -> Option<u16> {
        let body =
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "one" }, "data": { "a": value } });
        let put = client.put(format!("{}{path}/one", proxy.url)).json(&body).bearer_auth(token.trim());
        put.send().await.ok().map(|answer| answer.status().as_u16())
    };
    let stored = async || cluster.get(&format!("{path}/one")).await["data"]["a"].as_str().map(str::to_owned);
    let held = async || eventually("it is held", PATIENCE, async || (proxy.held() == 1).then_some(())).await;
    namespace.apply(&config_map("zeroth")).await;
    eventually("the rights are in force", PATIENCE, async || (put("first").await? < 300).then_some(())).await;

    for (side, value, stands) in [(Side::Before, "second", "first"), (Side::After, "third", "third")] {
        proxy.fault(Some("update configmaps"), 1, Effect::Hold(side));
        let look = async {
            held().await;
            assert_eq!(stored().await.as_deref(), Some(stands), "held {side:?}");
            proxy.release();
        };
        let (answer, ()) = tokio::join!(put(value), look);
        assert_eq!((answer, stored().await.as_deref()), (Some(200), Some(value)));
    }
    for (side, stands) in [(Side::Before, "third"), (Side::After, "fourth")] {
        proxy.fault(None, 1, Effect::Cut(side));
        assert_eq!(put("fourth").await, None, "no answer");
        assert!(proxy.was_hit());
        assert_eq!(stored().await.as_deref(), Some(stands), "cut {side:?}");
    }
    proxy.forget_calls();
    proxy.fault(None, 2, Effect::Answer(503));
    assert_eq!((put("fifth").await, put("sixth").await), (Some(200), Some(503)));
    let held_for_ever = async {
        proxy.fault(None, 1, Effect::Hold(Side::Before));
        drop(tokio::time::timeout(Duration::from_millis(50), put("seventh")).await);
        eventually("a caller that is gone holds nothing", PATIENCE, async || (proxy.held() == 0).then_some(())).await;
    };
    held_for_ever.await;
    assert_eq!(stored().await.as_deref(), Some("fifth"));
    let statuses: Vec<_> = proxy.calls().into_iter().map(|call| (call.operation, call.status)).collect();
    let call = |status| ("update configmaps".to_owned(), status);
    assert_eq!(statuses, [call(Some(200)), call(Some(503)), call(None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apiserver_that_comes_back_knows_what_it_knew_and_nothing_older() {
    let cluster = Cluster::start().await;
    let namespace = cluster.namespace("restart").await;
    namespace.apply(&config_map("first")).await;
    let list = format!("/api/v1/namespaces/{}/configmaps", namespace.name);
    let version = cluster.get(&list).await["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    namespace.apply(&config_map("second")).await;
    cluster.kill_apiserver();
    let output = namespace.try_kubectl(&["get", "configmaps"]).await;
    assert_eq!(output.code, Some(1), "it is gone: {}", output.stdout);
    cluster.start_apiserver().await;
    namespace.apply(&config_map("third")).await;
    cluster.compact().await;
    let watch = format!("{list}?watch=true&timeoutSeconds=5&resourceVersion={version}");
    let output = namespace.kubectl(&["get", "--raw", &watch]).await;
    assert!(output.contains("\"code\":410"), "what happened since is not known any more: {output}");
    let object = cluster.get(&format!("{list}/one")).await;
    assert_eq!(object["data"]["a"], "third");
}
