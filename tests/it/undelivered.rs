//! Messages that a channel refuses: they are shown, and a person has them sent again.

use std::time::Duration;

use forkable_tests::{
    World, eventually,
    people::{HOOK, HUSH, Receiver},
};
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpListener;

const PATIENCE: Duration = Duration::from_mins(1);

/// The status of the rule.
async fn status(world: &World) -> Value {
    let stored = world.stored().await;
    stored.into_iter().find(|it| it.kind == "AlertRule").map(|rule| rule.status).unwrap_or_default()
}

/// The page of the fleet.
async fn page(port: u16) -> String {
    let answer = reqwest::get(format!("http://127.0.0.1:{port}/")).await.expect("the page answers");
    answer.text().await.expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_shown_and_sent_again_when_a_person_wants_it() {
    let receiver = Receiver::start().await;
    receiver.refuse(true);
    let mut world = World::with_reference_fork().await;
    let port = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address").port();
    world.arguments = vec![format!("--listen=127.0.0.1:{port}")];
    // Fires as long as the newest release did not fail.
    let rule = format!(
        "apiVersion: forkable.dev/v1alpha1\nkind: AlertRule\nmetadata: {{ name: well }}\nspec:\n  \
         signal: {{ release: {{ metric: Failed }} }}\n  condition: {{ operator: LessThan, threshold: 1 }}\n  \
         grouping: {{ waitSeconds: 0 }}\n  notify: [{HOOK}]\n"
    );
    world.write("rule.yaml", &rule);
    world.write("people.json", &receiver.secret());
    let running = world.up();
    eventually("it is given up", PATIENCE, || async {
        (status(&world).await["undelivered"].as_array()?.len() == 1).then_some(())
    })
    .await;
    let letter = status(&world).await["undelivered"][0].clone();
    assert_eq!(letter["channel"], "webhook/hook", "{letter}");
    assert!(letter["error"].as_str().is_some_and(|error| error.contains("no such team")), "{letter}");
    let why = world.run(&["why", "alertrule/well"]).await;
    assert!(why.stdout.contains("webhook/hook did not take a message of "), "{}", why.stdout);
    assert!(why.stdout.contains("no such team"), "{}", why.stdout);
    let table = world.run(&["get", "alertrule"]).await;
    assert!(table.stdout.contains("UNDELIVERED"), "{}", table.stdout);
    let page = page(port).await;
    assert!(page.contains("Messages that did not arrive") && page.contains("forkable alert resend well"), "{page}");
    for told in [&why.stdout, &page, &running.stderr(), &letter.to_string()] {
        assert!(!told.contains(HUSH), "the address is a secret: {told}");
    }

    // Still refused: it is given up again, in another second, as a status tells no more of a time.
    let given_up: Timestamp = letter["givenUpAt"].as_str().and_then(|at| at.parse().ok()).expect("a time");
    let is_past = || async { (Timestamp::now().as_second() > given_up.as_second()).then_some(()) };
    eventually("a second goes by", PATIENCE, is_past).await;
    let resent = world.run(&["alert", "resend", "well"]).await;
    assert!(resent.code == Some(0) && resent.stdout.contains("webhook/hook: [WARNING]"), "{resent:?}");
    eventually("it is given up again", PATIENCE, || async {
        let again = status(&world).await["undelivered"][0].clone();
        (again["givenUpAt"].is_string() && again["givenUpAt"] != letter["givenUpAt"]).then_some(())
    })
    .await;
    running.kill().await;
    receiver.refuse(false);
    let running = world.up();
    eventually("the process runs", PATIENCE, || async { world.run(&["get"]).await.code.filter(|code| *code == 0) })
        .await;
    assert_eq!(receiver.got(), Vec::<Value>::new(), "a restart does not carry out an old wish once more");
    assert_eq!(world.run(&["alert", "resend", "well"]).await.code, Some(0));
    eventually("it arrives", PATIENCE, || async { (receiver.got().len() == 1).then_some(()) }).await;
    eventually("nothing is left", PATIENCE, || async { status(&world).await["undelivered"].is_null().then_some(()) })
        .await;
    running.kill().await;
    assert_eq!(receiver.got().len(), 1);
    let none = world.run(&["alert", "resend", "well"]).await;
    assert!(none.code == Some(1) && none.stderr.contains("alertrule/well: no message was given up"), "{none:?}");
}
