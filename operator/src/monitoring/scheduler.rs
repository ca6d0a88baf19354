//! Runs probes on time: each at its own points of its interval, never twice at once.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use forkable_core::{
    monitoring::{
        self, Ask, Confirmed, Finding, Prober, Sample, Series, Spell, Standing, Tally, Target, Verdict, maintenance,
    },
    store::ObjectRef,
};
use forkable_crds::Fork;
use jiff::Timestamp;
use tokio::task::{JoinHandle, JoinSet};

use crate::{
    clock::{Clock, after, until},
    metrics::Metrics,
};

/// Time between the beginnings of two runs while a failure is to be confirmed.
const AGAIN: Duration = Duration::from_secs(1);
/// Runs at once if the process may have no more than the usual 1,024 open files.
const FEWEST_RUNS: usize = 512;
/// Runs at once, however many files the process may have open.
const MOST_RUNS: usize = 8192;
/// Runs that begin before those that go on get their turn. While the processor cannot keep up, runs begin late rather
/// than all of them ending late, which would look like products that do not answer.
const TURN: usize = 32;
/// How long after its time the run may come that ends what a sample stands for.
const SLACK: Duration = Duration::from_secs(5);

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// With the run as its newest sample.
    pub standing: Standing,
    /// What was confirmed until now, if it is something else from now on.
    pub before: Option<Confirmed>,
    /// What follows for how long the Fork was well.
    pub spells: Vec<Spell>,
}

/// All probes, and when each is due.
pub struct Scheduler {
    clock: Clock,
    prober: Arc<dyn Prober>,
    metrics: Metrics,
    forks: HashMap<ObjectRef, Box<Product>>,
    /// Boxed: most of the map is room for more of them.
    probes: HashMap<u64, Box<Watched>>,
    due: BTreeSet<(Timestamp, u64)>,
    runs: JoinSet<Ran>,
    most_runs: usize,
    /// Runs that may begin yet in this turn.
    turn: usize,
    /// Waits behind all that is ready to go on now; begun when the turn is used up.
    turn_over: Option<JoinHandle<()>>,
    /// What is known of probes that are put later.
    restored: HashMap<Series, Standing>,
    ids: u64,
}

struct Product {
    fork: Arc<Fork>,
    probes: Vec<u64>,
    tally: Tally,
}

struct Watched {
    target: Arc<Target>,
    phase: Duration,
    confirmed: Confirmed,
    certificate_ends: Option<Timestamp>,
    /// When it runs next; `None` while it runs.
    due: Option<Timestamp>,
}

/// A run that ended.
struct Ran {
    id: u64,
    due: Timestamp,
    began: Timestamp,
    finding: Finding,
    is_cut_off: bool,
}

impl Scheduler {
    pub fn new(clock: Clock, prober: Arc<dyn Prober>, metrics: Metrics) -> Self {
        Self {
            clock,
            prober,
            metrics,
            forks: HashMap::new(),
            probes: HashMap::new(),
            due: BTreeSet::new(),
            runs: JoinSet::new(),
            most_runs: most_runs(),
            turn: TURN,
            turn_over: None,
            restored: HashMap::new(),
            ids: 0,
        }
    }

    /// What was confirmed of a probe that is put next.
    pub(super) fn restore(&mut self, standing: &Standing) {
        self.restored.insert(standing.series.clone(), standing.clone());
    }

    /// Probes this of a Fork from now on, and nothing else. Probes that go on keep their time and what is known.
    pub fn put(&mut self, reference: ObjectRef, fork: Option<Arc<Fork>>, targets: Vec<Target>) {
        let known = self.forks.remove(&reference);
        let (before, tally) = known.map_or((Vec::new(), None), |known| (known.probes, Some(known.tally)));
        let mut before: HashMap<String, u64> =
            before.into_iter().filter_map(|id| Some((self.probes.get(&id)?.target.series.probe.clone(), id))).collect();
        let mut probes: Vec<_> =
            targets.into_iter().map(|target| self.put_probe(before.remove(&target.series.probe), target)).collect();
        // They are where the targets were.
        probes.shrink_to_fit();
        for id in before.into_values() {
            if let Some(due) = self.probes.remove(&id).and_then(|gone| gone.due) {
                self.due.remove(&(due, id));
            }
        }
        if let (Some(fork), false) = (fork, probes.is_empty()) {
            let tally = tally.unwrap_or_else(|| Tally::new(reference.clone()));
            self.forks.insert(reference, Box::new(Product { fork, probes, tally }));
        }
    }

    fn put_probe(&mut self, id: Option<u64>, target: Target) -> u64 {
        let now = self.clock.now();
        let phase = monitoring::phase(&target.series, target.interval);
        if let Some((id, known)) = id.and_then(|id| Some((id, self.probes.get_mut(&id)?))) {
            if known.target.interval != target.interval
                && let Some(due) = known.due
            {
                self.due.remove(&(due, id));
                let due = monitoring::next(phase, target.interval, now);
                known.due = Some(due);
                self.due.insert((due, id));
            }
            (known.phase, known.target) = (phase, Arc::new(target));
            return id;
        }
        self.ids += 1;
        let id = self.ids;
        let due = monitoring::next(phase, target.interval, now);
        let restored = self.restored.remove(&target.series);
        let (confirmed, certificate_ends) = match restored {
            Some(Standing { verdict, since, why, certificate_ends, .. }) => {
                (Confirmed::new(verdict, since, why), certificate_ends)
            }
            None => (Confirmed::new(Verdict::Unknown, now, "it was not confirmed yet".into()), None),
        };
        let target = Arc::new(target);
        let watched = Watched { target, phase, confirmed, certificate_ends, due: Some(due) };
        self.probes.insert(id, Box::new(watched));
        self.due.insert((due, id));
        id
    }

    /// Starts what is due until a run ends; answers what it came to. Nothing is lost if this is dropped.
    pub async fn next(&mut self) -> Option<Outcome> {
        loop {
            self.start();
            let due = self.due.first().map(|(due, _)| *due).filter(|_| self.runs.len() < self.most_runs);
            tokio::select! {
                biased;
                () = over(&mut self.turn_over), if self.turn == 0 => self.turn = TURN,
                Some(ran) = self.runs.join_next() => match ran {
                    Ok(ran) => return self.ended(ran),
                    Err(error) => tracing::error!(%error, "a run of a probe was lost"),
                },
                () = self.clock.sleep_until(due.unwrap_or_default()), if due.is_some() && self.turn > 0 => {}
                else => std::future::pending().await,
            }
        }
    }

    fn start(&mut self) {
        let now = self.clock.now();
        while self.turn > 0
            && self.runs.len() < self.most_runs
            && let Some((due, id)) = self.due.first().copied().filter(|(due, _)| *due <= now)
        {
            self.turn -= 1;
            if self.turn == 0 {
                self.turn_over = Some(tokio::spawn(tokio::task::yield_now()));
            }
            self.due.remove(&(due, id));
            let Some(probe) = self.probes.get_mut(&id) else { continue };
            probe.due = None;
            let (target, prober) = (probe.target.clone(), self.prober.clone());
            let (clock, metrics) = (self.clock.clone(), self.metrics.clone());
            self.runs.spawn(async move {
                let began = clock.now();
                metrics.probe_began(until(due, began));
                let (finding, is_cut_off) = run(&*prober, &target).await;
                Ran { id, due, began, finding, is_cut_off }
            });
        }
    }

    fn ended(&mut self, ran: Ran) -> Option<Outcome> {
        let Ran { id, due, began, finding, is_cut_off } = ran;
        // One that went meanwhile is not told of.
        let probe = self.probes.get_mut(&id)?;
        let target = probe.target.clone();
        let product = self.forks.get_mut(&target.series.fork)?;
        let now = self.clock.now();
        let in_maintenance = maintenance(&product.fork.spec, began);
        let (found, why) = match (&in_maintenance, finding.result) {
            (Some(windows), found) => {
                let found = found.err().map(|why| format!(": {why}")).unwrap_or_default();
                (Verdict::Unknown, format!("in maintenance ({windows}){found}"))
            }
            (None, Ok(())) => (Verdict::Up, String::new()),
            (None, Err(why)) if target.ask.is_err() => (Verdict::Unknown, why),
            (None, Err(why)) if finding.is_challenged => (
                Verdict::Unknown,
                format!("{why}: visitors have to prove that they are browsers, which probes are not"),
            ),
            (None, Err(why)) if is_cut_off => {
                (Verdict::Unknown, format!("{why}; what always answers is out of reach too, so it may be this side"))
            }
            (None, Err(why)) => (Verdict::Down, why),
        };
        let confirmations = if in_maintenance.is_some() || target.ask.is_err() { 1 } else { target.confirmations };
        let before = probe.confirmed.take(began, found, &why, confirmations);
        probe.certificate_ends = finding.certificate_ends.or(probe.certificate_ends);
        let next = if probe.confirmed.is_in_doubt() {
            after(began, AGAIN).max(now)
        } else {
            let next = monitoring::next(probe.phase, target.interval, now);
            let missed = until(due, next).as_millis() / target.interval.as_millis().max(1);
            self.metrics.probes_skipped(u64::try_from(missed).unwrap_or_default().saturating_sub(1));
            next
        };
        probe.due = Some(next);
        self.due.insert((next, id));
        self.metrics.probe_ended(found, finding.latency, &finding.phases);
        let stands = after(began, target.interval + target.timeout + SLACK);
        let spells = product.tally.take(&target.series.probe, began, found, stands);
        let Confirmed { verdict, since, why, .. } = probe.confirmed.clone();
        let standing = Standing {
            series: target.series.clone(),
            verdict,
            since,
            newest: Sample { at: began, verdict: found, latency: finding.latency },
            why,
            certificate_ends: probe.certificate_ends,
        };
        Some(Outcome { standing, before, spells })
    }
}

/// Waits until a turn is over.
async fn over(turn: &mut Option<JoinHandle<()>>) {
    if let Some(waits) = turn {
        // It does nothing that could fail.
        drop(waits.await);
    }
    *turn = None;
}

/// One run, and if it fails, whether this side is to blame.
async fn run(prober: &dyn Prober, target: &Target) -> (Finding, bool) {
    let ask: &Ask = match &target.ask {
        Ok(ask) => ask,
        Err(why) => {
            let result = Err(why.clone());
            return (Finding { result, ..Finding::default() }, false);
        }
    };
    let finding = prober.probe(ask, target.timeout).await;
    let is_cut_off = finding.result.is_err() && finding.latency.is_none() && prober.is_cut_off().await;
    (finding, is_cut_off)
}

/// Half of the files that the process may have open.
fn most_runs() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    let files = soft.and_then(|soft| soft.parse::<usize>().ok()).unwrap_or_default();
    (files / 2).clamp(FEWEST_RUNS, MOST_RUNS)
}
