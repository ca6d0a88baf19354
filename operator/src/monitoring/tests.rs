//! The scheduler on a clock that runs fast, with a prober that does as it is told.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use forkable_core::monitoring::{Ask, Expect, Finding, HttpAsk, Target};
use serde_json::json;

use super::*;
use crate::{clock::Clock, metrics::Metrics};

const SCALE: u32 = 40;
const INTERVAL: Duration = Duration::from_secs(6);

#[derive(Default)]
struct Puppet {
    fails: AtomicBool,
    is_cut_off: AtomicBool,
    /// Real time that a run takes.
    takes: Duration,
    /// How often a run gives up the processor before it ends.
    yields: usize,
    running: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Prober for Puppet {
    async fn probe(&self, _: &Ask, _: Duration) -> Finding {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        for _ in 0..self.yields {
            tokio::task::yield_now().await;
        }
        self.running.fetch_sub(1, Ordering::SeqCst);
        let result = if self.fails.load(Ordering::SeqCst) { Err("it fails".into()) } else { Ok(()) };
        Finding { result, ..Finding::default() }
    }

    async fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::SeqCst)
    }
}

fn object() -> ObjectRef {
    ObjectRef::new("Fork", "default", "acme")
}

fn target(probe: &str) -> Target {
    let (to, expect) = (forkable_core::sites::To::Url(String::new()), Expect::default());
    let redirects = forkable_crds::fork::Redirects::Follow;
    Target {
        series: Series { fork: object(), probe: probe.into() },
        interval: INTERVAL,
        timeout: Duration::from_secs(2),
        confirmations: 2,
        ask: Ok(Ask::Http(HttpAsk { method: "GET", to, headers: Vec::new(), body: None, redirects, expect })),
    }
}

fn fork() -> Arc<Fork> {
    let spec = json!({
        "template": {"owner": "o", "repo": "t"}, "repository": {"owner": "o", "name": "acme"}, "project": {"name": "acme"},
    });
    Arc::new(Fork::new("acme", serde_json::from_value(spec).expect("a spec")))
}

fn scheduler(puppet: &Arc<Puppet>) -> Scheduler {
    let mut scheduler = Scheduler::new(Clock::scaled(SCALE), puppet.clone(), Metrics::default());
    scheduler.put(object(), Some(fork()), vec![target("home")]);
    scheduler
}

async fn next(scheduler: &mut Scheduler) -> Outcome {
    loop {
        let outcome = tokio::time::timeout(Duration::from_secs(10), scheduler.next()).await;
        if let Some(outcome) = outcome.expect("a run in time") {
            return outcome;
        }
    }
}

#[tokio::test]
async fn a_failure_is_confirmed_about_a_second_later_and_an_end_at_once() {
    let puppet = Arc::new(Puppet::default());
    let mut scheduler = scheduler(&puppet);
    let up = next(&mut scheduler).await;
    assert_eq!((up.standing.verdict, up.before.map(|before| before.verdict)), (Verdict::Up, Some(Verdict::Unknown)));
    let again = next(&mut scheduler).await;
    assert!(again.before.is_none(), "nothing changed");
    let apart = again.standing.newest.at.duration_since(up.standing.newest.at);
    assert!((apart.as_secs_f64() - INTERVAL.as_secs_f64()).abs() < 2.0, "{apart:#}");
    puppet.fails.store(true, Ordering::SeqCst);
    let first = next(&mut scheduler).await;
    assert_eq!((first.standing.verdict, first.standing.newest.verdict), (Verdict::Up, Verdict::Down));
    let second = next(&mut scheduler).await;
    assert_eq!((second.standing.verdict, second.standing.why.as_str()), (Verdict::Down, "it fails"));
    assert_eq!(second.standing.since, first.standing.newest.at, "since the first of them");
    let apart = second.standing.newest.at.duration_since(first.standing.newest.at).as_secs_f64();
    assert!((1.0..3.0).contains(&apart), "{apart} s");
    puppet.fails.store(false, Ordering::SeqCst);
    let up = next(&mut scheduler).await;
    assert_eq!((up.standing.verdict, up.standing.why.as_str()), (Verdict::Up, ""));
    assert!(up.spells.iter().any(|spell| spell.is_down), "{:?}", up.spells);
}

#[tokio::test]
async fn a_prober_that_is_cut_off_knows_nothing() {
    let puppet = Arc::new(Puppet::default());
    puppet.fails.store(true, Ordering::SeqCst);
    puppet.is_cut_off.store(true, Ordering::SeqCst);
    let mut scheduler = scheduler(&puppet);
    for _ in 0..3 {
        let outcome = next(&mut scheduler).await;
        assert_eq!((outcome.standing.verdict, outcome.spells.len()), (Verdict::Unknown, 0));
        assert!(outcome.before.is_none(), "it was unknown before");
    }
}

#[tokio::test]
async fn a_probe_never_runs_twice_at_once_and_is_not_run_late() {
    // Longer than the interval, which is 150 ms of real time.
    let puppet = Arc::new(Puppet { takes: Duration::from_millis(400), ..Puppet::default() });
    let mut scheduler = scheduler(&puppet);
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(next(&mut scheduler).await.standing.newest.at);
    }
    assert_eq!(puppet.most.load(Ordering::SeqCst), 1);
    for pair in runs.windows(2) {
        let intervals = pair[1].duration_since(pair[0]).as_secs_f64() / INTERVAL.as_secs_f64();
        assert!((intervals - intervals.round()).abs() < 0.3 && intervals > 2.5, "at its phase: {intervals}");
    }
}

#[tokio::test]
async fn a_herd_begins_in_turns_so_that_none_of_it_ends_late() {
    const HERD: usize = 1000;
    let puppet = Arc::new(Puppet { yields: 5, ..Puppet::default() });
    let mut scheduler = Scheduler::new(Clock::scaled(SCALE), puppet.clone(), Metrics::default());
    let targets = (0..HERD).map(|number| target(&number.to_string())).collect();
    scheduler.put(object(), Some(fork()), targets);
    // So that all of them are due.
    std::thread::sleep(INTERVAL / SCALE);
    for _ in 0..HERD {
        next(&mut scheduler).await;
    }
    let most = puppet.most.load(Ordering::SeqCst);
    assert!(most < HERD / 2, "{most} at once");
}

#[tokio::test]
async fn what_goes_is_not_told_of_and_what_is_known_is_taken_up() {
    let puppet = Arc::new(Puppet::default());
    puppet.fails.store(true, Ordering::SeqCst);
    let mut scheduler = scheduler(&puppet);
    let known = next(&mut scheduler).await.standing;
    scheduler.put(object(), Some(fork()), Vec::new());
    let nothing = tokio::time::timeout(Duration::from_millis(400), scheduler.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    scheduler.restore(&Standing { verdict: Verdict::Down, why: "as before".into(), ..known });
    scheduler.put(object(), Some(fork()), vec![target("home")]);
    for _ in 0..2 {
        let outcome = next(&mut scheduler).await;
        assert_eq!((outcome.standing.verdict, outcome.standing.why.as_str()), (Verdict::Down, "as before"));
        assert!(outcome.before.is_none(), "nobody is told again");
    }
}
