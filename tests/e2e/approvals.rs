//! The policy of `deploy/policies`: whoever approves a release in a cluster is who they say.

use std::time::Duration;

use forkable_tests::{Cluster, eventually};

const POLICY: &str = include_str!("../../deploy/policies/approvals.yaml");

const RELEASE: &str = "
apiVersion: forkable.dev/v1alpha1
kind: Deployment
metadata: { name: acme-1 }
spec: { forkRef: { name: acme }, source: { commit: 0123456789abcdef0123456789abcdef01234567 } }
";

#[tokio::test(flavor = "multi_thread")]
async fn the_apiserver_refuses_an_approval_in_anothers_name() {
    let namespace = Cluster::shared().await.namespace("approvals").await;
    namespace.apply(POLICY).await;
    namespace.apply(RELEASE).await;
    let annotate = async |text: &str| {
        let output = namespace.try_kubectl(&["annotate", "--overwrite", "fdep", "acme-1", text]).await;
        if output.code == Some(0) { Ok(()) } else { Err(output.stderr) }
    };
    // A policy is in force a moment after it is stored, and is about changes: what came through before stays.
    let mut candidates = 0..;
    let refusal = eventually("an approval by ada is refused", Duration::from_mins(1), || {
        let candidate = candidates.next().unwrap_or_default();
        let approval = format!("forkable.dev/approve={candidate:012x} by ada");
        async move { annotate(&approval).await.err() }
    })
    .await;
    let me = refusal.split("CANDIDATE by ").nth(1).and_then(|rest| rest.lines().next()).map(str::trim);
    let me = me.unwrap_or_else(|| panic!("the refusal says what is allowed: {refusal}"));
    let refused = annotate("forkable.dev/override-freeze=ada: INC-17").await.expect_err("it is not ada");
    assert!(refused.contains(": REASON"), "{refused}");
    annotate(&format!("forkable.dev/approve=0123456789ab by {me}")).await.expect("in one's own name");
    annotate(&format!("forkable.dev/override-freeze={me}: INC-17")).await.expect("in one's own name");
    annotate("forkable.dev/abort=by ada").await.expect("the policy is about nothing else");
}
