//! The journal on a real file: order, bound, restart, reading beside a writer.

use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn object(name: &str) -> ObjectRef {
    ObjectRef::new("Fork", "default", name)
}

fn step(name: &str, second: i64) -> Entry {
    Entry {
        at: Timestamp::from_second(second).expect("a small number is a time"),
        object: object(name),
        facet: Facet::Env.name(),
        step: format!("~ env set {second}"),
        outcome: "done".into(),
        duration_ms: 12,
    }
}

#[tokio::test]
async fn entries_come_back_newest_first_and_survive_a_restart() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&file).await?;
    for second in 1..=3 {
        journal.record(step("acme", second)).await?;
    }
    journal.record(step("other", 9)).await?;
    journal.close().await;
    let journal = SqliteJournal::open(&file).await?;
    assert_eq!(journal.newest(&object("acme"), 2).await?, [step("acme", 3), step("acme", 2)]);
    assert_eq!(journal.newest(&object("nobody"), 2).await?, []);
    Ok(())
}

#[tokio::test]
async fn a_reader_sees_what_a_writer_writes_and_cannot_write() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("journal.db");
    assert!(SqliteJournal::open_read_only(&file).await.is_err());
    let writer = SqliteJournal::open(&file).await?;
    let reader = SqliteJournal::open_read_only(&file).await?;
    writer.record(step("acme", 1)).await?;
    assert_eq!(reader.newest(&object("acme"), 5).await?, [step("acme", 1)]);
    assert!(reader.record(step("acme", 2)).await.is_err());
    Ok(())
}

#[tokio::test]
async fn only_the_newest_ten_thousand_are_kept() -> Outcome {
    let folder = tempfile::tempdir()?;
    let journal = SqliteJournal::open(&folder.path().join("journal.db")).await?;
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10500) \
                INSERT INTO entries (at_us, kind, namespace, name, facet, step, outcome, duration_ms) \
                SELECT i, 'Fork', 'default', 'acme', 'env', 's', 'done', 1 FROM n";
    sqlx::query(many).execute(&journal.0).await?;
    journal.record(step("acme", 1)).await?;
    let (count, oldest): (i64, i64) =
        sqlx::query_as("SELECT count(*), min(id) FROM entries").fetch_one(&journal.0).await?;
    assert_eq!((count, oldest), (10_000, 502));
    assert_eq!(journal.newest(&object("acme"), 1).await?, [step("acme", 1)]);
    Ok(())
}

#[tokio::test]
async fn facets_of_another_version_read_as_other() -> Outcome {
    let folder = tempfile::tempdir()?;
    let journal = SqliteJournal::open(&folder.path().join("journal.db")).await?;
    journal.record(Entry { facet: "database", ..step("acme", 1) }).await?;
    let read = journal.newest(&object("acme"), 1).await?;
    assert_eq!(read, [Entry { facet: "other", ..step("acme", 1) }]);
    Ok(())
}
