//! AlertRules in a cluster: what kubectl shows of them, and an alert that a new leader goes on with.

use forkable_tests::{
    eventually,
    people::{HOOK, Receiver},
    reference_fork, reference_secret,
};
use serde_json::{Value, json};

use crate::{
    installed::{Installed, PATIENCE, until},
    plugin::kubectl_forkable,
};

/// Fires as long as the newest release did not fail, and nobody is told of it.
const RULE: &str = "
apiVersion: forkable.dev/v1alpha1
kind: AlertRule
metadata: { name: well }
spec:
  signal: { release: { metric: Failed } }
  condition: { operator: LessThan, threshold: 1 }
  severity: Critical
";
const NOBODY: &str = "
apiVersion: forkable.dev/v1alpha1
kind: AlertRule
metadata: { name: nobody }
spec:
  selector: { matchLabels: { tier: gold } }
  signal: { release: { metric: Failed } }
  condition: { operator: GreaterThan, threshold: 0 }
";

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_seen_with_kubectl_and_outlives_its_leader() {
    let soon = json!({ "leaderElection": { "leaseDuration": "3s", "renewDeadline": "2s", "retryPeriod": "500ms" } });
    let installed = Installed::with("alerts", soon).await;
    let space = &installed.space;
    let leader = installed.working().await;
    for manifest in [&reference_secret(), &reference_fork(), RULE, NOBODY] {
        space.apply(manifest).await;
    }
    installed.wait_ready("acme").await;
    let fires = eventually("the rule fires", PATIENCE, || async {
        let rule = space.get("alertrules", "well").await;
        (rule["status"]["alerts"][0]["notified"] == true).then_some(rule)
    })
    .await;
    space.kubectl(&["wait", "--for=condition=Ready", "--timeout=60s", "alertrule/well"]).await;
    let table = space.kubectl(&["get", "far"]).await;
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "READY", "SEVERITY", "FORKS", "FIRING", "REASON", "AGE"]);
    assert!(rows.iter().any(|row| row[..5] == ["well", "True", "Critical", "1", "1"]), "{table}");
    let nobody = space.get("alertrules", "nobody").await;
    let conditions = nobody["status"]["conditions"].as_array().expect("conditions").clone();
    let selects = conditions.iter().find(|condition| condition["type"] == "SelectsForks").expect("it says so");
    assert!(selects["message"].as_str().is_some_and(|said| said.contains("fits the selector")), "{selects}");
    let events = space.kubectl(&["events", "--for=fork/acme"]).await;
    assert!(events.contains("AlertFiring"), "{events}");

    let standby = installed.controller().await;
    drop(leader.kill().await);
    let leads = || async {
        let fork = reference_fork().replace("value: large", "value: small");
        space.apply(&fork).await;
        let fork = space.get("forks", "acme").await;
        (fork["status"]["observedGeneration"] == fork["metadata"]["generation"]).then_some(())
    };
    eventually("the standby works", PATIENCE, leads).await;
    let version = |rule: &Value| rule["metadata"]["resourceVersion"].clone();
    let after = space.get("alertrules", "well").await;
    assert_eq!(version(&after), version(&fires), "nothing is news to it: {after:#}");
    space.kubectl(&["delete", "alertrule", "well", "nobody"]).await;
    drop(standby.kill().await);
}

/// The outbox ends with its pod, unless it is on a volume: who comes next knows from the record what people were told.
#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_the_end_once_by_a_controller_that_did_not_tell_the_beginning() {
    let installed = Installed::new("people").await;
    let space = &installed.space;
    let receiver = Receiver::start().await;
    receiver.refuse(true);
    let first = installed.working().await;
    let rule = format!("{RULE}  grouping: {{ waitSeconds: 0 }}\n  notify: [{HOOK}]\n");
    for manifest in [&receiver.secret(), &reference_secret(), &reference_fork(), &rule] {
        space.apply(manifest).await;
    }
    let status = async || space.get("alertrules", "well").await["status"].take();
    until("a message is given up", async || status().await["undelivered"][0]["channel"] == "webhook/hook").await;
    receiver.refuse(false);
    let resent = kubectl_forkable(space, &["alert", "resend", "well"]).await;
    assert!(resent.code == Some(0) && resent.stdout.contains("webhook/hook: "), "{resent:?}");
    until("it arrives", async || receiver.got().len() == 1).await;
    until("it is not given up any more", async || {
        let status = status().await;
        status["undelivered"].is_null() && status["alerts"][0]["notified"] == true
    })
    .await;
    drop(first.kill().await);

    let second = installed.working().await;
    until("it follows the rule", async || {
        space.apply(&rule.replace("LessThan, threshold: 1", "GreaterThan, threshold: 0")).await;
        status().await["firing"] == 0
    })
    .await;
    until("the end arrives", async || receiver.got().len() == 2).await;
    let got = receiver.got();
    let states: Vec<_> = got.iter().map(|message| message["status"].as_str().unwrap_or_default()).collect();
    assert_eq!(states, ["firing", "resolved"], "{got:#?}");
    space.kubectl(&["delete", "alertrule", "well"]).await;
    second.stop().await;
    assert_eq!(receiver.got().len(), 2);
}
