//! Several controllers share a fleet, and their number is changed while they work.

use std::collections::{BTreeMap, BTreeSet};

use forkable_tests::{is_write, within};
use serde_json::{Value, json};

use crate::installed::{Controller, Installed, PATIENCE, until};

/// Fires for every Fork, and nobody is told of it.
const RULE: &str = "
apiVersion: forkable.dev/v1alpha1
kind: AlertRule
metadata: { name: well, namespace: default }
spec:
  signal: { release: { metric: Failed } }
  condition: { operator: LessThan, threshold: 1 }
";

/// Forks in a cluster, by `namespace/name`, with the shard that works on them.
async fn owners(installed: &Installed<'_>) -> BTreeMap<String, String> {
    let list = installed.space.cluster.get("/apis/forkable.dev/v1alpha1/forks").await;
    let one = |fork: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &fork["metadata"];
        let name = format!("{}/{}", text(&metadata["namespace"]), text(&metadata["name"]));
        (name, text(&metadata["labels"]["forkable.dev/shard"]))
    };
    list["items"].as_array().expect("a list").iter().map(one).collect()
}

async fn are_owned_by(installed: &Installed<'_>, count: u32) {
    let suffix = format!("-of-{count}");
    until(&format!("{count} shards have taken over"), async || {
        let owners = owners(installed).await;
        let whose: BTreeSet<_> = owners.values().collect();
        let fits = |owner: &&String| if count == 0 { owner.is_empty() } else { owner.ends_with(&suffix) };
        whose.iter().all(fits) && (count == 0 || whose.len() > 1)
    })
    .await;
}

async fn start(installed: &Installed<'_>, count: u32) -> Vec<Controller> {
    let names: Vec<_> = (1..=count).map(|index| format!("forkable-shard-{index}")).collect();
    futures::future::join_all(names.iter().map(|name| installed.run(name, None, &[]))).await
}

async fn stop(controllers: Vec<Controller>) {
    futures::future::join_all(controllers.into_iter().map(Controller::stop)).await;
}

/// Changes every Fork that is Ready, and waits until that is outside.
async fn all_are_worked_on(installed: &Installed<'_>, value: &str) {
    let cluster = installed.space.cluster;
    let list = cluster.get("/apis/forkable.dev/v1alpha1/namespaces/default/forks").await;
    let ready: Vec<_> =
        list["items"].as_array().expect("a list").iter().filter(|fork| forkable_tests::is_ready(fork)).collect();
    assert!(ready.len() > 5, "{} Forks are Ready", ready.len());
    let names: Vec<_> = ready.iter().map(|fork| fork["metadata"]["name"].as_str().expect("a name")).collect();
    let changed = |fork: &&Value| {
        let mut spec = fork["spec"].clone();
        spec["repository"]["description"] = value.into();
        let metadata = json!({ "name": fork["metadata"]["name"], "namespace": "default" });
        json!({ "apiVersion": "forkable.dev/v1alpha1", "kind": "Fork", "metadata": metadata, "spec": spec })
    };
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": ready.iter().map(changed).collect::<Vec<_>>() });
    cluster.apply(&list.to_string(), &[]).await;
    for name in names {
        until(&format!("{name} is as {value} wants it"), async || {
            let path = format!("/apis/forkable.dev/v1alpha1/namespaces/default/forks/{name}");
            let fork = cluster.get(&path).await;
            let repository = fork["status"]["repository"]["fullName"].as_str().unwrap_or_default().to_owned();
            forkable_tests::is_ready(&fork)
                && installed.space.world.repository(&repository).await["description"] == value
        })
        .await;
    }
}

/// Waits until the rule fires for every Fork that it can fire for, whoever works on it. Answers since when, by Fork.
async fn all_fire(installed: &Installed<'_>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let path = "/apis/forkable.dev/v1alpha1/namespaces/default";
    let look = async || {
        let cluster = installed.space.cluster;
        let status = cluster.get(&format!("{path}/alertrules/well")).await["status"].take();
        (status, cluster.get(&format!("{path}/forks")).await["items"].take())
    };
    let fired = |(status, forks): &(Value, Value)| {
        let released = |fork: &&Value| fork["status"]["release"].is_object();
        let forks = forks.as_array().expect("a list");
        let wanted: BTreeSet<_> = forks.iter().filter(released).map(|fork| text(&fork["metadata"]["name"])).collect();
        let alerts = status["alerts"].as_array()?.iter().filter(|alert| alert["notified"] == true);
        let alerts: BTreeMap<_, _> = alerts.map(|alert| (text(&alert["fork"]), text(&alert["firedAt"]))).collect();
        let all = wanted.iter().all(|fork| alerts.contains_key(fork));
        (all && status["firing"] == alerts.len() && status["selected"] == forks.len()).then_some(alerts)
    };
    let soon = within(PATIENCE, async || fired(&look().await).is_some()).await;
    let found = look().await;
    let owners = owners(installed).await;
    assert!(soon, "the rule does not fire for every Fork: {:#}\n{owners:#?}", found.0);
    fired(&found).expect("it goes on firing")
}

/// Who takes a Fork over takes over its alert.
async fn still_fire(installed: &Installed<'_>, before: &BTreeMap<String, String>) {
    let now = all_fire(installed).await;
    for (fork, since) in before {
        assert_eq!(now.get(fork), Some(since), "the alert of {fork} is another");
    }
}

/// Waits until objects begin to change hands, so that a process that is killed then is killed in the middle of it.
async fn change_hands(installed: &Installed<'_>, count: u32) {
    let suffix = format!("-of-{count}");
    until(&format!("one of {count} shards takes over"), async || {
        owners(installed).await.values().any(|owner| owner.ends_with(&suffix))
    })
    .await;
}

/// From the one controller to two, to three while the two still run, and back to one. One that
/// objects are taken from and one that takes them are killed by kill -9.
pub(crate) async fn share_the_fleet(installed: &Installed<'_>, whole: Controller) -> Controller {
    installed.space.cluster.apply(RULE, &[]).await;
    let fired = all_fire(installed).await;
    installed.upgrade(json!({ "shards": 2 })).await;
    let mut two = start(installed, 2).await;
    whole.stop().await;
    are_owned_by(installed, 2).await;
    all_are_worked_on(installed, "by two").await;
    still_fire(installed, &fired).await;

    installed.upgrade(json!({ "shards": 3 })).await;
    let mut three = start(installed, 3).await;
    // Nothing changes hands while its owner lives: that of one is killed, and then who takes its objects over.
    two.remove(1).kill().await;
    change_hands(installed, 3).await;
    three.remove(0).kill().await;
    three.push(installed.run("forkable-shard-1", None, &[]).await);
    let (worked, ()) = tokio::join!(all_are_worked_on(installed, "by two or three"), stop(two));
    let () = worked;
    are_owned_by(installed, 3).await;
    all_are_worked_on(installed, "by three").await;
    still_fire(installed, &fired).await;

    installed.upgrade(json!({ "shards": 1 })).await;
    let whole = installed.controller().await;
    stop(three).await;
    are_owned_by(installed, 0).await;
    all_are_worked_on(installed, "by one").await;
    still_fire(installed, &fired).await;
    installed.space.cluster.kubectl(&["delete", "alertrule", "well", "--namespace=default"]).await;
    one_acts_at_a_time(installed);
    whole
}

/// Whoever writes to an object that another one wrote to before has taken it over first.
fn one_acts_at_a_time(installed: &Installed<'_>) {
    let calls = installed.calls();
    let mut writers = BTreeMap::new();
    let mut changes = 0;
    for call in calls.iter().filter(|call| call.group == "forkable.dev" && is_write(&call.verb) && call.code < 300) {
        let (kind, subresource) = call.resource.split_once('/').unwrap_or((&call.resource, ""));
        // Rules are nobody's: every shard follows them for its own Forks, and writes of these into the status.
        if kind == "alertrules" {
            continue;
        }
        let shard = installed.shard_of(&call.credential);
        let before = writers.insert((kind, &call.namespace, &call.name), shard.clone());
        if before.is_some_and(|before| before != shard) {
            changes += 1;
            assert_eq!(
                (call.verb.as_str(), subresource),
                ("patch", ""),
                "not taken over before it was written to: {call:?}"
            );
        }
    }
    assert!(changes > 20, "objects changed hands {changes} times");
}
