//! The outbox on a real file: what is in it stays in it, in order, and once.

use forkable_core::alerting::{Alert, Message, trouble_message};
use forkable_crds::{AlertRuleSpec, alert_rule::Notify};
use serde_json::json;

use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn channel(name: &str) -> Notify {
    let reference = json!({ "name": "s", "key": "url" });
    serde_json::from_value(json!({ "name": name, "webhook": { "urlSecretRef": reference } })).expect("a channel")
}

fn alert(fork: &str) -> Alert {
    serde_json::from_value(json!({
        "key": fork, "namespace": "default", "rule": "down", "fork": fork, "display_name": fork, "severity": "Critical",
        "since": at(0), "fired_at": at(0), "value": "0", "labels": {}, "annotations": {}, "actions": [],
    }))
    .expect("an alert")
}

fn rule(channels: &[&str]) -> AlertRuleSpec {
    serde_json::from_value(json!({
        "signal": { "certificate": {} },
        "grouping": { "waitSeconds": 5, "by": ["fork"] },
        "notify": channels.iter().map(|name| channel(name)).collect::<Vec<_>>(),
    }))
    .expect("a rule")
}

/// A group of one Fork that is due at 5, after it heard of the Fork.
fn group(fork: &str) -> Group {
    let mut group = Group::new(format!("default/down?fork={fork}"), &alert(fork), at(0));
    assert!(group.follow(&rule(&["a", "b"])) && group.hear(alert(fork), at(0)));
    group
}

fn word(message: &str) -> Envelope {
    let message: Message = trouble_message("default", "down", message, Some("it broke"));
    Envelope::single("a", channel("b"), message, at(7))
}

struct Opened {
    outbox: SqliteJournal,
    folder: tempfile::TempDir,
}

async fn open() -> Result<Opened, JournalError> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let outbox = SqliteJournal::open(&folder.path().join("journal.db")).await?;
    Ok(Opened { outbox, folder })
}

/// Key and channel of each head.
async fn heads(outbox: &SqliteJournal) -> Result<Vec<(String, String)>, JournalError> {
    let heads = outbox.heads(10).await?;
    Ok(heads.into_iter().map(|head| (head.key, head.channel.name)).collect())
}

#[tokio::test]
async fn a_group_is_kept_as_it_was_saved_last_and_due_in_order() -> Outcome {
    let Opened { outbox, folder } = open().await?;
    let mut late = group("late");
    assert_eq!(late.flush(at(5)).len(), 2);
    assert!(outbox.save(&late, &[]).await? && outbox.save(&group("soon"), &[]).await?);
    assert!(!outbox.save(&late, &[]).await?, "it is another by now");
    outbox.close().await;
    let outbox = SqliteJournal::open(&folder.path().join("journal.db")).await?;
    let mut soon = outbox.first().await?.expect("one is due");
    assert_eq!((&*soon.key, soon.due(), soon.version), ("default/down?fork=soon", Some(at(5)), 1));
    let messages = soon.flush(at(5));
    assert!(outbox.save(&soon, &messages).await?);
    assert!(!outbox.save(&soon, &messages).await?);
    assert_eq!(outbox.heads(10).await?.len(), 2, "what was not saved put nothing in");
    soon.version = 2;
    assert_eq!(outbox.group(&soon.key).await?, Some(soon));
    Ok(())
}

#[tokio::test]
async fn messages_go_in_order_for_each_group_and_channel_and_each_once() -> Outcome {
    let Opened { outbox, folder: _folder } = open().await?;
    let mut group = group("acme");
    let first = group.flush(at(5));
    assert!(outbox.save(&group, &first).await?);
    let mut group = outbox.group(&group.key).await?.expect("it is there");
    assert!(group.hear(Alert { resolved_at: Some(at(9)), ..alert("acme") }, at(9)));
    let second = group.flush(at(9));
    let again: Vec<_> = first.iter().chain(&second).cloned().collect();
    assert!(outbox.save(&group, &again).await?);
    assert_eq!(outbox.depth().await?, Depth { pending: 4, dead: 0, oldest: Some(at(5)) });
    let key = |envelopes: &[Envelope]| envelopes[0].key.clone();
    assert_eq!(heads(&outbox).await?, [(key(&first), "a".into()), (key(&first), "b".into())]);
    let [a, b] = <[Envelope; 2]>::try_from(outbox.heads(10).await?).expect("two");
    assert_eq!((&a.message, a.attempts), (&first[0].message, 0));

    let later = Failure { error: "no answer".into(), next_at: Some(at(60)), failing: false };
    outbox.failed(&a, &later, at(10), &[]).await?;
    outbox.sent(&b, &Receipt { answer: "ok".into(), reference: Some("thread".into()) }, at(10), &[]).await?;
    let [b, a] = <[Envelope; 2]>::try_from(outbox.heads(10).await?).expect("two");
    assert_eq!((&*b.key, b.reference.as_deref()), (&*key(&second), Some("thread")));
    assert_eq!((&*a.key, a.attempts, a.next_at, a.reference), (&*key(&first), 1, at(60), None));

    let dead = Failure { error: "refused".into(), next_at: None, failing: false };
    outbox.failed(&outbox.heads(10).await?[1], &dead, at(11), &[]).await?;
    assert_eq!(heads(&outbox).await?, [(key(&second), "a".into()), (key(&second), "b".into())]);
    let letters = outbox.dead(10).await?;
    assert_eq!((letters.len(), &*letters[0].error, letters[0].given_up_at), (1, "refused", at(11)));
    outbox.discard(&outbox.heads(10).await?[0]).await?;
    assert_eq!(outbox.depth().await?, Depth { pending: 1, dead: 1, oldest: Some(at(9)) });

    for (rule, until, count) in [("up", at(12), 0), ("down", at(10), 0), ("down", at(11), 1), ("down", at(12), 0)] {
        assert_eq!(outbox.resend("default", rule, until, at(12)).await?, count, "{rule} {until}");
    }
    let again = outbox.heads(10).await?.into_iter().find(|head| head.key == key(&first)).expect("it is sent again");
    assert_eq!((again.attempts, again.next_at), (0, at(12)));
    Ok(())
}

#[tokio::test]
async fn a_channel_that_fails_is_told_of_once_until_it_works_again() -> Outcome {
    let Opened { outbox, folder: _folder } = open().await?;
    let mut group = group("acme");
    let messages = group.flush(at(5));
    assert!(outbox.save(&group, &messages).await?);
    let head = outbox.heads(10).await?.remove(0);
    let failure = |error: &str| Failure { error: error.into(), next_at: Some(at(6)), failing: true };
    outbox.failed(&head, &failure("one"), at(6), &[word("one")]).await?;
    outbox.failed(&head, &failure("two"), at(7), &[word("two")]).await?;
    let failing = |error: &str| Failing {
        namespace: "default".into(),
        rule: "down".into(),
        channel: "a".into(),
        since: at(6),
        error: error.into(),
    };
    assert_eq!(outbox.failing().await?, [failing("two")]);
    assert_eq!(outbox.depth().await?.pending, 3, "the first word only");
    let well = Envelope { key: "well".into(), ..word("well") };
    for _ in 0..2 {
        outbox.sent(&head, &Receipt::default(), at(8), std::slice::from_ref(&well)).await?;
    }
    assert_eq!(outbox.failing().await?, []);
    assert_eq!(outbox.depth().await?.pending, 3, "and one word that it works again");
    Ok(())
}

#[tokio::test]
async fn what_is_over_is_bounded_and_what_is_pending_is_kept() -> Outcome {
    let Opened { outbox, folder: _folder } = open().await?;
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10500) \
                INSERT INTO messages (key, grouped, incident, namespace, rule, channel, body, created_us, next_us, state, \
                finished_us) SELECT i, 'g', 'i', 'n', 'r', 'c', '{}', i, i, \
                CASE WHEN i <= 20 THEN 'pending' ELSE 'sent' END, i FROM n";
    sqlx::query(many).execute(&outbox.0).await?;
    for _ in 0..6 {
        sqlx::query("UPDATE messages SET state = 'sent' WHERE id = 10500").execute(&outbox.0).await?;
    }
    let (over, pending): (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE state = 'sent'), count(*) FILTER (WHERE state = 'pending') FROM messages",
    )
    .fetch_one(&outbox.0)
    .await?;
    assert_eq!((over, pending), (10_000, 20));
    Ok(())
}
