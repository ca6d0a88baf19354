//! The apiserver takes and refuses the manifests of the table as the local host does, with the same message.

use std::collections::BTreeSet;

use forkable_tests::{Cluster, Output};
use futures::stream::{self, StreamExt};
use serde::Deserialize;

/// The local host's tests read the same file.
const CASES: &str = include_str!("../cases/manifests.yaml");

const ADVICE: &str = "; if you choose to ignore these errors, turn validation off with --validate=false";

#[derive(Deserialize)]
struct Case {
    name: String,
    /// Of kubectl; `apply` if there is none.
    command: Option<String>,
    manifest: String,
    /// The object that the manifest replaces.
    old: Option<String>,
    /// What the apiserver says; none if the manifest is taken.
    message: Option<String>,
}

/// Whether kubectl says the message: words before its first line are kubectl's, the other lines come in any order.
fn says(message: &str, output: &Output) -> bool {
    let mut expected = message.lines().map(str::trim_end);
    let head = expected.next().unwrap_or_default();
    let said: Vec<_> = output.stderr.lines().map(str::trim_end).collect();
    let starred: BTreeSet<_> = said.iter().copied().filter(|line| line.starts_with("* ")).collect();
    // kubectl's own refusals are followed by its advice.
    let is_head = |line: &&str| line.strip_suffix(ADVICE).unwrap_or(line).ends_with(head);
    output.code == Some(1) && said.iter().any(is_head) && starred == expected.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_taken_and_refused_as_the_local_host_does() {
    let cluster = Cluster::shared().await;
    let cases: Vec<Case> = serde_saphyr::from_multiple(CASES).expect("the table is YAML");
    assert!(cases.len() > 130, "the table is there");
    let empty = &cluster.namespace("table").await;
    let wrong: Vec<String> = stream::iter(&cases)
        .map(|case| async move {
            let output = match &case.old {
                None => {
                    let command = case.command.as_deref().unwrap_or("apply");
                    let arguments = [command, "-f", "-", "--namespace", &empty.name, "--dry-run=server"];
                    cluster.run("kubectl", &arguments, &case.manifest).await
                }
                Some(old) => {
                    let namespace = cluster.namespace("table").await;
                    namespace.apply(old).await;
                    namespace.try_apply(&case.manifest).await
                }
            };
            let as_expected = match &case.message {
                None => output.code == Some(0),
                Some(message) => says(message, &output),
            };
            let expected = case.message.as_deref().unwrap_or("accepted");
            (!as_expected).then(|| {
                format!("{}\n  expected: {expected}\n  kubectl: {}{}", case.name, output.stdout, output.stderr)
            })
        })
        .buffer_unordered(4)
        .filter_map(|wrong| async { wrong })
        .collect()
        .await;
    assert!(wrong.is_empty(), "{} of {} cases differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
