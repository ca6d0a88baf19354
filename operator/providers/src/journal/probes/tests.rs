use std::time::Duration;

use forkable_core::monitoring::{Uptime, Verdict};
use proptest::prelude::*;

use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn fork(name: &str) -> ObjectRef {
    ObjectRef::new(FORK, "default", name)
}

fn series(probe: &str) -> Series {
    Series { fork: fork("acme"), probe: probe.into() }
}

fn sample(millisecond: i64, verdict: Verdict, milliseconds: Option<u64>) -> Sample {
    let at = Timestamp::from_millisecond(millisecond).expect("a time");
    Sample { at, verdict, latency: milliseconds.map(Duration::from_millis) }
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::Up), Just(Verdict::Down), Just(Verdict::Unknown)]
}

proptest! {
    #[test]
    fn what_is_packed_comes_back(runs in prop::collection::vec((0_i64..3_600_000, any_verdict(), prop::option::of(0_u64..70_000)), 0..50)) {
        let start = 1_800_000_000 / HOUR * HOUR;
        let samples: Vec<_> = runs.into_iter().map(|(at, verdict, ms)| sample(start * 1000 + at, verdict, ms)).collect();
        let mut data = Vec::new();
        for sample in &samples {
            packed::put_sample(&mut data, start, sample);
        }
        prop_assert_eq!(packed::samples(start, &data), samples.clone());
        let mut point = Point { at: time(start + 59 * 60), ..Point::default() };
        for sample in &samples {
            point.add(sample);
        }
        for step in [60, HOUR] {
            let start = if step == HOUR { floor(start, DAY) } else { start };
            let point = Point { at: time(start + 23 * step), ..point };
            let mut data = Vec::new();
            packed::put_point(&mut data, step, &point);
            packed::put_point(&mut data, step, &point);
            prop_assert_eq!(packed::points(start, step, &data), vec![point, point]);
        }
    }
}

/// A run every 30 seconds for some hours, of which each fifth fails.
fn hours(from: i64, hours: i64) -> Vec<(Series, Sample)> {
    let run = |n: i64| {
        let verdict = if n % 5 == 0 { Verdict::Down } else { Verdict::Up };
        let latency = (n % 5 != 0).then(|| n.unsigned_abs() % 100);
        (series("home"), sample((from + n * 30) * 1000 + 123, verdict, latency))
    };
    (0..hours * 120).map(run).collect()
}

fn sum(points: &[Point]) -> Point {
    let mut sum = Point::default();
    for point in points {
        sum.merge(point);
    }
    sum
}

#[tokio::test]
async fn rollups_say_what_the_runs_said() -> Outcome {
    let journal = SqliteJournal::open_in_memory().await?;
    let begin = 20_000 * DAY;
    for runs in hours(begin, 30).chunks(77) {
        journal.add(runs).await?;
    }
    let (from, to) = (time(begin), time(begin + 30 * HOUR));
    let read = async |step| journal.points(&series("home"), from, to, Duration::from_secs(step)).await;
    let before = read(3600).await?;
    assert_eq!(before.len(), 30);
    assert_eq!((before[0].up, before[0].down, before[0].answered), (96, 24, 96));
    assert_eq!(read(7).await?.len(), 3600, "each run by itself");
    // Only the last day is kept in full.
    journal.tidy(time(begin + 31 * HOUR)).await?;
    assert_eq!(read(3600).await?, before);
    assert_eq!(read(7).await?.len(), 7 * 60 + 23 * 120, "minutes of 7 hours, runs of 23");
    assert_eq!(read(86_400).await?.len(), 2);
    // Then hours only, and then nothing.
    journal.tidy(time(begin + 32 * DAY)).await?;
    assert_eq!(read(7).await?.len(), 30);
    assert_eq!(sum(&read(86_400).await?), sum(&before));
    let rest =
        journal.points(&series("home"), time(begin + 90), time(begin + 2 * HOUR), Duration::from_mins(1)).await?;
    assert_eq!(rest.iter().map(|point| point.at).collect::<Vec<_>>(), [time(begin + 90 + 58 * 60)], "from, in steps");
    journal.tidy(time(begin + 402 * DAY)).await?;
    assert_eq!(read(3600).await?, []);
    let left: (i64,) = sqlx::query_as("SELECT count(*) FROM probe_series").fetch_one(&journal.0).await?;
    assert_eq!(left.0, 0, "nothing is left of a series that nobody probes");
    journal.add(&hours(begin, 1)).await?;
    assert_eq!(read(3600).await?.len(), 1, "one that comes again is written");
    Ok(())
}

#[tokio::test]
async fn spells_go_on_and_add_up() -> Outcome {
    let journal = SqliteJournal::open_in_memory().await?;
    let spell = |name: &str, from, to, is_down| Spell { fork: fork(name), from: time(from), to: time(to), is_down };
    journal.add_spells(&[spell("acme", 0, 50, false), spell("other", 0, 999, true)]).await?;
    journal
        .add_spells(&[spell("acme", 0, 100, false), spell("acme", 100, 130, true), spell("acme", 200, 300, false)])
        .await?;
    let uptime = async |from, to| journal.uptime(&fork("acme"), time(from), time(to)).await;
    let seconds = |uptime: Uptime| (uptime.observed.as_secs(), uptime.down.as_secs());
    assert_eq!(seconds(uptime(0, 1000).await?), (230, 30));
    assert_eq!(seconds(uptime(120, 250).await?), (60, 10));
    assert_eq!(uptime(140, 190).await?.ratio(), None);
    // One that flaps keeps its newest.
    let flaps: Vec<_> = (0..10_010).map(|n| spell("flaps", n * 2, n * 2 + 2, n % 2 == 0)).collect();
    journal.add_spells(&flaps).await?;
    journal.tidy(time(30_000)).await?;
    assert_eq!(journal.uptime(&fork("flaps"), time(0), time(30_000)).await?.observed.as_secs(), 20_000);
    assert_eq!(seconds(uptime(0, 1000).await?), (230, 30));
    Ok(())
}

#[tokio::test]
async fn what_is_confirmed_survives_a_restart_with_the_newest_run() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&file).await?;
    let standing = Standing {
        series: series("home"),
        verdict: Verdict::Down,
        since: time(1_800_000_000),
        newest: sample(1_800_000_030_000, Verdict::Down, None),
        why: "it's \"down\"".into(),
        certificate_ends: Some(time(1_900_000_000)),
    };
    let up = Standing { verdict: Verdict::Up, why: String::new(), ..standing.clone() };
    journal.put_standings(&[up]).await?;
    journal.put_standings(std::slice::from_ref(&standing)).await?;
    journal.add(&[(series("home"), sample(1_800_000_000_000, Verdict::Down, None))]).await?;
    journal.add(&[(series("home"), standing.newest.clone())]).await?;
    journal.close().await;
    let journal = SqliteJournal::open(&file).await?;
    assert_eq!(journal.standings().await?, [standing]);
    Ok(())
}
