//! Every folder of `deploy/examples`, applied with kubectl as its README says.

use std::collections::BTreeMap;

use forkable_tests::examples::{self, Promise};
use serde_json::{Value, json};

use crate::installed::{Installed, until};

/// Where manifests without a namespace go.
const HERE: &str = "default";

/// Applies all of them, and waits until each is what it says; tells the Forks as `namespace/name`.
pub(crate) async fn become_what_they_say(installed: &Installed<'_>) -> Vec<String> {
    let cluster = installed.space.cluster;
    // As the examples say themselves.
    for team in ["team-a", "team-b"] {
        cluster.kubectl(&["create", "namespace", team]).await;
    }
    let body = json!({ "name": "adopt", "private": true, "auto_init": true });
    installed.space.world.person("github", reqwest::Method::POST, "/orgs/acme-inc/repos", Some(body)).await;
    let folders = examples::folders();
    assert!(folders.len() > 10, "there are {} examples", folders.len());
    let mut promised: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for folder in &folders {
        for Promise { fork, becomes } in
            examples::manifests(folder).iter().flat_map(|(_, text)| examples::promises(text))
        {
            let (namespace, name) = fork.split_once('/').unwrap_or((HERE, &fork));
            promised.entry((namespace.into(), becomes)).or_default().push(name.to_owned());
        }
        cluster.kubectl(&["apply", "-f", &folder.display().to_string()]).await;
    }
    for ((namespace, becomes), names) in &promised {
        let names: Vec<_> = names.iter().map(|name| format!("forks.forkable.dev/{name}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let condition = match becomes.strip_prefix("not Ready, ") {
            None => "--for=condition=Ready".to_owned(),
            // Suspended and ObserveOnly: nothing is made for them, so that they cannot become Ready.
            Some(reason) => format!("--for=jsonpath={{.status.conditions[?(@.type==\"Ready\")].reason}}={reason}"),
        };
        cluster
            .kubectl(&[&["wait", "--namespace", namespace, "--timeout=180s", &condition], &names[..]].concat())
            .await;
    }
    let preview = ["wait", "--for=condition=Ready", "--timeout=180s", "fdep/preview-of-main"];
    cluster.kubectl(&preview).await;
    let forks: Vec<_> = promised
        .iter()
        .flat_map(|((namespace, _), names)| names.iter().map(move |name| format!("{namespace}/{name}")))
        .collect();
    are_told_to_people(installed, &forks).await;
    workflows_have_judged(installed).await;
    forks
}

/// The release of the example `analysis` was judged by its workflow, and by its rule on the live site; that of `gates`
/// waits for a review at GitHub.
async fn workflows_have_judged(installed: &Installed<'_>) {
    let release = async |fork: &str| {
        let path = "/apis/forkable.dev/v1alpha1/namespaces/default/deployments";
        let list = installed.space.cluster.get(path).await;
        let releases = list["items"].as_array().expect("a list");
        let own = |release: &&Value| release["spec"]["forkRef"]["name"] == fork;
        releases.iter().find(own).unwrap_or_else(|| panic!("{fork} has no release"))["status"].clone()
    };
    let analysis = release("analysis").await;
    let stage = |name: &str| {
        let runs = analysis["analysisRuns"].as_array().expect("stages");
        runs.iter().find(|run| run["stage"] == name).unwrap_or_else(|| panic!("no {name}: {analysis:#}")).clone()
    };
    assert_eq!(stage("Candidate")["job"]["conclusion"], "success", "{analysis:#}");
    let live = stage("Live");
    assert!(live["successes"].as_i64() >= Some(1) && live["failures"].as_i64().unwrap_or_default() == 0, "{live:#}");
    until("a run waits for reviewers", async || {
        let gates = release("gates").await;
        gates["approvalRun"]["id"].is_i64() && gates["approvalRun"]["conclusion"].is_null()
    })
    .await;
}

/// What a person sees of them with kubectl.
async fn are_told_to_people(installed: &Installed<'_>, forks: &[String]) {
    let cluster = installed.space.cluster;
    let table = cluster.kubectl(&["get", "fork", "--all-namespaces"]).await;
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().expect("a head"), ["NAMESPACE", "NAME", "READY", "URL", "RELEASE", "REASON", "AGE"]);
    let rows: BTreeMap<_, _> = lines.map(|row| (format!("{}/{}", row[0], row[1]), row)).collect();
    assert_eq!(
        rows.keys().collect::<Vec<_>>(),
        forks.iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
    let status = |fork: Value| fork["status"].clone();
    for (fork, row) in &rows {
        let (namespace, name) = fork.split_once('/').expect("a namespace and a name");
        let path = format!("/apis/forkable.dev/v1alpha1/namespaces/{namespace}/forks/{name}");
        let status = status(cluster.get(&path).await);
        if row[2] == "True" {
            assert!(row[3].starts_with("https://"), "{table}");
            assert_eq!(
                [row[3], row[4]],
                [&status["url"], &status["currentRelease"]["name"]].map(|v| v.as_str().unwrap_or_default())
            );
            assert_eq!(row[5], "Ready", "{table}");
        } else {
            assert_eq!(row[2], "False", "{table}");
        }
    }
    let told = cluster.kubectl(&["describe", "forks.forkable.dev", "acme"]).await;
    assert!(told.contains("Events:") && told.contains("forkable.dev/controller"), "{told}");
    let explained = cluster.kubectl(&["explain", "fork.spec.release"]).await;
    assert!(explained.contains("onEnvChange") && explained.contains("revisionHistoryLimit"), "{explained}");
}
