//! Values that cannot work are refused before anything is installed, with what to do instead.

use super::run;

const CREDENTIALS: &str = "credentials.existingSecret=forkable-credentials";

#[test]
fn values_that_cannot_work_are_refused_with_a_remedy() {
    // Why, values, and what the message must hold.
    let cases: [(&str, &[&str], &[&str]); 16] = [
        (
            "no credentials",
            &[],
            &["credentials.existingSecret is not set", "create secret generic", "credentials.optional=true"],
        ),
        ("a typo", &[CREDENTIALS, "replicaCont=2"], &["replicaCont"]),
        ("a typo below", &[CREDENTIALS, "image.tagg=1"], &["tagg"]),
        ("a wrong type", &[CREDENTIALS, "replicaCount=many"], &["replicaCount"]),
        ("an unknown word", &[CREDENTIALS, "controller.logFormat=xml"], &["logFormat"]),
        ("no duration", &[CREDENTIALS, "leaderElection.leaseDuration=15"], &["leaseDuration"]),
        ("no shards", &[CREDENTIALS, "shards=0"], &["shards"]),
        (
            "two replicas that both work",
            &[CREDENTIALS, "leaderElection.enabled=false", "replicaCount=2"],
            &["leaderElection.enabled=false", "replicaCount=1"],
        ),
        (
            "shards that nobody can tell apart",
            &[CREDENTIALS, "leaderElection.enabled=false", "shards=2"],
            &["leaderElection.enabled=true", "shards=1"],
        ),
        (
            "two replicas with one file",
            &[CREDENTIALS, "journal.persistent=true", "replicaCount=2"],
            &["journal.persistent", "replicaCount=1"],
        ),
        (
            "shards with one volume",
            &[CREDENTIALS, "journal.persistent=true", "journal.existingClaim=a", "shards=2"],
            &["journal.existingClaim", "shards=1"],
        ),
        (
            "killed before it could end",
            &[CREDENTIALS, "terminationGracePeriodSeconds=20"],
            &["terminationGracePeriodSeconds (20)", "controller.shutdownGraceSeconds (20)"],
        ),
        (
            "webhooks that nobody signs",
            &[CREDENTIALS, "webhooks.ingress.enabled=true", "webhooks.ingress.host=a.example.com"],
            &["webhooks.existingSecret", "unsigned"],
        ),
        ("one port for two", &[CREDENTIALS, "metrics.port=8080"], &["metrics.port=8080", "choose another one"]),
        ("no port", &[CREDENTIALS, "metrics.port=70000"], &["port"]),
        (
            "peers of a port that is not there",
            &[CREDENTIALS, "networkPolicy.metricsFrom[0].podSelector.matchLabels.app=prometheus"],
            &["networkPolicy.metricsFrom", "set metrics.port"],
        ),
    ];
    for (why, values, expected) in cases {
        let mut arguments = vec!["template", "forkable", "charts/forkable"];
        for value in values {
            arguments.extend(["--set", value]);
        }
        let output = run("helm", &arguments);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{why}: it is taken");
        for text in expected {
            assert!(message.contains(text), "{why}: no {text:?} in {message}");
        }
    }
}
