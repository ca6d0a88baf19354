//! How long one pass over all AlertRules takes.

use std::time::Duration;

use forkable_tests::{World, eventually, fleet_fork};

/// Rules, each of which watches every Fork.
const RULES: usize = 100;
const FORKS: usize = 100;
/// Passes that are measured, at least.
const PASSES: f64 = 5.0;
const PATIENCE: Duration = Duration::from_mins(10);
/// Time between two looks at all of them, which is work that the program would wait for.
const LOOK: Duration = Duration::from_secs(1);
const GOAL: Duration = Duration::from_millis(200);

/// Prints the mean time of passes in which 10,000 states of rules and Forks are evaluated.
pub(super) async fn evaluated() {
    let mut world = World::start().await;
    let port = super::free_port();
    world.arguments = vec![format!("--listen=127.0.0.1:{port}")];
    let forks: String = (0..FORKS).map(|n| fleet_fork(n) + "---\n").collect();
    world.write("forks.yaml", &forks);
    let rule = |n| {
        format!(
            "apiVersion: forkable.dev/v1alpha1\nkind: AlertRule\nmetadata: {{ name: rule-{n} }}\nspec:\n  \
             signal: {{ release: {{ metric: Failed }} }}\n  condition: {{ operator: GreaterThan, threshold: 0 }}\n---\n"
        )
    };
    world.write("rules.yaml", &(0..RULES).map(rule).collect::<String>());
    let running = world.up();
    eventually("every rule watches every Fork", PATIENCE, || async {
        tokio::time::sleep(LOOK).await;
        let rules =
            world.stored().await.into_iter().filter(|it| it.kind == "AlertRule" && it.status["selected"] == FORKS);
        (rules.count() == RULES).then_some(())
    })
    .await;
    eventually("every Fork is ready", PATIENCE, || async {
        tokio::time::sleep(LOOK).await;
        let forks = world.stored().await.into_iter().filter(|it| it.kind == "Fork" && it.is_ready());
        (forks.count() == FORKS).then_some(())
    })
    .await;
    let before = passes(port).await;
    let (count, seconds) = eventually("some passes", PATIENCE, || async {
        tokio::time::sleep(LOOK).await;
        let after = passes(port).await;
        (after.0 - before.0 >= PASSES).then_some((after.0 - before.0, after.1 - before.1))
    })
    .await;
    running.kill().await;
    println!("one pass over {RULES} rules of {FORKS} Forks each, {count:.0} passes");
    println!("  mean {:.1?}   goal: ≤ {GOAL:?}", Duration::from_secs_f64(seconds / count));
}

/// Number of passes so far, and seconds that they took together.
async fn passes(port: u16) -> (f64, f64) {
    let text = reqwest::get(format!("http://127.0.0.1:{port}/metrics")).await.expect("an answer").text().await;
    let text = text.expect("text");
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
    };
    (value("forkable_alert_evaluation_duration_seconds_count"), value("forkable_alert_evaluation_duration_seconds_sum"))
}
