//! Many products that fail from one cause: one message, which lists them and names the cause.

use std::time::Duration;

use forkable_tests::{
    World, eventually, fleet_fork,
    people::{HOOK, Receiver},
};
use futures::future::join_all;
use serde_json::{Value, json};

const FORKS: usize = 50;
/// Time between two looks at all of them, which is work.
const LOOK: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_mins(4);

#[tokio::test(flavor = "multi_thread")]
async fn fifty_forks_that_fail_from_one_cause_are_one_message() {
    let world = World::start().await;
    let receiver = Receiver::start().await;
    let probes = "  monitoring: { probes: [{ name: home, intervalSeconds: 5, http: {} }] }\n";
    let forks: String = (0..FORKS).map(|n| fleet_fork(n) + probes + "---\n").collect();
    world.write("forks.yaml", &forks);
    // Longer than all of them need to be confirmed, on a machine that has much to do.
    let rule = format!(
        "apiVersion: forkable.dev/v1alpha1\nkind: AlertRule\nmetadata: {{ name: down }}\nspec:\n  \
         signal: {{ probe: {{ metric: Up }} }}\n  condition: {{ operator: LessThan, threshold: 1 }}\n  \
         severity: Critical\n  grouping: {{ waitSeconds: 20 }}\n  notify: [{HOOK}]\n"
    );
    world.write("rule.yaml", &rule);
    world.write("people.json", &receiver.secret());
    let running = world.up();
    let stored = async || {
        tokio::time::sleep(LOOK).await;
        world.stored().await
    };
    let commits = eventually("every fork is ready", PATIENCE, || async {
        let forks: Vec<_> = stored().await.into_iter().filter(|it| it.kind == "Fork" && it.is_ready()).collect();
        let commit = |status: &Value| status["currentRelease"]["commit"].as_str().expect("it serves").to_owned();
        (forks.len() == FORKS).then(|| forks.iter().map(|fork| commit(&fork.status)).collect::<Vec<_>>())
    })
    .await;
    eventually("every fork is probed", PATIENCE, || async {
        let seen = join_all((0..FORKS).map(|n| {
            let (world, fork) = (&world, format!("f{n}"));
            async move { world.recorded(&fork, "home").await }
        }));
        tokio::time::sleep(LOOK).await;
        seen.await.iter().all(|runs| *runs > 0).then_some(())
    })
    .await;
    for commit in &commits {
        world.degrade(commit, json!({ "status": 500 })).await;
    }
    let firing = async || {
        let rule = stored().await.into_iter().find(|it| it.kind == "AlertRule").expect("the rule is there");
        rule.status["firing"].as_u64()
    };
    eventually("the rule fires for all", PATIENCE, || async { (firing().await == Some(50)).then_some(()) }).await;
    eventually("people are told", PATIENCE, || async { (!receiver.got().is_empty()).then_some(()) }).await;
    for commit in &commits {
        world.mend(commit).await;
    }
    eventually("they are told that it is over", PATIENCE, || async {
        receiver.got().iter().any(|message| message["status"] == "resolved").then_some(())
    })
    .await;
    running.kill().await;
    let told = receiver.got();
    let first = &told[0];
    assert_eq!(first["headline"], format!("[CRITICAL] {FORKS} forks: down"), "{first:#}");
    assert_eq!(first["alerts"].as_array().map(Vec::len), Some(FORKS), "it lists them");
    let text = first["text"].as_str().unwrap_or_default();
    assert!(text.contains(&format!("Cause: one wave of releases: all {FORKS} went live")), "{text}");
    assert!(text.contains("- Acme AI (f7): ") && text.contains("forkable rollback f7"), "{text}");
    let firing: Vec<_> = told.iter().filter(|message| message["status"] == "firing").collect();
    let kinds = || firing.iter().map(|message| &message["occasion"]).collect::<Vec<_>>();
    // Its end may come in parts; that it began is one message.
    assert!(
        firing.iter().skip(1).all(|message| message["occasion"] == "Changed" && !has_new(message)),
        "{:?}",
        kinds()
    );
}

/// Whether it tells of something that fires and was not told of before.
fn has_new(message: &Value) -> bool {
    let mut alerts = message["alerts"].as_array().into_iter().flatten();
    alerts.any(|alert| alert["status"] == "firing" && alert["new"] == true)
}
