//! Rules that watch what products log at Vercel, while the log breaks off, releases change and rules go.

use forkable_tests::{World, eventually};
use serde_json::{Value, json};

use super::{
    alerts::{becomes, rule, status},
    rollout::{PATIENCE, message},
};

const LOG: &str = "GET /v1/projects/{idOrName}/deployments/{deploymentId}/runtime-logs";
/// Vercel ends what follows a log after so many seconds.
const END: u64 = 300;

fn of(metric: &str, threshold: &str) -> String {
    format!(
        "  signal: {{ vercel: {{ metric: {metric}, windowMinutes: 3 }} }}\n  \
         condition: {{ operator: GreaterThan, threshold: {threshold} }}\n"
    )
}

fn value(status: &Value) -> &str {
    status["alerts"][0]["value"].as_str().unwrap_or_default()
}

/// The deployments whose logs were asked for, oldest first.
async fn followed(world: &World) -> Vec<String> {
    let calls = world.calls().await.into_iter().filter(|call| call.operation == LOG);
    calls.map(|call| call.path.split('/').nth(5).expect("it names a deployment").to_owned()).collect()
}

async fn follows(world: &World, count: u64, times: usize) -> Vec<String> {
    eventually(&format!("{count} follow, asked {times} times"), PATIENCE, || async {
        let (now, asked) = (world.inventory().await["runtimeLogFollowers"].as_u64(), followed(world).await);
        (now == Some(count) && asked.len() == times).then_some(asked)
    })
    .await
}

async fn visit(world: &World, times: usize, status: u16) {
    for _ in 0..times {
        assert_eq!(world.page("acme.example.com").await.0, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_products_log_at_vercel_fires_rules() {
    let mut world = World::with_reference_fork().await;
    world.converge().await;
    // A minute is four seconds.
    world.arguments.extend(["--time-scale=15".into(), "--resync=15s".into()]);
    world.write("errors.yaml", &rule("errors", &of("ErrorsPerMinute", "2")));
    world.write("share.yaml", &rule("share", &of("ServerErrorRatio", "0.2")));
    world.write("never.yaml", &rule("never", &of("ServerErrorRatio", "5")));
    let least = of("ErrorsPerMinute", "2").replace("windowMinutes", "minimumRequests: 5, windowMinutes");
    world.write("odd.yaml", &rule("odd", &least));
    world.forget_calls().await;
    let running = world.up();
    becomes(&world, "never", "is refused", |status| message(status, "Ready").contains("5 % is 0.05")).await;
    let first = follows(&world, 1, 1).await;
    // Few visitors are no share, and no errors are a number.
    becomes(&world, "share", "waits", |status| message(status, "Ready").contains("fewer than 20 requests in 3 min"))
        .await;
    becomes(&world, "errors", "is calm", |status| message(status, "Evaluated").contains("known of every Fork")).await;
    let commit = world.fork("acme").await["status"]["currentRelease"]["commit"].as_str().expect("it serves").to_owned();
    visit(&world, 30, 200).await;
    world.degrade(&commit, json!({ "status": 500 })).await;
    visit(&world, 30, 500).await;
    let fires = becomes(&world, "errors", "fires", |status| status["firing"] == 1).await;
    assert!(value(&fires).contains(" errors in ") && value(&fires).ends_with(" a minute"), "{fires:#}");
    let fires = becomes(&world, "share", "fires", |status| status["firing"] == 1).await;
    assert!(value(&fires).contains(" % of ") && value(&fires).contains(" requests in "), "{fires:#}");
    let table = world.run(&["get", "alertrule"]).await;
    assert!(table.stdout.contains("share") && table.stdout.contains("1 (acme)"), "{}", table.stdout);

    // Vercel ends it, and it is followed again; then it may not be followed any more, and nothing is known.
    world.advance(END).await;
    follows(&world, 1, 2).await;
    let refused = json!({ "status": 403, "body": { "error": { "code": "forbidden", "message": "Not authorized" } } });
    world.fault(json!({ "match": { "operation": LOG }, "times": null, "effect": refused })).await;
    world.advance(END).await;
    becomes(&world, "errors", "knows nothing", |status| {
        message(status, "Ready").contains("its log at Vercel cannot be followed") && status["firing"] == 1
    })
    .await;
    world.remove_faults().await;
    world.mend(&commit).await;
    eventually("it is over", PATIENCE, || async {
        visit(&world, 5, 200).await;
        let firing = async |name| status(&world, name).await["firing"].as_u64();
        (firing("errors").await == Some(0) && firing("share").await == Some(0)).then_some(())
    })
    .await;

    // Another release is followed once it serves.
    world.forget_calls().await;
    world.push_file("acme-inc/acme", "a.txt", "a").await;
    let next = follows(&world, 1, 1).await;
    assert_ne!(next, first);
    // Nobody wants to know any more.
    for name in ["errors", "share", "never", "odd"] {
        std::fs::remove_file(world.path(&format!("{name}.yaml"))).expect("the rule is there");
    }
    follows(&world, 0, 1).await;
    let output = running.kill().await;
    assert!(output.stdout.contains("minimumRequests is for ServerErrorRatio"), "{}", output.stdout);
}
